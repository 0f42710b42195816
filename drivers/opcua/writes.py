"""Writing one OPC UA node as the strictest servers want it, and reading back what it holds then."""

import asyncio
from typing import Final

from asyncua import Client, Node, ua

from drivers.device import SCAN_DEADLINE_S, WriteFailed
from drivers.opcua.faults import is_refusal, sentence
from drivers.opcua.items import judge_kinds
from drivers.opcua.reads import BulkRead
from drivers.opcua.typed import as_type
from drivers.opcua.wire import Wire
from drivers.quality import is_bad, reason_of

TAKEN_IN_S: Final = SCAN_DEADLINE_S / 2
"""Many a PLC takes a written value in with its next cycle, 100 to 200 ms later; until then the old one is read back."""
READ_BACK_S: Final = 0.05
"""Pause before a written value is read again where it does not yet show."""


async def written(
    client: Client, node_id: ua.NodeId, tag: str, value: float, types: dict[str, ua.VariantType]
) -> float:
    """Writes `value` once and gives what the node holds once that is the value, or else at the end of the time for it. `types`:
    data types looked up on this session, by tag. Raises WriteFailed; it is certain only where nothing was sent or the server
    refused."""
    sent = taken = False
    try:
        async with asyncio.timeout(SCAN_DEADLINE_S):
            node = client.get_node(node_id)
            kind = types.get(tag)
            if kind is None:
                kind = types[tag] = await _kind(node)
            wanted = as_type(kind, value)
            check_open(client)
            sent = True
            # The Variant alone: with a status or a timestamp beside it several makers' servers refuse the write (devices.md),
            # some even with the status Good, which asyncua adds unless told not to (open62541 #8062).
            await node.write_attribute(ua.AttributeIds.Value, ua.DataValue(ua.Variant(wanted, kind), None))
            taken = True
            return await _held(client, node_id, tag, wanted)
    except WriteFailed:
        raise
    except Exception as error:
        if taken or (sent and not is_refusal(error)):
            raise WriteFailed.unconfirmed(tag, sentence(error)) from error
        raise WriteFailed(f"{tag} was not written: {sentence(error)}") from error


def check_open(client: Client) -> None:
    """Raises ConnectionError where nothing can be sent any more: what is asked then has no effect for certain."""
    transport = Wire.of(client).transport
    if transport is None or transport.is_closing():
        raise ConnectionError("the connection is closed")


async def _kind(node: Node) -> ua.VariantType:
    """How a node's value is encoded: as its data type says, and where that leaves it open as the present value is."""
    kind = await node.read_data_type_as_variant_type()
    if kind == ua.VariantType.Variant:
        present = (await node.read_data_value(raise_on_bad_status=False)).Value
        return kind if present is None else present.VariantType
    return kind


async def _held(client: Client, node_id: ua.NodeId, tag: str, wanted: float) -> float:
    read = BulkRead(client, [node_id], SCAN_DEADLINE_S)
    loop = asyncio.get_running_loop()
    until_s = loop.time() + TAKEN_IN_S
    while True:
        held = await read.read(client)
        judge_kinds(held.quality, held.texts, 1)
        bad = bool(is_bad(held.quality)[0])
        if (not bad and float(held.values[0]) == wanted) or loop.time() >= until_s:
            break
        await asyncio.sleep(READ_BACK_S)
    if bad:
        raise WriteFailed.unconfirmed(tag, f"it reads back Bad ({reason_of(int(held.quality[0]))})")
    return float(held.values[0])
