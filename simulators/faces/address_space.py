"""The standard OPC UA address space, built once in a process and shared by all its servers.

Building it takes seconds of processor time and some 50 MB (6,174 nodes). A server touches a few dozen of them: each is
copied for that server at first touch, so that servers share what they only could read and never see each other's changes.
"""

import asyncio
import copy
import gc
from collections.abc import Mapping
from typing import Any

from asyncua import ua
from asyncua.server.address_space import AttributeValue, NodeData
from asyncua.server.internal_server import InternalServer

Nodes = Mapping[ua.NodeId, NodeData]

_built: list[Nodes] = []
_building = asyncio.Lock()


async def standard_nodes() -> Nodes:
    """The nodes of namespace 0, to be read only. Built at the first call, with the garbage collector at rest: it would walk
    half a million new objects again and again, and find nothing (this halves the time)."""
    async with _building:
        if not _built:
            server = InternalServer()
            collecting = gc.isenabled()
            gc.disable()
            try:
                await server.load_standard_address_space()
                await server._address_space_fixes()  # pyright: ignore[reportPrivateUsage] - part of its own init
            finally:
                gc.freeze()
                if collecting:
                    gc.enable()
            server.method_service.stop()
            _built.append(server.aspace._nodes)  # pyright: ignore[reportPrivateUsage] - no public way to the nodes
    return _built[0]


class SharedNodes(dict[ua.NodeId, NodeData]):
    """One server's view: its own nodes, and `base` beneath, of which a node is copied when it is first asked for."""

    def __init__(self, base: Nodes) -> None:
        super().__init__()
        self._base = base

    def __missing__(self, key: ua.NodeId) -> NodeData:
        node = self[key] = _private(self._base[key])
        return node

    def get(self, key: ua.NodeId, default: Any = None) -> Any:
        try:
            return self[key]
        except KeyError:
            return default

    def __contains__(self, key: object) -> bool:
        return dict.__contains__(self, key) or key in self._base


def _private(node: NodeData) -> NodeData:
    own = NodeData(node.nodeid)
    own.references = list(node.references)
    own.call = node.call
    for name, attribute in node.attributes.items():
        # Only values are changed in place (lists, structures); other attributes are replaced as a whole.
        value = copy.deepcopy(attribute.value) if name == ua.AttributeIds.Value else attribute.value
        own.attributes[name] = AttributeValue(value)  # pyright: ignore[reportArgumentType]
    return own
