"""Tag tables as CSV. Written as UTF-8 with a mark, which every spreadsheet knows; read as whatever a spreadsheet saved:
UTF-8, UTF-16 or a Chinese code page, separated by commas, semicolons or tabs.

Text that begins with ``=``, ``+``, ``-`` or ``@`` is written with a ``'`` before it, and read without: a spreadsheet would
calculate with it (CSV injection, CWE-1236).
"""

import codecs
import csv
import io
import re
from collections.abc import Iterable, Sequence
from typing import Final

from telemetry.errors import Refusal
from telemetry.tags.cells import Cell, Unreadable
from telemetry.tags.sheet import Sheet, filled

_CALCULATED: Final = re.compile(r"'*[=+\-@\t\r]")
_CHINESE: Final = "gb18030"
_HINT: Final = re.compile(r"sep=(.)\r?\n?", re.IGNORECASE)
_LOST: Final = Unreadable(
    "has a ?, which stands for a sign that the Chinese code page does not have (³, µ, ₂)",
    "Save the table as a workbook (.xlsx) or as CSV UTF-8.",
)


def csv_text(rows: Iterable[Sequence[Cell]]) -> str:
    """The rows as CSV, with commas."""
    out = io.StringIO()
    csv.writer(out).writerows([_guarded(cell) for cell in row] for row in rows)
    return out.getvalue()


def csv_bytes(rows: Iterable[Sequence[Cell]]) -> bytes:
    return codecs.BOM_UTF8 + csv_text(rows).encode("utf-8")


def csv_sheet(content: bytes, file: str, encoding: str | None = None) -> Sheet:
    """The table of tags in `content`, as `csv_rows` reads it."""
    return filled(file, None, csv_rows(content, file, encoding))


def csv_rows(content: bytes, file: str, encoding: str | None = None) -> list[list[Cell]]:
    """All rows in `content`, empty ones too; `file` is its name in sentences. Raises Refusal for what is no CSV of a known
    encoding."""
    text, found = _decoded(content, file, encoding)
    hint = _HINT.match(text)
    text = text[hint.end() :] if hint else text
    separator = hint[1] if hint else _separator(text)
    above = [[]] if hint else []
    try:
        rows = [*above, *csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)]
    except csv.Error as error:
        raise Refusal(f"{file} is not readable as CSV: {error}.", "Save it again from the spreadsheet.") from error
    return [[_read(cell, found == _CHINESE) for cell in row] for row in rows]


def _guarded(cell: Cell) -> Cell:
    return f"'{cell}" if isinstance(cell, str) and _CALCULATED.match(cell) else cell


def _read(text: str, chinese: bool) -> Cell:
    if chinese and "?" in text:
        return _LOST
    return (text[1:] if text.startswith("'") and _CALCULATED.match(text) else text) or None


def _separator(text: str) -> str:
    """The sign that parts the head: no column's name holds one of them."""
    head = next((line for line in text.splitlines() if line.strip(",;\t \"'")), "")
    return max(",;\t", key=head.count)


def _decoded(content: bytes, file: str, encoding: str | None) -> tuple[str, str]:
    """Text and its encoding. Bytes of a Western code page often are valid Chinese ones, and would become other signs
    (``°C`` one character): a code page is only taken for Chinese where every sign of it is a common one."""
    if encoding is None and content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encoding = "utf-16"
    for name in ["utf-8-sig", _CHINESE] if encoding is None else [encoding]:
        try:
            text = content.decode(name)
        except LookupError as error:
            raise Refusal(f"The encoding {name} is not known.", "Name one such as utf-8, gb18030, cp1252.") from error
        except UnicodeDecodeError:
            continue
        if encoding is not None or name != _CHINESE or _common(text):
            return text, name
    raise Refusal(
        f"{file} is not in {encoding}." if encoding else f"{file} is neither in UTF-8 nor, for certain, in GB 18030.",
        "Save it as a workbook (.xlsx) or as CSV UTF-8, or name its encoding with --encoding.",
    )


def _common(text: str) -> bool:
    """All signs beyond ASCII are of GB 2312, whose two bytes both lie beyond ASCII."""
    return all(len(sign.encode("gb2312", "ignore")) == 2 for sign in set(text) if not sign.isascii())
