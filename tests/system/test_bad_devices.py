"""Devices that are not as configured: each gives one plain sentence, the same in the engine's log, at the api and in
`telemetry check --connect`; the others are read. Servers: node-opcua and modbus-serial; engine and api are processes."""

import json
import os
import shutil
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.foreign import servers
from tests.foreign.servers import UNIT, USER, Server
from tests.system.demo import free_port, until

BASE = Path(__file__).parents[1] / "cases" / "config" / "base"
TEXT = {"en": "test", "zh": "测试"}
ENCRYPTED = {"policy": "Basic256Sha256", "mode": "SignAndEncrypt"}
LOGIN = {**ENCRYPTED, "user": USER, "password_env": "FOREIGN_PASSWORD"}
CDAB = {"table": "holding", "address": 4, "type": "float32", "order": "CDAB"}

DEVICES: dict[str, dict[str, Any]] = {
    "W1-NODE": {"profile": "foreign", "address": "opc.tcp://node.example:4840"},
    "W1-TRUST": {"profile": "foreign", "address": "opc.tcp://trust.example:4840", "security": ENCRYPTED},
    "W1-LOGIN": {"profile": "foreign", "address": "opc.tcp://login.example:4840", "security": LOGIN},
    "W1-ORDER": {"profile": "foreign-words", "address": f"modbus://order.example:502/{UNIT}"},
}
SAYS = {
    "W1-NODE": ["W1-NODE.missing", "s=Nothing", "no such node"],
    "W1-TRUST": ["W1-TRUST", "not trusted", "move"],
    "W1-LOGIN": ["W1-LOGIN", f"user {USER}", "password"],
    "W1-ORDER": ["W1-ORDER", "word order", "-15.25", "ABCD", "it fits as CDAB"],
}


def configured(folder: Path) -> Path:
    """The base case, and four devices of which each has something wrong."""
    shutil.copytree(BASE, folder)
    head = {"name": TEXT, "equipment_type": "foreign", "maker": "test", "source": "Made up."}
    tags = {"value": {"name": TEXT, "node": "s=Double"}, "missing": {"name": TEXT, "node": "s=Nothing"}}
    opcua = {"profile": "foreign", **head, "protocol": "opcua", "namespace": servers.NAMESPACE, "tags": tags}
    wrong = {**CDAB, "order": "ABCD"}
    words = {
        "profile": "foreign-words",
        **head,
        "protocol": "modbus",
        "proof": [{"register": wrong, "equals": -15.25}],
        "tags": {"value": {"name": TEXT, "register": wrong}},
    }
    for profile in (opcua, words):
        _write(folder / "profiles" / f"{profile['profile']}.yaml", profile)
    alarms = yaml.safe_load((folder / "alarms" / "all.yaml").read_text("utf-8"))["alarms"]
    lost = next(alarm for alarm in alarms if alarm["kind"] == "communication")
    _write(folder / "alarms" / "foreign.yaml", {"alarms": [{**lost, "for": {"type": "foreign"}}]})
    area = yaml.safe_load((folder / "areas" / "w1.yaml").read_text("utf-8"))
    area["equipment"] += [{"id": name, "name": TEXT, **entry} for name, entry in DEVICES.items()]
    _write(folder / "areas" / "w1.yaml", area)
    return folder


def _write(file: Path, content: Any) -> None:
    file.write_text(yaml.safe_dump(content, allow_unicode=True, sort_keys=False), "utf-8")


