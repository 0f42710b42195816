"""Calibrations: which one of a tag counts, from when on it is past due, what cannot be entered; and what survives a restart."""

from typing import Any

import numpy as np
import pytest

from drivers.frame import Frame, Layout
from drivers.profile import ProfileTag, SensorChecks, Text
from drivers.quality import reason_of
from telemetry.sensors.calibrations import LAST_NS, Calibration, calibration_of, mistake
from telemetry.sensors.sensors import Sensors

S = 10**9
NOW_NS = 1_780_000_000 * S
YEAR_NS = 365 * 86_400 * S
NAME = Text(en="x", zh="x")
LAYOUT, OTHER = Layout("D", ("D.a", "D.b")), Layout("E", ("E.a",))


def calibration(**given: Any) -> Calibration:
    usual: dict[str, Any] = {"tag": "D.a", "performed_ns": NOW_NS - S, "due_ns": NOW_NS + YEAR_NS, "certificate": "C-1"}
    return Calibration(**(usual | {"result": "pass", "person": "engineer"} | given))


def sensors(checks: SensorChecks | None = None) -> Sensors:
    tag = ProfileTag(name=NAME, node="s=X", checks=checks or SensorChecks())
    return Sensors((LAYOUT, OTHER), {"D.a": tag, "D.b": ProfileTag(name=NAME, node="s=X"), "E.a": tag})


def told(watch: Sensors, at_ns: int, value: float = 1.0, layout: Layout = LAYOUT) -> list[str | None]:
    n = len(layout.tags)
    frame = Frame(layout, at_ns, at_ns, np.full(n, value), None, np.full(n, at_ns))
    found = watch.judged(frame).quality
    return [None] * n if found is None else [reason_of(int(code)) for code in found]


def test_a_sensor_is_doubted_from_the_second_in_which_its_calibration_is_due() -> None:
    watch = sensors()
    watch.calibrate(calibration(due_ns=NOW_NS + 10 * S))
    assert told(watch, NOW_NS + 9 * S) == [None, None]
    assert told(watch, NOW_NS + 10 * S) == ["UncertainSensorCalibration", None]
    assert told(watch, NOW_NS + 10 * S, layout=OTHER) == [None]
    watch.calibrate(calibration(performed_ns=NOW_NS + 11 * S))
    assert told(watch, NOW_NS + 12 * S) == [None, None]


def test_a_calibration_that_failed_is_past_due_at_once() -> None:
    watch = sensors()
    watch.calibrate(calibration(result="fail"))
    assert told(watch, NOW_NS) == ["UncertainSensorCalibration", None]


def test_the_newest_counts_by_when_it_was_performed_not_by_when_it_was_entered() -> None:
    watch, old, new = sensors(), calibration(due_ns=NOW_NS), calibration(performed_ns=NOW_NS)
    watch.calibrate(new)
    watch.calibrate(old)
    assert watch.calibrations == {"D.a": new}
    assert told(watch, NOW_NS + S) == [None, None]
    mended = calibration(performed_ns=NOW_NS, certificate="C-2")
    watch.calibrate(mended)
    assert watch.calibrations == {"D.a": mended}, "of the same moment the one that was entered later"


def test_one_that_says_the_same_is_known_whoever_enters_it() -> None:
    assert calibration(person="somebody else").says(calibration())
    assert not calibration(certificate="C-2").says(calibration())
    assert not calibration().says(None)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"tag": "D.c"}, "no measured tag D.c"),
        ({"performed_ns": NOW_NS + 1}, "in the future"),
        ({"due_ns": NOW_NS - S}, "due before it was performed"),
        ({"performed_ns": NOW_NS - S, "due_ns": NOW_NS - 2 * S}, "due before it was performed"),
        ({"due_ns": LAST_NS}, "due after 2099"),
        ({"performed_ns": 0}, "before 1970"),
        ({"certificate": "  "}, "names no certificate"),
        ({"note": "x" * 2001}, "more than 2000 signs"),
        ({"certificate": "a\0"}, "a NUL"),
        ({}, None),
        ({"performed_ns": NOW_NS}, None),
        ({"due_ns": NOW_NS - S + 1, "note": "x" * 2000}, None),
    ],
)
def test_what_cannot_be_is_named(given: dict[str, Any], says: str | None) -> None:
    wrong = mistake(calibration(**given), ("D.a", "D.b"), NOW_NS)
    assert (wrong is None) == (says is None)
    assert wrong is None or (says or "") in wrong
    assert sensors().mistakes([calibration(), calibration(**given)], NOW_NS) == ([] if wrong is None else [wrong])


