"""Fleet: what all devices of one engine share. Today the pace of connects; whoever connects asks for a turn first."""

import asyncio
from pathlib import Path
from typing import Any, Final

CONNECTS_PER_S: Final = 50
"""Connects that a fleet begins in a second: a switch that comes back must not be met by a thousand at once. Hence a device that
returns while N others stay away waits up to N / 50 s for its turn: within 5 s up to 250 of them, 20 s among a thousand."""


class Fleet:
    """One per engine. `keys`: the folder of the service's own OPC UA key, certificate and trust list; None where no device
    needs security. `connects`: how many were begun."""

    def __init__(self, keys: Path | None = None, connects_per_s: float = CONNECTS_PER_S) -> None:
        self.keys = keys
        self.connects = 0
        self.shared: dict[Any, Any] = {}
        self._interval_s = 1.0 / connects_per_s
        self._next_s = 0.0

    async def turn(self) -> None:
        """Waits until this device may begin to connect: turns are given in order of asking, evenly spread."""
        now_s = asyncio.get_running_loop().time()
        begin_s = max(now_s, self._next_s)
        self._next_s = begin_s + self._interval_s
        if begin_s > now_s:
            await asyncio.sleep(begin_s - now_s)
        self.connects += 1