class Rig:
    """An engine and an api on the four devices; `log` is the engine's."""

    def __init__(self, folder: Path, addresses: dict[str, str]) -> None:
        self.log, self.port, self.book = folder / "engine.log", free_port(), folder / "addresses.json"
        self.book.write_text(json.dumps(addresses))
        self.environment = {
            **os.environ,
            "TELEMETRY_CONFIG": str(folder / "config"),
            "TELEMETRY_DATA_DIR": str(folder / "data"),
            "TELEMETRY_HOST": "127.0.0.1",
            "TELEMETRY_PORT": str(self.port),
            "TELEMETRY_DATABASE_URL": f"postgresql://127.0.0.1:{free_port()}/none",
            "FOREIGN_PASSWORD": "correct donkey",
        }
        self.processes: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> "Rig":
        self._start(self.log, "engine", "--addresses", str(self.book))
        self._start(self.log.with_name("api.log"), "api", "--open-reading")
        return self

    def __exit__(self, *_: object) -> None:
        for process in self.processes:
            process.send_signal(signal.SIGINT)
        for process in self.processes:
            process.wait(20)

    def _start(self, log: Path, *words: str) -> None:
        with log.open("wb") as said:
            command = [sys.executable, "-m", "telemetry", *words]
            self.processes.append(
                subprocess.Popen(command, env=self.environment, stdout=said, stderr=subprocess.STDOUT)
            )

    def ask(self, path: str) -> Any:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as answer:
                return json.loads(answer.read())
        except OSError:
            return None

    def state(self, device: str) -> dict[str, Any]:
        states = self.ask("/api/v1/devices") or []
        return next((state for state in states if state["device"] == device), {})

    def check(self, *devices: str) -> subprocess.CompletedProcess[str]:
        words = [word for device in devices for word in ("--device", device)]
        command = [sys.executable, "-m", "telemetry", "check", "--connect", "--addresses", str(self.book), *words]
        return subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    folder = tmp_path_factory.mktemp("bad-devices")
    configured(folder / "config")
    for name in ("known", "stranger"):
        (folder / name).mkdir()
    with (
        servers.node_opcua(folder / "known", trustAll=True) as known,
        servers.node_opcua(folder / "stranger", trustAll=True) as stranger,
        servers.modbus_serial(folder) as modbus,
    ):
        trusted = folder / "data" / "keys" / "opcua" / "trusted"
        trusted.mkdir(parents=True)
        shutil.copy(known.told["certificate"], trusted)
        with Rig(folder, _addresses(known, stranger, modbus)) as running:
            yield running


def _addresses(known: Server, stranger: Server, modbus: Server) -> dict[str, str]:
    nobody = free_port()
    return {
        "L01-ISO": f"opc.tcp://127.0.0.1:{nobody}",
        "W1-BCN": f"modbus://127.0.0.1:{nobody}/1",
        "W1-NODE": known.url,
        "W1-LOGIN": known.url,
        "W1-TRUST": stranger.url,
        "W1-ORDER": modbus.url,
    }


def sentence_at_the_api(rig: Rig, device: str) -> str:
    """The one sentence that stands for the device."""

    def found() -> list[str] | None:
        state = rig.state(device)
        sentences = [state["failure"]] if state.get("failure") else state.get("findings", [])
        return sentences if any(SAYS[device][-1] in sentence for sentence in sentences) else None

    sentences = until(found, 20.0, f"what is wrong with {device}")
    assert len(sentences) == 1
    return sentences[0]


@pytest.mark.parametrize("device", DEVICES)
def test_one_sentence_in_three_places(rig: Rig, device: str) -> None:
    sentence = sentence_at_the_api(rig, device)
    for part in SAYS[device]:
        assert part in sentence
    assert "donkey" not in sentence
    lines = until(
        lambda: [line for line in rig.log.read_text("utf-8").splitlines() if sentence in line], 5.0, "a line in the log"
    )
    assert len(lines) == 1, "said once, not every second"
    checked = rig.check(device)
    assert checked.returncode == 1
    assert [line for line in checked.stdout.splitlines() if line.startswith("1/1 ")] == [f"1/1 {sentence}."]


def test_what_is_right_is_read(rig: Rig) -> None:
    """An unknown node does not make its neighbours Bad; a device that cannot be read has no value, and no invented one."""
    for device in DEVICES:
        sentence_at_the_api(rig, device)
    readings = {row["tag"]: row for row in rig.ask("/api/v1/current")}
    assert (readings["W1-NODE.value"]["value"], readings["W1-NODE.value"]["quality"]) == (-45.25, "Good")
    assert (readings["W1-NODE.missing"]["value"], readings["W1-NODE.missing"]["reason"]) == (None, "BadNodeIdUnknown")
    for device in ("W1-TRUST", "W1-LOGIN", "W1-ORDER"):
        assert readings[f"{device}.value"]["value"] is None
        assert readings[f"{device}.value"]["quality"] == "Bad"
    assert rig.state("W1-NODE")["answers"] is True
    assert rig.state("W1-ORDER")["answers"] is False
    assert {state["device"] for state in rig.ask("/api/v1/devices?unwell=true")} == {*DEVICES, "L01-ISO", "W1-BCN"}
