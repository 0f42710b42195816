"""A loopback port that can refuse connections or fall silent, whatever the protocol spoken on it."""

import asyncio
import socket
from collections.abc import Callable
from typing import Final, cast

HOST: Final = "127.0.0.1"
BACKLOG: Final = 16


class Port:
    """Listens on a free port of 127.0.0.1, which stays ours while connections are refused: a second socket holds it, bound but
    not listening, so that a peer is told "connection refused" and nobody else is given the number.

    `largest`: connections at a time at most; a further one is closed at once, as small devices do.
    """

    def __init__(self, protocol: Callable[[], asyncio.Protocol], largest: int | None = None) -> None:
        self._protocol = protocol
        self._largest = largest
        self._holder: socket.socket | None = None
        self._server: asyncio.Server | None = None
        self._gates: set[_Gate] = set()
        self.silent = False

    @property
    def number(self) -> int:
        """The port's number; raises RuntimeError before `open`."""
        if self._holder is None:
            raise RuntimeError("the port is not open yet")
        return int(self._holder.getsockname()[1])

    @property
    def connections(self) -> int:
        return len(self._gates)

    async def open(self) -> None:
        """Listens, on the same port as before if there was one."""
        if self._holder is None:
            self._holder = _bound(0)
        if self._server is None:
            listening = _bound(self.number)
            self._server = await asyncio.get_running_loop().create_server(self._gate, sock=listening, backlog=BACKLOG)

    def refuse(self) -> None:
        """Ends all connections and lets nobody in until `open`."""
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
        if self._holder is not None:
            self._holder.close()

    def _gate(self) -> "_Gate":
        return _Gate(self)

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


class _Gate(asyncio.Protocol):
    """Stands before the vendor's protocol and lets everything through, unless the port is silent."""

    def __init__(self, port: Port) -> None:
        self._port = port
        self._inner: asyncio.Protocol | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._inner = self._port.enter(self)
        if self._inner is None:
            transport.close()
        else:
            self._inner.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        if self._inner is not None and not self._port.silent:
            self._inner.data_received(data)

    def eof_received(self) -> bool | None:
        return self._inner.eof_received() if self._inner is not None else None

    def connection_lost(self, exc: Exception | None) -> None:
        self._port.leave(self)
        if self._inner is not None:
            self._inner.connection_lost(exc)

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()
