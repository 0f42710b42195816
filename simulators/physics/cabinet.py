"""A class II biosafety cabinet: one fan, air in through the front opening and down over the work surface."""

from collections.abc import Mapping
from typing import ClassVar

from numpy.random import Generator

from simulators.physics.laws import Delayed, lag
from simulators.physics.model import Inputs, Setting, Values

AIRFLOW_BIT, SASH_BIT, FAN_BIT = 1, 2, 4
SASH_RAISED_MM = 450.0


class Cabinet:
    """Inflow is the drawn volume over the front opening: a sash twice as high halves it."""

    faults: ClassVar[Mapping[str, str]] = {
        "pressure-loss": "the fan falls to 40 % of its speed: inflow and downflow are lost",
        "door-open": "the sash stands at 450 mm: the inflow falls",
    }

    def __init__(self, setting: Setting) -> None:
        s = setting.setpoints
        self.inflow_m_s, self.downflow_m_s = s.get("inflow.velocity", 0.53), s.get("downflow.velocity", 0.36)
        self.sash_mm, self.fan_rpm = s.get("sash.height", 200.0), s.get("fan.speed", 1_150.0)
        self.filter_pa, self.exhaust_pa = s.get("filter.pressure", 140.0), s.get("exhaust_filter.pressure", 110.0)
        self.surface_c = s.get("temperature", 23.0)
        self.fan, self.sash = 1.0, self.sash_mm
        self.hours = 4_210.0
        self.held = Delayed(1.0)
        self.noise = {
            "inflow.velocity": 0.003, "downflow.velocity": 0.003, "sash.height": 0.1, "filter.pressure": 0.7,
            "exhaust_filter.pressure": 0.7, "fan.speed": 2.0, "temperature": 0.04,
        }  # fmt: skip

    def step(self, dt_s: float, inputs: Inputs, rng: Generator) -> Values:
        lost, raised = "fault.pressure-loss" in inputs, "fault.door-open" in inputs
        self.fan = lag(self.fan, 0.4 if lost else 1.0, dt_s, 1.0)
        self.sash = lag(self.sash, SASH_RAISED_MM if raised else self.sash_mm, dt_s, 0.5)
        inflow = self.inflow_m_s * self.fan * self.sash_mm / self.sash
        alarm = AIRFLOW_BIT * (inflow < 0.4) | SASH_BIT * (self.sash > self.sash_mm + 20.0) | FAN_BIT * lost
        room_c = inputs.get("room.temperature", 22.0)
        self.surface_c = lag(self.surface_c, room_c + 1.0, dt_s, 600.0)
        self.hours += dt_s / 3_600.0
        return {
            "inflow.velocity": inflow,
            "downflow.velocity": self.downflow_m_s * self.fan,
            "sash.height": self.sash,
            "filter.pressure": self.filter_pa * self.fan,
            "exhaust_filter.pressure": self.exhaust_pa * self.fan,
            "fan.speed": self.fan_rpm * self.fan,
            "temperature": self.surface_c,
            "state": 3.0 if lost else 2.0,
            "alarm": float(alarm),
            "fan_hours": self.hours,
            "light": 1.0,
            "uv": 0.0,
            "process.held": self.held.step(dt_s, bool(inputs.get("process.hold"))),
        }
