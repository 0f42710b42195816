"""A line between an OPC UA client and its server that can be made to go wrong, chunk by chunk (without encryption)."""

import asyncio
import struct
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Self

from asyncua import ua


def service(chunk: bytes) -> int:
    """The number of the encoding of the service that begins in a chunk; 0 where none does."""
    return struct.unpack_from("<H", chunk, 26)[0] if chunk[:3] == b"MSG" and len(chunk) >= 28 else 0


READ = int(ua.ObjectIds.ReadResponse_Encoding_DefaultBinary)


class Tampering:
    """Passes chunks on as `asked` and `answered` give them; a test replaces these. connections: how many were made."""

    def __init__(self, port: int, to: int) -> None:
        self.port, self.to = port, to
        self.connections = 0
        self.asked: Callable[[bytes], Iterable[bytes]] = lambda chunk: (chunk,)
        self.answered: Callable[[bytes], Iterable[bytes]] = lambda chunk: (chunk,)
        self.client: asyncio.StreamWriter | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[Self]:
        server = await asyncio.start_server(self._connected, "127.0.0.1", self.port)
        async with server:
            yield self
            for task in self._tasks:
                task.cancel()
            if self._tasks:
                await asyncio.wait(self._tasks)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.client = writer
        inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", self.to)
        for carrying in (
            self._carry(reader, inner_writer, lambda chunk: self.asked(chunk)),
            self._carry(inner_reader, writer, lambda chunk: self.answered(chunk)),
        ):
            task = asyncio.create_task(carrying)
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _carry(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, changed: Callable[[bytes], Iterable[bytes]]
    ) -> None:
        try:
            while True:
                head = await reader.readexactly(8)
                chunk = head + await reader.readexactly(struct.unpack_from("<I", head, 4)[0] - 8)
                writer.write(b"".join(changed(chunk)))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


def chunk_of(like: bytes, final: bytes, body: bytes, later: int = 0) -> bytes:
    """A chunk of the same channel, token and request, its sequence number `later` ones after."""
    channel, token, sequence, request = struct.unpack_from("<IIII", like, 8)
    return struct.pack("<3scIIIII", b"MSG", final, 24 + len(body), channel, token, sequence + later, request) + body
