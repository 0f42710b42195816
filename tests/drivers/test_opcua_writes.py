"""Writes and calls on a line or a device that is not at its best: what is said of them is never more than is known."""

import asyncio
import struct
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import pytest
from asyncua import Server, ua
from asyncua.common.methods import uamethod
from asyncua.server.address_space import AddressSpace, AttributeService

from drivers.device import WriteFailed
from drivers.opcua.device import OpcUaDevice
from drivers.opcua.writes import TAKEN_IN_S
from tests.drivers.tampering import Tampering, service
from tests.foreign.driven import NAMESPACE, TEXT, driven, good, opcua_profile
from tests.system.demo import free_port

WRITE, CALL, READ = (
    int(kind)
    for kind in (
        ua.ObjectIds.WriteResponse_Encoding_DefaultBinary,
        ua.ObjectIds.CallResponse_Encoding_DefaultBinary,
        ua.ObjectIds.ReadResponse_Encoding_DefaultBinary,
    )
)
TYPES = {
    "Double": ua.VariantType.Double,
    "Float": ua.VariantType.Float,
    "Byte": ua.VariantType.Byte,
    "Text": ua.VariantType.String,
}
PROFILE = opcua_profile(
    {"Double": "float", "Float": "float", "Byte": "integer", "Open": "float", "Text": "text"},
    methods={name: {"name": TEXT, "object": "s=Box", "method": f"s={name}"} for name in ("start", "stick")},
)


class Slow(AttributeService):
    """Takes a value in `after_s` after it has answered that it was written."""

    after_s = 0.0

    def __init__(self, space: AddressSpace) -> None:
        super().__init__(space)
        self.writes = 0

    async def write(self, params: Any, *given: Any, **named: Any) -> Any:
        self.writes += params.NodesToWrite[0].NodeId.NamespaceIndex > 0  # the others are the server's own
        if not self.after_s:
            return await super().write(params, *given, **named)
        inner = super().write
        asyncio.get_running_loop().call_later(
            self.after_s, lambda: asyncio.ensure_future(inner(params, *given, **named))
        )
        return [ua.StatusCode(ua.UInt32(0))]


@asynccontextmanager
async def served() -> AsyncGenerator[tuple[str, Slow, list[float]]]:
    """asyncua's server, what takes the writes, and the arguments of the calls that came."""
    server = Server()
    await server.init()
    server.set_endpoint(f"opc.tcp://127.0.0.1:{free_port()}")
    server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
    index = ua.Int16(await server.register_namespace(NAMESPACE))
    for name, kind in TYPES.items():
        initial = "" if kind == ua.VariantType.String else 0
        node = await server.nodes.objects.add_variable(ua.NodeId(name, index), name, initial, kind)
        await node.set_writable()
    any_number = await server.nodes.objects.add_variable(
        ua.NodeId("Open", index), "Open", 0, ua.VariantType.Int16, ua.NodeId(ua.Int32(ua.ObjectIds.Number))
    )
    await any_number.set_writable()
    box = await server.nodes.objects.add_object(ua.NodeId("Box", index), "Box")
    called: list[float] = []

    @uamethod
    def start(_: Any, minutes: float) -> None:
        called.append(minutes)

    async def stick(_: Any, minutes: ua.Variant) -> ua.StatusCode:
        called.append(minutes.Value)
        return ua.StatusCode(ua.UInt32(ua.StatusCodes.BadInternalError))

    for name, method in (("start", start), ("stick", stick)):
        inputs = [ua.VariantType.Byte]
        await box.add_method(ua.NodeId(name, index), ua.QualifiedName(name, index), method, inputs, [])
    server.iserver.attribute_service = slow = Slow(server.iserver.aspace)
    async with server:
        yield server.endpoint.geturl(), slow, called


def cutting(line: Tampering, kind: int) -> None:
    """From now on the answer of this service is lost, and the connection with it."""

    def answered(chunk: bytes) -> Iterable[bytes]:
        if service(chunk) != kind:
            return (chunk,)
        assert line.client is not None
        line.client.transport.abort()
        return ()

    line.answered = answered


async def test_a_value_is_read_back_until_the_device_has_taken_it_in() -> None:
    async with served() as (url, slow, _), driven(PROFILE, url) as device:
        await good(device)
        slow.after_s = 0.15
        assert await device.write("D1.Double", 4.5) == 4.5
        assert slow.writes == 1
        slow.after_s = 60.0  # never: what is held is given, which the engine compares with what it asked for
        began_s = asyncio.get_running_loop().time()
        assert await device.write("D1.Double", 5.5) == 4.5
        assert TAKEN_IN_S <= asyncio.get_running_loop().time() - began_s < 2 * TAKEN_IN_S
        assert slow.writes == 2


