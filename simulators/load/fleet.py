"""The readings of a whole fleet as arrays, moved on by one vectorised step a second.

Each value x wanders about its mean m with standard deviation s and correlation time T (an Ornstein-Uhlenbeck process, exact over
a step dt):  x <- m + (x - m) exp(-dt/T) + s sqrt(1 - exp(-2 dt/T)) n,  n standard normal. That is what a controlled room looks
like to a sensor: it holds its mean, and no two readings are the same.
"""

import time
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from simulators.load.served import Served

STEP_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class Quantity:
    """What a tag of the fleet measures; sigma and mean in `unit`. `resolution`: that of its Modbus register."""

    name: str
    en: str
    zh: str
    unit: str
    mean: float
    sigma: float
    correlation_s: float
    range: tuple[float, float]
    resolution: float


QUANTITIES: Final = (
    Quantity("pressure", "Pressure", "压差", "Pa", 40.0, 0.4, 10.0, (-200.0, 300.0), 0.01),
    Quantity("temperature", "Temperature", "温度", "°C", 22.0, 0.2, 60.0, (0.0, 60.0), 0.002),
    Quantity("humidity", "Humidity", "湿度", "%RH", 50.0, 0.8, 30.0, (0.0, 100.0), 0.005),
    Quantity("velocity", "Air velocity", "风速", "m/s", 0.45, 0.01, 5.0, (0.0, 1.0), 0.0001),
)


def quantity_of(tag: int) -> Quantity:
    """What tag number `tag` (from 0) of each device measures: the quantities in turn."""
    return QUANTITIES[tag % len(QUANTITIES)]


def name_of(tag: int) -> str:
    """``pressure1``, ``temperature1``, ... ``pressure2``."""
    return f"{quantity_of(tag).name}{tag // len(QUANTITIES) + 1}"


class Fleet:
    """Arrays over (device, tag): `values` (float64, in the tag's unit), `source_ns` (UTC nanoseconds), `failed` (the sensor reports
    its failure), `frozen` (value and time stand still). `steps` counts what `step` did; `changes` also what faults changed.
    `served` keeps what was answered, where somebody wants to know."""

    def __init__(self, devices: int, tags: int, seed: int) -> None:
        self.names = tuple(name_of(tag) for tag in range(tags))
        self.index = {name: tag for tag, name in enumerate(self.names)}
        of = [quantity_of(tag) for tag in range(tags)]
        self.resolution = np.array([q.resolution for q in of])
        self._mean = np.array([q.mean for q in of])
        self._keep = np.exp(-STEP_S / np.array([q.correlation_s for q in of]))
        self._kick = np.array([q.sigma for q in of]) * np.sqrt(1.0 - self._keep**2)
        self._low, self._high = (np.array([q.range[end] for q in of]) for end in (0, 1))
        self._rng = np.random.default_rng(seed)
        shape = (devices, tags)
        self._true = self._mean + np.array([q.sigma for q in of]) * self._rng.standard_normal(shape)
        self.values: NDArray[np.float64] = self._true.copy()
        self.source_ns: NDArray[np.int64] = np.zeros(shape, np.int64)
        self.failed: NDArray[np.bool_] = np.zeros(shape, np.bool_)
        self.frozen: NDArray[np.bool_] = np.zeros(shape, np.bool_)
        self.time_ns = 0
        self.steps = 0
        self.changes = 0
        self.served: Served | None = None

    def step(self, time_ns: int) -> None:
        """Moves all values on by `STEP_S`, to `time_ns`."""
        true = self._true
        true -= self._mean
        true *= self._keep
        true += self._kick * self._rng.standard_normal(true.shape)
        true += self._mean
        np.clip(true, self._low, self._high, out=true)
        self.time_ns = time_ns
        if self.frozen.any():
            np.copyto(self.values, true, where=~self.frozen)
            np.copyto(self.source_ns, np.int64(time_ns), where=~self.frozen)
        else:
            self.values[:] = true
            self.source_ns[:] = time_ns
        self.steps += 1
        self.changes += 1

    def answered(self, device: int) -> None:
        """Whoever shows a device tells that its tags, as they are now, went out to a client."""
        if self.served is not None:
            self.served.add(time.time_ns(), self.steps, device)

    def disturb(self, device: int, failed: NDArray[np.bool_], frozen: NDArray[np.bool_]) -> None:
        """From now on these tags (masks) of the device are failed and frozen, its others are well."""
        if (self.failed[device] != failed).any() or (self.frozen[device] != frozen).any():
            self.failed[device], self.frozen[device] = failed, frozen
            self.changes += 1
