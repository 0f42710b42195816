"""Damaged answers of an OPC UA server: never a crash, never a hang, never a value that was not sent.

Whole answers, to reads and to publish requests, are mutated by a seeded generator. What our decoders take, asyncua's (bounded as
it is in the driver) must find too, and the same in it; all else they must call Damaged or Refused. Both are timed, for both run on
the engine's loop. The short form runs always, the million with `make test-long`.
"""

import random
import struct
import time
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from asyncua import ua
from asyncua.ua.ua_binary import struct_to_binary

from drivers.opcua.bounded import bound
from drivers.opcua.datavalues import Decoder
from drivers.opcua.encoded import Damaged, Refused, Walk, parameters_of
from drivers.opcua.items import Items
from drivers.opcua.notifications import DATA_CHANGE, changes, published, rounds
from drivers.quality import BAD
from tests.drivers.reference import full_items, fully_decoded

T = ua.VariantType
READ = int(ua.ObjectIds.ReadResponse_Encoding_DefaultBinary)
PUBLISH = int(ua.ObjectIds.PublishResponse_Encoding_DefaultBinary)
INTEGERS = (T.SByte, T.Byte, T.Int16, T.UInt16, T.Int32, T.UInt32, T.Int64, T.UInt64)
ODD: tuple[tuple[ua.VariantType, Any], ...] = (
    (T.Double, [1.5, 2.5]),
    (T.Int16, [[1, 2], [3, 4]]),
    (T.String, ["a", None]),
    (T.ByteString, b"xyz"),
    (T.NodeId, ua.NodeId("name", 3)),
    (T.LocalizedText, ua.LocalizedText("t", "en")),
    (T.QualifiedName, ua.QualifiedName("q", 2)),
    (T.ExtensionObject, ua.Range(0.0, 5.0)),
    (T.Variant, [ua.Variant(1.0), ua.Variant("x")]),
    (T.DataValue, ua.DataValue(ua.Variant([1.0]))),
)
STATUSES = (None, 0, 0, 0, 0x00000480, 0x00960000, 0x40940000, 0x80050000, 0x808C0000)
TELLING = (0, 1, 2, 3, 7, 0x0A, 0x0B, 0x0C, 0x0D, 0x16, 0x17, 0x3F, 0x40, 0x7F, 0x80, 0x8B, 0xC1, 0xFE, 0xFF)
LARGEST = 1 << 31
LONGEST_S = 1.0
"""For one answer, by either decoder."""
bound()


def value(chance: random.Random) -> ua.DataValue:
    kind = chance.choice((T.Boolean, T.Float, T.Float, T.Double, T.Double, T.String, T.DateTime, *INTEGERS, None, None))
    given: Any = 1
    if chance.random() < 0.1:
        kind, given = chance.choice(ODD)
    if kind in (T.Float, T.Double) and not isinstance(given, list):
        given = chance.choice((0.0, -1.5, 1e30, float("nan"), float("inf"), chance.random()))
    elif kind == T.String and not isinstance(given, list):
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


def read_is_true(body: bytes, decoders: dict[int, Decoder], asked: int) -> str:
    """What became of an answer: taken (asyncua finds the same), taken alone (asyncua fails at what is passed over), refused, or
    damaged; false where asyncua finds something else."""
    decoder = decoders.setdefault(asked, Decoder(asked))
    try:
        items = decoder.decode(body[parameters_of(body, READ) :])
    except Damaged:
        return "damaged"
    except Refused:
        return "refused"
    assert sound(items)
    try:
        with timely("asyncua", body):
            full = fully_decoded(ua.ReadResponse, without_diagnostics(body))
    except ua.UaError:
        odd = passed_over(body) or np.isnan(items.values).any()
        return "taken alone" if odd else "false"
    if passed_over(body):
        return "taken alone"
    return "taken" if same(items, full_items(full.Results)) else "false"


