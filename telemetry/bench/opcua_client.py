"""The measured process of the OPC UA bench: our driver and asyncua's client in turn, CPU by the process's own clock.

Both run on uvloop, each on a connection of its own to the same server. Ours reads as `OpcUaDevice` does, deadline included, and
gives arrays of values, qualities and source times; asyncua's `read_values` gives the values.
"""

import asyncio
import gc
import json
import logging
import math
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, cast

import numpy as np
import uvloop
from asyncua import Client, ua

from drivers.deadline import Deadlines
from drivers.device import SCAN_DEADLINE_S
from drivers.frame import Scan
from drivers.opcua.device import OpcUaDevice
from drivers.opcua.items import Items
from drivers.opcua.reads import BulkRead
from drivers.opcua.wire import Wire
from drivers.profile import Profile

COMPARED: Final = 20
"""Reads whose values are compared, each with its counterpart."""
SETTLING_S: Final = 3.0
CONNECT_S: Final = 60.0
BATCH: Final = 500


async def _connected(url: str, wire: bool) -> Client:
    client = Client(url, timeout=10)
    if wire:
        Wire.under(client)
    await client.connect()
    return client


async def reads(asked: dict[str, Any]) -> dict[str, Any]:
    """Rounds of ours and of asyncua by turns; values per CPU second of each round."""
    ours, theirs = await _connected(asked["url"], True), await _connected(asked["url"], False)
    try:
        index = await ours.get_namespace_index(asked["namespace"])
        ids = [ua.NodeId.from_string(f"ns={index};{node}") for node in asked["nodes"]]
        bulk, nodes = BulkRead(ours, ids, SCAN_DEADLINE_S), [theirs.get_node(node) for node in ids]

        deadlines = Deadlines(SCAN_DEADLINE_S)

        async def read() -> Items:  # with the deadline that a scan has
            task = deadlines.begin()
            try:
                return await bulk.read(ours)
            finally:
                deadlines.end(task)

        async def read_values() -> list[Any]:
            return await theirs.read_values(nodes)

        compared = 0
        for _ in range(COMPARED):
            compared += _compared(await read(), await read_values())
        gc.collect()
        gc.freeze()
        found: dict[str, list[float]] = {"ours": [], "baseline": []}
        for number in range(asked["rounds"]):
            turns: list[tuple[str, Callable[[], Awaitable[object]], int]] = [
                ("ours", read, asked["requests"]),
                ("baseline", read_values, asked["baseline_requests"]),
            ]
            for kind, one, count in turns if number % 2 == 0 else reversed(turns):
                await one()
                began_s = time.process_time()
                for _ in range(count):
                    await one()
                found[kind].append(count * len(ids) / (time.process_time() - began_s))
        return {**found, "compared": compared}
    finally:
        await ours.disconnect()
        await theirs.disconnect()


def _compared(ours: Items, theirs: Sequence[Any]) -> int:
    """How many values both gave, all equal. What is Bad or no number in ours is null or no finite number in theirs. Raises
    RuntimeError at the first that differs."""
    for n, value in enumerate(theirs):
        mine = float(ours.values[n])
        if isinstance(value, str):
            same = ours.texts.get(n) == value
        elif value is None or not math.isfinite(value):
            same = math.isnan(mine)
        else:
            same = mine == value
        if not same:
            raise RuntimeError(f"value {n} is {mine} by our driver and {value} by asyncua")
    return len(theirs)


async def watch(asked: dict[str, Any]) -> dict[str, Any]:
    """Changes of subscribed items for some seconds: by our device, whose scans go on meanwhile, into frames."""
    tag = {"name": {"en": "t", "zh": "t"}, "sampling_ms": int(asked["interval_ms"])}
    profile = Profile.model_validate(
        {
            "profile": "bench", "name": {"en": "bench", "zh": "bench"}, "equipment_type": "bench", "maker": "none",
            "source": "the bench's own", "protocol": "opcua", "namespace": asked["namespace"],
            "tags": {node.removeprefix("s="): {**tag, "node": node} for node in asked["nodes"]},
        }
    )  # fmt: skip
    device = OpcUaDevice("BENCH", profile, asked["url"], time.time_ns)
    frames = values = 0

    def told(change: Scan) -> None:
        nonlocal frames, values
        for frame in change.frames:
            frames += 1
            values += int(np.count_nonzero(~np.isnan(frame.values)))

    device.on_change = told
    running = asyncio.create_task(device.run())
    try:
        await asyncio.sleep(SETTLING_S)
        for _ in range(int(CONNECT_S)):
            if (await device.scan(time.time_ns())).failure is None:
                break
            await asyncio.sleep(1.0)
        gc.collect()
        gc.freeze()
        frames = values = 0
        began_s, cpu_s = time.monotonic(), time.process_time()
        while time.monotonic() < began_s + asked["seconds"]:
            scan = await device.scan(time.time_ns())
            if scan.failure is not None:
                raise RuntimeError(scan.failure)
            await asyncio.sleep(1.0)
        spent_s, seconds = time.process_time() - cpu_s, time.monotonic() - began_s
        return {"values": values, "frames": frames, "cpu_s": spent_s, "seconds": seconds, "losses": device.losses}
    finally:
        running.cancel()
        await asyncio.wait((running,))


async def nodes(asked: dict[str, Any]) -> dict[str, Any]:
    """The identifiers of all variables that lie one below an object of the namespace."""
    client = await _connected(asked["url"], False)
    try:
        index = await client.get_namespace_index(asked["namespace"])
        found: list[str] = []
        for folder in await client.nodes.objects.get_children():
            if folder.nodeid.NamespaceIndex == index:
                found += [f"s={node.nodeid.Identifier}" for node in await folder.get_children()]
        return {"nodes": found}
    finally:
        await client.disconnect()


class _Counted:
    """asyncua's handler of changes: counts them."""

    def __init__(self) -> None:
        self.values = 0

    def datachange_notification(self, node: object, value: object, data: object) -> None:
        self.values += 1


async def watch_asyncua(asked: dict[str, Any]) -> dict[str, Any]:
    """As `watch`, by asyncua's own subscription."""
    client = await _connected(asked["url"], False)
    try:
        index = await client.get_namespace_index(asked["namespace"])
        nodes = [client.get_node(ua.NodeId.from_string(f"ns={index};{node}")) for node in asked["nodes"]]
        handler = _Counted()
        subscription = await client.create_subscription(asked["interval_ms"], cast("Any", handler))
        for first in range(0, len(nodes), BATCH):
            await subscription.subscribe_data_change(nodes[first : first + BATCH], queuesize=2)
        await asyncio.sleep(SETTLING_S)
        gc.collect()
        gc.freeze()
        handler.values = 0
        began_s, cpu_s = time.monotonic(), time.process_time()
        await asyncio.sleep(asked["seconds"])
        spent_s, seconds = time.process_time() - cpu_s, time.monotonic() - began_s
        return {"values": handler.values, "cpu_s": spent_s, "seconds": seconds, "losses": 0}
    finally:
        await client.disconnect()


def main() -> None:
    """``python -m telemetry.bench.opcua_client KIND``; takes JSON, prints JSON."""
    logging.disable(logging.CRITICAL)
    kinds = {"reads": reads, "nodes": nodes, "watch": watch, "watch-asyncua": watch_asyncua}
    print(json.dumps(uvloop.run(kinds[sys.argv[1]](json.loads(sys.stdin.read())))))


if __name__ == "__main__":
    main()
