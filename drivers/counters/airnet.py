"""Particle Measuring Systems Airnet II, IsoAir 310P, MiniCapt Remote: their common Modbus map, version 1.00.

Samples lie in a queue. 30212 to 30236 show the oldest one, and clearing coil 2 ("data available") drops it and shows the
next. An empty queue reads as **all zeros, not as an exception: zero counts is not clean air**. A record is dropped one scan
after it was given out, when the engine has it in its journal; a crash between gives it again, and it is known by its time
and counts. So a lost reply to the drop is harmless too: what the queue shows is looked at before anything is dropped.

Any write of a holding register makes a new configuration and stops the sampling (IsoAir, Airnet II): nothing of them is ever
written. In the packet status **1 means good**. Sample time, flow and volume are integers (seconds x 100; ft3/min and ft3 times
the powers of ten in 30011 and 30012) or, where coil 8 is set, floats; counts are raw, cumulative, u32, high word first.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from drivers.counters.machine import RecordMachine
from drivers.counters.records import CUBIC_FEET_PER_M3, SECOND_NS, Sample, gap_before, known, u32, volume_m3
from drivers.frame import Gap, Scan
from drivers.profile import Register
from drivers.quality import BAD_DEVICE_FAILURE, BAD_SENSOR_FAILURE, GOOD
from drivers.registers import Block

_FLOW_POWER: Final = Register(table="input", address=10)
_VOLUME_POWER: Final = Register(table="input", address=11)
_FIRST: Final = 211
_COUNTS: Final = 17
"""Words of the data packet (from 30212) before its counts."""
_STATUS, _QUEUE, _TIME, _SAMPLE, _PACKET, _FLOW, _VOLUME, _LOCATION = 0, 3, 4, 6, 8, 10, 12, 14
_DATA_AVAILABLE, _FLOATS = 1 << 1, 1 << 7
_AVAILABLE_COIL: Final = 1
_GOOD_BITS: Final = (
    (1 << 0, BAD_SENSOR_FAILURE, "its laser is out of specification"),
    (1 << 2, BAD_DEVICE_FAILURE, "its hardware reports a fault"),
    (1 << 1, BAD_DEVICE_FAILURE, "its flow is out of specification"),
)


class AirnetCounter(RecordMachine):
    """Polled state each second, and at most one record of the queue."""

    def extra_registers(self) -> Sequence[Register]:
        return (_FLOW_POWER, _VOLUME_POWER)

    async def read_records(self, scan: Scan, extra: NDArray[np.float64], away: bool) -> Scan:
        block = Block("input", _FIRST, _COUNTS + 2 * min(self.model.channels, 4), 0)
        words = await self.read_block(block)
        head = _sample(words, extra)
        if head is not None and self.is_taken(self.frame(head)):
            await self.write_coil(_AVAILABLE_COIL, False)
            words = await self.read_block(block)
            head = _sample(words, extra)
        if head is None:
            return self.extended(scan)
        self.judge(head)
        frame = self.frame(head, late=int(words[_QUEUE]) > 1)  # newer ones wait behind it
        if self.is_taken(frame):
            return self.extended(scan)
        gaps: list[Gap] = []
        if away and self.taken is not None:
            gap = gap_before(self.device, self.taken.time_ns, frame, head.sample_s)
            gaps += [gap] if gap else []
        self.taken = known(frame, self.slots)
        return self.extended(scan, [frame], gaps)


def _sample(words: NDArray[np.uint16], powers: NDArray[np.float64]) -> Sample | None:
    """The record that the queue shows in `words` (30212 onwards); None where it is empty."""
    status, time_s, packet = u32(words, _STATUS), u32(words, _TIME), int(words[_PACKET + 1])
    if not status & _DATA_AVAILABLE or time_s == 0:
        return None
    if status & _FLOATS:
        sample_s, flow_cfm, volume_ft3 = (_f32(words, at) for at in (_SAMPLE, _FLOW, _VOLUME))
    else:
        flow_power, volume_power = powers.tolist()
        sample_s = u32(words, _SAMPLE) / 100
        flow_cfm = u32(words, _FLOW) / 10**flow_power
        volume_ft3 = u32(words, _VOLUME) / 10**volume_power
    bad = [fault for fault in _GOOD_BITS if not packet & fault[0]]
    return Sample(
        time_ns=time_s * SECOND_NS,
        sample_s=sample_s,
        volume_m3=volume_ft3 / CUBIC_FEET_PER_M3 if volume_ft3 > 0 else volume_m3(flow_cfm, sample_s),
        counts=tuple(float(u32(words, at)) for at in range(_COUNTS, len(words), 2)),
        location=int(words[_LOCATION]) or None,
        status=packet,
        fault=bad[0][1] if bad else GOOD,
        why=" and ".join(why for _, _, why in bad),
    )


def _f32(words: NDArray[np.uint16], at: int) -> float:
    return float(np.array(words[at : at + 2], ">u2").view(">f4")[0])
