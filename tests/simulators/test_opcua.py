"""The OPC UA face, driven by asyncua's own client."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import numpy as np
import pytest
import pytest_asyncio
from asyncua import Client, ua
from asyncua.ua.ua_binary import struct_to_binary
from small_plant import line, plant, profile, until

from simulators.faces.bulk_read import BulkRead
from simulators.faces.opcua import OpcUaFace
from simulators.plant import SimulatedPlant, simulated


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def small() -> AsyncIterator[SimulatedPlant]:
    opcua = [u for u in line().equipment if u.profile.protocol == "opcua"]
    async with simulated(plant(opcua)) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def isolator(small: SimulatedPlant) -> AsyncIterator[Client]:
    async with Client(small.addresses["L01-ISO"]) as client:
        yield client


pytestmark = pytest.mark.asyncio(loop_scope="module")


async def node(client: Client, name: str, uri: str = "urn:example:isolator"):
    return client.get_node(f"ns={await client.get_namespace_index(uri)};s={name}")


async def test_values_have_type_status_and_the_time_of_the_physics(isolator: Client, small: SimulatedPlant) -> None:
    pressure = await node(isolator, "Chamber.Pressure")
    read = await pressure.read_data_value()
    assert read.Value.VariantType == ua.VariantType.Float and read.Value.Value == pytest.approx(40.0, abs=2.0)
    assert read.StatusCode.is_good()
    assert abs(datetime.now(UTC) - read.SourceTimestamp) < timedelta(seconds=1)
    before = read.SourceTimestamp
    await until(lambda: small.look("L01-ISO.chamber.pressure")["time_ns"] > before.timestamp() * 1e9 + 1e6)
    assert (await pressure.read_data_value()).SourceTimestamp > before
    kinds = {
        "Fan.State": ua.VariantType.Int32,
        "Fan.BoostRequest": ua.VariantType.Boolean,
        "Firmware": ua.VariantType.String,
    }
    for name, kind in kinds.items():
        found = await node(isolator, name)
        assert await found.read_data_type_as_variant_type() == kind
        assert (await found.read_data_value()).Value.VariantType == kind


async def test_a_device_can_be_browsed(isolator: Client) -> None:
    objects = await isolator.nodes.objects.get_children()
    names = {(await child.read_browse_name()).Name: child for child in objects}
    tags = await names["L01-ISO"].get_variables()
    assert len(tags) == len(profile("isolator-opcua").expanded())


async def test_servers_share_the_standard_nodes_and_nothing_else(isolator: Client, small: SimulatedPlant) -> None:
    async with Client(small.addresses["L01-HCI"]) as honeycomb:
        assert await honeycomb.get_namespace_array() != await isolator.get_namespace_array()
        index = await honeycomb.get_namespace_index("urn:example:honeycomb")
        with pytest.raises(ua.uaerrors.BadNodeIdUnknown):
            await honeycomb.get_node(f"ns={index};s=Chamber.Pressure").read_value()
        assert await honeycomb.get_node(f"ns={index};s=Cell12.Temperature").read_value() == pytest.approx(37.0, abs=0.1)
        names = [(await c.read_browse_name()).Name for c in await honeycomb.nodes.objects.get_children()]
        assert "L01-HCI" in names and "L01-ISO" not in names
        now = await honeycomb.get_node(ua.ObjectIds.Server_ServerStatus_CurrentTime).read_value()
        assert abs(now - datetime.now(UTC)) < timedelta(seconds=1)


async def test_a_write_is_shown_at_once_and_felt(isolator: Client, small: SimulatedPlant) -> None:
    request = await node(isolator, "Fan.BoostRequest")
    await request.write_attribute(ua.AttributeIds.Value, ua.DataValue(ua.Variant(True, ua.VariantType.Boolean)))
    assert await request.read_value() is True
    await until(lambda: small.look("L01-ISO.fan.boosted")["true"] == 1.0)
    await request.write_attribute(ua.AttributeIds.Value, ua.DataValue(ua.Variant(False, ua.VariantType.Boolean)))


async def test_a_decontamination_can_be_started_and_aborted(isolator: Client, small: SimulatedPlant) -> None:
    index = await isolator.get_namespace_index("urn:example:isolator")
    unit = isolator.get_node(f"ns={index};s=Vhp")
    start, abort = (ua.NodeId(f"Vhp.{name}", index) for name in ("StartDecontamination", "AbortCycle"))
    assert [(await m.read_browse_name()).Name for m in await unit.get_methods()] == [
        "start_decontamination",
        "abort_cycle",
    ]
    with pytest.raises(ua.uaerrors.BadInvalidState):
        await unit.call_method(abort)
    await unit.call_method(start)
    await until(lambda: small.look("L01-ISO.vhp.phase")["shown"] == 1)
    with pytest.raises(ua.uaerrors.BadInvalidState):
        await unit.call_method(start)
    with pytest.raises(ua.uaerrors.BadTooManyArguments):
        await unit.call_method(abort, 1.0)
    await unit.call_method(abort)
    await until(lambda: small.look("L01-ISO.vhp.phase")["shown"] == 5)
    with pytest.raises(ua.uaerrors.BadInvalidState):
        await unit.call_method(abort)


async def test_a_session_more_than_the_server_bears_is_refused(small: SimulatedPlant) -> None:
    async with AsyncExitStack() as open_, AsyncExitStack() as fourth:
        for _ in range(2):
            await open_.enter_async_context(Client(small.addresses["L01-HCI"]))
        await fourth.enter_async_context(Client(small.addresses["L01-HCI"]))
        await fourth.enter_async_context(Client(small.addresses["L01-HCI"]))
        with pytest.raises(ua.uaerrors.BadTooManySessions):
            await open_.enter_async_context(Client(small.addresses["L01-HCI"]))
        await fourth.aclose()
        await open_.enter_async_context(Client(small.addresses["L01-HCI"]))


async def test_what_field_servers_refuse_is_refused(isolator: Client, small: SimulatedPlant) -> None:
    request, pressure = await node(isolator, "Fan.BoostRequest"), await node(isolator, "Chamber.Pressure")
    with pytest.raises(ua.uaerrors.BadTypeMismatch):
        await request.write_attribute(ua.AttributeIds.Value, ua.DataValue(ua.Variant(1.0, ua.VariantType.Double)))
    stamped = ua.DataValue(ua.Variant(True, ua.VariantType.Boolean), SourceTimestamp=datetime.now(UTC))
    with pytest.raises(ua.uaerrors.BadWriteNotSupported):
        await request.write_attribute(ua.AttributeIds.Value, stamped)
    with pytest.raises(ua.uaerrors.BadNotWritable):
        await pressure.write_attribute(ua.AttributeIds.Value, ua.DataValue(ua.Variant(1.0, ua.VariantType.Float)))
    assert small.look("L01-ISO.fan.boost_request")["true"] == 0.0
    too_many = [ua.ReadValueId(NodeId=pressure.nodeid, AttributeId=ua.AttributeIds.Value)] * 201
    with pytest.raises(ua.uaerrors.BadTooManyOperations):
        await isolator.uaclient.read(ua.ReadParameters(NodesToRead=too_many))
    limit = isolator.get_node(ua.ObjectIds.Server_ServerCapabilities_OperationLimits_MaxNodesPerRead)
    assert await limit.read_value() == 200


async def test_faults_of_sensors_have_their_status(isolator: Client, small: SimulatedPlant) -> None:
    pressure, humidity = await node(isolator, "Chamber.Pressure"), await node(isolator, "Chamber.Humidity")
    await small.fault("L01-ISO", "sensor-failure", tag="*.pressure")
    await small.fault("L01-ISO", "frozen-sensor", tag="chamber.humidity")
    failed, frozen = await pressure.read_data_value(raise_on_bad_status=False), await humidity.read_data_value()
    assert failed.StatusCode.value == ua.StatusCodes.BadSensorFailure
    await until(
        lambda: small.look("L01-ISO.chamber.velocity")["time_ns"] > frozen.SourceTimestamp.timestamp() * 1e9 + 4e8
    )
    again = await humidity.read_data_value()
    assert again.StatusCode.is_good()
    assert (again.SourceTimestamp, again.Value.Value) == (frozen.SourceTimestamp, frozen.Value.Value)
    await small.fault("L01-ISO", "clear")
    await until(
        lambda: small.look("L01-ISO.chamber.humidity")["time_ns"] > frozen.SourceTimestamp.timestamp() * 1e9 + 1e6
    )
    assert (await pressure.read_data_value()).StatusCode.is_good()


async def test_subscribers_are_told(isolator: Client) -> None:
    told: asyncio.Queue[float] = asyncio.Queue()
    handler = SimpleNamespace(datachange_notification=lambda _node, value, _data: told.put_nowait(value))
    subscription = await isolator.create_subscription(100, handler)
    await subscription.subscribe_data_change(await node(isolator, "Chamber.Pressure"))
    async with asyncio.timeout(4):
        seen = [await told.get() for _ in range(4)]
    await subscription.delete()
    assert all(isinstance(value, float) for value in seen)


class Both:
    """A face without a socket: what the bulk road gives, and what asyncua's own gives."""

    def __init__(self, small: SimulatedPlant, equipment: str) -> None:
        self.device = small.devices[equipment]
        face = self.device.face
        assert isinstance(face, OpcUaFace)
        self.server = face._server.iserver
        self.bulk: BulkRead = face._bulk
        index = self.server.aspace[ua.NodeId(ua.ObjectIds.Server_NamespaceArray)].attributes[ua.AttributeIds.Value]
        namespace = index.value.Value.Value.index(self.device.profile.namespace)
        self.asked = ua.ReadParameters(
            TimestampsToReturn=ua.TimestampsToReturn.Source,
            NodesToRead=[
                ua.ReadValueId(ua.NodeId.from_string(f"ns={namespace};{t.node}"), ua.AttributeIds.Value)
                for t in self.device.tags.values()
            ],
        )

    def compare(self) -> None:
        response = ua.ReadResponse()
        response.Results = self.server.attribute_service.read(self.asked)
        plain = struct_to_binary(response)[len(struct_to_binary(ua.ReadResponse())) - 8 : -4]
        assert self.bulk.results(struct_to_binary(self.asked)) == plain


