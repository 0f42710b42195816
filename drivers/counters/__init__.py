"""Particle counters: machines that keep records. One file a maker, what they share in `records` (pure) and `machine`."""

from typing import Final

from drivers.counters.airnet import AirnetCounter
from drivers.counters.lighthouse import LighthouseCounter
from drivers.counters.machine import RecordMachine
from drivers.counters.metone import MetOneCounter

MACHINES: Final[dict[str, type[RecordMachine]]] = {
    "airnet": AirnetCounter, "lighthouse": LighthouseCounter, "metone": MetOneCounter
}  # fmt: skip
"""The driver of each kind of `machine` that a profile may name."""
