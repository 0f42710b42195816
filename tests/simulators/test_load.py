"""The load form, seen by clients that are not ours and by asyncua's: it must be a server like others, only cheaper."""

import asyncio
import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from asyncua import Client, ua
from asyncua.common.utils import Buffer
from asyncua.ua.ua_binary import struct_from_binary, struct_to_binary
from pymodbus.client import AsyncModbusTcpClient
from pymodbus.exceptions import ModbusException

from drivers.quality import BAD_SENSOR_FAILURE
from drivers.registers import decode, plan
from simulators.control import ask
from simulators.faults import FaultRefused
from simulators.load.configuration import write_configuration
from simulators.load.fleet import QUANTITIES, Fleet
from simulators.load.items import SERVER, SOURCE, encoded, stamps_of
from simulators.load.plant import LoadPlant, Size, load_plant
from simulators.load.served import answers
from telemetry.errors import Refusal
from telemetry.plant import load
from tests.foreign import clients
from tests.simulators.small_plant import until

SMALL = Size(4, tags=12)
OPCUA, MODBUS = "LOAD-0002", "LOAD-0001"


@pytest.fixture
async def still() -> AsyncIterator[LoadPlant]:
    """Open, and nothing moves but by hand."""
    plant = LoadPlant(SMALL, seed=3)
    try:
        await plant.open()
        yield plant
    finally:
        await plant.close()


def shown(plant: LoadPlant, device: str) -> list[float]:
    return [float(plant.look(f"{device}.{name}")["shown"]) for name in plant.fleet.names]


def test_the_fleet_wanders_about_its_means_and_never_stands_still() -> None:
    fleet = Fleet(50, 8, seed=1)
    means, sigmas = ([getattr(q, what) for q in QUANTITIES] * 2 for what in ("mean", "sigma"))
    before, seen = fleet.values.copy(), []
    for second in range(400):
        fleet.step(second)
        assert (fleet.values != before).all()
        before = fleet.values.copy()
        seen.append(before)
    assert np.mean(seen, axis=(0, 1)) == pytest.approx(means, abs=0.1 * max(sigmas))
    assert np.std(seen, axis=(0, 1)) == pytest.approx(sigmas, rel=0.15)
    again = Fleet(50, 8, seed=1)
    again.step(0)
    assert (again.values == np.array(seen[0])).all()


@pytest.mark.parametrize("asked", list(ua.TimestampsToReturn)[:4])
def test_items_are_asyncuas_own_bytes_read_back(asked: ua.TimestampsToReturn) -> None:
    values, source_ns = np.array([1.5, -2.25, 1e9]), np.array([10, 20, 30]) * 1_000_000_000
    failed = np.array([False, True, False])
    made = Buffer(encoded(values, source_ns, failed, stamps_of(asked), 77_000_000_000))
    found: list[Any] = [struct_from_binary(ua.DataValue, made) for _ in values]
    assert len(made) == 0
    assert [one.Value.Value if one.Value else None for one in found] == [1.5, None, 1e9]
    assert [one.StatusCode.value for one in found] == [0, ua.StatusCodes.BadSensorFailure, 0]
    for one, stamp in zip(found, (10, 20, 30), strict=True):
        source = one.SourceTimestamp.timestamp() if one.SourceTimestamp else None
        server = one.ServerTimestamp.timestamp() if one.ServerTimestamp else None
        assert source == (stamp if stamps_of(asked) & SOURCE else None)
        assert server == (77 if stamps_of(asked) & SERVER else None)


async def test_node_opcua_reads_what_the_fleet_shows(still: LoadPlant) -> None:
    nodes = [f"s={name}" for name in still.fleet.names]
    url = still.addresses[OPCUA]
    told = await asyncio.to_thread(clients.node_opcua, url, nodes, namespace="urn:example:load", requests=3)
    assert {one["status"] for one in told["read"]} == {"Good"}
    assert [one["value"] for one in told["read"]] == pytest.approx(shown(still, OPCUA), rel=1e-6)
    await still.fault(OPCUA, "sensor-failure", tag="pressure*")
    told = await asyncio.to_thread(clients.node_opcua, url, [*nodes, "s=none"], namespace="urn:example:load")
    expected = ["BadSensorFailure" if name.startswith("pressure") else "Good" for name in still.fleet.names]
    assert [one["status"] for one in told["read"]] == [*expected, "BadNodeIdUnknown"]


