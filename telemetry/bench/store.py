"""Storing: frames through journal and COPY, against `psql`'s binary \\copy of one row per reading, in the same database.

Ours is the whole way: a process appends frames to a journal (`Writer`, synced each second as the engine does), and
this one follows it and stores it (`Reader`, `Store`) as the historian does, position and all; the time is from the first append
to the last commit. The baseline is as good as rows can be: an integer for the tag, five columns, the file made beforehand in
PostgreSQL's own binary form, one COPY for all of it. They take turns with the same readings, and what is stored is compared.

What the profile taught (300 devices of 50 tags; microseconds a frame, each on one core): of 29 at first, PostgreSQL had 5. An
object per frame and two frozen dataclasses per record cost as much as the database: reading 9, making frames 4.5, encoding 3.4.
Records of one form joined and seen as one array are rows at once (`journal.block`), and packing a header once instead of twice
made an append 4 instead of 7. The rest is one write(2) and one checksum each way for each frame, and they are meant.
"""

import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final, cast

import numpy as np
import psycopg

from drivers.frame import Layout
from telemetry.bench import plantlike
from telemetry.bench.figure import Figure, Outcome, Say
from telemetry.bench.scratch import Scratch, scratch_database
from telemetry.historian.copy import END, SIGNATURE
from telemetry.historian.store import Connection, Store, moment
from telemetry.historian.upgrade import upgrade
from telemetry.journal import format as form
from telemetry.journal.reader import Reader
from telemetry.sql import query

ROUNDS: Final = 5
ROUND_S: Final = 120
"""Seconds of data in each round: 1.8 million readings."""
BLOCK_BYTES: Final = 8 << 20
LONGEST_S: Final = 120.0
_EPOCH_US: Final = 946_684_800_000_000
_ROW: Final = np.dtype(
    [
        ("fields", ">i2"),
        ("time_length", ">i4"), ("time", ">i8"),
        ("tag_length", ">i4"), ("tag", ">i4"),
        ("value_length", ">i4"), ("value", ">f8"),
        ("quality_length", ">i4"), ("quality", ">i2"),
        ("received_length", ">i4"), ("received", ">i8"),
    ]
)  # fmt: skip


