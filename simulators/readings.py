"""Readings: what the sensors of one device show. Between true value and reading lie bias, noise, range and resolution.

A sensor reads  round((true + bias + noise) / resolution) * resolution,  kept within its range. Its bias is drawn once, its
noise at every reading, from the standard deviation that the physics gives. Whole numbers, booleans and states are exact.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from drivers.profile import ProfileTag
from drivers.quality import BAD_SENSOR_FAILURE, GOOD
from simulators.physics import Values

FINEST: Final = 1e-9


class Readings:
    """Arrays over the numeric tags `names`, in the profile's order: true value, shown value, quality (see `drivers.quality`);
    `time_ns`: when the physics was read, UTC nanoseconds; text tags in `texts`. `version` changes whenever anything here does."""

    def __init__(self, tags: Mapping[str, ProfileTag], noise: Mapping[str, float], rng: Generator) -> None:
        numeric = {name: tag for name, tag in tags.items() if tag.kind != "text" and tag.record is None}
        self.names: Sequence[str] = tuple(numeric)
        self.index = {name: i for i, name in enumerate(self.names)}
        n = len(self.names)
        analogue = np.array([tag.kind == "float" for tag in numeric.values()], np.bool_)
        self.analogue: NDArray[np.bool_] = analogue
        self._sigma = np.array([noise.get(name, 0.0) for name in self.names]) * analogue
        self._bias = self._sigma * np.clip(rng.standard_normal(n), -2.0, 2.0)
        self._low = np.array([tag.range[0] if tag.range else -np.inf for tag in numeric.values()])
        self._high = np.array([tag.range[1] if tag.range else np.inf for tag in numeric.values()])
        steps = [(tag.resolution or FINEST) if tag.kind == "float" else 1.0 for tag in numeric.values()]
        self._step = np.array(steps)
        self._noise = np.empty(n)
        self.values: NDArray[np.float64] = np.zeros(n)
        self.true: NDArray[np.float64] = np.zeros(n)
        self.time_ns = 0
        self.quality: NDArray[np.uint16] = np.full(n, GOOD, np.uint16)
        self.texts = {name: "" for name, tag in tags.items() if tag.kind == "text"}
        self._frozen: NDArray[np.bool_] | None = None
        self._frozen_ns = 0
        self.version = 0

    def update(self, values: Values, time_ns: int, rng: Generator) -> None:
        """Takes the true `values` of time `time_ns`; frozen sensors show what they showed."""
        self.true = true = np.array([values.get(name, 0.0) for name in self.names], np.float64)
        shown = rng.standard_normal(len(true), out=self._noise)
        shown *= self._sigma
        shown += self._bias
        shown += true
        shown /= self._step
        np.rint(shown, out=shown)
        shown *= self._step
        np.maximum(shown, self._low, out=shown)
        np.minimum(shown, self._high, out=shown)
        if self._frozen is None:
            self.values[:] = shown
        else:
            np.copyto(self.values, shown, where=~self._frozen)
        self.time_ns = time_ns
        for name in self.texts:
            self.texts[name] = str(values.get(name, ""))
        self.version += 1

    @property
    def frozen(self) -> bool:
        """Whether any sensor is frozen."""
        return self._frozen is not None

    def time_of(self, i: int) -> int:
        """When sensor `i` was read, UTC nanoseconds: for a frozen one, when it froze."""
        return self._frozen_ns if self._frozen is not None and self._frozen[i] else self.time_ns

    def put(self, name: str, value: float) -> None:
        """Shows a value that a client has just written, without waiting for the next step."""
        i = self.index[name]
        self.values[i] = self.true[i] = value
        self.version += 1

    def freeze(self, sensors: NDArray[np.bool_]) -> None:
        """From now on these sensors keep value and time while their status stays Good; the others live."""
        if not sensors.any():
            self._frozen = None
        elif self._frozen is None:
            self._frozen, self._frozen_ns = sensors, self.time_ns
        else:
            self._frozen = sensors

    def fail(self, sensors: NDArray[np.bool_]) -> None:
        """From now on these sensors report their failure, the others are Good."""
        self.quality = np.where(sensors, BAD_SENSOR_FAILURE, GOOD).astype(np.uint16)
        self.version += 1
