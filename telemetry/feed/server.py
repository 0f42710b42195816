"""The engine's side of the feed. A client that does not keep up is dropped, never waited for: it comes back for a snapshot."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

import msgspec

from telemetry.feed.messages import Command, Message, Result, Snapshot, packed, read_command

_log = logging.getLogger(__name__)
BACKLOG_BYTES: Final = 32 << 20


class FeedServer:
    """Serves `snapshot` and what is published on a Unix socket; hands commands to `execute`."""

    def __init__(
        self, path: Path, snapshot: Callable[[int], Snapshot], execute: Callable[[Command], Awaitable[Result]]
    ) -> None:
        self.path, self.snapshot, self.execute = path, snapshot, execute
        self.number = 0
        self._clients: set[asyncio.StreamWriter] = set()

    @property
    def next(self) -> int:
        """The number of the next message to publish."""
        self.number += 1
        return self.number

    @property
    def clients(self) -> int:
        return len(self._clients)

    def publish(self, message: Message) -> None:
        """To every client, without waiting."""
        if not self._clients:
            return
        data = packed(message)
        for writer in tuple(self._clients):
            self._send(writer, data)

    def _send(self, writer: asyncio.StreamWriter, data: bytes) -> None:
        transport = writer.transport
        if transport.is_closing() or transport.get_write_buffer_size() > BACKLOG_BYTES:
            if writer in self._clients:
                _log.warning(
                    "a client of the feed does not keep up; it is disconnected and will come back for a snapshot"
                )
            self._clients.discard(writer)
            transport.abort()
            return
        writer.write(data)

    async def run(self) -> None:
        """Serves until cancelled."""
        self.path.unlink(missing_ok=True)
        server = await asyncio.start_unix_server(self._serve, self.path)
        self.path.chmod(0o600)
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            server.close()  # and not waited for: that would be until all clients have gone by themselves
            for writer in tuple(self._clients):
                writer.transport.abort()
            self.path.unlink(missing_ok=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(packed(self.snapshot(self.number)))
        self._clients.add(writer)
        try:
            async with asyncio.TaskGroup() as tasks:
                while True:
                    command = await read_command(reader)
                    tasks.create_task(self._answer(command, writer))
        except* (asyncio.IncompleteReadError, OSError):
            pass
        except* (msgspec.DecodeError, ValueError, RecursionError) as errors:
            _log.warning("a client of the feed sent nonsense and is disconnected: %s", errors.exceptions[0])
        finally:
            self._clients.discard(writer)
            writer.close()

    async def _answer(self, command: Command, writer: asyncio.StreamWriter) -> None:
        self._send(writer, packed(await self.execute(command)))
