"""What an OPC UA server has, as a tree: nodes with types, values, units and rights, walked level by level within bounds."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from asyncua import Client, ua
from asyncua.common.ua_utils import data_type_to_variant_type

from drivers.opcua.limits import in_portions, stated
from drivers.opcua.portions import Portion

BROWSED_AT_ONCE: Final = 50
READ_AT_ONCE: Final = 100
"""Operations in one request: what even small servers bear, unless they state less."""
_HIERARCHICAL: Final = ua.NodeId(ua.Int32(ua.ObjectIds.HierarchicalReferences))
_PROPERTY: Final = ua.NodeId(ua.Int32(ua.ObjectIds.HasProperty))
_SKIPPED: Final = frozenset((ua.ObjectIds.Server, ua.ObjectIds.Aliases, ua.ObjectIds.Locations))
"""Objects of the specification that every server has and that hold nothing of the device."""
_READ: Final = (
    ua.AttributeIds.DataType,
    ua.AttributeIds.ValueRank,
    ua.AttributeIds.UserAccessLevel,
    ua.AttributeIds.Value,
)


@dataclass(slots=True)
class Found:
    """One node. kind: of its value, None where it has none or an unknown one; enum: names of its numbers, by number."""

    node: ua.NodeId
    name: ua.QualifiedName
    shown: str
    what: ua.NodeClass
    is_property: bool
    type_definition: ua.NodeId
    data_type: str = ""
    kind: ua.VariantType | None = None
    scalar: bool = True
    readable: bool = False
    writable: bool = False
    value: Any = None
    status: str = ""
    enum: dict[int, str] = field(default_factory=dict[int, str])
    inside: list["Found"] = field(default_factory=list["Found"])

    def part(self, name: str) -> Any:
        """The value of its property of this name; None where it has none."""
        return next((x.value for x in self.inside if x.is_property and x.name.Name == name), None)

    @property
    def is_condition(self) -> bool:
        """Whether it is an alarm or condition of the server's own; what is in it comes as events, not as tags."""
        return self.part("ConditionName") is not None

    @property
    def unit(self) -> str:
        given = self.part("EngineeringUnits")
        return str(given.DisplayName.Text or "") if isinstance(given, ua.EUInformation) else ""

    @property
    def range(self) -> tuple[float, float] | None:
        given = self.part("InstrumentRange") or self.part("EURange")
        return (float(given.Low), float(given.High)) if isinstance(given, ua.Range) and given.Low < given.High else None


@dataclass(frozen=True, slots=True)
class Tree:
    """The nodes beneath the start; `namespaces` by index; cut: nodes that were not looked beneath."""

    namespaces: Sequence[str]
    roots: Sequence[Found]
    number: int
    cut: int

    def everything(self) -> Iterable[tuple[tuple[Found, ...], Found]]:
        """Each node with those above it, in the order of the tree."""
        waiting: list[tuple[tuple[Found, ...], Found]] = [((), x) for x in reversed(self.roots)]
        while waiting:
            above, here = waiting.pop()
            yield above, here
            waiting.extend(((*above, here), x) for x in reversed(here.inside))


async def browsed(client: Client, start: ua.NodeId, depth: int, largest: int, say: Callable[[str], None]) -> Tree:
    """Walks down from `start`, `depth` levels and about `largest` nodes at most. Raises ua.UaError, OSError or TimeoutError."""
    namespaces = await client.get_namespace_array()
    limits = await stated(client)
    browsing, reading = Portion(BROWSED_AT_ONCE, limits.browse), Portion(READ_AT_ONCE, limits.read)
    seen: set[ua.NodeId] = {start}
    roots: list[Found] = []
    level: list[tuple[ua.NodeId, list[Found]]] = [(start, roots)]
    everything: list[Found] = []
    cut = 0
    for _ in range(depth):
        following: list[tuple[ua.NodeId, list[Found]]] = []
        for i in range(0, len(level), BROWSED_AT_ONCE):
            part = level[i : i + BROWSED_AT_ONCE]
            if len(everything) >= largest:
                cut += len(part)
                continue
            children = await _children(client, [node for node, _ in part], browsing, there=level[0][0] == start)
            for (_, inside), references in zip(part, children, strict=True):
                for one in references:
                    found = _found(one)
                    if found is None or found.node in seen:
                        continue
                    seen.add(found.node)
                    inside.append(found)
                    everything.append(found)
                    following.append((found.node, found.inside))
            say(f"{len(everything)} nodes")
        level = following
        if not level:
            break
    cut += len(level)
    await _look(client, [x for x in everything if x.what == ua.NodeClass.Variable], browsing, reading, say)
    return Tree(namespaces, roots, len(everything), cut)


async def _children(
    client: Client, nodes: Sequence[ua.NodeId], portion: Portion, there: bool
) -> list[list[ua.ReferenceDescription]]:
    """What lies directly beneath each of `nodes`. there: whether they must be there (deeper down one may have gone meanwhile)."""
    wanted = [
        ua.BrowseDescription(
            NodeId=node,
            BrowseDirection=ua.BrowseDirection.Forward,
            ReferenceTypeId=_HIERARCHICAL,
            IncludeSubtypes=True,
            NodeClassMask=ua.NodeClass.Object | ua.NodeClass.Variable | ua.NodeClass.Method,
            ResultMask=ua.BrowseResultMask.All,
        )
        for node in nodes
    ]

    async def browse(part: Sequence[ua.BrowseDescription]) -> list[list[ua.ReferenceDescription]]:
        asked = ua.BrowseParameters(NodesToBrowse=list(part), RequestedMaxReferencesPerNode=1000)
        found: list[list[ua.ReferenceDescription]] = []
        for result in await client.uaclient.browse(asked):
            if there:
                result.StatusCode.check()
            references: list[ua.ReferenceDescription] = list(result.References or ())
            point = result.ContinuationPoint
            while point:
                (more,) = await client.uaclient.browse_next(ua.BrowseNextParameters(ContinuationPoints=[point]))
                references += more.References or ()
                point = more.ContinuationPoint
            found.append(references)
        return found

    return await in_portions(wanted, portion, browse)


