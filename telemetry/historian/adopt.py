"""A journal was lost, the database was not: the new journal goes on behind what the database holds, and bears the old one's mark.

What the new journal holds already was numbered from 1, below what the database has stored under these numbers. It is written anew
with numbers behind them: the order of its records, their times and what they say stay; the chain of events goes on from the last
event stored. What the lost journal held and the database had not stored yet is a recorded gap. Where only the end of one stream was
lost, this very journal goes on: what it has beyond the database is carried over, the rest is stored already.
"""

import heapq
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Final, cast

from telemetry.engine.gaps import SECOND, gap
from telemetry.errors import Refusal
from telemetry.historian.store import Connection
from telemetry.historian.upgrade import upgrade
from telemetry.journal import format as form
from telemetry.journal.identity import identity, mark
from telemetry.journal.reader import Reader, segments
from telemetry.journal.writer import Writer
from telemetry.sql import query

OLD = ".before-adoption"
_NOTHING: Final[dict[form.StreamName, int]] = {"events": 0, "frames": 0}


def adopt(folder: Path, connection: Connection, now_ns: int, said: Callable[[str], None]) -> None:
    """Lets the journal in `folder` go on behind what the database holds of its writer. The engine must not run. Refuses where there
    is nothing to adopt; then nothing has changed."""
    upgrade(connection, said)
    writer = folder.name
    positions = _positions(connection, writer)
    if not any(positions.values()):
        raise Refusal(
            f"The database holds nothing of {writer}, so there is nothing to adopt.",
            "Start the service: it fills the database from its journal.",
        )
    theirs = cast("str | None", _one(connection, "journal identity", (writer,)))
    same = theirs is not None and identity(folder) == theirs
    if same and all(_end(folder, stream) >= number for stream, number in positions.items()):
        raise Refusal(
            f"The journal in {folder} is the one that the database was filled from.",
            "Nothing is to be done; start the service.",
        )
    behind = positions if same else _NOTHING
    frames_lost = not same or _end(folder, "frames") < positions["frames"]
    new = folder.with_name(f"{folder.name}.adopting")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(mode=0o700)
    mark(new, theirs)
    journal = Writer(new, writer)
    journal.begin_behind(_last_order(folder) if same else 0, positions["events"], positions["frames"])
    journal.chain_from(
        cast("bytes | None", _one(connection, "last event hash", (writer, positions["events"]))) or form.ZERO_HASH
    )
    journal.open()
    layouts: dict[int, bytes] = {}
    begun: dict[int, int] = {}
    count = 0
    for record in _in_order(folder):
        if record.kind == form.LAYOUT:
            layouts[form.unpack_layout(record.body).id] = record.body  # told again before its first frame
        elif record.number > behind["events" if record.kind == form.EVENT else "frames"]:
            layout = _layout(record)
            journal.again(record, None if layout is None else layouts.get(layout))
            if layout is not None:
                begun.setdefault(layout, form.frame_time(record.body))
            count += 1
    stored_ns = int(str(_one(connection, "newest stored", (writer,)) or 0))
    first_ns, last_ns = stored_ns // SECOND * SECOND, _begun_ns(begun, now_ns) - SECOND
    if frames_lost and stored_ns and first_ns <= last_ns:
        journal.event(now_ns, gap(None, first_ns, last_ns, "journal lost"))
    occurrences = {str(row[0]): int(str(row[1])) for row in connection.execute(query("highest occurrences"))}
    calibrations = [row[0] for row in connection.execute(query("newest calibrations"))]
    journal.event(
        now_ns,
        {
            "kind": "journal",
            "transition": "adopted",
            "mark": theirs,
            "occurrences": occurrences,
            "calibrations": calibrations,
        },
    )
    journal.close()
    if (folder / "checkpoint").exists():
        shutil.copy2(folder / "checkpoint", new / "checkpoint")
    old = folder.with_name(f"{folder.name}{OLD}-{now_ns // SECOND}")
    folder.rename(old)
    new.rename(folder)
    _sync(folder.parent)
    said(f"The journal goes on behind event {positions['events']} and frame {positions['frames']} of the database.")
    said(f"{count} records that it held were numbered anew. What was lost is recorded as a gap.")
    said(f"The files as they were are in {old}: remove them when all is well.")


def _positions(connection: Connection, writer: str) -> dict[form.StreamName, int]:
    rows = {str(row[0]): int(str(row[1])) for row in connection.execute(query("positions"), (writer,))}
    return {"events": rows.get("events", 0), "frames": rows.get("frames", 0)}


def _one(connection: Connection, name: str, given: object) -> object:
    row = connection.execute(query(name), cast("tuple[object, ...]", given)).fetchone()
    return None if row is None else row[0]


def _end(folder: Path, stream: form.StreamName) -> int:
    found = segments(folder, stream)
    if not found:
        return 0
    reader = Reader(folder, stream, found[-1][0] - 1)
    for _ in reader.rest():
        pass
    reader.close()
    return reader.number


def _last_order(folder: Path) -> int:
    return max((record.order for record in _in_order(folder)), default=0)


def _in_order(folder: Path) -> Iterator[form.Record]:
    """All records of the journal, in the order in which they were taken."""
    streams: tuple[form.StreamName, ...] = ("events", "frames")
    return heapq.merge(*(_records(folder, stream) for stream in streams), key=lambda record: record.order)


def _records(folder: Path, stream: form.StreamName) -> Iterator[form.Record]:
    with closing(Reader(folder, stream, 0)) as reader:
        yield from reader.rest()


def _layout(record: form.Record) -> int | None:
    """Of a frame; None of anything else, and of a frame without a head, which the database will refuse."""
    if record.kind != form.FRAME:
        return None
    try:
        return form.frame_layout(record.body)
    except form.Damaged:
        return None


def _begun_ns(begun: Mapping[int, int], now_ns: int) -> int:
    """The slot from which on every layout has its frames, of the first one of each; this second where there are none."""
    return max(begun.values(), default=now_ns) // SECOND * SECOND


def _sync(folder: Path) -> None:
    file = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
