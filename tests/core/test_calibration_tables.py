"""Tables of calibrations: how people write times, and every mistake by its row."""

import struct
import zoneinfo
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.sensors.calibration_table import MOST_ROWS, calibrations_in, moment, rows_of, written, zone_of
from telemetry.sensors.calibrations import LAST_NS, Calibration
from telemetry.tags.cells import Cell, Unreadable
from telemetry.tags.csv_files import csv_bytes, csv_rows

SHANGHAI = timezone(timedelta(hours=8))
NOW_NS = int(datetime(2026, 6, 1, tzinfo=UTC).timestamp()) * 10**9
HEAD: list[Cell] = ["tag", "performed", "due", "certificate", "result", "note"]
ROW: list[Cell] = ["D.a", "2026-01-31 08:00", "2027-01-31", "C-1", "pass", None]


def at(text: str, end_of_day: bool = False, zone: tzinfo | None = SHANGHAI) -> str:
    return written(moment(text, zone, end_of_day))


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("2026-01-31 08:00", "2026-01-31T00:00:00Z"),
        ("2026/1/31 8:00", "2026-01-31T00:00:00Z"),
        ("2026.1.31 8:00:07", "2026-01-31T00:00:07Z"),
        ("2026-01-31T08:00:07.25", "2026-01-31T00:00:07.250000Z"),
        ("2026-01-31T08:00Z", "2026-01-31T08:00:00Z"),
        ("2026-01-31 08:00 +0100", "2026-01-31T07:00:00Z"),
        ("2026-01-31T08:00-05:30", "2026-01-31T13:30:00Z"),
        (" 2026-01-31 ", "2026-01-30T16:00:00Z"),
    ],
)
def test_a_time_is_the_sites_where_it_has_no_zone(text: str, utc: str) -> None:
    assert at(text) == utc


def test_a_day_alone_ends_at_midnight_of_the_site() -> None:
    assert at("2026-01-31", end_of_day=True) == "2026-01-31T16:00:00Z"
    assert at("2026-01-31 08:00", end_of_day=True) == "2026-01-31T00:00:00Z"


@pytest.fixture
def berlin(tmp_path: Path) -> Iterator[str]:
    """A time zone with summer time, whatever this machine has: a file of RFC 8536 whose rule is in its footer."""
    block = struct.pack(">6l", 0, 0, 0, 0, 1, 4) + struct.pack(">lbb", 0, 0, 0) + b"UTC\0"
    content = (b"TZif2" + bytes(15) + block) * 2 + b"\nCET-1CEST,M3.5.0,M10.5.0/3\n"
    (tmp_path / "Test").mkdir()
    (tmp_path / "Test" / "Berlin").write_bytes(content)
    zoneinfo.reset_tzpath([tmp_path])
    yield "Test/Berlin"
    zoneinfo.reset_tzpath()


def test_a_zone_is_known_by_its_name_with_its_summer_time(berlin: str) -> None:
    zone = zone_of(berlin)
    assert zone is not None
    assert at("2026-01-31 08:00", zone=zone) == "2026-01-31T07:00:00Z"
    assert at("2026-03-29", end_of_day=True, zone=zone) == "2026-03-29T22:00:00Z", "a day of 23 h"
    assert zone_of("Nowhere/Nothing") is None


@pytest.mark.parametrize(
    "text",
    ["", "soon", "31.01.2026", "2026-1/31", "2026-02-30", "2026-01-31 25:00", "2026-01-31 08:00 +99:00", "9999-12-31"],
)
def test_what_is_no_time_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no time\. Write it like 2026-01-31 08:00"):
        moment(text, SHANGHAI, end_of_day=True)


def test_where_the_sites_zone_is_not_known_it_has_to_be_written() -> None:
    assert at("2026-01-31T08:00Z", zone=None) == "2026-01-31T08:00:00Z"
    with pytest.raises(ValueError, match="has no time zone"):
        moment("2026-01-31 08:00", None, end_of_day=False)


@given(st.integers(1, LAST_NS // 1000))
def test_every_time_is_read_as_it_was_written(time_us: int) -> None:
    assert moment(written(time_us * 1000), SHANGHAI, end_of_day=True) == time_us * 1000


def taken(*rows: list[Cell]) -> tuple[list[Calibration], list[str]]:
    return calibrations_in(rows, "engineer", SHANGHAI, ("D.a", "D.b"), NOW_NS)


def test_a_table_comes_back_as_it_went_out() -> None:
    given_, mistakes = taken(
        HEAD, ROW, [], ["D.b", "2026-01-31", "2026-01-31", "=C\n2", " FAIL ", "+5 °C, at the door"]
    )
    assert mistakes == []
    assert [(one.tag, one.result, one.person) for one in given_] == [
        ("D.a", "pass", "engineer"),
        ("D.b", "fail", "engineer"),
    ]
    again, mistakes = taken(*csv_rows(csv_bytes(rows_of(given_)), "x.csv"))
    assert (again, mistakes) == (given_, [])


def changed(**cells: Cell) -> list[Cell]:
    return [cells.get(str(name), cell) for name, cell in zip(HEAD, ROW, strict=True)]


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ([HEAD, changed(tag="D.c")], ["row 2: There is no measured tag D.c"]),
        ([HEAD, changed(performed="soon", due=None, result="ok")], ["row 2: performed 'soon'", "row 2: due ''", "'ok' is neither"]),
        ([HEAD, changed(performed="2027-01-01")], ["in the future"]),
        ([HEAD, changed(due="2025-01-01")], ["due before"]),
        ([HEAD, changed(note=Unreadable("has a ?", "Save it again."))], ["row 2: note has a ?. Save it again."]),
        ([HEAD, ["D.a"]], ["performed", "due", "neither pass nor fail"]),
        ([HEAD, ROW, [], changed(certificate="C-2")], ["row 4: D.a was calibrated at that time in row 2"]),
        ([[], HEAD[:4], ROW], ["row 2: the column result is missing"]),
        ([[*HEAD, "Tag", "notes", "# mine", None], ROW], ["the column tag is given twice", "Did you mean note?"]),
        ([HEAD], ["no calibrations"]),
        ([], ["no calibrations"]),
        ([HEAD, *[ROW] * (MOST_ROWS + 1)], ["more than 2000"]),
    ],
)  # fmt: skip
def test_every_mistake_is_named_by_its_row(rows: list[list[Any]], says: list[str]) -> None:
    _, mistakes = taken(*rows)
    assert len(mistakes) == len(says)
    for mistake, part in zip(mistakes, says, strict=True):
        assert part in mistake
