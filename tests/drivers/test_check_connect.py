"""`telemetry check --connect` against the simulators on loopback: each deliberate mistake is one plain sentence, and exit 1."""

import asyncio
import json
import socket
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from drivers.profile import Profile
from simulators.plant import simulated
from telemetry import places
from telemetry.errors import Refusal
from telemetry.plant import connect
from telemetry.plant.commands import register
from telemetry.plant.connect import Answer, address_book, ask, chosen
from telemetry.plant.model import Equipment
from tests.simulators.small_plant import line, plant, profile, unit
from tests.system.demo import free_port

CONFIG = Path(__file__).parents[2] / "config"
WANTED = ("L01-ISO", "L01-PRC", "L01-PC1")


def small() -> list[Equipment]:
    return [one for one in line().equipment if one.id in WANTED]


async def asked(units: list[Equipment], addresses: dict[str, str]) -> dict[str, Answer]:
    told: list[int] = []
    answers = await ask(units, addresses, lambda done, answer: told.append(done))
    assert told == list(range(1, len(units) + 1)), "each is told of as it is done"
    assert [answer.device for answer in answers] == [one.id for one in units]
    return {answer.device: answer for answer in answers}


def changed(name: str, tag: str, **update: Any) -> Profile:
    """A shipped profile with one of its tags otherwise."""
    model = profile(name)
    return model.model_copy(update={"tags": {**model.tags, tag: model.tags[tag].model_copy(update=update)}})


async def test_well_devices_have_no_findings() -> None:
    async with simulated(plant(small(), line().rooms)) as running:
        answers = await asked(small(), running.addresses)
    assert all(answer.findings == () for answer in answers.values()), answers
    assert answers["L01-ISO"].sentences == ("L01-ISO: all well",)


async def test_nothing_listens_there_and_no_such_host() -> None:
    port = free_port()
    addresses = {
        "L01-ISO": f"opc.tcp://127.0.0.1:{port}",
        "L01-PRC": f"modbus://127.0.0.1:{port}/1",
        "L01-PC1": "opc.tcp://127.0.0.1:1",
    }
    answers = await asked(small(), addresses)
    for answer in answers.values():
        (sentence,) = answer.findings
        assert answer.device in sentence
        assert addresses[answer.device].split("/")[2].removeprefix("127.0.0.1:") in sentence
    assert "does not fit the protocol" in answers["L01-PC1"].findings[0]


async def test_a_driver_that_breaks_is_a_finding_and_the_others_are_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    opened = connect.open_device

    def breaking(device: str, *rest: Any) -> Any:
        if device == "L01-ISO":
            raise RuntimeError("no room left")
        return opened(device, *rest)

    monkeypatch.setattr(connect, "open_device", breaking)
    async with simulated(plant(small(), line().rooms)) as running:
        answers = await asked(small(), running.addresses | {"L01-ISO": "opc.tcp://u:secret@host:4840"})
    (sentence,) = answers["L01-ISO"].findings
    assert "L01-ISO at opc.tcp://***@host:4840 cannot be checked (RuntimeError: no room left)" in sentence
    assert answers["L01-ISO"].address == "opc.tcp://***@host:4840"
    assert all(answer.findings == () for name, answer in answers.items() if name != "L01-ISO"), answers


async def test_a_wrong_node_a_wrong_namespace_and_another_device() -> None:
    wrong_node = unit("L01-ISO", changed("isolator-opcua", "fan.speed", node="s=Fan.Sped"))
    elsewhere = unit("L01-HCI", profile("isolator-opcua").model_copy(update={"namespace": "urn:example:isolater"}))
    other = unit("L01-PRC", "ahu-modbus")  # its register map is another one
    async with simulated(plant(small(), line().rooms)) as running:
        addresses = {**running.addresses, "L01-HCI": running.addresses["L01-ISO"]}
        answers = await asked([wrong_node, elsewhere, other], addresses)
    (sentence,) = answers["L01-ISO"].findings
    assert "L01-ISO.fan.speed" in sentence
    assert "s=Fan.Sped" in sentence
    (sentence,) = answers["L01-HCI"].findings
    assert "urn:example:isolater" in sentence
    assert "urn:example:isolator" in sentence, "and the namespaces that it has"
    assert answers["L01-PRC"].findings
    assert "L01-PRC" in answers["L01-PRC"].findings[0]


async def test_values_outside_their_range_and_failed_sensors() -> None:
    narrow = unit("L01-ISO", changed("isolator-opcua", "chamber.pressure", range=(0.0, 1.0)))
    units = [narrow, *(one for one in small() if one.id == "L01-PRC")]
    async with simulated(plant(small(), line().rooms)) as running:
        await running.fault("L01-PRC", "sensor-failure", tag="temperature")
        deadline = time.monotonic() + 5.0
        while not (answers := await asked(units, running.addresses))["L01-PRC"].findings:
            assert time.monotonic() < deadline
    (sentence,) = answers["L01-ISO"].findings
    assert sentence.startswith("L01-ISO.chamber.pressure reads ")
    assert sentence.endswith("outside its range 0 to 1")
    (sentence,) = answers["L01-PRC"].findings
    assert "L01-PRC.temperature" in sentence


