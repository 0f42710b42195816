"""Summaries of frames: what each number means, and that parts merged in any way are the whole."""

import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.quality import BAD, BAD_TIMEOUT, UNCERTAIN, UNCERTAIN_EU_EXCEEDED
from telemetry.historian.rollup import Summary, merged, nothing, slots, summarised
from telemetry.historian.spans import (
    HOUR_NS,
    LONGEST_GAP,
    MINUTE_NS,
    MINUTES_OF_GAP,
    Span,
    expecting,
    missing,
)

SECOND = 1_000_000_000
TAGS = 2


def summary_of(rows: list[tuple[list[float], list[int], bool]], late: int = 0) -> Summary:
    """rows: values, codes, and whether it was expected."""
    values = np.array([row[0] for row in rows], np.float64).reshape(len(rows), TAGS)
    codes = np.array([row[1] for row in rows], np.uint16).reshape(len(rows), TAGS)
    counted = np.array([row[2] for row in rows], np.bool_)
    return summarised(values, codes, counted, late)


def told(of: Summary, tag: int) -> dict[str, float]:
    """What a summary says of one tag."""
    return {
        "expected": of.expected,
        "late": of.late,
        "good": int(of.good[tag]),
        "uncertain": int(of.uncertain[tag]),
        "bad": int(of.bad[tag]),
        "count": int(of.count[tag]),
        "low": float(of.low[tag]),
        "high": float(of.high[tag]),
        "mean": float(of.mean[tag]),
        "m2": float(of.m2[tag]),
        "even": float(of.even[tag]),
    }


def naive(rows: list[tuple[list[float], list[int], bool]], tag: int, late: int) -> dict[str, float]:
    """The same, value by value."""
    counted = [row[1][tag] for row in rows if row[2]]
    values = [row[0][tag] for row in rows if row[1][tag] < BAD]
    even = [row[0][tag] for row in rows if row[1][tag] < BAD and row[2]]
    mean = math.fsum(values) / len(values) if values else math.nan
    return {
        "expected": len(counted),
        "late": late,
        "good": sum(code < UNCERTAIN for code in counted),
        "uncertain": sum(UNCERTAIN <= code < BAD for code in counted),
        "bad": sum(code >= BAD for code in counted),
        "count": len(values),
        "low": min(values, default=math.nan),
        "high": max(values, default=math.nan),
        "mean": mean,
        "m2": math.fsum((value - mean) ** 2 for value in values),
        "even": math.fsum(even) / len(even) if even else math.nan,
    }


def equal(one: dict[str, float], other: dict[str, float]) -> bool:
    """Counts are equal, numbers but for rounding; a spread is rounded where the values are large."""
    scale = max((abs(one[name]) for name in ("low", "high") if not math.isnan(one[name])), default=0.0)
    allowed = {"mean": 1e-12 * scale, "even": 1e-12 * scale, "m2": 1e-11 * scale**2 * max(1.0, one["count"])}
    return all(
        (math.isnan(a) and math.isnan(b)) or abs(a - b) <= allowed.get(name, 0.0)
        for (name, a), b in zip(one.items(), other.values(), strict=True)
    )


@st.composite
def frames(draw: st.DrawFn) -> tuple[list[float], list[int], bool]:
    codes = draw(
        st.lists(st.sampled_from((0, 0, 0, UNCERTAIN, UNCERTAIN_EU_EXCEEDED, BAD, BAD_TIMEOUT)), min_size=2, max_size=2)
    )
    values = [math.nan if code >= BAD else draw(st.floats(-1e6, 1e6)) for code in codes]
    return values, codes, draw(st.booleans())


def test_a_minute_of_a_door_that_opened_between_two_seconds() -> None:
    seconds = [([20.0, 0.0], [0, 0], True)] * 59 + [([21.0, 0.0], [UNCERTAIN, 0], True)]
    opened = ([20.0, 1.0], [0, 0], False)
    minute = summary_of([*seconds, opened])
    assert told(minute, 0)["good"] == 59 and told(minute, 0)["uncertain"] == 1
    door = told(minute, 1)
    assert (door["expected"], door["good"], door["count"], door["high"]) == (60, 60, 61, 1.0)
    assert door["mean"] == 1 / 61 and door["even"] == 0.0, "for time it was shut; the change shows all the same"


def test_bad_values_enter_no_number() -> None:
    minute = summary_of([([math.nan, 5.0], [BAD_TIMEOUT, 0], True), ([math.nan, 7.0], [BAD, 0], True)])
    lost = told(minute, 0)
    assert (lost["bad"], lost["good"], lost["count"]) == (2, 0, 0)
    assert all(math.isnan(lost[name]) for name in ("low", "high", "mean", "even")) and lost["m2"] == 0
    assert told(minute, 1) == {**told(minute, 1), "mean": 6.0, "m2": 2.0, "low": 5.0, "high": 7.0}


def test_frames_that_are_all_good_need_no_codes() -> None:
    values, counted = np.array([[1.0, 2.0], [3.0, 2.0], [9.0, 9.0]]), np.array([True, True, False])
    plain = summarised(values, None, counted, 1)
    coded = summarised(values, np.zeros((3, 2), np.uint16), counted, 1)
    for tag in range(TAGS):
        assert told(plain, tag) == told(coded, tag)


