"""Physics, one file per type of equipment: state and ``step(dt_s, inputs, rng) -> values``. No clock, no sockets.

A new type of equipment is one file here and its line in `MODELS`.
"""

from collections.abc import Callable
from typing import Final

from simulators.physics.air_handling import AirHandling
from simulators.physics.beacon import Beacon
from simulators.physics.cabinet import Cabinet
from simulators.physics.counter import Counter
from simulators.physics.honeycomb import Honeycomb
from simulators.physics.incubator import Incubator
from simulators.physics.instrument import Instrument
from simulators.physics.isolator import Isolator
from simulators.physics.model import Model, Setting, Values
from simulators.physics.pass_box import PassBox
from simulators.physics.room import Room
from simulators.physics.store import Store

MODELS: Final[dict[str, Callable[[Setting], Model]]] = {
    "air_handling_unit": AirHandling,
    "beacon": Beacon,
    "biosafety_cabinet": Cabinet,
    "climate_transmitter": Instrument,
    "co2_incubator": Incubator,
    "fan_unit": Instrument,
    "h2o2_probe": Instrument,
    "honeycomb_incubator": Honeycomb,
    "incubator": Instrument,
    "isolator": Isolator,
    "particle_counter": Counter,
    "pass_box": PassBox,
    "pressure_transmitter": Instrument,
    "retention_store": Store,
    "room_controller": Instrument,
    "room_monitor": Room,
}
"""Physics by type of equipment, as profiles name it."""

__all__ = ["MODELS", "Model", "Setting", "Values"]
