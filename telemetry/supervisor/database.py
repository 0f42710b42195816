"""Keeps the embedded TimescaleDB running, in a thread of its own; the engine never waits for it."""

import asyncio
import os
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Final

import psycopg

from telemetry import places
from telemetry.database import DatabaseError, EmbeddedDatabase, stored_url
from telemetry.errors import Refusal

WATCH_S: Final = 0.5
RETRY_S: Final = 5.0
CONNECT_S: Final = 10


def database_url() -> str:
    """TELEMETRY_DATABASE_URL, else the embedded database as it was last started. Raises DatabaseError where there is none yet."""
    return os.environ.get("TELEMETRY_DATABASE_URL") or stored_url(places.data_folder())


@contextmanager
def at_hand(said: Callable[[str], None]) -> Generator[str]:
    """The database's address while the service does not run: the embedded one is started for as long."""
    given = os.environ.get("TELEMETRY_DATABASE_URL")
    if given:
        yield given
        return
    with EmbeddedDatabase(places.data_folder(), said) as url:
        yield url


@contextmanager
def connected(url: str) -> Generator[psycopg.Connection[tuple[object, ...]]]:
    """A connection of a verb of the console. Raises Refusal where the database is away, or goes away."""
    try:
        with psycopg.connect(url, autocommit=True, connect_timeout=CONNECT_S) as connection:
            yield connection
    except psycopg.OperationalError as error:
        raise Refusal(
            f"The database cannot be used ({str(error).strip().splitlines()[0]}).",
            "Start the service (telemetry run) or the server that TELEMETRY_DATABASE_URL names, and try again.",
        ) from error


class DatabaseKeeper:
    """Provides, starts and watches it; `running` is set once it has answered."""

    def __init__(self, said: Callable[[str], None]) -> None:
        self.said = said
        self.running = asyncio.Event()
        self._stop = threading.Event()

    async def run(self) -> None:
        """Until `stop`; at once where TELEMETRY_DATABASE_URL names another server."""
        if os.environ.get("TELEMETRY_DATABASE_URL"):
            self.said("database: the one that TELEMETRY_DATABASE_URL names")
            self.running.set()
            return
        loop = asyncio.get_running_loop()

        def started() -> None:
            loop.call_soon_threadsafe(self.running.set)

        await asyncio.to_thread(self._keep, started)

    def _keep(self, started: Callable[[], None]) -> None:
        database = EmbeddedDatabase(places.data_folder(), self.said)
        try:
            while not self._stop.is_set():
                try:
                    database.start()
                    started()
                    process = database.process
                    while process is not None and process.poll() is None and not self._stop.wait(WATCH_S):
                        pass
                    if not self._stop.is_set():
                        self.said("database: PostgreSQL has ended; starting it again")
                except DatabaseError as error:
                    self.said(f"database: {error}")
                    self._stop.wait(RETRY_S)
        finally:
            database.stop()

    def stop(self) -> None:
        """Ends the thread and the server with it."""
        self._stop.set()
