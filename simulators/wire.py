"""How a line misbehaves: what a fault on the wire does to requests, whatever the protocol spoken."""

import asyncio
import random
import socket
import struct
from dataclasses import dataclass
from typing import Final

_LINGER_NOT: Final = struct.pack("ii", 1, 0)


@dataclass(slots=True)
class Wire:
    """silent: requests are taken and never answered. reset: the share of requests at which the connection is reset (1: at each).
    delay_s: how much later than usual an answer comes; answers keep their order."""

    silent: bool = False
    reset: float = 0.0
    delay_s: float = 0.0

    @property
    def faulty(self) -> bool:
        return self.silent or self.reset > 0 or self.delay_s > 0

    def resets(self) -> bool:
        """Whether the request that has just come is one that resets the connection."""
        return self.reset > 0 and random.random() < self.reset


def reset(transport: asyncio.Transport) -> None:
    """Ends the connection with RST, as a device that crashes does, and not with the orderly FIN of `close`."""
    found: socket.socket | None = transport.get_extra_info("socket")
    if found is not None:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
    transport.abort()
