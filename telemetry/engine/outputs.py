"""Writes output levels to one device, one at a time, the newest level of each tag only."""

import asyncio
import logging
from collections.abc import Callable

from drivers.device import Device, WriteFailed

_log = logging.getLogger(__name__)

Outcome = Callable[[str, float, float | None, str | None, bool], None]
"""tag, value asked, value read back or None, reason of a failure or None, whether it is the first failure in a row."""


class OutputWriter:
    """What one device is asked to hold. Bounded by the number of its tags: a newer level takes the place of an older one."""

    def __init__(self, name: str, device: Device, outcome: Outcome) -> None:
        self.name, self.device, self.outcome = name, device, outcome
        self._asked: dict[str, float] = {}
        self._some = asyncio.Event()
        self._failing: set[str] = set()

    def ask(self, tag: str, value: float) -> None:
        self._asked[tag] = value
        self._some.set()

    async def run(self) -> None:
        while True:
            await self._some.wait()
            self._some.clear()
            while self._asked:
                tag = next(iter(self._asked))
                value = self._asked.pop(tag)
                try:
                    held = await self.device.write(tag, value)
                except WriteFailed as error:
                    first = tag not in self._failing
                    self._failing.add(tag)
                    if first:
                        _log.warning("%s", error)
                    self.outcome(tag, value, None, str(error), first)
                else:
                    self._failing.discard(tag)
                    self.outcome(tag, value, held, None, False)
