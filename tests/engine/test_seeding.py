"""Without a checkpoint: what stood before the first frame that is left comes from the events, and no occurrence comes twice."""

from pathlib import Path

from alarms.core import Core
from telemetry.engine.replay import restore
from telemetry.journal.reader import segments
from telemetry.journal.writer import Writer
from tests.engine.life import START_NS, WRITER, Life, state
from tests.engine.small_plant import ISOLATOR, small_plant

LOW = f"{ISOLATOR}.pressure.low"
GOOD, BELOW, STOPPED = [40.0, 1.0, 0.0, 0.0, 0.0], [-10.0, 1.0, 0.0, 0.0, 0.0], [40.0, 0.0, 0.0, 0.0, 0.0]


def seconds(life: Life, values: list[float], count: int = 3) -> None:
    for _ in range(count):
        life.pass_time(1000)
        life.wake()
        life.frame(1, values)


def lived(folder: Path) -> Life:
    """Three occurrences of one alarm, the last one standing; another alarm acknowledged; an interlock tripped."""
    life = Life(folder, small_plant())
    for occurrence in (1, 2):
        seconds(life, BELOW)
        seconds(life, GOOD)
        assert life.act("acknowledge", LOW, occurrence)
        assert life.act("reset", LOW, occurrence)
    seconds(life, STOPPED)
    assert life.act("acknowledge", f"{ISOLATOR}.fan.stopped", 1)
    seconds(life, [-10.0, 0.0, 0.0, 0.0, 0.0])
    return life


def begun_again(folder: Path) -> Core:
    core = Core(small_plant().definitions)
    restore(folder, core, small_plant().number)
    return core


def test_what_stood_and_its_number_come_from_the_events_where_no_frame_is_left(tmp_path: Path) -> None:
    life = lived(tmp_path / "life")
    life.journal.close()
    for _, path in segments(life.folder, "frames"):
        path.unlink()
    core = begun_again(life.folder)
    before, after = state(life.core), state(core)
    assert after["letters"] == before["letters"]
    assert after["tripped"] == before["tripped"]
    assert core.states.occurrence.tolist() == life.core.states.occurrence.tolist()
    assert core.states.raised_ns.tolist() == life.core.states.raised_ns.tolist()
    assert core.states.acknowledged_by == life.core.states.acknowledged_by
    life.core = core  # and from there on it goes on: the standing alarm clears, the next one has the next number
    life.journal = Writer(life.folder, WRITER)
    seconds(life, GOOD)
    assert not core.states.active[core.number[LOW]]
    seconds(life, BELOW)
    assert core.states.occurrence[core.number[LOW]] == 4


def test_frames_that_are_left_are_replayed_from_what_stood_before_them(tmp_path: Path) -> None:
    life = lived(tmp_path / "life")
    life.journal.close()
    life.journal = Writer(life.folder, WRITER)  # a segment of its own for what comes now
    seconds(life, GOOD)
    seconds(life, BELOW)
    life.journal.close()
    segments(life.folder, "frames")[0][1].unlink()
    core = begun_again(life.folder)
    assert state(core)["letters"] == state(life.core)["letters"]
    assert core.states.occurrence.tolist() == life.core.states.occurrence.tolist()


def test_a_number_that_the_journal_names_is_never_given_out_again(tmp_path: Path) -> None:
    writer = Writer(tmp_path, WRITER)
    raised = {"kind": "alarm", "alarm": LOW, "transition": "raised", "letter": "B", "priority": 1, "value": None}
    writer.event(START_NS, {**raised, "occurrence": 41})
    writer.event(
        START_NS, {"kind": "journal", "transition": "adopted", "mark": None, "occurrences": {LOW: 57, "gone.x": 3}}
    )
    writer.event(START_NS, {**raised, "alarm": "gone.alarm", "occurrence": 9})
    writer.event(START_NS, {"kind": "interlock", "interlock": "gone.interlock", "transition": "tripped"})
    writer.close()
    core = begun_again(tmp_path)
    assert core.states.occurrence[core.number[LOW]] == 57
    assert core.states.active[core.number[LOW]]
