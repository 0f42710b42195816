"""What every driver offers: a device that is kept connected by `run`, scanned each second and written to."""

import random
from collections.abc import Callable, Iterator, Mapping
from typing import Final, Protocol, runtime_checkable
from urllib.parse import urlsplit

from drivers.address import shown
from drivers.fleet import Fleet
from drivers.frame import LARGEST_LAYOUT, Frame, Layout, Scan
from drivers.opcua.security import Security
from drivers.profile import Profile, ProfileTag

SCAN_DEADLINE_S: Final = 0.8
"""A scan ends within this time, one way or the other: below the period of one second."""
CONNECT_DEADLINE_S: Final = 4.0

Now = Callable[[], int]
"""The engine's clock: UTC nanoseconds since 1970."""


class WriteFailed(Exception):
    """A write (or call) failed; the text is a plain sentence. certain: it had no effect; otherwise nobody knows whether it had,
    or what the device holds. It is never repeated blindly."""

    def __init__(self, sentence: str, certain: bool = True) -> None:
        super().__init__(sentence)
        self.certain = certain

    @classmethod
    def unconfirmed(cls, what: str, why: str) -> "WriteFailed":
        """What was sent, without an answer that says that it took effect."""
        return cls(f"{what} was sent but is not confirmed, so it may hold or not: {why}", certain=False)


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

    async def probe(self) -> tuple[str, ...]:
        """Connects once, reads everything once, and gives what is wrong in plain sentences; none: all is well. Not beside `run`."""
        ...


@runtime_checkable
class KeepsRecords(Protocol):
    """A device that keeps records of its own, each taken once: it is told the last one that was taken before a start."""

    def resume(self, last: Frame) -> None: ...


@runtime_checkable
class TellsChanges(Protocol):
    """A device that tells changes between two scans: `on_change` gets them at once, as frames of the changed layouts.
    losses: changes that were told of by the device's server and not received."""

    on_change: Callable[[Scan], None] | None

    @property
    def losses(self) -> int: ...


def layouts_of(device: str, tags: Mapping[str, ProfileTag]) -> tuple[Layout, ...]:
    """The layouts of a device's numeric tags: those polled, those watched, those of its records; each split where larger than
    allowed."""
    numeric = {name: tag for name, tag in tags.items() if tag.kind != "text"}
    polled = [name for name, tag in numeric.items() if tag.record is None and tag.sampling_ms is None]
    watched = [name for name, tag in numeric.items() if tag.sampling_ms is not None]
    record = [name for name, tag in numeric.items() if tag.record is not None]
    return tuple(
        Layout(device, tuple(f"{device}.{name}" for name in names[i : i + LARGEST_LAYOUT]), recorded)
        for names, recorded in ((polled, False), (watched, False), (record, True))
        for i in range(0, len(names), LARGEST_LAYOUT)
    )


def backoff_s() -> Iterator[float]:
    """Waits between connects: 0.2 s doubling to 2.5 s with jitter, so that a device that returns is found within 5 s (also one
    that returns late in a connect that is still waiting) and a fleet that lost its switch does not come back in one blow."""
    wait = 0.2
    while True:
        yield wait * random.uniform(0.7, 1.3)
        wait = min(wait * 2, 2.5)


def open_device(
    device: str, profile: Profile, address: str, now: Now, fleet: Fleet | None = None, security: Security | None = None
) -> Device:
    """The driver that fits `profile`, for the device at URL `address`. fleet: what it shares with the engine's other devices;
    security: how an OPC UA server wants to be spoken to (None: unsecured and anonymous). Raises ValueError for an address it
    cannot use."""
    fleet = fleet or Fleet()
    scheme = urlsplit(address).scheme
    if profile.protocol == "opcua" and scheme == "opc.tcp":
        from drivers.opcua.device import OpcUaDevice

        return OpcUaDevice(device, profile, address, now, fleet, security)
    if profile.protocol == "modbus" and scheme in ("modbus", "modbus-rtu", "modbus-serial"):
        from drivers.modbus.device import ModbusDevice

        if profile.machine is not None:
            from drivers.counters import MACHINES

            return MACHINES[profile.machine](device, profile, address, now, fleet)
        return ModbusDevice(device, profile, address, now, fleet)
    raise ValueError(
        f"{device}: the address {shown(address)} does not fit the protocol {profile.protocol} of profile {profile.profile}"
    )