async def test_a_float_is_held_as_near_as_it_can() -> None:
    """0.1 is no Float; that its nearest one is read back ends the wait."""
    async with served() as (url, _, _), driven(PROFILE, url) as device:
        await good(device)
        began_s = asyncio.get_running_loop().time()
        assert await device.write("D1.Float", 0.1) == struct.unpack("<f", struct.pack("<f", 0.1))[0]
        assert asyncio.get_running_loop().time() - began_s < TAKEN_IN_S
        assert await device.write("D1.Open", -7.0) == -7.0  # declared as any number, written as the Int16 that it is


async def test_what_a_type_cannot_hold_is_not_sent() -> None:
    async with served() as (url, slow, called), driven(PROFILE, url) as device:
        assert isinstance(device, OpcUaDevice)
        await good(device)
        for tag, value, says in (
            ("Byte", 1.6, "D1.Byte was not written: a Byte holds whole numbers from 0 to 255, not 1.6"),
            ("Byte", 300.0, "not 300"),
            ("Double", float("nan"), "a Double is to hold a number"),
            ("Open", 0.5, "an? Int16 holds whole numbers"),
            ("Text", 1.0, "a String holds no number"),
        ):
            with pytest.raises(WriteFailed, match=says) as failed:
                await device.write(f"D1.{tag}", value)
            assert failed.value.certain
        with pytest.raises(WriteFailed, match=r"start was not carried out: its argument .*: a Byte holds .*, not 1\.5"):
            await device.call("start", [1.5])
        assert slow.writes == 0 and called == []


@pytest.mark.parametrize(("kind", "held"), [(WRITE, 9.0), (READ, 9.0)], ids=["answer lost", "read-back lost"])
async def test_a_write_whose_answer_is_lost_is_not_called_undone(kind: int, held: float) -> None:
    async with served() as (url, slow, _):
        line = Tampering(free_port(), urlsplit(url).port or 0)
        async with line.running(), driven(PROFILE, f"opc.tcp://127.0.0.1:{line.port}") as device:
            await good(device)
            assert await device.write("D1.Double", 2.0) == 2.0  # its type is known from now on
            cutting(line, kind)
            with pytest.raises(
                WriteFailed, match=r"D1\.Double was sent but is not confirmed, so it may hold"
            ) as failed:
                await device.write("D1.Double", held)
            assert not failed.value.certain
            assert slow.writes == 2
        async with driven(PROFILE, url) as device:
            scan = await good(device)
            assert held in scan.frames[0].values


async def test_a_write_that_did_not_get_out_is_called_undone() -> None:
    """The line is cut while the data type is asked for, which comes before the write."""
    async with served() as (url, slow, _):
        line = Tampering(free_port(), urlsplit(url).port or 0)
        async with line.running(), driven(PROFILE, f"opc.tcp://127.0.0.1:{line.port}") as device:
            await good(device)
            cutting(line, READ)
            with pytest.raises(WriteFailed, match=r"D1\.Double was not written: it closed the connection") as failed:
                await device.write("D1.Double", 9.0)
            assert failed.value.certain and slow.writes == 0


async def test_a_call_whose_answer_is_lost_is_not_called_undone() -> None:
    async with served() as (url, _, called):
        line = Tampering(free_port(), urlsplit(url).port or 0)
        async with line.running(), driven(PROFILE, f"opc.tcp://127.0.0.1:{line.port}") as device:
            assert isinstance(device, OpcUaDevice)
            await good(device)
            await device.call("start", [1.0])
            cutting(line, CALL)
            with pytest.raises(WriteFailed, match="start was sent but is not confirmed") as failed:
                await device.call("start", [2.0])
            assert not failed.value.certain and called == [1, 2]


async def test_a_method_that_fails_half_way_is_not_called_undone() -> None:
    async with served() as (url, _, called), driven(PROFILE, url) as device:
        assert isinstance(device, OpcUaDevice)
        await good(device)
        with pytest.raises(WriteFailed, match=r"stick was sent but is not confirmed.*BadInternalError") as failed:
            await device.call("stick", [3.0])
        assert not failed.value.certain and called == [3]