def publish_is_true(body: bytes) -> str:
    """As `read_is_true`, of a message and all that it tells."""
    try:
        message = published(body, parameters_of(body, PUBLISH))
        told = [changes(message.body, begin, end) for kind, begin, end in message.parts if kind == DATA_CHANGE]
        for handles, _ in told:
            rounds(handles)
    except Damaged:
        return "damaged"
    except Refused:
        return "refused"
    assert all(sound(items) for _, items in told)
    try:
        with timely("asyncua", body):
            full = fully_decoded(ua.PublishResponse, body).Parameters
    except ua.UaError:
        odd = passed_over(body) or len(told) < len(message.parts)
        odd = odd or any(np.isnan(items.values).any() for _, items in told)
        return "taken alone" if odd else "false"
    if passed_over(body):
        return "taken alone"
    parts: list[Any] = [
        part for part in full.NotificationMessage.NotificationData or [] if isinstance(part, ua.DataChangeNotification)
    ]
    true = (
        (full.SubscriptionId, full.NotificationMessage.SequenceNumber) == (message.subscription, message.sequence)
        and len(parts) == len(told)
        and all(
            [item.ClientHandle for item in part.MonitoredItems] == handles.tolist()
            and same(items, full_items([item.Value for item in part.MonitoredItems]))
            for part, (handles, items) in zip(parts, told, strict=True)
        )
    )
    return "taken" if true else "false"


def without_diagnostics(body: bytes) -> bytes:
    """A read's answer up to the end of its values: what is said of them behind is passed over, and asyncua looks into it."""
    walk = Walk(body, parameters_of(body, READ))
    for _ in range(walk.count()):
        walk.data_value(0)
    return body[: walk.at] + b"\xff" * 4


def passed_over(body: bytes) -> bool:
    """Whether the header holds diagnostics, texts or a structure, which asyncua looks into and we do not."""
    return body[20:21] != b"\0" or body[21:25] not in (b"\0" * 4, b"\xff" * 4) or body[25:28] != b"\0" * 3


def sound(items: Items) -> bool:
    """A value is no number exactly where it is Bad, or a text."""
    no_number = items.quality >= BAD
    no_number[list(items.texts)] = True
    return bool((np.isnan(items.values) == no_number).all())


@contextmanager
def timely(who: str, body: bytes) -> Generator[None]:
    began_s = time.thread_time()
    yield
    assert time.thread_time() - began_s < LONGEST_S, f"{who} took too long: {body.hex()}"


def fuzz(count: int, seed: int) -> Counter[str]:
    """Mutates `count` answers; fails at the first that is not taken truly. Gives what became of how many."""
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
                # so that its shape is remembered
                assert read_is_true(reads[pick], decoders, asked[pick]) == "taken"
            body, kind = mutated(reads[pick], chance, reads), "read"
        with timely(kind, body):
            found = read_is_true(body, decoders, asked[pick]) if kind == "read" else publish_is_true(body)
        assert found != "false", f"{kind}: not what asyncua finds: {body.hex()}"
        if found == "damaged" and n % 4 < 2:  # what asyncua is given by itself: it ends, and in time
            with timely("asyncua", body), suppress(ua.UaError):
                fully_decoded(ua.ReadResponse if kind == "read" else ua.PublishResponse, body)
        seen[f"{kind} {found}"] += 1
    return seen


@pytest.mark.parametrize(
    ("count", "seed"),
    [(4_000, 1), pytest.param(1_000_000, 2, marks=[pytest.mark.long, pytest.mark.timeout(1800)])],
)
def test_damaged_answers(count: int, seed: int) -> None:
    seen = fuzz(count, seed)
    assert seen.total() == count
    assert (
        min(seen[f"{kind} {what}"] for kind in ("read", "publish") for what in ("taken", "damaged")) > count * 3 // 40
    )
    assert seen["read refused"] and seen["read taken alone"] < seen["read taken"]
