"""What a server bears in one request: kept for paths, browsing and drafts as for reads, and learned anew once it is well again."""

import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from asyncua import Server, ua
from asyncua.server.address_space import AddressSpace, AttributeService

from drivers.fleet import Fleet
from drivers.opcua.browse import browsed
from drivers.opcua.draft import drafted
from drivers.opcua.portions import ROUNDS
from drivers.opcua.session import Session
from drivers.profile import Profile
from tests.foreign import servers
from tests.foreign.driven import NAMESPACE, driven, good, opcua_profile, scanned, values
from tests.system.demo import free_port

NODES = 40
PROFILE = opcua_profile({f"N{n}": "float" for n in range(NODES)})
ALL = {f"N{n}": float(n) for n in range(NODES)}
STATED = ua.NodeId(ua.Int32(ua.ObjectIds.Server_ServerCapabilities_OperationLimits_MaxNodesPerRead))


class Bearing(AttributeService):
    """Refuses reads of more than `bears` nodes of the device's."""

    def __init__(self, space: AddressSpace) -> None:
        super().__init__(space)
        self.bears: Callable[[], int] = lambda: 10_000
        self.asked: list[int] = []

    def read(self, params: Any) -> Any:
        if params.NodesToRead[0].NodeId.NamespaceIndex:
            self.asked.append(len(params.NodesToRead))
            if len(params.NodesToRead) > self.bears():
                raise ua.uaerrors.BadTooManyOperations
        return super().read(params)


@asynccontextmanager
async def served() -> AsyncGenerator[tuple[str, Server, Bearing]]:
    server = Server()
    await server.init()
    server.set_endpoint(f"opc.tcp://127.0.0.1:{free_port()}")
    server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
    index = await server.register_namespace(NAMESPACE)
    for n in range(NODES):
        await server.nodes.objects.add_variable(ua.NodeId(f"N{n}", ua.Int16(index)), f"N{n}", float(n))
    server.iserver.attribute_service = bearing = Bearing(server.iserver.aspace)
    async with server:
        yield server.endpoint.geturl(), server, bearing


async def test_a_server_that_was_busy_is_asked_for_all_again_on_the_same_session() -> None:
    async with served() as (url, _, bearing):
        fleet = Fleet()
        async with driven(PROFILE, url, fleet) as device:
            await good(device)
            bearing.bears = lambda: 12
            assert values(await good(device)) == ALL
            assert bearing.asked[-4:] == [10] * 4
            bearing.bears = lambda: 10_000
            for _ in range(2 * ROUNDS):
                assert values(await good(device)) == ALL
            assert bearing.asked[-1] == NODES
            assert fleet.connects == 1


async def test_a_server_that_refused_everything_is_read_again_once_it_is_well() -> None:
    """It refuses even one node for a while, which ends the session; the next one begins with all of them."""
    async with served() as (url, _, bearing), driven(PROFILE, url) as device:
        await good(device)
        bearing.bears = lambda: 0
        assert "BadTooManyOperations" in str((await scanned(device, lambda scan: scan.failure is not None)).failure)
        assert bearing.asked[-6:] == [40, 20, 10, 5, 2, 1]
        bearing.bears = lambda: 10_000
        assert values(await good(device)) == ALL
        assert bearing.asked[-1] == NODES


async def test_a_limit_that_was_raised_counts_from_the_next_session_on() -> None:
    async with served() as (url, server, bearing):
        await server.get_node(STATED).write_value(ua.Variant(1, ua.VariantType.UInt32))
        async with driven(PROFILE, url) as device:
            assert values(await good(device)) == ALL and bearing.asked == [1] * NODES
            await server.get_node(STATED).write_value(ua.Variant(1000, ua.VariantType.UInt32))
            bearing.bears = lambda: 0
            await scanned(device, lambda scan: scan.failure is not None)
            bearing.bears = lambda: 10_000
            await good(device)
            assert bearing.asked[-1] == NODES


async def test_an_answer_that_does_not_come_is_no_limit(tmp_path: Path) -> None:
    """After a freeze all nodes are asked for at once, as before."""
    with servers.node_opcua(tmp_path, many=100) as own:
        profile = opcua_profile({f"Many.{n}": "float" for n in range(1, 101)})
        async with driven(profile, own.url) as device:
            await good(device)
            own.freeze()
            await scanned(device, lambda scan: "did not answer" in str(scan.failure))
            own.thaw()
            await good(device)
            assert [len(read.nodes) for read in device._reads] == [100]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "limits",
    [
        {"maxNodesPerTranslateBrowsePathsToNodeIds": 10, "maxNodesPerBrowse": 5, "maxNodesPerRead": 50},
        {"maxNodesPerTranslateBrowsePathsToNodeIds": 1, "maxNodesPerBrowse": 1, "maxNodesPerRead": 2},
    ],
    ids=["some", "hardly any"],
)
async def test_paths_browsing_and_drafts_keep_to_the_servers_limits(tmp_path: Path, limits: dict[str, int]) -> None:
    with servers.node_opcua(tmp_path, many=30, limits=limits) as own:
        tags = {f"m{n}": {"name": {"en": "m", "zh": "m"}, "node": f"path=Foreign/Many.{n}"} for n in range(1, 31)}
        paths = opcua_profile({}).model_dump() | {"tags": tags}
        async with driven(Profile.model_validate(paths), own.url) as device:
            assert values(await good(device)) == {f"m{n}": n + 0.5 for n in range(1, 31)}
        session = Session(own.url, None, Fleet(), time.time_ns)
        try:
            await session.open()
            tree = await browsed(session.client, ua.NodeId(ua.Int32(85)), 20, 10_000, lambda line: None)
        finally:
            await session.close()
        text, _ = drafted(tree, "drafted", own.url, None)
        async with driven(Profile.model_validate(yaml.safe_load(text)), own.url) as device:
            assert values(await good(device))["many.30"] == 30.5
        with pytest.raises(ValueError, match=f"no namespace urn:none, it has .*{NAMESPACE}"):
            drafted(tree, "drafted", own.url, "urn:none")
