"""What a particle counter's record is worth: counts to concentrations, when counts are none, which records are the same.

A counter draws air at a flow q for a time t and counts particles by size. Makers give raw counts, cumulative by size (a count
at 0.5 um is of all particles of 0.5 um *and more*), so that a count can never be larger than the one of the next smaller size:
where it is, the channel is not active or the words are in another order, and the number is no count. The concentration is
ours to compute, c = n / V with V = q t; 1 m3 = 35.3147 ft3.

A record is known by its time and everything in it, not by its time alone and never by its order: clocks are set back, and a
buffer may then hold the same hour twice.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from drivers.frame import Frame, Gap, Layout
from drivers.profile import Record
from drivers.quality import BAD, BAD_CONFIGURATION_ERROR, BAD_DEVICE_FAILURE, BAD_NO_DATA, GOOD

CUBIC_FEET_PER_M3: Final = 35.3147
SECOND_NS: Final = 1_000_000_000
CLOCK_TOLERANCE_S: Final = 60
"""A device's clock may differ from ours by one sample before it is worth a sentence."""
_REPEATED: Final = 8
"""Records back over which a shifting buffer may show one twice."""

_TOLD: Final = ("sample_time", "location", "status", "count")


@dataclass(frozen=True, slots=True)
class Sample:
    """One finished sample, whatever the maker.

    time_ns: its end by the device's clock, UTC ns since 1970. sample_s: how long it drew air; volume_m3: how much (0: not
    known). counts: particles of each size and more, the smallest size first. location: where, None where the device does not
    tell. status: the maker's bits. fault: quality of the counts (`drivers.quality`; GOOD: they are counts), and `why` not.
    """

    time_ns: int
    sample_s: float
    volume_m3: float
    counts: tuple[float, ...]
    location: int | None = None
    status: int = 0
    fault: int = GOOD
    why: str = ""


def volume_m3(flow_cfm: float, sample_s: float) -> float:
    """Air drawn at `flow_cfm` (cubic feet a minute) in `sample_s`."""
    return flow_cfm * sample_s / 60 / CUBIC_FEET_PER_M3


def frame_of(
    layout: Layout, asked: Sequence[Record], sample: Sample, here: int | None, received_ns: int, late: bool
) -> Frame:
    """The frame of `sample` with the fields `asked`, in the order of `layout`. here: the location that this counter watches; a
    sample taken elsewhere is not of this place, and its counts are Bad (None: any place is right)."""
    values = np.full(len(asked), np.nan)
    quality = np.full(len(asked), GOOD, np.uint16)
    wrong = not_cumulative(asked, sample)
    for slot, record in enumerate(asked):
        values[slot], quality[slot] = _field(record, sample)
        if record.channel is not None:
            if is_elsewhere(sample, here):
                quality[slot] = BAD_CONFIGURATION_ERROR
            elif record.channel in wrong:
                quality[slot] = BAD_DEVICE_FAILURE
    values[quality >= BAD] = np.nan
    stamps = np.full(len(asked), sample.time_ns, np.int64)
    return Frame(layout, sample.time_ns, received_ns, values, quality if quality.any() else None, stamps, late)


def _field(record: Record, sample: Sample) -> tuple[float, int]:
    match record.field:
        case "sample_time":
            return sample.sample_s, GOOD
        case "status":
            return sample.status, GOOD
        case "location":
            return (np.nan, BAD_NO_DATA) if sample.location is None else (sample.location, GOOD)
        case "volume":
            return sample.volume_m3, GOOD if sample.volume_m3 > 0 else BAD_NO_DATA
        case _:
            channel = record.channel or 1
    if channel > len(sample.counts):
        return np.nan, BAD_CONFIGURATION_ERROR
    count = sample.counts[channel - 1]
    if record.field == "count":
        return count, sample.fault
    if sample.volume_m3 > 0:
        return count / sample.volume_m3, sample.fault
    return np.nan, sample.fault if sample.fault >= BAD else BAD_NO_DATA


def not_cumulative(asked: Sequence[Record], sample: Sample) -> set[int]:
    """Those of the channels `asked` that count more than the next smaller one that is asked: they cannot be counts."""
    channels = sorted({record.channel for record in asked if record.channel and record.channel <= len(sample.counts)})
    counts = sample.counts
    return {large for small, large in pairwise(channels) if counts[large - 1] > counts[small - 1]}


