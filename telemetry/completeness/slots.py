"""Counts and gaps of one tag, from what came in each slot. Plain: arrays in, numbers out.

A *gap* is a run of slots that are not Good for one reason, as long as it goes. Where nothing came, the reason is that of the
recorded gap in which the slot lies (`Cause`); what lies in none is `NOT_RECORDED`, which a sound plant never shows. A device that
keeps its own time (a particle counter) has no slots: there the records' own rhythm, the median of their distances, tells where
one did not come.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from drivers.quality import BAD, UNCERTAIN, class_of, reason_of
from telemetry.completeness.reasons import NO_RECORD, NOT_RECORDED, word
from telemetry.readings.series import MISSING

Quality = Literal["Missing", "Uncertain", "Bad"]
Times = NDArray[np.int64]
RHYTHM_OF: Final = 3
"""Records at least from which a rhythm is known."""
HOLE: Final = 1.5
"""A distance of so many periods is a record that did not come: a sample may begin a little late, never half a period."""


@dataclass(frozen=True, slots=True)
class Cause:
    """A recorded gap: slots from first to last (microseconds since 1970, both included), and why."""

    first_us: int
    last_us: int
    reason: str


@dataclass(frozen=True, slots=True)
class Gap:
    """Slots of [start_us, end_us) that are not Good for one reason. count: how many, None where nobody can tell. code: OPC UA's
    name of the quality; None where nothing came."""

    start_us: int
    end_us: int
    count: int | None
    quality: Quality
    reason: str
    code: str | None = None

    def follows(self, before: "Gap") -> bool:
        """Whether this is the rest of the gap `before`."""
        mine, its = (self.quality, self.reason, self.code), (before.quality, before.reason, before.code)
        return self.start_us == before.end_us and mine == its


@dataclass(slots=True)
class Account:
    """What of a window came. by_reason: slots that are not Good, by reason. gaps: in the order of time, at most `most`;
    gaps_until_us: from here on they are not listed, the numbers are of the whole window all the same."""

    most: int = 10_000
    expected: int = 0
    good: int = 0
    uncertain: int = 0
    bad: int = 0
    missing: int = 0
    late: int = 0
    by_reason: Counter[str] = field(default_factory=Counter[str])
    gaps: list[Gap] = field(default_factory=list[Gap])
    gaps_until_us: int | None = None

    def count(self, expected: int, good: int, uncertain: int, bad: int, late: int) -> None:
        self.expected += expected
        self.good += good
        self.uncertain += uncertain
        self.bad += bad
        self.missing += max(0, expected - good - uncertain - bad)
        self.late += late

    def add(self, gaps: Iterable[Gap]) -> None:
        """Gaps that lie behind those that are there; one that goes on is one."""
        for gap in gaps:
            self.by_reason[gap.reason] += gap.count or 0
            last = self.gaps[-1] if self.gaps else None
            if self.gaps_until_us is not None:
                continue
            if last is not None and gap.follows(last):
                count = None if gap.count is None or last.count is None else last.count + gap.count
                self.gaps[-1] = Gap(last.start_us, gap.end_us, count, gap.quality, gap.reason, gap.code)
            elif len(self.gaps) < self.most:
                self.gaps.append(gap)
            else:
                self.gaps_until_us = gap.start_us


def counted(codes: NDArray[np.int64]) -> tuple[int, int, int, int]:
    """Expected, Good, Uncertain and Bad of slots: codes (n,), MISSING where nothing came."""
    good, came = int(np.count_nonzero(codes < UNCERTAIN)), int(np.count_nonzero(codes < MISSING))
    uncertain = int(np.count_nonzero((codes >= UNCERTAIN) & (codes < BAD)))
    return len(codes), good, uncertain, came - good - uncertain


def gaps_of_slots(time_us: Times, codes: NDArray[np.int64], period_us: int, causes: Sequence[Cause]) -> list[Gap]:
    """time_us: (n,), consecutive slots; codes: (n,). causes: the later ones prevail where several tell of a slot."""
    labels = np.where(codes < UNCERTAIN, 0, codes)
    reasons = [NOT_RECORDED]
    lacking = codes == MISSING
    if lacking.any():
        why = np.zeros(len(codes), np.int64)
        for cause in causes:
            first, behind = np.searchsorted(time_us, (cause.first_us, cause.last_us + 1))
            if behind > first:
                why[first:behind] = len(reasons)
                reasons.append(cause.reason)
        labels = np.where(lacking, MISSING + why, labels)
    return [
        _gap(int(labels[i]), int(time_us[i]), int(time_us[j - 1]) + period_us, j - i, reasons) for i, j in _runs(labels)
    ]


def _gap(label: int, start_us: int, end_us: int, count: int, reasons: Sequence[str]) -> Gap:
    if label >= MISSING:
        return Gap(start_us, end_us, count, "Missing", reasons[label - MISSING])
    quality: Quality = "Bad" if class_of(label) == "Bad" else "Uncertain"
    return Gap(start_us, end_us, count, quality, word(label), reason_of(label))


def _runs(labels: NDArray[Any]) -> list[tuple[int, int]]:
    """Begin and end of each run of one label other than 0."""
    edges = [0, *(np.flatnonzero(np.diff(labels)) + 1).tolist(), len(labels)] if len(labels) else []
    return [(i, j) for i, j in pairwise(edges) if labels[i]]


def gaps_of_records(
    time_us: Times, codes: NDArray[np.int64], start_us: int, end_us: int, causes: Sequence[Cause]
) -> list[Gap]:
    """Of a device's own records of [start, end), by time: those that are not Good, and where some did not come."""
    rhythm = int(np.median(np.diff(time_us))) if len(time_us) >= RHYTHM_OF else 0
    gaps = [
        _gap(int(codes[i]), int(time_us[i]), int(time_us[j - 1]) + 1, j - i, ())
        for i, j in _runs(np.where(codes < UNCERTAIN, 0, codes))
    ]
    if rhythm:
        edges = np.concatenate(([start_us - rhythm], time_us, [end_us]))
        for i in np.flatnonzero(np.diff(edges) > HOLE * rhythm).tolist():
            before, behind = int(edges[i]), int(edges[i + 1])
            first = max(start_us, before + 1)
            count = max(1, round((behind - before) / rhythm) - 1)
            gaps.append(Gap(first, behind, count, "Missing", _why(first, behind, causes)))
    elif not len(time_us):
        gaps.append(Gap(start_us, end_us, None, "Missing", _why(start_us, end_us, causes)))
    else:
        gaps += [
            Gap(max(start_us, cause.first_us), min(end_us, cause.last_us + 1), None, "Missing", cause.reason)
            for cause in causes
            if cause.first_us < end_us and cause.last_us >= start_us
        ]
    return sorted(gaps, key=lambda gap: gap.start_us)


def _why(start_us: int, end_us: int, causes: Sequence[Cause]) -> str:
    """The reason of the last cause that touches [start, end)."""
    touching = [cause.reason for cause in causes if cause.first_us < end_us and cause.last_us >= start_us]
    return touching[-1] if touching else NO_RECORD