@pytest.mark.parametrize(
    "wrong", [{"result": "perhaps"}, {"performed_ns": "yesterday"}, {"due_ns": 1.5}, {"person": None}, {"tag": ["D.a"]}]
)
def test_what_has_not_the_form_of_a_calibration_is_none(wrong: dict[str, Any]) -> None:
    data = calibration(note="x").data()
    assert calibration_of({**data, "kind": "calibration"}) == calibration(note="x")
    with pytest.raises(ValueError, match="This is no calibration"):
        calibration_of({**data, **wrong})


# ---- over a restart


CHECKS = SensorChecks(frozen_s=5, max_rate_per_s=1, stale_s=20, stale_bad_s=30)


def after_restart(old: Sensors, checks: SensorChecks | None = CHECKS, *since: Calibration) -> Sensors:
    new = sensors(checks)
    new.resume(old.saved(), since)
    return new


def test_what_was_frozen_is_frozen_after_a_restart() -> None:
    watch = sensors(CHECKS)
    for second in range(6):
        told(watch, NOW_NS + second * S, 40.0)
    again = after_restart(watch)
    assert told(again, NOW_NS + 60 * S, 40.0)[0] == "UncertainLastUsableValue"
    assert told(again, NOW_NS + 61 * S, 41.0)[0] is None
    assert told(again, NOW_NS + 62 * S, 50.0)[0] == "UncertainSensorNotAccurate"


def test_a_value_and_a_time_from_before_a_restart_still_count() -> None:
    watch = sensors(CHECKS)
    told(watch, NOW_NS, 40.0)
    again = after_restart(watch)
    assert told(again, NOW_NS + 2 * S, 45.0)[0] == "UncertainSensorNotAccurate"
    stale = after_restart(watch)
    frame = Frame(LAYOUT, NOW_NS + 25 * S, NOW_NS + 25 * S, np.full(2, 45.0), None, np.full(2, NOW_NS))
    quality = stale.judged(frame).quality
    assert quality is not None and reason_of(int(quality[0])) == "UncertainNoCommunicationLastUsableValue"


def test_calibrations_come_back_and_those_entered_since_are_added() -> None:
    watch = sensors()
    watch.calibrate(calibration(due_ns=NOW_NS + 10 * S))
    gone = calibration(tag="X.gone")
    watch.calibrate(gone)
    assert told(after_restart(watch), NOW_NS + 20 * S) == ["UncertainSensorCalibration", None]
    again = after_restart(watch, None, calibration(performed_ns=NOW_NS))
    assert told(again, NOW_NS + 20 * S) == [None, None]
    assert again.calibrations["X.gone"] == gone, "the tag may come back into the plant"


def test_checks_that_are_others_now_begin_anew() -> None:
    watch = sensors(CHECKS)
    for second in range(6):
        told(watch, NOW_NS + second * S, 40.0)
    assert told(after_restart(watch, SensorChecks(frozen_s=5)), NOW_NS + 6 * S, 40.0)[0] is not None
    assert told(after_restart(watch, SensorChecks(max_rate_per_s=1)), NOW_NS + 6 * S, 40.0) == [None, None]
    saved = watch.saved()
    saved["checks"][LAYOUT.id]["Still"]["slots"] = np.array([0, 1], np.intp).tobytes()
    other = sensors(CHECKS)
    other.resume(saved, ())
    assert told(other, NOW_NS + 6 * S, 40.0) == [None, None]
    nothing = sensors(CHECKS)
    nothing.resume({}, ())
    assert told(nothing, NOW_NS + 6 * S, 40.0) == [None, None]
    assert sensors().saved() == {"checks": {}, "calibrations": []}
