"""Particle counters played from their makers' maps on a server that is not ours, so that buffers, flags and queues can be bent."""

from collections import deque
from dataclasses import dataclass, replace
from typing import Final

from drivers.profile import Table
from tests.drivers.words import Words

START_S: Final = 1_780_000_000
"""2026-05-28 20:26:40 UTC."""


@dataclass(frozen=True)
class Finished:
    """A sample of `sample_s` that ended at `time_s`."""

    time_s: int
    fine: int = 100
    coarse: int = 2
    sample_s: int = 60
    status: int = 0
    location: int = 12


def halves(*numbers: int) -> list[int]:
    return [half for number in numbers for half in (number >> 16, number & 0xFFFF)]


class Lighthouse:
    """Map 1.50: `largest` records; reading 30001 to 30999 clears NEW DATA; 40025 chooses the record shown."""

    def __init__(self, largest: int = 3000) -> None:
        self.buffer: deque[Finished] = deque(maxlen=largest)
        self.new_data, self.index, self.clock_s = False, -1, START_S
        self.serial, self.flow_cfm_100 = 0, 100
        self.shown_at: list[int] = []
        """The index at each read of a record."""
        self.at_record: list[Finished] = []
        """Samples that finish just before the next reads of a record, one each."""
        self.words = Words({"holding": dict.fromkeys(range(48), 0), "input": dict.fromkeys(range(999), 0)})
        self.words.before_read = self._read
        self.words.written = self._write

    def finish(self, *samples: Finished) -> None:
        for sample in samples:
            self.buffer.append(sample)
            self.new_data, self.clock_s = True, max(self.clock_s, sample.time_s)

    def minutes(self, first: int, last: int) -> list[Finished]:
        """Finishes the samples of minutes `first` to `last` after the start; each has its minute as its count."""
        samples = [Finished(START_S + 60 * m, fine=m + 1000, coarse=m) for m in range(first, last + 1)]
        self.finish(*samples)
        return samples

    def _read(self, table: Table, address: int, count: int) -> None:
        if table == "input":
            if self.at_record:
                self.finish(self.at_record.pop(0))
            self.shown_at.append(self.index)
            shown = self.buffer[self.index] if self.buffer and self.index < len(self.buffer) else None
            words = [0] * 24
            if shown is not None:
                head = (shown.time_s, shown.sample_s, shown.location, shown.status, shown.fine, shown.coarse)
                words = halves(*head, *[0xDEADBEEF] * 6)
            self.words.put("input", 0, words)
            self.new_data = False
        else:
            self.words.put("holding", 0, [150, 0, 0b11 | self.new_data << 2])
            self.words.put("holding", 4, halves(self.serial))
            self.words.put(
                "holding", 22, [self.flow_cfm_100, len(self.buffer), self.index & 0xFFFF, 12, *halves(self.clock_s)]
            )
            self.words.put("holding", 32, [0, 60])

    def _write(self, table: Table, address: int, values: list[int]) -> None:
        assert (table, address, len(values)) == ("holding", 24, 1), "nothing but the record index may be written"
        self.index = values[0] - 0x10000 * (values[0] >= 0x8000)


class Airnet:
    """Map 1.00, two channels: a queue; coil 2 drops its oldest sample; empty, it shows zeros."""

    def __init__(self) -> None:
        self.queue: deque[Finished] = deque()
        self.floats = False
        self.dropped: list[Finished] = []
        self.words = Words({"holding": dict.fromkeys(range(5), 0), "coil": dict.fromkeys(range(32), 0)})
        self.words.put("input", 0, [100, 105, *[0x4141] * 8, 2, 5, 0, 100, 2, 0])
        self.words.before_read = self._read
        self.words.written = self._write
        self._read("input", 0, 0)

    def finish(self, *samples: Finished) -> None:
        self.queue.extend(replace(sample, status=7 if not sample.status else sample.status & 7) for sample in samples)

    def _read(self, table: Table, address: int, count: int) -> None:
        status = 1 | bool(self.queue) << 1 | self.floats << 7
        data = [11, 22, 2025, *[0x4242] * 8, *halves(status), 1, len(self.queue)]
        if self.queue:
            s = self.queue[0]
            # 60 s = 42700000, 1 ft3/min and 1 ft3 = 3F800000 as floats; as integers 6000, 100 and 100000.
            drawn = halves(0x42700000, s.status, 0x3F800000, 0x3F800000) if self.floats else None
            drawn = drawn or halves(100 * s.sample_s, s.status, 100, 100_000 * s.sample_s // 60)
            data += [*halves(s.time_s), *drawn, 0, 2, 0, *halves(s.fine, s.coarse)]
        self.words.put("input", 200, data + [0] * (32 - len(data)))

    def _write(self, table: Table, address: int, values: list[int]) -> None:
        assert (table, address, values) == ("coil", 1, [0]), "nothing but coil 2 may be written, and only to 0"
        if self.queue:
            self.dropped.append(self.queue.popleft())
