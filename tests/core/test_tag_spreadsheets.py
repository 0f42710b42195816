"""What spreadsheets do to files: code pages, separators, formulas, dates, merged cells, sheets."""

import csv
import io
import zipfile
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from openpyxl import Workbook, load_workbook
from tables import console, put, table

from telemetry.errors import Refusal
from telemetry.tags.cells import Cell
from telemetry.tags.csv_files import csv_bytes, csv_sheet
from telemetry.tags.importing import look
from telemetry.tags.xlsx_files import xlsx_bytes, xlsx_sheet


def separated(text: str, sign: str) -> str:
    """The CSV with another separator."""
    out = io.StringIO()
    csv.writer(out, delimiter=sign).writerows(csv.reader(io.StringIO(text, newline="")))
    return out.getvalue()


def test_a_chinese_spreadsheets_csv(root: Path) -> None:
    text = csv_bytes(table(root, "isolator-small")).decode("utf-8-sig")
    for content in (
        text.encode("gb18030"),
        text.encode("utf-16"),
        text.encode(),
        ("sep=;\r\n" + separated(text, ";")).encode("gb18030"),
        separated(text, ";").encode(),
        separated(text, "\t").encode("utf-16"),
    ):
        found = look(root, "isolator-small", csv_sheet(content, "x.csv"))
        assert found.mistakes == ()
        assert found.changes is not None
        assert found.changes.lines == ()


def test_text_with_a_separator_and_no_quotes(root: Path) -> None:
    content = csv_bytes(table(root, "isolator-small")).replace(b"Fan,", b"Fan, large,")
    told = "\n".join(map(str, look(root, "isolator-small", csv_sheet(content, "x.csv")).mistakes))
    assert "row 3, column" in told
    assert "there is more in the row than the head has columns" in told


def test_a_sign_that_the_code_page_lost(root: Path) -> None:
    rows = table(root, "isolator-small", put(2, "unit", "m?"))
    content = csv_bytes(rows).decode("utf-8-sig").encode("gb18030")
    told = "\n".join(map(str, look(root, "isolator-small", csv_sheet(content, "x.csv")).mistakes))
    assert "row 2, column E (unit)" in told
    assert "code page" in told


def test_a_western_code_page_is_not_taken_for_chinese(root: Path) -> None:
    content = "tag,unit\ntemperature,°C\n".encode("cp1252")
    with pytest.raises(Refusal, match="neither in UTF-8"):
        csv_sheet(content, "x.csv")
    assert csv_sheet(content, "x.csv", "cp1252").rows[1] == (2, ["temperature", "°C"])
    with pytest.raises(Refusal, match="not in utf-8"):
        csv_sheet(content, "x.csv", "utf-8")
    with pytest.raises(Refusal, match="not known"):
        csv_sheet(content, "x.csv", "klingon")


@pytest.mark.parametrize("text", ["=1+1", "+1", "-x", "@x", "'=1", "\t=1"])
def test_nothing_becomes_a_formula(text: str) -> None:
    rows: list[list[Cell]] = [["tag"], [text]]
    written = csv_bytes(rows).decode("utf-8-sig").splitlines()[1].strip('"')
    assert written.startswith("'")
    assert csv_sheet(csv_bytes(rows), "x").rows[1][1] == [text]
    book = xlsx_bytes(rows)
    assert load_workbook(io.BytesIO(book)).active["A2"].data_type == "s"  # type: ignore[index]
    assert xlsx_sheet(book, "x").rows[1][1] == [text]


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda s: s.__setitem__("G2", "=1+1"), "row 2, column G (range.high): the cell holds a formula"),
        (lambda s: s.merge_cells("E2:E3"), "row 3, column E (unit): the cell belongs to merged cells"),
        (lambda s: s.merge_cells("F1:G1"), "row 1, column G: the head belongs to merged cells"),
        (lambda s: s.__setitem__("E2", date(2026, 1, 2)), "row 2, column E (unit): the cell was made a date"),
        (lambda s: setattr(s["F2"], "number_format", "0%"), "row 2, column F (range.low): the cell is formatted as per cent"),
        (lambda s: s.__setitem__("G2", "#N/A"), "row 2, column G (range.high): the cell shows the error #N/A"),
    ],
)  # fmt: skip
def test_a_workbooks_cells(root: Path, make: Callable[[Any], Any], says: str) -> None:
    book = load_workbook(io.BytesIO(xlsx_bytes(table(root, "isolator-small"))))
    make(book.active)
    out = io.BytesIO()
    book.save(out)
    found = look(root, "isolator-small", xlsx_sheet(out.getvalue(), "x.xlsx"))
    assert any(says in str(mistake) for mistake in found.mistakes), list(map(str, found.mistakes))


