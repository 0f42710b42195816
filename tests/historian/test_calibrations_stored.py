"""Calibrations in the database: a view for strangers, the audit, and where an engine that lost its journal finds them again."""

import shutil
from pathlib import Path
from typing import Any

import psycopg

from alarms.core import Core
from telemetry.engine.replay import restore
from telemetry.historian.adopt import adopt
from telemetry.journal.writer import Writer
from telemetry.sensors.calibrations import Calibration, calibration_of
from tests.engine.small_plant import small_plant
from tests.historian.journals import NOON, SECOND, WRITER, good_frame
from tests.historian.test_historian import asked, store_all

DAY_NS = 86_400 * SECOND


def calibration(tag: str, days_ago: int, **given: Any) -> Calibration:
    times = {"performed_ns": NOON - days_ago * DAY_NS + 1, "due_ns": NOON + 300 * DAY_NS}
    usual = {"certificate": f"C-{days_ago}", "result": "pass", "person": "engineer", "note": ""}
    return calibration_of({"tag": tag, **times, **usual, **given})


def stored(folder: Path, database_url: str, *given: Calibration) -> None:
    """A journal with these calibrations, entered in this order, all of it in the database."""
    writer = Writer(folder, WRITER)
    writer.frame(good_frame(0), failed=False)
    for i, one in enumerate(given):
        writer.event(NOON + i * SECOND, {"kind": "calibration", **one.data()})
    writer.close()
    store_all(folder, database_url)


def test_a_stranger_reads_them_in_one_view_and_in_the_audit(database_url: str, tmp_path: Path) -> None:
    failed = calibration("L01-ISO.pressure", 2, result="fail", note="drifts", person="qa")
    stored(tmp_path / WRITER, database_url, failed, calibration("L01-ISO.fan", 1))
    columns = "tag, certificate, result, person, note, extract(epoch from due - performed)::bigint / 86400"
    assert asked(database_url, f"select {columns} from calibration order by entered") == [
        ("L01-ISO.pressure", "C-2", "fail", "qa", "drifts", 302),
        ("L01-ISO.fan", "C-1", "pass", "engineer", "", 301),
    ]
    assert asked(database_url, "select person, act, target, comment from audit order by time") == [
        ("qa", "calibrated", "L01-ISO.pressure", "drifts"),
        ("engineer", "calibrated", "L01-ISO.fan", ""),
    ]


def test_an_engine_whose_journal_was_lost_gets_the_newest_of_each_tag_back(database_url: str, tmp_path: Path) -> None:
    folder = tmp_path / WRITER
    old, new, fan = (
        calibration(*row) for row in (("L01-ISO.pressure", 9), ("L01-ISO.pressure", 2), ("L01-ISO.fan", 5))
    )
    stored(folder, database_url, new, fan, old)
    shutil.rmtree(folder)
    Writer(folder, WRITER).close()
    with psycopg.connect(database_url, autocommit=True) as connection:
        adopt(folder, connection, NOON + 50 * SECOND, lambda line: None)
    plan = small_plant()
    found = restore(folder, Core(plan.definitions), plan.number).calibrations
    assert sorted(found, key=lambda one: one.tag) == [fan, new]
