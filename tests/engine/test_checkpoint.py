"""The core's state on disk: all of it comes back, by name; what is no whole checkpoint is none."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alarms.core import Core, Definitions
from telemetry.engine import checkpoint
from tests.engine.life import START_NS, Life, state
from tests.engine.small_plant import small_plant


@pytest.fixture
def life(tmp_path: Path) -> Life:
    """A core to which everything has happened."""
    one = Life(tmp_path / "life", small_plant())
    for pressure, fan in (
        (40.0, 1.0),
        (-10.0, 1.0),
        (40.0, 0.0),
        (90.0, 0.0),
        (90.0, 0.0),
        (90.0, 1.0),
        (float("nan"), 1.0),
    ):
        one.pass_time(700)
        one.wake()
        one.frame(1, [pressure, fan, 0.0, 0.0, 0.0])
    assert one.act("silence", "W1")
    assert one.act("acknowledge", "L01-ISO.pressure.low", 1)
    return one


def saved(life: Life, path: Path, texts: dict[str, str | None] | None = None) -> Path:
    checkpoint.save(path, checkpoint.take(life.core, 70, 30, life.now_ns, texts or {}))
    return path


def blank() -> Core:
    return Core(small_plant().definitions)


def test_all_of_the_state_comes_back(life: Life, tmp_path: Path) -> None:
    before = state(life.core)
    assert before["letters"] == ["F", "B", "D", "A", "A"]
    assert any(before["silenced"]) and any(before["tripped"]) and before["by"] and any(life.core.limits.unknown_ns)
    texts = {"L01-ISO.firmware": "1.0", "L01-ISO.serial": None}
    core = blank()
    told = checkpoint.restore(saved(life, tmp_path / "checkpoint", texts), core)
    assert told == {
        "order": 70,
        "number": 30,
        "time_ns": life.now_ns,
        "texts": texts,
        "records": {},
        "sensors": {},
        "slots": {},
    }
    assert state(core) == before
    assert core.limits.unknown_ns.tolist() == life.core.limits.unknown_ns.tolist()
    assert core.wake_ns <= START_NS, "what was due is looked at with the first step"


def test_its_time_is_that_of_the_state_and_not_of_the_writing(life: Life, tmp_path: Path) -> None:
    path, written_later = tmp_path / "checkpoint", tmp_path / "segment"
    taken = checkpoint.take(life.core, 70, 30, life.now_ns, {})
    life.frame(1, [-50.0, 1.0, 0.0, 0.0, 0.0])
    written_later.touch()
    checkpoint.save(path, taken)
    assert path.stat().st_mtime < written_later.stat().st_mtime
    core = blank()
    assert checkpoint.restore(path, core) is not None
    assert state(core) != state(life.core), "what came after it was taken is not in it"


def test_slots_of_a_device_that_are_not_by_layout_yet_are_understood(life: Life, tmp_path: Path) -> None:
    path, slots = tmp_path / "checkpoint", {"A": {-7: 2, 9: 1}}
    for last, expected in ((slots, slots), ({"A": 5}, {"A": {0: 5}})):
        checkpoint.save(path, checkpoint.take(life.core, 1, 1, START_NS, {}, slots=last))
        told = checkpoint.restore(path, blank())
        assert told is not None and told["slots"] == expected


def test_without_a_file_there_is_none(tmp_path: Path) -> None:
    core = blank()
    assert checkpoint.restore(tmp_path / "checkpoint", core) is None
    assert state(core) == state(blank())


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_damaged_file_is_none_and_changes_nothing(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = tmp_path_factory.getbasetemp() / "damaged checkpoint"
    core = blank()
    core.states.raise_(0, 1.0, START_NS)
    checkpoint.save(path, checkpoint.take(core, 1, 1, START_NS, {}))
    content = bytearray(path.read_bytes())
    if data.draw(st.booleans(), "torn"):
        del content[data.draw(st.integers(0, len(content) - 1)) :]
    else:
        content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content)
    fresh = blank()
    assert checkpoint.restore(path, fresh) is None
    assert state(fresh) == state(blank())


def test_one_who_dies_while_saving_leaves_the_one_before(
    life: Life, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = saved(life, tmp_path / "checkpoint")
    before, whole = state(life.core), path.read_bytes()

    def dies(self: Path, target: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", dies)
    life.frame(1, [-50.0, 1.0, 0.0, 0.0, 0.0])
    with pytest.raises(KeyboardInterrupt):
        saved(life, path)
    monkeypatch.undo()
    assert path.read_bytes() == whole
    core = blank()
    assert checkpoint.restore(path, core) is not None
    assert state(core) == before
    saved(life, path)
    assert path.read_bytes() != whole


def reordered(definitions: Definitions, alarms: list[str]) -> Definitions:
    """The same plant with only these alarms, in this order: as after a change of the configuration."""
    old = {alarm: i for i, alarm in enumerate(definitions.alarms)}
    new = {old[alarm]: i for i, alarm in enumerate(alarms) if alarm in old}
    chosen = [old[alarm] for alarm in alarms]
    keep = [r for r, alarm in enumerate(definitions.alarm_of.tolist()) if alarm < 0 or alarm in new]
    rules: dict[str, Any] = {
        name: getattr(definitions.rules, name)[keep] for name in definitions.rules.__dataclass_fields__
    }
    before = [sum(r < part.start for r in keep) for part in definitions.parts]
    after = [sum(r < part.stop for r in keep) for part in definitions.parts]
    return replace(
        definitions,
        parts=tuple(slice(a, b) for a, b in zip(before, after, strict=True)),
        rules=replace(definitions.rules, **rules),
        alarm_of=np.array([new.get(a, -1) for a in definitions.alarm_of[keep].tolist()], np.int64),
        interlock_of=definitions.interlock_of[keep],
        alarms=tuple(alarms),
        latching=definitions.latching[chosen],
        priority=definitions.priority[chosen],
        heard=definitions.heard[:, chosen],
    )


def test_a_changed_configuration_keeps_what_it_can_by_name(life: Life, tmp_path: Path) -> None:
    path = saved(life, tmp_path / "checkpoint")
    names = ["W1-BCN.communication", "L01-ISO.fan.stopped", "L01-ISO.pressure.low"]
    core = Core(reordered(small_plant().definitions, names))
    assert checkpoint.restore(path, core) is not None
    for alarm in names:
        i, j = core.number[alarm], life.core.number[alarm]
        assert core.states.letter(i) == life.core.states.letter(j), alarm
        assert core.states.occurrence[i] == life.core.states.occurrence[j], alarm
        assert core.states.raised_ns[i] == life.core.states.raised_ns[j], alarm
        assert core.annunciator.silenced_until_ns[i] == life.core.annunciator.silenced_until_ns[j], alarm
    assert core.states.acknowledged_by == {2: "operator"}
    assert core.interlocks.tripped.tolist() == life.core.interlocks.tripped.tolist()
    assert sorted(core.states.latching.tolist()) == [False, False, True], "what is configured is not restored"

    # An alarm that is new begins normal.
    old = tmp_path / "old"
    checkpoint.save(old, checkpoint.take(core, 1, 1, START_NS, {}))
    whole = blank()
    assert checkpoint.restore(old, whole) is not None
    assert whole.states.letter(whole.number["L01-ISO.pressure.high"]) == "A"
    assert whole.states.letter(whole.number["L01-ISO.pressure.low"]) == "F"
