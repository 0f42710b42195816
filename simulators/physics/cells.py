"""A bank of incubation cells side by side, as arrays: heat balance, CO2, oxygen, humidity, water.

Heat of a cell:  C dT/dt = P u - UA (T - T_cabinet) - K (2 T - T_left - T_right) - UA_door (T - T_room),  u from a PI controller.
Carbon dioxide, by volume per cent:  dc/dt = v u - (c - c_outside)/tau,  tau 2 h with the door shut and 40 s with it open.
Oxygen follows from the others: 20.95 % of what is neither carbon dioxide nor water vapour (Magnus formula).
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

HEAT_J_K: Final = 4_000.0
LOSS_W_K: Final = 1.2
NEIGHBOUR_W_K: Final = 0.3
DOOR_W_K: Final = 15.0
HEATER_W: Final = 60.0
CO2_FULL_PERCENT_S: Final = 0.05
CO2_LEAK_S, CO2_DOOR_S = 7_200.0, 40.0
CO2_OUTSIDE: Final = 0.05
STEP_S: Final = 1.0
"""The shortest step worth taking: nothing here changes faster than in tens of seconds."""
CUT_OUT_K: Final = 1.0
"""Above the set-point the independent thermometer cuts the heater (maker's manuals: about 1 K); restored within 0.3 K."""


class Cells:
    """`count` cells at rest at their set-points (degrees C, % CO2, %RH) in a cabinet at `cabinet_c`."""

    def __init__(self, count: int, temperature_c: float, co2: float, humidity: float, cabinet_c: float) -> None:
        self.target_c, self.target_co2, self.target_rh, self.cabinet_c = temperature_c, co2, humidity, cabinet_c
        self.temperature_c = np.full(count, temperature_c)
        self.co2 = np.full(count, co2)
        self.humidity = np.full(count, humidity)
        self.water = np.linspace(95.0, 80.0, count)
        self.heater = np.full(count, self._resting_heat())
        self.heat_integral = self.heater.copy()
        self.valve = np.full(count, (co2 - CO2_OUTSIDE) / CO2_LEAK_S / CO2_FULL_PERCENT_S)
        self.valve_integral = self.valve.copy()
        self.cut_out = np.zeros(count, np.bool_)
        self.oxygen = self._oxygen()
        self.owed_s = 0.0

    def _resting_heat(self) -> float:
        return LOSS_W_K * (self.target_c - self.cabinet_c) / HEATER_W

    def step(self, dt_s: float, room_c: float, open_: Array, stuck: Array, inhibit: bool) -> None:
        """Moves on by `dt_s`. `open_`, `stuck`: 1 where a door stands open, where a heater relay is welded; `inhibit` shuts
        every CO2 valve, as an open door shuts its own. Short steps are saved up to one of `STEP_S`."""
        self.owed_s += dt_s
        if self.owed_s < STEP_S - 1e-6:
            return
        dt_s, self.owed_s = self.owed_s, 0.0
        t = self.temperature_c
        self._heat(dt_s, stuck)
        flow = np.zeros_like(t)
        between = NEIGHBOUR_W_K * np.diff(t)
        flow[:-1] += between
        flow[1:] -= between
        flow += HEATER_W * self.heater - LOSS_W_K * (t - self.cabinet_c) - DOOR_W_K * open_ * (t - room_c)
        self.temperature_c = t + flow * (dt_s / HEAT_J_K)
        self._gas(dt_s, open_, inhibit)
        self.humidity += (self.target_rh - 48.0 * open_ - self.humidity) * (dt_s / np.where(open_ > 0, 60.0, 300.0))
        self.water -= dt_s / 3_600.0
        self.water[self.water < 40.0] = 95.0
        self.oxygen = self._oxygen()

    def _heat(self, dt_s: float, stuck: Array) -> None:
        error = self.target_c - self.temperature_c
        self.cut_out = np.where(self.cut_out, error < -0.3, error < -CUT_OUT_K)
        wanted = 0.5 * error + self.heat_integral
        self.heater = np.clip(wanted, 0.0, 1.0)
        self.heat_integral += np.where(wanted == self.heater, 0.5 * error * (dt_s / 400.0), 0.0)
        self.heater = np.where(self.cut_out, 0.0, np.maximum(self.heater, stuck))

    def _gas(self, dt_s: float, open_: Array, inhibit: bool) -> None:
        error = self.target_co2 - self.co2
        wanted = 0.5 * error + self.valve_integral
        self.valve = np.clip(wanted, 0.0, 1.0)
        self.valve_integral += np.where((wanted == self.valve) & (open_ == 0), 0.5 * error * (dt_s / 120.0), 0.0)
        self.valve *= (open_ == 0) & (not inhibit)
        leak_s = np.where(open_ > 0, CO2_DOOR_S, CO2_LEAK_S)
        self.co2 += (CO2_FULL_PERCENT_S * self.valve - (self.co2 - CO2_OUTSIDE) / leak_s) * dt_s

    def _oxygen(self) -> Array:
        """Per cent by volume."""
        saturated_pa = 611.2 * np.exp(17.62 * self.temperature_c / (243.12 + self.temperature_c))
        vapour = self.humidity / 100.0 * saturated_pa / 101_325.0
        return 20.95 * (1.0 - self.co2 / 100.0 - vapour)
