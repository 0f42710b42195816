"""The engine's clock: wall time anchored to the monotonic clock, never running backward (DESIGN 7).

`Clock.read` is plain: both clocks are arguments. A forward step of the wall beyond 0.5 s is followed at once and reported,
because the seconds in between were never scanned. After a backward step the clock goes on by itself, slowed by 5 %, until the
wall has caught up.
"""

import time
from dataclasses import dataclass
from typing import Final

STEP_NS: Final = 500_000_000
SLEW: Final = 0.05
DISAGREE_NS: Final = 1_000_000_000


@dataclass(slots=True)
class Clock:
    """offset_ns: own time minus monotonic time. stepped_ns: forward steps not yet taken note of; leapt: the newest one, as this
    clock's times before and after it."""

    offset_ns: int
    read_ns: int
    stepped_ns: int = 0
    behind_ns: int = 0
    leapt: tuple[int, int] = (0, 0)

    @classmethod
    def start(cls, wall_ns: int, monotonic_ns: int, last_ns: int = 0) -> "Clock":
        """Begins at the later of the wall and the last time journaled."""
        return cls(max(wall_ns, last_ns) - monotonic_ns, monotonic_ns)

    def read(self, wall_ns: int, monotonic_ns: int) -> int:
        """UTC nanoseconds by this clock. `behind_ns` then says how far the wall lies behind it."""
        passed = monotonic_ns - self.read_ns
        self.read_ns = monotonic_ns
        ahead = wall_ns - monotonic_ns - self.offset_ns
        if ahead > STEP_NS:
            self.stepped_ns += ahead
            self.leapt = (wall_ns - ahead, wall_ns)
        if ahead >= 0:
            self.offset_ns += ahead
        else:
            self.offset_ns -= min(-ahead, int(passed * SLEW))
        self.behind_ns = max(0, self.offset_ns + monotonic_ns - wall_ns)
        return self.offset_ns + monotonic_ns

    def now(self) -> int:
        """`read` with this machine's clocks."""
        return self.read(time.time_ns(), time.monotonic_ns())
