"""Appends to the journal of one writer. Appending writes to the file; syncing makes it survive a power failure.

Appending never waits for the disk: a segment that is full is left open for the next sync, which ends it in its thread.
"""

import os
import threading
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from drivers.frame import Frame
from telemetry.journal import format as form
from telemetry.journal.files import allocate, finish, sync_folder, write_whole
from telemetry.journal.identity import identity, mark
from telemetry.journal.reader import Reader, segments

SEGMENT_BYTES = 16 << 20
"""A start reads the last segment, and frames from the checkpoint on: 0.25 s for 16 MB, which is the plant's time without a scan."""
ASSURED_BYTES: Final = 64 << 10
MOST_LEFT: Final = 32
"""Full segments that wait for a sync at most, half an hour of the plant: of a writer that is never synced no file stays open."""


@dataclass(slots=True)
class _Stream:
    """The open end of one stream."""

    folder: Path
    name: form.StreamName
    writer: str
    number: int = 0
    segment_bytes: int | None = None
    hash: bytes = form.ZERO_HASH
    size: int = 0
    written: int = 0
    file: int = -1
    assured: int = 0
    known: set[int] = field(default_factory=set[int])
    left: deque[int] = field(default_factory=deque[int])  # files of full segments; only a sync closes them
    opened: int = 0
    named: int = 0  # so many of the segments opened stand in the folder on the disk, too
    syncing: threading.Lock = field(default_factory=threading.Lock)  # of those who sync; appending does not wait for it

    def resume(self) -> int:
        """Finds the end of what is there: cuts a torn last record off, gives the highest order seen."""
        order = 0
        found = segments(self.folder, self.name)
        if found:
            first, path = found.pop()
            reader = Reader(self.folder, self.name, first - 1)
            self.number, end = first - 1, form.SEGMENT.size
            with suppress(form.Damaged):  # it died within the header, which is written anew
                self.hash = reader.segment_header().before
            for record in reader.rest():
                self.number, order, end = record.number, record.order, record.end
                if record.kind == form.EVENT:
                    self.hash = form.unpack_event(record)[2]
            reader.close()
            order += self._behind(path, end)
            if path.stat().st_size > end and not reader.damage:
                os.truncate(path, end)
        while found and not order:  # it died before the segment's first record: the one before knows the order
            reader = Reader(self.folder, self.name, found.pop()[0] - 1)
            for record in reader.rest():
                order = record.order
                if record.kind == form.EVENT:
                    self.hash = form.unpack_event(record)[2]
            reader.close()
        return order

    def _behind(self, path: Path, end: int) -> int:
        """Leaves the numbers of records that were begun or damaged behind the last good one unused, for they may be stored; gives
        how many these are. A cut or a single wrong byte is one record, for longer damage it is the best that can be told."""
        with path.open("rb") as file:
            file.seek(end)
            left = file.read()
        lost = max(1, left.count(form.RECORD_MAGIC)) if left else 0
        self.number += lost
        return lost

    def room(self) -> None:
        """A segment with room: what belongs together (a layout and its frame) is appended behind one call. One without a record is
        never full, so that no file is open twice."""
        if self.file < 0 or self.size >= max(self.segment_bytes or SEGMENT_BYTES, form.SEGMENT.size + 1):
            self._open()

    def append(self, kind: int, order: int, time_ns: int, body: bytes) -> None:
        """Whole or not at all. Raises OSError where the disk is full; then nothing was appended and no number is used."""
        self._write(form.pack_record(kind, self.number + 1, order, time_ns, body))
        self.number += 1
        if kind == form.EVENT:
            self.hash = form.event_hash(body[:32], self.number, time_ns, body[32:])

    def _write(self, data: bytes) -> None:
        write_whole(self.file, self.size, data)
        self.size += len(data)
        self.written += len(data)

    def _open(self) -> None:
        """Begins a new segment; a start of the writer always does, so a segment has one writer and one life."""
        self._leave()
        path = self.folder / form.segment_name(self.name, self.number + 1)
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self.opened += 1
        self.known.clear()
        try:
            size = os.fstat(file).st_size
            if size < form.SEGMENT.size:  # new, or begun by one who died within the header
                os.ftruncate(file, 0)
                head = form.pack_segment(form.Segment(self.name, self.writer, self.number + 1, self.hash))
                write_whole(file, 0, head)
                size = len(head)
                self.written += size
        except OSError:
            os.close(file)
            raise
        self.file, self.size = file, size

    def _leave(self) -> None:
        """The file is one for the next sync to end. First it stands among these, then it is the open one no more: a sync at any
        moment sees it."""
        if self.file >= 0:
            self.left.append(self.file)
        self.file, self.assured = -1, 0
        if len(self.left) > MOST_LEFT:
            self.sync()

    def assure(self) -> None:
        """Allocates room for what comes next, so that it cannot fail for want of it. Raises OSError where there is none."""
        self.room()
        if self.size + ASSURED_BYTES > self.assured:
            allocate(self.file, self.size, 4 * ASSURED_BYTES)
            self.assured = self.size + 4 * ASSURED_BYTES

    def sync(self) -> None:
        """What was appended before is on the disk then. Raises OSError."""
        with self.syncing:
            while True:
                self._name()
                while self.left:
                    finish(self.left.popleft())
                file = self.file
                if file >= 0:
                    os.fdatasync(file)
                if not self.left:  # else one became full meanwhile: it was the open one when this sync was asked for
                    return

    def _name(self) -> None:
        opened = self.opened
        if self.named < opened:
            sync_folder(self.folder)
            self.named = opened

    def close(self) -> None:
        """Raises OSError where what was written could not be synced; it is closed all the same."""
        try:
            self._leave()
            self.sync()
        finally:
            with self.syncing:
                self._forget()

    def _forget(self) -> None:
        while self.left:
            os.close(self.left.popleft())

    def __del__(self) -> None:
        if self.file >= 0:  # a writer that was forgotten keeps no file open
            os.close(self.file)
        self._forget()


