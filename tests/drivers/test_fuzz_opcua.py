"""Damaged answers of an OPC UA server: never a crash, never a hang, never a value that was not sent.

Whole answers, to reads and to publish requests, are mutated by a seeded generator. What the bulk decoders take, asyncua's
decoder must take too, and find the same in it; all else they must leave to it by NotPlain. The short form runs always, the
million with `make test-long`.
"""

import random
import struct
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from asyncua import ua
from asyncua.ua.ua_binary import struct_to_binary

from drivers.opcua.datavalues import Decoder, Items, NotPlain
from drivers.opcua.notifications import DATA_CHANGE, changes, published
from drivers.opcua.reads import full_items, fully_decoded, parameters_of

T = ua.VariantType
READ = int(ua.ObjectIds.ReadResponse_Encoding_DefaultBinary)
PUBLISH = int(ua.ObjectIds.PublishResponse_Encoding_DefaultBinary)
INTEGERS = (T.SByte, T.Byte, T.Int16, T.UInt16, T.Int32, T.UInt32, T.Int64, T.UInt64)
STATUSES = (None, 0, 0, 0, 0x00000480, 0x00960000, 0x40940000, 0x80050000, 0x808C0000)
TELLING = (0, 1, 2, 3, 7, 0x0A, 0x0B, 0x0C, 0x0D, 0x16, 0x17, 0x3F, 0x40, 0x7F, 0x80, 0x8B, 0xC1, 0xFE, 0xFF)
LARGEST = 1 << 31


def value(chance: random.Random) -> ua.DataValue:
    kind = chance.choice((T.Boolean, T.Float, T.Float, T.Double, T.Double, T.String, T.DateTime, *INTEGERS, None, None))
    given: Any = 1
    if kind in (T.Float, T.Double):
        given = chance.choice((0.0, -1.5, 1e30, float("nan"), float("inf"), chance.random()))
    elif kind == T.String:
        given = chance.choice((None, "", "B-2041", "批号 42"))
    elif kind == T.DateTime:
        given = datetime(2026, 1, 1, tzinfo=UTC)
    status = chance.choice(STATUSES)
    when = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=chance.random() * 1e6)
    return ua.DataValue(
        ua.Variant(given, kind) if kind is not None else None,
        None if status is None else ua.StatusCode(status),
        chance.choice((None, when, when)),
        chance.choice((None, when)),
        chance.choice((None, None, 5)),
        chance.choice((None, None, 6)),
    )


def values(chance: random.Random) -> list[ua.DataValue]:
    count = chance.randint(1, 8)
    return [value(chance)] * count if chance.random() < 0.3 else [value(chance) for _ in range(count)]


def read_answer(chance: random.Random) -> bytes:
    return struct_to_binary(ua.ReadResponse(Results=values(chance)))


def publish_answer(chance: random.Random) -> bytes:
    items = [ua.MonitoredItemNotification(chance.randint(0, 9), one) for one in values(chance)]
    told = [ua.DataChangeNotification(MonitoredItems=items)] * chance.choice((1, 1, 1, 2))
    result = ua.PublishResult(
        SubscriptionId=chance.randint(1, 9),
        AvailableSequenceNumbers=[chance.randint(1, 9) for _ in range(chance.randint(0, 3))],
        MoreNotifications=chance.random() < 0.5,
        NotificationMessage=ua.NotificationMessage(chance.randint(1, 99), datetime(2026, 1, 1, tzinfo=UTC), told),
        Results=[ua.StatusCode(0)] * chance.randint(0, 2),
    )
    return struct_to_binary(ua.PublishResponse(Parameters=result))


