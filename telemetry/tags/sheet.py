"""Sheet: the filled rows of a table as a spreadsheet holds them, whatever kind of file it came from."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from telemetry.errors import Refusal
from telemetry.tags.cells import Cell

MOST_ROWS: Final = 5_000
MOST_COLUMNS: Final = 200
MOST_BYTES: Final = 20_000_000
"""Of a file, and of what it unpacks to: a list of 5,000 tags has 2 MB."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """Rows with anything in them, with their numbers as the spreadsheet counts them (from 1); the first is the head.

    `name` is the sheet's, None for CSV. `doubts`: what a reader should know and nothing forbids.
    """

    file: str
    name: str | None
    rows: Sequence[tuple[int, Sequence[Cell]]]
    doubts: Sequence[str] = field(default=())


def filled(file: str, name: str | None, rows: Iterable[Sequence[Cell]], doubts: Sequence[str] = ()) -> Sheet:
    """The sheet of `rows`, empty ones left out. Refuses one that has no head, or more than a tag list ever has."""
    kept: list[tuple[int, Sequence[Cell]]] = []
    for number, row in enumerate(rows, 1):
        if number > MOST_ROWS + 1 or len(row) > MOST_COLUMNS:
            raise Refusal(
                f"{file} has more than {MOST_ROWS} rows or {MOST_COLUMNS} columns, and is no list of tags.",
                "Name the file that `telemetry tags export` wrote; delete empty rows that were formatted by mistake.",
            )
        if any(cell is not None and cell != "" for cell in row):
            kept.append((number, row))
    if not kept:
        raise Refusal(f"{file} is empty.", "Begin with a file that `telemetry tags export` writes, and fill it.")
    return Sheet(file, name, kept, doubts)


def letters(number: int) -> str:
    """A spreadsheet's name of its column `number`, counted from 1: A, Z, AA."""
    name = ""
    while number:
        number, rest = divmod(number - 1, 26)
        name = chr(ord("A") + rest) + name
    return name
