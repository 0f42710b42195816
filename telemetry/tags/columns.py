"""Columns of a tag table: one for each plain value of a profile's tag, taken from the form of ProfileTag itself, so that a
field which a tag gains has its column at once. ``register.address`` is the key `address` within `register`, as in YAML.

Two values have a notation of their own in a cell: several numbers are written ``65535; 32767``, a legend
``0: closed | 关闭; 1: open | 开启`` (a ``\\`` before ``;`` or ``|`` makes it part of the text).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from types import UnionType
from typing import Any, Final, Literal, get_args, get_origin

from pydantic import BaseModel

from drivers.profile import ProfileTag, Text
from telemetry.plant.document import Keys
from telemetry.plant.form import bare

Kind = Literal["text", "number", "truth", "numbers", "legend", "yaml"]
TAG: Final = "tag"
GROUP: Final = "group"
COUNT: Final = "count"
"""The columns that say where a row belongs: the tag's name, and for repeated tags the number of their group and its count."""
NOTE: Final = "#"
"""A column whose name begins with this is somebody's note, and is not read."""

_ENDS: Final = ("low", "high")


@dataclass(frozen=True, slots=True)
class Column:
    """A plain value of a tag: its name in the table's head, the way to it within the tag, how a cell holds it, and the
    words that may stand there (empty: any)."""

    name: str
    path: Keys
    kind: Kind
    choices: tuple[str, ...] = ()

    def of(self, tag: Mapping[str, Any]) -> Any:
        """The value in a tag written out as mappings and lists; None where it has none."""
        value: Any = tag
        for key in self.path:
            if value is None or (isinstance(key, str) and key not in value):
                return None
            value = value[key]
        return value

    def put(self, tag: dict[str, Any], value: Any) -> None:
        """Sets the value in a tag that is being written out."""
        inner: Any = tag
        for key, following in zip(self.path, self.path[1:], strict=False):
            inner = inner.setdefault(key, [] if isinstance(following, int) else {})
        last = self.path[-1]
        if isinstance(last, int):
            inner.extend([None] * (last + 1 - len(inner)))
        inner[last] = value


@cache
def columns() -> tuple[Column, ...]:
    """The columns of a tag, in the order of its fields."""
    return tuple(_columns(ProfileTag, ()))


def plain(tag: ProfileTag) -> dict[str, Any]:
    """The tag as a YAML file would hold it: what is as by default left out, whole numbers without a point."""
    return _shortened(tag.model_dump(by_alias=True, exclude_defaults=True))


def _columns(model: type[BaseModel], path: Keys) -> Iterator[Column]:
    for name, field in model.model_fields.items():
        here = (*path, field.alias or name)
        kind: Any = bare(field.annotation)
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from _columns(kind, here)
        elif get_origin(kind) is tuple and len(get_args(kind)) == 2 and Ellipsis not in get_args(kind):
            for i, end in enumerate(_ENDS):
                yield Column(".".join((*map(str, here), end)), (*here, i), "number")
        else:
            yield Column(".".join(map(str, here)), here, _kind(kind), _choices(kind))


def _kind(kind: Any) -> Kind:
    if kind is bool:
        return "truth"
    if _numeric(kind):
        return "number"
    if kind is str or _choices(kind):
        return "text"
    if get_origin(kind) is tuple and _numeric(get_args(kind)[0]):
        return "numbers"
    return "legend" if get_origin(kind) is dict and get_args(kind) == (int, Text) else "yaml"


def _numeric(kind: Any) -> bool:
    return kind in (int, float) or (get_origin(kind) is UnionType and set(get_args(kind)) == {int, float})


def _choices(kind: Any) -> tuple[str, ...]:
    given = get_args(kind) if get_origin(kind) is Literal else ()
    return given if all(isinstance(one, str) for one in given) else ()


def _shortened(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _shortened(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_shortened(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
