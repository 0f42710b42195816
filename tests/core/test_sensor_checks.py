"""Sensors that are wrong though their device says Good: stories of one sensor, then any run of readings against plain Python."""

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from drivers.frame import Frame, Layout
from drivers.profile import ProfileTag, Record, Register, SensorChecks, Text
from drivers.quality import BAD_SENSOR_FAILURE, UNCERTAIN_SUBSTITUTE, class_of, reason_of
from telemetry.sensors.checks import LayoutChecks, checks_of

S = 10**9
START_NS = 1_780_000_000 * S
NAME = Text(en="x", zh="x")
STALE, LOST = "UncertainNoCommunicationLastUsableValue", "BadInvalidTimestamp"
OUTSIDE, FAST, FROZEN = "UncertainEngineeringUnitsExceeded", "UncertainSensorNotAccurate", "UncertainLastUsableValue"
PAST_DUE = "UncertainSensorCalibration"


def tag(**given: Any) -> ProfileTag:
    return ProfileTag(**({"name": NAME, "node": "s=X"} | given))


def checked(record: bool = False, **tags: ProfileTag) -> tuple[Layout, LayoutChecks]:
    layout = Layout("D", tuple(f"D.{name}" for name in tags), record)
    return layout, checks_of(layout, {f"D.{name}": spec for name, spec in tags.items()})


@dataclass
class Sensor:
    """One sensor, told a reading at a time; it answers with the reason that stands in the journal (None: Good)."""

    spec: ProfileTag
    now_s: float = 0.0
    record: bool = False
    layout: Layout = field(init=False)
    checks: LayoutChecks = field(init=False)

    def __post_init__(self) -> None:
        self.layout, self.checks = checked(self.record, x=self.spec)

    def __call__(
        self, value: float, code: int = 0, after_s: float = 1.0, stamp_s: float | None = None, late: bool = False
    ) -> str | None:
        self.now_s += after_s
        now_ns = START_NS + round(self.now_s * S)
        source_ns = None if stamp_s is None else np.array([round(stamp_s * S)])
        values, quality = np.array([value]), np.array([code], np.uint16) if code else None
        frame = Frame(self.layout, now_ns, now_ns, values, quality, source_ns, late)
        found = self.checks.judged(frame)
        assert (found.layout, found.time_ns, found.received_ns, found.late) == (self.layout, now_ns, now_ns, late)
        assert found.source_ns is source_ns
        assert values.tolist() == [value] or math.isnan(value), "what the driver keeps is not touched"
        told = 0 if found.quality is None else int(found.quality[0])
        assert math.isnan(found.values[0]) == (class_of(told) == "Bad")
        assert (found is frame) == (told == code)
        return reason_of(told)


# ---- out of range


def test_a_value_beyond_what_the_instrument_can_show_is_uncertain_and_kept() -> None:
    sensor = Sensor(tag(range=(0.0, 160.0)))
    assert [sensor(v) for v in (0.0, 160.0, -2.0, 165.0)] == [None] * 4, "a healthy signal goes from 3.8 to 20.5 mA"
    assert [sensor(v) for v in (-2.01, 165.01, math.inf)] == [OUTSIDE] * 3
    assert sensor(80.0) is None


def test_a_margin_of_its_own_replaces_that_of_a_current_loop() -> None:
    sensor = Sensor(tag(range=(0.0, 160.0), checks=SensorChecks(margin=0)))
    assert [sensor(v) for v in (0.0, 160.0, -0.1, 160.1)] == [None, None, OUTSIDE, OUTSIDE]


def test_what_is_no_measured_value_is_checked_where_its_profile_says_so() -> None:
    assert Sensor(tag(kind="integer", range=(0.0, 50.0)))(1000.0) is None
    assert Sensor(tag(kind="integer", range=(0.0, 50.0), checks=SensorChecks(margin=0)))(51.0) == OUTSIDE
    assert Sensor(tag())(1e300) is None


# ---- too fast


def test_of_a_spike_only_the_spike_is_told() -> None:
    sensor = Sensor(tag(checks=SensorChecks(max_rate_per_s=1)))
    assert [sensor(v) for v in (37.0, 37.9, 60.0, 37.5, 37.4)] == [None, None, FAST, None, None]