def run(minutes: float, say: Say) -> Outcome:
    """Rounds of ours and the baseline by turns, medians; then the bytes."""
    with tempfile.TemporaryDirectory(prefix="bench-store-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # the database's account enters
        with scratch_database(folder / "data", say) as scratch:
            return _measured(folder, scratch, max(20, int(ROUND_S * min(1.0, minutes / 2))), say)


def _measured(folder: Path, scratch: Scratch, seconds: int, say: Say) -> Outcome:
    chosen = plantlike.layouts()
    rates: dict[str, list[float]] = {"ours": [], "rows": []}
    compared = 0
    with psycopg.connect(scratch.url, autocommit=True) as connection:
        upgrade(connection, say)
        connection.execute(query("bench row table"))
        first_s = int(time.time()) - ROUNDS * seconds  # today: no policy packs it while it is measured
        way = "psql's binary \\copy" if scratch.psql else "a binary COPY by psycopg, for there is no psql"
        say(f"baseline: one row per reading by {way}")
        for number in range(ROUNDS):
            begin_ns = (first_s + number * seconds) * plantlike.SECOND
            file = _rows_file(folder / "rows.bin", chosen, begin_ns, seconds, number)
            for kind in ("ours", "rows") if number % 2 == 0 else ("rows", "ours"):
                if kind == "ours":
                    took_s = _ours(folder / f"bench-{number}", connection, chosen, begin_ns, seconds, number)
                else:
                    took_s = _rows(scratch, connection, file)
                rates[kind].append(seconds * len(chosen) * plantlike.TAGS / took_s)
                say(f"round {number + 1}, {kind}: {rates[kind][-1] / 1e6:.2f} million values a second")
            compared += _compared(connection, begin_ns, seconds)
        ours, rows = (statistics.median(rates[kind]) for kind in ("ours", "rows"))
        sizes = _sizes(connection)
        packed, not_run = _packed(connection, compared)
    figures = [
        Figure("values through journal and COPY", ours, rows, "1/s", 12.0),
        Figure("bytes of a value", sizes[0] / compared, sizes[1] / compared, "B", None),
        Figure("bytes of a value, without columnstore", sizes[0] / compared, None, "B", 12.0, "at most"),
        *packed,
        Figure(
            "values compared equal", float(compared), None, "", float(ROUNDS * seconds * plantlike.TAGS * len(chosen))
        ),
    ]
    return Outcome(tuple(figures), tuple(not_run))


def _ours(
    folder: Path, connection: Connection, chosen: tuple[Layout, ...], begin_ns: int, seconds: int, seed: int
) -> float:
    """Seconds from the first append to the last commit of a journal of `seconds` of data."""
    command = [
        sys.executable,
        "-m",
        "telemetry.bench.store_writer",
        str(folder),
        str(begin_ns),
        str(seconds),
        str(seed),
    ]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdin is not None and writer.stdout is not None
        try:
            if writer.stdout.readline() != "ready\n":
                raise RuntimeError("the process that writes the journal did not start")
            store = Store(connection, folder.name)
            store.position("frames")
            began = time.perf_counter()
            writer.stdin.write("go\n")
            writer.stdin.flush()
            _follow(folder, store, seconds * len(chosen), began + LONGEST_S)
            took_s = time.perf_counter() - began
            writer.stdin.close()
        except BaseException:
            writer.kill()
            raise
    if writer.returncode:
        raise RuntimeError(f"the process that writes the journal ended with {writer.returncode}")
    shutil.rmtree(folder)
    return took_s


def _follow(folder: Path, store: Store, frames: int, deadline: float) -> None:
    """Stores `frames` frames as they come, in blocks, as the historian does."""
    reader = Reader(folder, "frames", 0)
    layouts: dict[int, Layout] = {}
    try:
        while frames:
            before = reader.number
            records = reader.read(BLOCK_BYTES)
            for record in records:
                if record.kind == form.LAYOUT:
                    layout = form.unpack_layout(record.body)
                    layouts[layout.id] = layout
            fresh = [record for record in records if record.number > before]
            if fresh:
                reader.sync()
                store.frames(fresh, layouts, before)
                frames -= sum(record.kind == form.FRAME for record in fresh)
            elif time.perf_counter() > deadline:
                raise RuntimeError(f"{frames} frames did not come within {LONGEST_S:g} s")
            else:
                time.sleep(0.002)
    finally:
        reader.close()


def _rows_file(file: Path, chosen: tuple[Layout, ...], begin_ns: int, seconds: int, seed: int) -> Path:
    """The same readings as PostgreSQL's binary COPY has rows."""
    count = len(chosen) * plantlike.TAGS
    with file.open("wb") as out:
        out.write(SIGNATURE)
        for frames in plantlike.seconds(chosen, begin_ns, seconds, seed):
            rows = np.zeros(count, _ROW)
            rows["fields"] = 5
            rows["time_length"] = rows["value_length"] = rows["received_length"] = 8
            rows["tag_length"], rows["quality_length"] = 4, 2
            rows["time"] = frames[0].time_ns // 1000 - _EPOCH_US
            rows["tag"] = np.arange(count)
            rows["value"] = np.concatenate([frame.values for frame in frames])
            received_us = np.array([frame.received_ns for frame in frames]) // 1000 - _EPOCH_US
            rows["received"] = np.repeat(received_us, plantlike.TAGS)
            out.write(rows.tobytes())
        out.write(END)
    return file


def _rows(scratch: Scratch, connection: Connection, file: Path) -> float:
    """Seconds of one COPY of the rows in `file`."""
    began = time.perf_counter()
    if scratch.psql is not None:
        copy = query("bench copy rows").replace("from stdin", f"from '{file}'")
        command = [str(scratch.psql), scratch.url, "--no-psqlrc", "--quiet", "--command", f"\\{copy}"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=LONGEST_S, env=scratch.environment)
        if done.returncode:
            raise RuntimeError(f"psql failed: {done.stderr.strip()}")
    else:
        with (
            connection.transaction(),
            connection.cursor().copy(query("bench copy rows")) as out,
            file.open("rb") as rows,
        ):
            while part := rows.read(1 << 20):
                out.write(part)
    return time.perf_counter() - began


def _compared(connection: Connection, begin_ns: int, seconds: int) -> int:
    """How many readings of this round both have: equal in number, sum, and sum weighted by the tag's place, or it raises."""
    span = (moment(begin_ns), moment(begin_ns + seconds * plantlike.SECOND))
    ours = connection.execute(query("bench frames found"), span).fetchone()
    rows = connection.execute(query("bench rows found"), (plantlike.TAGS, *span)).fetchone()
    if ours != rows or ours is None:
        raise RuntimeError(f"what is stored differs: frames hold {ours}, rows {rows} (count, sum, weighted sum)")
    return cast(int, ours[0])


def _sizes(connection: Connection) -> tuple[int, int]:
    connection.execute(query("bench vacuum"))
    row = connection.execute(query("bench sizes")).fetchone()
    assert row is not None
    return cast("tuple[int, int]", row)


def _packed(connection: Connection, values: int) -> tuple[list[Figure], list[str]]:
    """The bytes of a value with columnstore, or why there are none."""
    has: tuple[Any, ...] | None = connection.execute(query("bench columnstore")).fetchone()
    if has is None or not has[0]:
        return [], [
            "Bytes of a value with columnstore: this server has the Apache edition of TimescaleDB, which has none. Name one "
            "with the community edition in TELEMETRY_DATABASE_URL."
        ]
    connection.execute(query("bench compress"))
    return [Figure("bytes of a value, with columnstore", _sizes(connection)[0] / values, None, "B", 3.0, "at most")], []
