"""After a crash at any record the core stands where it stood, and exactly what the journal does not tell is told."""

import gc
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alarms.core import Core, Input, Readings
from drivers.frame import Frame
from telemetry.engine.gaps import SECOND
from telemetry.engine.replay import frames_after, restore
from telemetry.journal import format as form
from telemetry.journal import writer as writing
from telemetry.journal.reader import segments
from tests.engine.life import Life, state
from tests.engine.small_plant import BEACON, ISOLATOR, small_plant

NAN = float("nan")
PRESSURES = st.sampled_from([-10.0, 1.0, 40.0, 40.0, 70.0, 90.0, NAN])
FANS = st.sampled_from([0.0, 1.0, 1.0, NAN])
LEVELS = st.sampled_from([0.0, 0.0, 1.0])
MILLISECONDS = st.integers(1, 1500)
FRAMES = st.one_of(
    st.tuples(
        st.just("isolator"), st.tuples(PRESSURES, FANS, LEVELS, LEVELS, LEVELS), st.integers(0, 9), st.integers(0, 3)
    ),
    st.tuples(st.just("beacon"), st.tuples(LEVELS, LEVELS, LEVELS, LEVELS), st.integers(0, 9), st.integers(0, 3)),
)
ACTS = st.tuples(
    st.just("act"),
    st.sampled_from(["acknowledge", "reset", "silence", "test", "reset-interlock"]),
    st.integers(0, 4),
    st.booleans(),
)
OTHERS = st.sampled_from([("checkpoint",), ("restart",)])
# Time that passes, whether the timer fires before what comes or after it, how late it is; and what comes.
HAPPENINGS = st.tuples(MILLISECONDS, st.booleans(), st.integers(0, 30), st.one_of(FRAMES, FRAMES, FRAMES, ACTS, OTHERS))


def happen(life: Life, what: tuple[Any, ...]) -> None:
    match what:
        case ("isolator" | "beacon", values, luck, early_ms):
            device = ISOLATOR if what[0] == "isolator" else BEACON
            layout = next(i for i, x in enumerate(life.plan.layouts) if x.device == device)
            life.frame(layout, list(values), failed=luck == 0, early_ms=early_ms)
        case ("act", verb, which, newest):
            definitions = life.plan.definitions
            target, occurrence = "", 0
            if verb in ("acknowledge", "reset"):
                target = definitions.alarms[which]
                occurrence = int(life.core.states.occurrence[which]) - (not newest)
            elif verb == "reset-interlock":
                target = definitions.interlocks[which % 3].id
            life.act(verb, target, occurrence)
        case ("checkpoint",):
            life.save()
        case _:
            life.restart()


def lived(life: Life, happenings: list[tuple[int, bool, int, tuple[Any, ...]]]) -> Life:
    for passed_ms, timer_first, late_ms, what in happenings:
        life.pass_time(passed_ms)
        if timer_first:
            life.wake(late_ms)
        happen(life, what)
        life.wake(late_ms)
    return life


def assert_restored(life: Life, order: int, torn_bytes: int, folder: Path) -> None:
    core = Core(life.plan.definitions)
    crashed = life.crashed_at(order, torn_bytes, folder)
    restored = restore(crashed, core, life.plan.number)
    expected, untold = life.at(order)
    assert state(core) == expected, f"killed after record {order}"
    assert [(event.kind, event.data) for event in restored.untold] == untold, f"killed after record {order}"
    assert core.outputs.by_tag == {}  # asked anew


@settings(max_examples=40, deadline=None)
@given(st.data(), st.lists(HAPPENINGS, min_size=5, max_size=40), st.sampled_from([700, 1 << 26]))
def test_killed_at_any_record_it_stands_where_it_stood(
    data: st.DataObject, happenings: list[tuple[int, bool, int, tuple[Any, ...]]], segment_bytes: int
) -> None:
    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        patch.setattr(writing, "SEGMENT_BYTES", segment_bytes)
        life = lived(Life(Path(name) / "life", small_plant()), happenings)
        orders = data.draw(st.lists(st.integers(0, life.journal.order), min_size=4, max_size=4, unique=True), "orders")
        for order in {*orders, life.journal.order}:
            assert_restored(life, order, data.draw(st.integers(0, 39), "torn"), Path(name) / f"killed-{order}")


@pytest.fixture
def life(tmp_path: Path) -> Life:
    return Life(tmp_path / "life", small_plant())


