"""Tag tables as workbooks (Office Open XML, ECMA-376), by openpyxl.

Text is written as text: nothing in a tag list becomes a formula or a date. What is read must be plain values: formulas, dates,
percentages and merged cells are refused cell by cell, because what they show is not what they hold.
"""

import io
import zipfile
from collections.abc import Sequence
from typing import Any, Final

from openpyxl import Workbook, load_workbook
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE
from openpyxl.styles import Alignment, Font
from openpyxl.worksheet.datavalidation import DataValidation
from openpyxl.worksheet.worksheet import Worksheet

from telemetry.errors import Refusal
from telemetry.tags.cells import DATE, Cell, Unreadable
from telemetry.tags.sheet import MOST_BYTES, MOST_COLUMNS, MOST_ROWS, Sheet, filled, letters

SHEET: Final = "tags"
_WIDEST: Final = 60
_LONGEST_CHOICE: Final = 255
"""Signs of a list of choices; with more of them spreadsheets call the whole workbook damaged."""
_FORMULA: Final = Unreadable("holds a formula", "Put its value there: copy, then paste as values.")
_MERGED: Final = Unreadable("belongs to merged cells", "Unmerge them and fill each cell.")
_SHARE: Final = Unreadable("is formatted as per cent, so that it shows another number than it holds",
                           "Format it as a number, and write the number that is meant.")  # fmt: skip


def xlsx_bytes(rows: Sequence[Sequence[Cell]], choices: Sequence[Sequence[str]] = ()) -> bytes:
    """A workbook with the sheet `tags`: the first row is the head. `choices`: for each column the words that it offers."""
    book = Workbook()
    sheet: Worksheet = book.active  # pyright: ignore[reportAssignmentType] - a new workbook has one
    sheet.title = SHEET
    for number, row in enumerate(rows, 1):
        for column, value in enumerate(row, 1):
            if value is not None:
                _write(sheet.cell(number, column), value)
    for cell in sheet[1]:
        cell.font = Font(bold=True)
    sheet.freeze_panes = "B2"
    sheet.auto_filter.ref = sheet.dimensions
    for column in range(1, len(rows[0]) + 1):
        longest = max(len(str(row[column - 1] or "")) for row in rows)
        sheet.column_dimensions[letters(column)].width = min(longest + 3, _WIDEST)
    for column, words in enumerate(choices, 1):
        listed = ",".join(words)
        if 0 < len(listed) <= _LONGEST_CHOICE:
            offered = DataValidation(type="list", formula1=f'"{listed}"', allow_blank=True)
            offered.add(f"{letters(column)}2:{letters(column)}{MOST_ROWS}")
            sheet.add_data_validation(offered)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def xlsx_sheet(content: bytes, file: str, name: str | None = None) -> Sheet:
    """The table in the sheet `name`; without one, in the sheet `tags`, else in the only one that shows and is filled."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as parts:
            if sum(part.file_size for part in parts.infolist()) > MOST_BYTES:
                raise Refusal(
                    f"{file} unpacks to more than {MOST_BYTES // 1_000_000} MB.", "Keep the list of tags alone."
                )
        book = load_workbook(io.BytesIO(content))
    except Refusal:
        raise
    except Exception as error:
        raise Refusal(
            f"{file} is not readable as a workbook ({type(error).__name__}: {error}).",
            "Save it as .xlsx from the spreadsheet; old .xls files and files with a password cannot be read.",
        ) from error
    sheet = _chosen(book, file, name)
    merged = {
        (row, column)
        for area in sheet.merged_cells.ranges
        for row in range(area.min_row, min(area.max_row, MOST_ROWS) + 1)
        for column in range(area.min_col, min(area.max_col, MOST_COLUMNS) + 1)
    }
    hidden = sum(1 for number, row in sheet.row_dimensions.items() if row.hidden and number <= sheet.max_row)
    doubts = (
        [f"{file}, sheet {sheet.title}: {hidden} rows are hidden (by a filter?), and are read too"] if hidden else []
    )
    rows = (
        [_MERGED if (cell.row, cell.column) in merged else _read(cell) for cell in row] for row in sheet.iter_rows()
    )
    return filled(file, sheet.title, rows, doubts)


def _chosen(book: Workbook, file: str, name: str | None) -> Worksheet:
    every = {sheet.title: sheet for sheet in book.worksheets}
    shown = [sheet for sheet in every.values() if sheet.sheet_state == "visible"]
    wanted = name or (SHEET if SHEET in every else None)
    if wanted is not None:
        sheet = every.get(wanted)
        if sheet is None:
            raise Refusal(f"{file} has no sheet {wanted}.", f"It has: {', '.join(every)}.")
        if sheet not in shown and name is None:
            raise Refusal(
                f"The sheet {wanted} of {file} is hidden.", "Unhide it and look at it, or name it with --sheet."
            )
        return sheet
    full = [sheet for sheet in shown if sheet.max_row > 1]
    if len(full) != 1:
        raise Refusal(
            f"{file} has {len(full)} sheets that could be meant.",
            f"Name one with --sheet: {', '.join(every)}.",
        )
    return full[0]


def _write(cell: Any, value: Cell) -> None:
    assert not isinstance(value, Unreadable)
    if isinstance(value, str):
        if ILLEGAL_CHARACTERS_RE.search(value):
            raise Refusal(
                f"{value!r} has a control character, which no workbook can hold.", "Remove it from the profile."
            )
        cell.value = value
        cell.data_type = "s"  # and not "f", which openpyxl takes a leading = for
        cell.number_format = "@"
        cell.quotePrefix = value.startswith(("=", "+", "-", "@"))  # typed over again, it stays text
        cell.alignment = Alignment(vertical="top")
        return
    cell.value = value


def _read(cell: Any) -> Cell:
    value = cell.value
    if cell.data_type == "f":
        return _FORMULA
    if cell.data_type == "e":
        return Unreadable(f"shows the error {value}", "Put the value there.")
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int | float):
        return _SHARE if "%" in cell.number_format else value
    return value if isinstance(value, str) else DATE
