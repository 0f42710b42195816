"""A process isolator: chamber and antechamber held above the room by a supply fan and a controlled exhaust fan."""

from collections.abc import Mapping
from typing import ClassVar, Final

from numpy.random import Generator

from simulators.physics.laws import Controller, Delayed, Heartbeat, Space, lag
from simulators.physics.model import Inputs, Setting, Values
from simulators.physics.vhp import ABORT, START, Cycle

CHAMBER_M3: Final = 1.5
LEAK_M3_S_PA: Final = 1.4e-4
SUPPLY_M3_S: Final = 0.030
BOOST_PA: Final = 10.0
DOOR_M3_S_PA: Final = 0.02


class Isolator:
    """Pressures are overpressures against the room. The chamber settles within a tenth of a second (V/(P G) = 0.1 s), so a
    supply lost while the exhaust still runs drives it below 0 Pa at once; the controller trims the exhaust fan."""

    faults: ClassVar[Mapping[str, str]] = {
        "pressure-loss": "the supply damper falls shut while the exhaust runs on: the chamber goes below 0 Pa",
        "door-open": "the antechamber door stands open: the antechamber falls to the pressure of the room",
    }

    def __init__(self, setting: Setting) -> None:
        s = setting.setpoints
        self.target_pa = s.get("chamber.pressure", 40.0)
        self.ante_pa = s.get("antechamber.pressure", 25.0)
        self.temperature_c = s.get("chamber.temperature", 22.0)
        self.humidity = s.get("chamber.humidity", 50.0)
        self.velocity_m_s = s.get("chamber.velocity", 0.45)
        self.supply_filter_pa = s.get("supply_filter.pressure", 120.0)
        self.exhaust_filter_pa = s.get("exhaust_filter.pressure", 90.0)
        self.exhaust_m3_s = SUPPLY_M3_S - LEAK_M3_S_PA * self.target_pa
        self.chamber = Space(CHAMBER_M3, LEAK_M3_S_PA, self.target_pa)
        self.antechamber = Space(0.3, 4e-5, self.ante_pa)
        self.control = Controller(gain=0.001, integral_time_s=0.4, low=-1.3, high=-0.5, integral=-1.0)
        self.supply = self.exhaust = self.flow = 1.0
        self.air_c = self.wall_c = self.temperature_c
        self.boosted, self.held, self.locked = Delayed(0.5), Delayed(1.0), Delayed(1.0)
        self.heartbeat = Heartbeat()
        self.cycle = Cycle()
        self.noise = {
            "chamber.pressure": 0.35, "chamber.temperature": 0.02, "chamber.humidity": 0.15, "chamber.velocity": 0.003,
            "chamber.h2o2": 0.2, "chamber.h2o2_low": 0.01, "antechamber.pressure": 0.3, "antechamber.temperature": 0.02,
            "antechamber.humidity": 0.15, "antechamber.h2o2": 0.2, "fan.speed": 2.0, "fan.output": 0.05,
            "exhaust.speed": 2.0, "supply_filter.pressure": 0.6, "exhaust_filter.pressure": 0.6,
        }  # fmt: skip

    def allows(self, method: str) -> bool:
        return self.cycle.allows(method)

    def step(self, dt_s: float, inputs: Inputs, rng: Generator) -> Values:
        lost = "fault.pressure-loss" in inputs
        boost = self.boosted.step(dt_s, bool(inputs.get("fan.boost_request")))
        self.supply = lag(self.supply, 0.05 if lost else 1.0 + 0.05 * boost, dt_s, 2.0)
        self.flow = 0.0 if lost else self.supply
        if self.supply < 0.98:  # while the supply is lost and comes back, the exhaust is held and not controlled
            wanted, self.control.integral = 0.8 if lost else 1.0, -1.0
        else:
            wanted = -self.control.step(dt_s, self.target_pa + BOOST_PA * boost - self.chamber.pressure_pa)
        self.exhaust = lag(self.exhaust, wanted, dt_s, 0.4)
        pressure_pa = self.chamber.step(dt_s, SUPPLY_M3_S * self.flow, self.exhaust_m3_s * self.exhaust)
        ajar = "fault.door-open" in inputs
        supply_ante = self.ante_pa * self.antechamber.leak_m3_s_pa * (0.2 if lost else 1.0)
        ante_pa = self.antechamber.step(dt_s, supply_ante, 0.0, DOOR_M3_S_PA if ajar else 0.0)
        self._warm(dt_s, inputs.get("room.temperature", 22.0))
        return {
            "chamber.pressure": pressure_pa,
            "chamber.temperature": self.air_c,
            "chamber.humidity": self.humidity + 2.0 * (self.temperature_c - self.air_c),
            "chamber.velocity": self.velocity_m_s * self.supply,
            "chamber.h2o2": 0.0,
            "chamber.h2o2_low": 0.05,
            "antechamber.pressure": ante_pa,
            "antechamber.temperature": self.wall_c,
            "antechamber.humidity": self.humidity + 1.0,
            "antechamber.h2o2": 0.0,
            "fan.speed": 1_620.0 * self.supply,
            "fan.output": min(100.0, 62.0 * self.supply**2),
            "fan.state": 2.0 if lost else 1.0,
            "fan.boosted": boost,
            "exhaust.speed": 1_480.0 * self.exhaust,
            "exhaust.state": 1.0,
            "supply_filter.pressure": self.supply_filter_pa * self.flow,
            "exhaust_filter.pressure": self.exhaust_filter_pa * self.exhaust,
            "door.chamber": 0.0,
            "door.antechamber": float(ajar),
            "door.transfer": 0.0,
            "transfer.locked": self.locked.step(dt_s, bool(inputs.get("transfer.lock_request"))),
            "vhp.phase": self.cycle.step(dt_s, f"call.{START}" in inputs, f"call.{ABORT}" in inputs),
            "process.held": self.held.step(dt_s, bool(inputs.get("process.hold"))),
            "power": 1.0,
            "heartbeat": self.heartbeat.step(dt_s),
            "firmware": "2.4.1",
            "glove1": 0.0, "glove2": 0.0, "glove3": 0.0, "glove4": 0.0,
        }  # fmt: skip

    def _warm(self, dt_s: float, room_c: float) -> None:
        """Fan heat against the cooling coil: the air follows its set-point and a twentieth of what the room does."""
        self.wall_c = lag(self.wall_c, self.temperature_c + 0.1 * (room_c - self.temperature_c), dt_s, 900.0)
        self.air_c = lag(self.air_c, 0.5 * (self.temperature_c + self.wall_c), dt_s, 120.0)
