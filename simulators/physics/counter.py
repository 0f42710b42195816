"""An airborne particle counter: draws air at 1 ft3/min and counts what is in it. Counts are Poisson, cumulative by size."""

from collections.abc import Mapping
from typing import ClassVar, Final

from numpy.random import Generator

from simulators.physics.model import Inputs, Setting, Values

M3_PER_FT3: Final = 0.0283168
FLOW_CFM: Final = 1.0
SAMPLE_S: Final = 60.0
GRADE_A_FINE, GRADE_A_COARSE = 30.0, 0.002
"""Particles per m3 of 0.5 um and more and of 5 um and more in undisturbed unidirectional air: one coarse count in twelve days."""


class Counter:
    """Counts for a sample time (``counter.sample_s`` among the inputs, else its set-point), then gives the record and begins
    anew: ``sample.done`` is 1, ``sample.fine`` and ``sample.coarse`` are the counts. Without ``air.0_5um`` and ``air.5um`` among
    the inputs it stands in grade A. It starts in the midst of a sample: no two counters of a plant finish at the same time."""

    faults: ClassVar[Mapping[str, str]] = {
        "particle-burst": "50,000 particles per m³ more, 500 of them of 5 µm and more: seen in the record that follows",
    }

    def __init__(self, setting: Setting) -> None:
        self.noise: dict[str, float] = {}
        self.sample_s = setting.setpoints.get("sample_time", SAMPLE_S)
        self.elapsed_s = -1.0
        self.fine = self.coarse = 0

    def step(self, dt_s: float, inputs: Inputs, rng: Generator) -> Values:
        fine, coarse = inputs.get("air.0_5um", GRADE_A_FINE), inputs.get("air.5um", GRADE_A_COARSE)
        if "fault.particle-burst" in inputs:
            fine, coarse = fine + 50_000.0, coarse + 500.0
        sample_s = inputs.get("counter.sample_s", self.sample_s)
        if self.elapsed_s < 0.0:
            self.elapsed_s = 0.0
            dt_s += float(rng.uniform(0.0, sample_s - 1.0)) if sample_s > 1.0 else 0.0
        sampling = bool(inputs.get("counter.sampling", 1.0))
        if sampling:
            self._count(dt_s, fine, coarse, rng)
        else:
            self.elapsed_s, self.fine, self.coarse = 0.0, 0, 0
        values: Values = {
            "running": float(sampling),
            "sampling": float(sampling),
            "laser": float("sensor.failed" in inputs),
            "air.0_5um": fine,
            "air.5um": coarse,
            "sample.elapsed": self.elapsed_s,
            "sample.done": 0.0,
        }
        if self.elapsed_s >= sample_s - 1e-6:
            if "sensor.frozen" not in inputs:
                values |= {"sample.done": 1.0, "sample.fine": float(self.fine), "sample.coarse": float(self.coarse)}
            self.elapsed_s, self.fine, self.coarse = 0.0, 0, 0
        return values

    def _count(self, dt_s: float, fine: float, coarse: float, rng: Generator) -> None:
        drawn_m3 = FLOW_CFM * M3_PER_FT3 * dt_s / 60.0
        seen = int(rng.poisson(coarse * drawn_m3))
        self.coarse += seen
        self.fine += seen + int(rng.poisson(max(fine - coarse, 0.0) * drawn_m3))
        self.elapsed_s += dt_s
