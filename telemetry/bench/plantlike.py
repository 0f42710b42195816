"""Readings like a plant's for the benches of the historian: values that wander about a mean, as coarse as a register tells them."""

from collections.abc import Iterator
from typing import Final

import numpy as np

from drivers.frame import Frame, Layout

SECOND: Final = 1_000_000_000
DEVICES: Final = 300
TAGS: Final = 50
BEGIN_NS: Final = 1_780_000_000 * SECOND
# Mean, standard deviation, correlation time in s, resolution, as in an isolator's chamber (config/profiles/isolator-opcua.yaml):
# pressure in Pa, temperature in °C, humidity in %RH, air velocity in m/s.
_QUANTITIES: Final = np.array(
    [(40.0, 0.4, 10.0, 0.1), (22.0, 0.2, 60.0, 0.05), (50.0, 0.8, 30.0, 0.1), (0.45, 0.01, 5.0, 0.005)]
)


def layouts(devices: int = DEVICES, tags: int = TAGS) -> tuple[Layout, ...]:
    """One of each device."""
    names = [f"BENCH-{device:04}" for device in range(1, devices + 1)]
    return tuple(Layout(name, tuple(f"{name}.value{n}" for n in range(1, tags + 1))) for name in names)


def seconds(chosen: tuple[Layout, ...], first_ns: int, count: int, seed: int) -> Iterator[list[Frame]]:
    """The frames of `count` seconds from the slot `first_ns` on, all Good: an Ornstein-Uhlenbeck process, each value a multiple of
    its resolution, received a little later than its slot. All layouts have as many tags."""
    tags = len(chosen[0].tags)
    mean, sigma, correlation_s, resolution = _QUANTITIES[np.arange(tags) % len(_QUANTITIES)].T
    keep = np.exp(-1.0 / correlation_s)
    rng = np.random.default_rng(seed)
    apart = sigma * rng.standard_normal((len(chosen), tags))
    for n in range(count):
        apart = apart * keep + sigma * np.sqrt(1.0 - keep**2) * rng.standard_normal(apart.shape)
        values = np.rint((mean + apart) / resolution) * resolution
        slot_ns = first_ns + n * SECOND
        yield [
            Frame(layout, slot_ns, slot_ns + 5_000_000 + i * 3_000_000, values[i]) for i, layout in enumerate(chosen)
        ]
