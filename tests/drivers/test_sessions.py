"""Sessions with servers that are short of something: of sessions, of a safe login, of the limits that they state."""

import asyncio
import shutil
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from asyncua import Server, ua
from asyncua.crypto.permission_rules import User
from asyncua.server.address_space import AddressSpace, AttributeService
from asyncua.server.user_managers import UserManager

from drivers.device import WriteFailed
from drivers.fleet import Fleet
from drivers.frame import Scan
from drivers.opcua.device import OpcUaDevice
from drivers.opcua.own_certificate import VALID_DAYS
from drivers.opcua.security import Security, SecurityFault
from drivers.opcua.session import Session
from tests.foreign import servers
from tests.foreign.driven import NAMESPACE, driven, good, opcua_profile, scanned, values
from tests.system.demo import free_port

NODES = 40


class Strict(AttributeService):
    """Refuses requests of more than `largest` nodes, whatever the server states."""

    largest = 10_000

    def __init__(self, space: AddressSpace) -> None:
        super().__init__(space)
        self.asked: list[int] = []

    def read(self, params: Any) -> Any:
        self.asked.append(len(params.NodesToRead))
        if len(params.NodesToRead) > self.largest:
            raise ua.uaerrors.BadTooManyOperations
        return super().read(params)


class OneUser(UserManager):
    def get_user(
        self, iserver: Any, username: str | None = None, password: str | None = None, certificate: Any = None
    ) -> User | None:
        return User() if (username, password) == ("operator", "correct horse") else None


@asynccontextmanager
async def served(*, user: bool = False) -> AsyncGenerator[tuple[str, Server]]:
    """asyncua's server with `NODES` numbers, unsecured."""
    server = Server(user_manager=OneUser() if user else None)
    await server.init()
    server.set_endpoint(f"opc.tcp://127.0.0.1:{free_port()}")
    server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
    if user:
        server.set_identity_tokens([ua.UserNameIdentityToken])
    index = await server.register_namespace(NAMESPACE)
    for n in range(NODES):
        await server.nodes.objects.add_variable(ua.NodeId(f"N{n}", ua.Int16(index)), f"N{n}", float(n))
    server.iserver.attribute_service = Strict(server.iserver.aspace)
    async with server:
        yield server.endpoint.geturl(), server


PROFILE = opcua_profile({f"N{n}": "float" for n in range(NODES)})
ALL = {f"N{n}": float(n) for n in range(NODES)}


async def test_a_server_that_bears_less_than_it_says_is_asked_for_less(monkeypatch: pytest.MonkeyPatch) -> None:
    """It states no limit and bears 7 nodes: 40, 20, 10, 5 are asked, then 5."""
    monkeypatch.setattr(Strict, "largest", 7)
    async with served() as (url, server), driven(PROFILE, url) as device:
        strict = server.iserver.attribute_service
        assert values(await good(device)) == ALL
        assert [n for n in strict.asked if n > 4] == [40, 20, 10, *[5] * 8]
        strict.asked.clear()
        assert values(await good(device)) == ALL
        assert [n for n in strict.asked if n > 4] == [5] * 8


async def test_a_password_is_never_sent_readable() -> None:
    """asyncua's unsecured server asks for it in the clear; the driver does not give it."""
    async with served(user=True) as (url, _):
        fleet = Fleet(Path("/nonexistent"))
        said = await failure_with(url, fleet, Security(policy="None", user="operator", password_env="HOME"))
        assert "certificate" in said or "readable for everybody" in said
        assert "does not allow login by anonymous" in await failure_with(url, fleet, None)


async def failure_with(url: str, fleet: Fleet, security: Security | None) -> str:
    async with driven(PROFILE, url, fleet, security) as device:
        scan = await scanned(device, lambda scan: "not connected yet" not in str(scan.failure))
        return str(scan.failure)