def is_elsewhere(sample: Sample, here: int | None) -> bool:
    """Whether the sample was taken at another place than `here`."""
    return here is not None and sample.location is not None and sample.location != here


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """What tells a record from another one: its time, and what the device itself has put into it (`told`, NaN where a number was
    not taken). What we computed is left out: another flow or location in the configuration makes no other record."""

    time_ns: int
    told: NDArray[np.float64]

    def same(self, other: "Known") -> bool:
        if self.time_ns != other.time_ns:
            return False
        unknown = np.isnan(self.told) | np.isnan(other.told)
        return bool((unknown | (self.told == other.told)).all())


def told_slots(asked: Sequence[Record]) -> NDArray[np.intp]:
    """Where in a frame of the fields `asked` stands what the device itself has told."""
    return np.array([i for i, record in enumerate(asked) if record.field in _TOLD], np.intp)


def known(frame: Frame, slots: NDArray[np.intp]) -> Known:
    """slots: `told_slots` of the frame's fields."""
    return Known(frame.time_ns, frame.values[slots])


class Walk:
    """A buffer read backward, from its newest record to the one that was taken last.

    Backward, because a full buffer drops its oldest record for each new one and all others move down by one: read backward,
    a record that has moved is seen again and dropped; read forward, one would be skipped. held: how many records there were
    when `taken` was the newest, where that is known. As long as there are more now, it can only stand below: a record above
    that looks the same (a clock was set back, in clean air) is another one.
    """

    def __init__(
        self, newest: Frame, count: int, taken: Known, slots: NDArray[np.intp], held: int | None = None
    ) -> None:
        self._taken, self._slots = taken, slots
        self._found = [newest]
        self._seen = [known(newest, slots)]
        self.next = count - 2
        """The index to be read next, below 0 there is no more. The newest stands at count - 1, or already before that."""
        self._top = count if held is None or held >= count else held
        self.reached = count - 1 <= self._top and self._seen[0].same(taken)

    @property
    def done(self) -> bool:
        return self.reached or self.next < 0

    @property
    def alone(self) -> bool:
        """Nothing was found but the newest."""
        return len(self._found) == 1

    def add(self, frame: Frame) -> None:
        """The record at index `next`."""
        index, self.next = self.next, self.next - 1
        own = known(frame, self._slots)
        if index < self._top and own.same(self._taken):
            self.reached = True
        elif not any(own.same(seen) for seen in self._seen[-_REPEATED:]):
            self._found.append(frame)
            self._seen.append(own)

    def frames(self) -> list[Frame]:
        """What was found, the oldest first."""
        return self._found[::-1]


def gap_before(device: str, taken_ns: int, oldest: Frame, sample_s: float) -> Gap | None:
    """What was lost between the record at `taken_ns`, which the buffer no longer holds, and the `oldest` that it holds; None where
    no whole sample fits between."""
    missing_s = (oldest.time_ns - taken_ns) / SECOND_NS - sample_s
    if missing_s < sample_s:
        return None
    reason = (
        f"{device}: its buffer no longer holds what was sampled in these {missing_s:.0f} s; it ran over or was cleared "
        "before it was read"
    )
    return Gap(taken_ns, oldest.time_ns - round(sample_s * SECOND_NS), reason)


def clock_finding(device: str, ahead_s: float, said: tuple[float, str] | None) -> tuple[float, str] | None:
    """By how much the device's clock is ahead of ours (s), and a sentence about it, where that is worth one: its records bear its
    own time. said: what was found last; a sentence stands until the clock is right or has moved by a minute more."""
    if abs(ahead_s) <= (CLOCK_TOLERANCE_S / 2 if said else CLOCK_TOLERANCE_S):
        return None
    if said and abs(ahead_s - said[0]) < CLOCK_TOLERANCE_S:
        return said
    sentence = (
        f"{device}: its clock is {abs(ahead_s):.0f} s {'ahead of' if ahead_s > 0 else 'behind'} ours, and its records bear that "
        "time; set the counter's clock to UTC"
    )
    return ahead_s, sentence


def u32(words: NDArray[np.uint16], at: int) -> int:
    """An unsigned 32-bit number, high word first."""
    return int(words[at]) << 16 | int(words[at + 1])