def test_empty_rows_notes_and_hidden_rows(root: Path) -> None:
    rows = table(root, "isolator-small", lambda rows: rows.insert(2, [None] * len(rows[0])))
    for row, note in zip(rows, ["# seen by", "Li", None, "Wang", None, None], strict=True):
        row.append(note)
    book = load_workbook(io.BytesIO(xlsx_bytes(rows)))
    book.active.row_dimensions[4].hidden = True  # type: ignore[union-attr]
    file = root.parent / "list.xlsx"
    book.save(file)
    outcome = console("import", file, "--profile", "isolator-small")
    assert "1 rows are hidden" in outcome.output
    assert "say the same" in outcome.output


def test_which_sheet_is_meant() -> None:
    def book(*sheets: tuple[str, str], filled: bool = True) -> bytes:
        made = Workbook()
        made.remove(made.active)  # type: ignore[arg-type]
        for name, state in sheets:
            sheet = made.create_sheet(name)
            sheet.sheet_state = state
            sheet.append(["tag"])
            if filled:
                sheet.append([name])
        out = io.BytesIO()
        made.save(out)
        return out.getvalue()

    assert xlsx_sheet(book(("other", "visible"), ("tags", "visible")), "x").name == "tags"
    assert xlsx_sheet(book(("one", "visible"), ("two", "hidden")), "x").name == "one"
    assert xlsx_sheet(book(("one", "visible"), ("tags", "hidden")), "x", "tags").name == "tags"
    with pytest.raises(Refusal, match="hidden"):
        xlsx_sheet(book(("one", "visible"), ("tags", "hidden")), "x")
    with pytest.raises(Refusal, match="2 sheets that could be meant"):
        xlsx_sheet(book(("one", "visible"), ("two", "visible")), "x")
    with pytest.raises(Refusal, match="no sheet three"):
        xlsx_sheet(book(("one", "visible")), "x", "three")


def test_what_is_no_table(root: Path) -> None:
    for content, says in ((b"PK\3\4 damaged", "not readable"), (b"", "not readable")):
        with pytest.raises(Refusal, match=says):
            xlsx_sheet(content, "x.xlsx")
    with pytest.raises(Refusal, match="is empty"):
        csv_sheet(b"\r\n,,\r\n", "x.csv")
    with pytest.raises(Refusal, match="not readable as CSV"):
        csv_sheet(b'tag\r\n"a"b\r\n', "x.csv")
    with pytest.raises(Refusal, match="more than 5000 rows"):
        csv_sheet(b"tag\n" + b"x\n" * 5_001, "x.csv")
    far = Workbook()
    far.active["A1048576"] = "x"  # type: ignore[index]
    out = io.BytesIO()
    far.save(out)
    with pytest.raises(Refusal, match="more than 5000 rows"):
        xlsx_sheet(out.getvalue(), "x.xlsx")
    with pytest.raises(Refusal, match="control character"):
        xlsx_bytes([["tag"], ["\7"]])


def test_a_workbook_that_unpacks_to_gigabytes(tmp_path: Path) -> None:
    file = tmp_path / "bomb.xlsx"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as parts:
        parts.writestr("xl/worksheets/sheet1.xml", b" " * 30_000_000)
    assert file.stat().st_size < 100_000
    with pytest.raises(Refusal, match="unpacks to more than 20 MB"):
        xlsx_sheet(file.read_bytes(), str(file))
