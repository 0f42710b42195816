"""`telemetry run`: engine first, for it warns; then the database, historian and api. Each may die without the others."""

import asyncio
import signal
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from telemetry import places
from telemetry.supervisor.child import Child
from telemetry.supervisor.database import DatabaseKeeper
from telemetry.supervisor.regular import Regular

Said = Callable[[str], None]
ARCHIVE_FIRST_S: Final = 600.0
ARCHIVE_EVERY_S: Final = 3600.0


async def run(
    said: Said,
    *,
    engine: Sequence[str] = ("engine",),
    api: Sequence[str] = ("api",),
    first: Child | None = None,
    when_first: Callable[[], Awaitable[None]] | None = None,
    when_up: Callable[[asyncio.Event], Awaitable[None]] | None = None,
) -> None:
    """Runs until SIGINT or SIGTERM. `first` (the simulators of the demo) runs before the engine, which starts after
    `when_first`; `when_up` is called, with the stop event, once all is started."""
    lock = places.Lock("service", "Another telemetry service")
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    keeper = DatabaseKeeper(said)
    children = {
        "engine": Child("engine", engine, said, niced=False),
        "historian": Child("historian", ("historian",), said, niced=True),
        "api": Child("api", api, said, niced=True),
    }
    archiving = Regular("archive", ("archive", "--due"), said, ARCHIVE_FIRST_S, ARCHIVE_EVERY_S)
    try:
        async with asyncio.TaskGroup() as tasks:
            kept = tasks.create_task(keeper.run())
            helping = [tasks.create_task(first.run())] if first is not None else []

            async def start() -> None:
                if when_first is not None:
                    await when_first()
                helping.append(tasks.create_task(children["engine"].run()))
                await keeper.running.wait()
                helping.extend(tasks.create_task(children[name].run()) for name in ("historian", "api"))
                helping.append(tasks.create_task(archiving.run()))
                if when_up is not None:
                    await when_up(stop)

            starting = tasks.create_task(start())
            ended = tasks.create_task(stop.wait())
            await asyncio.wait((starting, ended), return_when=asyncio.FIRST_COMPLETED)
            if starting.done() and starting.exception():
                stop.set()
            await ended
            starting.cancel()
            said("stopping")
            await archiving.stop()
            for name in ("api", "engine", "historian"):
                await children[name].stop()
            if first is not None:
                await first.stop()
            keeper.stop()
            await kept
            for task in helping:
                task.cancel()
    finally:
        lock.release()
