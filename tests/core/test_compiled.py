"""The plant compiled for the core: every alarm and interlock has its rule, in the slice of the layout that holds its tag."""

import shutil
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from alarms.core import Core, Event, Readings, SetOutput
from alarms.limits import EQUAL, HIGH, LOW, NEVER
from telemetry.engine.compiled import Compiled, compiled
from telemetry.plant import Plant, load

ROOT = Path(__file__).parents[2]
NOW = 1_700_000_000 * 10**9


@cache
def example() -> tuple[Plant, Compiled]:
    """The ten-line plant that is shipped."""
    plant = load(ROOT / "config")
    return plant, compiled(plant)


@pytest.fixture
def small(tmp_path: Path) -> Plant:
    """One isolator and one beacon."""
    shutil.copytree(ROOT / "tests" / "cases" / "config" / "base", tmp_path / "config")
    return load(tmp_path / "config")


def test_the_small_plant_rule_by_rule(small: Plant) -> None:
    built = compiled(small)
    d = built.definitions
    assert [(x.device, x.tags) for x in built.layouts] == [
        ("W1-BCN", ("W1-BCN.horn", "W1-BCN.lamp.red", "W1-BCN.tamper", "W1-BCN.watchdog")),
        ("L01-ISO", ("L01-ISO.pressure", "L01-ISO.fan", "L01-ISO.hold")),
    ]
    assert d.parts == (slice(0, 1), slice(1, 4))
    ids = [d.alarms[i] if i >= 0 else d.interlocks[k].id for i, k in zip(d.alarm_of, d.interlock_of, strict=True)]
    assert ids == [
        "W1-BCN.communication",
        "L01-ISO.pressure.reversal",
        "L01-ISO.reversal",
        "L01-ISO.communication",
    ]
    assert d.rules.slot.tolist() == [4, 0, 0, 3]
    assert d.rules.side.tolist() == [EQUAL, LOW, LOW, EQUAL]
    assert d.rules.limit.tolist() == [1, 0, 0, 1]
    assert d.rules.deadband.tolist() == [0, 2, 2, 0]
    assert d.rules.on_delay_ns.tolist() == [10 * 10**9, 0, 0, 10 * 10**9]
    assert d.rules.off_delay_ns.tolist() == [0, 0, 0, 0]
    assert d.rules.bad_delay_ns.tolist() == [NEVER, NEVER, 10 * 10**9, NEVER]
    assert (d.areas[0].id, d.areas[0].horn, d.areas[0].lamps) == ("W1", "W1-BCN.horn", {1: "W1-BCN.lamp.red"})
    (row,) = d.interlocks
    assert (row.effects, row.automatic, row.healthy_ns) == ((("L01-ISO.hold", 1.0, 0.0),), False, 60 * 10**9)
    assert d.read_back == {0: (("W1-BCN.horn", 0), ("W1-BCN.lamp.red", 1)), 1: (("L01-ISO.hold", 2),)}


def test_what_a_row_says_of_bad_input_reset_and_area_is_kept(small: Plant) -> None:
    (row,) = small.interlocks
    cause = row.entry.cause.model_copy(update={"on_bad": "ignore", "kind": "high", "delay_s": 1.5})
    entry = row.entry.model_copy(update={"cause": cause, "reset": "automatic", "healthy_s": 0.25})
    alarms = tuple(replace(alarm, area="W9") for alarm in small.alarms)
    d = compiled(replace(small, interlocks=(replace(row, entry=entry),), alarms=alarms)).definitions
    (rule,) = np.flatnonzero(d.interlock_of >= 0)
    assert d.rules.bad_delay_ns[rule] == NEVER
    assert d.rules.side[rule] == HIGH
    assert d.rules.on_delay_ns[rule] == 1_500_000_000
    assert (d.interlocks[0].automatic, d.interlocks[0].healthy_ns) == (True, 250_000_000)
    assert not d.heard.any()


def test_a_device_of_many_layouts_tells_once_that_it_is_silent(small: Plant) -> None:
    (isolator,) = (unit for unit in small.equipment if unit.id == "L01-ISO")
    tags = isolator.profile.tags | {f"more{i}": isolator.profile.tags["pressure"] for i in range(450)}
    large = replace(isolator, profile=isolator.profile.model_copy(update={"tags": tags}))
    built = compiled(replace(small, equipment=(large,)))
    assert [len(layout.tags) for layout in built.layouts] == [200, 200, 53]
    d = built.definitions
    assert [d.alarms[i] for i in d.alarm_of if i >= 0].count("L01-ISO.communication") == 1
    assert d.rules.slot[d.alarm_of == d.alarms.index("L01-ISO.communication")].tolist() == [200]


def test_a_plant_without_alarms_and_devices_compiles(small: Plant) -> None:
    d = compiled(replace(small, equipment=(), alarms=(), interlocks=(), annunciators=())).definitions
    assert (d.parts, d.alarms, d.read_back) == ((), (), {})
    Core(d)


