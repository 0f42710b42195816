"""Deadlines: one timer that looks after the scans of all devices. A timer for each, as `asyncio.timeout` has it, costs more than
decoding what was read (20 us against 5), and almost none of them ever fires."""

import asyncio
from typing import Any

from drivers.fleet import Fleet


class Deadlines:
    """Tasks that must have ended their piece of work within `allowed_s` of its beginning."""

    def __init__(self, allowed_s: float) -> None:
        self.allowed_s = allowed_s
        self._until_s: dict[asyncio.Task[Any], float] = {}  # in order, since all are allowed the same
        self._expired: set[asyncio.Task[Any]] = set()
        self._timer: asyncio.TimerHandle | None = None

    @classmethod
    def of(cls, fleet: Fleet, allowed_s: float) -> "Deadlines":
        """Those that all devices of `fleet` share."""
        found: Deadlines = fleet.shared.setdefault(("deadlines", allowed_s), cls(allowed_s))
        return found

    def begin(self) -> asyncio.Task[Any]:
        """The running task begins; it is to call `end` in any case."""
        task = asyncio.current_task()
        assert task is not None
        loop = task.get_loop()
        self._until_s[task] = until_s = loop.time() + self.allowed_s
        if self._timer is None:
            self._timer = loop.call_at(until_s, self._look, loop)
        return task

    def end(self, task: asyncio.Task[Any]) -> bool:
        """Whether `task` was cancelled because its time was over (and by nobody else, so that it may go on). Once is enough."""
        self._until_s.pop(task, None)
        if task in self._expired:
            self._expired.discard(task)
            return task.uncancel() == 0
        return False

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        now_s, self._timer = loop.time(), None
        for task, until_s in self._until_s.items():
            if until_s > now_s:
                self._timer = loop.call_at(until_s, self._look, loop)
                break
            if task not in self._expired:
                self._expired.add(task)
                task.cancel()
