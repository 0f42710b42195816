"""What goes over the feed, and how it is framed: four bytes of length (big endian), then a MessagePack map tagged by `t`.

From the engine: one Snapshot, then Frames, Texts, Alarms and the rest as they happen, each with `n` one higher than the one
before. To the engine: Commands, answered by Results. Times are UTC nanoseconds.
"""

import asyncio
from typing import Any, Final

import msgspec

LARGEST: Final = 64 << 20


class Message(msgspec.Struct, tag_field="t", tag=str.lower, omit_defaults=True, kw_only=True):
    """Base of all messages; the tag is the class's name in lower case."""


class LayoutInfo(msgspec.Struct):
    id: int
    device: str
    record: bool
    tags: list[str]


class AlarmInfo(msgspec.Struct):
    """One alarm that is not normal, or (letter A) has just become so."""

    id: str
    occurrence: int
    letter: str
    active: bool
    unacknowledged: bool
    latched: bool
    raised_ns: int
    cleared_ns: int
    acknowledged_ns: int
    acknowledged_by: str | None
    value: float | None


class AreaInfo(msgspec.Struct):
    """An area's annunciator: `sounding` without regard to a test; `confirmed`: horn and lamps hold what they should."""

    id: str
    horn: bool
    silenced: bool
    confirmed: bool
    standing: list[int]
    unacknowledged: list[int]


class InterlockInfo(msgspec.Struct):
    id: str
    tripped: bool
    cause: bool
    since_ns: int
    confirmed: bool


class Frame(Message):
    """values: float64 little endian; quality: uint16, absent when all Good; source: one int64 or one per value, absent if none.
    failure: why nothing was read; findings: what is wrong though the device answers."""

    n: int
    layout: int
    time_ns: int
    received_ns: int
    values: bytes
    quality: bytes | None = None
    source: bytes | None = None
    failure: str | None = None
    findings: list[str] = []


class Texts(Message):
    n: int
    received_ns: int
    texts: dict[str, str | None]


class Alarms(Message):
    n: int
    alarms: list[AlarmInfo]


class Annunciator(Message):
    n: int
    areas: list[AreaInfo]


class InterlockStates(Message):
    n: int
    interlocks: list[InterlockInfo]


class Event(Message):
    """A journaled event, after it is safely on disk."""

    n: int
    number: int
    time_ns: int
    data: dict[str, Any]


class Beat(Message):
    """Once a second: the engine lives. `stats` are its own figures by name."""

    n: int
    time_ns: int
    stats: dict[str, float]


class Snapshot(Message):
    """Everything that stands now."""

    n: int
    writer: str
    digest: str
    started_ns: int
    time_ns: int
    layouts: list[LayoutInfo]
    frames: list[Frame]
    texts: dict[str, str | None]
    texts_ns: int
    alarms: list[AlarmInfo]
    areas: list[AreaInfo]
    interlocks: list[InterlockInfo]
    stats: dict[str, float]
    calibrations: list[dict[str, Any]] = []
    """The newest one of each tag, as in the events of that kind."""


class Command(Message):
    """An act of a person, or (verb ``record``) something to be journaled with its person."""

    id: int
    verb: str
    target: str = ""
    occurrence: int = 0
    person: str = ""
    comment: str | None = None
    data: dict[str, Any] | None = None


class Result(Message):
    """What became of a command: `refused` is the reason in plain words, or None when it is done and on disk."""

    id: int
    refused: str | None = None
    unknown: bool = False
    data: dict[str, Any] | None = None


FromEngine = Snapshot | Frame | Texts | Alarms | Annunciator | InterlockStates | Event | Beat | Result
_from_engine = msgspec.msgpack.Decoder(FromEngine)
_to_engine = msgspec.msgpack.Decoder(Command)
_encoder = msgspec.msgpack.Encoder()


def packed(message: Message) -> bytes:
    body = _encoder.encode(message)
    return len(body).to_bytes(4, "big") + body


async def _body(reader: asyncio.StreamReader) -> bytes:
    size = int.from_bytes(await reader.readexactly(4), "big")
    if size > LARGEST:
        raise ValueError(f"a message of {size} bytes is no message of the feed")
    return await reader.readexactly(size)


async def read_from_engine(reader: asyncio.StreamReader) -> FromEngine:
    """The next message. Raises asyncio.IncompleteReadError at the end, msgspec.DecodeError or ValueError for nonsense."""
    return _from_engine.decode(await _body(reader))


async def read_command(reader: asyncio.StreamReader) -> Command:
    return _to_engine.decode(await _body(reader))
