"""When the disk is full and the database is away: the oldest frames that are not stored yet give way, by a stated rule.

Of a segment that is closed, every tenth second of each device stays, and all that is not ordinary: frames that are not all
Good, changes between two seconds, counters' records, what came late; so does what is stored, and the first and the last record.
When that was not enough, every sixtieth second. Events are never touched, and a segment that holds damage stays as it is. The
thinned file takes the place of the old one at once and whole: who reads the old one reads it to its end, who opens the new one
finds records with the same numbers and orders, fewer of them.
"""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from telemetry.journal import format as form
from telemetry.journal.reader import Reader

STEPS: Final = (10, 60)
"""Every nth second is kept: at first, and when that was not enough."""
_SECOND: Final = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Thinned:
    """A thinned segment that waits beside the one whose place it is to take. first_ns, last_ns: slots of the frames removed."""

    path: Path
    new: Path
    step: int
    removed: int
    first_ns: int
    last_ns: int

    def commit(self) -> int:
        """Takes the old one's place; gives the bytes that became free."""
        freed = self.path.stat().st_size - self.new.stat().st_size
        self.new.replace(self.path)
        _sync_folder(self.path.parent)
        return freed


def next_step(path: Path) -> int | None:
    """How a segment is thinned next; None where it cannot be thinned any more, or its header is damaged."""
    try:
        with path.open("rb") as file:
            done = form.unpack_segment(file.read(form.SEGMENT.size)).thinned
    except (OSError, form.Damaged):
        return None
    return next((step for step in STEPS if step > done), None)


def prepare(path: Path, step: int, stored: int = 0) -> Thinned | None:
    """Writes the thinned segment beside the old one, synced. Records up to number `stored` are in the database, so they are no
    gap and stay. None where there is nothing to remove, or where the segment holds damage: that would be lost from sight. Raises
    OSError where even that finds no room. Where it gives nothing, nothing is left behind."""
    first = int(path.stem.rsplit("-", 1)[1])
    reader = Reader(path.parent, "frames", first - 1)
    new = path.with_suffix(".thinned")
    removed: list[int] = []
    thinned: Thinned | None = None
    try:
        head = reader.segment_header()
        with new.open("wb") as file:
            file.write(form.pack_segment(form.Segment("frames", head.writer, head.first, head.before, step)))
            file.writelines(_kept(reader.segment(), step, max(stored, head.first), removed))
            file.flush()
            os.fsync(file.fileno())
        if removed and not any(damage.file == path.name for damage in reader.damage):
            thinned = Thinned(path, new, step, len(removed), min(removed), max(removed))
    except form.Damaged:
        pass
    finally:
        reader.close()
        if thinned is None:
            new.unlink(missing_ok=True)
    return thinned


def _kept(records: Iterable[form.Record], step: int, behind: int, removed: list[int]) -> Iterable[bytes]:
    """The records that stay, packed as they were; the slots of the others go to `removed`. Up to number `behind` all stay, and the
    last one, too: so all numbers that are missing lie within this segment, which says that they were given up."""
    recorded: set[int] = set()
    spared: form.Record | None = None
    for record in records:
        spared = None
        if record.kind == form.LAYOUT:
            layout = form.unpack_layout(record.body)
            if layout.record:
                recorded.add(layout.id)
        elif (
            record.number > behind and form.frame_layout(record.body) not in recorded and form.is_ordinary(record.body)
        ):
            slot_ns = form.frame_time(record.body)
            if slot_ns // _SECOND % step:
                removed.append(slot_ns)
                spared = record
                continue
        yield _packed(record)
    if spared is not None:
        removed.pop()
        yield _packed(spared)


def _packed(record: form.Record) -> bytes:
    return form.pack_record(record.kind, record.number, record.order, record.time_ns, record.body)


def _sync_folder(folder: Path) -> None:
    file = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
