"""Processes that die, and what is left: nothing running, nothing lost, alarms as they were."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psycopg

from tests.system.demo import Demo, Refusal, until

REVERSAL = "L01-ISO.chamber.pressure.reversal"


def test_a_plant_through_its_deaths(own_data: Path) -> None:
    with Demo(own_data) as demo:
        # The engine is killed while an alarm stands unacknowledged: the alarm is there again, the same occurrence.
        demo.run("fault", "L01-ISO", "pressure-loss", "--for", "3s")
        before = until(lambda: demo.alarm(REVERSAL), 3.0, "the alarm")
        until(
            lambda: (a := demo.alarm(REVERSAL)) and not a["active"],
            15.0,
            "the pressure returns, nobody has seen the alarm",
        )
        engine = demo.child("engine")
        os.kill(engine, signal.SIGKILL)
        killed = time.time()
        until(lambda: engine not in demo.processes() and _running(demo, "engine"), 10.0, "another engine")
        until(lambda: _ready(demo), 10.0, "ready again")
        after = demo.alarm(REVERSAL)
        assert after is not None
        assert (after["occurrence"], after["raised_time"]) == (before["occurrence"], before["raised_time"])
        assert after["state"] == "returned-unacknowledged"
        _second_service_is_refused(demo)

        # Historian and api are killed: the engine does not notice, what was read meanwhile is stored.
        for verb in ("historian", "api"):
            os.kill(demo.child(verb), signal.SIGKILL)
        until(lambda: _ready(demo), 15.0, "ready once more")
        now = time.time()
        with psycopg.connect(demo.run("db", "url").strip()) as database:
            gap = _longest_gap_s(database, killed - 2, now)
        assert gap <= 5.0, f"{gap:.0f} s were not read when the engine was killed"

        running = demo.processes()
        assert len(running) >= 5
        demo.stop()
        _nothing_is_left(demo, 5.0)
        assert demo.process is not None and demo.process.returncode == 0

    # A second start reuses all of it, quickly; the alarm that nobody acknowledged is still there.
    began = time.monotonic()
    with Demo(own_data) as demo:
        started_s = time.monotonic() - began
        assert started_s < 30.0
        again = demo.alarm(REVERSAL)
        assert again is not None and again["occurrence"] == before["occurrence"]

        # The supervisor is killed: no process outlives it.
        assert demo.process is not None
        demo.process.kill()
        demo.process.wait(10)
        _nothing_is_left(demo, 15.0)


def _nothing_is_left(demo: Demo, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while left := demo.processes():
        assert time.monotonic() < deadline, f"still running after {seconds} s: {left}"
        time.sleep(0.05)


def _running(demo: Demo, verb: str) -> bool:
    return any(f"telemetry {verb}" in command for command in demo.processes().values())


def _ready(demo: Demo) -> bool:
    try:
        return bool(demo.ask("/ready")["ready"])
    except (OSError, Refusal):
        return False


def _longest_gap_s(database: psycopg.Connection[Any], start: float, end: float) -> float:
    """The longest time between two Good readings of one tag."""
    row = database.execute(
        "select max(step) from (select extract(epoch from time - lag(time) over (order by time)) as step from reading"
        " where tag = 'L06-ISO.chamber.pressure' and quality = 'Good' and time >= to_timestamp(%s) and time < to_timestamp(%s)) x",
        (start, end),
    ).fetchone()
    assert row is not None and row[0] is not None
    return float(row[0])


def _second_service_is_refused(demo: Demo) -> None:
    """On the same data folder, and on the same port."""
    for changed, word in (
        ({"TELEMETRY_PORT": "1"}, "data folder"),
        ({"TELEMETRY_DATA_DIR": str(demo.data / "other")}, "in use"),
    ):
        done = subprocess.run(
            [sys.executable, "-m", "telemetry", "demo"],
            env={**demo.environment, **changed},
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        assert done.returncode == 1
        assert word in done.stderr, done.stdout + done.stderr
