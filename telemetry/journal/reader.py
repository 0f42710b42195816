"""Follows one stream of a journal from a given number, across segments, past damage, while it is being written."""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from telemetry.journal import format as form

_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Damage:
    """Bytes that hold no good record: where, how many, and why."""

    file: str
    offset: int
    size: int
    reason: str


def segments(folder: Path, stream: form.StreamName) -> list[tuple[int, Path]]:
    """The segments of a stream, by first number. A file of another name (a copy that somebody made) is none."""
    named = re.compile(rf"{stream}-([0-9]{{16,}})\.journal")
    found = ((named.fullmatch(path.name), path) for path in folder.glob(f"{stream}-*.journal"))
    return sorted((int(name[1]), path) for name, path in found if name)


class Reader:
    """Reads the records of a stream behind number `after`. `damage` lists what had to be skipped."""

    def __init__(self, folder: Path, stream: form.StreamName, after: int) -> None:
        self.folder = folder
        self.stream: form.StreamName = stream
        self.number = after
        self.damage: list[Damage] = []
        self._file = -1
        self._path: Path | None = None
        self._data = b""
        self._start = 0  # offset of _data in the segment
        self._thinned_from: int | None = None

    def segment_header(self) -> form.Segment:
        """The header of the segment that holds the next record. Raises Damaged, or FileNotFoundError where there is none."""
        if self._file < 0 and not self._open():
            raise FileNotFoundError(f"{self.folder} holds no segment of {self.stream} behind number {self.number}")
        return form.unpack_segment(os.pread(self._file, form.SEGMENT.size, 0))

    def rest(self) -> Iterator[form.Record]:
        """All records that are there now."""
        while batch := self.read():
            yield from batch

    def segment(self) -> Iterator[form.Record]:
        """The records of the segment in which the next record lies, to its end."""
        path = None
        while batch := self.read():
            if path not in (None, self._path):
                return
            path = self._path
            yield from batch

    @property
    def thinned_from(self) -> int | None:
        """The first number of the segment that the last records came from, where that one was thinned: numbers that are missing
        from there on were given up, those before it were not. None where it was not thinned."""
        return self._thinned_from

    def read(self, most_bytes: int = _CHUNK) -> list[form.Record]:
        """The next records, about `most_bytes` of them; empty where there is nothing new yet."""
        found: list[form.Record] = []
        while not found:
            if self._file < 0 and not self._open():
                return found
            fresh = os.pread(self._file, most_bytes, self._start + len(self._data))
            self._data += fresh
            found = self._records()
            if not found and not fresh and not self._resync() and not self._next_segment():
                self._data = b""  # half a record: read anew next time, for a writer that starts again cuts it off
                return found
        return found

    def sync(self) -> None:
        """What was read so far is on the disk: data that the database has must not be lost by the journal."""
        if self._file >= 0:
            os.fdatasync(self._file)

    def close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    __del__ = close  # whoever reads and forgets keeps no file open

    def _open(self) -> bool:
        """Opens the segment in which the next record lies or will lie."""
        chosen: Path | None = None
        for first, path in segments(self.folder, self.stream):
            if first <= self.number + 1 or chosen is None:
                chosen = path
        if chosen is None:
            return False
        self._enter(chosen)
        return True

    def _enter(self, path: Path) -> None:
        self.close()
        self._file, self._path = os.open(path, os.O_RDONLY), path
        self._data, self._start = b"", form.SEGMENT.size
        try:
            head = form.unpack_segment(os.pread(self._file, form.SEGMENT.size, 0))
            self._thinned_from = head.first if head.thinned else None
        except form.Damaged:  # or not written yet; its records tell their numbers themselves
            self._thinned_from = None

    def _next_segment(self) -> bool:
        """At the end of this segment: goes on to the one behind it, if there is one. A torn record at the end stays behind."""
        assert self._path is not None
        behind = [path for _, path in segments(self.folder, self.stream) if path.name > self._path.name]
        if not behind:
            return False
        if os.pread(self._file, 1, self._start + len(self._data)):
            return True  # written between our last look at this segment and the beginning of the next
        if self._data:
            self._damaged(self._start, len(self._data), "the segment ends within a record")
        self._enter(behind[0])
        return True

    def _resync(self) -> bool:
        """A length that was damaged claims a record without end: a good record within it shows the lie."""
        at = self._data.find(form.RECORD_MAGIC, 1)
        while at > 0:
            try:
                if form.unpack_record(self._data, at) is not None:
                    self._damaged(self._start, at, "the record's length is wrong")
                    self._data, self._start = self._data[at:], self._start + at
                    return True
            except form.Damaged:
                pass
            at = self._data.find(form.RECORD_MAGIC, at + 1)
        return False

    def _records(self) -> list[form.Record]:
        """Takes all whole records out of the buffer."""
        found: list[form.Record] = []
        view, at = memoryview(self._data), 0
        while True:
            try:
                record = form.unpack_record(view, at, self._start)
            except form.Damaged as error:
                skipped = self._data.find(form.RECORD_MAGIC, at + 1)
                if skipped < 0:
                    skipped = max(at + 1, len(self._data) - len(form.RECORD_MAGIC) + 1)
                self._damaged(self._start + at, skipped - at, str(error))
                at = skipped
                continue
            if record is None:
                break
            at = record.end - self._start
            if record.number > self.number:
                self.number = record.number
                found.append(record)
            elif record.kind == form.LAYOUT:
                found.append(record)  # told again by each segment: known before its frames, wherever reading begins
        self._data, self._start = self._data[at:], self._start + at
        return found

    def _damaged(self, offset: int, size: int, reason: str) -> None:
        assert self._path is not None
        last = self.damage[-1] if self.damage else None
        if last and last.file == self._path.name and last.offset + last.size == offset:
            self.damage[-1] = Damage(last.file, last.offset, last.size + size, last.reason)
        else:
            self.damage.append(Damage(self._path.name, offset, size, reason))
