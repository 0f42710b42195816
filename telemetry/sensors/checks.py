"""Checks of one layout's sensors: out of range, too fast, frozen, stale, calibration past due. Arrays and a time; no clock.

A device says Good of a value that its sensor has lost. What is wrong with it shows in the value itself, or in how it moves:

out of range  beyond what the instrument can show and a margin. NAMUR NE 43 lets a 4-20 mA signal live from 3.8 to 20.5 mA, which
              is 1/80 of the span below the range and 1/32 above it.
too fast      |v - v0| > rate * max(t - t0, 1 s), v0 the last Good reading that was not too fast itself. So of a spike only the
              spike is told; and a true step is believed once the time since v0 explains it.
frozen        no change at all while Good for so long. Time that nothing was read, or Bad, does not count: it might have moved.
stale         the device's own time of the value stands still, by the engine's clock: nobody's clocks are compared.
past due      the calibration's due time lies behind the reading's.

Only what the device calls Good is judged, so its own reasons stand. The worst finding is told, in this order: Bad by staleness,
stale, out of range, too fast, frozen, past due. What comes late (a counter's buffer) or in records tells nothing of how a value
moved, and is judged by range and calibration alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from drivers.frame import Frame, Layout
from drivers.profile import ProfileTag
from drivers.quality import (
    BAD_INVALID_TIMESTAMP,
    GOOD,
    UNCERTAIN,
    UNCERTAIN_EU_EXCEEDED,
    UNCERTAIN_LAST_USABLE,
    UNCERTAIN_NO_COMMUNICATION_LAST_USABLE,
    UNCERTAIN_SENSOR_CALIBRATION,
    UNCERTAIN_SENSOR_NOT_ACCURATE,
)

SECOND_NS: Final = 1_000_000_000
BETWEEN_NS: Final = 2_500_000_000
"""Two readings further apart (more than one scan was missed) say nothing of whether the value stood still between them."""
BELOW: Final = 1 / 80
ABOVE: Final = 1 / 32
"""Parts of the span that a 4-20 mA signal may lie beyond its range (NE 43: 3.8 and 20.5 mA)."""
NEVER: Final = int(np.iinfo(np.int64).max)

Slots = NDArray[np.intp]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Range:
    """low, high: the lowest and highest value that each tag of the layout can have; infinite where nothing is known."""

    low: Floats
    high: Floats

    def outside(self, values: Floats) -> Flags:
        """Mask of the layout."""
        return (values < self.low) | (values > self.high)


@dataclass(slots=True, eq=False)
class Rate:
    """k tags that cannot change faster. per_ns: their unit per nanosecond; last, last_ns: the newest reading that is believed (NaN,
    0: none yet)."""

    slots: Slots
    per_ns: Floats
    last: Floats
    last_ns: Ints

    def step(self, values: Floats, good: Flags | None, now_ns: int) -> Slots:
        """The places in the frame that moved too fast."""
        value = values[self.slots]
        allowed = self.per_ns * np.maximum(now_ns - self.last_ns, SECOND_NS)
        fast = np.abs(value - self.last) > allowed
        if good is None and np.count_nonzero(fast) == 0:
            self.last, self.last_ns = value, np.full(len(value), now_ns)
            return self.slots[:0]
        mine = good_of(good, self.slots)
        believed = mine & ~fast
        self.last[believed] = value[believed]
        self.last_ns[believed] = now_ns
        return self.slots[mine & fast]


@dataclass(slots=True, eq=False)
class Still:
    """k tags that are noisy. after_ns: standing still so long is frozen; held: the value; still_ns: how long it has been seen
    to stand; counted: whether the newest reading was Good, from which time counts on; seen_ns: when it was taken."""

    slots: Slots
    after_ns: Ints
    held: Floats
    still_ns: Ints
    counted: Flags
    seen_ns: int = 0

    def step(self, values: Floats, good: Flags | None, now_ns: int) -> Slots:
        """The places in the frame that are frozen."""
        value = values[self.slots]
        between_ns, self.seen_ns = now_ns - self.seen_ns, now_ns
        same = value == self.held
        if good is None and np.count_nonzero(same) == 0:  # the usual case
            self.held, self.still_ns, self.counted = value, np.zeros(len(value), np.int64), self.counted | True
            return self.slots[:0]
        mine = good_of(good, self.slots)
        self.still_ns[mine & ~same] = 0
        if between_ns <= BETWEEN_NS:
            self.still_ns[mine & same & self.counted] += between_ns
        np.copyto(self.held, value, where=mine)
        self.counted = mine
        return self.slots[mine & (self.still_ns >= self.after_ns)]


@dataclass(slots=True, eq=False)
class Stamps:
    """k tags whose device gives each reading its time. uncertain_ns, bad_ns: standing still so long; stamp: the newest one;
    moved_ns: when it was first seen, by the engine's clock."""

    slots: Slots
    uncertain_ns: Ints
    bad_ns: Ints
    stamp: Ints
    moved_ns: Ints

    def step(self, source_ns: Ints, good: Flags | None, now_ns: int) -> tuple[Slots, Slots]:
        """The places in the frame that are stale, and those of them that have been so for too long."""
        stamp = source_ns[self.slots]
        moved = (stamp != self.stamp) | (stamp == 0)  # 0: the device gives no time, so there is none that stands still
        self.stamp = stamp
        if np.count_nonzero(moved) == len(moved):
            self.moved_ns[:] = now_ns
            return self.slots[:0], self.slots[:0]
        self.moved_ns[moved] = now_ns
        mine, stood_ns = good_of(good, self.slots), now_ns - self.moved_ns
        return self.slots[mine & (stood_ns >= self.uncertain_ns)], self.slots[mine & (stood_ns >= self.bad_ns)]