def test_a_true_step_is_believed_once_the_time_explains_it() -> None:
    sensor = Sensor(tag(checks=SensorChecks(max_rate_per_s=1)))
    sensor(20.0)
    assert [sensor(24.5) for _ in range(6)] == [FAST] * 4 + [None] * 2


def test_readings_that_are_missed_in_between_give_the_value_time_to_move() -> None:
    sensor = Sensor(tag(checks=SensorChecks(max_rate_per_s=1)))
    sensor(20.0)
    assert sensor(29.0, after_s=10.0) is None
    assert [sensor(math.nan, BAD_SENSOR_FAILURE) for _ in range(9)] == ["BadSensorFailure"] * 9
    assert sensor(20.0) is None


def test_two_replies_that_come_close_together_are_judged_as_a_second_apart() -> None:
    sensor = Sensor(tag(checks=SensorChecks(max_rate_per_s=1)))
    sensor(20.0)
    assert sensor(20.9, after_s=0.2) is None


# ---- frozen


def test_a_noisy_value_that_does_not_change_any_more_is_frozen() -> None:
    sensor = Sensor(tag(checks=SensorChecks(frozen_s=5)))
    assert [sensor(v) for v in (40.0, 40.1, 40.1, 40.1, 40.1, 40.1)] == [None] * 6
    assert [sensor(40.1) for _ in range(3)] == [FROZEN] * 3
    assert sensor(40.2) is None


def test_time_that_was_not_seen_does_not_count() -> None:
    sensor = Sensor(tag(checks=SensorChecks(frozen_s=5)))
    assert [sensor(40.0) for _ in range(4)] == [None] * 4, "3 s"
    assert sensor(math.nan, BAD_SENSOR_FAILURE, after_s=2.0) == "BadSensorFailure"
    assert sensor(40.0, after_s=2.0) is None, "Bad before: from here on it counts again"
    assert sensor(40.0, after_s=3600.0) is None, "nobody looked: it may have moved and come back"
    assert sensor(40.0) is None, "4 s"
    assert sensor(40.0) == FROZEN


def test_an_uncertain_value_keeps_the_reason_that_its_device_gave() -> None:
    sensor = Sensor(tag(range=(0.0, 1.0), checks=SensorChecks(frozen_s=5, max_rate_per_s=1, stale_s=2)))
    for _ in range(8):
        sensor(40.0, stamp_s=1.0)
    assert sensor(90.0, UNCERTAIN_SUBSTITUTE, stamp_s=1.0) == "UncertainSubstituteValue"


# ---- stale


def test_a_time_that_stands_still_is_first_uncertain_then_bad() -> None:
    sensor = Sensor(tag(checks=SensorChecks(stale_s=3)))
    assert [sensor(1.0, stamp_s=7.0) for _ in range(3)] == [None] * 3
    assert [sensor(1.0, stamp_s=7.0) for _ in range(7)] == [STALE] * 7
    assert [sensor(1.0, stamp_s=7.0) for _ in range(2)] == [LOST] * 2
    assert sensor(1.0, stamp_s=6.0) is None, "a clock that was set back lives too"


def test_an_outage_is_no_staleness_unless_the_time_still_stands() -> None:
    sensor = Sensor(tag(checks=SensorChecks(stale_s=3)))
    sensor(1.0, stamp_s=7.0)
    assert sensor(math.nan, BAD_SENSOR_FAILURE, after_s=60.0) == "BadSensorFailure"
    assert sensor(1.0, stamp_s=68.0) is None
    assert sensor(math.nan, BAD_SENSOR_FAILURE, after_s=60.0) == "BadSensorFailure"
    assert sensor(1.0, stamp_s=68.0) == LOST


def test_a_device_without_a_clock_is_never_stale() -> None:
    sensor = Sensor(tag(checks=SensorChecks(stale_s=3)))
    assert {sensor(1.0, stamp_s=stamp) for stamp in (None, 0.0) * 20} == {None}


# ---- calibration past due


def test_past_its_due_time_a_value_is_uncertain_until_it_is_calibrated_anew() -> None:
    sensor = Sensor(tag())
    sensor.checks.calibrated(0, 1, START_NS + 3 * S)
    assert [sensor(1.0) for _ in range(4)] == [None, None, PAST_DUE, PAST_DUE]
    assert sensor(math.nan, BAD_SENSOR_FAILURE) == "BadSensorFailure"
    sensor.checks.calibrated(0, 1, START_NS + 100 * S)
    assert sensor(1.0) is None


