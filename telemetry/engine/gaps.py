"""Which seconds were not scanned, and what is to be recorded about it. Plain: slots and times are arguments.

Every slot between two frames of a device is a frame or lies in a recorded gap. A gap without a device means that any device may
lack a frame in it: a thousand devices that missed the same second are one sentence, not a thousand.
"""

from collections.abc import Collection, Mapping
from typing import Any, Final

SECOND: Final = 1_000_000_000
STOPPED: Final = "engine stopped"
HELD_UP: Final = "engine held up"
TOGETHER_NS: Final = 2 * SECOND
"""Devices whose last frames lie no further apart stopped together: their phases differ, and one scan may have been under way."""
ALONE: Final = 3
"""So many devices that were held up are named; with more of them it was the engine."""


def gap(device: str | None, first_ns: int, last_ns: int, reason: str) -> dict[str, Any]:
    """The event of a gap: slots from first to last, both included."""
    return {"kind": "gap", "device": device, "first_ns": first_ns, "last_ns": last_ns, "reason": reason}


def last_slots(slots: Mapping[str, Mapping[int, int]], configured: Collection[int]) -> dict[str, int]:
    """By device, the last slot of which all its layouts are in the journal: a kill may come between two of one scan. slots: by
    device and layout. Layouts that are not configured any more count only where a device has no other."""
    found: dict[str, int] = {}
    for device, by_layout in slots.items():
        now = [slot_ns for layout, slot_ns in by_layout.items() if layout in configured]
        found[device] = min(now) if now else max(by_layout.values())
    return found


def while_stopped(last: Mapping[str, int], first: Mapping[str, int]) -> list[dict[str, Any]]:
    """The gaps of a stop. last: by device, the last slot that is in the journal; first: the slot at which its scans begin now. A
    device that had stopped before the others was not configured meanwhile; one that is new has no gap."""
    known = {device: last[device] for device in first if device in last}
    if not known:
        return []
    newest = max(last.values())
    stopped = [device for device, slot_ns in known.items() if slot_ns >= newest - TOGETHER_NS]
    found: list[dict[str, Any]] = []
    if stopped:
        begin = min(known[device] for device in stopped) + SECOND
        end = max(first[device] for device in stopped) - SECOND
        if begin <= end:
            found.append(gap(None, begin, end, STOPPED))
    for device, slot_ns in known.items():
        if device not in stopped and slot_ns + SECOND < first[device]:
            found.append(gap(device, slot_ns + SECOND, first[device] - SECOND, "not configured"))
    return found


class HeldUp:
    """Seconds in which the engine did not come to scan, told as they are found: named devices at first, then all at once."""

    def __init__(self) -> None:
        self._first_ns = self._last_ns = 0
        self._devices: set[str] = set()
        self._told: tuple[int, int] | None = None

    def missed(self, device: str, first_ns: int, last_ns: int, reason: str) -> list[dict[str, Any]]:
        """The gaps to record now that `device` missed the slots from first to last."""
        if first_ns > self._last_ns + SECOND or last_ns + SECOND < self._first_ns:
            self._devices.clear()
            self._told = None
            self._first_ns, self._last_ns = first_ns, last_ns
        self._first_ns, self._last_ns = min(self._first_ns, first_ns), max(self._last_ns, last_ns)
        self._devices.add(device)
        if len(self._devices) <= ALONE:
            return [gap(device, first_ns, last_ns, reason)]
        told, self._told = self._told, (self._first_ns, self._last_ns)
        if told is None:
            return [gap(None, *self._told, reason)]
        before = [gap(None, self._first_ns, told[0] - SECOND, reason)] if self._first_ns < told[0] else []
        behind = [gap(None, told[1] + SECOND, self._last_ns, reason)] if self._last_ns > told[1] else []
        return before + behind
