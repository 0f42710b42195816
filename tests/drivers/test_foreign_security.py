"""The OPC UA driver against node-opcua and open62541 with security: each side trusts the other's certificate, or does not."""

import shutil
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from drivers.device import Device
from drivers.fleet import Fleet
from drivers.opcua.device import OpcUaDevice
from drivers.opcua.own_certificate import identity
from drivers.opcua.security import Mode, Policy, Security
from tests.foreign import certificates, servers
from tests.foreign.driven import all_bad, driven, good, opcua_profile, scanned, values
from tests.foreign.servers import PASSWORD, USER, Server

POLICIES: tuple[Policy, ...] = ("Basic256Sha256", "Aes128_Sha256_RsaOaep", "Aes256_Sha256_RsaPss")
MODES: tuple[Mode, ...] = ("Sign", "SignAndEncrypt")
STRONG = Security(policy="Aes256_Sha256_RsaPss", mode="SignAndEncrypt")
PROFILE = opcua_profile({"Double": "float", "String": "text"})
START = {"name": {"en": "start", "zh": "开始"}, "object": "s=Foreign", "method": "s=Start"}


@dataclass(frozen=True)
class Secured:
    """A server that trusts the service of `keys`, and is trusted by it."""

    server: Server
    keys: Path
    user: certificates.Pair

    @property
    def fleet(self) -> Fleet:
        return Fleet(self.keys)


@contextmanager
def _node_opcua(folder: Path) -> Generator[Secured]:
    keys, trusted = folder / "keys", folder / "pki" / "trusted" / "certs"
    trusted.mkdir(parents=True)
    user = certificates.made(folder, "user", "urn:user")
    (trusted / "service.pem").write_bytes(_pem(keys))
    (trusted / "user.pem").write_bytes(user.pem)
    with servers.node_opcua(folder, maxNodesPerRead=50) as server:
        _trust(keys, Path(server.told["certificate"]))
        yield Secured(server, keys, user)


@contextmanager
def _open62541(folder: Path) -> Generator[Secured]:
    keys = folder / "keys"
    pair = certificates.made(folder, "open62541")
    own = identity(keys, datetime.now(UTC))
    _trust(keys, pair.certificate)
    with servers.open62541(folder, certificate=pair.certificate, key=pair.key, trusted=own.place) as server:
        yield Secured(server, keys, pair)


def _pem(keys: Path) -> bytes:
    own = x509.load_der_x509_certificate(identity(keys, datetime.now(UTC)).certificate)
    return own.public_bytes(serialization.Encoding.PEM)


def _trust(keys: Path, certificate: Path) -> None:
    (keys / "trusted").mkdir(parents=True, exist_ok=True)
    shutil.copy(certificate, keys / "trusted" / f"server{certificate.suffix}")


MAKERS: dict[str, Callable[[Path], AbstractContextManager[Secured]]] = {
    "node_opcua": _node_opcua,
    "open62541": _open62541,
}


@pytest.fixture(scope="module")
def secured_node_opcua(tmp_path_factory: pytest.TempPathFactory) -> Generator[Secured]:
    with _node_opcua(tmp_path_factory.mktemp("node-opcua")) as secured:
        yield secured


@pytest.fixture(scope="module")
def secured_open62541(tmp_path_factory: pytest.TempPathFactory) -> Generator[Secured]:
    with _open62541(tmp_path_factory.mktemp("open62541")) as secured:
        yield secured


@pytest.fixture
def secured(request: pytest.FixtureRequest) -> Secured:
    return request.getfixturevalue(f"secured_{request.param}")


async def failure(device: Device) -> str:
    """What is said of a connection that cannot be made."""
    scan = await scanned(device, lambda scan: scan.failure is not None and "not connected yet" not in scan.failure)
    assert all_bad(scan)
    return str(scan.failure)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("secured", MAKERS, indirect=True)
async def test_every_policy_and_mode(secured: Secured, policy: Policy, mode: Mode) -> None:
    security = Security(policy=policy, mode=mode)
    async with driven(PROFILE, secured.server.url, secured.fleet, security) as device:
        scan = await good(device)
        assert values(scan) == {"Double": -45.25} and scan.texts == {"D1.String": "批号 42"}
        assert scan.findings == ()


