"""A single instrument in a steady place: what it measures rests at the set-point, and all else it shows is 0."""

from collections.abc import Mapping
from typing import ClassVar

from numpy.random import Generator

from simulators.physics.model import Inputs, Setting, Values


class Instrument:
    """Probes, transmitters, a fan: no physics of their own beyond their noise, a thousandth of the set-point."""

    faults: ClassVar[Mapping[str, str]] = {}

    def __init__(self, setting: Setting) -> None:
        self.rest = dict(setting.setpoints)
        self.noise = {name: abs(value) / 1000 for name, value in self.rest.items()}

    def step(self, dt_s: float, inputs: Inputs, rng: Generator) -> Values:
        return dict(self.rest)
