"""A cleanroom: air balance, heat, humidity, people, the particles and carbon dioxide that they bring.

Particles of a well-mixed room:  V dC/dt = S - Q C,  S from people and surfaces, Q the supply of clean air.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Final

from numpy.random import Generator

from simulators.physics.laws import AIR_HEAT_J_PER_M3_K, Controller, Space, lag
from simulators.physics.model import Inputs, Setting, Values

VOLUME_M3: Final = 54.0
LEAK_M3_S_PA: Final = 1.25e-3
DOOR_M3_S_PA: Final = 0.08
HEAT_J_K: Final = 150_000.0
PERSON_W: Final = 110.0
PERSON_CO2_M3_S: Final = 5.2e-6
OUTDOOR_CO2_PPM: Final = 420.0


@dataclass(frozen=True, slots=True)
class Cleanliness:
    """Air changes per hour; particles of 0.5 um and more per m3 with nobody in, and per second from a person in that grade's
    gown; the share of them that is 5 um and more. Chosen so that each grade stays far below its limit in operation."""

    air_changes: float
    at_rest: float
    person: float
    coarse: float


GRADES: Final = {
    "A": Cleanliness(60.0, 30.0, 5.0, 0.0005),
    "B": Cleanliness(45.0, 300.0, 500.0, 0.003),
    "C": Cleanliness(30.0, 5_000.0, 3_000.0, 0.003),
    "D": Cleanliness(20.0, 50_000.0, 10_000.0, 0.003),
    "CNC": Cleanliness(10.0, 500_000.0, 50_000.0, 0.003),
}


class Room:
    """`pressure` is against the outer reference. A controller trims the return air; an open door joins the room with the one
    below it in the cascade (``below.pressure``)."""

    faults: ClassVar[Mapping[str, str]] = {
        "pressure-loss": "the supply air falls by a fifth: the room goes below 0 Pa",
        "door-open": "the door stands open: the room falls to the pressure of the room below",
        "particle-burst": "something sheds: a hundred thousand particles a second, one in a hundred of 5 µm and more",
    }

    def __init__(self, setting: Setting) -> None:
        self.air = GRADES.get(setting.grade, GRADES["D"])
        self.target_pa = setting.setpoints.get("pressure", 20.0)
        self.target_c = setting.setpoints.get("temperature", 22.0)
        self.humidity = self.target_rh = setting.setpoints.get("humidity", 52.0)
        self.supply_m3_s = self.air.air_changes * VOLUME_M3 / 3_600.0
        self.return_m3_s = self.supply_m3_s - LEAK_M3_S_PA * self.target_pa
        self.space = Space(VOLUME_M3, LEAK_M3_S_PA, self.target_pa)
        self.damper = Controller(gain=0.0005, integral_time_s=0.5, low=-1.1, high=-0.7, integral=-1.0)
        self.returned = 1.0
        self.air_c = self.target_c
        self.coil = Controller(gain=2.0, integral_time_s=400.0, low=8.0, high=30.0, integral=self.target_c - 1.0)
        self.people, self.change_s = 0, 0.0
        self.fine = self.air.at_rest
        self.coarse = self.air.at_rest * self.air.coarse
        self.co2_ppm = OUTDOOR_CO2_PPM
        self.noise = {
            "pressure": 0.15, "airflow": 4.0, "air_changes": 0.03, "humidity": 0.15, "temperature": 0.03, "co2": 2.0,
            "h2o2": 0.003,
        }  # fmt: skip

    def step(self, dt_s: float, inputs: Inputs, rng: Generator) -> Values:
        lost, ajar = "fault.pressure-loss" in inputs, "fault.door-open" in inputs
        self._people(dt_s, rng)
        supply_m3_s = self.supply_m3_s * (0.8 if lost else 1.0)
        self._pressure(dt_s, supply_m3_s, lost, ajar, inputs.get("below.pressure", 0.0))
        self._climate(dt_s, supply_m3_s)
        self._particles(dt_s, supply_m3_s, "fault.particle-burst" in inputs)
        return {
            "pressure": self.space.pressure_pa,
            "airflow": supply_m3_s * 3_600.0,
            "air_changes": supply_m3_s * 3_600.0 / VOLUME_M3,
            "humidity": self.humidity,
            "temperature": self.air_c,
            "door": float(ajar),
            "occupancy": float(self.people),
            "co2": self.co2_ppm,
            "h2o2": 0.01,
            "air.0_5um": self.fine,
            "air.5um": self.coarse,
        }

    def _people(self, dt_s: float, rng: Generator) -> None:
        """People come and go every few minutes; with an exponential time between changes."""
        self.change_s -= dt_s
        if self.change_s <= 0.0:
            self.people = int(rng.integers(0, 3))
            self.change_s = float(rng.exponential(400.0))

    def _pressure(self, dt_s: float, supply_m3_s: float, lost: bool, ajar: bool, below_pa: float) -> None:
        if lost or ajar:
            wanted, self.damper.integral = 1.0, -1.0
        else:
            wanted = -self.damper.step(dt_s, self.target_pa - self.space.pressure_pa)
        self.returned = lag(self.returned, wanted, dt_s, 1.0)
        opening = DOOR_M3_S_PA if ajar else 0.0
        self.space.step(dt_s, supply_m3_s, self.return_m3_s * self.returned, opening, below_pa)

    def _climate(self, dt_s: float, supply_m3_s: float) -> None:
        supply_c = self.coil.step(dt_s, self.target_c - self.air_c)
        carried_w_k = AIR_HEAT_J_PER_M3_K * supply_m3_s
        load_w = carried_w_k * 1.0 + PERSON_W * (self.people - 1)
        self.air_c += (carried_w_k * (supply_c - self.air_c) + load_w) * dt_s / HEAT_J_K
        self.humidity = lag(self.humidity, self.target_rh + 0.7 * self.people, dt_s, 600.0)
        brought_ppm = 1e6 * PERSON_CO2_M3_S * self.people / supply_m3_s
        self.co2_ppm = lag(self.co2_ppm, OUTDOOR_CO2_PPM + brought_ppm, dt_s, VOLUME_M3 / supply_m3_s)

    def _particles(self, dt_s: float, supply_m3_s: float, burst: bool) -> None:
        air, tau_s = self.air, VOLUME_M3 / supply_m3_s
        fine_s = air.person * self.people + (1e5 if burst else 0.0)
        coarse_s = air.person * air.coarse * self.people + (1e3 if burst else 0.0)
        self.fine = lag(self.fine, air.at_rest + fine_s / supply_m3_s, dt_s, tau_s)
        self.coarse = lag(self.coarse, air.at_rest * air.coarse + coarse_s / supply_m3_s, dt_s, tau_s)