def isolator(life: Life, pressure: float, fan: float = 1.0, *, passed_ms: int = 500) -> None:
    """A frame of the isolator, after a while in which the timer did its work."""
    life.pass_time(passed_ms)
    life.wake()
    life.frame(1, [pressure, fan, 0.0, 0.0, 0.0])


def test_everything_that_came_before_is_there_again(life: Life, tmp_path: Path) -> None:
    for pressure in (40.0, -10.0, 40.0, 90.0, 90.0, 90.0, 90.0, 90.0, 40.0, 40.0, 40.0, -5.0, 40.0):
        isolator(life, pressure)
    assert life.act("acknowledge", "L01-ISO.pressure.low", 2)
    assert not life.act("acknowledge", "L01-ISO.pressure.low", 2)
    assert life.act("reset", "L01-ISO.pressure.low", 2)
    isolator(life, 40.0, passed_ms=1500)
    assert life.act("reset-interlock", "L01-ISO.hold")
    life.save()
    isolator(life, 40.0, fan=0.0)
    isolator(life, 40.0, fan=0.0, passed_ms=900)
    letters = state(life.core)["letters"]
    assert letters == ["A", "D", "B", "A", "A"]
    assert state(life.core)["tripped"] == [False, True, True]
    for order in range(life.journal.order + 1):
        assert_restored(life, order, 0, tmp_path / f"killed-{order}")


@pytest.mark.timeout(20)
def test_a_checkpoint_and_one_frame_take_no_time(life: Life, tmp_path: Path) -> None:
    isolator(life, -10.0)
    life.save()
    isolator(life, -10.0)
    assert_restored(life, life.journal.order, 0, tmp_path / "killed")


def test_an_input_that_was_bad_before_the_checkpoint_trips_in_time(life: Life, tmp_path: Path) -> None:
    for _ in range(4):
        isolator(life, NAN)
    life.save()
    for _ in range(4):
        isolator(life, NAN)
    assert state(life.core)["tripped"][0]
    assert_restored(life, life.journal.order, 0, tmp_path / "killed")


def test_an_input_that_was_bad_before_a_restart_begins_anew(life: Life, tmp_path: Path) -> None:
    for _ in range(4):
        isolator(life, NAN)
    life.restart()
    for _ in range(4):
        isolator(life, NAN)
    assert not state(life.core)["tripped"][0]
    assert_restored(life, life.journal.order, 0, tmp_path / "killed")
    for _ in range(3):
        isolator(life, NAN)
    assert state(life.core)["tripped"][0]


def test_an_alarm_that_a_late_timer_never_raised_is_not_raised_by_the_replay(life: Life, tmp_path: Path) -> None:
    isolator(life, 70.0)
    life.pass_time(1701)  # the delay of 1.7 s is over, and before the timer fires the pressure is well again
    life.frame(1, [40.0, 1.0, 0.0, 0.0, 0.0])
    life.wake()
    assert state(life.core)["letters"][1] == "A"
    assert_restored(life, life.journal.order, 0, tmp_path / "killed")


def test_an_alarm_that_its_delay_raised_is_told_once(life: Life, tmp_path: Path) -> None:
    isolator(life, 70.0)
    life.save()
    life.pass_time(1800)
    life.wake(late_ms=20)
    assert state(life.core)["letters"][1] == "B"
    assert state(life.core)["values"][1] == 70.0
    assert_restored(life, life.journal.order, 0, tmp_path / "killed")
    assert_restored(life, life.journal.order - 1, 0, tmp_path / "before it was told")


def test_damage_in_the_frames_does_not_keep_the_engine_from_starting(
    life: Life, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "SEGMENT_BYTES", 700)
    for pressure in (40.0, -10.0, *[40.0] * 20):
        isolator(life, pressure)
    files = segments(life.folder, "frames")
    assert len(files) > 3
    for _, path in files[1:]:
        content = bytearray(path.read_bytes())
        content[form.SEGMENT.size] ^= 0xFF  # the first record of each segment but the first: its layout
        path.write_bytes(content)
    core = Core(small_plant().definitions)
    restored = restore(life.folder, core, small_plant().number)
    assert state(core)["letters"][0] == "E"
    assert restored.untold == []


