"""Calling an OPC UA method: its arguments as the types that it declares, once."""

import asyncio
from collections.abc import Sequence
from typing import Final

from asyncua import Client, ua
from asyncua.common.ua_utils import data_type_to_variant_type

from drivers.device import WriteFailed
from drivers.opcua.faults import is_refusal, sentence
from drivers.opcua.typed import as_type
from drivers.opcua.writes import check_open

CALL_DEADLINE_S: Final = 3.0
"""A method may have something to do before it answers; nothing else waits for it."""


async def called(client: Client, owner: ua.NodeId, method: ua.NodeId, what: str, arguments: Sequence[float]) -> None:
    """Calls `method` of the object `owner`; what: its name for a sentence, with its device. Never calls it a second time.
    Raises WriteFailed, which is certain only where nothing was sent, or the server or the method refused."""
    sent = False
    try:
        async with asyncio.timeout(CALL_DEADLINE_S):
            declared = await _declared(client, method)
            given = await _given(client, declared, arguments)
            request = ua.CallMethodRequest(ObjectId=owner, MethodId=method, InputArguments=given)
            check_open(client)
            sent = True
            (result,) = await client.uaclient.call([request])
    except Exception as error:
        raise _failed(what, error, sent and not is_refusal(error)) from error
    for one, status in zip(declared, result.InputArgumentResults or (), strict=False):
        if not status.is_good():
            raise WriteFailed(f"{what} was not carried out: it refuses its argument {one.Name} ({status.name})")
    try:
        result.StatusCode.check()
    except ua.UaError as error:
        raise _failed(what, error, not is_refusal(error)) from error


def _failed(what: str, error: Exception, perhaps: bool) -> WriteFailed:
    if perhaps:
        return WriteFailed.unconfirmed(what, sentence(error))
    return WriteFailed(f"{what} was not carried out: {sentence(error)}")


async def _given(client: Client, declared: Sequence[ua.Argument], arguments: Sequence[float]) -> list[ua.Variant]:
    """The arguments as they are declared. Raises ValueError for such as the method does not take."""
    if len(declared) != len(arguments):
        names = ", ".join(str(one.Name) for one in declared) or "none"
        raise ValueError(f"it takes {len(declared)} arguments ({names}), not {len(arguments)}")
    given: list[ua.Variant] = []
    for one, value in zip(declared, arguments, strict=True):
        if one.ValueRank >= 0:
            raise ValueError(f"its argument {one.Name} is an array, which cannot be given here")
        kind = await data_type_to_variant_type(client.get_node(one.DataType))
        try:
            given.append(ua.Variant(as_type(kind, value), kind))
        except ValueError as error:
            raise ValueError(f"its argument {one.Name}: {error}") from error
    return given


async def _declared(client: Client, method: ua.NodeId) -> Sequence[ua.Argument]:
    """The input arguments; none where the method declares none."""
    found = await client.translate_browsepaths(method, ["/0:InputArguments"])
    if not found[0].StatusCode.is_good() or not found[0].Targets:
        await client.get_node(method).read_node_class()  # a node that is not there says so here
        return ()
    return await client.get_node(found[0].Targets[0].TargetId).read_value() or ()
