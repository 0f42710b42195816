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


@dataclass(frozen=True, slots=True, eq=False)
class Scan:
    """What one scan of a device gave: its frames, its text tags (None: Bad), and why it failed, in a plain sentence."""

    frames: tuple[Frame, ...]
    texts: Mapping[str, str | None] = field(default_factory=dict[str, str | None])
    failure: str | None = None


def bad_frame(layout: Layout, time_ns: int, received_ns: int, reason: int = BAD) -> Frame:
    """The frame of a scan that read nothing: every value Bad for `reason` (a quality code)."""
    n = len(layout.tags)
    return Frame(layout, time_ns, received_ns, np.full(n, np.nan), np.full(n, reason, np.uint16))
