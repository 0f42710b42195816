"""Watched tags: a server tells their changes, none is lost in silence, and a lost subscription is Bad at once."""

import asyncio
import struct
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
from asyncua import Node, Server, ua

from drivers.device import TellsChanges, open_device
from drivers.frame import Scan
from drivers.opcua.device import OpcUaDevice
from drivers.opcua.notifications import DATA_CHANGE
from drivers.profile import Profile
from drivers.quality import BAD_NODE_ID_UNKNOWN, BAD_SENSOR_FAILURE
from tests.drivers.tampering import Tampering, chunk_of, service
from tests.foreign import servers
from tests.foreign.driven import scanned, sound
from tests.system.demo import free_port

URI = "urn:telemetry:test"


def profile(watched: list[str], polled: list[str] = [], sampling_ms: int = 50) -> Profile:  # noqa: B006
    def tag(name: str, more: dict[str, Any]) -> dict[str, Any]:
        return {"name": {"en": name, "zh": name}, "node": f"s={name}", **more}

    tags = {name.lower(): tag(name, {"sampling_ms": sampling_ms}) for name in watched}
    tags |= {name.lower(): tag(name, {}) for name in polled}
    return Profile.model_validate(
        {
            "profile": "p", "name": {"en": "p", "zh": "p"}, "equipment_type": "isolator", "maker": "m", "source": "s",
            "protocol": "opcua", "namespace": URI, "tags": tags,
        }
    )  # fmt: skip


@asynccontextmanager
async def served(port: int, names: list[str]) -> AsyncGenerator[dict[str, Node]]:
    server = Server()
    await server.init()
    server.set_endpoint(f"opc.tcp://127.0.0.1:{port}/")
    server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
    index = await server.register_namespace(URI)
    nodes = {
        name: await server.nodes.objects.add_variable(ua.NodeId(name, index), name, 0.0, ua.VariantType.Double)
        for name in names
    }
    async with server:
        yield nodes


@asynccontextmanager
async def driven(address: str | int, given: Profile) -> AsyncGenerator[tuple[OpcUaDevice, list[Scan]]]:
    url = address if isinstance(address, str) else f"opc.tcp://127.0.0.1:{address}/"
    device = open_device("D1", given, url, time.time_ns)
    assert isinstance(device, OpcUaDevice) and isinstance(device, TellsChanges)
    told: list[Scan] = []
    device.on_change = lambda scan: told.append(sound(scan))
    running = asyncio.create_task(device.run())
    try:
        yield device, told
    finally:
        running.cancel()
        await asyncio.wait((running,))


async def until(true: Callable[[], bool], deadline_s: float = 5.0) -> float:
    """Waits until `true`; gives how long that took, in seconds."""
    began = time.monotonic()
    while not true():
        assert time.monotonic() - began < deadline_s, "not in time"
        await asyncio.sleep(0.005)
    return time.monotonic() - began


def values_of(told: list[Scan], tag: str) -> list[float]:
    """The values that the changes told of one tag, one after the other, repetitions left out."""
    found: list[float] = []
    for scan in told:
        for frame in scan.frames:
            if tag in frame.layout.tags:
                value = float(frame.values[frame.layout.tags.index(tag)])
                if not found or found[-1] != value:
                    found.append(value)
    return found


def good(scan: Scan) -> bool:
    return scan.failure is None and all(frame.quality is None for frame in scan.frames)


async def test_a_change_is_told_at_once_and_is_in_the_next_scan() -> None:
    port = free_port()
    async with (
        served(port, ["Door", "Trip", "T"]) as nodes,
        driven(port, profile(["Door", "Trip"], ["T"])) as (device, told),
    ):
        scan = await scanned(device, good)
        assert [frame.layout.tags for frame in scan.frames] == [("D1.t",), ("D1.door", "D1.trip")]
        told.clear()
        await nodes["Door"].write_value(1.0)
        assert await until(lambda: bool(told)) < 0.5
        (frame,) = told[0].frames
        assert frame.layout.tags == ("D1.door", "D1.trip") and frame.values.tolist() == [1.0, 0.0]
        assert frame.source_ns is not None and abs(time.time_ns() - int(frame.source_ns[0])) < 2e9
        assert abs(frame.time_ns - frame.received_ns) < 1e9
        scan = await device.scan(7_000_000_000)
        assert [frame.time_ns for frame in scan.frames] == [7_000_000_000] * 2
        assert scan.frames[1].values.tolist() == [1.0, 0.0]