async def test_the_channels_token_is_renewed_in_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tokens of 1 s (the server makes at least that of them): two renewals long, not one scan fails, on one connection."""
    with servers.node_opcua(tmp_path, trustAll=True) as own:
        lives: list[float] = []

        def short(device: OpcUaDevice) -> Session:
            session = Session(device.address, device.security, device.fleet, device.now, channel_s=1.0)
            renew = session.client.open_secure_channel

            async def counted(renew_: bool = False) -> None:
                await renew(renew=renew_)
                lives.append(session.client.secure_channel_timeout / 1000)

            session.client.open_secure_channel = lambda renew=False: counted(renew)
            return session

        monkeypatch.setattr(OpcUaDevice, "_new_session", short)
        fleet = trusting(own, tmp_path)
        security = Security(policy="Basic256Sha256", mode="SignAndEncrypt")
        async with driven(opcua_profile({"Double": "float"}), own.url, fleet, security) as device:
            await good(device)
            until_s = time.monotonic() + 30
            while len(lives) < 3:
                assert (await device.scan(0)).failure is None
                assert time.monotonic() < until_s, lives
                await asyncio.sleep(0.02)
            assert fleet.connects == 2  # one to see the endpoints, one to stay


async def came_to(session: Session, stage: str) -> None:
    until_s = time.monotonic() + 4
    while True:
        if session.stage == stage:
            return
        assert time.monotonic() < until_s, session.stage
        await asyncio.sleep(0)


async def test_the_own_certificates_end_is_announced_on_a_connection_that_lasts(
    node_opcua: servers.Server, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    years_ns = 0
    fleet = trusting(node_opcua, tmp_path)
    session = Session(
        node_opcua.url, Security(policy="Basic256Sha256"), fleet, lambda: time.time_ns() + years_ns, channel_s=1.0
    )
    lost = asyncio.Event()
    try:
        await session.open()
        years_ns = int((VALID_DAYS - 30) * 86_400e9)
        held = asyncio.create_task(session.hold(lost))
        following = tmp_path / "keys" / "own" / "next.der"
        until_s = time.monotonic() + 8
        while not following.exists():
            assert time.monotonic() < until_s and not held.done()
            await asyncio.sleep(0.05)
        lost.set()
        await held
    finally:
        await session.close()
    assert f"let the servers trust its successor until then: {following}" in caplog.text


async def test_whoever_is_cancelled_while_connecting_leaves_no_session(tmp_path: Path) -> None:
    """A server of one session: two connects are broken off at each stage, and right after the last one; one more gets it."""
    with servers.node_opcua(tmp_path, maxSessions=1) as own:
        for stage in ("network", "channel", "session", "login", "open") * 2:
            session = Session(own.url, None, Fleet(), time.time_ns)
            opening = asyncio.create_task(session.open())
            if stage == "open":
                await opening
            else:
                await came_to(session, stage)
            opening.cancel()
            await asyncio.wait((opening,))
            await session.close()
        async with driven(opcua_profile({"Double": "float"}), own.url) as device:
            assert (await good(device, 1.0)).failure is None


async def test_a_session_that_the_server_is_just_making_is_closed_too() -> None:
    """asyncua's server keeps a session whose channel has gone; it holds none after one was broken off while it was made."""
    async with served() as (url, server):
        held = server.iserver._external_sessions
        for turns in range(4):
            session = Session(url, None, Fleet(), time.time_ns)
            opening = asyncio.create_task(session.open())
            await came_to(session, "session")
            for _ in range(turns):
                await asyncio.sleep(0)
            opening.cancel()
            await asyncio.wait((opening,))
            await session.close()
            assert not held


async def test_a_probe_tells_all_at_once_and_closes_its_session(tmp_path: Path) -> None:
    with servers.node_opcua(tmp_path, maxSessions=1) as own:
        tags = {"Double": "float", "NotThere": "float", "Failed": "float", "Array": "float"}
        for _ in range(3):
            device = OpcUaDevice("D1", opcua_profile(tags), own.url, time.time_ns)
            found = await device.probe()
            assert len(found) == 3, found
            assert any("NotThere" in one and "s=NotThere" in one and "no such node" in one for one in found)
            assert any("Failed" in one and "BadSensorFailure" in one for one in found)
        nothing = OpcUaDevice("D1", opcua_profile(tags), f"opc.tcp://127.0.0.1:{free_port()}", time.time_ns)
        assert "nothing listens" in " ".join(await nothing.probe())
        elsewhere = opcua_profile(tags).model_copy(update={"namespace": "urn:else"})
        (said,) = await OpcUaDevice("D1", elsewhere, own.url, time.time_ns).probe()
        assert "no namespace urn:else" in said and NAMESPACE in said


