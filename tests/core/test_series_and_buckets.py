"""Readings of the past, before any database: one order, each once, a slot a second, buckets that keep every extreme."""

import math
from dataclasses import fields
from typing import Any, Final

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.quality import BAD, BAD_TIMEOUT, GOOD, UNCERTAIN, UNCERTAIN_LAST_USABLE
from telemetry.readings.arrays import NO_TIME
from telemetry.readings.buckets import Buckets, gathered, joined, of_readings, silent, with_silence
from telemetry.readings.series import MISSING, SECOND_US, Series, by_slot, on_grid, union

NOON: Final = 1_780_000_000 * SECOND_US
Reading = tuple[int, float, int]
"""Microseconds after noon, value, quality."""


def series(*readings: Reading, received_us: int = 1000, late: bool = False) -> Series:
    """Readings by time; a Bad one's value is NaN."""
    times = np.array([NOON + at for at, _, _ in readings], np.int64)
    codes = np.array([code for _, _, code in readings], np.int64)
    values = np.array([value for _, value, _ in readings], np.float64)
    values[codes >= BAD] = np.nan
    n = len(readings)
    return Series(times, values, codes, np.full(n, NO_TIME), times + received_us, np.full(n, late))


def every_second(*values: float) -> Series:
    return series(*((i * SECOND_US, value, GOOD) for i, value in enumerate(values)))


def same(one: Any, other: Any) -> bool:
    """Whether all arrays are equal, NaN being equal to NaN and sums to the last digits."""
    return all(
        np.allclose(getattr(one, f.name), getattr(other, f.name), rtol=1e-9, atol=1e-9, equal_nan=True)
        for f in fields(one)
    )


def test_what_lies_in_the_archive_and_in_the_database_is_read_once() -> None:
    whole = every_second(1, 2, 3, 4)
    late = series((2 * SECOND_US, 9, GOOD), received_us=5 * SECOND_US, late=True)
    both = union([whole.at(slice(0, 3)), Series.empty(), late, whole.at(slice(1, 4))])
    assert both.value.tolist() == [1, 2, 3, 9, 4]
    assert (np.diff(both.time_us) >= 0).all()
    assert union([]).value.tolist() == []
    assert len(union([whole])) == 4


