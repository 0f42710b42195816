"""Nodes written by their browse names, as text: where a companion specification fixes names and each server its own identifiers.

``path=di:DeviceSet/Incubator/lads:FunctionalUnitSet/Chamber`` names objects from the Objects folder down, each with the prefix
of its namespace (`Profile.namespaces`), without one for the profile's own. ``&`` before a slash, a colon or another & makes it
a part of the name (after the text form of a relative path, OPC UA Part 4, A.2).
"""

import re
from typing import Final

PREFIX: Final = "path="
_SEGMENT: Final = re.compile(r"(?:[^/&]|&.)+")
_COLON: Final = re.compile(r"((?:[^:&]|&.)*?):(.*)")
_ESCAPED: Final = re.compile(r"&(.)")


def is_path(node: str) -> bool:
    return node.startswith(PREFIX)


def names_of(node: str) -> list[tuple[str, str]]:
    """The names of a path from Objects down, each as prefix ('' for the profile's own namespace) and name."""
    names: list[tuple[str, str]] = []
    for segment in _SEGMENT.findall(node.removeprefix(PREFIX)):
        found = _COLON.fullmatch(segment)
        prefix, name = found.groups() if found else ("", segment)
        names.append((prefix, _ESCAPED.sub(r"\1", name)))
    return names
