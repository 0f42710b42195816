"""The journal's format on disk, as plain functions on bytes. It stays as it is: old segments must be readable for ever.

A segment is a file ``<stream>-<first number, 16 digits>.journal``: a header, then records one behind the other.

    segment header   magic "TELJRNL1", stream (1), thinned (1), 6 zero bytes, writer (32, UTF-8, NUL padded),
                     first number (8), hash before it (32)                                                88 bytes
    record header    magic (4), length of body (4), CRC-32 of all that follows (4), kind (1), 3 zero bytes,
                     number (8), order (8), time (8)                                                      40 bytes
    record body      events: previous hash (32), then JSON (keys sorted); frames: see `pack_frame`

All numbers are little endian. `number` counts the records of one stream without a gap, so a missing record is noticed;
`order` counts the records of both streams of a writer, so that inputs replay in the order in which they were taken; `time` is the
writer's clock, UTC nanoseconds. The hash of an event is SHA-256 over its previous hash, number, time and JSON: whoever
changes one changes all after it. The magic in each record lets a reader find the next good one behind damage. `thinned` is
0, or n where only every nth second of the frames was kept because the disk was full (`telemetry.journal.thinning`): the
numbers that are missing then were given up, not lost.
"""

import hashlib
import struct
import zlib
from dataclasses import dataclass
from typing import Any, Final, Literal

import msgspec
import numpy as np
import orjson

from drivers.frame import Frame, Layout

StreamName = Literal["events", "frames"]

SEGMENT_MAGIC: Final = b"TELJRNL1"
RECORD_MAGIC: Final = b"\xa7JR1"
SEGMENT: Final = struct.Struct("<8sBB6x32sQ32s")
RECORD: Final = struct.Struct("<4sIIB3xQQq")
_HEAD: Final = struct.Struct("<4sII")
_CHECKED: Final = struct.Struct("<B3xQQq")  # the second part of the header: the checksum covers the record from here
_CODES: Final[dict[StreamName, int]] = {"events": 1, "frames": 2}
_NUMBERED: Final = struct.Struct("<Qq")
_FRAME: Final = struct.Struct("<qqHH")
_F8: Final = np.dtype("<f8")
LARGEST_BODY: Final = 1 << 24

EVENT: Final = 1
LAYOUT: Final = 2
FRAME: Final = 3

QUALITY, SOURCES, SOURCE, LATE, FAILED = 1, 2, 4, 8, 16
"""Flags of a packed frame."""
ZERO_HASH: Final = bytes(32)


class Damaged(Exception):
    """The bytes are no good record; the text says in what way."""


@dataclass(frozen=True, slots=True)
class Segment:
    """The header of a segment."""

    stream: StreamName
    writer: str
    first: int
    before: bytes
    thinned: int = 0


class Record(msgspec.Struct, frozen=True, gc=False):
    """One record; `body` as stored. `end`: its end as an offset in its segment."""

    kind: int
    number: int
    order: int
    time_ns: int
    body: bytes
    end: int = 0


def segment_name(stream: StreamName, first: int) -> str:
    return f"{stream}-{first:016d}.journal"


def pack_segment(segment: Segment) -> bytes:
    writer = segment.writer.encode()
    if len(writer) > 32:
        raise ValueError(f"the writer's name {segment.writer} is longer than 32 bytes")
    return SEGMENT.pack(SEGMENT_MAGIC, _CODES[segment.stream], segment.thinned, writer, segment.first, segment.before)


def unpack_segment(head: bytes) -> Segment:
    """Raises Damaged."""
    if len(head) < SEGMENT.size or head[:8] != SEGMENT_MAGIC:
        raise Damaged("this is no journal segment")
    _, code, thinned, writer, first, before = SEGMENT.unpack_from(head)
    stream: StreamName = "events" if code == 1 else "frames"
    return Segment(stream, writer.rstrip(b"\0").decode(errors="replace"), first, before, thinned)


def pack_record(kind: int, number: int, order: int, time_ns: int, body: bytes) -> bytes:
    """Raises ValueError for a body that no reader would take."""
    if len(body) > LARGEST_BODY:
        raise ValueError(f"a record of {len(body)} bytes is larger than the journal's {LARGEST_BODY}")
    checked = _CHECKED.pack(kind, number, order, time_ns) + body
    return _HEAD.pack(RECORD_MAGIC, len(body), zlib.crc32(checked)) + checked