async def test_the_bulk_road_gives_asyncuas_own_bytes(small: SimulatedPlant) -> None:
    for equipment in ("L01-ISO", "L01-HCI"):
        both = Both(small, equipment)
        both.compare()
        mask = np.arange(len(both.device.readings.names)) % 3 == 0
        both.device.readings.fail(mask)
        both.device.readings.freeze(~mask)
        await until(lambda r=both.device.readings: r.time_ns > r.time_of(1))
        both.compare()
        both.device.readings.fail(mask & False)
        both.device.readings.freeze(mask & False)
        both.asked.TimestampsToReturn = ua.TimestampsToReturn.Both
        assert both.bulk.results(struct_to_binary(both.asked)) is None


async def test_a_bulk_read_costs_a_tenth_of_a_plain_one(small: SimulatedPlant) -> None:
    both = Both(small, "L01-HCI")
    asked = struct_to_binary(both.asked)

    def cpu_s(read) -> float:
        start_s = time.process_time()
        for _ in range(10):
            read()
        return time.process_time() - start_s

    def plain() -> bytes:
        response = ua.ReadResponse()
        response.Results = both.server.attribute_service.read(both.asked)
        return struct_to_binary(response)

    assert min(cpu_s(lambda: both.bulk.results(asked)) for _ in range(3)) < 0.3 * min(cpu_s(plain) for _ in range(3))