async def test_node_opcua_is_told_every_change() -> None:
    async with load_plant(Size(1, tags=40, opcua_share=1)) as plant:
        nodes = [f"s={name}" for name in plant.fleet.names]
        told = await asyncio.to_thread(
            clients.node_opcua, plant.addresses["LOAD-0001"], nodes, namespace="urn:example:load", subscribe_s=2
        )
        assert 1 * 40 <= told["values"] <= 3 * 40
        assert {one["status"] for one in told["read"]} == {"Good"}


@pytest.mark.parametrize("read", [clients.mbpoll, clients.libmodbus, clients.modbus_serial])
async def test_modbus_clients_read_what_the_fleet_shows(still: LoadPlant, read) -> None:
    url = still.addresses[MODBUS]
    words = await asyncio.to_thread(read, url, "input", 0, SMALL.tags)
    expected = np.array(shown(still, MODBUS)) / still.fleet.resolution
    assert np.array(words, np.uint16).view(np.int16) == pytest.approx(np.rint(expected))
    with pytest.raises(clients.Refused, match=r"(?i)illegal data address"):
        await asyncio.to_thread(read, url, "input", SMALL.tags - 1, 2)
    with pytest.raises(clients.Refused, match=r"(?i)illegal function"):
        await asyncio.to_thread(read, url, "holding", 0, 1)


async def test_a_repeated_read_is_answered_with_new_values(still: LoadPlant) -> None:
    async with Client(still.addresses[OPCUA]) as client:
        nodes = [client.get_node(f"ns=2;s={name}") for name in still.fleet.names]
        first = await client.read_values(nodes)
        assert await client.read_values(nodes) == first
        still.fleet.step(time.time_ns())
        second = await client.read_values(nodes)
        assert second == pytest.approx(shown(still, OPCUA), rel=1e-6) and second != first
        backwards = await client.read_values(nodes[::-1])
        assert backwards == second[::-1]
        await still.fault(OPCUA, "frozen-sensor", tag="humidity*")
        before = shown(still, OPCUA)
        still.fleet.step(time.time_ns())
        stood = [a == b for a, b in zip(before, shown(still, OPCUA), strict=True)]
        assert stood == [name.startswith("humidity") for name in still.fleet.names]
        status = await client.read_attributes(nodes, ua.AttributeIds.Value)
        stamps = {one.SourceTimestamp for one in status}
        assert len(stamps) == 2


async def test_who_looks_around_finds_the_tags(still: LoadPlant) -> None:
    async with Client(still.addresses[OPCUA]) as client:
        objects = {(await child.read_browse_name()).Name: child for child in await client.nodes.objects.get_children()}
        assert set(objects) == {"Server", OPCUA}
        tags = await objects[OPCUA].get_children()
        assert [(await tag.read_browse_name()).Name for tag in tags] == list(still.fleet.names)
        assert await tags[0].read_data_type_as_variant_type() == ua.VariantType.Float
        with pytest.raises(ua.uaerrors.BadNotWritable):
            await tags[0].write_value(ua.DataValue(ua.Variant(1.0, ua.VariantType.Float)))
        with pytest.raises(ua.uaerrors.BadServiceUnsupported):
            await client.nodes.objects.call_method("2:nothing")


async def test_many_references_come_in_parts_and_a_long_answer_in_chunks() -> None:
    async with load_plant(Size(1, tags=6_000, opcua_share=1)) as plant, Client(plant.addresses["LOAD-0001"]) as client:
        tags = await client.get_node("ns=2;s=LOAD-0001").get_children()
        assert len(tags) == 6_000
        assert len(await client.read_values(tags[:1_000])) == 1_000
        with pytest.raises(ua.uaerrors.BadTooManyOperations):
            await client.read_values(tags[:1_001])
        told: list[float] = []
        handler = SimpleNamespace(datachange_notification=lambda _node, value, _data: told.append(value))
        subscription = await client.create_subscription(200, handler)
        for first in range(0, 6_000, 1_000):
            await subscription.subscribe_data_change(tags[first : first + 1_000])
        await until(lambda: len(told) >= 12_000, 8)  # 6,000 at once are 108 kB: two chunks
        await subscription.delete()


async def exchanged(client: Client, request: Any, parameters: Any, response: type) -> Any:
    """The answer to a request whose acknowledgements are ours to send, and not asyncua's."""
    request.Parameters = parameters
    found: Any = struct_from_binary(response, await client.uaclient.protocol.send_request(request))  # type: ignore
    found.ResponseHeader.ServiceResult.check()
    return found


