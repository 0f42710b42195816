"""What is sent for which question, and what is more than one answer holds."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.readings.plan import (
    DAY_US,
    HOUR_US,
    MINUTE_US,
    Plan,
    Resolution,
    TooMuch,
    blocks,
    lengths,
    microseconds,
    moment,
    pieces,
    plan,
)

START: Final = datetime(2026, 3, 1, 12, 0, 30, 500_000, tzinfo=UTC)


def planned(resolution: Resolution, length: timedelta, fits: bool = False, pixels: int = 2000, tags: int = 1) -> Plan:
    return plan(resolution, START, START + length, tags, pixels, fits)


@pytest.mark.parametrize(
    ("length", "said", "level"),
    [
        (timedelta(hours=1), "2s", "readings"),
        (timedelta(days=1), "44s", "readings"),
        (timedelta(days=2), "87s", "readings"),
        (timedelta(days=3), "3m", "minutes"),
        (timedelta(days=10), "8m", "minutes"),
        (timedelta(days=30), "1h", "hours"),
        (timedelta(days=365), "5h", "hours"),
        (timedelta(days=3653), "44h", "hours"),
    ],
)
def test_auto_fills_a_screen_from_what_is_coarse_enough(length: timedelta, said: str, level: str) -> None:
    found = planned("auto", length)
    assert (str(found), found.level, found.form) == (said, level, "buckets")
    assert (found.end_us - found.start_us) / found.width_us <= 2000


def test_auto_sends_every_reading_where_all_fit() -> None:
    assert planned("auto", timedelta(hours=1), fits=True) == planned("raw", timedelta(hours=1))
    assert str(planned("auto", timedelta(hours=1), fits=True)) == "raw"


def test_minutes_and_hours_are_whole_ones_that_touch_the_window() -> None:
    minutes = planned("1m", timedelta(seconds=40))
    assert moment(minutes.start_us) == START.replace(second=0, microsecond=0)
    assert (minutes.end_us - minutes.start_us, minutes.width_us, str(minutes)) == (2 * MINUTE_US, MINUTE_US, "1m")
    hours = planned("1h", timedelta(seconds=40))
    assert (hours.end_us - hours.start_us, hours.level) == (HOUR_US, "hours")
    assert str(planned("1s", timedelta(seconds=40))) == "1s"


def test_a_single_pixel_gets_a_single_bucket() -> None:
    one = planned("auto", timedelta(days=1), pixels=1)
    assert one.end_us - one.start_us <= one.width_us


@pytest.mark.parametrize(
    ("resolution", "length", "tags", "days"),
    [
        ("raw", timedelta(days=3653), 1, "366"),
        ("1s", timedelta(days=367), 1, "366"),
        ("raw", timedelta(days=100), 4, "91"),
    ],
)
def test_more_than_one_answer_holds_is_refused_with_what_would_do(
    resolution: Resolution, length: timedelta, tags: int, days: str
) -> None:
    with pytest.raises(TooMuch, match=f"at most {days} days"):
        planned(resolution, length, tags=tags)


def test_a_year_of_seconds_and_ten_years_of_minutes_are_not_too_much() -> None:
    assert planned("raw", timedelta(days=366)).form == "readings"
    assert planned("1m", timedelta(days=3653)).level == "minutes"


def test_times_before_there_were_readings_are_the_first_there_can_be() -> None:
    assert microseconds(datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14)))) == 0
    assert moment(microseconds(datetime.max.replace(tzinfo=UTC))).year == 2200
    assert moment(microseconds(START)) == START


@given(st.integers(0, 3 * DAY_US), st.integers(0, 3 * DAY_US), st.frozensets(st.integers(0, 3)))
def test_blocks_cover_the_window_once_each_within_a_day(
    start_us: int, length_us: int, archived: frozenset[int]
) -> None:
    parts = list(blocks(start_us, start_us + length_us, archived, lengths()))
    edges = [edge for part in parts for edge in part]
    assert edges == sorted(edges)
    assert sum(end - begin for begin, end in parts) == length_us
    assert all(begin // DAY_US == (end - 1) // DAY_US for begin, end in parts)
    assert all(end - begin <= (DAY_US if begin // DAY_US in archived else 6 * HOUR_US) for begin, end in parts)


def test_the_first_block_is_short_and_an_archived_day_is_one() -> None:
    short = list(blocks(0, DAY_US, frozenset(), lengths()))[:3]
    assert short == [(0, 5 * MINUTE_US), (5 * MINUTE_US, HOUR_US), (HOUR_US, 3 * HOUR_US)]
    assert list(blocks(0, DAY_US, frozenset({0}), lengths())) == [(0, DAY_US)]


@given(st.integers(0, DAY_US), st.integers(0, DAY_US), st.integers(1, DAY_US))
def test_pieces_cover_the_window_in_whole_buckets(start_us: int, length_us: int, width_us: int) -> None:
    parts = list(pieces(start_us, start_us + length_us, width_us, lengths()))
    edges = [edge for part in parts for edge in part]
    assert edges == sorted(edges)
    assert sum(end - begin for begin, end in parts) == length_us
    assert all((begin - start_us) % width_us == 0 for begin, _ in parts)
