"""One server of each kind for the session; a test that needs it otherwise makes its own of tests.foreign.servers."""

from collections.abc import Iterator

import pytest

from tests.foreign import servers
from tests.foreign.servers import Server


@pytest.fixture(scope="session")
def node_opcua(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """node-opcua: at most 50 nodes a request, every security policy, anonymous or "operator"; trusts every client."""
    with servers.node_opcua(tmp_path_factory.mktemp("node-opcua"), maxNodesPerRead=50, trustAll=True) as server:
        yield server


@pytest.fixture(scope="session")
def open62541(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """open62541 without encryption: strict about the status and times of what is written."""
    with servers.open62541(tmp_path_factory.mktemp("open62541")) as server:
        yield server


@pytest.fixture(scope="session")
def modbus_serial(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """modbus-serial over TCP: a strict map."""
    with servers.modbus_serial(tmp_path_factory.mktemp("modbus-serial")) as server:
        yield server


@pytest.fixture(scope="session")
def jsmodbus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """jsmodbus over TCP."""
    with servers.jsmodbus(tmp_path_factory.mktemp("jsmodbus")) as server:
        yield server


@pytest.fixture(scope="session")
def libmodbus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """libmodbus over TCP."""
    with servers.libmodbus(tmp_path_factory.mktemp("libmodbus")) as server:
        yield server