def test_every_alarm_and_every_interlock_of_the_example_has_exactly_one_rule() -> None:
    plant, built = example()
    d = built.definitions
    assert np.bincount(d.alarm_of[d.alarm_of >= 0], minlength=len(plant.alarms)).tolist() == [1] * len(plant.alarms)
    rows = np.bincount(d.interlock_of[d.interlock_of >= 0], minlength=len(plant.interlocks))
    assert rows.tolist() == [1] * len(plant.interlocks)
    assert ((d.alarm_of >= 0) != (d.interlock_of >= 0)).all()
    assert d.alarms == tuple(alarm.id for alarm in built.alarms) == tuple(alarm.id for alarm in plant.alarms)


def test_slices_follow_each_other_and_each_rule_watches_the_slot_of_its_tag() -> None:
    plant, built = example()
    d = built.definitions
    ends = [0, *(part.stop for part in d.parts)]
    assert [part.start for part in d.parts] == ends[:-1]
    assert ends[-1] == len(d.rules.slot)
    for layout, part in zip(built.layouts, d.parts, strict=True):
        for rule in range(part.start, part.stop):
            slot, i, k = int(d.rules.slot[rule]), int(d.alarm_of[rule]), int(d.interlock_of[rule])
            tag = plant.alarms[i].tag if i >= 0 else plant.interlocks[k].cause
            if tag is None:
                assert slot == len(layout.tags)
                assert layout.device == plant.alarms[i].equipment
                assert not layout.record
            else:
                assert layout.tags[slot] == tag.id


def test_limits_delays_and_priorities_are_those_of_the_configuration() -> None:
    plant, built = example()
    d = built.definitions
    for rule, i in enumerate(d.alarm_of.tolist()):
        if i < 0:
            continue
        entry = plant.alarms[i].entry
        assert d.rules.limit[rule] == (1 if entry.kind == "communication" else entry.limit)
        assert d.rules.deadband[rule] == entry.deadband
        assert (d.rules.on_delay_ns[rule], d.rules.off_delay_ns[rule]) == (
            round(entry.on_delay_s * 1e9),
            round(entry.off_delay_s * 1e9),
        )
        assert d.rules.bad_delay_ns[rule] == NEVER
        assert (d.priority[i], d.latching[i]) == (entry.priority, entry.latching)
        heard = {area.id for area, mask in zip(d.areas, d.heard, strict=True) if mask[i]}
        assert heard == {
            entry.area for entry in plant.annunciators if plant.alarms[i].area in (entry.area, *entry.also)
        }
        assert plant.alarms[i].area in heard


def test_every_output_is_read_back_in_exactly_one_place() -> None:
    plant, built = example()
    d = built.definitions
    outputs = {area.horn for area in d.areas} | {lamp for area in d.areas for lamp in area.lamps.values()}
    outputs |= {tag for row in d.interlocks for tag, _, _ in row.effects}
    places = [(tag, built.layouts[layout].tags[slot]) for layout, found in d.read_back.items() for tag, slot in found]
    assert all(tag == there for tag, there in places)
    assert sorted(tag for tag, _ in places) == sorted(outputs)
    assert all(plant.tags[tag].spec.writable for tag in outputs)


def test_layouts_are_found_by_their_id() -> None:
    _, built = example()
    assert [built.layouts[built.number[layout.id]] for layout in built.layouts] == list(built.layouts)


def readings(built: Compiled, **values: float) -> Readings:
    """A frame of the layout that holds these tags (``L01_ISO__chamber__pressure``); the rest is Bad."""
    named = {tag.replace("__", ".").replace("_", "-"): value for tag, value in values.items()}
    (number,) = (i for i, layout in enumerate(built.layouts) if named.keys() <= set(layout.tags))
    frame = [named.get(tag, np.nan) for tag in built.layouts[number].tags]
    return Readings(number, np.array([*frame, 0.0]))


def test_a_reversal_in_the_example_trips_sounds_and_is_told() -> None:
    _, built = example()
    effects, _ = Core(built.definitions).step(readings(built, L01_ISO__chamber__pressure=-5), NOW)
    told = [(x.kind, x.data.get("alarm") or x.data["interlock"]) for x in effects if isinstance(x, Event)]
    assert ("alarm", "L01-ISO.chamber.pressure.reversal") in told
    assert ("interlock", "L01-ISO.reversal") in told
    assert SetOutput("L01-ISO.process.hold", 1.0) in effects
    assert SetOutput("W1-BCN.horn", 1.0) in effects
    assert SetOutput("W1-BCN.lamp.red", 1.0) in effects


def test_the_control_room_hears_the_other_areas_too() -> None:
    _, built = example()
    effects, _ = Core(built.definitions).step(readings(built, L01_ISO__chamber__pressure=-5), NOW)
    assert SetOutput("CR-BCN.horn", 1.0) in effects
