"""The feed over a real Unix socket: a snapshot, then every change in order, and an answer to each act."""

import asyncio
from pathlib import Path

import numpy as np
import pytest

from telemetry import places
from telemetry.engine.state import Published
from telemetry.feed import client, messages, server
from telemetry.feed.client import EngineAway
from telemetry.feed.messages import Command, Frame, Result, Snapshot, read_from_engine
from telemetry.feed.server import FeedServer
from tests.engine.feeds import beat, frame, mirroring, numbers, serving, until
from tests.engine.life import START_NS, Life
from tests.engine.small_plant import small_plant


@pytest.fixture
def path() -> Path:
    return places.feed_socket()


async def test_a_snapshot_then_every_number_whenever_one_comes(path: Path) -> None:
    async with serving(path) as feed:
        assert path.stat().st_mode & 0o777 == 0o600  # noqa: ASYNC240
        for _ in range(3):
            beat(feed)
        async with mirroring(path) as (early, heard_early):
            await until(lambda: early.connected, "the first is connected")
            for _ in range(50):
                beat(feed)
            async with mirroring(path) as (late, heard_late):
                await until(lambda: late.connected, "the second is connected")
                for _ in range(50):
                    beat(feed)
                await until(lambda: early.number == late.number == feed.number == 103, "both have everything")
    assert isinstance(heard_early[0], Snapshot) and isinstance(heard_late[0], Snapshot)
    assert numbers(heard_early) == list(range(3, 104))
    assert numbers(heard_late) == list(range(53, 104))
    assert sum(isinstance(message, Snapshot) for message in heard_early + heard_late) == 2


async def test_a_mirror_shows_what_the_core_says_however_it_came_by_it(path: Path, tmp_path: Path) -> None:
    life = Life(tmp_path / "life", small_plant())
    published = Published(life.plan, "engine-1", "digest", START_NS)

    def shown(number: int) -> Snapshot:
        return published.snapshot(life.core, number, life.now_ns)

    def told(feed: FeedServer, since: int) -> None:
        touched = {data["alarm"] for step in life.steps[since:] for _, (kind, data) in step.told if kind == "alarm"}
        published.changed(life.core, touched, life.now_ns, feed)

    async with serving(path, shown=shown) as feed, mirroring(path) as (mirror, heard):
        await until(lambda: mirror.connected, "it is connected")
        for pressure in (40.0, -10.0, 40.0, 90.0, 90.0, 90.0, 90.0, 40.0, 40.0, 40.0, 40.0):
            since = len(life.steps)
            life.pass_time(700)
            life.wake()
            life.frame(1, [pressure, 1.0, 0.0, 0.0, 0.0])
            if pressure == 90.0:
                life.act("silence", "")
                life.act("acknowledge", "L01-ISO.pressure.low", 1)
                life.act("acknowledge", "L01-ISO.pressure.high", 1)
            told(feed, since)
            await until(lambda: mirror.number == feed.number, "it has everything")
            now = shown(feed.number)
            assert mirror.alarms == {alarm.id: alarm for alarm in now.alarms}
            assert (mirror.areas, mirror.interlocks) == (now.areas, now.interlocks)
        assert {"B", "C", "E", "F"} & {a.letter for m in heard if isinstance(m, messages.Alarms) for a in m.alarms}
        assert "L01-ISO.pressure.high" not in mirror.alarms, "what is normal again is gone"
        async with mirroring(path) as (late, _):
            await until(lambda: late.connected, "the late one is connected")
            assert (late.alarms, late.areas, late.interlocks) == (mirror.alarms, mirror.areas, mirror.interlocks)
            assert [layout.tags for layout in late.layouts.values()] == [list(x.tags) for x in life.plan.layouts]