def test_a_calibration_is_of_one_tag_among_many() -> None:
    layout, checks = checked(a=tag(), b=tag(), c=tag())
    checks.calibrated(1, 3, START_NS)
    checks.calibrated(2, 3, START_NS + S)
    found = checks.judged(Frame(layout, START_NS, START_NS, np.zeros(3)))
    assert found.quality is not None
    assert [reason_of(int(code)) for code in found.quality] == [None, PAST_DUE, None]


# ---- several at once, and what is not looked at


def test_the_worst_finding_is_told() -> None:
    sensor = Sensor(
        tag(range=(0.0, 100.0), checks=SensorChecks(max_rate_per_s=1, frozen_s=5, stale_s=20, stale_bad_s=30))
    )
    sensor.checks.calibrated(0, 1, START_NS)
    assert sensor(50.0, stamp_s=1.0) == PAST_DUE
    assert [sensor(50.0, stamp_s=1.0) for _ in range(5)][-1] == FROZEN
    assert sensor(70.0, stamp_s=1.0) == FAST
    assert sensor(200.0, stamp_s=1.0) == OUTSIDE
    assert sensor(200.0, after_s=20.0, stamp_s=1.0) == STALE
    assert sensor(200.0, after_s=10.0, stamp_s=1.0) == LOST


@pytest.mark.parametrize("record", [False, True])
def test_what_comes_late_or_in_records_is_judged_by_range_and_calibration_alone(record: bool) -> None:
    spec = tag(range=(0.0, 100.0), checks=SensorChecks(max_rate_per_s=1, frozen_s=5, stale_s=2))
    sensor = Sensor(spec, record=record)
    told = [sensor(v, stamp_s=1.0, late=not record) for v in (1.0, 90.0, *[1.0] * 12)]
    assert told == [None] * 14
    assert sensor(200.0, late=not record) == OUTSIDE
    sensor.checks.calibrated(0, 1, START_NS)
    assert sensor(50.0, late=not record) == PAST_DUE


def test_one_sensor_does_not_touch_its_neighbours() -> None:
    layout, checks = checked(a=tag(range=(0.0, 1.0)), b=tag(checks=SensorChecks(stale_s=2)), c=tag())
    for second in range(20):
        now_ns = START_NS + second * S
        values, source_ns = np.array([9.0, 5.0, 7.0]), np.array([now_ns, START_NS, now_ns])
        found = checks.judged(Frame(layout, now_ns, now_ns, values, None, source_ns))
    assert found.quality is not None
    assert [reason_of(int(code)) for code in found.quality] == [OUTSIDE, LOST, None]
    assert np.isnan(found.values[1]) and found.values[[0, 2]].tolist() == [9.0, 7.0]
    assert values.tolist() == [9.0, 5.0, 7.0]


def test_a_layout_without_checks_has_none() -> None:
    assert not checked(a=tag(), b=tag(kind="boolean"))[1].some
    assert checked(a=tag(), b=tag(range=(0.0, 1.0)))[1].some
    assert checked(a=tag(checks=SensorChecks(frozen_s=60)))[1].some


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"kind": "boolean", "checks": {"frozen_s": 60}}, "a boolean has no checks"),
        ({"checks": {"margin": 1}}, "give the range"),
        ({"checks": {"stale_s": 20}}, "longer stale_bad_s"),
        ({"checks": {"frozen_s": 1}}, "greater than or equal to 5"),
        ({"checks": {"frozen": 60}}, "Extra inputs"),
        ({"sampling_ms": 100, "checks": {"stale_s": 3}}, "brings its own time"),
        ({"node": None, "register_": Register(table="input", address=0), "checks": {"stale_s": 3}}, "brings its own time"),
        ({"node": None, "record": Record(field="volume"), "checks": {"frozen_s": 60}}, "only a margin"),
    ],
)  # fmt: skip
def test_a_check_that_cannot_work_is_refused(given: dict[str, Any], says: str) -> None:
    given = {("register" if key == "register_" else key): value for key, value in given.items()}
    with pytest.raises(ValidationError, match=says):
        tag(**given)


# ---- any run of readings, against plain Python


