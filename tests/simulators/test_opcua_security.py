"""Secured simulated servers, entered by node-opcua and by the drivers; what is asked for less is refused."""

import asyncio
import shutil
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from asyncua import Client, ua

from drivers.device import Device, open_device
from drivers.fleet import Fleet
from drivers.opcua.security import Mode, Policy, Security
from simulators.faces.opcua_security import ServerKeys
from simulators.plant import SimulatedPlant, simulated
from telemetry.errors import Refusal
from tests.foreign import certificates, clients
from tests.simulators.small_plant import plant, profile, unit, until

USER, PASSWORD = "operator", "open sesame"
POLICIES: tuple[Policy, ...] = ("Basic256Sha256", "Aes128_Sha256_RsaOaep", "Aes256_Sha256_RsaPss")
MODES: tuple[Mode, ...] = ("Sign", "SignAndEncrypt")
BY_NAME = Security(policy="Basic256Sha256", user=USER, password_file="password")
NODE = "s=Chamber.Pressure"


def isolator(security: Security):
    return plant([replace(unit("L01-ISO", "isolator-opcua"), security=security)])


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "password").write_text(PASSWORD + "\n")
    return tmp_path / "keys"


@pytest.fixture
async def by_name(keys: Path, tmp_path: Path) -> AsyncIterator[SimulatedPlant]:
    async with simulated(isolator(BY_NAME), keys=ServerKeys(tmp_path / "server", keys)) as running:
        trusted = keys / "trusted"
        trusted.mkdir()
        shutil.copy(tmp_path / "server" / "L01-ISO.der", trusted)
        yield running


async def first_value(running: SimulatedPlant, keys: Path, security: Security) -> float | str:
    """The chamber's pressure as the driver reads it, or why it cannot be read."""
    address = running.addresses["L01-ISO"]
    device: Device = open_device("L01-ISO", profile("isolator-opcua"), address, time.time_ns, Fleet(keys), security)
    task = asyncio.create_task(device.run())
    try:
        deadline_s = time.monotonic() + 15
        while True:
            scan = await device.scan(0)
            if scan.failure is None:
                return float(scan.frames[0].values[scan.frames[0].layout.tags.index("L01-ISO.chamber.pressure")])
            if "not connected yet" not in scan.failure or time.monotonic() > deadline_s:
                return scan.failure
            await asyncio.sleep(0.05)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.mark.parametrize(("policy", "mode"), [("Basic256Sha256", "Sign"), ("Aes256_Sha256_RsaPss", "SignAndEncrypt")])
async def test_node_opcua_enters_by_name_on_a_secured_channel(by_name: SimulatedPlant, policy: str, mode: str) -> None:
    asked = {"namespace": "urn:example:isolator", "policy": policy, "mode": mode, "user": USER}
    url = by_name.addresses["L01-ISO"]
    told = await asyncio.to_thread(clients.node_opcua, url, [NODE], password=PASSWORD, **asked)
    assert told["read"][0]["status"] == "Good" and told["read"][0]["value"] == pytest.approx(40, abs=2)
    with pytest.raises(clients.Refused, match="BadUserAccessDenied"):
        await asyncio.to_thread(clients.node_opcua, url, [NODE], password="wrong", **asked)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("policy", POLICIES)
async def test_the_driver_enters_with_every_policy_and_mode(
    by_name: SimulatedPlant, keys: Path, policy: Policy, mode: Mode
) -> None:
    security = BY_NAME.model_copy(update={"policy": policy, "mode": mode})
    assert await first_value(by_name, keys, security) == pytest.approx(40, abs=2)


async def test_nobody_enters_unsecured_unnamed_or_with_a_wrong_password(by_name: SimulatedPlant, keys: Path) -> None:
    assert "security mode" in str(await first_value(by_name, keys, Security(policy="None")))
    assert isinstance(await first_value(by_name, keys, Security(policy="Basic256Sha256")), str)
    (keys / "password").write_text("wrong")
    assert "password" in str(await first_value(by_name, keys, BY_NAME))
    client = Client(by_name.addresses["L01-ISO"])
    await client.connect_socket()
    await client.send_hello()
    await client.open_secure_channel()  # for finding the endpoints only
    assert len(await client.get_endpoints()) == 6
    with pytest.raises(ua.uaerrors.BadSecurityModeRejected):
        await client.create_session()
    client.disconnect_socket()


async def test_the_driver_enters_by_certificate_and_a_stranger_does_not(keys: Path, tmp_path: Path) -> None:
    user, stranger = (certificates.made(tmp_path, name, f"urn:{name}") for name in ("user", "stranger"))
    for pair in (user, stranger):
        shutil.copy(pair.certificate, keys)
        shutil.copy(pair.key, keys)

    def by(pair: certificates.Pair) -> Security:
        files = {"certificate_file": pair.certificate.name, "key_file": pair.key.name}
        return Security(policy="Aes128_Sha256_RsaOaep", **files)

    async with simulated(isolator(by(user)), keys=ServerKeys(tmp_path / "server", keys)) as running:
        (keys / "trusted").mkdir()
        shutil.copy(tmp_path / "server" / "L01-ISO.der", keys / "trusted")
        assert await first_value(running, keys, by(user)) == pytest.approx(40, abs=2)
        assert isinstance(await first_value(running, keys, by(stranger)), str)


async def test_keys_are_kept_where_a_folder_is_given_and_made_only_for_who_needs_them(
    keys: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "server"
    plain, secured = unit("A", "isolator-opcua"), replace(unit("B", "isolator-opcua"), security=BY_NAME)
    async with simulated(plant([plain]), keys=ServerKeys(folder, keys)):
        assert not folder.exists()
    seen = []
    for _ in range(2):
        async with simulated(plant([plain, secured]), keys=ServerKeys(folder, keys)) as running:
            await until(lambda r=running: r.look("B.chamber.pressure")["shown"] > 0)
            seen.append({file.name: file.read_bytes() for file in folder.iterdir()})
    assert seen[0] == seen[1] and set(seen[0]) == {"key.pem", "B.der"}
    assert (folder / "key.pem").stat().st_mode & 0o777 == 0o600


async def test_a_password_that_is_missing_is_said_before_anything_starts(keys: Path) -> None:
    (keys / "password").unlink()
    with pytest.raises(Refusal, match=r"L01-ISO cannot be simulated: the password of user operator"):
        async with simulated(isolator(BY_NAME), keys=ServerKeys(None, keys)):
            pass
