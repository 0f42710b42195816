"""Reading: how soon a day of seconds begins to come and a year is there, while 15,000 tags a second are being stored.

The plant's past lies in the database: a day of seconds of 300 devices with 50 tags each, and a year of hours of 20 of them. Then
everything is as in service: a journal that grows, the historian that stores and rolls up, the api that is asked over HTTP.
"""

import http.client
import os
import random
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, cast
from urllib.parse import urlencode

import psycopg
from psycopg.sql import SQL, Identifier

from drivers.frame import Layout
from telemetry import plant
from telemetry.bench.figure import Figure, Outcome, Say
from telemetry.bench.load_config import load_configuration
from telemetry.bench.plantlike import DEVICES, TAGS
from telemetry.bench.scratch import scratch_database
from telemetry.engine.compiled import compiled
from telemetry.engine.run import WRITER
from telemetry.historian.upgrade import upgrade
from telemetry.sql import query

DAY_HOURS: Final = 24
YEAR: Final = timedelta(days=365)
ROLLED_UP: Final = 20
"""Layouts with a year of rollups."""
LAYING_DOWN: Final = 0.8
"""Share of the time for laying down the day's seconds, the newest first; what is not there by then is not."""
START_S: Final = 60.0
SETTLING_S: Final = 5.0
ASKED: Final = 40
"""Times that each question is asked, each time of another tag."""
DAY_MS, YEAR_MS, LAG_S = 150.0, 500.0, 5.0
Connection = psycopg.Connection[tuple[object, ...]]


@dataclass(frozen=True, slots=True)
class Took:
    """One answer: until the first byte of its body and until its last, in ms; rows."""

    first_ms: float
    whole_ms: float
    rows: int


