"""What a cell says, and how a value is written into one. What a spreadsheet made of a value is refused, never guessed at:
a date that was ``1-2``, a formula, ``12,345`` that may be a thousand or a fraction, digits that were cut off."""

import math
import re
from dataclasses import dataclass
from typing import Any, Final

import yaml

from telemetry.tags.columns import Column


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A cell whose content cannot be taken for what was meant: what is wrong with it, and what would be right."""

    wrong: str
    right: str


Cell = str | int | float | bool | Unreadable | None

LARGEST_NUMBER: Final = 10**15
"""A spreadsheet keeps 15 digits of a number; from here on they are written as text."""

_NUMBER: Final = re.compile(r"[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?")
_BITS: Final = re.compile(r"0[xX][0-9a-fA-F]{1,16}")
_DECIMAL_COMMA: Final = re.compile(r"([-+]?\d+),(\d+)")
_DATE: Final = re.compile(
    r"\d{1,2}-(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)|(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)-\d{2}"
    r"|\d{1,2}月\d{1,2}日|\d{4}[-/年]\d{1,2}[-/月]\d{1,2}日?( \d.*)?",
    re.IGNORECASE,
)
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_INVISIBLE: Final = " \t\r\n\u00a0\u200b\u3000\ufeff"
_STATE: Final = re.compile(r"\s*([-+]?\d+)\s*[:：](.*)", re.DOTALL)
_LEGEND: Final = Unreadable("is not a legend", "Write 0: closed | 关闭; 1: open | 开启.")
DATE: Final = Unreadable("was made a date by the spreadsheet", "Format the cell as text and type the value again.")


def cell_of(column: Column, value: Any) -> Cell:
    """The cell for a value of this column, as `value_of` reads it."""
    if value is None:
        return None
    if column.kind == "numbers":
        numbers = [_written(number) for number in value]
        return numbers[0] if len(numbers) == 1 else "; ".join(str(number) for number in numbers) or None
    if column.kind == "legend":
        return "; ".join(f"{number}: {_escaped(text['en'])} | {_escaped(text['zh'])}" for number, text in value.items())
    if column.kind == "yaml":
        return yaml.safe_dump([value], default_flow_style=True, allow_unicode=True, width=math.inf).strip()[1:-1]
    return _written(value)


def value_of(column: Column, cell: Cell) -> Any:
    """The value that a cell gives for this column; None: the cell is empty; Unreadable: it cannot be taken for what was meant.

    What is merely of the wrong form (a word for a number) is given as it stands: the form of a profile knows what is right.
    """
    if isinstance(cell, str):
        cell = cell.strip(_INVISIBLE) or None
        if cell is not None and _DATE.fullmatch(cell):
            return DATE
        if cell is not None and _CONTROL.search(cell):
            return Unreadable("has a control character", "Type the text again.")
    if cell is None or isinstance(cell, Unreadable):
        return cell
    match column.kind:
        case "number":
            return _number(cell)
        case "numbers":
            numbers = [_number(part.strip(_INVISIBLE)) for part in re.split("[;；]", _text(cell))]
            return next((one for one in numbers if isinstance(one, Unreadable)), numbers)
        case "truth":
            return cell.lower() if isinstance(cell, str) else cell
        case "legend":
            return _legend(_text(cell))
        case "yaml":
            return _yaml(cell)
        case _:
            return _text(cell)


def _written(value: Any) -> Cell:
    """A number with more digits than a spreadsheet keeps becomes text."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    cut_off = abs(value) >= LARGEST_NUMBER or float(f"{value:.15g}") != value
    return str(value) if cut_off else value


def _text(cell: str | int | float | bool) -> str:
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < LARGEST_NUMBER:
        return str(int(cell))
    return str(cell)


def _number(cell: str | int | float | bool) -> Any:
    if isinstance(cell, bool):
        return Unreadable(f"is {str(cell).upper()}, which is no number", "Write the number.")
    if isinstance(cell, int | float):
        if not abs(cell) < LARGEST_NUMBER:
            return Unreadable(
                f"is {cell:g}, of which the spreadsheet kept only 15 digits",
                "Format the cell as text, write all digits.",
            )
        return cell
    text = cell.replace("−", "-")
    if _BITS.fullmatch(text):  # as makers write "not available": 0x8000
        return int(text, 16)
    comma = _DECIMAL_COMMA.fullmatch(text)
    if comma is not None:
        whole, fraction = comma.groups()
        if len(fraction) == 3 and whole.lstrip("+-0"):
            right = f"Write {whole}.{fraction} for the fraction, {whole}{fraction} for thousands."
            return Unreadable(f"is {text}: thousands or a fraction?", right)
        text = f"{whole}.{fraction}"
    if not _NUMBER.fullmatch(text):
        return Unreadable(f"is {text!r}, which is no number", "Write digits alone, with a point for fractions.")
    try:
        return int(text)
    except ValueError:
        return float(text)


def _legend(text: str) -> dict[int, dict[str, str]] | Unreadable:
    legend: dict[int, dict[str, str]] = {}
    for part in _split(text, ";；"):
        state = _STATE.fullmatch(part)
        texts = [one.strip(_INVISIBLE) for one in _split(state[2], "|｜")] if state else []
        if state is None or len(texts) != 2 or not all(texts):
            return _LEGEND
        if int(state[1]) in legend:
            return Unreadable(f"names the state {int(state[1])} twice", "Keep one of the two.")
        legend[int(state[1])] = {"en": _unescaped(texts[0]), "zh": _unescaped(texts[1])}
    return legend


def _split(text: str, signs: str) -> list[str]:
    """Parts between any of `signs` that has no backslash before it; an empty last part is none."""
    parts = [""]
    for piece in re.findall(r"\\.|.", text, re.DOTALL):
        if piece in signs:
            parts.append("")
        else:
            parts[-1] += piece
    return parts if parts[-1].strip(_INVISIBLE) or len(parts) == 1 else parts[:-1]


def _escaped(text: str) -> str:
    return re.sub(r"([\\;；|｜])", r"\\\1", text)


def _unescaped(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text, flags=re.DOTALL)


def _yaml(cell: str | int | float | bool) -> Any:
    if not isinstance(cell, str):
        return cell
    try:
        return yaml.safe_load(cell)
    except yaml.YAMLError:
        return Unreadable("is not readable as YAML", "Write it as it would stand in the profile's file.")
