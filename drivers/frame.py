"""Frame and Layout: one device's readings from one scan, as arrays; no object per value anywhere on the hot path."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from drivers.quality import BAD

LARGEST_LAYOUT: Final = 200
"""Tags in one layout at most: beyond about 250 values PostgreSQL moves arrays out of line and one tag reads 3-8 x slower."""


@dataclass(frozen=True, slots=True)
class Layout:
    """The ordered numeric tags of a frame. `tags` are full tag ids; `record` is true where frames come with a device's own
    records (a particle counter's) instead of every second."""

    device: str
    tags: tuple[str, ...]
    record: bool = False
    id: int = field(init=False)

    def __post_init__(self) -> None:
        text = "\n".join((self.device, str(int(self.record)), *self.tags))
        digest = hashlib.sha256(text.encode()).digest()
        object.__setattr__(self, "id", int.from_bytes(digest[:8], "big") >> 1)  # 63 bits: a PostgreSQL bigint


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One scan of one layout.

    values: float64, n; NaN exactly where quality is Bad. quality: uint16, n (see `drivers.quality`), or None when all Good.
    time_ns: the slot on the one-second grid (for a record: the record's own time); received_ns: when the reply was
    complete, by the engine's clock; source_ns: int64, n, the device's own stamps, or None where it has none.
    late: read back from a device's buffer after an outage. All times are UTC nanoseconds since 1970.
    """

    layout: Layout
    time_ns: int
    received_ns: int
    values: NDArray[np.float64]
    quality: NDArray[np.uint16] | None = None
    source_ns: NDArray[np.int64] | None = None
    late: bool = False


@dataclass(frozen=True, slots=True)
class Gap:
    """Records that a device made and that nobody can read any more: between `first_ns` and `last_ns` (UTC nanoseconds since
    1970, the device's own clock), and why, in a plain sentence."""

    first_ns: int
    last_ns: int
    reason: str


@dataclass(frozen=True, slots=True)
class DeviceEvent:
    """What a device itself reports of its alarms and conditions. severity: 1 to 1000 (OPC UA Part 5, 6.4.2); active and
    acknowledged: None where it is no alarm; time_ns: the device's own, UTC nanoseconds since 1970, 0 where it gives none."""

    time_ns: int
    source: str
    condition: str
    severity: int
    message: str
    active: bool | None = None
    acknowledged: bool | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Scan:
    """What one scan of a device gave: its frames, its text tags (None: Bad), and why it failed, in a plain sentence.

    findings: what is wrong though the device answers, plain sentences that stand for as long as they are in every scan (a
    clock that disagrees, a record from another place). gaps: what was lost, told once. events: what the device reported
    since the last scan; events_lost: how many of these did not reach us.
    """

    frames: tuple[Frame, ...]
    texts: Mapping[str, str | None] = field(default_factory=dict[str, str | None])
    failure: str | None = None
    findings: tuple[str, ...] = ()
    gaps: tuple[Gap, ...] = ()
    events: tuple[DeviceEvent, ...] = ()
    events_lost: int = 0


def bad_frame(layout: Layout, time_ns: int, received_ns: int, reason: int = BAD) -> Frame:
    """The frame of a scan that read nothing: every value Bad for `reason` (a quality code)."""
    n = len(layout.tags)
    return Frame(layout, time_ns, received_ns, np.full(n, np.nan), np.full(n, reason, np.uint16))