def run(minutes: float, say: Say) -> Outcome:
    """As much of the day as can be laid down in that time; four minutes are enough for all of it on two idle cores."""
    with tempfile.TemporaryDirectory(prefix="bench-read-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        config = load_configuration(folder, DEVICES, TAGS)
        with (
            scratch_database(folder / "database", say) as scratch,
            psycopg.connect(scratch.url, autocommit=True) as connection,
        ):
            upgrade(connection, say)
            layouts, hours, up_to = _past(connection, config, minutes * 60 * LAYING_DOWN, say)
            figures = _measured(folder, config, scratch.url, connection, layouts, hours, up_to, say)
    short = f"a whole day of seconds: {hours} h of it could be laid down in that time, give more --minutes"
    return Outcome(figures, () if hours == DAY_HOURS else (short,))


def _past(connection: Connection, config: Path, most_s: float, say: Say) -> tuple[list[Layout], int, datetime]:
    """Lays down what was stored before. The layouts, those with a year of rollups first; how many hours of seconds; up to when."""
    ends_s = time.monotonic() + most_s
    layouts = [layout for layout in compiled(plant.load(config)).layouts if layout.device.startswith("LOAD-0")]
    ids, tags = [layout.id for layout in layouts], len(layouts[0].tags)
    now = datetime.now(UTC).replace(microsecond=0)
    hour = now.replace(minute=0, second=0)
    begin = hour - timedelta(hours=DAY_HOURS)
    for n, layout in enumerate(layouts):
        told = (layout.id, layout.device, list(layout.tags), hour - YEAR if n < ROLLED_UP else begin)
        connection.execute(query("bench add layout"), told)
    connection.execute(query("bench add layout tags"))
    with psycopg.ClientCursor(connection) as cursor:
        cursor.execute(query("bench patterns"), {"tags": tags})
    connection.execute(query("bench positions"), {"writer": WRITER})
    rollups = (
        ("rollup_1h", "1 hour", hour - YEAR, hour, ids[:ROLLED_UP]),
        ("rollup_1h", "1 hour", begin, hour, ids[ROLLED_UP:]),
        ("rollup_1m", "1 minute", begin, now.replace(second=0), ids),
    )
    for table, step, start, end, which in rollups:
        asked = SQL(query("bench past rollups")).format(table=Identifier(table))
        connection.execute(asked, {"step": step, "start": start, "end": end, "ids": which})
    _frames(connection, hour, now, ids)
    for hours in range(1, DAY_HOURS + 1):
        start = hour - timedelta(hours=hours)
        _frames(connection, start, start + timedelta(hours=1), ids)
        if hours % 6 == 0:
            say(f"{hours} h of {len(ids) * tags} tags laid down")
        if time.monotonic() > ends_s:
            return layouts, hours, now
    return layouts, DAY_HOURS, now


def _frames(connection: Connection, start: datetime, end: datetime, ids: Sequence[int]) -> None:
    """A frame of each layout for each second."""
    connection.execute(query("bench past frames"), {"start": start, "end": end, "ids": list(ids)})


def _measured(
    folder: Path,
    config: Path,
    url: str,
    connection: Connection,
    layouts: Sequence[Layout],
    hours: int,
    up_to: datetime,
    say: Say,
) -> tuple[Figure, ...]:
    data = folder / "data"
    journal = data / "journal" / WRITER
    journal.parent.mkdir(parents=True, mode=0o700)
    port = _free_port()
    environment = {
        **os.environ,
        "TELEMETRY_DATA_DIR": str(data),
        "TELEMETRY_CONFIG": str(config),
        "TELEMETRY_DATABASE_URL": url,
        "TELEMETRY_PORT": str(port),
        "TELEMETRY_HOST": "127.0.0.1",
    }
    command = [sys.executable, "-m", "telemetry"]
    away_s = int(
        (datetime.now(UTC) - up_to).total_seconds()
    )  # what came while the past was laid down lies in the journal
    writing = [sys.executable, "-m", "telemetry.bench.drain_writer", str(journal), str(config), str(away_s)]
    with (
        _running(writing, environment) as writer,
        _running([*command, "historian"], environment),
        _running([*command, "api", "--open-reading"], environment),
    ):
        assert writer.stdout is not None
        if writer.stdout.readline() != b"ready\n":
            raise RuntimeError("the process that writes the journal did not start")
        _ready(port, connection)
        now = datetime.now(UTC)
        day, year = now - timedelta(hours=hours), now - YEAR
        asked: dict[str, tuple[datetime, str]] = {
            "day, raw": (day, "raw"),
            "day, auto": (day, "auto"),
            "year, auto": (year, "auto"),
        }
        took: dict[str, list[Took]] = {name: [] for name in asked}
        lags: list[float] = []
        for n in range(ASKED):
            for name, (start, resolution) in asked.items():
                tag = layouts[n % ROLLED_UP].tags[n % TAGS]
                took[name].append(_asked(port, tag, start, now, resolution))
            lags.append(_lag_s(connection))
            if n % 10 == 9:
                say(f"asked {n + 1} times; frames behind by {lags[-1]:.1f} s")
    return _figures(took, lags, hours)


def _figures(took: dict[str, list[Took]], lags: Sequence[float], hours: int) -> tuple[Figure, ...]:
    day, year = took["day, raw"], took["year, auto"]
    rows = min(one.rows for one in day)
    return (
        _figure(f"{hours} h raw, first byte", [one.first_ms for one in day], DAY_MS),
        _figure(f"{hours} h auto, first byte", [one.first_ms for one in took["day, auto"]], DAY_MS),
        _figure(f"{hours} h raw, all", [one.whole_ms for one in day], None),
        _figure("a year auto for 2,000 pixels, all", [one.whole_ms for one in year], YEAR_MS),
        Figure("rows of the shortest day", float(rows), None, "", hours * 3600 - 10.0),
        Figure("buckets of the shortest year", float(min(one.rows for one in year)), None, "", 1700.0),
        Figure("frames stored meanwhile were behind by, most", max(lags), None, "s", LAG_S, "at most"),
    )


def _figure(name: str, all_ms: Sequence[float], bound_ms: float | None) -> Figure:
    """Of all but the slowest twentieth, which the shared machine may have had."""
    ordered = sorted(all_ms)
    return Figure(f"{name} (p95)", ordered[int(len(ordered) * 0.95) - 1], None, "ms", bound_ms, "at most")


def _asked(port: int, tag: str, start: datetime, end: datetime, resolution: str) -> Took:
    """Over a connection of its own. Raises RuntimeError where it is refused."""
    window = {"tag": tag, "start": start.isoformat(), "end": end.isoformat(), "resolution": resolution}
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    began = time.perf_counter()
    try:
        connection.request("GET", "/api/v1/readings?" + urlencode(window))
        answer = connection.getresponse()
        first = answer.read(1)
        first_s = time.perf_counter() - began
        rest = answer.read()
    finally:
        connection.close()
    if answer.status != 200:
        raise RuntimeError(f"the api refused a question: {(first + rest).decode()}")
    return Took(first_s * 1000, (time.perf_counter() - began) * 1000, rest.count(b'"time":'))


def _ready(port: int, connection: Connection) -> None:
    """Waits until the api answers, and the historian stores what is live."""
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1):
                if _lag_s(connection) < LAG_S:
                    time.sleep(SETTLING_S)
                    return
        except OSError:
            pass
        time.sleep(0.1)
    raise RuntimeError(f"api and historian were not at work within {START_S:g} s")


def _lag_s(connection: Connection) -> float:
    row = connection.execute(query("bench lag")).fetchone()
    return float("inf") if row is None or row[0] is None else cast(float, row[0])


def _free_port() -> int:
    while True:
        with socket.socket() as trial:
            try:
                trial.bind(("127.0.0.1", random.randrange(20_000, 32_000)))
            except OSError:
                continue
            return int(trial.getsockname()[1])


@contextmanager
def _running(command: Sequence[str], environment: dict[str, str]) -> Generator["subprocess.Popen[bytes]"]:
    """A process as long as the block lasts."""
    process = subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        yield process
    finally:
        process.terminate()
        process.communicate(timeout=30)