class Writer:
    """The journal of `writer` in `folder`. One process at a time."""

    def __init__(self, folder: Path, writer: str, segment_bytes: int | None = None) -> None:
        folder.mkdir(parents=True, mode=0o700, exist_ok=True)
        if identity(folder) is None:
            with suppress(OSError):  # the disk is full: the next start marks it, and nothing is stored before
                mark(folder)
        self.folder, self.writer = folder, writer
        self._events = _Stream(folder, "events", writer, segment_bytes=segment_bytes)
        self._frames = _Stream(folder, "frames", writer, segment_bytes=segment_bytes)
        self.order = max(self._events.resume(), self._frames.resume())

    @property
    def event_number(self) -> int:
        """The number of the newest event."""
        return self._events.number

    @property
    def frame_number(self) -> int:
        """The number of the newest frame or layout record."""
        return self._frames.number

    @property
    def written_bytes(self) -> int:
        """Bytes appended to both streams since it was opened."""
        return self._events.written + self._frames.written

    def begin_behind(self, order: int, events: int, frames: int) -> None:
        """Leaves out all orders and numbers up to these, which somebody has seen (a checkpoint, the database): what was lost
        of the journal since must not have its numbers used again. Before anything is appended."""
        self.order = max(self.order, order)
        self._events.number = max(self._events.number, events)
        self._frames.number = max(self._frames.number, frames)

    def chain_from(self, before: bytes) -> None:
        """The hash of the event before the first one, where that one lies elsewhere. Before anything is appended."""
        self._events.hash = before

    def open(self) -> None:
        """Begins the segments that come next, so that their numbers stand even where nothing is appended."""
        self._events.room()
        self._frames.room()

    def again(self, record: form.Record, layout: bytes | None = None) -> None:
        """Appends a record of another journal: its order, time and content stay, its number and place in the chain are new. Of a
        frame, `layout` (packed) is appended before it where this segment has not told it yet."""
        stream = self._events if record.kind == form.EVENT else self._frames
        stream.room()
        if layout is not None and (told := form.frame_layout(record.body)) not in stream.known:
            stream.append(form.LAYOUT, record.order, record.time_ns, layout)
            stream.known.add(told)
        body = stream.hash + record.body[32:] if record.kind == form.EVENT else record.body
        stream.append(record.kind, record.order, record.time_ns, body)
        self.order = max(self.order, record.order)

    def assure_event(self) -> None:
        """Makes sure that the next event finds room. Raises OSError where it would not; then nothing has changed."""
        self._events.assure()

    def assure_frames(self) -> None:
        """Makes sure that the next frames find some room. Raises OSError where they would not; then nothing has changed."""
        self._frames.assure()

    def event(self, time_ns: int, data: dict[str, Any]) -> tuple[int, bytes]:
        """Appends one event; gives its number and hash."""
        self._events.room()
        self.order += 1
        self._events.append(form.EVENT, self.order, time_ns, form.pack_event(self._events.hash, data))
        return self._events.number, self._events.hash

    def frame(self, frame: Frame, failed: bool) -> int:
        """Appends one frame, and its layout where this segment has not told it yet; gives the frame's order."""
        stream = self._frames
        stream.room()
        if frame.layout.id not in stream.known:
            self.order += 1
            stream.append(form.LAYOUT, self.order, frame.received_ns, form.pack_layout(frame.layout))
            stream.known.add(frame.layout.id)
        self.order += 1
        stream.append(form.FRAME, self.order, frame.received_ns, form.pack_frame(frame, failed))
        return self.order

    def sync_events(self) -> None:
        """Blocks until all events are on the disk: call it in a thread."""
        self._events.sync()

    def sync_frames(self) -> None:
        self._frames.sync()

    def close(self) -> None:
        try:
            self._events.close()
        finally:
            self._frames.close()
