"""Nothing is lost in silence: every second between the first and the last frame of a layout is a frame or lies in a recorded gap.

A gap event is `{"device": id or null, "first_ns", "last_ns", "reason"}`: the slots from first to last, both included, of that
device, or of any device where it names none. A slot that was scanned within such a span is no contradiction: the span says
where frames may be missing and why.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from drivers.frame import Layout

SECOND: Final = 1_000_000_000


def unaccounted(
    slots: Mapping[Layout, Iterable[int]], gaps: Sequence[Mapping[str, Any]], until_ns: int | None = None
) -> list[tuple[Layout, int]]:
    """The missing slots (ns) that no gap covers. slots: of each polled layout, those of its frames, in any order; frames between
    two seconds (changes of watched tags) count for none. until_ns: slots are expected up to here (without: up to the last one)."""
    missing: list[tuple[Layout, int]] = []
    for layout, times in slots.items():
        open_slots = absent(times, until_ns)
        for gap in gaps:
            if gap["device"] in (None, layout.device):
                open_slots = open_slots[(open_slots < gap["first_ns"]) | (open_slots > gap["last_ns"])]
        missing.extend((layout, int(slot)) for slot in open_slots)
    return missing


def absent(times: Iterable[int], until_ns: int | None = None) -> NDArray[np.int64]:
    """The slots between the first and the last of `times` at which there is none."""
    found = np.array(sorted({time for time in times if time % SECOND == 0}), np.int64)
    if not len(found):
        return found
    expected = np.arange(found[0], max(found[-1], until_ns or 0) + 1, SECOND, np.int64)
    return np.setdiff1d(expected, found)


def doubled(times: Iterable[int]) -> list[int]:
    """Slots that are there more than once."""
    found, counts = np.unique(np.array([time for time in times if time % SECOND == 0], np.int64), return_counts=True)
    return [int(time) for time in found[counts > 1]]


def missing_s(slots: Mapping[Layout, Iterable[int]]) -> float:
    """The most seconds that any layout misses."""
    return max((float(len(absent(times))) for times in slots.values()), default=0.0)
