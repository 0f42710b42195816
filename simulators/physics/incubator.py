"""A bench CO2 incubator: one cell of the same physics as the honeycomb's."""

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
from numpy.random import Generator

from simulators.physics.cells import Cells
from simulators.physics.model import Inputs, Setting, Values

DOOR_BIT, HIGH_BIT, LOW_BIT = 1 << 0, 1 << 1, 1 << 2


class Incubator:
    """Alarm bits as in the Hettich Hettcube: 0 door, 1 high, 2 low, each at 0.5 K from the set-point."""

    faults: ClassVar[Mapping[str, str]] = {
        "temperature-drift": "the heater relay is welded: it warms by 0.7 K a minute until the cut-out",
        "door-open": "the door stands open: CO₂ and heat are lost",
    }

    def __init__(self, setting: Setting) -> None:
        s = setting.setpoints
        self.cells = Cells(1, s.get("temperature", 37.0), s.get("co2", 5.0), s.get("humidity", 93.0), cabinet_c=30.0)
        self.supply_kpa = s.get("supply_co2_pressure", 150.0)
        self.fan_rpm = s.get("fan.speed", 1_200.0)
        self.noise = {
            "temperature": 0.01, "temperature_monitor": 0.01, "co2": 0.01, "o2": 0.02, "humidity": 0.25,
            "heater_output": 0.1, "co2_valve": 0.05, "supply_co2_pressure": 0.3, "water_level": 0.1, "fan.speed": 2.0,
        }  # fmt: skip

    def step(self, dt_s: float, inputs: Inputs, rng: Generator) -> Values:
        cells = self.cells
        ajar = "fault.door-open" in inputs
        open_, stuck = np.array([float(ajar)]), np.array([float("fault.temperature-drift" in inputs)])
        cells.step(dt_s, inputs.get("room.temperature", 22.0), open_, stuck, inhibit=False)
        temperature_c = float(cells.temperature_c[0])
        off_k = temperature_c - cells.target_c
        alarm = DOOR_BIT * ajar | HIGH_BIT * (off_k > 0.5) | LOW_BIT * (off_k < -0.5)
        return {
            "temperature": temperature_c,
            "temperature_monitor": temperature_c,
            "door": float(ajar),
            "alarm_bits": float(alarm),
            "co2": float(cells.co2[0]),
            "o2": float(cells.oxygen[0]),
            "humidity": float(cells.humidity[0]),
            "heater_output": 100.0 * float(cells.heater[0]),
            "co2_valve": 100.0 * float(cells.valve[0]),
            "supply_co2_pressure": self.supply_kpa - 4.0 * float(cells.valve[0]),
            "water_level": float(cells.water[0]),
            "fan.speed": 0.0 if ajar else self.fan_rpm,
            "over_temperature": float(cells.cut_out[0]),
        }