async def test_a_lost_notification_is_sent_again_and_a_sign_of_life_when_nothing_changes(still: LoadPlant) -> None:
    async with Client(still.addresses[OPCUA]) as client:
        asked = ua.CreateSubscriptionParameters(
            RequestedPublishingInterval=60, RequestedLifetimeCount=100, RequestedMaxKeepAliveCount=2, PublishingEnabled=True
        )  # fmt: skip
        made = await exchanged(client, ua.CreateSubscriptionRequest(), asked, ua.CreateSubscriptionResponse)
        subscription = made.Parameters.SubscriptionId
        items = [
            ua.MonitoredItemCreateRequest(
                ua.ReadValueId(ua.NodeId(name, 2), ua.AttributeIds.Value), ua.MonitoringMode.Reporting,
                ua.MonitoringParameters(ClientHandle=7 + n, SamplingInterval=60, QueueSize=1),
            )
            for n, name in enumerate(("pressure1", "nothing", "humidity1"))
        ]  # fmt: skip
        items_asked = ua.CreateMonitoredItemsParameters(subscription, ua.TimestampsToReturn.Source, items)
        told = await exchanged(client, ua.CreateMonitoredItemsRequest(), items_asked, ua.CreateMonitoredItemsResponse)
        assert [one.StatusCode.name for one in told.Results] == ["Good", "BadNodeIdUnknown", "Good"]

        async def published(*acknowledged: int) -> Any:
            acks = [ua.SubscriptionAcknowledgement(subscription, number) for number in acknowledged]
            asked = ua.PublishParameters(acks)
            found = await exchanged(client, ua.PublishRequest(), asked, ua.PublishResponse)
            return found.Parameters

        first = await published()
        (changes,) = first.NotificationMessage.NotificationData
        number = first.NotificationMessage.SequenceNumber
        values = {one.ClientHandle: one.Value.Value.Value for one in changes.MonitoredItems}
        assert list(values) == [7, 9]
        assert values[9] == pytest.approx(float(still.look(f"{OPCUA}.humidity1")["shown"]), rel=1e-6)
        alive = await published()
        assert not alive.NotificationMessage.NotificationData
        assert alive.NotificationMessage.SequenceNumber == number + 1
        assert alive.AvailableSequenceNumbers == [number]
        again = ua.RepublishParameters(subscription, number)
        repeated = await exchanged(client, ua.RepublishRequest(), again, ua.RepublishResponse)
        assert repeated.NotificationMessage.NotificationData[0].MonitoredItems == changes.MonitoredItems
        still.fleet.step(time.time_ns())
        await still.fault(OPCUA, "sensor-failure", tag="humidity1")
        next_one = await published(number, 99)
        assert next_one.NotificationMessage.SequenceNumber == number + 1  # the sign of life has taken no number
        assert [code.name for code in next_one.Results] == ["Good", "BadSequenceNumberUnknown"]
        (changes,) = next_one.NotificationMessage.NotificationData
        assert [one.Value.StatusCode.name for one in changes.MonitoredItems] == ["Good", "BadSensorFailure"]
        with pytest.raises(ua.uaerrors.BadMessageNotAvailable):
            await exchanged(client, ua.RepublishRequest(), again, ua.RepublishResponse)
        with pytest.raises(ua.uaerrors.BadSubscriptionIdInvalid):
            wrong = ua.RepublishParameters(subscription + 99, number)
            await exchanged(client, ua.RepublishRequest(), wrong, ua.RepublishResponse)


async def test_what_is_no_opc_ua_ends_its_connection(still: LoadPlant) -> None:
    port = still.devices[OPCUA].port.number
    for sent in (
        b"GET / HTTP/1.1\r\n\r\n",
        b"MSGF\xff\xff\xff\xff",
        b"OPNF\x20\0\0\0" + b"\xff" * 24,
        b"HELF\x0c\0\0\0\0\0\0\0",
    ):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(sent)
        async with asyncio.timeout(5):
            told = await reader.read()
        writer.close()
        assert told[:3] == b"ERR"
    async with Client(still.addresses[OPCUA]) as client:
        assert await client.get_node("ns=2;s=pressure1").read_value() > 0


