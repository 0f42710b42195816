"""Appends to the journal of one writer. Appending writes to the file; syncing makes it survive a power failure."""

import os
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from drivers.frame import Frame
from telemetry.journal import format as form
from telemetry.journal.reader import Reader, segments

SEGMENT_BYTES = 64 << 20


@dataclass(slots=True)
class _Stream:
    """The open end of one stream."""

    folder: Path
    name: form.StreamName
    writer: str
    number: int = 0
    hash: bytes = form.ZERO_HASH
    size: int = 0
    file: int = -1
    known: set[int] = field(default_factory=set[int])
    closing: threading.Lock = field(
        default_factory=threading.Lock
    )  # a sync in its thread keeps the file open meanwhile

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

    def room(self) -> None:
        """A segment with room: what belongs together (a layout and its frame) is appended behind one call."""
        if self.file < 0 or self.size >= SEGMENT_BYTES:
            self._open()

    def append(self, kind: int, order: int, time_ns: int, body: bytes) -> None:
        """Whole or not at all. Raises OSError where the disk is full; then nothing was appended and no number is used."""
        self._write(form.pack_record(kind, self.number + 1, order, time_ns, body))
        self.number += 1
        if kind == form.EVENT:
            self.hash = form.event_hash(body[:32], self.number, time_ns, body[32:])

    def _write(self, data: bytes) -> None:
        written = os.write(self.file, data)
        if written != len(data):
            os.ftruncate(self.file, self.size)
            raise OSError(f"the journal took {written} of {len(data)} bytes: the disk is full")
        self.size += written

    def _open(self) -> None:
        """Begins a new segment; a start of the writer always does, so a segment has one writer and one life."""
        self.close()
        path = self.folder / form.segment_name(self.name, self.number + 1)
        self.file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self.size = os.fstat(self.file).st_size
        self.known.clear()
        if self.size < form.SEGMENT.size:  # new, or begun by one who died within the header
            os.ftruncate(self.file, 0)
            self.size = 0
            try:
                self._write(form.pack_segment(form.Segment(self.name, self.writer, self.number + 1, self.hash)))
            except OSError:
                self.close()
                raise
        folder = os.open(self.folder, os.O_RDONLY)
        os.fsync(folder)
        os.close(folder)

    def sync(self) -> None:
        with self.closing:
            if self.file >= 0:
                os.fdatasync(self.file)

    def __del__(self) -> None:
        if self.file >= 0:  # a writer that was forgotten keeps no file open
            os.close(self.file)

    def close(self) -> None:
        with self.closing:
            if self.file >= 0:
                os.fdatasync(self.file)
                os.close(self.file)
                self.file = -1


class Writer:
    """The journal of `writer` in `folder`. One process at a time."""

    def __init__(self, folder: Path, writer: str) -> None:
        folder.mkdir(parents=True, mode=0o700, exist_ok=True)
        self.folder, self.writer = folder, writer
        self._events = _Stream(folder, "events", writer)
        self._frames = _Stream(folder, "frames", writer)
        self.order = max(self._events.resume(), self._frames.resume())

    @property
    def event_number(self) -> int:
        """The number of the newest event."""
        return self._events.number

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
        self._events.close()
        self._frames.close()
