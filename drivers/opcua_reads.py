# pyright: reportPrivateUsage=false
"""Reading many OPC UA nodes at once: the request is encoded once, the reply decoded in bulk; asyncua owns session and channel.

asyncua makes about ten objects a value, 28 us of them. What changes from one request to the next is a timestamp and a handle,
so those are patched into the encoded request; the reply goes to `drivers.datavalues`, and to asyncua's own decoder only
where it holds something that is neither number nor text.
"""

import asyncio
import struct
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np
from asyncua import Client, ua
from asyncua.ua.ua_binary import nodeid_from_binary, nodeid_to_binary, struct_from_binary, struct_to_binary

from drivers.datavalues import Decoder, Items, NotPlain
from drivers.quality import BAD, BAD_SENSOR_FAILURE, BAD_TYPE_MISMATCH, GOOD

_STAMP: Final = struct.Struct("<qI")
_REPLY: Final = struct.Struct("<BBHqIIBi3s")
"""A ReadResponse up to its results: type id (4 bytes), header (time, handle, result, no diagnostics, no strings, nothing more)."""
_FAULT: Final = ua.NodeId.from_string(f"i={ua.ObjectIds.ServiceFault_Encoding_DefaultBinary}")
_READ_RESPONSE: Final = int(ua.ObjectIds.ReadResponse_Encoding_DefaultBinary)
_EPOCH_TICKS: Final = 116_444_736_000_000_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class BulkRead:
    """One request for the values of `nodes`, on one session."""

    def __init__(self, client: Client, nodes: Sequence[ua.NodeId], timeout_s: float) -> None:
        self.nodes = nodes
        self.decoder = Decoder(len(nodes))
        self.fully_decoded = 0
        request = ua.ReadRequest()
        protocol = _protocol(client)
        request.RequestHeader.AuthenticationToken = protocol.authentication_token
        request.RequestHeader.TimeoutHint = ua.UInt32(int(timeout_s * 1000))
        request.Parameters = ua.ReadParameters(
            TimestampsToReturn=ua.TimestampsToReturn.Source,
            NodesToRead=[ua.ReadValueId(NodeId=node, AttributeId=ua.AttributeIds.Value) for node in nodes],
        )
        self._request = bytearray(struct_to_binary(request))
        # The header begins behind the request's type id: the session's token, then time and handle.
        self._stamp = 4 + len(nodeid_to_binary(protocol.authentication_token))

    async def read(self, client: Client) -> Items:
        """One reading of all nodes. Raises ua.UaError or OSError; the deadline is the caller's."""
        body = await self._ask(client)
        reply = memoryview(bytes(body))[: len(body)]
        try:
            return self.decoder.decode(reply[_REPLY.size :] if _is_plain(reply) else b"")
        except NotPlain:
            self.fully_decoded += 1
            return self._full(body)

    async def _ask(self, client: Client) -> Any:
        protocol = _protocol(client)
        if protocol.transport is None:
            raise ConnectionError("the connection is closed")
        protocol._request_handle += 1
        _STAMP.pack_into(self._request, self._stamp, time.time_ns() // 100 + _EPOCH_TICKS, protocol._request_handle)
        number = protocol._request_id + 1
        protocol.revolve_security_token()
        message = protocol._connection.message_to_binary(bytes(self._request), request_id=number)
        protocol._request_id = number
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        protocol._callbackmap[number] = answer
        protocol.transport.write(message)
        return await answer

    def _full(self, body: Any) -> Items:
        """asyncua's decoder: everything that it knows, and its errors for what is damaged or refused."""
        head = body.copy()
        if nodeid_from_binary(head) == _FAULT:
            struct_from_binary(ua.ResponseHeader, head).ServiceResult.check()
        response = struct_from_binary(ua.ReadResponse, body)
        response.ResponseHeader.ServiceResult.check()
        if len(response.Results) != len(self.nodes):
            raise ua.UaError(f"the server answered {len(response.Results)} of {len(self.nodes)} values")
        return full_items(response.Results)


def _protocol(client: Client) -> Any:
    protocol = client.uaclient.protocol
    if protocol is None:
        raise ConnectionError("the connection is closed")
    return protocol


def _is_plain(reply: memoryview) -> bool:
    """Whether this is a ReadResponse without error, diagnostics, strings or additional header."""
    if len(reply) < _REPLY.size:
        return False
    form, namespace, kind, _, _, result, diagnostics, strings, more = _REPLY.unpack_from(reply)
    same = (form, namespace, kind, result, diagnostics) == (1, 0, _READ_RESPONSE, 0, 0)
    return same and strings <= 0 and more == b"\0\0\0"


def full_items(results: Sequence[ua.DataValue]) -> Items:
    """Items of decoded DataValues, by the same rules as `drivers.datavalues`."""
    n = len(results)
    values, quality, source_ns = np.full(n, np.nan), np.zeros(n, np.uint16), np.zeros(n, np.int64)
    texts: dict[int, str] = {}
    for i, result in enumerate(results):
        code = (result.StatusCode.value >> 16) if result.StatusCode is not None else GOOD
        given: Any = result.Value.Value if result.Value is not None else None
        if code < BAD:
            if isinstance(given, bool | int | float):
                if np.isfinite(given):
                    values[i] = float(given)
                else:
                    code = BAD_SENSOR_FAILURE
            elif isinstance(given, str):
                texts[i] = given
            else:
                code = BAD_TYPE_MISMATCH
        quality[i] = code
        source_ns[i] = _nanoseconds(result)
    return Items(values, quality, source_ns, texts)


def _nanoseconds(result: ua.DataValue) -> int:
    """UTC nanoseconds of the source time, to the microsecond; 0 where there is none."""
    if result.SourceTimestamp is None:
        return 0
    stamp: Any = result.SourceTimestamp
    since = (stamp if stamp.tzinfo else stamp.replace(tzinfo=UTC)) - _EPOCH
    found = (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
    return found * 1000 if 0 < found < 9_223_372_036_854_775 else 0