async def test_a_device_that_says_nothing_holds_up_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connect, "DEADLINE_S", 1.0)
    monkeypatch.setattr(connect, "AT_ONCE", 3)
    open_now, most = 0, 0

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal open_now, most
        open_now += 1
        most = max(most, open_now)
        await reader.read()
        open_now -= 1
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    units = [unit(f"L01-I{n}", "isolator-opcua") for n in range(5)] + [unit("L01-R", "room-monitor-modbus")]
    addresses = {one.id: f"opc.tcp://127.0.0.1:{port}" for one in units}
    addresses["L01-R"] = f"modbus://127.0.0.1:{port}/1"
    began = time.monotonic()
    answers = await asked(units, addresses)
    assert time.monotonic() - began < 5.0
    deadline = time.monotonic() + 5.0
    while open_now:
        assert time.monotonic() < deadline, "a connection was left open"
        await asyncio.sleep(0.02)
    server.close()
    await server.wait_closed()
    assert all(answer.findings for answer in answers.values())
    assert "within 1 s" in answers["L01-I0"].findings[0]
    assert most == 3


async def test_a_device_that_the_running_engine_holds_is_left_alone(own_data_folder: Path) -> None:
    accepted: list[str] = []
    counter = await asyncio.start_server(lambda r, w: accepted.append("counter"), "127.0.0.1", 0)
    alone = unit("L01-PC1", "counter-lighthouse")
    assert alone.profile.server.connections == 1
    book = {"L01-PC1": f"modbus://127.0.0.1:{counter.sockets[0].getsockname()[1]}/1"}
    with socket.socket(socket.AF_UNIX) as engine:
        engine.bind(str(places.feed_socket()))
        engine.listen()
        wired = unit("L01-PRC", "room-monitor-modbus")
        answers = await asked([alone, wired], {**book, "L01-PRC": "modbus-serial:///dev/ttyS99/1?baud=9600"})
    assert answers["L01-PC1"].findings == answers["L01-PRC"].findings == ()
    assert "serial line" in str(answers["L01-PRC"].left_alone)
    assert "one connection" in str(answers["L01-PC1"].left_alone)
    assert accepted == []
    places.feed_socket().unlink()
    counter.close()
    await counter.wait_closed()


def console(*words: str) -> Result:
    app = typer.Typer()
    app.callback()(lambda: None)
    register(app)
    return CliRunner().invoke(app, ["check", *words], env={"TELEMETRY_CONFIG": str(CONFIG)})


async def test_the_console_says_it_and_its_exit_status_too(tmp_path: Path) -> None:
    async with simulated(plant(small(), line().rooms)) as running:
        book = tmp_path / "addresses.json"
        book.write_text(json.dumps({**running.addresses, "L01-HCI": f"opc.tcp://127.0.0.1:{free_port()}"}))
        words = ["--connect", "--addresses", str(book), "--device", "L01-ISO"]
        well = await asyncio.to_thread(console, *words)
        assert well.exit_code == 0, well.output
        assert "1/1 L01-ISO: all well." in well.output
        unwell = await asyncio.to_thread(console, *words, "--device", "L01-HCI", "--json")
    assert unwell.exit_code == 1
    said = json.loads(unwell.stdout)
    assert said["devices"]["L01-ISO"]["findings"] == []
    (finding,) = said["devices"]["L01-HCI"]["findings"]
    assert "L01-HCI" in finding
    assert f"{finding}." in unwell.stderr, "progress stands beside the JSON, not in it"


def test_what_the_console_refuses(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match="Did you mean L01-ISO"):
        chosen(line(), ["L01-IS0"])
    book = tmp_path / "book.json"
    for content in ("{", "[1]", '{"a": 1}'):
        book.write_text(content)
        with pytest.raises(Refusal):
            address_book(book)
    with pytest.raises(Refusal, match="not readable"):
        address_book(tmp_path / "none.json")
    assert "Add --connect" in str(console("--device", "L01-ISO").exception)


def test_the_answers_stand_in_the_order_of_the_plant() -> None:
    every = chosen(line(), [])
    assert every == line().equipment or [one.id for one in every] == [one.id for one in line().equipment]
    assert [one.id for one in chosen(line(), ["L01-PRC", "L01-ISO", "L01-PRC"])] == ["L01-PRC", "L01-ISO"]
    assert replace(Answer("a", "b"), left_alone="it was left alone").sentences == ("it was left alone",)
