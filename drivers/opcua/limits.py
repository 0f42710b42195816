# pyright: reportArgumentType=false
# (asyncua declares identifiers as types of their own, and takes plain numbers)
"""What a server says that it bears in one request (OPC UA Part 5, 6.3.11), and requests that are split so that it does."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from asyncua import Client, ua
from asyncua.ua import uaerrors

from drivers.opcua.portions import Portion

TOO_MUCH: Final = (
    uaerrors.BadTooManyOperations,
    uaerrors.BadEncodingLimitsExceeded,
    uaerrors.BadRequestTooLarge,
    uaerrors.BadResponseTooLarge,
)
_NODES: Final = tuple(
    ua.NodeId(getattr(ua.ObjectIds, f"Server_ServerCapabilities_OperationLimits_{name}"))
    for name in (
        "MaxNodesPerRead",
        "MaxNodesPerBrowse",
        "MaxNodesPerTranslateBrowsePathsToNodeIds",
        "MaxMonitoredItemsPerCall",
    )
)
_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class OperationLimits:
    """Operations in one request, as the server states them; 0 where it states none."""

    read: int
    browse: int
    translate: int
    monitor: int


async def stated(client: Client) -> OperationLimits:
    """Asks for the limits: all at once, or one by one where even that is too much. Raises ua.UaError or OSError."""

    async def read(nodes: Sequence[ua.NodeId]) -> list[ua.DataValue]:
        return await client.uaclient.read_attributes(list(nodes), ua.AttributeIds.Value)

    given = [x.Value.Value if x.Value is not None else 0 for x in await in_portions(_NODES, Portion(len(_NODES)), read)]
    return OperationLimits(*(limit if isinstance(limit, int) and limit > 0 else 0 for limit in given))


async def in_portions(
    items: Sequence[_Item], portion: Portion, ask: Callable[[Sequence[_Item]], Awaitable[Sequence[_Result]]]
) -> list[_Result]:
    """The results of `ask` for all `items`, in their order, in requests of at most `portion` each; half of it where the server
    calls one too much. Raises as `ask` does, also where a single item is too much."""
    found: list[_Result] = []
    while len(found) < len(items):
        part = items[len(found) : len(found) + portion.size]
        try:
            results = await ask(part)
        except TOO_MUCH:
            if not portion.refused(len(part)):
                raise
            continue
        if len(results) != len(part):
            raise ua.UaError(f"the server answered {len(results)} of {len(part)} operations")
        found += results
    return found
