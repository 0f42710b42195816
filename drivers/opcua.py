"""An OPC UA device: one session, one read of all its nodes each second. asyncua owns session and channel.

Nodes are addressed by namespace URI (the index moves when a server loads another nodeset). A new Client is made for every
connect: after a server restart an old one never recovers (devices.md).
"""

import asyncio
from collections.abc import Sequence
from typing import Final

import numpy as np
from asyncua import Client, ua

from drivers.datavalues import Items
from drivers.device import CONNECT_DEADLINE_S, SCAN_DEADLINE_S, Now, WriteFailed, backoff_s, layouts_of
from drivers.frame import Frame, Scan, bad_frame
from drivers.opcua_reads import BulkRead, full_items
from drivers.profile import Profile
from drivers.quality import BAD_COMMUNICATION_ERROR, BAD_NO_COMMUNICATION, BAD_TIMEOUT

NODES_PER_READ: Final = 500
"""Nodes in one read where neither profile nor server states less."""
_OPERATION_LIMIT: Final = ua.NodeId.from_string(
    f"i={ua.ObjectIds.Server_ServerCapabilities_OperationLimits_MaxNodesPerRead}"
)


class OpcUaDevice:
    """A server at ``opc.tcp://host:port/path``."""

    def __init__(self, device: str, profile: Profile, address: str, now: Now) -> None:
        self.device, self.profile, self.address, self.now = device, profile, address, now
        self.tags = profile.expanded()
        self.layouts = layouts_of(device, self.tags)
        self.failure: str | None = f"{device} at {address} is not connected yet"
        self._numeric = [tag for layout in self.layouts for tag in layout.tags]
        self._texts = [f"{device}.{name}" for name, tag in self.tags.items() if tag.kind == "text"]
        self._client: Client | None = None
        self._reads: list[BulkRead] = []
        self._types: dict[str, ua.VariantType] = {}
        self._namespace = 0
        self._lost = asyncio.Event()

    async def run(self) -> None:
        waits = backoff_s()
        while True:
            client = Client(self.address, timeout=CONNECT_DEADLINE_S)
            try:
                self._lost.clear()
                async with asyncio.timeout(CONNECT_DEADLINE_S):
                    await client.connect()
                    await self._prepare(client)
                self._client, self.failure = client, None
                waits = backoff_s()
                await self._lost.wait()
            except Exception as error:  # noqa: BLE001 - asyncua lets AssertionError and others out; each must become a sentence
                self.failure = f"{self.device} at {self.address} cannot be reached: {sentence(error)}"
            finally:
                self._client = None
                await self._close(client)
            await asyncio.sleep(next(waits))

    async def _close(self, client: Client) -> None:
        """Ends session, channel and socket; a peer that is gone must not hold this up."""
        try:
            async with asyncio.timeout(1.0):
                await client.disconnect()
        except Exception:  # noqa: BLE001 - whatever it was, the socket goes now
            client.disconnect_socket()

    async def _prepare(self, client: Client) -> None:
        """Finds the namespace and the server's limit, and encodes what every scan asks."""
        uri = self.profile.namespace
        assert uri is not None
        try:
            self._namespace = await client.get_namespace_index(uri)
        except ValueError as error:
            raise ValueError(f"the server has no namespace {uri}; compare the profile with the server") from error
        limit = self.profile.server.nodes_per_read or NODES_PER_READ
        stated = (await client.uaclient.read_attributes([_OPERATION_LIMIT], ua.AttributeIds.Value))[0]
        if stated.Value is not None and isinstance(stated.Value.Value, int) and stated.Value.Value > 0:
            limit = min(limit, stated.Value.Value)
        nodes = [self._node(tag) for tag in (*self._numeric, *self._texts)]
        self._reads = [BulkRead(client, nodes[i : i + limit], SCAN_DEADLINE_S) for i in range(0, len(nodes), limit)]

    def _node(self, tag: str) -> ua.NodeId:
        node = self.tags[tag.removeprefix(f"{self.device}.")].node
        return ua.NodeId.from_string(f"ns={self._namespace};{node}")

    async def scan(self, slot_ns: int) -> Scan:
        client = self._client
        if client is None:
            return self._failed(slot_ns, BAD_NO_COMMUNICATION)
        try:
            async with asyncio.timeout(SCAN_DEADLINE_S):
                parts = [await read.read(client) for read in self._reads]
        except TimeoutError:
            self.failure = f"{self.device} at {self.address} did not answer within {SCAN_DEADLINE_S} s"
            self._lost.set()
            return self._failed(slot_ns, BAD_TIMEOUT)
        except Exception as error:  # noqa: BLE001 - as in run: each becomes a sentence
            self.failure = f"{self.device} at {self.address}: {sentence(error)}"
            self._lost.set()
            return self._failed(slot_ns, BAD_COMMUNICATION_ERROR)
        return self._frames(slot_ns, self.now(), parts)

    def _frames(self, slot_ns: int, received_ns: int, parts: Sequence[Items]) -> Scan:
        values = np.concatenate([part.values for part in parts])
        quality = np.concatenate([part.quality for part in parts])
        source_ns = np.concatenate([part.source_ns for part in parts])
        frames: list[Frame] = []
        at = 0
        for layout in self.layouts:
            part = slice(at, at + len(layout.tags))
            at += len(layout.tags)
            reasons = quality[part] if quality[part].any() else None
            frames.append(Frame(layout, slot_ns, received_ns, values[part], reasons, source_ns[part]))
        found: dict[int, str] = {}
        for n, part in enumerate(parts):
            first = sum(len(read.nodes) for read in self._reads[:n])
            found |= {first + item: text for item, text in part.texts.items()}
        return Scan(tuple(frames), {tag: found.get(at + i) for i, tag in enumerate(self._texts)})

    def _failed(self, slot_ns: int, reason: int) -> Scan:
        received_ns = self.now()
        frames = tuple(bad_frame(layout, slot_ns, received_ns, reason) for layout in self.layouts)
        return Scan(frames, dict.fromkeys(self._texts), self.failure or "no connection")

    async def write(self, tag: str, value: float) -> float:
        client = self._client
        if client is None:
            raise WriteFailed(f"{tag} was not written: {self.failure}")
        node = client.get_node(self._node(tag))
        try:
            async with asyncio.timeout(SCAN_DEADLINE_S):
                kind = self._types.get(tag)
                if kind is None:
                    kind = self._types[tag] = await node.read_data_type_as_variant_type()
                # The Variant alone: with a status or a timestamp beside it several makers' servers refuse the write.
                plain = ua.DataValue(ua.Variant(_as(kind, value), kind))
                await node.write_attribute(ua.AttributeIds.Value, plain)
                held = await node.read_data_value()
                return float(full_items([held]).values[0])
        except TimeoutError as error:
            raise WriteFailed(f"{tag}: {self.device} did not answer the write within {SCAN_DEADLINE_S} s") from error
        except Exception as error:
            raise WriteFailed(f"{tag} was not written: {sentence(error)}") from error


_INTEGERS = {
    ua.VariantType.SByte, ua.VariantType.Byte, ua.VariantType.Int16, ua.VariantType.UInt16, ua.VariantType.Int32,
    ua.VariantType.UInt32, ua.VariantType.Int64, ua.VariantType.UInt64,
}  # fmt: skip


def _as(kind: ua.VariantType, value: float) -> bool | int | float:
    if kind == ua.VariantType.Boolean:
        return bool(value)
    return round(value) if kind in _INTEGERS else float(value)


def sentence(error: BaseException) -> str:
    """What an operator can do something with, from an asyncua or socket error."""
    match error:
        case TimeoutError():
            return "it does not answer"
        case ConnectionRefusedError():
            return "nothing listens at that address"
        case ua.UaStatusCodeError():
            return f"the server says {type(error).__name__}"
        case OSError() | ValueError():
            return str(error) or type(error).__name__
        case _:
            return f"{type(error).__name__} {error}".strip()
