"""Horn and lamps of an area, with a hard-wired watchdog: when `watchdog` stops changing, the horn sounds by itself."""

from collections.abc import Mapping
from typing import ClassVar, Final

from numpy.random import Generator

from simulators.physics.model import Inputs, Setting, Values

AMBIENT_DB, HORN_DB = 52.0, 88.0
WATCHDOG_S: Final = 5.0


class Beacon:
    """The watchdog is armed by the first write; before that nobody is in charge of the beacon and it stays quiet."""

    faults: ClassVar[Mapping[str, str]] = {}

    def __init__(self, setting: Setting) -> None:
        self.seen: float | None = None
        self.age_s = 0.0
        self.armed = False
        self.noise = {"sound_level": 0.3}

    def step(self, dt_s: float, inputs: Inputs, rng: Generator) -> Values:
        watchdog = inputs.get("watchdog", 0.0)
        if self.seen is not None and watchdog != self.seen:
            self.armed, self.age_s = True, 0.0
        self.seen = watchdog
        self.age_s += dt_s
        expired = self.armed and self.age_s > WATCHDOG_S
        sounds = expired or bool(inputs.get("horn"))
        return {
            "button.silence": 0.0,
            "button.acknowledge": 0.0,
            "button.reset": 0.0,
            "button.test": 0.0,
            "tamper": 0.0,
            "watchdog_expired": float(expired),
            "sound_level": HORN_DB if sounds else AMBIENT_DB,
        }
