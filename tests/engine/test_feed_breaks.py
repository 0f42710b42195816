"""What breaks a feed: an engine that goes and comes, one that is silent, strangers who talk nonsense."""

import asyncio
import gc
import random
from pathlib import Path

import msgspec
import pytest

from telemetry import places
from telemetry.feed import client
from telemetry.feed.client import EngineAway
from telemetry.feed.messages import LARGEST, Command, Result, Snapshot, packed, read_from_engine
from tests.engine.feeds import beat, mirroring, numbers, serving, snapshot, until


@pytest.fixture
def path(monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(client, "RETRY_S", 0.02)
    return places.feed_socket()


async def test_an_engine_that_comes_back_is_shown_anew(path: Path) -> None:
    async with mirroring(path) as (mirror, heard):
        async with serving(path) as feed:
            await until(lambda: mirror.connected, "it is connected")
            for _ in range(5):
                beat(feed)
            await until(lambda: mirror.number == 5, "it has everything")
        await until(lambda: not mirror.connected, "it knows that it is alone")
        assert mirror.snapshot is not None, "what was shown last is still known"
        heard.clear()

        def another(number: int) -> Snapshot:
            return msgspec.structs.replace(snapshot(number), started_ns=77)

        async with serving(path, shown=another) as feed:
            await until(lambda: mirror.connected and mirror.connects == 2, "it is connected again")
            await until(lambda: bool(heard), "it has a snapshot")
            beat(feed)
            await until(lambda: mirror.number == 1, "it follows")
        assert isinstance(heard[0], Snapshot) and mirror.snapshot.started_ns == 77
        assert numbers(heard) == [0, 1]


async def test_an_engine_that_is_silent_is_away(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "SILENT_S", 0.2)
    async with serving(path) as feed, mirroring(path) as (mirror, _):
        await until(lambda: mirror.connects == 1, "it is connected")
        await until(lambda: mirror.connects >= 3, "it tries anew, again and again")
        beating = True

        async def beats() -> None:
            while beating:
                beat(feed)
                await asyncio.sleep(0.05)

        task = asyncio.create_task(beats())
        await until(lambda: mirror.connected, "it hears the engine again")
        connects, number = mirror.connects, mirror.number
        await until(lambda: mirror.number > number + 10, "it follows")
        assert mirror.connects == connects
        beating = False
        await task


def messages_without_sense() -> list[bytes]:
    """Framed and unframed, short and long; none is a command."""
    chance = random.Random(1)

    def framed(body: bytes) -> bytes:
        return len(body).to_bytes(4, "big") + body

    good = packed(Command(id=1, verb="act"))
    deep = b"\x83\xa1t\xa7command\xa2id\x01\xa4data" + b"\x81\xa1a" * 100_000 + b"\xc0"
    wrong = [
        {},
        {"t": "command"},
        {"t": "result", "id": 1},
        {"t": "command", "id": "x", "verb": 3},
        [1, 2],
        "text",
        None,
    ]
    return [
        *(chance.randbytes(size) for size in (1, 3, 4, 5, 100, 5000)),
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"\0" * 100,
        framed(b""),
        framed(deep),
        (LARGEST + 1).to_bytes(4, "big"),
        b"\xff\xff\xff\xff" + bytes(100),
        *(framed(msgspec.msgpack.encode(one)) for one in wrong),
        *(framed(chance.randbytes(50)) for _ in range(10)),
        good[:-1],
        good + good[:6],
        good[:4] + bytes(len(good) - 4),
    ]


async def test_nonsense_harms_only_who_talks_it(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    done: list[Command] = []

    async def execute(command: Command) -> Result:
        done.append(command)
        return Result(id=command.id)

    async with serving(path, execute) as feed, mirroring(path) as (mirror, heard):
        await until(lambda: mirror.connected, "it is connected")
        for nonsense in messages_without_sense():
            reader, writer = await asyncio.open_unix_connection(path)
            assert isinstance(await read_from_engine(reader), Snapshot)
            writer.write(nonsense)
            writer.write_eof()
            async with asyncio.timeout(10):
                while await reader.read(1 << 16):
                    pass
            writer.close()
            beat(feed)
            assert (await mirror.send(Command(id=0, verb="sense"))).refused is None
        await until(lambda: feed.clients == 1, "only the mirror is left")
        await until(lambda: mirror.number == feed.number, "it has everything")
        assert numbers(heard) == list(range(feed.number + 1))
        assert mirror.connects == 1
    assert {command.verb for command in done} == {"sense", "act"}
    assert "sent nonsense" in caplog.text
    gc.collect()  # a task that ended by an error says so when it is forgotten
    assert {record.name for record in caplog.records} == {"telemetry.feed.server"}, caplog.text


async def test_an_engine_of_another_version_is_said_to_be_one(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        body = msgspec.msgpack.encode({"t": "future"})
        writer.write(len(body).to_bytes(4, "big") + body)
        await reader.read()
        writer.close()

    strange = await asyncio.start_unix_server(talk, path)
    async with mirroring(path) as (mirror, _):
        await until(lambda: "of different versions" in caplog.text, "it says so")
        assert not mirror.connected
        strange.close()
        async with serving(path):
            await until(lambda: mirror.connected, "one that it understands is welcome")


async def test_an_act_in_the_moment_of_a_reconnect(path: Path) -> None:
    """Never a result of somebody else's, never forever: done, or told that the engine is away."""
    outcomes: list[str] = []
    async with mirroring(path) as (mirror, _):
        for _ in range(5):
            async with serving(path):
                await until(lambda: mirror.connected, "it is connected")
                acts = [asyncio.create_task(mirror.send(Command(id=0, verb="act", data={"i": i}))) for i in range(20)]
                await asyncio.sleep(0)
            for act in acts:
                try:
                    outcomes.append(str((await act).data))
                except EngineAway:
                    outcomes.append("away")
    assert len(outcomes) == 100
    assert set(outcomes) <= {"away", "{'verb': 'act'}"}