async def test_a_write_that_reads_back_bad_is_no_success(monkeypatch: pytest.MonkeyPatch) -> None:
    async with served() as (url, server), driven(PROFILE, url) as device:
        await good(device)
        await server.get_node(ua.NodeId("N3", ua.Int16(await server.get_namespace_index(NAMESPACE)))).set_writable()
        assert await device.write("D1.N3", 7.5) == 7.5
        bad = [ua.DataValue(StatusCode=ua.StatusCode(ua.UInt32(ua.StatusCodes.BadSensorFailure)))]
        read = Strict.read
        monkeypatch.setattr(Strict, "read", lambda self, params: bad if _asks_for(params, "N3") else read(self, params))
        with pytest.raises(WriteFailed, match=r"D1\.N3 was sent but is not confirmed, .* Bad \(BadSensorFailure\)"):
            await device.write("D1.N3", 8.5)


def _asks_for(params: Any, name: str) -> bool:
    """Whether this reads the value of one node of that name."""
    first = params.NodesToRead[0]
    return (
        len(params.NodesToRead) == 1 and first.NodeId.Identifier == name and first.AttributeId == ua.AttributeIds.Value
    )


async def test_what_a_silent_server_was_asked_is_called_unknown(tmp_path: Path) -> None:
    start = {"name": {"en": "start", "zh": "开始"}, "object": "s=Foreign", "method": "s=Start"}
    profile = opcua_profile({"Started": "float", "Set.Double": "float"}, methods={"start": start})
    with servers.node_opcua(tmp_path) as own:
        async with driven(profile, own.url) as device:
            assert isinstance(device, OpcUaDevice)
            await good(device)
            assert await device.write("D1.Set.Double", 3.5) == 3.5  # its type is known from now on
            own.freeze()
            began_s = time.monotonic()
            with pytest.raises(WriteFailed, match="sent but is not confirmed"):
                await device.write("D1.Set.Double", 4.5)
            assert time.monotonic() - began_s < 1.0
            with pytest.raises(WriteFailed, match="start was not carried out: it does not answer"):  # nor asked to
                await device.call("start", [2.0, 3])
            assert time.monotonic() - began_s < 4.5
            own.thaw()
            await good(device)
            with pytest.raises(WriteFailed, match="no method stop"):
                await device.call("stop")


async def test_a_refused_login_is_not_repeated_at_once(
    node_opcua: servers.Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Other failures are tried again after 0.2 s, 0.4 s, ...: four times in this test's 2 s; many servers lock an account then."""
    monkeypatch.setenv("SECRET", "wrong")
    fleet = trusting(node_opcua, tmp_path)
    security = Security(policy="None", user="operator", password_env="SECRET")
    async with driven(opcua_profile({"Double": "float"}), node_opcua.url, fleet, security) as device:
        scan = await scanned(device, lambda scan: "refuses user operator" in str(scan.failure))
        began_s = time.monotonic()
        while time.monotonic() < began_s + 2:
            assert (await device.scan(0)).failure == scan.failure
            await asyncio.sleep(0.05)
        assert fleet.connects == 1
        monkeypatch.setenv("SECRET", "correct horse")
        await good(device, 4.0)


async def test_a_trusted_server_of_another_name_is_read_and_the_doubt_is_told(
    node_opcua: servers.Server, tmp_path: Path
) -> None:
    url = node_opcua.url.replace("127.0.0.1", "localhost")
    async with driven(
        opcua_profile({"Double": "float"}), url, trusting(node_opcua, tmp_path), Security(policy="Basic256Sha256")
    ) as device:
        (doubt,) = (await good(device)).findings
        assert "does not name the host localhost" in doubt and doubt.startswith("D1 at ")


def trusting(server: servers.Server, folder: Path) -> Fleet:
    """A fleet that trusts `server`."""
    (folder / "keys" / "trusted").mkdir(parents=True)
    shutil.copy(server.told["certificate"], folder / "keys" / "trusted")
    return Fleet(folder / "keys")


async def test_an_unknown_node_is_told_for_as_long_as_it_is_unknown(node_opcua: servers.Server) -> None:
    async with driven(opcua_profile({"Double": "float", "NotThere": "float"}), node_opcua.url) as device:
        scan: Scan = await good(device)
        assert scan.findings == (await device.scan(0)).findings != ()
        assert values(scan)["Double"] == -45.25


def test_keys_are_asked_for_where_they_are_missing() -> None:
    session = Session("opc.tcp://127.0.0.1:1", Security(policy="Basic256Sha256"), Fleet(), time.time_ns)
    with pytest.raises(SecurityFault, match="no folder of keys"):
        session._keys()
