"""`telemetry browse` on servers that are not ours: the tree, the trust that is asked for, profiles that are valid as drafted."""

import os
import re
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Generator
from pathlib import Path

import pytest
import yaml
from asyncua import Server, ua

from drivers.fleet import Fleet
from drivers.opcua.browse import browsed
from drivers.opcua.draft import drafted
from drivers.opcua.session import Session
from drivers.profile import Profile
from telemetry.plant import survey
from tests.foreign import servers
from tests.foreign.driven import NAMESPACE, driven, good, values
from tests.foreign.servers import PASSWORD, USER
from tests.system.demo import free_port


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[servers.Server]:
    with servers.node_opcua(tmp_path_factory.mktemp("browsed"), maxNodesPerRead=50, trustAll=True, many=3) as running:
        yield running


def browse(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "telemetry", "browse", *words]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=60, env={**os.environ, **environment}, check=False
    )


def test_the_tree(server: servers.Server) -> None:
    shown = browse(server.url)
    assert shown.returncode == 0, shown.stderr
    assert f"namespace 2  {NAMESPACE}" in shown.stdout
    for line in (
        "Foreign  ns=2;s=Foreign",
        "  Int16  ns=2;s=Int16  Int16  rw  = -1600",
        "  String  ns=2;s=String  String  rw  = 批号 42",
        "  Failed  ns=2;s=Failed  Double  rw  = BadSensorFailure",
        "  Array  ns=2;s=Array  Double[]  rw  = [1.0, 2.0, 3.0]",
        "  Set.Refused  ns=2;s=Set.Refused  Double  r-  = 0.0",
        "  Start  ns=2;s=Start  method",
        "    ActiveState  ns=2;s=LevelAlarm-ActiveState  LocalizedText  r-  = Inactive",
    ):
        assert line in shown.stdout.splitlines(), line
    assert "the server offers None, Basic256Sha256 Sign" in shown.stderr


def test_a_draft_needs_no_name_and_a_name_without_a_draft_is_refused(server: servers.Server) -> None:
    shown = browse(server.url, "--profile")
    assert shown.returncode == 0, shown.stderr
    assert Profile.model_validate(yaml.safe_load(shown.stdout)).profile == "127-0-0-1-opcua"
    named = browse("--profile", "mine", server.url)
    assert Profile.model_validate(yaml.safe_load(named.stdout)).profile == "mine"
    refused = browse(server.url, "mine")
    assert refused.returncode == 1 and "Write --profile mine" in refused.stderr


def test_bounds_are_kept_and_said(server: servers.Server) -> None:
    shown = browse(server.url, "--depth", "1")
    assert shown.returncode == 0 and len(shown.stdout.splitlines()) == 5
    assert re.search(r"1 nodes shown; 1 were not looked beneath: raise --depth", shown.stderr)
    deeper = browse(server.url, "--start", "ns=2;s=LevelAlarm")
    assert deeper.stdout.splitlines()[4].startswith("ActiveState")


def test_a_drafted_profile_is_valid_and_reads(server: servers.Server, tmp_path: Path) -> None:
    file = tmp_path / "drafted.yaml"
    shown = browse(server.url, "--profile", "drafted", "--to", str(file))
    assert shown.returncode == 0, shown.stderr
    assert "2 variables are left out: arrays, times" in shown.stderr
    profile = Profile.model_validate(yaml.safe_load(file.read_text("utf-8")))
    assert profile.namespace == NAMESPACE and profile.profile == "drafted"
    assert profile.tags["boolean"].kind == "boolean" and profile.tags["string"].kind == "text"
    assert profile.tags["set.float"].writable and not profile.tags["set.refused"].writable
    assert profile.methods["start"].object == "s=Foreign" and list(profile.methods) == ["start"]
    assert not any(name.startswith("level_alarm") for name in profile.tags)  # its events tell of it


async def test_a_drafted_profile_drives_the_server_it_came_from(server: servers.Server) -> None:
    text, _ = await draft_of(server.url)
    async with driven(Profile.model_validate(yaml.safe_load(text)), server.url) as device:
        scan = await good(device)
        assert values(scan)["int16"] == -1600 and values(scan)["many.2"] == 2.5
        assert [one.split(":")[0] for one in scan.findings] == [
            "D1.null"
        ]  # the server gives no value, and calls that good


async def draft_of(url: str, namespace: str | None = None) -> tuple[str, tuple[str, ...]]:
    session = Session(url, None, Fleet(), lambda: 0)
    try:
        await session.open()
        tree = await browsed(session.client, ua.NodeId(ua.Int32(85)), 20, 10_000, lambda line: None)
    finally:
        await session.close()
    return drafted(tree, "drafted", url, namespace)


