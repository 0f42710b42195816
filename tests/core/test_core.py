"""The core as a whole: stories that golden cases cannot tell."""

from copy import deepcopy
from typing import Any

import numpy as np
from small_core import SECOND, START_NS, Story, events, small

from alarms.core import Act, Outcome, Readings
from alarms.limits import NEVER


def test_a_quiet_frame_costs_nothing_and_changes_nothing() -> None:
    story = Story(small({"ISO.reversal": {"tag": "ISO.pressure", "low": 0, "priority": 1}}))
    story.at(0).reads(ISO__pressure=40)
    story.core.wake_ns = far_ns = story.now_ns + 100 * SECOND  # would be put right if anything were looked at
    assert story.at(1).reads(ISO__pressure=41) == []
    assert story.core.wake_ns == far_ns


def test_a_quiet_frame_at_the_very_moment_when_a_silence_ends_sounds_the_horn() -> None:
    story = Story(small({"ISO.reversal": {"tag": "ISO.pressure", "low": 0, "priority": 1}}))
    story.at(0).reads(ISO__pressure=-1)
    story.act("silence")
    story.now_ns = START_NS + 120 * SECOND
    assert story.reads(ISO__pressure=-1) == ["120 BCN.horn = 1"]


def test_an_alarm_raised_between_two_frames_tells_the_newest_value() -> None:
    story = Story(small({"ISO.low": {"tag": "ISO.pressure", "low": 10, "on_delay_s": 2.5, "priority": 3}}))
    story.at(0).reads(ISO__pressure=9)
    story.at(2).reads(ISO__pressure=7)
    assert story.at(3).told == ["2.5 ISO.low/1 raised B at 7"]
    assert story.core.states.value[0] == 7


def test_a_delay_that_runs_over_a_restart_is_told_without_a_value() -> None:
    plant = small({"ISO.low": {"tag": "ISO.pressure", "low": 10, "on_delay_s": 5, "priority": 3}})
    before = Story(plant)
    before.at(0).reads(ISO__pressure=9)
    story = Story(plant)
    story.core.limits = deepcopy(before.core.limits)
    story.core.due_ns[:] = 0
    story.core.wake_ns = 0
    assert story.at(10).told == ["5 ISO.low/1 raised B at bad"]


def test_an_output_read_back_by_a_scan_is_confirmed_without_an_outcome() -> None:
    story = Story(small({"ISO.reversal": {"tag": "ISO.pressure", "low": 0, "priority": 1}}, read_back=["BCN.horn"]))
    story.deaf = {"BCN.horn"}
    story.at(0).reads(ISO__pressure=-1)
    assert not story.core.outputs.confirmed("BCN.horn")
    story.at(1).reads(BCN__horn=1)
    assert story.core.outputs.confirmed("BCN.horn")


def test_an_outcome_of_an_output_that_nobody_wants_is_no_trouble() -> None:
    story = Story(small({"ISO.reversal": {"tag": "ISO.pressure", "low": 0, "priority": 1}}))
    assert story.give(Outcome("ISO.fan", 1.0)) == []


def test_a_release_is_over_when_a_scan_or_the_write_shows_it() -> None:
    row: dict[str, Any] = {"tag": "ISO.pressure", "low": 10, "effects": {"ISO.hold": 1}}
    for read_back in ([], ["ISO.hold"]):
        story = Story(small({}, {"ISO.lost": row}, {}, read_back))
        story.at(0).scanned({"ISO.pressure": 5} | dict.fromkeys(read_back, 0))
        story.at(1).scanned({"ISO.pressure": 40} | dict.fromkeys(read_back, 1))
        story.deaf = {"ISO.hold"}
        story.at(2).act("reset-interlock", "ISO.lost")
        assert story.output("ISO.hold") == 0
        story.deaf = set()
        if read_back:
            story.at(3).scanned({"ISO.hold": 0})
        else:
            story.at(4)
        assert "ISO.hold" not in story.core.outputs.by_tag
        assert story.core.wake_ns == NEVER


def test_what_comes_out_is_plain_enough_for_a_journal() -> None:
    story = Story(small({"ISO.reversal": {"tag": "ISO.pressure", "low": 0, "priority": 1}}))
    effects, _ = story.core.step(Readings(0, np.array([-1.0, 0.0])), START_NS)
    (event,) = events(effects)
    assert (event.kind, event.data) == (
        "alarm",
        {
            "alarm": "ISO.reversal",
            "occurrence": 1,
            "transition": "raised",
            "letter": "B",
            "priority": 1,
            "value": -1.0,
        },
    )
    assert [type(x) for x in event.data.values()] == [str, int, str, str, int, float]
    story.at(1)
    effects, _ = story.core.step(Act("acknowledge", "ISO.reversal", 1, "lin", "door was open"), START_NS + SECOND)
    assert events(effects)[0].data["person"] == "lin"
    assert events(effects)[0].data["comment"] == "door was open"
