# pyright: reportArgumentType=false
# (asyncua declares booleans as a type of their own, and takes plain ones)
"""The nodes that browse names lead to, asked of the server: all at once (OPC UA Part 4, 5.8.4). `drivers.opcua.browse_path`
says how they are written. A path that leads nowhere is a node that is not there, as far as its tag is concerned."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from asyncua import Client, ua

from drivers.opcua.browse_path import is_path, names_of
from drivers.opcua.limits import in_portions
from drivers.opcua.portions import Portion

PATHS_PER_REQUEST: Final = 100
_WHOLE: Final = 0xFFFF_FFFF
"""Remaining path index of a target that was reached (Part 4, 7.6)."""


async def resolved(
    client: Client, nodes: Iterable[str], own: str, namespaces: Mapping[str, str], known: Sequence[str], stated: int
) -> dict[str, ua.NodeId]:
    """The node of each path among `nodes`. own: the profile's namespace; namespaces: others by prefix; known: the server's, in its
    order; stated: its limit of paths in one request, 0 for none. Raises ValueError for a namespace that the server does not have,
    ua.UaError, OSError."""
    paths = sorted({node for node in nodes if is_path(node)})
    asked = [_browse_path(path, own, namespaces, known) for path in paths]

    async def translate(part: Sequence[ua.BrowsePath]) -> Sequence[ua.BrowsePathResult]:
        return await client.uaclient.translate_browsepaths_to_nodeids(list(part))

    results = await in_portions(asked, Portion(PATHS_PER_REQUEST, stated), translate)
    nowhere = known.index(own)
    return {
        path: _target(result) or ua.NodeId(ua.String(path), ua.Int16(nowhere))
        for path, result in zip(paths, results, strict=True)
    }


def index_of(uri: str, known: Sequence[str]) -> int:
    """The index of a namespace on this server, whose namespaces are `known`. Raises ValueError where it has none such."""
    if uri not in known:
        raise ValueError(
            f"the server has no namespace {uri}, it has {', '.join(known[1:])}: compare the profile with the server"
        )
    return known.index(uri)


def _browse_path(path: str, own: str, namespaces: Mapping[str, str], known: Sequence[str]) -> ua.BrowsePath:
    elements: list[ua.RelativePathElement] = []
    for prefix, name in names_of(path):
        uri = namespaces.get(prefix, "") if prefix else own
        index = index_of(uri or prefix, known)
        elements.append(
            ua.RelativePathElement(
                ReferenceTypeId=ua.NodeId(ua.Int32(ua.ObjectIds.HierarchicalReferences)),
                IsInverse=False,
                IncludeSubtypes=True,
                TargetName=ua.QualifiedName(name, ua.Int16(index)),
            )
        )
    start = ua.NodeId(ua.Int32(ua.ObjectIds.ObjectsFolder))
    return ua.BrowsePath(StartingNode=start, RelativePath=ua.RelativePath(Elements=elements))


def _target(result: ua.BrowsePathResult) -> ua.NodeId | None:
    """The node that a path leads to in this server; None where it leads nowhere, or to another server."""
    for target in result.Targets:
        if target.RemainingPathIndex == _WHOLE:
            there = target.TargetId
            return ua.NodeId(there.Identifier, ua.Int16(there.NamespaceIndex), there.NodeIdType)
    return None
