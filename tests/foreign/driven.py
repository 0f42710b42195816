"""Our drivers on a server that is not ours: a device kept connected while a test looks at what it scans."""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

import numpy as np

from drivers.device import Device, open_device
from drivers.fleet import Fleet
from drivers.frame import Scan
from drivers.opcua.security import Security
from drivers.profile import Profile
from drivers.quality import GOOD, is_bad
from tests.foreign.servers import NAMESPACE

DEVICE: Final = "D1"
DEADLINE_S: Final = 8.0
TEXT: Final = {"en": "test", "zh": "test"}


def opcua_profile(nodes: dict[str, str], **more: Any) -> Profile:
    """A profile whose tags are `nodes` (identifier -> kind)."""
    tags = {name: {"name": TEXT, "kind": kind, "node": f"s={name}", "writable": True} for name, kind in nodes.items()}
    return _profile("opcua", tags, namespace=NAMESPACE, **more)


def watched_profile(*names: str) -> Profile:
    """A profile whose float tags `names` are watched at 50 ms, and Double polled beside them."""
    watched = {name: {"name": TEXT, "node": f"s={name}", "sampling_ms": 50, "writable": True} for name in names}
    polled = {"Double": {"name": TEXT, "node": "s=Double"}}
    return _profile("opcua", {**polled, **watched}, namespace=NAMESPACE)


def modbus_profile(registers: dict[str, dict[str, Any]], **more: Any) -> Profile:
    """A profile whose tags are `registers`; one of type text is a text."""
    tags = {
        name: {
            "name": TEXT,
            "kind": "text" if register.get("type") == "text" else "float",
            "register": register,
            "writable": register["table"] in ("holding", "coil"),
        }
        for name, register in registers.items()
    }
    return _profile("modbus", tags, **more)


def _profile(protocol: str, tags: dict[str, dict[str, Any]], **more: Any) -> Profile:
    head = {"profile": "foreign", "name": TEXT, "equipment_type": "test", "maker": "test", "source": "test"}
    return Profile.model_validate({**head, "protocol": protocol, "tags": tags, **more})


@asynccontextmanager
async def driven(
    profile: Profile, url: str, fleet: Fleet | None = None, security: Security | None = None
) -> AsyncGenerator[Device]:
    """The device D1 at `url`, kept connected until the end; it need not be connected yet."""
    device = open_device(DEVICE, profile, url, time.time_ns, fleet, security)
    kept = asyncio.create_task(device.run())
    try:
        yield device
    finally:
        kept.cancel()
        await asyncio.gather(kept, return_exceptions=True)


async def scanned(device: Device, wanted: Callable[[Scan], bool], deadline_s: float = DEADLINE_S) -> Scan:
    """Scans until a scan is as wanted."""
    began_s = time.monotonic()
    while True:
        scan = sound(await device.scan(time.time_ns() // 10**9 * 10**9))
        if wanted(scan):
            return scan
        assert time.monotonic() - began_s < deadline_s, f"not in time; the last failure was: {scan.failure}"
        await asyncio.sleep(0.05)


def sound(scan: Scan) -> Scan:
    """The same scan, which has no number exactly where it is Bad: what every device owes, whatever it was sent."""
    for frame in scan.frames:
        bad = np.zeros(len(frame.values), np.bool_) if frame.quality is None else is_bad(frame.quality)
        assert (np.isnan(frame.values) == bad).all(), f"{frame.layout.tags}: {frame.values}, {frame.quality}"
    return scan


async def good(device: Device, deadline_s: float = DEADLINE_S) -> Scan:
    """The first scan that did not fail."""
    return await scanned(device, lambda scan: scan.failure is None, deadline_s)


def values(scan: Scan) -> dict[str, float]:
    """Values of a scan's frames by tag within the device."""
    return {
        tag.removeprefix(f"{DEVICE}."): float(value)
        for frame in scan.frames
        for tag, value in zip(frame.layout.tags, frame.values, strict=True)
    }


def qualities(scan: Scan) -> dict[str, int]:
    """Quality of a scan's frames by tag within the device; of the Good ones too."""
    return {
        tag.removeprefix(f"{DEVICE}."): int(code)
        for frame in scan.frames
        for tag, code in zip(
            frame.layout.tags,
            frame.quality if frame.quality is not None else np.full(len(frame.layout.tags), GOOD),
            strict=True,
        )
    }


def all_bad(scan: Scan) -> bool:
    """Whether the scan failed with a reason, and every value of it is Bad and no number."""
    return scan.failure is not None and all(
        frame.quality is not None and (frame.quality >= 0x8000).all() and np.isnan(frame.values).all()
        for frame in scan.frames
    )
