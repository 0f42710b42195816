"""Frames, events and journals for these tests: made up, written, read back, compared bit for bit."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from drivers.frame import Frame, Layout, bad_frame
from drivers.quality import BAD, BAD_NO_COMMUNICATION, BAD_TIMEOUT, GOOD, UNCERTAIN, UNCERTAIN_EU_EXCEEDED
from telemetry.journal import format as form
from telemetry.journal.reader import Damage, Reader, segments
from telemetry.journal.writer import Writer

WRITER: Final = "engine-1"
SECOND: Final = 1_000_000_000
NOON: Final = 1_780_000_000 * SECOND
ISOLATOR: Final = Layout("L01-ISO", ("L01-ISO.pressure", "L01-ISO.fan", "L01-ISO.hold"))
COUNTER: Final = Layout("L01-PC1", ("L01-PC1.count",), record=True)
QUALITIES: Final = (GOOD, GOOD, UNCERTAIN, UNCERTAIN_EU_EXCEEDED, BAD, BAD_TIMEOUT, 0xFFFF)
INT64: Final = st.integers(-(2**63), 2**63 - 1)
LATER: Final = st.integers(NOON, NOON + 3600 * SECOND)


def good_frame(i: int, layout: Layout = ISOLATOR) -> Frame:
    """The frame of second `i` after noon, all Good, every value different."""
    values = np.arange(len(layout.tags), dtype=np.float64) + i
    return Frame(layout, NOON + i * SECOND, NOON + i * SECOND + 1000, values)


@st.composite
def frames(draw: st.DrawFn, times: st.SearchStrategy[int] = INT64) -> Frame:
    """Any frame: all Good or not, with one source time, one each, or none; late; of a scan that failed."""
    layout = draw(st.sampled_from((ISOLATOR, COUNTER)))
    n = len(layout.tags)
    if draw(st.integers(0, 9)) == 0:
        return bad_frame(layout, draw(times), draw(times), BAD_NO_COMMUNICATION)
    codes = draw(st.none() | st.lists(st.sampled_from(QUALITIES), min_size=n, max_size=n))
    quality = np.array(codes, np.uint16) if codes is not None and any(codes) else None
    values = np.array(draw(st.lists(st.floats(allow_nan=False), min_size=n, max_size=n)), np.float64)
    if quality is not None:
        values[quality >= BAD] = np.nan
    stamps = draw(st.none() | times | st.lists(st.just(0) | times, min_size=n, max_size=n))
    source: NDArray[np.int64] | None = None
    if stamps is not None:
        source = np.full(n, stamps, np.int64) if isinstance(stamps, int) else np.array(stamps, np.int64)
    return Frame(layout, draw(times), draw(times), values, quality, source, draw(st.booleans()))


def same(one: Frame, other: Frame) -> bool:
    """Whether two frames are equal in every bit."""
    plain = ("layout", "time_ns", "received_ns", "late")
    arrays = ((one.values, other.values), (one.quality, other.quality), (one.source_ns, other.source_ns))
    return all(getattr(one, name) == getattr(other, name) for name in plain) and all(
        (a is None) == (b is None) and (a is None or b is None or (a.dtype, a.tobytes()) == (b.dtype, b.tobytes()))
        for a, b in arrays
    )


def read(folder: Path, stream: form.StreamName, after: int = 0, most_bytes: int = 1 << 20) -> list[form.Record]:
    """All records behind `after` that are there now."""
    return read_all(folder, stream, after, most_bytes)[0]


def read_all(
    folder: Path, stream: form.StreamName, after: int = 0, most_bytes: int = 1 << 20
) -> tuple[list[form.Record], list[Damage]]:
    """All records behind `after` that are there now, and the damage between them."""
    reader = Reader(folder, stream, after)
    records: list[form.Record] = []
    while some := reader.read(most_bytes):
        records += some
    reader.close()
    return records, reader.damage


def numbers(records: Sequence[form.Record]) -> list[int]:
    return [record.number for record in records]


def frames_of(records: Sequence[form.Record]) -> list[tuple[Frame, bool]]:
    """The frames in `records`, by the layouts in them, and whether the device had answered."""
    layouts: dict[int, Layout] = {}
    found: list[tuple[Frame, bool]] = []
    for record in records:
        if record.kind == form.LAYOUT:
            layout = form.unpack_layout(record.body)
            layouts[layout.id] = layout
        else:
            found.append(form.unpack_frame(record, layouts[form.frame_layout(record.body)]))
    return found


def events_of(records: Sequence[form.Record]) -> list[dict[str, Any]]:
    return [form.unpack_event(record)[1] for record in records]


def broken_at(folder: Path) -> int | None:
    """The number of the first event whose `previous` is not the hash of the event before it; None where the chain is whole."""
    before = form.ZERO_HASH
    for record in read(folder, "events"):
        previous, _, own = form.unpack_event(record)
        if previous != before:
            return record.number
        before = own
    return None


def last_file(folder: Path, stream: form.StreamName) -> Path:
    return segments(folder, stream)[-1][1]


def written(folder: Path, events: int = 0, frames: int = 0) -> Writer:
    """A writer that has written as many events and frames, one after the other in turn."""
    writer = Writer(folder, WRITER)
    for i in range(max(events, frames)):
        if i < events:
            writer.event(NOON + i * SECOND, {"kind": "act", "n": i})
        if i < frames:
            writer.frame(good_frame(i), failed=False)
    return writer


def until(holds: Callable[[], bool], what: str, deadline_s: float = 20.0) -> None:
    """Waits until `holds`; fails with `what` after the deadline."""
    deadline = time.monotonic() + deadline_s
    while not holds():
        assert time.monotonic() < deadline, f"not within {deadline_s} s: {what}"
        time.sleep(0.02)
