"""Feed servers and mirrors on a real Unix socket, for these tests."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from telemetry.feed.client import Mirror
from telemetry.feed.messages import Beat, Command, Frame, FromEngine, Result, Snapshot
from telemetry.feed.server import FeedServer

DEADLINE_S = 10.0
Execute = Callable[[Command], Awaitable[Result]]


def snapshot(number: int) -> Snapshot:
    return Snapshot(
        n=number, writer="engine-1", digest="", started_ns=1, time_ns=2, layouts=[], frames=[], texts={}, texts_ns=0, alarms=[],
        areas=[], interlocks=[], stats={},
    )  # fmt: skip


async def done(command: Command) -> Result:
    return Result(id=command.id, data={"verb": command.verb})


async def until(holds: Callable[[], bool], what: str) -> None:
    """Waits until `holds`; fails with `what` after the deadline."""
    async with _within(what):
        while not holds():  # noqa: ASYNC110 - what is waited for is somebody else's state
            await asyncio.sleep(0.005)


@asynccontextmanager
async def _within(what: str) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(DEADLINE_S):
            yield
    except TimeoutError:
        raise AssertionError(f"not within {DEADLINE_S} s: {what}") from None


@asynccontextmanager
async def serving(
    path: Path, execute: Execute = done, shown: Callable[[int], Snapshot] = snapshot
) -> AsyncIterator[FeedServer]:
    feed = FeedServer(path, shown, execute)

    def made() -> int:
        return path.stat().st_ctime_ns if path.exists() else 0

    before = made()
    task = asyncio.create_task(feed.run(), name="feed server")
    await until(lambda: task.done() or made() not in (0, before), "the socket is there")
    try:
        yield feed
    finally:
        await ended(task)


@asynccontextmanager
async def mirroring(path: Path) -> AsyncIterator[tuple[Mirror, list[FromEngine]]]:
    """A mirror, and all that it heard."""
    mirror, heard = Mirror(path), list[FromEngine]()
    mirror.listeners.append(heard.append)
    task = asyncio.create_task(mirror.run(), name="mirror")
    try:
        yield mirror, heard
    finally:
        await ended(task)


async def ended(task: asyncio.Task[None]) -> None:
    """Cancelled, which must not take long whoever is connected."""
    task.cancel()
    async with _within(f"the end of the {task.get_name()}"):
        await asyncio.gather(task, return_exceptions=True)


def beat(feed: FeedServer) -> None:
    feed.publish(Beat(n=feed.next, time_ns=0, stats={"published": float(feed.number)}))


def frame(feed: FeedServer, size: int) -> None:
    feed.publish(Frame(n=feed.next, layout=1, time_ns=0, received_ns=0, values=bytes(size)))


def numbers(heard: list[FromEngine]) -> list[int]:
    return [message.n for message in heard if not isinstance(message, Result)]
