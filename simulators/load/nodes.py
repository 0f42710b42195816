# pyright: reportArgumentType=false
# (asyncua declares identifiers and status codes as types of their own, and takes plain numbers)
"""The address space of one OPC UA device of the load form: its tags under Objects/<id>, and of the standard's nodes those that
clients look for. A table of a dozen entries instead of six thousand nodes, so that five hundred servers fit into one process."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from asyncua import ua

from simulators.load.fleet import Fleet
from simulators.load.items import SOURCE, FleetItems, encoded

NAMESPACE: Final = "urn:example:load"
NAMESPACE_INDEX: Final = 2
NODES_PER_READ: Final = 1_000
SAMPLING_MS: Final = 1_000.0
_STARTED: Final = datetime.now(UTC)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_O = ua.ObjectIds


@dataclass(frozen=True, slots=True)
class Standard:
    """A node of the standard: its name, its parent and how it hangs there, its type; `value` for a variable."""

    name: str
    parent: int | None
    reference: int
    type: int
    value: Callable[["DeviceNodes"], ua.Variant] | None = None


def _status(nodes: "DeviceNodes") -> ua.Variant:
    found: Any = ua.ServerStatusDataType()
    found.StartTime, found.CurrentTime, found.State = _STARTED, datetime.now(UTC), ua.ServerState.Running
    found.BuildInfo.ProductName, found.BuildInfo.ProductUri = "load form", NAMESPACE
    return ua.Variant(found, ua.VariantType.ExtensionObject)


def _limit(value: int) -> Callable[["DeviceNodes"], ua.Variant]:
    return lambda _: ua.Variant(value, ua.VariantType.UInt32)


def _names(nodes: "DeviceNodes") -> ua.Variant:
    return ua.Variant(["http://opcfoundation.org/UA/", nodes.uri, NAMESPACE], ua.VariantType.String)


_VARIABLE, _ORGANIZES, _PART, _PROPERTY = _O.BaseDataVariableType, _O.Organizes, _O.HasComponent, _O.HasProperty
STANDARD: Final[Mapping[int, Standard]] = {
    _O.RootFolder: Standard("Root", None, _ORGANIZES, _O.FolderType),
    _O.ObjectsFolder: Standard("Objects", _O.RootFolder, _ORGANIZES, _O.FolderType),
    _O.Server: Standard("Server", _O.ObjectsFolder, _ORGANIZES, _O.ServerType),
    _O.Server_ServerArray: Standard(
        "ServerArray", _O.Server, _PROPERTY, _O.PropertyType, lambda n: ua.Variant([n.uri], ua.VariantType.String)
    ),
    _O.Server_NamespaceArray: Standard("NamespaceArray", _O.Server, _PROPERTY, _O.PropertyType, _names),
    _O.Server_ServiceLevel: Standard(
        "ServiceLevel", _O.Server, _PROPERTY, _O.PropertyType, lambda _: ua.Variant(255, ua.VariantType.Byte)
    ),
    _O.Server_ServerStatus: Standard("ServerStatus", _O.Server, _PART, _O.ServerStatusType, _status),
    _O.Server_ServerStatus_State: Standard(
        "State", _O.Server_ServerStatus, _PART, _VARIABLE, lambda _: ua.Variant(0, ua.VariantType.Int32)
    ),
    _O.Server_ServerStatus_CurrentTime: Standard(
        "CurrentTime", _O.Server_ServerStatus, _PART, _VARIABLE,
        lambda _: ua.Variant(datetime.now(UTC), ua.VariantType.DateTime),
    ),
    _O.Server_ServerCapabilities: Standard("ServerCapabilities", _O.Server, _PART, _O.ServerCapabilitiesType),
    _O.Server_ServerCapabilities_OperationLimits: Standard(
        "OperationLimits", _O.Server_ServerCapabilities, _PART, _O.OperationLimitsType
    ),
    _O.Server_ServerCapabilities_OperationLimits_MaxNodesPerRead: Standard(
        "MaxNodesPerRead", _O.Server_ServerCapabilities_OperationLimits, _PROPERTY, _O.PropertyType, _limit(NODES_PER_READ)
    ),
    _O.Server_ServerCapabilities_OperationLimits_MaxMonitoredItemsPerCall: Standard(
        "MaxMonitoredItemsPerCall", _O.Server_ServerCapabilities_OperationLimits, _PROPERTY, _O.PropertyType,
        _limit(NODES_PER_READ),
    ),
}  # fmt: skip


class DeviceNodes:
    """The nodes of the fleet's device `device`, which is called `id`."""

    def __init__(self, id_: str, fleet: Fleet, device: int, items: FleetItems) -> None:
        self.id, self.device, self.fleet = id_, device, fleet
        self._items = items
        self.uri = f"urn:simulator:{id_}"
        self.index = fleet.index
        self._folder = ua.NodeId(id_, NAMESPACE_INDEX)

    def tag(self, node: ua.NodeId) -> int | None:
        """The number of the tag that `node` shows, if it shows one."""
        if node.NamespaceIndex != NAMESPACE_INDEX or not isinstance(node.Identifier, str):
            return None
        return self.index.get(node.Identifier)

    def results(self, tags: slice, stamps: int) -> bytes:
        """Encoded DataValues of these tags, in order, with the timestamps `stamps`."""
        row, fleet = self.device, self.fleet
        fleet.answered(row)
        made = self._items.of(row, tags) if stamps == SOURCE else None
        if made is not None:
            return made
        return encoded(
            fleet.values[row, tags], fleet.source_ns[row, tags], fleet.failed[row, tags], stamps, time.time_ns()
        )

    def read(self, item: ua.ReadValueId, asked: ua.TimestampsToReturn) -> ua.DataValue:
        """One attribute of any node, for who looks around."""
        found = self._attribute(item.NodeId, item.AttributeId)
        if isinstance(found, ua.StatusCode):
            return ua.DataValue(ua.Variant(), found)
        value: Any = ua.DataValue(found)
        if item.AttributeId == ua.AttributeIds.Value:
            tag = self.tag(item.NodeId)
            now = datetime.now(UTC)
            if asked in (ua.TimestampsToReturn.Source, ua.TimestampsToReturn.Both):
                value.SourceTimestamp = now if tag is None else self._time_of(tag)
            if asked in (ua.TimestampsToReturn.Server, ua.TimestampsToReturn.Both):
                value.ServerTimestamp = now
            if tag is not None and self.fleet.failed[self.device, tag]:
                value.Value, value.StatusCode = ua.Variant(), ua.StatusCode(ua.StatusCodes.BadSensorFailure)
        return value

    def _time_of(self, tag: int) -> datetime:
        return _EPOCH + timedelta(microseconds=int(self.fleet.source_ns[self.device, tag]) // 1000)

    def _attribute(self, node: ua.NodeId, attribute: int) -> ua.Variant | ua.StatusCode:
        named = self._named(node)
        if named is None:
            return ua.StatusCode(ua.StatusCodes.BadNodeIdUnknown)
        name, namespace, value = named
        kind = ua.NodeClass.Object if value is None else ua.NodeClass.Variable
        common: dict[int, ua.Variant] = {
            ua.AttributeIds.NodeId: ua.Variant(node, ua.VariantType.NodeId),
            ua.AttributeIds.NodeClass: ua.Variant(int(kind), ua.VariantType.Int32),
            ua.AttributeIds.BrowseName: ua.Variant(ua.QualifiedName(name, namespace), ua.VariantType.QualifiedName),
            ua.AttributeIds.DisplayName: ua.Variant(ua.LocalizedText(name), ua.VariantType.LocalizedText),
            ua.AttributeIds.Description: ua.Variant(ua.LocalizedText(name), ua.VariantType.LocalizedText),
        }
        if value is not None:
            data_type = ua.NodeId(
                ua.ObjectIds.ServerStatusDataType if name == "ServerStatus" else value.VariantType.value
            )
            common |= {
                ua.AttributeIds.Value: value,
                ua.AttributeIds.DataType: ua.Variant(data_type, ua.VariantType.NodeId),
                ua.AttributeIds.ValueRank: ua.Variant(1 if value.is_array else -1, ua.VariantType.Int32),
                ua.AttributeIds.AccessLevel: ua.Variant(ua.AccessLevel.CurrentRead.mask, ua.VariantType.Byte),
                ua.AttributeIds.UserAccessLevel: ua.Variant(ua.AccessLevel.CurrentRead.mask, ua.VariantType.Byte),
                ua.AttributeIds.MinimumSamplingInterval: ua.Variant(SAMPLING_MS, ua.VariantType.Double),
                ua.AttributeIds.Historizing: ua.Variant(False, ua.VariantType.Boolean),
            }
        return common.get(attribute) or ua.StatusCode(ua.StatusCodes.BadAttributeIdInvalid)

    def _named(self, node: ua.NodeId) -> tuple[str, int, ua.Variant | None] | None:
        """Name, namespace of the name, and value (None for an object); None for a node that is not here."""
        tag = self.tag(node)
        if tag is not None:
            return (
                self.fleet.names[tag],
                NAMESPACE_INDEX,
                ua.Variant(float(self.fleet.values[self.device, tag]), ua.VariantType.Float),
            )
        if node == self._folder:
            return self.id, NAMESPACE_INDEX, None
        standard = STANDARD.get(node.Identifier) if node.NamespaceIndex == 0 else None  # pyright: ignore[reportCallIssue]
        if standard is None:
            return None
        return standard.name, 0, standard.value(self) if standard.value is not None else None

    def references(self, asked: ua.BrowseDescription) -> Sequence[ua.ReferenceDescription] | None:
        """What hangs at a node, forward references only; None for a node that is not here."""
        node = asked.NodeId
        if self._named(node) is None:
            return None
        found: list[ua.ReferenceDescription] = []
        if asked.BrowseDirection == ua.BrowseDirection.Inverse:
            return found
        if node == self._folder:
            found = [self._reference(ua.NodeId(name, NAMESPACE_INDEX), _PART, _VARIABLE) for name in self.fleet.names]
        elif node.NamespaceIndex == 0:
            found = [
                self._reference(ua.NodeId(id_), s.reference, s.type)
                for id_, s in STANDARD.items()
                if s.parent == node.Identifier
            ]
            if node.Identifier == _O.ObjectsFolder:
                found.append(self._reference(self._folder, _ORGANIZES, _O.BaseObjectType))
        asked_type: Any = asked.ReferenceTypeId
        wanted = _WITHIN.get(asked_type.Identifier) if asked_type.NamespaceIndex == 0 else None
        mask = asked.NodeClassMask
        return [
            r for r in found
            if (wanted is None or r.ReferenceTypeId.Identifier in wanted) and (mask == 0 or mask & int(r.NodeClass))
        ]  # fmt: skip

    def _reference(self, node: ua.NodeId, reference: int, type_: int) -> ua.ReferenceDescription:
        named = self._named(node)
        assert named is not None
        name, namespace, value = named
        return ua.ReferenceDescription(
            ReferenceTypeId=ua.NodeId(reference),
            IsForward=True,
            NodeId=ua.ExpandedNodeId(node.Identifier, node.NamespaceIndex),
            BrowseName=ua.QualifiedName(name, namespace),
            DisplayName=ua.LocalizedText(name),
            NodeClass=ua.NodeClass.Object if value is None else ua.NodeClass.Variable,
            TypeDefinition=ua.ExpandedNodeId(type_),
        )


_WITHIN: Final[Mapping[int, frozenset[int]]] = {
    _O.Organizes: frozenset({_O.Organizes}),
    _O.HasComponent: frozenset({_O.HasComponent}),
    _O.HasProperty: frozenset({_O.HasProperty}),
    _O.Aggregates: frozenset({_O.HasComponent, _O.HasProperty}),
    _O.HasChild: frozenset({_O.HasComponent, _O.HasProperty}),
}
"""Which references a browse for one type of reference finds; for any other type it finds all."""
