"""A verb that is run again and again, each run to its end: the housekeeping of days."""

import asyncio
from collections.abc import Callable, Sequence

from telemetry.supervisor.child import ENDED_WELL, Child


class Regular(Child):
    """A verb of `telemetry` as a niced process, for the first time after `first_s` and then each `every_s`."""

    def __init__(
        self, name: str, arguments: Sequence[str], said: Callable[[str], None], first_s: float, every_s: float
    ) -> None:
        super().__init__(name, arguments, said, niced=True)
        self.first_s, self.every_s = first_s, every_s

    async def run(self) -> None:
        """Until `stop`, or cancelled while it waits. What it has to say it says itself; that it failed is said here too."""
        await asyncio.sleep(self.first_s)
        while not self._stopping:
            ended = await self._ran()
            if ended != ENDED_WELL and not self._stopping:
                self.said(f"{self.name} {ended}; the next run is in {self.every_s / 60:.0f} min")
            await asyncio.sleep(self.every_s)
