"""Horn and lamps of the areas, as levels (ISA-18.1): what should sound and shine, given the alarms that stand.

The horn sounds while an unacknowledged alarm of priority 1 or 2 stands that is not silenced, also when its cause is gone
(sequence M: a momentary alarm is not missed). Silencing holds for `SILENCE_NS` and only for the occurrences that stood
then: a new one sounds at once. A lamp shines while an alarm of its priority stands; what flashes is decided by the page.
"""

from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from alarms.limits import NEVER
from alarms.states import AlarmStates

SILENCE_NS: Final = 120 * 10**9
TEST_NS: Final = 5 * 10**9
HORN_PRIORITY: Final = 2


@dataclass(frozen=True, slots=True)
class Area:
    """The annunciator of one area: its horn's tag, and the tag of each lamp by priority."""

    id: str
    horn: str
    lamps: dict[int, str]


@dataclass(slots=True, eq=False)
class Annunciator:
    """areas; heard: areas x n, whether an area's annunciator is for an alarm (a control room hears all); priority (n);
    silenced_until_ns (n): an alarm that is silenced in one area is silent wherever it is heard."""

    areas: tuple[Area, ...]
    heard: NDArray[np.bool_]
    priority: NDArray[np.int64]
    silenced_until_ns: NDArray[np.int64] = field(init=False)
    test_until_ns: int = 0

    def __post_init__(self) -> None:
        self.silenced_until_ns = np.zeros(len(self.priority), np.int64)

    def sounding(self, states: AlarmStates, now_ns: int) -> NDArray[np.bool_]:
        """Mask of the alarms that sound now."""
        return states.unacknowledged & (self.priority <= HORN_PRIORITY) & (self.silenced_until_ns <= now_ns)

    def silence(self, states: AlarmStates, area: str | None, now_ns: int) -> list[str]:
        """Silences what sounds in `area` (None: everywhere); gives the areas that sounded."""
        sounding = self.sounding(states, now_ns)
        quieted: list[str] = []
        for index, place in enumerate(self.areas):
            mine = sounding & self.heard[index]
            if area in (None, place.id) and mine.any():
                self.silenced_until_ns[mine] = now_ns + SILENCE_NS
                quieted.append(place.id)
        return quieted

    def levels(self, states: AlarmStates, now_ns: int) -> dict[str, float]:
        """Every output tag and the level that it should have now (0 or 1)."""
        sounding = self.sounding(states, now_ns)
        standing = states.active | states.unacknowledged | states.latched
        testing = now_ns < self.test_until_ns
        levels: dict[str, float] = {}
        for index, area in enumerate(self.areas):
            mine = self.heard[index]
            levels[area.horn] = float(testing or bool((sounding & mine).any()))
            for priority, lamp in area.lamps.items():
                levels[lamp] = float(testing or bool((standing & mine & (self.priority == priority)).any()))
        return levels

    def due_ns(self, states: AlarmStates, now_ns: int) -> int:
        """When a silence or a test ends next (NEVER: none runs)."""
        waiting = self.silenced_until_ns[states.unacknowledged & (self.silenced_until_ns > now_ns)]
        ends = [int(waiting.min())] if len(waiting) else []
        if self.test_until_ns > now_ns:
            ends.append(self.test_until_ns)
        return min(ends, default=NEVER)