async def test_what_comes_and_goes_between_two_messages_is_told_in_its_order() -> None:
    port = free_port()
    async with (
        served(port, ["Door", "Other"]) as nodes,
        driven(port, profile(["Door", "Other"], sampling_ms=200)) as (device, told),
    ):
        await scanned(device, good)
        told.clear()
        for value in (1.0, 0.0, 2.0, 0.0, 3.0):
            await nodes["Door"].write_value(value)
        await until(lambda: len(values_of(told, "D1.door")) == 5)
        assert values_of(told, "D1.door") == [1.0, 0.0, 2.0, 0.0, 3.0]
        times = [frame.time_ns for scan in told for frame in scan.frames]
        assert times == sorted(times)
        assert device.losses == 0


async def test_a_queue_that_ran_over_in_the_server_is_counted() -> None:
    port = free_port()
    async with served(port, ["Door"]) as nodes, driven(port, profile(["Door"])) as (device, told):
        await scanned(device, good)
        overflow = ua.StatusCode(0x00000480)  # Good, of a DataValue, and the queue before it ran over (Part 4, 7.39)
        await nodes["Door"].write_value(ua.DataValue(ua.Variant(1.0), overflow))
        await until(lambda: device.losses == 1)
        assert values_of(told, "D1.door")[-1] == 1.0
        scan = await device.scan(0)
        assert good(scan) and [gap.reason.partition(":")[0] for gap in scan.gaps] == ["D1.door"]
        assert abs(time.time_ns() - scan.gaps[0].last_ns) < 5e9 and scan.gaps[0].first_ns <= scan.gaps[0].last_ns
        assert not (await device.scan(0)).gaps  # told once
        await nodes["Door"].write_value(2.0)
        await until(lambda: values_of(told, "D1.door")[-1] == 2.0)
        assert device.losses == 1


async def test_quality_reaches_changes_and_scans() -> None:
    port = free_port()
    async with served(port, ["Door"]) as nodes, driven(port, profile(["Door", "Missing"])) as (device, told):
        scan = await scanned(device, lambda scan: scan.failure is None and not np.isnan(scan.frames[0].values[0]))
        assert scan.frames[0].quality is not None
        assert scan.frames[0].quality.tolist() == [0, BAD_NODE_ID_UNKNOWN]
        assert any("missing" in finding for finding in scan.findings)
        told.clear()
        await nodes["Door"].write_value(ua.DataValue(ua.Variant(1.0), ua.StatusCode(0x808C0000)))
        await until(lambda: bool(told))
        quality = told[-1].frames[0].quality
        assert quality is not None and quality[0] == BAD_SENSOR_FAILURE and np.isnan(told[-1].frames[0].values[0])
        assert (await device.scan(0)).frames[0].quality is not None


# ---- servers that are not ours


def foreign(sampling_ms: int = 50) -> Profile:
    given = profile(["Set.Double"], ["Double"], sampling_ms).model_dump(by_alias=True, exclude_none=True)
    given["tags"]["set.double"]["writable"] = True
    return Profile.model_validate({**given, "namespace": servers.NAMESPACE})


async def test_a_frozen_server_of_watched_tags_alone_is_noticed_by_its_silence(tmp_path: Path) -> None:
    given = foreign().model_dump(by_alias=True, exclude_none=True)
    del given["tags"]["double"]
    with servers.node_opcua(tmp_path) as server:
        async with driven(server.url, Profile.model_validate(given)) as (device, _):
            await scanned(device, good)
            server.freeze()
            scan = await scanned(device, lambda scan: scan.failure is not None)
            assert "subscription has said nothing" in str(scan.failure)
            assert [frame.layout.tags for frame in scan.frames] == [("D1.set.double",)]
            server.thaw()
            await scanned(device, good)


async def test_changes_and_the_servers_own_alarms_come_on_one_session(tmp_path: Path) -> None:
    """Publish requests belong to the session: whoever sends them must give each message to whom it belongs."""
    given = foreign().model_dump(by_alias=True, exclude_none=True)
    level = {"name": {"en": "l", "zh": "l"}, "node": "s=Level", "writable": True}
    both = Profile.model_validate({**given, "events": True, "tags": {**given["tags"], "level": level}})
    with servers.node_opcua(tmp_path) as server:
        async with driven(server.url, both) as (device, told):
            await scanned(device, good)
            told.clear()
            for value in (97.0, 50.0):
                await device.write("D1.level", value)
                await scanned(device, lambda scan: any(event.active == (value > 90) for event in scan.events))  # noqa: B023
                await device.write("D1.set.double", value)
                await until(lambda: values_of(told, "D1.set.double")[-1:] == [value])  # noqa: B023 - both are awaited here
            assert device.losses == 0 and good(await device.scan(0))


# ---- a server that is made to go wrong: asyncua's, with its answers to publish requests in our hands