async def test_frames_and_texts_come_as_they_are(path: Path) -> None:
    values = np.array([1.5, np.nan, -0.0])
    sent = Frame(
        n=1, layout=2**62, time_ns=-1, received_ns=2**62, values=values.tobytes(), quality=b"\0\0\0\x80\0\0", source=bytes(8),
        failure="L01-ISO does not answer",
    )  # fmt: skip
    async with serving(path) as feed, mirroring(path) as (mirror, _):
        await until(lambda: mirror.connected, "it is connected")
        assert feed.next == 1
        feed.publish(sent)
        feed.publish(
            messages.Texts(n=feed.next, received_ns=1, texts={"L01-ISO.firmware": "版本 1", "L01-ISO.serial": None})
        )
        await until(lambda: mirror.number == 2, "both are there")
    assert mirror.frames == {2**62: sent}
    assert mirror.texts == {"L01-ISO.firmware": "版本 1", "L01-ISO.serial": None}


async def test_one_that_does_not_read_is_dropped_and_no_other_waits(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(server, "BACKLOG_BYTES", 100_000)
    async with serving(path) as feed, mirroring(path) as (mirror, heard):
        reader, writer = await asyncio.open_unix_connection(path, limit=1000)
        await until(lambda: mirror.connected and feed.clients == 2, "both are connected")
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        for _ in range(1000):
            frame(feed, 5000)
            if feed.number % 5 == 0:
                await until(lambda: mirror.number == feed.number, "the other keeps up")
        assert feed.clients == 1
        assert "does not keep up" in caplog.text
        assert numbers(heard) == list(range(1001))
        assert mirror.connects == 1
        writer.transport.resume_reading()  # type: ignore[attr-defined]
        with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
            while True:
                await read_from_engine(reader)
        writer.close()


async def test_each_command_gets_its_own_result(path: Path) -> None:
    waiting: dict[str, asyncio.Future[Result]] = {}

    async def execute(command: Command) -> Result:
        if command.verb == "first":
            waiting["first"] = asyncio.get_running_loop().create_future()
            await waiting["first"]
        if command.verb == "refused":
            return Result(id=command.id, refused="It is acknowledged already.")
        return Result(id=command.id, data={"verb": command.verb, "person": command.person, **(command.data or {})})

    async with serving(path, execute) as feed, mirroring(path) as (mirror, heard):
        await until(lambda: mirror.connected, "it is connected")
        first = asyncio.create_task(mirror.send(Command(id=0, verb="first", person="a")))
        await until(lambda: "first" in waiting, "the first is being done")
        others = [mirror.send(Command(id=0, verb="act", person="b", data={"i": i})) for i in range(20)]
        answers = await asyncio.gather(*others)
        assert [(a.refused, a.data) for a in answers] == [
            (None, {"verb": "act", "person": "b", "i": i}) for i in range(20)
        ]
        refused = await mirror.send(Command(id=0, verb="refused"))
        assert refused.refused == "It is acknowledged already."
        beat(feed)
        assert not first.done()
        waiting["first"].set_result(Result(id=0))
        assert (await first).data == {"verb": "first", "person": "a"}
        assert numbers(heard) == [0, 1], "a result is for one, and has no number"


async def test_without_an_engine_an_act_is_refused_at_once(path: Path) -> None:
    async with mirroring(path) as (mirror, _):
        with pytest.raises(EngineAway, match="not connected; nothing was done"):
            await mirror.send(Command(id=0, verb="acknowledge"))
        assert not mirror.connected


async def test_an_engine_that_goes_while_it_acts(path: Path) -> None:
    begun = asyncio.Event()

    async def never(command: Command) -> Result:
        begun.set()
        return await asyncio.get_running_loop().create_future()

    async with mirroring(path) as (mirror, _):
        async with serving(path, never):
            await until(lambda: mirror.connected, "it is connected")
            act = asyncio.create_task(mirror.send(Command(id=0, verb="acknowledge")))
            await begun.wait()
        with pytest.raises(EngineAway, match="went away before it answered; look whether the act was done"):
            await act
        await until(lambda: not mirror.connected, "it knows that it is alone")


async def test_an_engine_that_does_not_answer(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def never(command: Command) -> Result:
        return await asyncio.get_running_loop().create_future()

    monkeypatch.setattr(client, "ANSWER_S", 0.1)
    async with serving(path, never), mirroring(path) as (mirror, _):
        await until(lambda: mirror.connected, "it is connected")
        with pytest.raises(EngineAway, match="did not answer within"):
            await mirror.send(Command(id=0, verb="acknowledge"))
        assert mirror.connected