def test_a_constant_has_no_spread_and_its_own_mean() -> None:
    minute = summary_of([([0.1, 1e300], [0, 0], True)] * 60)
    hour = merged([minute] * 60)
    for part in (minute, hour):
        assert told(part, 0)["mean"] == 0.1 and told(part, 0)["m2"] < 1e-30
        assert told(part, 1)["mean"] == 1e300


def test_small_differences_of_large_numbers_are_kept() -> None:
    parts = [summary_of([([1e6 + i * 1e-6, 0.0], [0, 0], True)]) for i in range(100)]
    assert abs(told(merged(parts), 0)["mean"] - (1e6 + 49.5e-6)) < 2e-10


@given(st.lists(frames(), max_size=12), st.integers(0, 5))
def test_a_summary_says_what_each_value_says(rows: list[tuple[list[float], list[int], bool]], late: int) -> None:
    of = summary_of(rows, late)
    for tag in range(TAGS):
        assert equal(told(of, tag), naive(rows, tag, late))


@settings(max_examples=300)
@given(st.lists(st.lists(frames(), max_size=6), min_size=1, max_size=6), st.data())
def test_parts_merged_in_any_order_and_any_groups_are_the_whole(
    portions: list[list[tuple[list[float], list[int], bool]]], data: st.DataObject
) -> None:
    whole = summary_of([row for rows in portions for row in rows])
    heap = data.draw(st.permutations([summary_of(rows) for rows in portions]))
    while len(heap) > 1:
        some = data.draw(st.integers(2, len(heap)))
        heap = [*heap[some:], merged(heap[:some])]
    for tag in range(TAGS):
        assert equal(told(heap[0], tag), told(whole, tag))
        assert not told(heap[0], tag)["mean"] > told(heap[0], tag)["high"]


def test_nothing_adds_nothing_but_what_was_expected() -> None:
    minute = summary_of([([1.0, 2.0], [0, UNCERTAIN], True)])
    both = merged([nothing(60, TAGS), minute, nothing(0, TAGS)])
    for tag in range(TAGS):
        assert told(both, tag) == {**told(minute, tag), "expected": 61}
    assert merged([minute]) is minute


@given(
    st.integers(-500, 500),
    st.integers(0, 500),
    st.integers(-500, 500),
    st.none() | st.integers(-500, 500),
    st.integers(1, 70),
)
def test_slots_are_counted_as_they_lie(start: int, length: int, since: int, until: int | None, period: int) -> None:
    end = start + length
    one_by_one = [t for t in range(start, end) if t % period == 0 and t >= since and (until is None or t < until)]
    assert slots(start, end, since, until, period) == len(one_by_one)


# ---- which minutes and hours have to be told of

SINCE = 1000 * HOUR_NS


def span(minute: int | None = None, until_ns: int | None = None, record: bool = False) -> Span:
    return Span(TAGS, record, SINCE, until_ns, minute, None)


def runs(of: Span, closed: int, *there: int) -> list[int]:
    """The minutes that get a row without anything having come."""
    return [minute for _, run in missing([(7, x) for x in there], {7: of}, closed) for minute in run]


def test_every_minute_without_frames_is_told_of() -> None:
    first = SINCE // MINUTE_NS
    assert runs(span(), first + 6, first, first + 1, first + 4) == [first + 2, first + 3, first + 5]
    assert runs(span(minute=first + 3), first + 6) == [first + 4, first + 5]
    assert runs(span(minute=first + 3), first + 6, first + 1, first + 7) == [first + 4, first + 5]


def test_nothing_is_missed_of_what_is_not_expected() -> None:
    first = SINCE // MINUTE_NS
    assert runs(span(record=True), first + 6) == []
    assert runs(Span(TAGS, False, None, None, None, None), first + 6) == []
    assert runs(span(until_ns=SINCE + 2 * MINUTE_NS + 1), first + 6) == [first, first + 1, first + 2]
    assert expecting(nothing(5, TAGS), span(record=True), SINCE, MINUTE_NS).expected == 5
    assert expecting(nothing(5, TAGS), span(until_ns=SINCE + 7 * SECOND), SINCE, MINUTE_NS).expected == 7
    assert span(record=True).expected(SINCE, HOUR_NS) == 0


def test_of_a_long_gap_the_ends_are_told_by_the_minute() -> None:
    first = SINCE // MINUTE_NS + 10
    closed = first + MINUTES_OF_GAP + 100
    found = runs(span(minute=first - 1), closed)
    hour = -(-first // 60) * 60
    assert found == [*range(first, hour), *range(closed // 60 * 60, closed)]


def test_of_the_longest_gap_only_the_end_is_told() -> None:
    closed = SINCE // MINUTE_NS + 3 * LONGEST_GAP + 17
    begun = span().without_rows(None, closed, MINUTE_NS).start
    assert begun % 60 == 0 and closed - LONGEST_GAP <= begun < closed - LONGEST_GAP + 60
    assert len(span().without_rows(None, closed // 60, HOUR_NS)) == LONGEST_GAP // 60
