"""Without a usable checkpoint: alarms and interlocks as the journal's own events tell them, up to where its frames begin.

Frames are kept for hours, events for 90 days. What stood before the first frame that is left cannot come out of a replay; the
events say what it was, and which occurrence of each alarm was the newest: its number is never given out a second time. Where
the events are gone too, occurrences begin at 1 again, and the database tells the two apart by their times (`telemetry db adopt`
brings their numbers from there).
"""

from typing import Any

import numpy as np

from alarms.core import Core
from telemetry.journal import format as form


def seed(core: Core, record: form.Record, data: dict[str, Any]) -> None:
    """Takes one event of an alarm or interlock into `core`; one that is not configured any more is left out."""
    if data["kind"] == "interlock":
        k = core.row.get(data["interlock"])
        if k is not None:
            core.interlocks.tripped[k] = data["transition"] == "tripped"
        return
    i = core.number.get(data["alarm"])
    if i is None:
        return
    states, now_ns = core.states, record.time_ns
    match data["transition"]:
        case "raised":
            states.occurrence[i] = data["occurrence"] - 1
            value = data.get("value")
            states.raise_(i, np.nan if value is None else value, now_ns)
        case "cleared":
            states.clear(i, now_ns)
        case "acknowledged":
            states.unacknowledged[i] = False
            states.acknowledged_ns[i] = now_ns
            states.acknowledged_by[i] = str(data.get("person"))
        case "reset":
            states.latched[i] = False
        case _:
            pass
    there = core.defined.alarm_of == i
    core.limits.active[there] = core.limits.beyond[there] = states.active[i]


class Highest:
    """The newest occurrence of each alarm that any event names."""

    def __init__(self) -> None:
        self.of: dict[str, int] = {}

    def see(self, alarm: str, occurrence: int | None) -> None:
        if occurrence is not None and occurrence > self.of.get(alarm, 0):
            self.of[alarm] = occurrence

    def put(self, core: Core) -> None:
        """An alarm whose number stands lower goes on behind the highest."""
        for alarm, occurrence in self.of.items():
            i = core.number.get(alarm)
            if i is not None:
                core.states.occurrence[i] = max(int(core.states.occurrence[i]), occurrence)
