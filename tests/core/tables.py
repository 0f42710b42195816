"""Tables of tags for the tests: the shipped profiles, a small configuration, and the console on it."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import typer
from typer.testing import CliRunner, Result

from telemetry.plant.load import load
from telemetry.tags.cells import Cell
from telemetry.tags.commands import register
from telemetry.tags.sheet import letters
from telemetry.tags.table import rows_of
from telemetry.tags.xlsx_files import xlsx_bytes

CONFIG = Path(__file__).parents[2] / "config"
PROFILES = load(CONFIG).profiles
SMALL = load(Path(__file__).parents[1] / "cases" / "config" / "base").profiles["isolator-small"]
NODE = letters(rows_of(SMALL)[0].index("node") + 1)
"""The column of the nodes in the table of the small isolator."""
Change = Callable[[list[list[Cell]]], Any]


def console(*words: str | Path) -> Result:
    app = typer.Typer()
    app.callback()(lambda: None)
    register(app)
    return CliRunner().invoke(app, ["tags", *map(str, words)])


def table(root: Path, profile: str, change: Change = lambda rows: None) -> list[list[Cell]]:
    rows = rows_of(load(root).profiles[profile])
    change(rows)
    return rows


def imported(root: Path, rows: Sequence[Sequence[Cell]], profile: str, *words: str) -> Result:
    file = root.parent / "list.xlsx"
    file.write_bytes(xlsx_bytes([list(row) for row in rows]))
    return console("import", file, "--profile", profile, *words)


def removed(column: str) -> Change:
    """Takes a column away."""

    def change(rows: list[list[Cell]]) -> None:
        at = rows[0].index(column)
        for row in rows:
            del row[at]

    return change


def put(row: int, column: str, value: Cell) -> Change:
    """Sets a cell; rows count as the spreadsheet counts them."""

    def change(rows: list[list[Cell]]) -> None:
        rows[row - 1][rows[0].index(column)] = value

    return change
