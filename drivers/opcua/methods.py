"""Calling an OPC UA method: its arguments as the types that it declares, once."""

from collections.abc import Sequence

from asyncua import Client, ua
from asyncua.common.ua_utils import data_type_to_variant_type

from drivers.opcua.writes import as_type


async def called(client: Client, owner: ua.NodeId, method: ua.NodeId, arguments: Sequence[float]) -> None:
    """Calls `method` of the object `owner`. Raises ua.UaError (also where the method refuses), OSError, or ValueError for
    arguments that it does not take; the deadline is the caller's. It is never called a second time."""
    declared = await _declared(client, method)
    if len(declared) != len(arguments):
        names = ", ".join(str(one.Name) for one in declared) or "none"
        raise ValueError(f"it takes {len(declared)} arguments ({names}), not {len(arguments)}")
    given: list[ua.Variant] = []
    for one, value in zip(declared, arguments, strict=True):
        if one.ValueRank >= 0:
            raise ValueError(f"its argument {one.Name} is an array, which cannot be given here")
        kind = await data_type_to_variant_type(client.get_node(one.DataType))
        given.append(ua.Variant(as_type(kind, value), kind))
    request = ua.CallMethodRequest(ObjectId=owner, MethodId=method, InputArguments=given)
    (result,) = await client.uaclient.call([request])
    for one, status in zip(declared, result.InputArgumentResults or (), strict=False):
        if not status.is_good():
            raise ValueError(f"it refuses its argument {one.Name} ({status.name})")
    result.StatusCode.check()


async def _declared(client: Client, method: ua.NodeId) -> Sequence[ua.Argument]:
    """The input arguments; none where the method declares none."""
    found = await client.translate_browsepaths(method, ["/0:InputArguments"])
    if not found[0].StatusCode.is_good() or not found[0].Targets:
        await client.get_node(method).read_node_class()  # a node that is not there says so here
        return ()
    return await client.get_node(found[0].Targets[0].TargetId).read_value() or ()
