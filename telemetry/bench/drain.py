"""Draining: the database was away while 15,000 tags a second were read; how fast it catches up while they go on being read.

A process writes the journal of the outage, then live frames second by second, as the engine does. The historian is the real one
(`telemetry historian`), with all that it does: frames, rollups, positions, its status. The time counts from its start.
"""

import math
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final, cast

import psycopg

from telemetry.bench.figure import Figure, Outcome, Say
from telemetry.bench.load_config import load_configuration
from telemetry.bench.plantlike import DEVICES, TAGS
from telemetry.bench.scratch import scratch_database
from telemetry.engine.run import WRITER
from telemetry.historian.store import Connection
from telemetry.historian.upgrade import upgrade
from telemetry.sql import query

OUTAGE_S: Final = 600
LONGEST_S: Final = 240.0
CAUGHT_UP_S: Final = 2.0
MINUTE_DUE_S: Final = 70.0
"""The newest minute of the rollups ended at most so long ago: a minute, and the seconds after which it is closed."""
MEMORY_MIB: Final = 400.0
GROWN_MIB: Final = 48.0


def run(minutes: float, say: Say) -> Outcome:
    """One outage: ten minutes of it where two minutes or more are given, less where less."""
    outage_s = int(OUTAGE_S * min(1.0, minutes / 2))
    with tempfile.TemporaryDirectory(prefix="bench-drain-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        config = load_configuration(folder, DEVICES, TAGS)
        with (
            scratch_database(folder / "database", say) as scratch,
            psycopg.connect(scratch.url, autocommit=True) as connection,
        ):
            upgrade(connection, say)
            return _measured(folder, config, scratch.url, connection, outage_s, say)


def _measured(folder: Path, config: Path, url: str, connection: Connection, outage_s: int, say: Say) -> Outcome:
    data = folder / "data"
    journal = data / "journal" / WRITER
    journal.parent.mkdir(parents=True, mode=0o700)
    command = [sys.executable, "-m", "telemetry.bench.drain_writer", str(journal), str(config), str(outage_s)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as writer:
        try:
            assert writer.stdin is not None and writer.stdout is not None
            if writer.stdout.readline() != "ready\n":
                raise RuntimeError("the process that writes the journal did not start")
            say(f"an outage of {outage_s} s at {DEVICES * TAGS} tags a second lies in the journal")
            environment = {
                **os.environ,
                "TELEMETRY_DATA_DIR": str(data),
                "TELEMETRY_CONFIG": str(config),
                "TELEMETRY_DATABASE_URL": url,
            }
            historian = subprocess.Popen(
                [sys.executable, "-m", "telemetry", "historian"], env=environment, stdout=subprocess.DEVNULL
            )
            try:
                frames_s, rollups_s, early_mib = _drained(historian, connection, outage_s, say)
                writer.stdin.close()
                count, total = writer.stdout.readline().split()
                compared = _compared(connection, int(count), float(total))
                peak_mib = _peak_mib(historian.pid)
            finally:
                historian.terminate()
                historian.wait(30)
        except BaseException:
            writer.kill()
            raise
    return Outcome(
        (
            Figure("seconds of data stored in a second, beside live data", outage_s / frames_s, None, "s/s", 10.0),
            Figure("the same until the rollups are there too", outage_s / rollups_s, None, "s/s", 10.0),
            Figure("memory of the historian, most", peak_mib, None, "MiB", MEMORY_MIB, "at most"),
            Figure("grown since a quarter was stored", peak_mib - early_mib, None, "MiB", GROWN_MIB, "at most"),
            Figure("frames compared: as many, each once, sums equal", float(compared), None, "", float(int(count))),
        )
    )


def _drained(
    historian: "subprocess.Popen[bytes]", connection: Connection, outage_s: int, say: Say
) -> tuple[float, float, float]:
    """Seconds until frames, and until rollups too, were caught up with; the memory (MiB) when a quarter was."""
    began, told_s = time.monotonic(), 0.0
    frames_s = early_mib = math.nan
    while True:
        passed_s = time.monotonic() - began
        if historian.poll() is not None:
            raise RuntimeError(f"the historian ended with {historian.returncode}")
        if passed_s > LONGEST_S:
            raise RuntimeError(f"not drained within {LONGEST_S:g} s")
        row = connection.execute(query("bench lag")).fetchone()
        assert row is not None
        frames_lag_s, rollups_lag_s = cast("tuple[float | None, float | None]", row)
        if math.isnan(early_mib) and frames_lag_s is not None and frames_lag_s < 0.75 * outage_s:
            early_mib = _peak_mib(historian.pid)
        if math.isnan(frames_s) and frames_lag_s is not None and frames_lag_s < CAUGHT_UP_S:
            frames_s = passed_s
        if not math.isnan(frames_s) and rollups_lag_s is not None and rollups_lag_s < MINUTE_DUE_S:
            return frames_s, passed_s, early_mib
        if passed_s > told_s + 5:
            told_s = passed_s
            behind = ["nothing yet" if lag is None else f"{lag:.0f} s" for lag in (frames_lag_s, rollups_lag_s)]
            say(f"after {passed_s:.0f} s: frames behind by {behind[0]}, rollups by {behind[1]}")
        time.sleep(0.1)


def _compared(connection: Connection, count: int, total: float) -> int:
    """The number of frames, once all are stored: each once, with the values that were written. Raises RuntimeError."""
    deadline = time.monotonic() + 30
    while True:
        row = connection.execute(query("bench frames stored")).fetchone()
        assert row is not None
        found, distinct, stored = cast("tuple[int, int, float]", row)
        if found >= count or time.monotonic() > deadline:
            break
        time.sleep(0.2)
    if (found, distinct) != (count, count) or not math.isclose(stored, total, rel_tol=1e-9):
        raise RuntimeError(
            f"{count} frames with the sum {total} were written; stored: {found}, {distinct} of them different, {stored}"
        )
    return found


def _peak_mib(process: int) -> float:
    """The most memory that it has had resident so far (proc(5), VmHWM)."""
    for line in Path(f"/proc/{process}/status").read_text(encoding="utf-8").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"process {process} tells no memory")
