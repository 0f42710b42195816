"""A profile's file with other tags: what did not change keeps its text, its comments and its place, byte for byte.

The text is cut at the lines where YAML's own marks say that a tag begins. What comes out is read again and must be the wanted
profile; where the cuts went wrong (anchors, tags written in one line) the list of tags is written anew.
"""

import contextlib
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import yaml

from drivers.profile import Profile, ProfileTag, Repeated
from telemetry.errors import Refusal
from telemetry.tags.columns import plain

_BREAKS: Final = re.compile("(?<=\n)|(?<=\r)(?!\n)|(?<=[\u0085\u2028\u2029])")
_ASIDE: Final = re.compile(r"\s*(#.*)?$", re.DOTALL)
_SHORT_LEGEND, _LONG_LEGEND = 2, 5
"""A tag with a legend of up to so many states stands in one line; a legend of more than so many has a line for each."""


def rewritten(text: str, old: Profile, new: Profile) -> str:
    """The file `text` of profile `old` with the tags of `new`. Refuses what it cannot write without changing more."""
    if list(old.tags.items()) == list(new.tags.items()) and _groups(old) == _groups(new):
        return text
    for kept in (old, None):
        with contextlib.suppress(yaml.YAMLError, ValueError):
            candidate = _File(text).with_tags(kept, new)
            if _same(candidate, new):
                return candidate
    raise Refusal(
        f"The file of profile {new.profile} is written so that its tags cannot be replaced alone (anchors?).",
        "Write its tags plainly, one below the other, then import again.",
    )


def tag_text(name: str, tag: ProfileTag, indent: int) -> str:
    """A tag as the project writes it: in one line, a longer legend with its states below each other."""
    content, margin = plain(tag), " " * indent
    legend = content.get("legend", {})
    if len(legend) <= _SHORT_LEGEND:
        return f"{margin}{_flow(name)}: {_flow(content)}\n"
    lines = [f"{margin}{_flow(name)}:\n"]
    for key, value in content.items():
        if key == "legend" and len(legend) > _LONG_LEGEND:
            lines += [f"{margin}  legend:\n", *(f"{margin}    {n}: {_flow(text)}\n" for n, text in legend.items())]
        else:
            lines.append(f"{margin}  {key}: {_flow(value)}\n")
    return "".join(lines)


@dataclass(frozen=True, slots=True)
class _Entry:
    """A key of a block mapping: comments and blank lines before it begin at line `begin`, itself at `start`, ends before `end`."""

    key: str
    value: yaml.Node
    begin: int
    start: int
    end: int


