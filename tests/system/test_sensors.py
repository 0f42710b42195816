"""Doubted sensors in a whole plant: page, journal and database tell the same; a calibration is entered, runs out, is renewed."""

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from tests.system.demo import Demo, Refusal, until

VALVE = "W3-AHU.valve.steam"
HUMIDITY = "L09-ISO.antechamber.humidity"


def at(offset_s: float) -> str:
    return (datetime.now(UTC) + timedelta(seconds=offset_s)).isoformat()


def calibration(performed_s: float, due_s: float) -> dict[str, Any]:
    times = {"performed": at(performed_s), "due": at(due_s)}
    return {"tag": VALVE, "certificate": "C-2026-17", "result": "pass", "note": "", **times}


def told(demo: Demo, tag: str, reason: str | None) -> bool | None:
    return demo.current(tag)["reason"] == reason or None


def stored(demo: Demo, question: str) -> tuple[Any, ...] | None:
    with psycopg.connect(demo.run("db", "url").strip()) as database:
        return database.execute(question.encode(), {"tag": VALVE}).fetchone()


def test_a_healthy_plant_is_not_doubted(demo: Demo) -> None:
    demo.run("calibrations", "export")  # the console finds the engine
    started_s = time.monotonic()
    doubted: set[tuple[str, str]] = set()
    while time.monotonic() - started_s < 3:
        rows = demo.ask("/api/v1/current")
        doubted |= {(row["tag"], row["reason"]) for row in rows if row["quality"] == "Uncertain"}
    assert len(rows) > 3000 and doubted == set()


def test_a_calibration_runs_out_and_is_renewed(demo: Demo) -> None:
    with pytest.raises(Refusal) as refused:
        demo.ask("/api/v1/calibrations", calibration(-86_400, 60), user="operator")
    assert refused.value.status == 403
    demo.ask("/api/v1/calibrations", calibration(-86_400, 2), user="qa")
    assert demo.current(VALVE)["quality"] == "Good"
    until(lambda: told(demo, VALVE, "UncertainSensorCalibration"), 5, "the due second")
    assert [row["state"] for row in demo.ask(f"/api/v1/calibrations?tag={VALVE}")] == ["past due"]
    demo.ask("/api/v1/calibrations", calibration(-3600, 10**7), user="qa")
    until(lambda: told(demo, VALVE, None), 3, "the next reading")
    until(lambda: len(demo.ask(f"/api/v1/calibrations/history?tag={VALVE}")) == 2 or None, 10, "both in the database")
    view = "select person, certificate, due > now() from calibration where tag = %(tag)s order by performed desc"
    assert stored(demo, view) == ("qa", "C-2026-17", True)
    audited = "select person, act from audit where target = %(tag)s order by number desc"
    assert stored(demo, audited) == ("qa", "calibrated")
    doubts = "select count(*) from reading where tag = %(tag)s and reason = 'UncertainSensorCalibration' and value is not null"
    until(lambda: (stored(demo, doubts) or (0,))[0] >= 1 or None, 10, "a doubted reading in the database")


def test_a_sensor_whose_time_stands_still_is_told(demo: Demo) -> None:
    demo.run("fault", "L09-ISO", "frozen-sensor", "--tag", "antechamber.humidity")
    until(lambda: told(demo, HUMIDITY, "UncertainNoCommunicationLastUsableValue"), 6, "stale")
    assert demo.current("L09-ISO.antechamber.temperature")["quality"] == "Good"
    demo.run("fault", "L09-ISO", "clear")
    until(lambda: told(demo, HUMIDITY, None), 3, "alive again")