def _found(one: ua.ReferenceDescription) -> Found | None:
    node = one.NodeId
    if node.NamespaceIndex == 0 and node.Identifier in _SKIPPED:
        return None
    return Found(
        node=_local(node),
        name=one.BrowseName,
        shown=str(one.DisplayName.Text or one.BrowseName.Name),
        what=one.NodeClass,
        is_property=one.ReferenceTypeId == _PROPERTY,
        type_definition=one.TypeDefinition,
    )


def _local(node: ua.ExpandedNodeId) -> ua.NodeId:
    return ua.NodeId(node.Identifier, ua.Int16(node.NamespaceIndex), node.NodeIdType)


async def _look(
    client: Client, variables: Sequence[Found], browsing: Portion, reading: Portion, say: Callable[[str], None]
) -> None:
    """Reads type, rights and value of `variables`."""

    async def read(part: Sequence[ua.ReadValueId]) -> list[ua.DataValue]:
        return await client.uaclient.read(ua.ReadParameters(NodesToRead=list(part)))

    names: dict[ua.NodeId, tuple[str, ua.VariantType | None, dict[int, str]]] = {}
    together = READ_AT_ONCE // len(_READ)
    for i in range(0, len(variables), together):
        part = variables[i : i + together]
        wanted = [ua.ReadValueId(NodeId=x.node, AttributeId=attribute) for x in part for attribute in _READ]
        results = await in_portions(wanted, reading, read)
        for n, one in enumerate(part):
            kind, rank, access, value = results[n * len(_READ) : (n + 1) * len(_READ)]
            type_ = _plain(kind)
            if isinstance(type_, ua.NodeId):
                if type_ not in names:
                    names[type_] = await _type(client, type_, browsing)
                one.data_type, one.kind, one.enum = names[type_]
            one.scalar = _plain(rank) in (None, -1, -3) and not isinstance(_plain(value), list)
            rights = int(_plain(access) or 0)
            one.readable, one.writable = bool(rights & 1), bool(rights & 2)
            one.value = _plain(value)
            one.status = "" if value.StatusCode is None or value.StatusCode.is_good() else value.StatusCode.name
        say(f"{i + len(part)} of {len(variables)} values")


def _plain(result: ua.DataValue) -> Any:
    return result.Value.Value if result.Value is not None else None


async def _type(
    client: Client, node: ua.NodeId, browsing: Portion
) -> tuple[str, ua.VariantType | None, dict[int, str]]:
    """A data type's name, how its values are encoded, and the names of its numbers where it is an enumeration."""
    if node.NamespaceIndex == 0 and isinstance(node.Identifier, int) and 0 < node.Identifier <= 25:
        kind = ua.VariantType(node.Identifier)
        return kind.name, kind, {}
    there = client.get_node(node)
    try:
        name = str((await there.read_display_name()).Text)
        kind = await data_type_to_variant_type(there)
        (properties,) = await _children(client, [node], browsing, there=True)
        for one in properties:
            if one.BrowseName.Name in ("EnumStrings", "EnumValues"):
                return name, kind, legend(await client.get_node(_local(one.NodeId)).read_value())
    except ua.UaError:
        return node.to_string(), None, {}
    return name, kind, {}


def legend(given: Any) -> dict[int, str]:
    """Names by number, of an EnumStrings or EnumValues property."""
    if not isinstance(given, list):
        return {}
    if all(isinstance(x, ua.LocalizedText) for x in given):
        return {i: str(x.Text or i) for i, x in enumerate(given)}
    return {int(x.Value): str(x.DisplayName.Text or x.Value) for x in given if isinstance(x, ua.EnumValueType)}


def lines(tree: Tree) -> Iterable[str]:
    """The tree for reading: one line a node."""
    for above, one in tree.everything():
        words = [f"{'  ' * len(above)}{one.name.Name}", one.node.to_string()]
        if one.what == ua.NodeClass.Method:
            words.append("method")
        elif one.what == ua.NodeClass.Variable:
            array = "" if one.scalar else "[]"
            rights = ("r" if one.readable else "-") + ("w" if one.writable else "-")
            words += [f"{one.data_type or '?'}{array}", rights, f"= {_short(one)}"]
        yield "  ".join(words)


def _short(one: Found) -> str:
    if one.status:
        return one.status
    text = one.enum.get(one.value, "") if isinstance(one.value, int) and one.enum else ""
    value = one.value.Text if isinstance(one.value, ua.LocalizedText) else one.value
    said = f"{value} {text}".strip() if text else str(value)
    whole = said if len(said) <= 60 else f"{said[:57]}..."
    limits = "" if one.range is None else f" [{one.range[0]:g} to {one.range[1]:g}]"
    return f"{whole} {one.unit}".rstrip() + limits


def namespaces_used(tree: Tree) -> Counter[int]:
    """How many variables with a value of their own each namespace has."""
    return Counter(
        x.node.NamespaceIndex for _, x in tree.everything() if x.what == ua.NodeClass.Variable and not x.is_property
    )
