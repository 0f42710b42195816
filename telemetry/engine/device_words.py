"""What devices say of themselves, in events and log: silence and answer, findings, what was lost in them, their own events."""

import logging
from collections.abc import Callable, Collection
from dataclasses import asdict
from typing import Any, Final

from drivers.fleet import CONNECTS_PER_S
from drivers.frame import Scan

_log = logging.getLogger(__name__)
CONNECTING_NS: Final = 3_000_000_000
"""After a start a device is given so long to connect, and as long again as the fleet's pace makes it wait for its turn."""
MOST_REASONS: Final = 3
"""Reasons that one outage is given, in log and journal: some sentences hold a number that is another each second."""


class DeviceWords:
    """By device: why it does not answer (None: it does), and what is wrong with it though it answers. record: of the engine."""

    def __init__(self, devices: Collection[str], record: Callable[[int, dict[str, Any]], None]) -> None:
        self.failures: dict[str, str | None] = dict.fromkeys(devices)
        self.findings: dict[str, tuple[str, ...]] = dict.fromkeys(devices, ())
        self._record = record
        self._connecting_ns = CONNECTING_NS + len(devices) * 1_000_000_000 // CONNECTS_PER_S
        self._reasons: dict[str, set[str]] = {device: set() for device in devices}

    def take(self, device: str, scan: Scan, now_ns: int, started_ns: int) -> None:
        """What one scan says. started_ns: when the engine did."""
        self._answers(device, scan.failure, now_ns, now_ns < started_ns + self._connecting_ns)
        before = self.findings[device]
        if scan.findings != before and scan.failure is None:  # where nothing was read, what stood before still stands
            self.findings[device] = scan.findings
            for finding in scan.findings:
                if finding not in before:
                    self._record(now_ns, {"kind": "device", "device": device, "finding": finding, "stands": True})
                    _log.warning("%s", finding)
            for finding in before:
                if finding not in scan.findings:
                    self._record(now_ns, {"kind": "device", "device": device, "finding": finding, "stands": False})
        for gap in scan.gaps:
            self._record(now_ns, {"kind": "gap", "device": device, **asdict(gap)})
        for event in scan.events:
            self._record(now_ns, {"kind": "device_event", "device": device, **asdict(event)})
        if scan.events_lost:
            self._record(now_ns, {"kind": "device_event", "device": device, "lost": scan.events_lost})

    def _answers(self, device: str, failure: str | None, now_ns: int, connecting: bool) -> None:
        """One line down, one line up, and one where the reason turns out to be another (not connected yet: a wrong password).
        A device that is still being connected after a start is not down yet."""
        before = self.failures[device]
        if failure is not None and before is None and connecting:
            return
        self.failures[device] = failure
        reasons = self._reasons[device]
        if failure is None:
            if before is None:
                return
            reasons.clear()
        elif failure in reasons or len(reasons) == MOST_REASONS:
            return
        else:
            reasons.add(failure)
        self._record(now_ns, {"kind": "device", "device": device, "failure": failure})
        _log.warning("%s", failure if failure else f"{device} answers again")
