"""A loopback port that can refuse, reset, delay or swallow, whatever the protocol spoken on it."""

import asyncio
import socket
from collections import deque
from collections.abc import Callable
from typing import Final, cast

from simulators.wire import Wire, reset

HOST: Final = "127.0.0.1"
BACKLOG: Final = 16


class Port:
    """Listens on a free port of 127.0.0.1, which stays ours while connections are refused: a second socket then holds it,
    bound but not listening, so that a peer is told "connection refused" and nobody else is given the number.

    `largest`: connections at a time at most; a further one is closed at once, as small devices do. `idle_s`: a connection on
    which nothing came for so long is closed. `wire`: how the line misbehaves now.
    """

    def __init__(
        self, protocol: Callable[[], asyncio.Protocol], largest: int | None = None, idle_s: float | None = None
    ) -> None:
        self._protocol = protocol
        self._largest = largest
        self.idle_s = idle_s
        self.wire = Wire()
        self._number: int | None = None
        self._holder: socket.socket | None = None
        self._server: asyncio.Server | None = None
        self._gates: set[_Gate] = set()

    @property
    def number(self) -> int:
        """The port's number; raises RuntimeError before `open`."""
        if self._number is None:
            raise RuntimeError("the port is not open yet")
        return self._number

    @property
    def connections(self) -> int:
        return len(self._gates)

    async def open(self) -> None:
        """Listens, on the same port as before if there was one."""
        if self._server is None:
            listening = _bound(self._number or 0)
            self._number = int(listening.getsockname()[1])
            self._server = await asyncio.get_running_loop().create_server(_gate(self), sock=listening, backlog=BACKLOG)
        self._release()

    def refuse(self) -> None:
        """Ends all connections and lets nobody in until `open`."""
        if self._holder is None and self._number is not None:
            self._holder = _bound(self._number)
        if self._server is not None:
            self._server.close()
            self._server = None
        for gate in tuple(self._gates):
            gate.abort()

    async def close(self) -> None:
        server = self._server
        self.refuse()
        if server is not None:
            await server.wait_closed()
        self._release()

    def _release(self) -> None:
        if self._holder is not None:
            self._holder.close()
            self._holder = None

    def enter(self, gate: "_Gate") -> asyncio.Protocol | None:
        """The protocol for a new connection, or None where there are too many already."""
        if self._largest is not None and len(self._gates) >= self._largest:
            return None
        self._gates.add(gate)
        return self._protocol()

    def leave(self, gate: "_Gate") -> None:
        self._gates.discard(gate)


def _bound(number: int) -> socket.socket:
    found = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    found.setblocking(False)
    found.bind((HOST, number))
    return found


def _gate(port: Port) -> Callable[[], "_Gate"]:
    return lambda: _Gate(port)


class _Gate(asyncio.Protocol):
    """Stands before the protocol proper and does to each request what the port's wire says."""

    def __init__(self, port: Port) -> None:
        self._port = port
        self._inner: asyncio.Protocol | None = None
        self._transport: asyncio.Transport | None = None
        self._held: deque[bytes] = deque()
        self._heard_s = 0.0
        self._watch: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._inner = self._port.enter(self)
        if self._inner is None:
            transport.close()
            return
        self._inner.connection_made(transport)
        if self._port.idle_s is not None:
            self._watch_idle(self._port.idle_s)

    def data_received(self, data: bytes) -> None:
        if self._inner is None or self._transport is None:
            return
        wire = self._port.wire
        if self._port.idle_s is not None:
            self._heard_s = asyncio.get_running_loop().time()
        if not wire.faulty and not self._held:
            self._inner.data_received(data)
        elif wire.silent:
            self._held.clear()
        elif wire.resets():
            reset(self._transport)
        else:
            self._held.append(data)
            asyncio.get_running_loop().call_later(wire.delay_s, self._let_through)

    def _let_through(self) -> None:
        if self._held and self._inner is not None:
            self._inner.data_received(self._held.popleft())

    def _watch_idle(self, idle_s: float) -> None:
        loop = asyncio.get_running_loop()
        left_s = self._heard_s + idle_s - loop.time() if self._heard_s else idle_s
        if left_s <= 0 and self._transport is not None:
            self._transport.close()
        else:
            self._watch = loop.call_later(left_s, self._watch_idle, idle_s)

    def eof_received(self) -> bool | None:
        return self._inner.eof_received() if self._inner is not None else None

    def connection_lost(self, exc: Exception | None) -> None:
        self._port.leave(self)
        self._held.clear()
        if self._watch is not None:
            self._watch.cancel()
        if self._inner is not None:
            self._inner.connection_lost(exc)

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()
