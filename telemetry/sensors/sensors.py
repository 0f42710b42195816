"""The sensors of all layouts, as the engine keeps them: their checks between driver and journal, their newest calibrations.

What they remember goes with the core's checkpoint, so that a sensor which was frozen before a restart is frozen after it.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields
from typing import Any

import numpy as np

from drivers.frame import Frame, Layout
from drivers.profile import ProfileTag
from telemetry.sensors.calibrations import Calibration, calibration_of, mistake
from telemetry.sensors.checks import LayoutChecks, Rate, Stamps, Still, checks_of

_MEMORY = ("slots", "last", "last_ns", "held", "still_ns", "stamp", "moved_ns")
"""The arrays that a check remembers; the others are configured, or begin anew."""


class Sensors:
    """Layouts without any check, and all of whose tags were never calibrated, cost a look into a dictionary."""

    def __init__(self, layouts: Iterable[Layout], tags: Mapping[str, ProfileTag]) -> None:
        self._layouts = tuple(layouts)
        self._place = {tag: (layout, slot) for layout in self._layouts for slot, tag in enumerate(layout.tags)}
        self._checks: dict[int, LayoutChecks] = {}
        for layout in self._layouts:
            checks = checks_of(layout, tags)
            if checks.some:
                self._checks[layout.id] = checks
        self.calibrations: dict[str, Calibration] = {}
        """The newest one of each tag that has any."""

    def judged(self, frame: Frame) -> Frame:
        """The frame as journal, alarms, page and database are to see it. Frames are given in the order in which they came."""
        checks = self._checks.get(frame.layout.id)
        return frame if checks is None else checks.judged(frame)

    def mistakes(self, given: Iterable[Calibration], now_ns: int) -> list[str]:
        """What is wrong with calibrations that are to be entered."""
        return [wrong for one in given if (wrong := mistake(one, self._place, now_ns)) is not None]

    def calibrate(self, given: Calibration) -> None:
        """Takes a calibration; one that is older than what is known of its tag changes nothing. That of a tag which the plant has
        no more is kept: the tag may come back."""
        if not given.replaces(self.calibrations.get(given.tag)):
            return
        self.calibrations[given.tag] = given
        if given.tag in self._place:
            layout, slot = self._place[given.tag]
            checks = self._checks.setdefault(layout.id, LayoutChecks())
            checks.calibrated(slot, len(layout.tags), given.past_due_ns)

    def saved(self) -> dict[str, Any]:
        """What is to be remembered over a restart, for the checkpoint."""
        checks = {
            layout: memory
            for layout, checks in self._checks.items()
            if (memory := {type(check).__name__: _memory(check) for check in _moving(checks)})
        }
        return {"checks": checks, "calibrations": [one.data() for one in self.calibrations.values()]}

    def resume(self, saved: Mapping[str, Any], since: Iterable[Calibration]) -> None:
        """Takes what `saved` gave, of a layout whose checks are others now nothing; and the calibrations entered since."""
        for one in (*(calibration_of(data) for data in saved.get("calibrations", ())), *since):
            self.calibrate(one)
        for layout, remembered in saved.get("checks", {}).items():
            for check in _moving(self._checks.get(layout, LayoutChecks())):
                _remember(check, remembered.get(type(check).__name__, {}))


def _moving(checks: LayoutChecks) -> Iterator[Rate | Still | Stamps]:
    return (check for check in (checks.rate, checks.still, checks.stamps) if check is not None)


def _memory(check: Rate | Still | Stamps) -> dict[str, bytes]:
    arrays = {f.name: getattr(check, f.name) for f in fields(check) if f.name in _MEMORY}
    return {name: array.tobytes() for name, array in arrays.items()}


def _remember(check: Rate | Still | Stamps, memory: Mapping[str, bytes]) -> None:
    if memory.get("slots") == check.slots.tobytes():
        for name, array in memory.items():
            setattr(check, name, np.frombuffer(array, getattr(check, name).dtype).copy())
