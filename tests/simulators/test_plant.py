"""The whole: couplings, faults on the wire, the control socket, and the verbs of the console."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import typer
from pymodbus.client import AsyncModbusTcpClient
from small_plant import line, plant, unit, until
from typer.testing import CliRunner

from simulators.commands import register, seconds, write_addresses
from simulators.control import AnotherSimulator, NoSimulator, ask, served
from simulators.faults import FaultRefused
from simulators.plant import STEP_S, SimulatedPlant, simulated
from telemetry.plant import load

UNIT = 7


def room_and_beacon():
    return plant([u for u in line().equipment if u.id in ("L01-PRC", "W1-BCN")], line().rooms)


async def client_of(running: SimulatedPlant, equipment: str) -> AsyncModbusTcpClient:
    url = urlsplit(running.addresses[equipment])
    return AsyncModbusTcpClient(url.hostname or "", port=url.port or 0, timeout=0.5, retries=0, reconnect_delay=0)


async def test_a_fault_is_seen_within_half_a_second_and_ends_by_itself() -> None:
    async with simulated(room_and_beacon()) as running:
        await running.fault("L01-PRC", "pressure-loss", for_s=0.8)
        assert await until(lambda: running.look("L01-PRC.pressure")["shown"] < 45.0) < 0.5
        assert list(running.faults_of("L01-PRC")) == ["pressure-loss"]
        await until(lambda: not running.faults_of("L01-PRC"))
        await until(lambda: running.look("L01-PRC.pressure")["shown"] > 48.0)


async def test_rooms_feel_the_room_below_and_counters_the_air_of_their_room() -> None:
    running = SimulatedPlant(line())

    async def run(steps: int) -> None:
        for _ in range(steps):
            for device in running.devices.values():
                await running._step(device)

    await run(20)
    assert running.look("L01-PRC.pressure")["true"] == pytest.approx(50.0, abs=0.5)
    running.devices["L01-PRC"].begin("door-open", None, 1, "*")
    await run(50)
    assert running.look("L01-PRC.pressure")["true"] == pytest.approx(30.0, abs=2.0)
    before = running.devices["L01-PC2"].outputs["air.0_5um"]
    running.devices["L01-PRC"].begin("particle-burst", None, 1, "*")
    await run(100)
    assert running.devices["L01-PC2"].outputs["air.0_5um"] > before + 10_000  # pyright: ignore[reportOperatorIssue]
    assert running.devices["L01-PC1"].outputs["air.0_5um"] == 30.0


async def test_a_dropped_connection_is_refused_and_comes_back_on_the_same_port() -> None:
    async with simulated(room_and_beacon()) as running:
        client = await client_of(running, "L01-PRC")
        assert await client.connect()
        address = running.addresses["L01-PRC"]
        await running.fault("L01-PRC", "dropped-connection")
        await until(lambda: not client.connected)
        host, port = urlsplit(address).hostname, urlsplit(address).port
        await until(lambda: refuses(host, port))
        await running.fault("L01-PRC", "clear")
        assert running.addresses["L01-PRC"] == address
        again = await client_of(running, "L01-PRC")
        assert await again.connect()
        assert not (await again.read_input_registers(0, count=1, device_id=UNIT)).isError()
        again.close()


def refuses(host: str | None, port: int | None) -> bool:
    try:
        socket.create_connection((host or "", port or 0), timeout=0.5).close()
    except ConnectionRefusedError:
        return True
    return False


async def test_a_silent_device_accepts_and_never_answers() -> None:
    async with simulated(room_and_beacon()) as running:
        await running.fault("L01-PRC", "silent")
        client = await client_of(running, "L01-PRC")
        assert await client.connect()
        with pytest.raises(Exception, match=r"(?i)no response"):
            await client.read_input_registers(0, count=1, device_id=UNIT)
        await running.fault("L01-PRC", "clear")
        again = await client_of(running, "L01-PRC")
        assert await again.connect()
        assert not (await again.read_input_registers(0, count=1, device_id=UNIT)).isError()
        again.close()
        client.close()


async def test_what_does_not_fit_is_refused_with_what_would() -> None:
    running = SimulatedPlant(line())
    with pytest.raises(FaultRefused, match=r"no equipment L99-ISO.*L01-ISO"):
        await running.fault("L99-ISO", "silent")
    with pytest.raises(
        FaultRefused, match=r"temperature-drift does not fit L01-ISO \(isolator\). Possible: pressure-loss"
    ):
        await running.fault("L01-ISO", "temperature-drift")
    with pytest.raises(FaultRefused, match=r"no fault explosion.*pressure-loss, door-open.*clear"):
        await running.fault("L01-ISO", "explosion")
    with pytest.raises(FaultRefused, match=r"no measured tag nothing.*chamber.pressure"):
        await running.fault("L01-ISO", "frozen-sensor", tag="nothing")
    with pytest.raises(FaultRefused, match=r"cannot last"):
        await running.fault("L01-ISO", "silent", for_s=-1)
    assert not running.faults_of("L01-ISO")


async def test_several_at_once_by_pattern_all_or_none() -> None:
    running = SimulatedPlant(line())
    assert "L01-P?? (4 devices)" in await running.fault("L01-P??", "silent")  # two counters, a room, a pass box
    assert await running.fault("L01-PC*", "slow", for_s=9, delay_s=1.5) == (
        "L01-PC* (2 devices): slow for 9 s (the server answers 1.5 s late)."
    )
    assert all(running.devices[f"L01-PC{n}"].face.wire.delay_s == 1.5 for n in (1, 2))
    with pytest.raises(FaultRefused, match="does not fit"):
        await running.fault("L01-*", "pressure-loss")  # counters and incubators have no pressure to lose
    assert not any("pressure-loss" in device.faults for device in running.devices.values())
    await running.fault("*", "clear")
    assert not any(device.faults or device.face.wire.faulty for device in running.devices.values())


async def test_every_fault_that_is_offered_can_be_begun_and_ended() -> None:
    async with simulated(line()) as running:
        for equipment in running.devices:
            for fault in running.possible(equipment):
                assert fault in await running.fault(equipment, fault)
        await until(lambda: all(device.elapsed_s > 5 * STEP_S for device in running.devices.values()))
        for equipment in running.devices:
            await running.fault(equipment, "clear")
            assert not running.faults_of(equipment)


async def test_the_control_socket(tmp_path: Path) -> None:
    path = tmp_path / "control"
    with pytest.raises(NoSimulator, match="telemetry simulate"):
        await ask(path, {"do": "addresses"})
    path.touch()  # left by one that was killed
    async with simulated(room_and_beacon()) as running, served(running, path):
        assert path.stat().st_mode & 0o777 == 0o600
        assert (await ask(path, {"do": "addresses"}))["addresses"] == running.addresses
        reply = await ask(path, {"do": "fault", "equipment": "L01-PRC", "fault": "door-open", "for_s": 30})
        assert reply["ok"] and "door-open for 30 s" in reply["said"]
        listed = await ask(path, {"do": "faults", "equipment": "L01-PRC"})
        assert 25 < listed["faults"]["door-open"]["left_s"] <= 30 and "silent" in listed["possible"]
        look = await ask(path, {"do": "look", "tag": "W1-BCN.horn"})
        assert (look["true"], look["quality"]) == (0.0, "Good")
        for wrong in ({"do": "dance"}, {"do": "fault", "equipment": "L01-PRC", "fault": "silent", "for_s": "x"}):
            assert (await ask(path, wrong))["ok"] is False
        assert "no tag bell" in (await ask(path, {"do": "look", "tag": "W1-BCN.bell"}))["wrong"]
        with pytest.raises(AnotherSimulator, match="Another simulator"):
            async with served(running, path):
                pass
    assert not path.exists()


def test_the_undisturbed_example_plant_raises_no_alarm() -> None:
    """Five minutes of one equipment of each type and grade, against the example plant's own limits, delays left aside."""
    example = load(Path(__file__).resolve().parents[2] / "config")
    one_of_each = {(u.type, u.grade): u for u in example.equipment}
    running = SimulatedPlant(replace(example, equipment=tuple(one_of_each.values())))
    watched = [
        (running.devices[alarm.equipment].readings, alarm.tag.name, alarm.entry.kind, alarm.entry.limit, alarm.id)
        for alarm in example.alarms
        if alarm.equipment in running.devices and alarm.tag is not None and alarm.entry.limit is not None
    ]
    watched = [w for w in watched if w[1] in w[0].index and w[0].names[0] != "map_version"]
    assert len(watched) > 200
    for step in range(300):
        for device in running.devices.values():
            device.step(1.0, step, {})
        for readings, tag, kind, limit, alarm in watched:
            value = readings.values[readings.index[tag]]
            broken = value < limit if kind == "low" else value > limit if kind == "high" else value == limit
            assert not broken, f"{alarm}: {value}"