class _File:
    def __init__(self, text: str) -> None:
        self.newline = "\r\n" if "\r\n" in text else "\n"
        self.lines = _BREAKS.split(text if text.endswith(("\n", "\r")) else text + self.newline)
        self.sections = self.entries(yaml.compose(text, Loader=yaml.CSafeLoader), 0, len(self.lines))

    def with_tags(self, old: Profile | None, new: Profile) -> str:
        """The file with the tags of `new`; those that are as in `old` keep their text (None: all are written anew)."""
        parts = [self.text(0, self.sections[0].begin)]
        groups = any(section.key == "repeated" for section in self.sections)
        for section in self.sections:
            lead = self.text(section.begin, section.start)
            if section.key == "tags":
                parts.append(lead + self.tags(section, old, new))
                parts.append("" if groups or not new.repeated else self.repeated(section, None, new))
            elif section.key == "repeated":
                parts.append(lead + self.repeated(section, old, new) if new.repeated else "")
            else:
                parts.append(self.text(section.begin, section.end))
        return "".join(parts)

    def text(self, begin: int, end: int) -> str:
        return "".join(self.lines[begin:end])

    def entries(self, node: yaml.Node | None, begin: int, end: int) -> list[_Entry]:
        """The keys of a block mapping that fills the lines from `begin` to `end`. Raises ValueError for any other node."""
        if not isinstance(node, yaml.MappingNode) or node.flow_style or not node.value:
            raise ValueError("keys are not written one below the other")
        starts: list[int] = [key.start_mark.line for key, _ in node.value]
        begins = [
            self.begin(start, lowest) for start, lowest in zip(starts, [begin, *(s + 1 for s in starts)], strict=False)
        ]
        return [
            _Entry(key.value, value, *lines)
            for (key, value), *lines in zip(node.value, begins, starts, [*begins[1:], end], strict=True)
        ]

    def begin(self, line: int, lowest: int) -> int:
        """The first of the comments and blank lines that stand right before `line`."""
        while line > lowest and _ASIDE.match(self.lines[line - 1]):
            line -= 1
        return line

    def tags(self, section: _Entry, old: Profile | None, new: Profile) -> str:
        if old is None or not new.tags:
            return self.anew("tags:\n", *(tag_text(*one, 2) for one in new.tags.items())) if new.tags else "tags: {}\n"
        entries = self.entries(section.value, section.start + 1, section.end)
        return self.text(section.start, entries[0].begin) + self.kept(entries, old.tags, new.tags)

    def repeated(self, section: _Entry, old: Profile | None, new: Profile) -> str:
        if old is None:
            return self.anew("repeated:\n", *(_group_text(group, 2) for group in new.repeated))
        items: list[yaml.MappingNode] = section.value.value
        begins = [self.begin(item.start_mark.line, section.start + 1) for item in items]
        parts = [self.text(section.start, begins[0])]
        for item, begin, end, was, group in zip(
            items, begins, [*begins[1:], section.end], old.repeated, new.repeated, strict=False
        ):
            start: int = item.start_mark.line
            tags = next(entry for entry in self.entries(item, start, end) if entry.key == "tags")
            entries = self.entries(tags.value, tags.start + 1, tags.end)
            head = self.text(begin, entries[0].begin).replace(f"count: {was.count}", f"count: {group.count}", 1)
            parts.append(head + self.kept(entries, was.tags, group.tags) + self.text(tags.end, end))
        column: int = section.value.start_mark.column
        parts += [self.anew(_group_text(group, column)) for group in new.repeated[len(items) :]]
        return "".join(parts)

    def kept(self, entries: list[_Entry], old: Mapping[str, ProfileTag], new: Mapping[str, ProfileTag]) -> str:
        """The tags of `new` in their order: those of `entries` that are as they were with their own text."""
        indent: int = self.lines[entries[0].start].index(self.lines[entries[0].start].strip()[0])
        by_name = {entry.key: entry for entry in entries}
        parts: list[str] = []
        for name, tag in new.items():
            entry = by_name.get(name)
            parts.append(self.text(entry.begin, entry.start) if entry else "")
            same = entry is not None and old.get(name) == tag
            parts.append(
                self.text(entry.start, entry.end) if entry and same else self.anew(tag_text(name, tag, indent))
            )
        return "".join(parts)

    def anew(self, *texts: str) -> str:
        return "".join(texts).replace("\n", self.newline)


def _group_text(group: Repeated, indent: int) -> str:
    margin = " " * indent
    tags = "".join(tag_text(name, tag, indent + 4) for name, tag in group.tags.items())
    return f"{margin}- count: {group.count}\n{margin}  tags:\n{tags}"


class _Flow(yaml.SafeDumper):
    """Double quotes where quotes are needed, as the project writes them."""

    def choose_scalar_style(self) -> str:
        style: str = super().choose_scalar_style()
        return '"' if style == "'" else style


def _flow(value: Any) -> str:
    dumped: str = yaml.dump(
        [value], Dumper=_Flow, default_flow_style=True, allow_unicode=True, sort_keys=False, width=math.inf
    )
    return dumped.rstrip("\n")[1:-1]


def _groups(profile: Profile) -> Sequence[Any]:
    return [(group.count, list(group.tags.items())) for group in profile.repeated]


def _same(text: str, wanted: Profile) -> bool:
    """The text, read, is the profile: the same values in the same order."""
    found = Profile.model_validate(yaml.load(text, Loader=yaml.CSafeLoader))
    return found == wanted and list(found.tags) == list(wanted.tags) and _groups(found) == _groups(wanted)
