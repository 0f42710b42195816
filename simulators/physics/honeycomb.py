"""An incubator of twelve cells in one cabinet, with common gas supply and power."""

from collections.abc import Mapping
from typing import ClassVar, Final

import numpy as np
from numpy.random import Generator

from simulators.physics.cells import Cells
from simulators.physics.laws import Delayed, Heartbeat, lag
from simulators.physics.model import Inputs, Setting, Values

CELLS: Final = 12
IN_USE: Final = 8
EMPTY_STATE, IN_USE_STATE = 0.0, 1.0

_SIGMA: Final[dict[str, float]] = {
    "temperature": 0.008, "temperature_monitor": 0.01, "co2": 0.01, "o2": 0.02, "humidity": 0.25, "seal_pressure": 0.3,
    "fan_speed": 2.0, "heater_output": 0.1, "co2_valve": 0.05, "water_level": 0.1, "filter_pressure": 0.4,
}  # fmt: skip
_ROWS: Final = (
    "temperature", "temperature_monitor", "co2", "o2", "humidity", "door", "lock", "seal_pressure", "fan_speed",
    "heater_output", "co2_valve", "water_level", "filter_pressure", "over_temperature", "state",
)  # fmt: skip


class Honeycomb:
    """The first eight cells hold a batch, the others are empty and kept warm."""

    faults: ClassVar[Mapping[str, str]] = {
        "temperature-drift": "the heater relay of a cell (--part, else 1) is welded: it warms by 0.7 K a minute until the cut-out",
        "door-open": "the door of a cell (--part, else 1) stands open: its CO₂ and heat are lost",
    }

    def __init__(self, setting: Setting) -> None:
        s = setting.setpoints
        self.cells = Cells(
            CELLS,
            s.get("cell01.temperature", 37.0),
            s.get("cell01.co2", 5.0),
            s.get("cell01.humidity", 93.0),
            s.get("unit.temperature", 30.0),
        )
        self.supply_co2_kpa = s.get("unit.supply_co2_pressure", 150.0)
        self.supply_n2_kpa = s.get("unit.supply_n2_pressure", 200.0)
        self.unit_c = self.cells.cabinet_c
        self.locked = Delayed(0.5)
        self.heartbeat = Heartbeat()
        self.states = np.where(np.arange(CELLS) < IN_USE, IN_USE_STATE, EMPTY_STATE)
        self.names = [f"cell{n:02d}.{row}" for row in _ROWS for n in range(1, CELLS + 1)]
        line = setting.equipment.split("-")[0]
        self.texts: Values = {
            f"cell{n:02d}.batch": f"{line}-B{100 + n}" if n <= IN_USE else "" for n in range(1, CELLS + 1)
        }
        self.noise = {f"cell{n:02d}.{row}": sigma for row, sigma in _SIGMA.items() for n in range(1, CELLS + 1)}
        self.noise |= {
            "unit.temperature": 0.05, "unit.humidity": 0.2, "unit.supply_co2_pressure": 0.3, "unit.supply_n2_pressure": 0.3,
            "unit.hepa_pressure": 0.6, "unit.fan_speed": 2.0,
        }  # fmt: skip

    def step(self, dt_s: float, inputs: Inputs, rng: Generator) -> Values:
        cells = self.cells
        open_, stuck = _at(inputs, "fault.door-open"), _at(inputs, "fault.temperature-drift")
        room_c = inputs.get("room.temperature", 22.0)
        self.unit_c = lag(self.unit_c, cells.cabinet_c + 0.05 * (room_c - 22.0), dt_s, 1_800.0)
        cells.step(dt_s, room_c, open_, stuck, bool(inputs.get("unit.co2_inhibit")))
        self.locked.step(dt_s, bool(inputs.get("unit.lock_request")))
        off = (np.abs(cells.temperature_c - cells.target_c) > 0.5) | (open_ > 0) | cells.cut_out
        rows = np.stack((
            cells.temperature_c,
            cells.temperature_c,
            cells.co2,
            cells.oxygen,
            cells.humidity,
            open_,
            1.0 - open_,
            150.0 * (1.0 - open_),
            np.full(CELLS, 1_200.0) * (1.0 - open_),
            100.0 * cells.heater,
            100.0 * cells.valve,
            cells.water,
            60.0 * (1.0 - open_),
            cells.cut_out,
            self.states,
        ))  # fmt: skip
        values: Values = dict(zip(self.names, rows.ravel().tolist(), strict=True))
        values |= self.texts
        values |= {
            "unit.temperature": self.unit_c,
            "unit.humidity": 40.0,
            "unit.supply_co2_pressure": self.supply_co2_kpa - 4.0 * float(cells.valve.sum()),
            "unit.supply_n2_pressure": self.supply_n2_kpa,
            "unit.hepa_pressure": 110.0,
            "unit.fan_speed": 1_500.0,
            "unit.power": 1.0,
            "unit.ups_charge": 100.0,
            "unit.alarm_word": float(off @ (1 << np.arange(CELLS))),
            "unit.heartbeat": self.heartbeat.step(dt_s),
            "unit.firmware": "1.9.0",
        }
        return values


def _at(inputs: Inputs, fault: str) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """1 at the cell that has the fault, 0 at all others."""
    mask = np.zeros(CELLS)
    part = inputs.get(fault)
    if part is not None:
        mask[min(max(int(part), 1), CELLS) - 1] = 1.0
    return mask