def test_the_address_book_is_written_in_one_piece(tmp_path: Path) -> None:
    book = tmp_path / "addresses.json"
    write_addresses(book, {"A": "modbus://127.0.0.1:1/1"})
    write_addresses(book, {"B": "modbus://127.0.0.1:2/1"})
    assert json.loads(book.read_text()) == {"B": "modbus://127.0.0.1:2/1"}
    assert [file.name for file in tmp_path.iterdir()] == ["addresses.json"]


def test_lengths_of_time() -> None:
    assert [seconds(given) for given in ("30s", "5m", "1h", "12", "1.5min")] == [30, 300, 3600, 12, 90]
    with pytest.raises(typer.Exit):
        seconds("soon")


def test_a_type_without_physics_is_refused() -> None:
    strange = unit("X-1", "bsc-modbus")
    object.__setattr__(strange, "type", "centrifuge")
    with pytest.raises(Exception, match=r"X-1 is of type centrifuge.*no physics.*isolator"):
        SimulatedPlant(plant([strange]))


CONSOLE = "import typer; from simulators.commands import register; a = typer.Typer(); register(a); a()"


def test_the_verbs_on_the_example_plant(tmp_path: Path) -> None:
    book, control = tmp_path / "a.json", tmp_path / "c"
    root = Path(__file__).resolve().parents[2]
    environment = {**os.environ, "TELEMETRY_CONFIG": str(root / "config"), "PYTHONPATH": str(root)}
    command = [sys.executable, "-c", CONSOLE]
    options = ["--addresses", str(book), "--control", str(control)]
    with subprocess.Popen(
        [*command, "simulate", *options], env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            said = next(text for text in process.stdout if "ready" in text)
            devices = json.loads(book.read_text())
            assert f"{len(devices)} devices" in said and {"L01-ISO", "W1-BCN"} <= devices.keys()
            app = typer.Typer()
            register(app)
            told = CliRunner().invoke(
                app, ["fault", "L01-ISO", "pressure-loss", "--for", "9s", "--control", str(control)]
            )
            assert told.exit_code == 0 and "L01-ISO: pressure-loss for 9 s" in told.output
            start_s = time.monotonic()
            while asyncio.run(ask(control, {"do": "look", "tag": "L01-ISO.chamber.pressure"}))["shown"] > 0:
                assert time.monotonic() - start_s < 0.5
            slow = ["fault", "L0?-BSC1", "slow", "--delay", "2s", "--for", "1s", "--control", str(control)]
            assert "slow for 1 s" in CliRunner().invoke(app, slow).output
            refused = CliRunner().invoke(app, ["fault", "L01-ISO", "flood", "--control", str(control)])
            assert refused.exit_code == 1 and "There is no fault flood" in refused.output
            listed = CliRunner().invoke(app, ["fault", "L01-ISO", "--control", str(control)])
            assert "L01-ISO has pressure-loss" in listed.output and "frozen-sensor" in listed.output
        finally:
            process.send_signal(signal.SIGINT)
            assert process.wait(10) == 0
    assert not control.exists()
    gone = CliRunner().invoke(app, ["fault", "L01-ISO", "silent", "--control", str(control)])
    assert gone.exit_code == 1 and "No simulator answers" in gone.output
