"""The console's `tags`: tag lists to spreadsheets and back."""

from pathlib import Path
from typing import Annotated, NoReturn

import typer

from telemetry.config_files import folder
from telemetry.errors import Refusal
from telemetry.plant.findings import Mistake, nearest
from telemetry.plant.load import ConfigError, load
from telemetry.tags.cells import Cell
from telemetry.tags.columns import columns
from telemetry.tags.csv_files import csv_bytes, csv_sheet, csv_text
from telemetry.tags.importing import look
from telemetry.tags.plant_list import plant_rows
from telemetry.tags.sheet import MOST_BYTES, Sheet
from telemetry.tags.table import CellMistake, rows_of
from telemetry.tags.xlsx_files import xlsx_bytes, xlsx_sheet

_KINDS = "Let the file's name end in .csv or .xlsx."


def register(app: typer.Typer) -> None:
    """Adds the verb `tags`."""
    tags = typer.Typer(help="Tag lists as tables (CSV, XLSX).", no_args_is_help=True)
    tags.command("export")(export)
    tags.command("import")(import_)
    app.add_typer(tags, name="tags")


def export(
    profile: Annotated[str | None, typer.Argument(help="Which profile's tags, for example isolator-opcua.")] = None,
    plant: Annotated[bool, typer.Option("--plant", help="All tags of the plant, for review.")] = False,
    to: Annotated[Path | None, typer.Option(help="The .csv or .xlsx file. Without it: CSV on standard output.")] = None,
) -> None:
    """Write a profile's tags, or all of the plant, as a table."""
    if (profile is None) == (not plant):
        raise Refusal("It is not clear which tags are meant.", "Name a profile, or write --plant.")
    loaded = load()
    if profile is not None and profile not in loaded.profiles:
        raise Refusal(f"There is no profile {profile}.", nearest(profile, loaded.profiles))
    rows = plant_rows(loaded) if profile is None else rows_of(loaded.profiles[profile])
    if to is None:
        typer.echo(csv_text(rows), nl=False)
        return
    content = _content(rows, to)
    try:
        to.write_bytes(content)
    except OSError as error:
        raise Refusal(
            f"{to} cannot be written ({error.strerror}).", "Name a file in a folder that you may write."
        ) from error
    typer.echo(f"{len(rows) - 1} tags written to {to}.")


def import_(
    file: Annotated[Path, typer.Argument(help="The .csv or .xlsx file.")],
    profile: Annotated[str, typer.Option(help="The profile whose tags it holds.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would change, and write nothing.")] = False,
    sheet: Annotated[str | None, typer.Option(help="Which sheet of the workbook. Without it: tags.")] = None,
    encoding: Annotated[str | None, typer.Option(help="The encoding of a CSV file where it cannot be told.")] = None,
) -> None:
    """Take a profile's tags from a table: all checks first, then what changes; written only where everything is right."""
    table = _sheet(file, sheet, encoding)
    root = folder()
    try:
        found = look(root, profile, table)
    except ConfigError as error:
        _refuse(root, error.mistakes)
    for doubt in table.doubts:
        typer.echo(f"warning: {doubt}.")
    if found.changes is None:
        _refuse(root, found.mistakes)
    for line in found.changes.lines:
        typer.echo(line)
    if not found.changes.lines:
        typer.echo(f"{file} and {found.file} say the same; nothing is to be written.")
        return
    for warning in found.warnings:
        typer.echo(f"warning: {_placed(root, warning)}")
    if dry_run:
        typer.echo(f"{found.file} would change: {found.changes}. Nothing was written.")
        return
    found.write()
    typer.echo(f"{found.file} written: {found.changes}. The service takes it up when it starts next.")


def _content(rows: list[list[Cell]], to: Path) -> bytes:
    match to.suffix.lower():
        case ".csv":
            return csv_bytes(rows)
        case ".xlsx":
            words = {column.name: column.choices for column in columns()}
            return xlsx_bytes(rows, [words.get(str(name), ()) for name in rows[0]])
        case _:
            raise Refusal(f"{to} is neither a CSV file nor a workbook.", _KINDS)


def _sheet(file: Path, sheet: str | None, encoding: str | None) -> Sheet:
    try:
        if file.stat().st_size > MOST_BYTES:
            raise Refusal(f"{file} has more than {MOST_BYTES // 1_000_000} MB.", "Keep the list of tags alone.")
        content = file.read_bytes()
    except OSError as error:
        raise Refusal(f"{file} cannot be read ({error.strerror}).", "Name the table's file.") from error
    match file.suffix.lower():
        case ".csv" | ".txt":
            return csv_sheet(content, str(file), encoding)
        case ".xlsx" | ".xlsm":
            return xlsx_sheet(content, str(file), sheet)
        case _:
            raise Refusal(f"{file} is neither a CSV file nor a workbook.", _KINDS)


def _placed(root: Path, mistake: Mistake) -> str:
    return str(mistake) if isinstance(mistake, CellMistake) else str(root / str(mistake))


def _refuse(root: Path, mistakes: tuple[Mistake, ...]) -> NoReturn:
    for mistake in mistakes:
        typer.echo(_placed(root, mistake), err=True)
    number = "1 mistake" if len(mistakes) == 1 else f"{len(mistakes)} mistakes"
    typer.echo(f"{number}. Nothing was written. Mend what is listed and import again.", err=True)
    raise typer.Exit(1)
