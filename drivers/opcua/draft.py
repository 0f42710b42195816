"""A first profile of an OPC UA server, from its tree: a draft for a person to complete, valid as it is.

What the server tells is used (data types, units, ranges, enumerations, rights); what it cannot tell (what is an alarm, how
often a door matters) is left to the person.
"""

import math
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

import yaml
from asyncua import ua

from drivers.frame import LARGEST_LAYOUT
from drivers.opcua.browse import Found, Tree, legend, namespaces_used
from drivers.opcua.paths import index_of
from drivers.profile import Profile

_KINDS: Final[dict[ua.VariantType, str]] = {
    ua.VariantType.Boolean: "boolean",
    ua.VariantType.Float: "float",
    ua.VariantType.Double: "float",
    ua.VariantType.String: "text",
    **dict.fromkeys(
        (
            ua.VariantType.SByte, ua.VariantType.Byte, ua.VariantType.Int16, ua.VariantType.UInt16, ua.VariantType.Int32,
            ua.VariantType.UInt32, ua.VariantType.Int64, ua.VariantType.UInt64,
        ),
        "integer",
    ),
}  # fmt: skip
_CONTAINERS: Final = frozenset(("DeviceSet", "FunctionalUnitSet", "FunctionSet", "Components", "ParameterSet"))
"""Folders of the companion specifications (OPC 10000-100, OPC 30500-1) that say nothing in a name."""


def drafted(tree: Tree, profile: str, address: str, namespace: str | None) -> tuple[str, tuple[str, ...]]:
    """The YAML of a profile named `profile`, and what a person should know of it. namespace: URI; None: the one with most
    variables. Raises ValueError where the server has no such namespace, or nothing to make a tag of."""
    used = namespaces_used(tree)
    most = (used.most_common(1) or [(0, 0)])[0][0]
    index = most if namespace is None else index_of(namespace, tree.namespaces)
    notes: list[str] = []
    variables = [
        (above, one)
        for above, one in tree.everything()
        if one.what == ua.NodeClass.Variable
        and not one.is_property
        and one.node.NamespaceIndex == index
        and not any(x.is_condition for x in above)
    ]
    others = sum(number for i, number in used.items() if i != index)
    if others:
        rest = ", ".join(tree.namespaces[i] for i in used if i != index)
        notes.append(f"{others} variables lie in other namespaces ({rest}); --namespace chooses another one")
    fit = [(above, one) for above, one in variables if one.kind in _KINDS and one.scalar and one.readable]
    if len(fit) < len(variables):
        notes.append(f"{len(variables) - len(fit)} variables are left out: arrays, times, structures, or not readable")
    if not fit:
        raise ValueError("the server shows no readable number, switch or text to make a tag of")
    if len(fit) > LARGEST_LAYOUT:
        notes.append(f"{len(fit)} tags are more than the {LARGEST_LAYOUT} of one device: keep what is needed")
    names = _names([(*above, one) for above, one in fit])
    methods = [
        (above, one)
        for above, one in tree.everything()
        if one.what == ua.NodeClass.Method
        and above
        and not above[-1].is_condition
        and {one.node.NamespaceIndex, above[-1].node.NamespaceIndex} == {index}
    ]
    head: dict[str, Any] = {
        "profile": profile,
        "name": _text(profile),
        "equipment_type": "device",
        "maker": "unknown",
        "source": f"Drafted from what {address} shows; compare it with the maker's manual.",
        "protocol": "opcua",
        "namespace": tree.namespaces[index],
    }
    tags = {name: _tag(one) for name, (_, one) in zip(names, fit, strict=True)}
    called = {
        name: {"name": _text(one.shown), "object": _identifier(above[-1].node), "method": _identifier(one.node)}
        for name, (above, one) in zip(_names([(*above, one) for above, one in methods]), methods, strict=True)
    }
    Profile.model_validate({**head, "methods": called, "tags": tags})
    written = [f"{key}: {_flow(value)}\n" for key, value in head.items()]
    for title, entries in (("methods", called), ("tags", tags)):
        if entries:
            written.append(f"{title}:\n")
            written += [f"  {_flow(name)}: {_flow(entry)}\n" for name, entry in entries.items()]
    return "".join(written), tuple(notes)


def _flow(value: Any) -> str:
    return (
        yaml.safe_dump(value, allow_unicode=True, sort_keys=False, width=math.inf, default_flow_style=True)
        .removesuffix("...\n")
        .strip()
    )


def _text(shown: str) -> dict[str, str]:
    return {"en": shown, "zh": shown}


def _tag(one: Found) -> dict[str, Any]:
    assert one.kind is not None
    kind = _KINDS[one.kind]
    numbers = one.enum or legend(one.part("EnumStrings"))
    switch = [one.part(name) for name in ("FalseState", "TrueState")]
    tag: dict[str, Any] = {"name": _text(one.shown), "kind": kind}
    if kind == "integer" and numbers:
        tag |= {"kind": "state", "legend": {number: _text(shown) for number, shown in numbers.items()}}
    elif kind == "boolean" and all(isinstance(x, ua.LocalizedText) and x.Text for x in switch):
        tag["legend"] = {number: _text(str(x.Text)) for number, x in enumerate(switch)}
    elif kind in ("float", "integer"):
        if one.unit:
            tag["unit"] = one.unit
        if one.range is not None:
            tag["range"] = list(one.range)
    if one.writable and kind != "text":
        tag["writable"] = True
    return {**tag, "node": _identifier(one.node)}


def _identifier(node: ua.NodeId) -> str:
    """The node within its namespace: ``s=Chamber.Pressure``."""
    return re.sub(r"^ns=\d+;", "", node.to_string())


def _names(paths: Sequence[Sequence[Found]]) -> list[str]:
    """A name for each path of nodes: its parts in small letters, without what all have in common, each name once."""
    parts = [[str(x.name.Name or "") for x in path if x.name.Name not in _CONTAINERS] for path in paths]
    common = 0
    while parts and all(len(p) > common + 1 and p[common] == parts[0][common] for p in parts):
        common += 1
    wished = [".".join(w for w in map(_word, p[common:]) if w) for p in parts]
    taken: Counter[str] = Counter()
    names: list[str] = []
    for n, name in enumerate(wished, 1):
        fit = name if re.fullmatch(r"[a-z][a-z0-9_]*(\.[a-z0-9_]+)*", name) else f"tag_{n}"
        taken[fit] += 1
        names.append(fit if taken[fit] == 1 else f"{fit}_{taken[fit]}")
    return names


def _word(name: str) -> str:
    """``FanSpeed`` becomes ``fan_speed``, ``Chamber.H2O2Low`` becomes ``chamber.h2o2_low``."""
    snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z][a-z])|(?<=[a-z])(?=[A-Z])", "_", name)
    return re.sub(r"\.+", ".", re.sub(r"[^a-z0-9.]+", "_", snake.lower())).strip("_.")
