"""Alarm states by ISA-18.2 as a product of small facts: active, unacknowledged, latched. The letter is derived, never stored.

    A normal                    D returned, unacknowledged
    B active, unacknowledged    E returned, unacknowledged, latched
    C active, acknowledged      F returned, acknowledged, latched

Each activation is an occurrence with a number of its own. An act names the occurrence that it means: an older one is
refused, so that nobody acknowledges what he has not seen.
"""

from dataclasses import dataclass, field
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

Transition = Literal["raised", "cleared", "acknowledged", "reset"]

LETTERS: Final = {
    "A": "normal",
    "B": "unacknowledged",
    "C": "acknowledged",
    "D": "returned-unacknowledged",
    "E": "latched-unacknowledged",
    "F": "latched-acknowledged",
}


class IllegalAct(Exception):
    """The act is not possible in this state; nothing has changed. The text says why."""


class UnknownTarget(IllegalAct):
    """The act is for something that does not exist."""


@dataclass(slots=True, eq=False)
class AlarmStates:
    """n alarms. occurrence: number of the newest activation (0: never); times in ns (0: none); value: at the activation."""

    latching: NDArray[np.bool_]
    active: NDArray[np.bool_]
    unacknowledged: NDArray[np.bool_]
    latched: NDArray[np.bool_]
    occurrence: NDArray[np.int64]
    raised_ns: NDArray[np.int64]
    cleared_ns: NDArray[np.int64]
    acknowledged_ns: NDArray[np.int64]
    value: NDArray[np.float64]
    acknowledged_by: dict[int, str] = field(default_factory=dict[int, str])

    @classmethod
    def normal(cls, latching: NDArray[np.bool_]) -> "AlarmStates":
        n = len(latching)

        def flags() -> NDArray[np.bool_]:
            return np.zeros(n, np.bool_)

        def times() -> NDArray[np.int64]:
            return np.zeros(n, np.int64)

        return cls(latching, flags(), flags(), flags(), times(), times(), times(), times(), np.full(n, np.nan))

    def letter(self, i: int) -> str:
        """The ISA-18.2 state of alarm `i`."""
        if self.active[i]:
            return "B" if self.unacknowledged[i] else "C"
        if self.latched[i]:
            return "E" if self.unacknowledged[i] else "F"
        return "D" if self.unacknowledged[i] else "A"

    def standing(self) -> NDArray[np.intp]:
        """The alarms that are not normal."""
        return np.flatnonzero(self.active | self.unacknowledged | self.latched)

    def raise_(self, i: int, value: float, now_ns: int) -> None:
        """A new occurrence begins (A, D, E, F to B)."""
        self.active[i] = self.unacknowledged[i] = True
        self.latched[i] = self.latching[i]
        self.occurrence[i] += 1
        self.raised_ns[i], self.cleared_ns[i], self.acknowledged_ns[i] = now_ns, 0, 0
        self.value[i] = value
        self.acknowledged_by.pop(i, None)

    def clear(self, i: int, now_ns: int) -> None:
        """The condition is gone (B to D or E, C to A or F)."""
        self.active[i] = False
        self.cleared_ns[i] = now_ns

    def acknowledge(self, i: int, occurrence: int, person: str, now_ns: int) -> None:
        """Somebody has seen it (B to C, D to A, E to F). Raises IllegalAct."""
        self._is_newest(i, occurrence)
        if not self.unacknowledged[i]:
            raise IllegalAct("It is acknowledged already.")
        self.unacknowledged[i] = False
        self.acknowledged_ns[i] = now_ns
        self.acknowledged_by[i] = person

    def reset(self, i: int, occurrence: int) -> None:
        """The latch is released (F to A). Raises IllegalAct."""
        self._is_newest(i, occurrence)
        if not self.latched[i]:
            raise IllegalAct("It is not latched, so there is nothing to reset.")
        if self.active[i]:
            raise IllegalAct("Its cause is still there; it can be reset when the value is back within its limit.")
        if self.unacknowledged[i]:
            raise IllegalAct("Acknowledge it first, then reset it.")
        self.latched[i] = False

    def _is_newest(self, i: int, occurrence: int) -> None:
        if self.occurrence[i] == 0 or self.letter(i) == "A":
            raise IllegalAct("The alarm is normal; there is nothing to act on.")
        if occurrence > self.occurrence[i]:
            raise IllegalAct(f"Occurrence {occurrence} has not come yet; the newest one is {self.occurrence[i]}.")
        if occurrence != self.occurrence[i]:
            raise IllegalAct(
                f"Occurrence {occurrence} is not the newest one: the alarm has come again as occurrence {self.occurrence[i]}. "
                "Look at that one and repeat the act for it."
            )
