# pyright: reportPrivateUsage=false, reportArgumentType=false
# (asyncua declares identifiers and status codes as types of their own, and takes plain numbers)
"""A server for the OPC UA bench: asyncua's, with its answers to reads encoded beforehand, so that it costs the cores little.

Every read of nodes ``s=KIND.1``, ``s=KIND.2``, ... of one kind gets the next of twenty answers, made by asyncua's own encoder: on
every connection the first read gets the first, so two clients can be compared.

    even      floats, all Good, source times of their own
    failing   floats, 5 % of them Bad without a value or null, others in each answer
    mixed     every numeric type, and text
"""

import asyncio
import json
import logging
import random
import struct
import sys
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import uvloop
from asyncua import Server, ua
from asyncua.common.utils import Buffer
from asyncua.server import binary_server_asyncio
from asyncua.server.uaprocessor import UaProcessor
from asyncua.ua.ua_binary import struct_from_binary, struct_to_binary

NAMESPACE: Final = "urn:example:bench"
ANSWERS: Final = 20
FAILING: Final = 0.05
_READ: Final = ua.NodeId(ua.ObjectIds.ReadRequest_Encoding_DefaultBinary)
_HANDLE: Final = struct.Struct("<I")
_HANDLE_AT: Final = 12
_T: Final = ua.VariantType
_TYPES: Final = (
    _T.Boolean, _T.SByte, _T.Byte, _T.Int16, _T.UInt16, _T.Int32, _T.UInt32, _T.Int64, _T.UInt64, _T.Float, _T.Double, _T.String,
)  # fmt: skip


def answers(kind: str, count: int) -> list[bytes]:
    """The encoded answers to a read of `count` nodes."""
    chance = random.Random(count)
    return [struct_to_binary(ua.ReadResponse(Results=_values(kind, count, chance))) for _ in range(ANSWERS)]


def _values(kind: str, count: int, chance: random.Random) -> list[ua.DataValue]:
    now, found = datetime(2026, 1, 1, tzinfo=UTC), list[ua.DataValue]()
    for n in range(count):
        given = ua.Variant(chance.uniform(-1000, 1000), _T.Float)
        status = ua.StatusCode(0)
        if kind == "mixed":
            given = _of_type(_TYPES[n % len(_TYPES)], chance)
        elif kind == "failing" and chance.random() < FAILING:
            given, status = (None, ua.StatusCode(0x808C0000)) if chance.random() < 0.5 else (ua.Variant(), status)
        found.append(ua.DataValue(given, status, now + timedelta(milliseconds=n)))
    return found


def _of_type(type_: ua.VariantType, chance: random.Random) -> ua.Variant:
    if type_ == _T.String:
        return ua.Variant(f"B-{chance.randint(1000, 9999)}", type_)
    value = chance.uniform(-1000, 1000) if type_ in (_T.Float, _T.Double) else chance.randint(0, 100)
    return ua.Variant(bool(value % 2) if type_ == _T.Boolean else value, type_)


class _Processor(UaProcessor):
    """asyncua's processor of one connection, with its reads answered from what was made before."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._known: dict[bytes, list[bytes]] = {}
        self._next = 0

    async def _process_message(self, typeid: ua.NodeId, requesthdr: Any, seqhdr: Any, body: Buffer) -> Any:
        if typeid == _READ:
            asked = bytes(body)
            found = self._known.get(asked)
            if found is None:
                found = self._known[asked] = self._made(
                    struct_from_binary(ua.ReadParameters, Buffer(asked)).NodesToRead
                )
            if found:
                answer = bytearray(found[self._next % len(found)])
                self._next += 1
                _HANDLE.pack_into(answer, _HANDLE_AT, requesthdr.RequestHandle)
                self._transport.write(self._connection.message_to_binary(bytes(answer), request_id=seqhdr.RequestId))
                return True
        return await super()._process_message(typeid, requesthdr, seqhdr, body)

    @staticmethod
    def _made(nodes: list[ua.ReadValueId]) -> list[bytes]:
        name = nodes[0].NodeId.Identifier
        return answers(name.partition(".")[0], len(nodes)) if isinstance(name, str) else []


async def serve() -> None:
    """Prints its address as JSON once it answers; ends with its standard input."""
    binary_server_asyncio.UaProcessor = _Processor  # what its connections are made with
    server = Server()
    await server.init()
    server.set_endpoint("opc.tcp://127.0.0.1:0/")
    server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
    await server.register_namespace(NAMESPACE)
    async with server:
        assert server.bserver is not None
        print(json.dumps({"url": f"opc.tcp://127.0.0.1:{server.bserver.port}/"}), flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    uvloop.run(serve())