class Publishing(Tampering):
    """Loses what is published: `lose` messages.

    forget: the server is asked again for messages it never had; damage: the next message says that it tells 1,000 values;
    dress: messages come in another form of the same; slow: the server says that it keeps alive after so many intervals.
    """

    def __init__(self, port: int, to: int) -> None:
        super().__init__(port, to)
        self.lose, self.forget, self.damage, self.dress = 0, False, False, False
        self.slow = 0
        self.asked, self.answered = self._asked, self._answered

    def _asked(self, chunk: bytes) -> tuple[bytes]:
        if self.forget and service(chunk) == ua.ObjectIds.RepublishRequest_Encoding_DefaultBinary:
            return (chunk[:-4] + struct.pack("<I", 999_999),)
        return (chunk,)

    def _answered(self, chunk: bytes) -> tuple[bytes]:
        if self.slow and service(chunk) == ua.ObjectIds.CreateSubscriptionResponse_Encoding_DefaultBinary:
            return (chunk[:-4] + struct.pack("<I", self.slow),)  # its last word is the revised keep-alive count
        return self._published(chunk)

    def _published(self, chunk: bytes) -> tuple[bytes]:
        """A message that is to be lost is sent as the keep-alive that would have come after it."""
        if service(chunk) != ua.ObjectIds.PublishResponse_Encoding_DefaultBinary:
            return (chunk,)
        if self.dress:  # a response header with a text in its table of strings
            text = struct.pack("<ii1s", 1, 1, b"x")
            return (chunk_of(chunk, b"F", chunk[24:45] + text + chunk[49:]),)
        if self.damage and (at := chunk.find(struct.pack("<BHBi", 0, DATA_CHANGE, 1, 0)[1:3])) > 0:
            self.damage = False
            return (chunk[: at + 7] + struct.pack("<i", 1000) + chunk[at + 11 :],)
        if not self.lose:
            return (chunk,)
        available = struct.unpack_from("<i", chunk, 56)[0]
        at = 60 + 4 * max(available, 0) + 1
        sequence, when, count = struct.unpack_from("<Iqi", chunk, at)
        if not count:
            return (chunk,)
        self.lose -= 1
        return (chunk_of(chunk, b"F", chunk[24:at] + struct.pack("<Iqiii", sequence + 1, when, 0, 0, 0)),)


@asynccontextmanager
async def between() -> AsyncGenerator[tuple[dict[str, Node], Publishing, OpcUaDevice, list[Scan]]]:
    inner, outer = free_port(), free_port()
    async with (
        served(inner, ["Door"]) as nodes,
        Publishing(outer, inner).running() as publishing,
        driven(outer, profile(["Door"])) as (device, told),
    ):
        await scanned(device, good)
        told.clear()
        yield nodes, publishing, device, told


async def test_a_message_that_did_not_come_is_asked_for_again() -> None:
    async with between() as (nodes, publishing, device, told):
        publishing.lose = 1
        await nodes["Door"].write_value(1.0)
        await until(lambda: publishing.lose == 0)
        await nodes["Door"].write_value(2.0)
        await until(lambda: values_of(told, "D1.door")[-1:] == [2.0])
        assert values_of(told, "D1.door") == [1.0, 2.0]
        assert device.losses == 0


async def test_a_message_that_the_server_has_no_more_is_counted_as_lost() -> None:
    async with between() as (nodes, publishing, device, told):
        publishing.forget = True
        publishing.lose = 1
        await nodes["Door"].write_value(1.0)
        await until(lambda: device.losses == 1)
        await nodes["Door"].write_value(2.0)
        await until(lambda: values_of(told, "D1.door") == [2.0])
        scan = await device.scan(0)
        assert good(scan) and len(scan.gaps) == 1 and "D1.door: 1 messages of changes" in scan.gaps[0].reason


async def test_a_damaged_message_is_never_passed_over_in_silence() -> None:
    async with between() as (nodes, publishing, device, _):
        publishing.damage = True
        await nodes["Door"].write_value(1.0)
        scan = await scanned(device, lambda scan: scan.failure is not None)
        assert "damaged" in str(scan.failure)
        scan = await scanned(device, good)  # on a new connection, with what it is now
        assert scan.frames[0].values.tolist() == [1.0] and publishing.connections == 2


async def test_a_message_in_a_form_of_its_own_is_taken_all_the_same() -> None:
    async with between() as (nodes, publishing, device, told):
        publishing.dress = True
        await nodes["Door"].write_value(1.0)
        await until(lambda: values_of(told, "D1.door")[-1:] == [1.0])
        assert device.losses == 0 and good(await device.scan(0))


async def test_a_server_that_keeps_alive_more_slowly_is_given_its_time() -> None:
    inner, outer = free_port(), free_port()
    async with served(inner, ["Door"]), Publishing(outer, inner).running() as publishing:
        publishing.slow = 200
        async with driven(outer, profile(["Door"])) as (device, _):
            await scanned(device, good)
            assert device._watch is not None  # pyright: ignore[reportPrivateUsage]
            assert device._watch.silence_s == 2.5 * 200 * 0.05  # pyright: ignore[reportPrivateUsage]
