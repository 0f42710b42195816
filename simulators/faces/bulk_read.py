# pyright: reportArgumentType=false
# (asyncua declares identifiers and status codes as types of their own, and takes plain numbers)
"""Read requests answered in bulk: what a poller asks every second is decoded once and its answer put together as bytes.

asyncua makes some ten objects a value to decode a request and encode its answer: 21 us a value, here about 1. The bytes are
the same (tests/simulators/test_opcua.py compares them). Everything but a plain read of this device's values, asked with
source timestamps only, goes asyncua's own way.
"""

import struct
import time
from collections.abc import Callable
from typing import Any, Final

from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.server.binary_server_asyncio import OPCUAProtocol
from asyncua.server.uaprocessor import UaProcessor
from asyncua.ua.ua_binary import struct_from_binary, struct_to_binary

from drivers.profile import Kind
from simulators.readings import Readings

_CREATE_SESSION: Final = ua.NodeId(ua.ObjectIds.CreateSessionRequest_Encoding_DefaultBinary)
_READ: Final = ua.NodeId(ua.ObjectIds.ReadRequest_Encoding_DefaultBinary)
_VALUE_STATUS_SOURCE: Final = 0x07
"""Encoding mask of a DataValue (OPC UA Part 6, 5.2.2.17) with value, status and source timestamp."""
_FORMATS: Final[dict[Kind, tuple[int, struct.Struct, Callable[[Any], Any]]]] = {
    "float": (10, struct.Struct("<BBfIq"), float),
    "integer": (6, struct.Struct("<BBiIq"), int),
    "boolean": (1, struct.Struct("<BB?Iq"), bool),
    "state": (6, struct.Struct("<BBiIq"), int),
}
_NO_VALUE: Final = struct.Struct("<BBIq")
_TEXT_HEAD, _TEXT_TAIL = struct.Struct("<BBi"), struct.Struct("<Iq")
_STRING: Final = 12
_COUNT: Final = struct.Struct("<i")
_NO_DIAGNOSTICS: Final = _COUNT.pack(0)
_EPOCH_TICKS: Final = 116_444_736_000_000_000
_REMEMBERED: Final = 16

Item = tuple[int, int, Callable[..., bytes], Callable[[Any], Any]] | str
"""A number: its place in the readings, its OPC UA type, how it is packed and made. A text: its name."""


class BulkRead:
    """Answers for the values of `readings`, at most `largest` in one request."""

    def __init__(self, readings: Readings, largest: int) -> None:
        self._readings, self._largest = readings, largest
        self._items: dict[ua.NodeId, Item] = {}
        self._plans: dict[bytes, list[Item] | None] = {}

    def add(self, node: ua.NodeId, name: str, kind: Kind) -> None:
        """`node` shows the tag `name`."""
        if kind == "text":
            self._items[node] = name
        else:
            type_, packing, make = _FORMATS[kind]
            self._items[node] = (self._readings.index[name], type_, packing.pack, make)

    def results(self, asked: bytes) -> bytes | None:
        """The encoded results of the encoded ReadParameters `asked`; None where asyncua has to answer."""
        try:
            plan = self._plans[asked]
        except KeyError:
            if len(self._plans) >= _REMEMBERED:
                self._plans.clear()
            plan = self._plans[asked] = self._planned(struct_from_binary(ua.ReadParameters, Buffer(asked)))
        return None if plan is None else self._packed(plan)

    def _planned(self, asked: ua.ReadParameters) -> list[Item] | None:
        if asked.TimestampsToReturn != ua.TimestampsToReturn.Source or not 0 < len(asked.NodesToRead) <= self._largest:
            return None
        plan: list[Item] = []
        for node in asked.NodesToRead:
            item = self._items.get(node.NodeId)
            if item is None or node.AttributeId != ua.AttributeIds.Value or node.IndexRange:
                return None
            plan.append(item)
        return plan

    def _packed(self, plan: list[Item]) -> bytes:
        readings = self._readings
        values, codes = readings.values.tolist(), readings.quality.tolist()
        now = ticks(readings.time_ns)
        parts = [_COUNT.pack(len(plan))]
        for item in plan:
            if isinstance(item, str):
                text = readings.texts[item].encode()
                parts += (_TEXT_HEAD.pack(_VALUE_STATUS_SOURCE, _STRING, len(text)), text, _TEXT_TAIL.pack(0, now))
                continue
            i, type_, pack, make = item
            code, stamp = codes[i], now if not readings.frozen else ticks(readings.time_of(i))
            if code & 0x8000:
                parts.append(_NO_VALUE.pack(_VALUE_STATUS_SOURCE, 0, code << 16, stamp))
            else:
                parts.append(pack(_VALUE_STATUS_SOURCE, type_, make(values[i]), code << 16, stamp))
        return b"".join(parts)


def ticks(time_ns: int) -> int:
    """OPC UA time: 100 ns since 1601, cut to whole microseconds as asyncua gives it."""
    return time_ns // 1000 * 10 + _EPOCH_TICKS


class Connection(OPCUAProtocol):
    """asyncua's connection, with `bulk` before its own reading."""

    bulk: BulkRead
    sessions: int | None
    """Sessions that the server bears at a time."""

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        if self.processor is not None:
            self.processor = _Processor(self.iserver, transport, self.limits)
            self.processor.set_policies(self.policies)
            self.processor.bulk, self.processor.may_begin = self.bulk, self._check_session

    def _check_session(self) -> None:
        """Refuses a session more than the server bears, and one on a channel that is for finding the endpoints only."""
        connected = [client for client in self.clients if client is not self and client.processor is not None]
        if self.sessions is not None and sum(c.processor.session is not None for c in connected) >= self.sessions:  # pyright: ignore[reportOptionalMemberAccess]
            raise ua.uaerrors.BadTooManySessions
        policy = self.processor._connection.security_policy  # pyright: ignore
        if not any(policy.URI == offered.cls.URI and policy.Mode == offered.mode for offered in self.policies):
            raise ua.uaerrors.BadSecurityModeRejected


class _Processor(UaProcessor):
    bulk: BulkRead
    may_begin: Callable[[], None]

    async def _process_message(self, typeid: ua.NodeId, requesthdr: Any, seqhdr: Any, body: Buffer) -> Any:
        session = self.session
        if typeid == _CREATE_SESSION:
            self.may_begin()
        if typeid == _READ and session is not None and session.is_activated():
            results = self.bulk.results(bytes(body))
            if results is not None:
                self.session_last_activity = time.monotonic()
                session.touch()
                response = ua.ReadResponse()
                response.ResponseHeader.RequestHandle = requesthdr.RequestHandle
                empty = struct_to_binary(response)  # ends with two empty arrays: results and diagnostics
                message = empty[:-8] + results + _NO_DIAGNOSTICS
                self._transport.write(self._connection.message_to_binary(message, request_id=seqhdr.RequestId))
                return True
        return await super()._process_message(typeid, requesthdr, seqhdr, body)
