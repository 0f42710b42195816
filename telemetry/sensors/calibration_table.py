"""Calibrations as a table (CSV): a row each, checked whole before anything is entered.

Columns: tag, performed, due, certificate, result (pass or fail), and where there is something to say, note. A column whose name
begins with ``#`` is somebody's own and is not read. Times are written ``2026-01-31 08:00``, with or without a zone (``Z``,
``+08:00``; without: the site's); a day alone means its begin for `performed` and its end for `due`.
"""

import re
from collections.abc import Container, Iterable, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final, cast
from zoneinfo import ZoneInfo

from telemetry.plant.findings import nearest
from telemetry.sensors.calibrations import Calibration, calibration_of, mistake
from telemetry.tags.cells import Cell, Unreadable
from telemetry.tags.columns import NOTE

COLUMNS: Final = ("tag", "performed", "due", "certificate", "result", "note")
REQUIRED: Final = COLUMNS[:-1]
ENTERED_BY: Final = "# entered by"
MOST_ROWS: Final = 2_000
"""All are entered in one act of the engine, which scans meanwhile."""

_MOMENT: Final = re.compile(
    r"(\d{4})([-/.])(\d{1,2})\2(\d{1,2})(?:[T ]+(\d{1,2}):(\d{2})(?::(\d{2})(?:\.(\d{1,6}))?)?\s*(Z|[+-]\d{2}:?\d{2})?)?",
    re.ASCII,
)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def moment(text: str, zone: tzinfo | None, end_of_day: bool) -> int:
    """UTC nanoseconds since 1970 of what somebody wrote. zone: the site's, None where this machine does not know it. Raises
    ValueError with a sentence."""
    found = _MOMENT.fullmatch(text.strip())
    wrong = f"{text!r} is no time. Write it like 2026-01-31 08:00, or the day alone."
    if found is None:
        raise ValueError(wrong)
    year, _, month, day, hour, minute, second, part, offset = found.groups()
    if zone is None and offset is None:
        raise ValueError(
            f"{text!r} has no time zone, and this machine does not know the site's. Write 2026-01-31 08:00+08:00."
        )
    try:
        written = datetime(
            int(year), int(month), int(day), int(hour or 0), int(minute or 0), int(second or 0),
            int((part or "").ljust(6, "0")), zone,
        )  # fmt: skip
        if offset is not None:
            written = datetime.fromisoformat(f"{written.replace(tzinfo=None).isoformat()}{offset}")
        if hour is None and end_of_day:
            written += timedelta(days=1)
        since = written.astimezone(UTC) - _EPOCH
    except (ValueError, OverflowError) as error:
        raise ValueError(wrong) from error
    return since // timedelta(microseconds=1) * 1000


def zone_of(name: str) -> tzinfo | None:
    """The time zone of that IANA name; None where this machine has no list of them."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return None


def written(time_ns: int) -> str:
    """A time as `moment` reads it: ISO 8601 in UTC."""
    return (_EPOCH + timedelta(microseconds=time_ns // 1000)).isoformat().replace("+00:00", "Z")


def rows_of(calibrations: Iterable[Calibration]) -> list[list[Cell]]:
    """The table of these, its head first, as `calibrations_in` reads it."""
    rows: list[list[Cell]] = [[*COLUMNS, ENTERED_BY]]
    for one in calibrations:
        times = (written(one.performed_ns), written(one.due_ns))
        rows.append([one.tag, *times, one.certificate, one.result, one.note, one.person])
    return rows


def calibrations_in(
    rows: Sequence[Sequence[Cell]], person: str, zone: tzinfo | None, numeric: Container[str], now_ns: int
) -> tuple[list[Calibration], list[str]]:
    """The calibrations in a table, and every mistake in it by its row, counted from 1 as a spreadsheet counts them; with a
    mistake nothing is to be entered."""
    filled = [(number, row) for number, row in enumerate(rows, 1) if any(cell not in (None, "") for cell in row)]
    if len(filled) < 2:
        return [], [
            "The table has no calibrations. Its first row names the columns, each further one is a calibration."
        ]
    if len(filled) > MOST_ROWS + 1:
        return [], [f"The table has more than {MOST_ROWS} calibrations. Divide it."]
    (first, head), *others = filled
    at, mistakes = _columns(first, head)
    if mistakes:
        return [], mistakes
    given: list[Calibration] = []
    seen: dict[tuple[str, int], int] = {}
    for number, row in others:
        one = _calibration(row, at, person, zone)
        wrong = one if isinstance(one, list) else [said] if (said := mistake(one, numeric, now_ns)) else []
        if isinstance(one, Calibration) and not wrong:
            before = seen.setdefault((one.tag, one.performed_ns), number)
            if before != number:
                wrong = [f"{one.tag} was calibrated at that time in row {before} already. Keep one of the two."]
            given.append(one)
        mistakes += [f"row {number}: {what}" for what in wrong]
    return given, mistakes


def _columns(number: int, head: Sequence[Cell]) -> tuple[dict[str, int], list[str]]:
    at: dict[str, int] = {}
    mistakes: list[str] = []
    for n, cell in enumerate(head):
        name = str(cell or "").strip().lower()
        if name in COLUMNS and name not in at:
            at[name] = n
        elif name in at:
            mistakes.append(f"row {number}: the column {name} is given twice. Keep one of the two.")
        elif name and not name.startswith(NOTE):
            right = f"{nearest(name, COLUMNS)} A note of your own begins with {NOTE}."
            mistakes.append(f"row {number}: {name} is not a column of a table of calibrations. {right}")
    mistakes += [f"row {number}: the column {name} is missing. Add it." for name in REQUIRED if name not in at]
    return at, mistakes


def _calibration(row: Sequence[Cell], at: dict[str, int], person: str, zone: tzinfo | None) -> Calibration | list[str]:
    """The calibration in a row, or what is wrong with its cells."""
    wrong: list[str] = []
    text: dict[str, str] = {}
    for name, n in at.items():
        cell = row[n] if n < len(row) else None
        if isinstance(cell, Unreadable):
            wrong.append(f"{name} {cell.wrong}. {cell.right}")
        text[name] = str(cell if cell is not None else "").strip()
    times_ns: dict[str, int] = {}
    for name in ("performed", "due"):
        try:
            times_ns[f"{name}_ns"] = moment(text.pop(name), zone, end_of_day=name == "due")
        except ValueError as error:
            wrong.append(f"{name} {error}")
    text["result"] = text["result"].lower()
    if text["result"] not in ("pass", "fail"):
        wrong.append(f"the result {text['result']!r} is neither pass nor fail. Write one of the two.")
    return wrong or calibration_of(cast(dict[str, object], {**text, **times_ns, "person": person}))
