"""Interlocks: a cause that trips, effects held while tripped, a latch that only a reset releases (IEC 62881).

The cause is evaluated like any other rule (`alarms.limits`); here is what a trip means. This is a supplementary layer: the
PLC and hard wiring protect people and product, we request the same and prove what came of it.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from alarms.states import IllegalAct


@dataclass(frozen=True, slots=True)
class Interlock:
    """One row of the matrix: effects are (tag, value while tripped, value when released)."""

    id: str
    effects: tuple[tuple[str, float, float], ...]
    automatic: bool
    healthy_ns: int


@dataclass(slots=True, eq=False)
class Interlocks:
    """k rows. cause: true now; tripped: latched; since_ns: when `cause` last changed. releasing: outputs that are on their way
    back to normal, until the plant shows that they are."""

    rows: tuple[Interlock, ...]
    cause: NDArray[np.bool_] = field(init=False)
    tripped: NDArray[np.bool_] = field(init=False)
    since_ns: NDArray[np.int64] = field(init=False)
    releasing: dict[str, float] = field(default_factory=dict[str, float])

    def __post_init__(self) -> None:
        k = len(self.rows)
        self.cause, self.tripped, self.since_ns = np.zeros(k, np.bool_), np.zeros(k, np.bool_), np.zeros(k, np.int64)

    def set_cause(self, k: int, there: bool, now_ns: int) -> bool:
        """The cause of row `k` came or went; true when the row trips by it."""
        self.cause[k], self.since_ns[k] = there, now_ns
        if there and not self.tripped[k]:
            self.tripped[k] = True
            return True
        return False

    def reset(self, k: int, now_ns: int) -> None:
        """Releases row `k`. Raises IllegalAct while its cause is there or has not been healthy for long enough."""
        row = self.rows[k]
        if not self.tripped[k]:
            raise IllegalAct("It is not tripped, so there is nothing to reset.")
        if self.cause[k]:
            raise IllegalAct("Its cause is still there; mend that first.")
        missing_ns = row.healthy_ns - (now_ns - int(self.since_ns[k]))
        if missing_ns > 0:
            raise IllegalAct(f"Its cause must stay healthy for another {-(-missing_ns // 10**9)} s.")
        self.tripped[k] = False
        self.releasing.update({tag: normal for tag, _, normal in row.effects})

    def automatic_resets(self, now_ns: int) -> list[int]:
        """Rows that release themselves now: cause healthy for long enough, automatic reset."""
        ready = self.tripped & ~self.cause
        return [
            int(k)
            for k in np.flatnonzero(ready)
            if self.rows[k].automatic and now_ns - self.since_ns[k] >= self.rows[k].healthy_ns
        ]

    def due_ns(self) -> list[int]:
        """When automatic resets that wait for health become possible."""
        ready = np.flatnonzero(self.tripped & ~self.cause)
        return [int(self.since_ns[k]) + self.rows[k].healthy_ns for k in ready if self.rows[k].automatic]

    def levels(self) -> dict[str, float]:
        """Output tags that must be held now: those of tripped rows, and those being released."""
        levels = dict(self.releasing)
        for k in np.flatnonzero(self.tripped):
            levels.update({tag: value for tag, value, _ in self.rows[k].effects})
        return levels