def test_a_second_without_a_reading_is_a_row_that_says_missing() -> None:
    read = series((0, 1.5, GOOD), (SECOND_US + 400_000, 7, GOOD), (3 * SECOND_US, 2.5, BAD_TIMEOUT))
    slots = by_slot(read, SECOND_US, NOON, NOON + 4 * SECOND_US)
    assert slots.quality.tolist() == [GOOD, MISSING, MISSING, BAD_TIMEOUT]
    assert slots.value.tolist()[0] == 1.5
    assert np.isnan(slots.value[1:]).all()
    assert slots.received_us.tolist()[1:3] == [NO_TIME, NO_TIME]
    assert ((slots.time_us - NOON) // SECOND_US).tolist() == [0, 1, 2, 3]


def test_a_window_that_begins_between_two_seconds_has_those_inside_it() -> None:
    slots = by_slot(every_second(1, 2, 3), SECOND_US, NOON + 1, NOON + 2 * SECOND_US + 1)
    assert slots.value.tolist() == [2, 3]
    assert len(by_slot(every_second(1), SECOND_US, NOON + 5, NOON)) == 0


def test_the_late_good_reading_of_a_second_stands_for_it_and_not_the_bad_one_of_the_outage() -> None:
    outage = series((0, 0, BAD), (SECOND_US, 0, BAD))
    backfilled = series((0, 4.5, GOOD), received_us=60 * SECOND_US, late=True)
    both = union([outage, backfilled])
    slots = by_slot(both, SECOND_US, NOON, NOON + 2 * SECOND_US)
    assert slots.quality.tolist() == [GOOD, BAD]
    assert slots.late.tolist() == [True, False]
    whole = gathered(of_readings(both, SECOND_US), NOON, 60 * SECOND_US)
    assert (whole.good[0], whole.bad[0], whole.late[0]) == (1, 1, 1)


def test_each_record_of_a_device_with_its_own_time_counts() -> None:
    records = series((123, 5, GOOD), (60_000_123, 6, GOOD))
    assert on_grid(records, None).tolist() == [True, True]
    assert on_grid(records, SECOND_US).tolist() == [False, False]


def test_a_spike_of_one_reading_is_kept_with_its_time_however_wide_the_bucket() -> None:
    values = [20.0] * 3600
    values[1234] = 99.5
    hour = gathered(of_readings(every_second(*values), SECOND_US), NOON, 3600 * SECOND_US)
    assert (hour.max[0], hour.max_us[0] - NOON) == (99.5, 1234 * SECOND_US)
    assert (hour.min[0], hour.min_us[0] - NOON) == (20.0, 0)
    assert hour.count[0] == 3600


def test_what_is_told_between_two_seconds_is_an_extreme_but_fills_no_second() -> None:
    read = series((0, 1, GOOD), (300_000, 50, GOOD), (SECOND_US, 1, GOOD))
    bucket = gathered(of_readings(read, SECOND_US), NOON, 60 * SECOND_US)
    assert (bucket.max[0], bucket.count[0], bucket.good[0]) == (50, 3, 2)
    assert bucket.time_weighted_mean[0] == 1
    assert bucket.mean[0] == pytest.approx(52 / 3)


def test_a_bucket_in_which_nothing_came_is_there_and_says_what_was_expected() -> None:
    read = every_second(1, 2, 3)
    buckets = gathered(of_readings(read, SECOND_US), NOON, 2 * SECOND_US)
    all_of = with_silence(buckets, NOON, 2 * SECOND_US, SECOND_US, NOON + SECOND_US, NOON + 7 * SECOND_US)
    assert all_of.expected.tolist() == [2, 2, 2, 1]
    assert all_of.good.tolist() == [2, 1, 0, 0]
    assert all_of.missing.tolist() == [0, 1, 2, 1]
    assert np.isnan(all_of.mean[2:]).all()
    assert all_of.min_us.tolist()[2:] == [NO_TIME, NO_TIME]


def test_nothing_is_expected_of_records_or_before_the_first_reading() -> None:
    records = gathered(of_readings(series((5, 1, GOOD)), None), NOON, SECOND_US)
    assert with_silence(records, NOON, SECOND_US, None, NOON, NOON + 9 * SECOND_US).expected.tolist() == [1]
    nothing = silent(np.zeros(0, np.int64))
    assert len(gathered(nothing, NOON, SECOND_US)) == 0
    assert len(with_silence(nothing, NOON, SECOND_US, SECOND_US, NOON, NOON)) == 0


READINGS: Final = st.lists(
    st.tuples(
        st.integers(0, 40).map(lambda tenths: tenths * 250_000),
        st.floats(-1e6, 1e6),
        st.sampled_from((GOOD, GOOD, GOOD, UNCERTAIN, UNCERTAIN_LAST_USABLE, BAD, BAD_TIMEOUT)),
    ),
    max_size=60,
    unique_by=lambda reading: reading[0],
).map(sorted)


@given(READINGS, st.integers(1, 5))
def test_buckets_are_what_adding_one_by_one_gives(readings: list[Reading], seconds: int) -> None:
    width = seconds * SECOND_US
    found = gathered(of_readings(series(*readings), SECOND_US), NOON, width)
    told = {int(time - NOON) // width: found.at(np.array([i])) for i, time in enumerate(found.time_us)}
    assert set(told) == {at // width for at, _, _ in readings}
    for place, bucket in told.items():
        inside = [reading for reading in readings if reading[0] // width == place]
        _is_what_one_by_one_gives(bucket, inside)


def _is_what_one_by_one_gives(bucket: Buckets, inside: list[Reading]) -> None:
    slots = [code for at, _, code in inside if at % SECOND_US == 0]
    assert bucket.good[0] == sum(code < UNCERTAIN for code in slots)
    assert bucket.uncertain[0] == sum(UNCERTAIN <= code < BAD for code in slots)
    assert bucket.bad[0] == sum(code >= BAD for code in slots)
    valued = [(at, value) for at, value, code in inside if code < BAD]
    assert bucket.count[0] == len(valued)
    if not valued:
        assert math.isnan(bucket.mean[0])
        assert bucket.max_us[0] == NO_TIME
        return
    values = [value for _, value in valued]
    mean = sum(values) / len(values)
    assert (bucket.min[0], bucket.max[0]) == (min(values), max(values))
    assert bucket.max_us[0] - NOON == next(at for at, value in valued if value == max(values))
    assert bucket.min_us[0] - NOON == next(at for at, value in valued if value == min(values))
    assert bucket.mean[0] == pytest.approx(mean, abs=1e-6)
    assert bucket.m2[0] == pytest.approx(sum((value - mean) ** 2 for value in values), rel=1e-6, abs=1e-3)


@given(READINGS, st.integers(0, 60))
def test_buckets_of_parts_are_the_buckets_of_the_whole(readings: list[Reading], cut: int) -> None:
    alone = of_readings(series(*readings), SECOND_US)
    minutes = [
        gathered(alone.at(slice(0, cut)), NOON, SECOND_US),
        gathered(alone.at(slice(cut, None)), NOON, SECOND_US),
    ]
    assert same(gathered(joined(minutes), NOON, 5 * SECOND_US), gathered(alone, NOON, 5 * SECOND_US))
