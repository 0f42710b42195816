"""A LADS device (OPC 30500-1) served by node-opcua from the OPC Foundation's own nodeset: found by names, wherever they lie."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from drivers.profile import Profile
from drivers.quality import BAD_NODE_ID_UNKNOWN, UNCERTAIN_SENSOR_NOT_ACCURATE
from tests.drivers.words import by_name, driven, polled, profile, reasons, scanned
from tests.foreign import servers
from tests.foreign.servers import Server

VALUES = {
    "temperature": 36.96875,
    "temperature_target": 37,
    "co2": 5.03125,
    "co2_target": 5,
    "humidity": 93.5,
    "door": 1,
}


@pytest.fixture(scope="module")
def lads(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with servers.lads(tmp_path_factory.mktemp("lads")) as server:
        yield server


async def test_a_lads_device_is_read_by_the_names_of_the_standard(lads: Server) -> None:
    async with driven(profile("lads-incubator-opcua"), lads.url) as device:
        frame = polled(await scanned(device, lambda scan: scan.failure is None))
        assert by_name(frame) == VALUES
        assert reasons(frame) == {"humidity": UNCERTAIN_SENSOR_NOT_ACCURATE}


async def test_namespaces_that_moved_are_no_matter(lads: Server, tmp_path: Path) -> None:
    with servers.lads(tmp_path, before="urn:somebody:else") as moved:
        own = "urn:example:lads-incubator"
        assert moved.told["namespaces"].index(own) == lads.told["namespaces"].index(own) + 1
        async with driven(profile("lads-incubator-opcua"), moved.url) as device:
            assert by_name(polled(await scanned(device, lambda scan: scan.failure is None))) == VALUES


async def test_a_path_that_leads_nowhere_is_a_node_that_is_not_there(lads: Server) -> None:
    model = profile("lads-incubator-opcua")
    lost = model.tags["co2"].model_copy(update={"node": str(model.tags["co2"].node).replace("CO2", "CO3")})
    async with driven(model.model_copy(update={"tags": model.tags | {"co2": lost}}), lads.url) as device:
        scan = await scanned(device, lambda scan: scan.failure is None)
        assert reasons(polled(scan))["co2"] == BAD_NODE_ID_UNKNOWN
        assert by_name(polled(scan))["temperature"] == VALUES["temperature"]
        assert any("co2" in finding and "CO3" in finding for finding in scan.findings)


async def test_a_namespace_that_the_server_lacks_is_one_sentence(lads: Server) -> None:
    model = profile("lads-incubator-opcua")
    named = model.model_copy(update={"namespaces": model.namespaces | {"lads": "http://opcfoundation.org/UA/LADS/2/"}})
    async with driven(named, lads.url) as device:
        scan = await scanned(device, lambda scan: "no namespace" in str(scan.failure))
        assert "X at " in str(scan.failure) and "http://opcfoundation.org/UA/LADS/2/" in str(scan.failure)


def test_a_prefix_without_a_uri_is_a_mistake_of_the_profile() -> None:
    whole = profile("lads-incubator-opcua").model_dump(by_alias=True)
    whole["namespaces"] = {"di": "http://opcfoundation.org/UA/DI/"}
    with pytest.raises(ValueError, match="the prefix lads of its path stands for no URI"):
        Profile.model_validate(whole)