async def test_units_ranges_enumerations_and_a_laboratory_device(tmp_path: Path) -> None:
    """A device as OPC 30500-1 lays it out: functional units with functions, an analog item, an enumeration, two states."""
    server = Server()
    await server.init()
    server.set_endpoint(f"opc.tcp://127.0.0.1:{free_port()}")
    server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
    index = await server.register_namespace("urn:maker:incubator")
    at = await server.nodes.objects.add_object(index, "DeviceSet")
    for name in ("Incubator", "FunctionalUnitSet", "Chamber", "FunctionSet"):
        at = await at.add_object(index, name)
    sensor = await at.add_object(index, "Temperature")
    value = await sensor.add_variable(index, "SensorValue", 37.1, ua.VariantType.Float)
    unit = ua.EUInformation(DisplayName=ua.LocalizedText("°C"))
    await value.add_property(0, "EngineeringUnits", unit)
    await value.add_property(0, "EURange", ua.Range(Low=0.0, High=60.0))
    cover = await at.add_object(index, "Cover")
    state = await cover.add_variable(index, "State", 1, ua.VariantType.Int32)
    await state.add_property(0, "EnumStrings", [ua.LocalizedText("closed"), ua.LocalizedText("open")])
    lamp = await cover.add_variable(index, "Lamp", True)
    await lamp.set_writable()
    await lamp.add_property(0, "FalseState", ua.LocalizedText("off"))
    await lamp.add_property(0, "TrueState", ua.LocalizedText("on"))
    async with server:
        text, notes = await draft_of(server.endpoint.geturl())
    assert notes == ()
    profile = Profile.model_validate(yaml.safe_load(text))
    temperature, door, light = (profile.tags[x] for x in ("temperature.sensor_value", "cover.state", "cover.lamp"))
    assert (temperature.kind, temperature.unit, temperature.range) == ("float", "°C", (0.0, 60.0))
    assert door.kind == "state" and door.legend is not None
    assert {n: shown.en for n, shown in door.legend.items()} == {0: "closed", 1: "open"}
    assert light.kind == "boolean" and light.writable and light.legend is not None and light.legend[1].en == "on"
    config = tmp_path / "config"
    assert_checks(config, text)


def assert_checks(config: Path, text: str) -> None:
    """`telemetry check` finds nothing wrong with the drafted profile."""
    (config / "profiles").mkdir(parents=True)
    (config / "profiles" / "drafted.yaml").write_text(text, "utf-8")
    mistakes = survey(config).mistakes
    assert [one for one in mistakes if one.file.startswith("profiles")] == []


def test_trust_is_asked_for_and_given_by_thumbprint(server: servers.Server, tmp_path: Path) -> None:
    secured = (server.url, "--policy", "Basic256Sha256", "--depth", "1")
    refused = browse(*secured)
    assert refused.returncode == 1
    thumbprint = re.search(r"thumbprint ([0-9A-F]{40})", refused.stderr)
    assert thumbprint is not None
    wrong = browse(*secured, "--trust", "0" * 40)
    assert wrong.returncode == 1 and "nothing was trusted" in wrong.stderr
    trusted = browse(*secured, "--trust", thumbprint[1])
    assert trusted.returncode == 0 and "trusted from now on" in trusted.stderr and "Foreign" in trusted.stdout
    login = browse(*secured, "--user", USER, "--password-env", "SECRET", SECRET=PASSWORD)
    assert login.returncode == 0, login.stderr
    denied = browse(*secured, "--user", USER, "--password-env", "SECRET", SECRET="wrong")
    assert denied.returncode == 1 and f"refuses user {USER}" in denied.stderr and "wrong" not in denied.stderr


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["http://plc.example"], "Write opc.tcp://host:4840."),
        (["opc.tcp://[::1"], "Write opc.tcp://host:4840."),
        (["opc.tcp://plc.example:99999"], "The port is from 1 to 65535"),
        (["opc.tcp://plc..example:4840"], "its host name is none"),
        (["opc.tcp://127.0.0.1:1"], "nothing listens at that address"),
        (["opc.tcp://no-such-host.invalid:4840"], "host name is not known"),
        (["opc.tcp://plc.example:4840", "--policy", "Basic256"], "policy"),
        (["opc.tcp://plc.example:4840", "--policy", "Basic256Sha256", "--user", "x"], "password_file and password_env"),
        (["opc.tcp://plc.example:4840", "--start", "zz"], "zz is not a node"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_sentence(words: list[str], says: str) -> None:
    shown = browse(*words)
    assert shown.returncode == 1 and says in shown.stderr and "Traceback" not in shown.stderr


def test_a_password_in_an_address_is_not_repeated() -> None:
    shown = browse("opc.tcp://operator:secret@plc.example:4840")
    assert shown.returncode == 1 and "--password-file" in shown.stderr and "secret" not in shown.stderr + shown.stdout


def test_nothing_but_our_sentence_is_said_where_a_server_answers_with_an_error() -> None:
    """asyncua logs such an answer as critical; a person is to see the sentence alone."""
    reason = b"come back later"
    body = struct.pack("<Ii", ua.StatusCodes.BadTcpServerTooBusy, len(reason)) + reason
    with socket.create_server(("127.0.0.1", 0)) as busy:

        def refuse() -> None:
            line, _ = busy.accept()
            with line:
                line.recv(4096)
                line.sendall(b"ERRF" + struct.pack("<I", 8 + len(body)) + body)
                line.recv(4096)  # until the other end has gone

        refusing = threading.Thread(target=refuse)
        refusing.start()
        address = f"opc.tcp://127.0.0.1:{busy.getsockname()[1]}"
        shown = browse(address)
        refusing.join()
    said = [line for line in re.sub(r"\r|\033\[K", "", shown.stderr).splitlines() if line]
    assert shown.returncode == 1 and len(said) == 1, shown.stderr
    assert said[0].startswith(f"{address}: all its connections are taken")


def test_a_start_that_is_not_there(server: servers.Server) -> None:
    shown = browse(server.url, "--start", "ns=2;s=Nowhere")
    assert shown.returncode == 1 and "no such node" in shown.stderr