@pytest.mark.parametrize(
    ("secured", "policy"),
    # open62541 takes no password on an unsecured channel
    [("node_opcua", "None"), ("node_opcua", "Basic256Sha256"), ("open62541", "Basic256Sha256")],
    indirect=["secured"],
)
async def test_a_user_with_a_password(secured: Secured, policy: Policy, monkeypatch: pytest.MonkeyPatch) -> None:
    security = Security(policy=policy, user=USER, password_env="FOREIGN_PASSWORD")
    monkeypatch.setenv("FOREIGN_PASSWORD", PASSWORD)
    async with driven(PROFILE, secured.server.url, secured.fleet, security) as device:
        assert values(await good(device)) == {"Double": -45.25}
    monkeypatch.setenv("FOREIGN_PASSWORD", "correct donkey")
    async with driven(PROFILE, secured.server.url, secured.fleet, security) as device:
        said = await failure(device)
        assert "D1" in said and f"user {USER}" in said and "password" in said
        assert "donkey" not in said


async def test_a_user_with_a_certificate(secured_node_opcua: Secured) -> None:
    secured, user = secured_node_opcua, secured_node_opcua.user
    files = {"certificate_file": str(user.certificate), "key_file": str(user.key)}
    security = Security(policy="Basic256Sha256", mode="SignAndEncrypt", **files)
    async with driven(PROFILE, secured.server.url, secured.fleet, security) as device:
        assert values(await good(device)) == {"Double": -45.25}


@pytest.mark.parametrize("secured", MAKERS, indirect=True)
async def test_writes_methods_and_many_nodes_on_an_encrypted_channel(secured: Secured) -> None:
    many = [f"Many.{n}" for n in range(1, 121)]
    profile = opcua_profile(dict.fromkeys((*many, "Set.Float", "Started"), "float"), methods={"start": START})
    async with driven(profile, secured.server.url, secured.fleet, STRONG) as device:
        assert isinstance(device, OpcUaDevice)
        await good(device)
        assert await device.write("D1.Set.Float", 3.25) == 3.25
        await device.call("start", [2.0, 6])
        read = values(await good(device))
        assert (read["Set.Float"], read["Started"]) == (3.25, 12.0)
        assert [read[name] for name in many] == [n + 1.5 for n in range(120)]


@pytest.mark.parametrize("secured", MAKERS, indirect=True)
async def test_a_server_that_is_not_trusted_yet(secured: Secured, tmp_path: Path) -> None:
    """The sentence names the file to move; once it is moved, the device is good within 5 s."""
    keys = tmp_path / "keys"
    shutil.copytree(secured.keys / "own", keys / "own")
    async with driven(PROFILE, secured.server.url, Fleet(keys), STRONG) as device:
        said = await failure(device)
        (rejected,) = (keys / "rejected").iterdir()
        assert "not trusted" in said and str(rejected) in said and str(keys / "trusted") in said
        rejected.rename(keys / "trusted" / rejected.name)
        assert values(await good(device, 5.0)) == {"Double": -45.25}


@pytest.mark.parametrize("secured", MAKERS, indirect=True)
async def test_a_server_that_does_not_trust_us(secured: Secured, tmp_path: Path) -> None:
    keys = tmp_path / "keys"  # a new identity, which the server does not know
    shutil.copytree(secured.keys / "trusted", keys / "trusted")
    async with driven(PROFILE, secured.server.url, Fleet(keys), STRONG) as device:
        said = await failure(device)
        assert "D1" in said and "our certificate" in said and str(keys / "own" / "certificate.der") in said


async def test_what_is_not_offered_is_never_replaced_by_less(open62541: Server, tmp_path: Path) -> None:
    async with driven(PROFILE, open62541.url, Fleet(tmp_path / "keys"), STRONG) as device:
        said = await failure(device)
        assert "does not offer Aes256_Sha256_RsaPss SignAndEncrypt" in said and "it offers None" in said


async def test_an_expired_certificate(tmp_path: Path) -> None:
    pair = certificates.made(tmp_path, "old", days=-2)
    _trust(tmp_path / "keys", pair.certificate)
    with servers.open62541(tmp_path, certificate=pair.certificate, key=pair.key) as server:
        async with driven(PROFILE, server.url, Fleet(tmp_path / "keys"), STRONG) as device:
            assert "expired" in await failure(device)


@pytest.mark.parametrize("name", MAKERS)
async def test_restart_and_freeze_on_an_encrypted_channel(name: str, tmp_path: Path) -> None:
    with MAKERS[name](tmp_path) as own:
        async with driven(PROFILE, own.server.url, own.fleet, STRONG) as device:
            await good(device)
            own.server.stop()
            await scanned(device, all_bad, 2.0)
            own.server.start()
            assert values(await good(device, 5.0)) == {"Double": -45.25}
            own.server.freeze()
            assert all_bad(await device.scan(0))
            own.server.thaw()
            assert values(await good(device, 5.0)) == {"Double": -45.25}
