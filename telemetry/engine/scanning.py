"""When devices are scanned: second n of a device starts at n plus its phase, phases spread over the second in steps.

The grid is the engine's clock, so nothing drifts. A scan never overruns its second (its deadline is shorter); where the
process itself was held up, the seconds that were not scanned are reported, not skipped in silence.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from drivers.device import Device
from drivers.frame import Scan, bad_frame
from drivers.quality import BAD_DEVICE_FAILURE
from telemetry.clock import Clock
from telemetry.engine.gaps import HELD_UP, SECOND, STOPPED

_log = logging.getLogger(__name__)
SPREAD: Final = 0.9
"""Part of the second over which the phases are spread."""
STEP: Final = SECOND // 100
"""Devices start together in steps of this: of a thousand, eleven. One waking of the process serves them all, and their code and
data lie in the caches: 0.15 core for 1,000 devices and 100,000 tags against 0.23 with a phase for each, for 2 ms of lateness;
steps of 20 ms gave 0.13."""


def phases_ns(count: int) -> list[int]:
    """Start of each of `count` devices within the second."""
    return [int(i * SPREAD * SECOND / max(count, 1)) // STEP * STEP for i in range(count)]


def next_slot(now_ns: int, phase_ns: int, last_slot_ns: int) -> int:
    """The slot whose start comes next; never one that was scanned already."""
    slot = ((now_ns - phase_ns) // SECOND + 1) * SECOND
    return max(slot, last_slot_ns + SECOND)


class TakesLateness(Protocol):
    """Is told how late each scan began, in ms."""

    def add(self, late_ms: float) -> None: ...


class Lateness:
    """How late scans start, collected for one report: milliseconds."""

    def __init__(self) -> None:
        self._late: list[float] = []

    def add(self, late_ms: float) -> None:
        if len(self._late) < 100_000:
            self._late.append(late_ms)

    def take(self) -> dict[str, float]:
        """p50, p99 and maximum since the last call."""
        late, self._late = sorted(self._late), []
        if not late:
            return {}
        return {
            "scan_lateness_ms_p50": late[len(late) // 2],
            "scan_lateness_ms_p99": late[min(len(late) - 1, int(len(late) * 0.99))],
            "scan_lateness_ms_max": late[-1],
            "scans": float(len(late)),
        }


async def scan_forever(
    name: str,
    device: Device,
    phase_ns: int,
    clock: Clock,
    take: Callable[[str, Scan], None],
    missed: Callable[[str, int, int, str], None],
    lateness: TakesLateness,
    slot: int = -SECOND,
) -> None:
    """Scans one device each second. `missed` is told of slots behind `slot` that were not scanned, as first and last one in ns, and
    why: until the first scan the engine still counts as stopped."""
    why = STOPPED
    while True:
        now = clock.now()
        last, slot = slot, next_slot(now, phase_ns, slot)
        if last >= 0 and slot > last + SECOND:
            missed(name, last + SECOND, slot - SECOND, why)
        why = HELD_UP
        await asyncio.sleep(max(0, slot + phase_ns - now) / 1e9)
        lateness.add((clock.now() - slot - phase_ns) / 1e6)
        take(name, await _guarded(name, device, slot, clock))


async def _guarded(name: str, device: Device, slot_ns: int, clock: Clock) -> Scan:
    """A mistake in one driver must not end the watch over all other devices: it is a Bad frame and a line in the log."""
    try:
        return await device.scan(slot_ns)
    except Exception as error:  # noqa: BLE001 - the last resort is meant to be that wide
        _log.exception("%s: the driver failed", name)
        frames = tuple(bad_frame(x, slot_ns, clock.now(), BAD_DEVICE_FAILURE) for x in device.layouts if not x.record)
        return Scan(frames, failure=f"{name}: the driver failed ({type(error).__name__}: {error}); please report it")


async def connect_forever(name: str, device: Device) -> None:
    """`device.run`, begun again should it ever end."""
    while True:
        try:
            await device.run()
        except Exception:  # noqa: BLE001 - as above
            _log.exception("%s: the driver failed while connecting", name)
        await asyncio.sleep(1.0)


def spread(devices: Sequence[str]) -> dict[str, int]:
    """Each device's phase in ns, by name."""
    return dict(zip(devices, phases_ns(len(devices)), strict=True))
