"""A Modbus TCP peer made of bytes, that answers as a test says: late, cut, damaged, or not at all; a gateway too."""

import asyncio
import struct
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field


@dataclass(slots=True)
class Asked:
    """One request: transaction, unit, PDU, and the connection that it came by."""

    transaction: int
    unit: int
    pdu: bytes
    by: asyncio.StreamWriter

    def reply(self, pdu: bytes) -> bytes:
        """The frame that answers with `pdu`."""
        return struct.pack(">HHHB", self.transaction, 0, len(pdu) + 1, self.unit) + pdu

    def registers(self, *words: int) -> bytes:
        """The frame that answers a read with `words`."""
        return self.reply(struct.pack(f">BB{len(words)}H", self.pdu[0], 2 * len(words), *words))

    def send(self, frame: bytes) -> None:
        if not self.by.is_closing():
            self.by.write(frame)

    def reset(self) -> None:
        self.by.transport.abort()


Answer = Callable[[Asked], Awaitable[None]]


@dataclass(slots=True)
class Peer:
    """answer: what is done with each request, one after the other on each connection. asked: all requests so far.
    connections: how many were made; open: how many there are; closed: set while there is none."""

    answer: Answer
    asked: list[Asked] = field(default_factory=list[Asked])
    connections: int = 0
    open: int = 0
    port: int = 0
    closed: asyncio.Event = field(default_factory=asyncio.Event)

    def url(self, unit: int = 1) -> str:
        return f"modbus://127.0.0.1:{self.port}/{unit}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open += 1
        self.closed.clear()
        try:
            while True:
                head = await reader.readexactly(7)
                transaction, _, length, unit = struct.unpack(">HHHB", head)
                asked = Asked(transaction, unit, await reader.readexactly(length - 1), writer)
                self.asked.append(asked)
                await self.answer(asked)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self.open -= 1
            if not self.open:
                self.closed.set()
            writer.close()


@asynccontextmanager
async def peer(answer: Answer) -> AsyncGenerator[Peer]:
    """The peer on a loopback port; its connections end with the block."""
    made = Peer(answer)
    serving: set[asyncio.Task[None]] = set()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(made.serve(reader, writer))
        serving.add(task)
        task.add_done_callback(serving.discard)

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()
        for task in tuple(serving):
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)
