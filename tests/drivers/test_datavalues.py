"""Decoding in bulk and asyncua's own decoder say the same of every reply."""

import struct
from datetime import UTC, datetime

import numpy as np
import pytest
from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.ua.ua_binary import struct_from_binary, struct_to_binary
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.datavalues import Decoder, Items, NotPlain
from drivers.opcua_reads import full_items

T = ua.VariantType
NUMBERS = {
    T.Boolean: st.booleans(),
    T.SByte: st.integers(-128, 127),
    T.Byte: st.integers(0, 255),
    T.Int16: st.integers(-(2**15), 2**15 - 1),
    T.UInt16: st.integers(0, 2**16 - 1),
    T.Int32: st.integers(-(2**31), 2**31 - 1),
    T.UInt32: st.integers(0, 2**32 - 1),
    T.Int64: st.integers(-(2**63), 2**63 - 1),
    T.UInt64: st.integers(0, 2**64 - 1),
    T.Float: st.floats(width=32),
    T.Double: st.floats(),
}
STATUSES = st.sampled_from(
    [0, 0, 0, 0x00960000, 0x40900000, 0x40940400, 0x80050000, 0x808C0000, 0x80000000, 0x80340000]
)
FROM, TO = datetime(1602, 1, 1), datetime(2200, 1, 1)  # noqa: DTZ001 - hypothesis wants them naive
STAMPS = st.none() | st.datetimes(FROM, TO).map(lambda d: d.replace(tzinfo=UTC))
PICOS = st.none() | st.integers(0, 9999)


@st.composite
def variants(draw: st.DrawFn) -> ua.Variant | None:
    kind = draw(st.sampled_from([*NUMBERS, *NUMBERS, T.String, T.DateTime, None, T.Null]))
    if kind is None:
        return None
    if kind == T.Null:
        return ua.Variant(None, T.Null)
    if kind == T.String:
        return ua.Variant(draw(st.none() | st.text(max_size=12)), T.String)
    if kind == T.DateTime:
        return ua.Variant(datetime(2026, 1, 1, tzinfo=UTC), T.DateTime)
    return ua.Variant(draw(NUMBERS[kind]), kind)


@st.composite
def data_values(draw: st.DrawFn) -> ua.DataValue:
    status = draw(st.none() | STATUSES)
    return ua.DataValue(
        Value=draw(variants()),
        StatusCode=None if status is None else ua.StatusCode(status),
        SourceTimestamp=draw(STAMPS),
        ServerTimestamp=draw(STAMPS),
        SourcePicoseconds=draw(PICOS),
        ServerPicoseconds=draw(PICOS),
    )


def encoded(values: list[ua.DataValue]) -> bytes:
    return struct.pack("<i", len(values)) + b"".join(struct_to_binary(value) for value in values)


def fully(data: bytes) -> Items:
    buffer = Buffer(data)
    count = struct.unpack("<i", buffer.read(4))[0]
    return full_items([struct_from_binary(ua.DataValue, buffer) for _ in range(count)])


def assert_same(bulk: Items, full: Items) -> None:
    np.testing.assert_array_equal(bulk.quality, full.quality)
    np.testing.assert_array_equal(bulk.values, full.values)
    np.testing.assert_array_equal(bulk.source_ns, full.source_ns)
    assert bulk.texts == full.texts


@settings(max_examples=400, deadline=None)
@given(st.lists(data_values(), max_size=30), st.binary(max_size=8))
def test_any_reply_is_decoded_as_by_the_full_decoder(values: list[ua.DataValue], behind: bytes) -> None:
    data = encoded(values)
    assert_same(Decoder(len(values)).decode(data + behind), fully(data))


@settings(max_examples=150, deadline=None)
@given(st.lists(st.lists(data_values(), min_size=6, max_size=6), min_size=2, max_size=6))
def test_a_shape_remembered_from_the_last_reply_never_misleads(replies: list[list[ua.DataValue]]) -> None:
    decoder = Decoder(6)
    for values in replies:
        assert_same(decoder.decode(encoded(values)), fully(encoded(values)))


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(list(NUMBERS)), st.integers(1, 50), STATUSES, STAMPS, st.data())
def test_uniform_replies(
    kind: ua.VariantType, count: int, status: int, stamp: datetime | None, data: st.DataObject
) -> None:
    decoder = Decoder(count)
    for _ in range(2):
        values = [
            ua.DataValue(ua.Variant(data.draw(NUMBERS[kind]), kind), ua.StatusCode(status), stamp) for _ in range(count)
        ]
        assert_same(decoder.decode(encoded(values)), fully(encoded(values)))


@settings(max_examples=1500, deadline=None)
@given(st.lists(data_values(), min_size=1, max_size=8), st.data())
def test_a_damaged_reply_is_never_a_crash_and_never_an_invented_value(
    values: list[ua.DataValue], data: st.DataObject
) -> None:
    good = bytearray(encoded(values))
    for _ in range(data.draw(st.integers(1, 3))):
        good[data.draw(st.integers(0, len(good) - 1))] = data.draw(st.integers(0, 255))
    damaged = bytes(good[: data.draw(st.integers(0, len(good)))])
    decoder = Decoder(len(values))
    decoder.decode(encoded(values))
    try:
        found = decoder.decode(damaged)
    except NotPlain:
        return
    assert_same(found, fully(damaged))  # what it takes, asyncua takes too, and finds the same in it


@pytest.mark.parametrize(
    "data", [b"", b"\1\0\0", struct.pack("<i", 2), struct.pack("<i", -1), struct.pack("<i", 1) + b"\xff" * 20]
)
def test_what_is_no_reply_is_left_to_the_full_decoder(data: bytes) -> None:
    with pytest.raises(NotPlain):
        Decoder(1).decode(data)


def test_arrays_are_left_to_the_full_decoder() -> None:
    with pytest.raises(NotPlain):
        Decoder(1).decode(encoded([ua.DataValue(ua.Variant([1, 2], T.Int32))]))
