"""Hach / Beckman Coulter MET ONE 6000 series particle counters (operator manual, appendix A: Modbus register maps).

From 500 onwards stands the buffered record, "continuously updated with new sample data": the last finished sample. (From 300
onwards stands the sample under way, which is no record.) The manual tells of no way to ask for an earlier one, so what is
finished during an outage is lost, which is recorded as a gap. Its times are packed, two numbers in the two bytes of a register
(month and day, minute and second), in UTC.

143 says in what unit the counts are (0 counts, 1 per ft3, 2 per L, 3 per m3), 144 whether they are cumulative or differential;
all become cumulative counts. The volume has no stated form, so it is computed from the model's flow and the sample period.
Writing any setting restarts the sample: nothing is ever written.

What the manual leaves open is a fact of the profile (`counter`): whether its register numbers count from zero or from one, the
order of words, the meaning of the status bits. The year in the time stamp proves the first.
"""

from calendar import timegm
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from drivers.counters.machine import RecordMachine, shifted
from drivers.counters.records import CUBIC_FEET_PER_M3, SECOND_NS, Sample, gap_before, known, volume_m3
from drivers.device import Now
from drivers.fleet import Fleet
from drivers.frame import Gap, Scan
from drivers.modbus.device import Refused
from drivers.profile import Profile, QualityName, Register
from drivers.quality import CODES, GOOD
from drivers.registers import Block

_CLOCK: Final = 112
_UNIT, _DIFFERENTIAL = 143, 144
_RECORD: Final = 500
_WORDS: Final = 19
_PERIOD, _STATUS, _COUNTS = 4, 9, 11
_PER_M3: Final = {1: CUBIC_FEET_PER_M3, 2: 1000.0, 3: 1.0}
"""What a concentration is multiplied with, by the unit in 143; 0: the numbers are counts."""


class MetOneCounter(RecordMachine):
    """Polled state each second, and each finished record once. Registers of the profile are numbered as in the manual."""

    def __init__(self, device: str, profile: Profile, address: str, now: Now, fleet: Fleet | None = None) -> None:
        self._base = -1 if profile.counter.one_based else 0
        super().__init__(device, _on_the_wire(profile, self._base), address, now, fleet)

    def extra_registers(self) -> Sequence[Register]:
        numbers = (*range(_CLOCK, _CLOCK + 4), _UNIT, _DIFFERENTIAL)
        return [Register(table="holding", address=number + self._base) for number in numbers]

    async def read_records(self, scan: Scan, extra: NDArray[np.float64], away: bool) -> Scan:
        *clock, unit, differential = (int(x) for x in extra)
        try:
            words = await self.read_block(Block("holding", _RECORD + self._base, _WORDS, 0))
        except Refused:
            self._said = (await self._no_date(),)
            return self.extended(scan)
        clock_ns = _time_ns(clock)
        if not words[:4].any():
            return self.extended(scan, clock_ns=clock_ns)  # nothing was sampled yet: no data is not zero
        sample = self._sample(words, unit, bool(differential))
        if sample is None:
            self._said = (await self._no_date(),)
            return self.extended(scan, clock_ns=clock_ns)
        self.judge(sample)
        frame = self.frame(sample)
        if self.is_taken(frame):
            return self.extended(scan, clock_ns=clock_ns)
        gaps: list[Gap] = []
        if away and self.taken is not None:
            gap = gap_before(self.device, self.taken.time_ns, frame, sample.sample_s)
            gaps += [gap] if gap else []
        self.taken = known(frame, self.slots)
        return self.extended(scan, [frame], gaps, clock_ns)

    def _sample(self, words: NDArray[np.uint16], unit: int, differential: bool) -> Sample | None:
        """The record in `words` (500 to 518); None where its time is none."""
        time_ns = _time_ns([int(x) for x in words[:4]])
        if time_ns is None:
            return None
        minutes, seconds = divmod(int(words[_PERIOD + 1]), 256)
        sample_s = int(words[_PERIOD]) * 3600 + minutes * 60 + seconds
        drawn_m3 = volume_m3(self.model.flow_l_min / 1000 * CUBIC_FEET_PER_M3, sample_s)
        counts = [float(self._u32(words, _COUNTS + 2 * channel)) for channel in range(min(self.model.channels, 4))]
        if differential:
            counts = np.cumsum(counts[::-1])[::-1].tolist()
        if unit in _PER_M3:
            counts = [count * _PER_M3[unit] * drawn_m3 for count in counts]
        status = self._u32(words, _STATUS)
        fault, why = self._fault(status)
        return Sample(time_ns, sample_s, drawn_m3, tuple(counts), None, status, fault, why)

    def _fault(self, status: int) -> tuple[int, str]:
        """What the status bits mean by the profile; a bit that it does not name makes the counts Uncertain."""
        if not status:
            return GOOD, ""
        known = self.model.faults
        names: list[QualityName] = [name for bits, name in known.items() if status & bits]
        if status & ~sum(known):
            names.append("Uncertain")
        worst = max(names, key=CODES.__getitem__)
        return CODES[worst], f"its status is {status:#x} ({worst})"

    def _u32(self, words: NDArray[np.uint16], at: int) -> int:
        raw = np.array(words[at : at + 2], ">u2").tobytes()
        if self.model.order in ("CDAB", "BADC"):
            raw = raw[2:] + raw[:2]
        return int.from_bytes(raw, "little" if self.model.order in ("BADC", "DCBA") else "big")

    async def _no_date(self) -> str:
        """Why the time stamp is none: perhaps the numbers count from one, or from zero."""
        said = f"{self.device}: its record bears no date at register {_RECORD}"
        other = -1 - self._base
        try:
            words = await self.read_block(Block("holding", _RECORD + other, 4, 0))
        except Refused:
            return f"{said}; compare the profile's register numbers with the counter's manual"
        if _time_ns([int(x) for x in words]) is None:
            return f"{said}; compare the profile's register numbers with the counter's manual"
        return f"{said}, but one register beside it; set counter.one_based to {str(other == -1).lower()} in the profile"


def _time_ns(words: Sequence[int]) -> int | None:
    """UTC ns since 1970 of a packed time: year; month, day; hour; minute, second. None where it is no time."""
    year, (month, day), hour, (minute, second) = words[0], divmod(words[1], 256), words[2], divmod(words[3], 256)
    if not (2000 <= year <= 2105 and 1 <= month <= 12 and 1 <= day <= 31 and hour < 24 and minute < 60 and second < 60):
        return None
    return timegm((year, month, day, hour, minute, second)) * SECOND_NS


def _on_the_wire(profile: Profile, base: int) -> Profile:
    """`profile` with the manual's register numbers made addresses."""
    tags = {
        name: tag if tag.register_ is None else tag.model_copy(update={"register_": shifted(tag.register_, base)})
        for name, tag in profile.tags.items()
    }
    return profile.model_copy(update={"tags": tags})
