"""Turns: who may ask over one connection, and when. Several units behind one gateway share it, and none may cost the others time.

One request of a unit is on the way at a time, and of all units together at most `in_flight`. A unit that did not answer is
silent: it is asked again only now and then, with waits that grow, and only in slack time, when no other unit's scan is due
before its patience would run out; for gateways and serial lines work off one request after the other, and a silent unit
holds the line for as long as it is waited for. Plain state on plain times: the caller hands in `now_s`.
"""

from collections import deque
from dataclasses import dataclass
from typing import Final

PERIOD_S: Final = 1.0
"""Every unit is scanned once in this time."""
LONGEST_WAIT_S: Final = 3.0
"""A silent unit is asked again after this at the latest, so that its first good value comes within 5 s of its return."""
OVERDUE_S: Final = 0.9
"""So long after its time a silent unit is asked even where there is no slack: it must not be left dark."""


@dataclass(slots=True)
class _Silence:
    wait_s: float
    ask_s: float


class Turns:
    """in_flight None: as many as there are units."""

    def __init__(self, in_flight: int | None) -> None:
        self.in_flight = in_flight
        self._silent: dict[int, _Silence] = {}
        self._scanned_s: dict[int, float] = {}
        self._busy: set[int] = set()
        self._waiting: deque[tuple[int, object]] = deque()

    # ---- the road

    def take(self, unit: int) -> bool:
        """Takes the road for one request of `unit`; False: it is not free."""
        if self._waiting or not self._free(unit):
            return False
        self._busy.add(unit)
        return True

    def queue(self, unit: int, ticket: object) -> None:
        """Asks for the road once it is free; `give` names the ticket then."""
        self._waiting.append((unit, ticket))

    def leave(self, unit: int, ticket: object) -> None:
        """Gives up waiting, where it has not come to an end."""
        if (unit, ticket) in self._waiting:
            self._waiting.remove((unit, ticket))

    def give(self, unit: int) -> list[object]:
        """Frees the road from `unit`. Gives the tickets whose turn it is now: the road is theirs. First come, first served."""
        self._busy.discard(unit)
        if not self._waiting:
            return []
        ready: list[object] = []
        for entry in tuple(self._waiting):
            if self._free(entry[0]):
                self._busy.add(entry[0])
                self._waiting.remove(entry)
                ready.append(entry[1])
        return ready

    def _free(self, unit: int) -> bool:
        return unit not in self._busy and (self.in_flight is None or len(self._busy) < self.in_flight)

    # ---- silent units

    def scanned(self, unit: int, now_s: float) -> None:
        """A scan of `unit` begins: the next is due a period later."""
        self._scanned_s[unit] = now_s

    def is_silent(self, unit: int) -> bool:
        return unit in self._silent

    def answered(self, unit: int) -> None:
        self._silent.pop(unit, None)

    def unanswered(self, unit: int, now_s: float, at_least_s: float) -> None:
        """`unit` did not answer; it is not asked again for `at_least_s`."""
        before = self._silent.get(unit)
        wait_s = min(max(2 * before.wait_s if before else 0.0, at_least_s), LONGEST_WAIT_S)
        self._silent[unit] = _Silence(wait_s, now_s + wait_s)

    def is_due(self, unit: int, now_s: float) -> bool:
        """Whether `unit` may be asked."""
        silence = self._silent.get(unit)
        return silence is None or now_s >= silence.ask_s

    def has_slack(self, unit: int, now_s: float, patience_s: float) -> bool:
        """Whether the silent `unit` may be waited for this long without cost to the others (or is overdue)."""
        if now_s >= self._silent[unit].ask_s + OVERDUE_S:
            return True
        if self._busy or self._waiting:
            return False
        others = [s for u, s in self._scanned_s.items() if u != unit and u not in self._silent]
        due = [s + PERIOD_S for s in others if s + 2 * PERIOD_S > now_s]
        return not due or min(due) - now_s >= patience_s
