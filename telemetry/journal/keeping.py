"""Which segments may go. Plain: what lies there, what is stored and the time are arguments."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final, Literal

EVENTS_KEPT_S: Final = 90 * 86_400
HARD_PART: Final = 4
"""Frames are thinned when less than this part of what counts as low is free."""

Room = Literal["enough", "low", "thin", "full"]
"""Of the disk: enough; low, so that what is stored goes at once; thin, so that what is not stored is thinned; full, so that
frames are not written any more (`thin`, and nothing is left to be thinned)."""


@dataclass(frozen=True, slots=True)
class Closed:
    """A segment with another one behind it. written_s: when it was last written to (wall clock, seconds since 1970)."""

    path: Path
    first: int
    last: int
    written_s: float


def closed(found: Sequence[tuple[int, Path]]) -> list[Closed]:
    """The segments (by first number, as `segments` gives them) that are not written to any more."""
    return [Closed(path, first, behind - 1, path.stat().st_mtime) for (first, path), (behind, _) in pairwise(found)]


def room(free_bytes: int, low_bytes: int, reserve_bytes: int) -> Room:
    """How much room a disk with `free_bytes` has; below a quarter of low (or twice the reserve) it is time to thin."""
    if free_bytes < max(low_bytes // HARD_PART, 2 * reserve_bytes):
        return "thin"
    return "low" if free_bytes < low_bytes else "enough"


def frames_to_go(
    found: Sequence[Closed], stored: int, checkpoint_s: float, now_s: float, keep_s: float
) -> list[Closed]:
    """Frame segments that nobody needs: stored, older than the newest checkpoint, older than `keep_s`."""
    needed_s = min(now_s - keep_s, checkpoint_s)
    return [segment for segment in found if segment.last <= stored and segment.written_s < needed_s]


def events_to_go(found: Sequence[Closed], stored: int, checkpoint_s: float, now_s: float) -> list[Closed]:
    """Event segments that are stored and older than the 90 days for which they are kept."""
    return frames_to_go(found, stored, checkpoint_s, now_s, EVENTS_KEPT_S)


def frames_to_thin(found: Sequence[Closed], stored: int, checkpoint_s: float) -> list[Closed]:
    """Frame segments that may be thinned, the oldest first: not stored, and not needed for a start from the checkpoint."""
    return [segment for segment in found if segment.last > stored and segment.written_s < checkpoint_s]
