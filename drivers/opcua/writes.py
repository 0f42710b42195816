"""Writing one OPC UA node as the strictest servers want it, and reading back what it holds then."""

from typing import Any, Final

from asyncua import Client, ua

from drivers.device import WriteFailed
from drivers.opcua.reads import full_items
from drivers.quality import GOOD, is_bad, reason_of

_INTEGERS: Final = {
    ua.VariantType.SByte, ua.VariantType.Byte, ua.VariantType.Int16, ua.VariantType.UInt16, ua.VariantType.Int32,
    ua.VariantType.UInt32, ua.VariantType.Int64, ua.VariantType.UInt64,
}  # fmt: skip


async def written(
    client: Client, node_id: ua.NodeId, tag: str, value: float, types: dict[str, ua.VariantType]
) -> float:
    """Writes `value` once and gives what the node holds afterwards. `types`: data types looked up on this session, by tag.
    Raises ua.UaError, OSError, or WriteFailed where it was written and cannot be read back; the deadline is the caller's."""
    node = client.get_node(node_id)
    kind = types.get(tag)
    if kind is None:
        kind = types[tag] = await node.read_data_type_as_variant_type()
    # The Variant alone: with a status or a timestamp beside it several makers' servers refuse the write (devices.md), some
    # even with the status Good, which asyncua adds unless told not to (open62541 #8062).
    await node.write_attribute(ua.AttributeIds.Value, ua.DataValue(ua.Variant(as_type(kind, value), kind), None))
    held = full_items([await node.read_data_value(raise_on_bad_status=False)])
    if is_bad(held.quality)[0]:
        reason = reason_of(int(held.quality[0]) or GOOD)
        raise WriteFailed(f"{tag} was written, but reads back Bad ({reason}): what the device holds is unknown")
    return float(held.values[0])


def as_type(kind: ua.VariantType, value: float) -> Any:
    """`value` as Python has it for an OPC UA type: a bool, a whole number or a float."""
    if kind == ua.VariantType.Boolean:
        return bool(value)
    return round(value) if kind in _INTEGERS else float(value)
