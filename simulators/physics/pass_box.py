"""A dynamic pass-box between two rooms: its own overpressure, two doors of which one at a time may open."""

from collections.abc import Mapping
from typing import ClassVar, Final

from numpy.random import Generator

from simulators.physics.laws import Space
from simulators.physics.model import Inputs, Setting, Values

LEAK_M3_S_PA: Final = 5e-5
DOOR_M3_S_PA: Final = 0.02
PASSED_STATE: Final = 3.0


class PassBox:
    """At rest its last cycle has passed, both doors are shut and the clean side is locked."""

    faults: ClassVar[Mapping[str, str]] = {
        "door-open": "the outer door stands open: the pressure is lost and the clean side stays locked",
    }

    def __init__(self, setting: Setting) -> None:
        self.target_pa = setting.setpoints.get("pressure", 20.0)
        self.velocity_m_s = setting.setpoints.get("velocity", 0.45)
        self.space = Space(0.4, LEAK_M3_S_PA, self.target_pa)
        self.noise = {"pressure": 0.2, "velocity": 0.004, "h2o2": 0.02}

    def step(self, dt_s: float, inputs: Inputs, rng: Generator) -> Values:
        ajar, locked = "fault.door-open" in inputs, bool(inputs.get("lock_request"))
        self.space.step(dt_s, LEAK_M3_S_PA * self.target_pa, 0.0, DOOR_M3_S_PA if ajar else 0.0)
        return {
            "door.inner": 0.0,
            "door.outer": float(ajar),
            "lock.inner": 1.0,
            "lock.outer": float(locked and not ajar),
            "uv": 0.0,
            "cycle": PASSED_STATE,
            "pressure": self.space.pressure_pa,
            "velocity": self.velocity_m_s,
            "h2o2": 0.05,
        }
