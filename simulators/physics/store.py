"""A retention store: a room, a refrigerator or a freezer, driven by a machine that switches on and off around the set-point.

Between switchings the temperature goes to the surroundings with a time constant of hours (insulation), and back at the
machine's rate: the saw-tooth that every such store shows.
"""

from collections.abc import Mapping
from typing import ClassVar, Final

from numpy.random import Generator

from simulators.physics.laws import lag
from simulators.physics.model import Inputs, Setting, Values

INSULATION_S: Final = 14_400.0
LOST_S: Final = 120.0
DOOR_S: Final = 300.0


class Store:
    """Half the switching band is 0.4 K, in a deep freezer 0.8 K."""

    faults: ClassVar[Mapping[str, str]] = {
        "temperature-drift": "the machine has failed and the insulation is gone: within minutes it is as warm as the room",
        "door-open": "the door stands open: warm air comes in",
    }

    def __init__(self, setting: Setting) -> None:
        self.target_c = self.inside_c = self.probe_c = setting.setpoints.get("temperature", 5.0)
        self.band_k = 0.8 if self.target_c < -40.0 else 0.4
        self.humidity = setting.setpoints.get("humidity", 40.0)
        self.running = True
        self.hours = 11_050.0
        self.noise = {"temperature": 0.03, "temperature_monitor": 0.03, "humidity": 0.2}

    def step(self, dt_s: float, inputs: Inputs, rng: Generator) -> Values:
        room_c = inputs.get("room.temperature", 22.0)
        failed, ajar = "fault.temperature-drift" in inputs, "fault.door-open" in inputs
        warms = 1.0 if room_c > self.target_c else -1.0
        off_k = (self.inside_c - self.target_c) * warms
        self.running = not failed and (off_k > -self.band_k if self.running else off_k > self.band_k)
        tau_s = LOST_S if failed else DOOR_S if ajar else INSULATION_S
        self.inside_c = lag(self.inside_c, room_c, dt_s, tau_s)
        if self.running:
            self.inside_c -= warms * dt_s * (3.0 * abs(room_c - self.target_c) / INSULATION_S + 0.001)
        self.probe_c = lag(self.probe_c, self.inside_c, dt_s, 20.0)
        self.hours += dt_s / 3_600.0 * self.running
        return {
            "temperature": self.probe_c,
            "temperature_monitor": self.probe_c,
            "target": self.target_c,
            "humidity": self.humidity,
            "door": float(ajar),
            "compressor": float(self.running),
            "power": 1.0,
            "compressor_hours": self.hours,
        }
