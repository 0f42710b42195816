"""A profile's tags as a table, and a table as a profile's tags.

One row a tag. Repeated tags stand once, as in YAML, with the number of their group and how often the device has it. What a
table says wrong is said where it stands there: sheet, row and column; all else that is checked of a profile is checked of it
as if it stood in YAML.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from drivers.profile import Profile, ProfileTag
from telemetry.plant.document import Document, Keys
from telemetry.plant.findings import Findings, Mistake, nearest
from telemetry.tags.cells import Cell, Unreadable, cell_of, value_of
from telemetry.tags.columns import COUNT, GROUP, NOTE, TAG, Column, columns, plain
from telemetry.tags.sheet import Sheet, letters

_TIMES: Final = Column(COUNT, (COUNT,), "number")
_GROUP: Final = Column(GROUP, (GROUP,), "number")
_NAME: Final = Column(TAG, (TAG,), "text")
_ADDRESSES: Final = {"node": "opcua", "register": "modbus", "figure": "service"}
"""Which part of a tag says where it lies, by protocol."""


@dataclass(frozen=True, slots=True)
class CellMistake(Mistake):
    """A mistake in a table: `file` with its sheet, `line` the row, and the column where one is meant."""

    column: str

    def __str__(self) -> str:
        word = "columns" if " to " in self.column else "column"
        spot = f"{self.file}, row {self.line}" + (f", {word} {self.column}" if self.column else "")
        return f"{spot}: {self.wrong}. {self.right}"


@dataclass(slots=True)
class TableDocument(Document):
    """A profile whose tags come from a table. `head`: its file, which says the rest; `spots`: the letter of each column."""

    head: Document = field(default_factory=lambda: Document("", None))
    spots: Mapping[str, str] = field(default_factory=dict[str, str])

    def mistake(self, path: Keys, wrong: str, right: str) -> Mistake:
        if path and path[0] not in ("tags", "repeated"):
            return self.head.mistake(path, wrong, right)
        within = path[2:] if path[:1] == ("tags",) or path[2:] == (COUNT,) else path[4:]
        return CellMistake(self.name, self.line(path), wrong.rstrip("."), right, _label(within, self.spots))


def rows_of(profile: Profile) -> list[list[Cell]]:
    """The table of a profile's tags, its head first."""
    written = [(None, None, name, tag) for name, tag in profile.tags.items()]
    for number, group in enumerate(profile.repeated, 1):
        written += [(number, group.count, name, tag) for name, tag in group.tags.items()]
    shown = columns_of(profile)
    rows: list[list[Cell]] = [[TAG, *([GROUP, COUNT] if profile.repeated else []), *(column.name for column in shown)]]
    for number, count, name, tag in written:
        content = plain(tag)
        places: list[Cell] = [name, *([number, count] if profile.repeated else [])]
        rows.append([*places, *(cell_of(column, column.of(content)) for column in shown)])
    return rows


def columns_of(profile: Profile) -> list[Column]:
    """The columns of the profile's table: the plain ones, where its protocol addresses a tag, and what else any tag has."""
    used = {key for tag in all_tags(profile) for key in plain(tag)}

    def shown(column: Column) -> bool:
        part = str(column.path[0])
        if part in used or part in ("name", "range"):
            return True
        return _ADDRESSES[part] == profile.protocol if part in _ADDRESSES else len(column.path) == 1

    return [column for column in columns() if shown(column)]


def all_tags(profile: Profile) -> Iterator[ProfileTag]:
    """The profile's tags as they are written, repeated ones once."""
    yield from profile.tags.values()
    for group in profile.repeated:
        yield from group.tags.values()


def document_of(sheet: Sheet, old: Profile, head: Document, findings: Findings) -> TableDocument:
    """The profile that `old` becomes with the tags of `sheet`. `head`: the document of its file. Mistakes go to `findings`."""
    return _Reading(sheet, old, head, findings).document()