async def test_faults_by_pattern_and_from_the_start() -> None:
    faults = {"silent": 1, "resetting": 1, "slow": 1}
    async with load_plant(Size(6, tags=4, opcua_share=0), faults=faults) as plant:

        async def asked(device: str, timeout_s: float = 0.3) -> bool:
            url = plant.addresses[device].rpartition(":")[2].partition("/")[0]
            client = AsyncModbusTcpClient("127.0.0.1", port=int(url), timeout=timeout_s, retries=0, reconnect_delay=0)
            try:
                return await client.connect() and not (await client.read_input_registers(0, count=4)).isError()
            except (ModbusException, OSError):  # what pymodbus raises for silence and for a reset
                return False
            finally:
                client.close()

        ids = list(plant.devices)
        assert [await asked(device) for device in ids] == [False, False, False, True, True, True]
        assert "2 devices" in await plant.fault("LOAD-000[45]", "dropped-connection", for_s=60)
        assert [await asked(device) for device in ids] == [False, False, False, False, False, True]
        assert set(plant.faults_of("LOAD-*")) == {"silent", "resetting", "slow", "dropped-connection"}
        await plant.fault("LOAD-*", "clear")
        assert [await asked(device) for device in ids] == [True] * 6
        await plant.fault("LOAD-0006", "slow", delay_s=0.2)
        start_s = time.monotonic()
        assert await asked("LOAD-0006", 2)
        assert time.monotonic() - start_s > 0.19
        await plant.fault("LOAD-0006", "silent", for_s=0.1)
        await until(lambda: "silent" not in plant.faults_of("LOAD-0006"))
        with pytest.raises(FaultRefused, match=r"no equipment LOAD-9.*LOAD-0001"):
            await plant.fault("LOAD-9*", "silent")
        with pytest.raises(FaultRefused, match=r"no fault flood.*resetting.*clear"):
            await plant.fault("LOAD-*", "flood")
        with pytest.raises(FaultRefused, match=r"no tag door.*pressure1"):
            await plant.fault("LOAD-*", "sensor-failure", tag="door")


async def test_the_service_can_be_pointed_at_it(still: LoadPlant, tmp_path: Path) -> None:
    write_configuration(tmp_path, SMALL, still.addresses)
    plant = load(tmp_path)
    units = {unit.id: unit for unit in plant.equipment}
    assert len(units) == 5 and {units[id_].address for id_ in still.devices} <= set(still.addresses.values())
    registers = [tag.spec.register_ for tag in units[MODBUS].tags]
    planned = plan([r for r in registers if r is not None], units[MODBUS].profile.server)
    await still.fault(MODBUS, "sensor-failure", tag="velocity1")
    url = still.addresses[MODBUS]
    words = await asyncio.to_thread(clients.libmodbus, url, "input", 0, SMALL.tags)
    values, quality = decode(planned, np.array(words, np.uint16))
    good = [name != "velocity1" for name in still.fleet.names]
    assert quality is not None and (quality == np.where(good, 0, BAD_SENSOR_FAILURE)).all()
    assert values[good] == pytest.approx(np.array(shown(still, MODBUS))[good], abs=0.006)
    write_configuration(tmp_path, SMALL, still.addresses)
    (tmp_path / "areas" / "load.yaml").unlink()
    with pytest.raises(Refusal, match="something other than a load plant"):
        write_configuration(tmp_path, SMALL, still.addresses)
    with pytest.raises(Refusal, match="at most 200"):
        write_configuration(tmp_path / "new", Size(1, tags=201), still.addresses)


async def test_the_beacon_holds_what_is_written(still: LoadPlant) -> None:
    host, port = "127.0.0.1", int(still.addresses["LOAD-BCN"].rpartition(":")[2].partition("/")[0])
    client = AsyncModbusTcpClient(host, port=port, timeout=1, retries=0, reconnect_delay=0)
    assert await client.connect()
    assert not (await client.write_coil(0, True)).isError()
    assert (await client.read_coils(0, count=2)).bits[:2] == [True, False]
    assert not (await client.write_coils(0, [False, True])).isError()
    assert still.beacon.coils == [False, True]
    assert (await client.read_coils(1, count=2)).exception_code == 2
    assert (await client.read_holding_registers(0, count=1)).exception_code == 1
    client.close()