@dataclass
class Plain:
    """The same rules for one value at a time."""

    spec: ProfileTag
    due_s: float = math.inf
    believed: tuple[float, float] | None = None
    held: float | None = None
    still_s: float = 0.0
    seen_s: float = -math.inf
    was_good: bool = False
    stamp: int | None = None
    moved_s: float = 0.0

    def __call__(self, now_s: float, value: float, good: bool, stamp: int | None) -> str | None:
        checks, found = self.spec.checks, None
        if now_s >= self.due_s:
            found = PAST_DUE
        if good and value == self.held:
            self.still_s += now_s - self.seen_s if self.was_good and now_s - self.seen_s <= 2.5 else 0.0
        elif good:
            self.held, self.still_s = value, 0.0
        if checks.frozen_s is not None and self.still_s >= checks.frozen_s:
            found = FROZEN
        self.seen_s, self.was_good = now_s, good
        if checks.max_rate_per_s is not None and good:
            if self.believed is not None:
                before, at_s = self.believed
                if abs(value - before) > checks.max_rate_per_s * max(now_s - at_s, 1.0):
                    found = FAST
            if found != FAST:
                self.believed = value, now_s
        if self.spec.range is not None:
            low, high = self.spec.range
            assert checks.margin is not None
            if value < low - checks.margin or value > high + checks.margin:
                found = OUTSIDE
        if checks.stale_s is not None and stamp is not None:
            if stamp != self.stamp or stamp == 0:
                self.moved_s = now_s
            self.stamp = stamp
            if now_s - self.moved_s >= checks.stale_s:
                found = STALE
            if now_s - self.moved_s >= checks.stale_bad_s:
                found = LOST
        return found if good else None


SPECS = st.builds(
    lambda span, margin, rate, frozen, stale: tag(
        range=span,
        checks=SensorChecks(
            margin=None if span is None else margin, max_rate_per_s=rate, frozen_s=frozen, stale_s=stale, stale_bad_s=6
        ),
    ),
    st.sampled_from([None, (0.0, 2.0)]),
    st.sampled_from([0.0, 1.0]),
    st.sampled_from([None, 0.5, 1.0]),
    st.sampled_from([None, 5.0]),
    st.sampled_from([None, 2.0, 4.0]),
)
VALUES, CODES, STAMPS = (
    st.sampled_from([-2.0, 0.0, 1.0, 2.0, 4.0]),
    st.sampled_from([0, 0, 0, 0x4091, 0x808C]),
    st.integers(0, 3),
)
TIMES = st.sampled_from([0.25, 1.0, 1.0, 1.0, 2.0, 5.0])


@given(st.data(), st.lists(SPECS, min_size=1, max_size=4), st.booleans())
def test_any_run_of_readings_is_judged_as_one_by_one(
    data: st.DataObject, specs: list[ProfileTag], stamped: bool
) -> None:
    n, now_s = len(specs), 0.0
    layout, checks = checked(**{f"t{i}": spec for i, spec in enumerate(specs)})
    plain = [Plain(spec) for spec in specs]
    for slot, due_s in data.draw(st.lists(st.tuples(st.integers(0, n - 1), st.integers(0, 20)), max_size=2)):
        checks.calibrated(slot, n, START_NS + due_s * S)
        plain[slot].due_s = due_s
    lists = (st.lists(one, min_size=n, max_size=n) for one in (VALUES, CODES, STAMPS))
    for after_s, values, codes, stamps in data.draw(st.lists(st.tuples(TIMES, *lists), max_size=15)):
        now_s += after_s
        now_ns = START_NS + round(now_s * S)
        quality = np.array(codes, np.uint16)
        given_values = np.where(quality >= 0x8000, np.nan, values)
        source_ns = np.array(stamps) if stamped else None
        frame = Frame(layout, now_ns, now_ns, given_values, quality if quality.any() else None, source_ns)
        found = checks.judged(frame)
        told = [0] * n if found.quality is None else found.quality.tolist()
        for i in range(n):
            by_hand = plain[i](now_s, values[i], codes[i] == 0, stamps[i] if stamped else None)
            assert reason_of(told[i]) == (by_hand or reason_of(codes[i])), (i, now_s)
            assert np.isnan(found.values[i]) == (class_of(told[i]) == "Bad")