def mutated(body: bytes, chance: random.Random, others: list[bytes]) -> bytes:
    data = bytearray(body)
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        at = chance.randrange(len(data)) if data else 0
        match chance.randrange(8):
            case 0 | 1 if data:
                data[at] ^= 1 << chance.randrange(8)
            case 2 if data:
                data[at] = chance.randrange(256)
            case 3 | 4 if data:
                data[at] = chance.choice(TELLING)
            case 5:
                data[at : at + 4] = struct.pack("<i", chance.choice((-1, 0, 1, 2, 1000, LARGEST - 1, -LARGEST)))
            case 6:
                del data[at : at + chance.randint(1, 12)]
            case _:
                other = chance.choice(others)
                begin = chance.randrange(len(other))
                data[at:at] = other[begin : begin + chance.randint(1, 24)]
    return bytes(data[: chance.randrange(len(data) + 1)] if chance.random() < 0.1 else data)


def same(bulk: Items, full: Items) -> bool:
    return (
        np.array_equal(bulk.quality, full.quality)
        and np.array_equal(bulk.values, full.values, equal_nan=True)
        and np.array_equal(bulk.source_ns, full.source_ns)
        and (bulk.texts, bulk.overflowed) == (full.texts, full.overflowed)
    )


def read_is_true(body: bytes, decoders: dict[int, Decoder], asked: int) -> bool | None:
    """Whether what was taken is what asyncua finds; None where it was left to asyncua."""
    decoder = decoders.setdefault(asked, Decoder(asked))
    try:
        items = decoder.decode(body[parameters_of(body, READ) :])
    except NotPlain:
        return None
    return same(items, full_items(fully_decoded(ua.ReadResponse, body).Results))


def publish_is_true(body: bytes) -> bool | None:
    """As `read_is_true`, of a message and all that it tells."""
    try:
        message = published(body, parameters_of(body, PUBLISH))
        told = [changes(body, begin, end) for kind, begin, end in message.parts if kind == DATA_CHANGE]
    except NotPlain:
        return None
    if len(told) < len(message.parts):
        return None  # something else is told beside: not ours to decode
    full = fully_decoded(ua.PublishResponse, body).Parameters
    parts: list[Any] = full.NotificationMessage.NotificationData or []
    return (
        (full.SubscriptionId, full.NotificationMessage.SequenceNumber) == (message.subscription, message.sequence)
        and len(parts) == len(told)
        and all(
            [item.ClientHandle for item in part.MonitoredItems] == handles.tolist()
            and same(items, full_items([item.Value for item in part.MonitoredItems]))
            for part, (handles, items) in zip(parts, told, strict=True)
        )
    )


def fuzz(count: int, seed: int) -> Counter[str]:
    """Mutates `count` answers; fails at the first that is not taken truly. Gives how many were taken and how many left."""
    chance = random.Random(seed)
    reads, publishes = ([make(chance) for _ in range(300)] for make in (read_answer, publish_answer))
    asked = [struct.unpack_from("<i", body, parameters_of(body, READ))[0] for body in reads]
    decoders: dict[int, Decoder] = {}
    seen: Counter[str] = Counter()
    for n in range(count):
        pick = chance.randrange(300)
        if n % 2:
            body, kind = mutated(publishes[pick], chance, publishes), "publish"
        else:
            if chance.random() < 0.3:
                assert read_is_true(reads[pick], decoders, asked[pick])  # so that its shape is remembered
            body, kind = mutated(reads[pick], chance, reads), "read"
        began = time.monotonic()
        try:
            true = read_is_true(body, decoders, asked[pick]) if kind == "read" else publish_is_true(body)
        except ua.UaError as error:
            raise AssertionError(f"{kind}: taken, but asyncua refuses it ({error}): {body.hex()}") from error
        assert time.monotonic() - began < 2.0, f"{kind}: took too long: {body.hex()}"
        assert true is not False, f"{kind}: not what asyncua finds: {body.hex()}"
        seen[f"{kind} {'left' if true is None else 'taken'}"] += 1
    return seen


def test_damaged_answers() -> None:
    seen = fuzz(4_000, 1)
    assert min(seen[f"{kind} {what}"] for kind in ("read", "publish") for what in ("taken", "left")) > 300


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_a_million_damaged_answers() -> None:
    print(fuzz(1_000_000, 2))