async def test_a_known_read_costs_a_small_part_of_asyncuas(still: LoadPlant) -> None:
    """Why the load form exists: asyncua's own encoding of an answer takes some 10 us a value."""
    from simulators.load.session import Session

    sent: list[bytes] = []
    session = Session(still.devices and _nodes(still), lambda: "")
    session.connection_made(SimpleNamespace(write=sent.append, close=lambda: None))  # type: ignore[arg-type]
    session._activated, session._authentication = True, ua.NodeId(1, 0)
    request = ua.ReadRequest()
    request.RequestHeader.AuthenticationToken = session._authentication
    names = still.fleet.names
    request.Parameters.NodesToRead = [ua.ReadValueId(ua.NodeId(n, 2), ua.AttributeIds.Value) for n in names]
    session._activate(SimpleNamespace(UserIdentityToken=None))
    body = struct_to_binary(request)
    chunk = b"MSGF" + (24 + len(body)).to_bytes(4, "little") + bytes(16) + body

    def cpu_s(times: int) -> float:
        start_s = time.process_time()
        for _ in range(times):
            session.data_received(chunk)
        return (time.process_time() - start_s) / times

    first_s = min(_forget(session) or cpu_s(1) for _ in range(20))
    assert cpu_s(2_000) < 0.2 * first_s
    assert len(sent) == 2_020 and sent[-1][-4 - 12 * 14 :] == sent[0][-4 - 12 * 14 :]


def _nodes(plant: LoadPlant) -> Any:
    from simulators.load.nodes import DeviceNodes

    return DeviceNodes(OPCUA, plant.fleet, plant.devices[OPCUA].row, plant._items)


def _forget(session: Any) -> None:
    session._known.clear()


CONSOLE = "import typer; from simulators.commands import register; a = typer.Typer(); register(a); a()"


def test_the_verb(tmp_path: Path) -> None:
    book, control, config = tmp_path / "a.json", tmp_path / "c", tmp_path / "config"
    root = Path(__file__).resolve().parents[2]
    options = ["--addresses", book, "--control", control, "--config", config, "--load", "30", "--tags-per-device", "8"]
    options += ["--opcua-share", "0.4", "--silent", "2", "--slow", "1"]
    with subprocess.Popen(
        [sys.executable, "-c", CONSOLE, "simulate", *map(str, options)],
        env={**os.environ, "PYTHONPATH": str(root)}, stdout=subprocess.PIPE, text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (64, 4_096)),
    ) as process:  # fmt: skip
        try:
            assert process.stdout is not None
            said = next(text for text in process.stdout if "ready" in text)
            assert "30 devices, 240 tags" in said
            addresses = json.loads(book.read_text())
            assert sum(url.startswith("opc.tcp:") for url in addresses.values()) == 12
            assert len(load(config).tags) == 242
            faults = asyncio.run(ask(control, {"do": "faults", "equipment": "LOAD-000[12]"}))
            assert set(faults["faults"]) == {"silent"}
            assert asyncio.run(ask(control, {"do": "look", "tag": "LOAD-0003.pressure1"}))["quality"] == "Good"
        finally:
            process.send_signal(signal.SIGINT)
            assert process.wait(10) == 0


async def test_what_was_answered_is_written_down(tmp_path: Path) -> None:
    file = tmp_path / "answers"
    plant = LoadPlant(SMALL, seed=3, served=file)
    began_ns = time.time_ns()
    try:
        await plant.open()
        async with Client(plant.addresses[OPCUA]) as client:
            nodes = [client.get_node(f"ns=2;s={name}") for name in plant.fleet.names]
            first = await client.read_values(nodes)
            plant.fleet.step(time.time_ns())
            second = await client.read_values(nodes)
        modbus = AsyncModbusTcpClient("127.0.0.1", port=int(plant.addresses[MODBUS].split(":")[2].split("/")[0]))
        await modbus.connect()
        words = (await modbus.read_input_registers(0, count=SMALL.tags)).registers
        modbus.close()
    finally:
        await plant.close()
    found = answers(file)
    opcua, other = plant.devices[OPCUA].row, plant.devices[MODBUS].row
    assert found["device"].tolist() == [opcua, opcua, other]
    assert found["step"].tolist() == [1, 2, 2]
    assert ((found["time_ns"] >= began_ns) & (found["time_ns"] <= time.time_ns())).all()

    # The same seed and as many steps show the same values.
    again = Fleet(SMALL.devices, SMALL.tags, seed=3)
    for expected in (first, second):
        again.step(0)
        assert again.values[opcua].astype(np.float32).tolist() == expected
    assert np.rint(again.values[other] / again.resolution).astype(np.uint16).tolist() == words
