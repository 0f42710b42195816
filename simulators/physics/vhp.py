"""A decontamination cycle's phases, by the clock alone: leak test, dehumidify, condition, gas, aerate, complete.

The phases take their ordinary times for a chamber of 1.5 m3; nothing of the vapour itself is modelled. An abort aerates,
because vapour may be in the chamber, and ends as failed.
"""

from typing import Final

IDLE, LEAK_TEST, DEHUMIDIFY, CONDITION, GAS, AERATE, COMPLETE, FAILED = range(8)
DURATION_S: Final = {LEAK_TEST: 120.0, DEHUMIDIFY: 300.0, CONDITION: 180.0, GAS: 900.0, AERATE: 1_800.0}
START, ABORT = "start_decontamination", "abort_cycle"


class Cycle:
    """`phase` as the profile's legend numbers it."""

    def __init__(self) -> None:
        self.phase = IDLE
        self._left_s = 0.0
        self._aborted = False

    def allows(self, method: str) -> bool:
        """Whether `method` (START or ABORT) fits the present phase."""
        running = self.phase in DURATION_S
        return not running if method == START else method == ABORT and running and not self._aborted

    def step(self, dt_s: float, start: bool, abort: bool) -> float:
        """Moves on by `dt_s` seconds and gives the phase."""
        if start and self.allows(START):
            self._aborted = False
            self._enter(LEAK_TEST)
        elif abort and self.allows(ABORT):
            self._aborted = True
            self._enter(AERATE)
        elif self.phase in DURATION_S:
            self._left_s -= dt_s
            if self._left_s <= 0:
                self._enter(FAILED if self._aborted and self.phase == AERATE else self.phase + 1)
        return float(self.phase)

    def _enter(self, phase: int) -> None:
        self.phase, self._left_s = phase, DURATION_S.get(phase, 0.0)
