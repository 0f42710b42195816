"""The air handling unit of a workshop: fans, filters, coils, dampers; weather outside."""

from collections.abc import Mapping
from math import pi, sin
from typing import ClassVar, Final

from numpy.random import Generator

from simulators.physics.laws import lag
from simulators.physics.model import Inputs, Setting, Values

DAY_S: Final = 86_400.0


class AirHandling:
    """Affinity laws: flow goes with the speed of the fan, pressure with its square. Outside it is 14 degrees C with 6 K of day."""

    faults: ClassVar[Mapping[str, str]] = {
        "pressure-loss": "the supply fan trips: the supply air is gone and the exhaust is throttled",
    }

    def __init__(self, setting: Setting) -> None:
        self.s = setting.setpoints
        self.supply = self.exhaust = 1.0
        self.elapsed_s = 0.0
        self.noise = {
            "supply.flow": 60.0, "exhaust.flow": 60.0, "supply.temperature": 0.04, "supply.humidity": 0.2,
            "return.temperature": 0.03, "return.humidity": 0.2, "outside.temperature": 0.03, "duct.pressure": 1.0,
            "filter1.pressure": 0.7, "filter2.pressure": 0.7, "filter3.pressure": 0.7, "supply_fan.speed": 2.0,
            "exhaust_fan.speed": 2.0, "damper.supply": 0.03, "damper.exhaust": 0.03, "damper.fresh": 0.03,
            "valve.cooling": 0.1, "valve.heating": 0.03, "valve.steam": 0.05,
        }  # fmt: skip

    def step(self, dt_s: float, inputs: Inputs, rng: Generator) -> Values:
        s, lost = self.s, "fault.pressure-loss" in inputs
        boost, full = bool(inputs.get("boost_request")), bool(inputs.get("full_exhaust_request"))
        self.elapsed_s += dt_s
        self.supply = lag(self.supply, 0.0 if lost else 1.1 if boost else 1.0, dt_s, 4.0)
        self.exhaust = lag(self.exhaust, 0.3 if lost else 1.2 if full else 1.0, dt_s, 4.0)
        outside_c = 14.0 + 6.0 * sin(2.0 * pi * self.elapsed_s / DAY_S)
        squared = self.supply**2
        return {
            "supply.flow": s.get("supply.flow", 42_000.0) * self.supply,
            "exhaust.flow": s.get("exhaust.flow", 35_000.0) * self.exhaust,
            "supply.temperature": s.get("supply.temperature", 16.0),
            "supply.humidity": s.get("supply.humidity", 60.0),
            "return.temperature": s.get("return.temperature", 22.0),
            "return.humidity": s.get("return.humidity", 52.0),
            "outside.temperature": outside_c,
            "duct.pressure": s.get("duct.pressure", 600.0) * squared,
            "filter1.pressure": s.get("filter1.pressure", 80.0) * squared,
            "filter2.pressure": s.get("filter2.pressure", 130.0) * squared,
            "filter3.pressure": s.get("filter3.pressure", 220.0) * squared,
            "supply_fan.speed": s.get("supply_fan.speed", 1_420.0) * self.supply,
            "exhaust_fan.speed": s.get("exhaust_fan.speed", 1_310.0) * self.exhaust,
            "supply_fan.state": 2.0 if lost else 1.0,
            "exhaust_fan.state": 1.0,
            "damper.supply": 0.0 if lost else 78.0,
            "damper.exhaust": 100.0 if full else 71.0,
            "damper.fresh": 25.0,
            "valve.cooling": min(max(20.0 + 3.0 * (outside_c - 10.0), 0.0), 100.0),
            "valve.heating": min(max(4.0 * (12.0 - outside_c), 0.0), 100.0),
            "valve.steam": 12.0,
            "alarm": 1.0 if lost else 0.0,
        }
