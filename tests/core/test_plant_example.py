"""The example plant: without mistakes, as large and as mixed as agreed, quick to load."""

import json
import shutil
import time
from collections import Counter
from pathlib import Path

import pytest

from drivers.frame import LARGEST_LAYOUT
from telemetry.config_files import digest
from telemetry.plant import ConfigError, Plant, load, survey
from telemetry.plant.permissions import ADMINISTRATION

CONFIG = Path(__file__).parents[2] / "config"


@pytest.fixture(scope="module")
def plant() -> Plant:
    return load(CONFIG)


def test_it_has_neither_mistakes_nor_warnings() -> None:
    found = survey(CONFIG)
    assert [str(m) for m in (*found.mistakes, *found.warnings)] == []


def test_ten_lines_in_three_workshops_in_both_modes(plant: Plant) -> None:
    workshops = Counter(line.area for line in plant.lines)
    assert workshops == {"W1": 4, "W2": 3, "W3": 3}
    assert {line.id for line in plant.lines if line.mode == "bsc"} == {"L04", "L07", "L10"}
    assert {"QC-STI", "QC-RS1", "QC-RS2", "QC-RS3", "CR-BCN", "L05-HCI2", "L06-HCI2"} <= plant.by_id.keys()


def test_it_is_large_enough_and_no_device_too_large(plant: Plant) -> None:
    assert sum(tag.numeric for tag in plant.tags.values()) >= 2_800
    for unit in plant.equipment:
        assert sum(tag.numeric and tag.polled for tag in unit.tags) <= LARGEST_LAYOUT


def test_an_isolator_below_0_pa_is_told_without_delay(plant: Plant) -> None:
    alarm = next(alarm for alarm in plant.alarms if alarm.id == "L01-ISO.chamber.pressure.reversal")
    assert (alarm.entry.kind, alarm.entry.limit, alarm.entry.on_delay_s, alarm.entry.priority) == ("low", 0, 0, 1)
    assert alarm.line == "L01"
    assert alarm.area == "W1"


def test_alarms_are_mostly_of_low_priority(plant: Plant) -> None:
    counts = Counter(alarm.entry.priority for alarm in plant.alarms)
    annunciated = counts[1] + counts[2] + counts[3]
    assert counts[1] / annunciated < 0.07
    assert counts[2] / annunciated < 0.20


def test_a_limit_of_particles_depends_on_the_air_that_is_counted(plant: Plant) -> None:
    limits = {
        alarm.equipment: alarm.entry.limit
        for alarm in plant.alarms
        if alarm.id.endswith(".record.concentration_0_5um.action-high")
    }
    assert limits["L01-PC1"] == 3_520, "in the isolator, grade A, although its room is grade C"
    assert limits["L01-PC2"] == 3_520_000
    assert limits["L04-PC2"] == 352_000, "a room of grade B"


def test_a_setpoint_of_its_own_belongs_to_that_equipment_only(plant: Plant) -> None:
    assert plant.tags["QC-RS3.temperature"].spec.setpoint == -80
    assert plant.tags["QC-RS1.temperature"].spec.setpoint == 25
    assert plant.tags["L01-PRC.pressure"].spec.setpoint == 50


def test_each_room_stands_above_its_neighbour(plant: Plant) -> None:
    pressures = {room.id: plant.tags[f"{room.id}.pressure"].spec.setpoint or 0.0 for room in plant.rooms}
    grades = {room.id: room.grade for room in plant.rooms}
    for room in plant.rooms:
        if room.higher_than is not None:
            step_pa = pressures[room.id] - pressures[room.higher_than]
            assert step_pa >= (10 if room.grade != grades[room.higher_than] else 0), room.id


def test_an_interlock_with_wildcards_has_a_row_for_each_cell(plant: Plant) -> None:
    rows = {row.id: row for row in plant.interlocks}
    row = rows["L01-HCI.cell07.door.door-open"]
    assert row.cause.id == "L01-HCI.cell07.door"
    assert row.effects == (("L01-HCI.unit.co2_inhibit", 1, 0), ("L01-HCI.unit.lock_request", 1, 0))
    assert rows["L03-PRC.h2o2"].effects[0][0] == "W1-AHU.full_exhaust_request"


def test_who_administers_does_not_operate(plant: Plant) -> None:
    assert set(plant.roles["administrator"]) == ADMINISTRATION
    assert plant.roles["viewer"] == ()
    assert "alarm.acknowledge" in plant.roles["operator"]


def test_it_loads_quickly() -> None:
    began = time.perf_counter()
    load(CONFIG)
    assert time.perf_counter() - began < 1.5


def test_the_digest_covers_every_byte_and_name(tmp_path: Path) -> None:
    copy = Path(shutil.copytree(CONFIG, tmp_path / "config"))
    assert digest(copy) == digest(CONFIG)
    with (copy / "plant.yaml").open("a", encoding="utf-8") as file:
        file.write("# a word\n")
    changed = digest(copy)
    assert changed != digest(CONFIG)
    (copy / "plant.yaml").rename(copy / "plants.yaml")
    assert digest(copy) not in (changed, digest(CONFIG))


def test_a_missing_folder_is_named() -> None:
    with pytest.raises(ConfigError, match=r"nowhere.*TELEMETRY_CONFIG"):
        load(Path("nowhere"))


def test_mistakes_keep_the_plant_from_loading(tmp_path: Path) -> None:
    copy = Path(shutil.copytree(CONFIG, tmp_path / "config"))
    (copy / "roles.yaml").unlink()
    (copy / "plant.yaml").write_text("site: {id: x}\n", encoding="utf-8")
    with pytest.raises(ConfigError) as refused:
        load(copy)
    assert {m.file for m in refused.value.mistakes} == {"roles.yaml", "plant.yaml"}
    assert json.dumps(str(refused.value)).count("plant.yaml:1:") == 2
