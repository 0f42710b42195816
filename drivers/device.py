"""What every driver offers: a device that is kept connected by `run`, scanned each second and written to."""

import random
from collections.abc import Callable, Iterator, Mapping
from typing import Final, Protocol
from urllib.parse import urlsplit

from drivers.frame import LARGEST_LAYOUT, Layout, Scan
from drivers.profile import Profile, ProfileTag

SCAN_DEADLINE_S: Final = 0.8
"""A scan ends within this time, one way or the other: below the period of one second."""
CONNECT_DEADLINE_S: Final = 4.0

Now = Callable[[], int]
"""The engine's clock: UTC nanoseconds since 1970."""


class WriteFailed(Exception):
    """A write did not take effect for certain; the text is a plain sentence. It is never repeated blindly."""


class Device(Protocol):
    """One address that speaks. Layouts are fixed for its life."""

    layouts: tuple[Layout, ...]

    async def run(self) -> None:
        """Keeps the device connected until cancelled: one connect in flight, back-off with jitter, closed at the end."""
        ...

    async def scan(self, slot_ns: int) -> Scan:
        """Reads everything once. Never raises for a fault of the device: that is a Bad frame with its reason."""
        ...

    async def write(self, tag: str, value: float) -> float:
        """Writes a tag (by full id) and gives what was read back. Raises WriteFailed."""
        ...


def layouts_of(device: str, tags: Mapping[str, ProfileTag]) -> tuple[Layout, ...]:
    """The layouts of a device's numeric tags: those polled, then those of its records; each split where larger than allowed."""
    polled = [name for name, tag in tags.items() if tag.kind != "text" and tag.record is None]
    record = [name for name, tag in tags.items() if tag.kind != "text" and tag.record is not None]
    return tuple(
        Layout(device, tuple(f"{device}.{name}" for name in names[i : i + LARGEST_LAYOUT]), recorded)
        for names, recorded in ((polled, False), (record, True))
        for i in range(0, len(names), LARGEST_LAYOUT)
    )


def backoff_s() -> Iterator[float]:
    """Waits between connects: 0.2 s doubling to 3 s with jitter, so that a device that returns is found within 5 s and a
    fleet that lost its switch does not come back in one blow."""
    wait = 0.2
    while True:
        yield wait * random.uniform(0.7, 1.3)
        wait = min(wait * 2, 3.0)


def open_device(device: str, profile: Profile, address: str, now: Now) -> Device:
    """The driver that fits `profile`, for the device at URL `address`. Raises ValueError for an address it cannot use."""
    scheme = urlsplit(address).scheme
    if profile.protocol == "opcua" and scheme == "opc.tcp":
        from drivers.opcua import OpcUaDevice

        return OpcUaDevice(device, profile, address, now)
    if profile.protocol == "modbus" and scheme == "modbus":
        from drivers.modbus import ModbusDevice

        if profile.machine == "lighthouse":
            from drivers.counters import LighthouseCounter

            return LighthouseCounter(device, profile, address, now)
        return ModbusDevice(device, profile, address, now)
    raise ValueError(
        f"{device}: the address {address} does not fit the protocol {profile.protocol} of profile {profile.profile}"
    )
