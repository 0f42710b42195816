"""A YAML file that remembers on which line each value stood, so that every mistake can be named with file and line.

YAML 1.1 reads some bare words as something else than they look: ``on`` and ``no`` are booleans, ``1:30`` is 90, ``010`` is
8, ``2026-01-02`` is a date. In a plant's configuration such a surprise can be a wrong limit, so each one is a mistake here.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import yaml

from telemetry.plant.findings import Findings, Mistake

Keys = tuple[str | int, ...]
"""The way to a value from the top of a file: keys and indices."""

_YAML: Final = "tag:yaml.org,2002:"
_LEADING_ZERO: Final = re.compile(r"[-+]?0[0-9]")
_constructor: Final = yaml.constructor.SafeConstructor()
_CONSTRUCT: Final[dict[str, Callable[[Any], Any]]] = {
    _YAML + "int": _constructor.construct_yaml_int,
    _YAML + "float": _constructor.construct_yaml_float,
    _YAML + "bool": _constructor.construct_yaml_bool,
    _YAML + "null": _constructor.construct_yaml_null,
    _YAML + "timestamp": _constructor.construct_yaml_timestamp,
}


@dataclass(slots=True)
class Document:
    """The content of one file; `line` finds where a value begins. `doubtful`: values that are mistakes already."""

    name: str
    content: Any
    lines: dict[Keys, int] = field(default_factory=dict[Keys, int])
    doubtful: set[Keys] = field(default_factory=set[Keys])

    def line(self, path: Keys) -> int:
        """The line of the value at `path`, or of the nearest thing around it that stands in the file."""
        for end in range(len(path), -1, -1):
            if path[:end] in self.lines:
                return self.lines[path[:end]]
        return 1

    def at(self, path: Keys) -> Any:
        """The value at `path`; None where there is none."""
        value = self.content
        for key in path:
            try:
                value = value[key]
            except (KeyError, IndexError, TypeError):
                return None
        return value

    def mistake(self, path: Keys, wrong: str, right: str) -> Mistake:
        return Mistake(self.name, self.line(path), wrong.rstrip("."), right)

    def without(self, dropped: Iterable[Keys]) -> "Document":
        """The document without the values at these paths; the others keep their lines, list items move up."""
        rest = replace(self, content=None, lines={}, doubtful=set())
        rest.content = self._copy(self.content, (), (), set(dropped), rest)
        return rest

    def _copy(self, value: Any, old: Keys, new: Keys, dropped: set[Keys], rest: "Document") -> Any:
        if old in self.lines:
            rest.lines[new] = self.lines[old]
        if isinstance(value, dict):
            kept = {key: item for key, item in value.items() if (*old, key) not in dropped}
            return {key: self._copy(item, (*old, key), (*new, key), dropped, rest) for key, item in kept.items()}
        if isinstance(value, list):
            left = [i for i in range(len(value)) if (*old, i) not in dropped]
            return [self._copy(value[i], (*old, i), (*new, n), dropped, rest) for n, i in enumerate(left)]
        return value


Place = tuple[Document, Keys]
"""A value in a file."""


def wrong(findings: Findings, place: Place, what: str, right: str) -> None:
    """Adds a mistake at `place`: what is wrong there, and what would be right."""
    document, path = place
    findings.mistakes.append(document.mistake(path, what, right))


def doubt(findings: Findings, place: Place, what: str, right: str) -> None:
    """Adds a warning at `place`: allowed, but hardly meant."""
    document, path = place
    findings.warnings.append(document.mistake(path, what, right))


def read(file: Path, root: Path, findings: Findings) -> Document:
    """Reads `file`; what is not YAML, is empty or says a key twice adds a mistake. Unreadable: content is None."""
    document = Document(str(file.relative_to(root)), None)
    try:
        node = yaml.compose(file.read_text(encoding="utf-8-sig"), Loader=yaml.CSafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        document.lines[()] = mark.line + 1 if mark else 1
        wrong(
            findings,
            (document, ()),
            f"not readable as YAML: {error.problem or error.context}",
            "Mend the indentation or the quotes here; text with { } needs quotes.",
        )
        return document
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        wrong(findings, (document, ()), f"not readable: {error}", "Put a readable text file in UTF-8 here.")
        return document
    if node is None:
        wrong(findings, (document, ()), "the file is empty", "Fill it, or remove it.")
        return document
    try:
        document.content = _value(node, (), document, findings)
    except RecursionError:
        wrong(findings, (document, ()), "an alias (*) stands for something that contains it", "Write the values out.")
    return document


def _value(node: yaml.Node, path: Keys, document: Document, findings: Findings) -> Any:
    document.lines[path] = node.start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        return _mapping(node, path, document, findings)
    if isinstance(node, yaml.SequenceNode):
        return [_value(child, (*path, i), document, findings) for i, child in enumerate(node.value)]
    assert isinstance(node, yaml.ScalarNode)  # the third and last kind of node
    return _scalar(node, path, document, findings)


def _mapping(node: yaml.MappingNode, path: Keys, document: Document, findings: Findings) -> dict[Any, Any]:
    content: dict[Any, Any] = {}
    for key_node, value_node in node.value:
        line = key_node.start_mark.line + 1
        if not isinstance(key_node, yaml.ScalarNode):
            document.lines[(*path, "?")] = line
            wrong(
                findings,
                (document, (*path, "?")),
                "a key is itself a mapping or a list",
                'Put text with { } or [ ] in quotes: "{line}-ISO".',
            )
            continue
        key = _scalar(key_node, (*path, key_node.value), document, findings)
        here = (*path, key)
        if key in content:
            document.lines[here] = line
            wrong(findings, (document, here), f"{key} is given twice", "Keep one of the two.")
        content[key] = _value(value_node, here, document, findings)
        document.lines[here] = line
    return content


def _scalar(node: yaml.ScalarNode, path: Keys, document: Document, findings: Findings) -> Any:
    text: str = node.value
    kind: str = node.tag
    if kind == _YAML + "str":
        return text
    remedy = _surprise(kind, text) if not node.style else None
    if kind not in _CONSTRUCT:
        remedy = f'Put it in quotes: "{text}".'
    if remedy is not None:
        spot = Document(document.name, None, {(): node.start_mark.line + 1})
        wrong(findings, (spot, ()), f"{text} is not read as it looks (YAML 1.1)", remedy)
        document.doubtful.add(path)
        return text
    try:
        return _CONSTRUCT[kind](node)
    except ValueError:
        return text


def _surprise(kind: str, text: str) -> str | None:
    """What to write instead of a bare word that YAML reads as something else than it looks; None for an honest one."""
    if kind == _YAML + "bool" and text.lower() not in ("true", "false"):
        truth = "true" if text.lower() in ("on", "yes", "y") else "false"
        return f'Write {truth}, or "{text}" in quotes if the word is meant.'
    if kind == _YAML + "timestamp":
        return f'Write "{text}" in quotes.'
    if kind in (_YAML + "int", _YAML + "float") and (":" in text or "_" in text):
        return f'Write the number in digits alone, or "{text}" in quotes if text is meant.'
    if kind == _YAML + "int" and _LEADING_ZERO.match(text):
        return f'Leave out the leading 0, which makes it octal, or write "{text}" in quotes.'
    return None
