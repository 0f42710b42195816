"""Subscriptions of the load form: every publishing interval the values that are new, encoded in bulk (Part 4, 5.13; Part 6, 5.2.2).

A value lives for one second here, so a queue in the server would never hold more than one of it: the latest is what is sent.
"""

import asyncio
import struct
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from simulators.load.items import encoded, ticks
from simulators.load.nodes import DeviceNodes

_MESSAGE: Final = struct.Struct("<Iqi")
"""NotificationMessage: sequence number, publish time, number of notifications."""
_CHANGES: Final = struct.Struct("<BBHBii")
"""One DataChangeNotification: type 811 as an extension object with a body of so many bytes, number of items."""
_RESULT: Final = struct.Struct("<Ii")
_NO_DIAGNOSTICS: Final = struct.pack("<i", -1)
_KEPT: Final = 16
FASTEST_MS: Final = 50.0

Publish = Callable[[bytes], bool]
"""Sends a PublishResponse's parameters up to its results; False where no publish request waits."""


class Subscription:
    """One subscription of one session. `publish` takes an answer as soon as the client has asked for one."""

    def __init__(self, id_: int, asked: Any, nodes: DeviceNodes, publish: Publish) -> None:
        self.id = id_
        self._nodes, self._publish = nodes, publish
        self.enabled: bool = asked.PublishingEnabled
        self.modify(asked)
        self._items: dict[int, tuple[int, int, int]] = {}
        self._new: set[int] = set()
        self._tags: NDArray[np.intp] | None = None
        self._handles = np.zeros(0, np.uint32)
        self._stamps = 0
        self._step = nodes.fleet.steps
        self._failed = np.zeros(0, np.bool_)
        self._sequence = 0
        self._quiet = self._unheard = 0
        self._waiting = self._begun = False
        self.unacknowledged: OrderedDict[int, bytes] = OrderedDict()
        loop = asyncio.get_running_loop()
        self._due_s = loop.time() + self.interval_s
        self._timer: asyncio.TimerHandle | None = loop.call_at(self._due_s, self._due)

    def modify(self, asked: Any) -> None:
        """Takes the revised interval (s), counts and size from a request to create or modify."""
        self.interval_s = max(FASTEST_MS, asked.RequestedPublishingInterval) / 1000
        self.keep_alive = max(1, min(asked.RequestedMaxKeepAliveCount or 10, 3_600))
        self.lifetime = max(3 * self.keep_alive, min(asked.RequestedLifetimeCount or 30, 36_000))
        self._largest: int = asked.MaxNotificationsPerPublish or 1 << 31

    @property
    def alive(self) -> bool:
        return self._timer is not None

    def end(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def add(self, item: int, handle: int, tag: int, stamps: int) -> None:
        """Watches the tag number `tag`; its present value is sent first."""
        self._items[item] = (handle, tag, stamps)
        self._new.add(item)
        self._tags = None

    def remove(self, item: int) -> bool:
        self._new.discard(item)
        self._tags = None
        return self._items.pop(item, None) is not None

    def _due(self) -> None:
        loop = asyncio.get_running_loop()
        self._due_s = max(self._due_s + self.interval_s, loop.time())
        self._timer = loop.call_at(self._due_s, self._due)
        self._quiet += 1
        self._unheard += 1
        if self._unheard > self.lifetime:
            self.end()
        else:
            self._waiting = True
            self.flush()

    def heard(self) -> None:
        """The client has asked for an answer."""
        self._unheard = 0
        if self._waiting:
            self.flush()

    def flush(self) -> None:
        """Sends what is new, or a sign of life where nothing was for long; waits on where no publish request does."""
        changed = self._changed() if self.enabled else None
        if changed is None:
            if self._quiet < self.keep_alive and self._begun:
                self._waiting = False
            elif self._publish(self._parameters(self._message(self._sequence % 0xFFFF_FFFF + 1, b"", 0), more=False)):
                self._waiting, self._quiet, self._begun = False, 0, True
            return
        for at in range(0, len(changed), self._largest):
            part = changed[at : at + self._largest]
            message = self._message(self._sequence % 0xFFFF_FFFF + 1, self._encoded(part), len(part))
            if not self._publish(self._parameters(message, more=at + len(part) < len(changed))):
                return  # the rest stays new
            self._sequence = self._sequence % 0xFFFF_FFFF + 1
            self.unacknowledged[self._sequence] = message
            while len(self.unacknowledged) > _KEPT:
                self.unacknowledged.popitem(last=False)
        assert self._tags is not None
        self._step, self._failed = self._nodes.fleet.steps, self._nodes.fleet.failed[self._nodes.device, self._tags]
        self._new.clear()
        self._waiting, self._quiet, self._begun = False, 0, True

    def _changed(self) -> NDArray[np.intp] | None:
        """Places (among the items) of what is new since the last answer; None where nothing is."""
        if self._tags is None:
            rows = list(self._items.values())
            self._tags = np.array([tag for _, tag, _ in rows], np.intp)
            self._handles = np.array([handle for handle, _, _ in rows], np.uint32)
            self._stamps = rows[0][2] if rows else 0
            self._failed = np.zeros(len(rows), np.bool_)
        fleet, device = self._nodes.fleet, self._nodes.device
        failed = fleet.failed[device, self._tags]
        changed = failed != self._failed
        if fleet.steps != self._step:
            changed |= ~fleet.frozen[device, self._tags] & ~failed
        if self._new:
            changed |= np.array([item in self._new for item in self._items], np.bool_)
        return np.flatnonzero(changed) if changed.any() else None

    def _encoded(self, places: NDArray[np.intp]) -> bytes:
        assert self._tags is not None
        fleet, tags, device = self._nodes.fleet, self._tags[places], self._nodes.device
        values, source_ns = fleet.values[device, tags], fleet.source_ns[device, tags]
        failed = fleet.failed[device, tags]
        return encoded(values, source_ns, failed, self._stamps, time.time_ns(), self._handles[places])

    def _message(self, sequence: int, items: bytes, count: int) -> bytes:
        head = _MESSAGE.pack(sequence, ticks(time.time_ns()), 1 if count else 0)
        if not count:
            return head
        return head + _CHANGES.pack(1, 0, 811, 1, 4 + len(items) + 4, count) + items + _NO_DIAGNOSTICS

    def _parameters(self, message: bytes, more: bool) -> bytes:
        numbers = list(self.unacknowledged)
        available = struct.pack(f"<{len(numbers)}I", *numbers)
        return _RESULT.pack(self.id, len(numbers)) + available + (b"\1" if more else b"\0") + message