class _Reading:
    def __init__(self, sheet: Sheet, old: Profile, head: Document, findings: Findings) -> None:
        self.sheet, self.old, self.head, self.findings = sheet, old, head, findings
        name = sheet.file if sheet.name is None else f"{sheet.file}, sheet {sheet.name}"
        self.first, self.head_row = sheet.rows[0]
        self.known = {column.name.lower(): column for column in (_NAME, _GROUP, _TIMES, *columns())}
        self.at: dict[str, int] = {}
        self.spots: dict[str, str] = {}
        self.table = TableDocument(name, None, {(): self.first}, head=head, spots=self.spots)

    def wrong(self, path: Keys, what: str, right: str) -> None:
        self.findings.mistakes.append(self.table.mistake(path, what, right))
        self.table.doubtful.add(path)

    def document(self) -> TableDocument:
        self._head()
        content = {key: value for key, value in self.head.content.items() if key not in ("tags", "repeated")}
        self.table.lines |= {(key,): self.first for key in content}
        tags: dict[str, Any] = {}
        groups: dict[int, dict[str, Any]] = {}
        for number, row in self.sheet.rows[1:]:
            self._row(number, row, tags, groups)
        content["tags"] = tags
        self.table.lines[("tags",)] = self.first
        if groups:
            content["repeated"] = list(groups.values())
        self.table.content = content
        return self.table

    def _head(self) -> None:
        """Finds each column. A column that is missed, unknown or there twice is a mistake: nothing is dropped in silence."""
        for n, cell in enumerate(self.head_row):
            spot, given = letters(n + 1), _words(cell)
            if given.startswith(NOTE):
                continue
            column = self.known.get(given.lower())
            if column is not None and column.name not in self.at:
                self.at[column.name], self.spots[column.name] = n, spot
            elif column is not None:
                self._wrong_head(spot, f"{column.name} is given twice", "Keep one of the two columns.")
            elif isinstance(cell, Unreadable):
                self._wrong_head(spot, f"the head {cell.wrong}", cell.right)
            elif given:
                right = f"{nearest(given, self.known)} A note of your own begins with {NOTE}."
                self._wrong_head(spot, f"{given} is not a column of a tag list", right)
            elif any(n < len(row) and row[n] not in (None, "") for _, row in self.sheet.rows[1:]):
                self._wrong_head(spot, "the column has values and no name", "Name it, or remove it.")
        beyond = max((len(row) for _, row in self.sheet.rows), default=0)
        for n in range(len(self.head_row), beyond):
            # A spreadsheet pads each line of a CSV to the same length: in a longer one a separator stands without quotes, and
            # everything behind it has moved on by one column.
            padded = self.sheet.name is None
            rows = self.sheet.rows[1:]
            number = next((at for at, row in rows if n < len(row) and (padded or row[n] is not None)), None)
            if number is not None:
                what = "there is more in the row than the head has columns"
                self.findings.mistakes.append(
                    CellMistake(self.table.name, number, what, "Put text with a separator in quotes.", letters(n + 1))
                )
        self._missing()

    def _missing(self) -> None:
        if TAG not in self.at:
            self._wrong_head("", f"the column {TAG} is missing", "Add it: it holds each tag's name.")
        held = [plain(tag) for tag in all_tags(self.old)]
        for column in columns():
            times = sum(column.of(tag) is not None for tag in held)
            if column.name not in self.at and times:
                what = f"the column {column.name} is missing, and {times} tags of {self.old.profile} have a value there"
                self._wrong_head("", what, "Add it; leave a cell empty only where the value is to go.")
        for name in (GROUP, COUNT):
            if self.old.repeated and name not in self.at:
                what = f"the column {name} is missing, and {self.old.profile} has repeated tags"
                self._wrong_head("", what, "Add it.")

    def _wrong_head(self, spot: str, what: str, right: str) -> None:
        self.findings.mistakes.append(CellMistake(self.table.name, self.first, what, right, spot))

    def _row(self, number: int, row: Sequence[Cell], tags: dict[str, Any], groups: dict[int, dict[str, Any]]) -> None:
        name, group, count = (self._place(column, number, row) for column in (_NAME, _GROUP, _TIMES))
        if all(self._cell(column, row) in (None, "") for column in (_NAME, *columns())):
            return  # a row of notes alone
        if not isinstance(name, str) or not name:
            if TAG in self.at and not isinstance(self._cell(_NAME, row), Unreadable):
                spot = self.spots[TAG]
                self.findings.mistakes.append(
                    CellMistake(
                        self.table.name, number, "the tag has no name", "Write it, or empty the row.", f"{spot} (tag)"
                    )
                )
            return
        path, into = self._group(name, number, group, count, tags, groups)
        if name in into:
            self.table.lines[path] = number
            self.wrong(path, f"tag {name} is given twice", "Keep one of the two rows.")
            return
        self.table.lines[path] = number
        into[name] = {}
        for column in columns():
            value = value_of(column, self._cell(column, row))
            here = (*path, *column.path)
            if isinstance(value, Unreadable):
                self.table.lines[here] = number
                self.wrong(here, f"the cell {value.wrong}", value.right)
            if value is not None:
                self.table.lines[here] = number
                column.put(into[name], value.wrong if isinstance(value, Unreadable) else value)

    def _group(
        self, name: str, number: int, group: Any, count: Any, tags: dict[str, Any], groups: dict[int, dict[str, Any]]
    ) -> tuple[Keys, dict[str, Any]]:
        """Where the row's tag belongs: the way to it, and the mapping that takes it."""
        if group is None and count is None:
            return ("tags", name), tags
        if not isinstance(group, int) or not isinstance(count, int):
            path: Keys = ("tags", name)
            self.table.lines[path] = number
            what = f"{name} has a {GROUP if count is None else COUNT} and no {COUNT if count is None else GROUP}"
            if group is not None and count is not None:
                what = f"{GROUP} and {COUNT} of {name} are not whole numbers"
            self.wrong(path, what, f"A repeated tag has both: its {GROUP} (1, 2, ...) and the {COUNT} of that group.")
            return path, tags
        entry = groups.get(group)
        place = list(groups).index(group) if entry is not None else len(groups)
        if entry is None:
            entry = groups[group] = {"count": count, "tags": {}}
            self.table.lines |= {("repeated", place): number, ("repeated", place, "count"): number}
        elif entry["count"] != count:
            path = ("repeated", place, "tags", name)
            self.table.lines[path] = number
            what = f"group {group} has the {COUNT} {entry['count']} above, and {count} here"
            self.wrong(path, what, f"Give all tags of a group the same {COUNT}, or another {GROUP}.")
        return ("repeated", place, "tags", name), entry["tags"]

    def _cell(self, column: Column, row: Sequence[Cell]) -> Cell:
        at = self.at.get(column.name)
        return row[at] if at is not None and at < len(row) else None

    def _place(self, column: Column, number: int, row: Sequence[Cell]) -> Any:
        value = value_of(column, self._cell(column, row))
        if isinstance(value, Unreadable):
            spot = f"{self.spots[column.name]} ({column.name})"
            self.findings.mistakes.append(
                CellMistake(self.table.name, number, f"the cell {value.wrong}", value.right, spot)
            )
            return None
        return int(value) if isinstance(value, float) and value.is_integer() else value


def _words(cell: Cell) -> str:
    return cell.strip() if isinstance(cell, str) else ""


def _label(within: Keys, spots: Mapping[str, str]) -> str:
    """The column (or the columns) of a value at `within` a tag, in a sentence; empty where the whole row is meant."""
    if not within:
        return ""
    if within == (COUNT,):
        return f"{spots.get(COUNT, '')} ({COUNT})".strip()
    meant = [c for c in columns() if c.path == within[: len(c.path)] or c.path[: len(within)] == within]
    there = [c for c in meant if c.name in spots]
    if not there:
        return f"{_common(meant)}, which is missing" if meant else ".".join(str(key) for key in within)
    first, last = spots[there[0].name], spots[there[-1].name]
    return f"{first} ({there[0].name})" if first == last else f"{first} to {last} ({_common(there)})"


def _common(meant: Iterable[Column]) -> str:
    names = [column.name for column in meant]
    return names[0] if len(names) == 1 else names[0].split(".")[0]