@dataclass(slots=True, eq=False)
class LayoutChecks:
    """The checks of one layout; None where none of its tags has that one. due_ns: from when on each tag's calibration is past
    due (NEVER: none is known); first_due_ns: the earliest of them."""

    range: Range | None = None
    rate: Rate | None = None
    still: Still | None = None
    stamps: Stamps | None = None
    due_ns: Ints = field(default_factory=lambda: np.empty(0, np.int64))
    first_due_ns: int = NEVER

    @property
    def some(self) -> bool:
        """Whether there is anything to check."""
        return any(check is not None for check in (self.range, self.rate, self.still, self.stamps))

    def calibrated(self, slot: int, tags: int, due_ns: int) -> None:
        """From now on the tag in `slot` of a layout of `tags` has this due time."""
        if not len(self.due_ns):
            self.due_ns = np.full(tags, NEVER, np.int64)
        self.due_ns[slot] = due_ns
        self.first_due_ns = int(self.due_ns.min())

    def judged(self, frame: Frame) -> Frame:
        """The frame with what the checks find as its quality: the same one where they find nothing. Takes time from it: frames
        are given in the order in which they were received."""
        values, now_ns = frame.values, frame.received_ns
        good = None if frame.quality is None else frame.quality < UNCERTAIN
        found: list[tuple[Slots, int]] = []
        if frame.time_ns >= self.first_due_ns:
            found.append((_places(frame.time_ns >= self.due_ns, good), UNCERTAIN_SENSOR_CALIBRATION))
        moves = not frame.late and not frame.layout.record
        if moves and self.still is not None:
            found.append((self.still.step(values, good, now_ns), UNCERTAIN_LAST_USABLE))
        if moves and self.rate is not None:
            found.append((self.rate.step(values, good, now_ns), UNCERTAIN_SENSOR_NOT_ACCURATE))
        if self.range is not None and np.count_nonzero(outside := self.range.outside(values)):
            found.append((_places(outside, good), UNCERTAIN_EU_EXCEEDED))
        lost = None
        if moves and self.stamps is not None and frame.source_ns is not None:
            stale, lost = self.stamps.step(frame.source_ns, good, now_ns)
            found.append((stale, UNCERTAIN_NO_COMMUNICATION_LAST_USABLE))
            found.append((lost, BAD_INVALID_TIMESTAMP))  # not the code of a device that does not answer
        if not any(len(places) for places, _ in found):
            return frame
        quality = np.full(len(values), GOOD, np.uint16) if frame.quality is None else frame.quality.copy()
        for places, code in found:
            quality[places] = code
        if lost is not None and len(lost):
            values = values.copy()
            values[lost] = np.nan
        return Frame(frame.layout, frame.time_ns, now_ns, values, quality, frame.source_ns, frame.late)


def good_of(good: Flags | None, slots: Slots) -> Flags:
    """Which of `slots` the device calls Good; None: it does so of all."""
    return np.ones(len(slots), np.bool_) if good is None else good[slots]


def _places(flags: Flags, good: Flags | None) -> Slots:
    return np.flatnonzero(flags if good is None else flags & good)


def checks_of(layout: Layout, tags: Mapping[str, ProfileTag]) -> LayoutChecks:
    """The checks of `layout`; `tags` by their full ids."""
    specs = [tags[tag] for tag in layout.tags]
    lows, highs = zip(*(_limits(spec) for spec in specs), strict=True)
    low, high = np.array(lows), np.array(highs)
    fast = [(i, spec.checks.max_rate_per_s) for i, spec in enumerate(specs) if spec.checks.max_rate_per_s is not None]
    still = [(i, spec.checks.frozen_s) for i, spec in enumerate(specs) if spec.checks.frozen_s is not None]
    stale = [(i, spec.checks) for i, spec in enumerate(specs) if spec.checks.stale_s is not None]
    checks = LayoutChecks()
    if np.isfinite(low).any() or np.isfinite(high).any():
        checks.range = Range(low, high)
    if fast:
        per_ns, k = np.array([rate / SECOND_NS for _, rate in fast]), len(fast)
        checks.rate = Rate(_slots([i for i, _ in fast]), per_ns, np.full(k, np.nan), np.zeros(k, np.int64))
    if still:
        k = len(still)
        after_ns, zeros = _ns([s for _, s in still]), np.zeros(k, np.int64)
        checks.still = Still(_slots([i for i, _ in still]), after_ns, np.full(k, np.nan), zeros, np.zeros(k, np.bool_))
    if stale:
        k = len(stale)
        uncertain_ns, bad_ns = _ns([c.stale_s or 0.0 for _, c in stale]), _ns([c.stale_bad_s for _, c in stale])
        none, zeros = np.full(k, -1, np.int64), np.zeros(k, np.int64)
        checks.stamps = Stamps(_slots([i for i, _ in stale]), uncertain_ns, bad_ns, none, zeros)
    return checks


def _limits(spec: ProfileTag) -> tuple[float, float]:
    """Lowest and highest value; what is no measured value has them only where its profile names a margin."""
    if spec.range is None or (spec.kind != "float" and spec.checks.margin is None):
        return -np.inf, np.inf
    (low, high), margin = spec.range, spec.checks.margin
    if margin is not None:
        return low - margin, high + margin
    return low - (high - low) * BELOW, high + (high - low) * ABOVE


def _slots(places: Sequence[int]) -> Slots:
    return np.array(places, np.intp)


def _ns(seconds: Sequence[float]) -> Ints:
    return np.array([round(s * SECOND_NS) for s in seconds], np.int64)