def unpack_record(data: bytes | memoryview, at: int, start: int = 0) -> Record | None:
    """The record at offset `at`; None where the data ends before it does. `start`: offset of `data` in its segment. Raises
    Damaged."""
    if len(data) - at < RECORD.size:
        return None
    magic, length, crc, kind, number, order, time_ns = RECORD.unpack_from(data, at)
    if magic != RECORD_MAGIC or length > LARGEST_BODY:
        raise Damaged(f"no record begins at byte {start + at}")
    end = at + RECORD.size + length
    if len(data) < end:
        return None
    if zlib.crc32(data[at + _HEAD.size : end]) != crc:
        raise Damaged(f"the record at byte {start + at} does not match its checksum")
    return Record(kind, number, order, time_ns, bytes(data[at + RECORD.size : end]), start + end)


def event_hash(previous: bytes, number: int, time_ns: int, body: bytes) -> bytes:
    return hashlib.sha256(previous + _NUMBERED.pack(number, time_ns) + body).digest()


def pack_event(previous: bytes, data: dict[str, Any]) -> bytes:
    return previous + orjson.dumps(data, option=orjson.OPT_SORT_KEYS)


def unpack_event(record: Record) -> tuple[bytes, dict[str, Any], bytes]:
    """Previous hash, data and own hash of an event record."""
    previous, body = record.body[:32], record.body[32:]
    return previous, orjson.loads(body), event_hash(previous, record.number, record.time_ns, body)


def pack_layout(layout: Layout) -> bytes:
    return orjson.dumps({"id": layout.id, "device": layout.device, "record": layout.record, "tags": layout.tags})


def unpack_layout(body: bytes) -> Layout:
    told = orjson.loads(body)
    return Layout(told["device"], tuple(told["tags"]), told["record"])


def pack_frame(frame: Frame, failed: bool) -> bytes:
    """Layout id (8), slot time (8), flags (2), count (2), values (8 each), then as flagged: qualities (2 each), source times
    (8 each, or one for all). The received time is the record's own time."""
    flags = (LATE if frame.late else 0) | (FAILED if failed else 0)
    parts = [frame.values.astype(_F8, copy=False).tobytes()]
    if frame.quality is not None:
        flags |= QUALITY
        parts.append(frame.quality.astype("<u2", copy=False).tobytes())
    source = frame.source_ns
    if source is not None and len(source):
        if (source == source[0]).all():
            flags |= SOURCE
            source = source[:1]
        else:
            flags |= SOURCES
        parts.append(source.astype("<i8", copy=False).tobytes())
    return _FRAME.pack(frame.layout.id, frame.time_ns, flags, len(frame.values)) + b"".join(parts)


def frame_layout(body: bytes) -> int:
    """The layout id of a packed frame. Raises Damaged."""
    if len(body) < _FRAME.size:
        raise Damaged(f"a frame of {len(body)} bytes has no head")
    return _FRAME.unpack_from(body)[0]


def is_ordinary(body: bytes) -> bool:
    """Whether a packed frame is of a scan, in time, all Good, and on the grid of whole seconds: one of many alike."""
    _, time_ns, flags, _ = _FRAME.unpack_from(body)
    return not flags & (QUALITY | LATE | FAILED) and time_ns % 1_000_000_000 == 0


def frame_time(body: bytes) -> int:
    """The slot of a packed frame."""
    return _FRAME.unpack_from(body)[1]


def frame_flags(record: Record, layout: Layout) -> int:
    """The flags of the frame in `record`. Raises Damaged where it does not fit its layout."""
    _, _, flags, count = _FRAME.unpack_from(record.body)
    if count != len(layout.tags):
        raise Damaged(f"frame {record.number} holds {count} values, its layout {len(layout.tags)}")
    per_value = 8 + (2 if flags & QUALITY else 0) + (8 if flags & SOURCES else 0)
    if len(record.body) != _FRAME.size + per_value * count + (8 if flags & SOURCE else 0):
        raise Damaged(f"frame {record.number} is {len(record.body)} bytes long, which does not fit its {count} values")
    return flags


def unpack_frame(record: Record, layout: Layout) -> tuple[Frame, bool]:
    """The frame in `record`, and whether the device had not answered. Raises Damaged where it does not fit its layout."""
    flags = frame_flags(record, layout)
    _, time_ns, _, count = _FRAME.unpack_from(record.body)
    at = _FRAME.size
    values = np.frombuffer(record.body, "<f8", count, at)
    at += 8 * count
    quality = source = None
    if flags & QUALITY:
        quality = np.frombuffer(record.body, "<u2", count, at)
        at += 2 * count
    if flags & SOURCES:
        source = np.frombuffer(record.body, "<i8", count, at)
    elif flags & SOURCE:
        source = np.full(count, np.frombuffer(record.body, "<i8", 1, at)[0])
    return Frame(layout, time_ns, record.time_ns, values, quality, source, bool(flags & LATE)), bool(flags & FAILED)