def test_an_act_on_what_is_no_longer_configured_is_passed_over(life: Life) -> None:
    isolator(life, -10.0)
    assert life.act("acknowledge", "L01-ISO.pressure.low", 1)
    life.journal.event(life.now_ns, {
        "kind": "act", "verb": "acknowledge", "target": "L99-ISO.gone", "occurrence": 7, "person": "a", "comment": None,
        "refused": None,
    })  # fmt: skip
    life.journal.event(
        life.now_ns, {"kind": "alarm", "alarm": "L99-ISO.gone", "occurrence": 7, "transition": "acknowledged"}
    )
    isolator(life, 40.0)
    core = Core(small_plant().definitions)
    assert restore(life.folder, core, small_plant().number).untold == []
    assert state(core) == state(life.core)


def test_texts_and_the_last_time_come_back(life: Life) -> None:
    life.journal.event(life.now_ns, {"kind": "text", "tag": "L01-ISO.firmware", "value": "1.0"})
    life.save()
    life.pass_time(1000)
    life.journal.event(life.now_ns, {"kind": "text", "tag": "L01-ISO.firmware", "value": None})
    restored = restore(life.folder, Core(small_plant().definitions), small_plant().number)
    assert restored.texts == {"L01-ISO.firmware": None}
    assert restored.last_ns == life.now_ns


def test_an_empty_folder_is_a_first_start(tmp_path: Path) -> None:
    core = Core(small_plant().definitions)
    restored = restore(tmp_path, core, small_plant().number)
    assert (restored.last_ns, restored.texts, restored.untold) == (0, {}, [])
    assert state(core) == state(Core(small_plant().definitions))


def test_the_slots_of_each_layout_come_back(life: Life) -> None:
    life.frame(0, [0.0] * len(life.plan.layouts[0].tags))
    before_ns = life.now_ns // SECOND * SECOND
    isolator(life, 40.0, passed_ms=2000)
    slots = restore(life.folder, Core(small_plant().definitions), small_plant().number).slots
    first, second = life.plan.layouts[:2]
    assert slots[first.device][first.id] == before_ns
    assert slots[second.device][second.id] == before_ns + 2 * SECOND


def test_a_start_reads_the_end_of_a_long_journal_only(life: Life, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "SEGMENT_BYTES", 1)
    for _ in range(400):
        isolator(life, 40.0)
    opened, real = list[Path](), Path.open

    def seen(path: Path, *given: Any, **named: Any) -> Any:
        opened.append(path)
        return real(path, *given, **named)

    monkeypatch.setattr(Path, "open", seen)
    after = [record.order for record, _ in frames_after(life.folder, life.journal.order - 5)]
    assert len(segments(life.folder, "frames")) == 400
    assert len(after) == 3 and after[-1] == life.journal.order
    assert len(opened) <= 4
    assert len(list(frames_after(life.folder, 0))) == 400


def test_instead_of_a_damaged_checkpoint_the_one_before_counts(life: Life, tmp_path: Path) -> None:
    for pressure in (40.0, NAN, NAN, 70.0):
        isolator(life, pressure)
    life.save()
    assert life.act("silence", "W1")  # no event tells for how long, so without a checkpoint it would be forgotten
    isolator(life, -10.0)
    life.save()
    isolator(life, 40.0)
    (life.folder / "checkpoint").write_bytes(b"damaged")
    core = Core(life.plan.definitions)
    restored = restore(life.folder, core, life.plan.number)
    assert state(core) == state(life.core) and restored.untold == []
    assert 0 < restored.order < life.journal.order, "what is older is not read"


def life_frame(life: Life) -> Frame:
    """A frame of the isolator in which nothing happens."""
    life.pass_time(1000)
    slot_ns = life.now_ns // SECOND * SECOND
    return Frame(life.plan.layouts[1], slot_ns, life.now_ns, np.array([40.0, 1.0, 0.0, 0.0, 0.0]))


def test_a_replay_holds_no_journal_in_memory(life: Life, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(50):
        life.journal.frame(life_frame(life), failed=False)
    held, real = list[int](), Core.step

    def counted(core: Core, given: Input, now_ns: int) -> Any:
        held.append(sum(isinstance(one, Readings) for one in gc.get_objects()))
        return real(core, given, now_ns)

    monkeypatch.setattr(Core, "step", counted)
    restore(life.folder, Core(life.plan.definitions), life.plan.number)
    assert len(held) == 50 and 1 <= max(held) <= 3
