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

from drivers.opcua.datavalues import Decoder
from drivers.opcua.encoded import Damaged
from drivers.opcua.items import Items
from drivers.opcua.notifications import changes
from tests.drivers.reference import full_items

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


NO_DIAGNOSTICS = struct.pack("<i", -1)


def encoded(values: list[ua.DataValue]) -> bytes:
    """The results of a ReadResponse, to its end."""
    return struct.pack("<i", len(values)) + b"".join(struct_to_binary(value) for value in values) + NO_DIAGNOSTICS


def notified(told: list[tuple[int, ua.DataValue]]) -> bytes:
    """A DataChangeNotification."""
    items = b"".join(struct.pack("<I", handle) + struct_to_binary(value) for handle, value in told)
    return struct.pack("<i", len(told)) + items + NO_DIAGNOSTICS


def fully(data: bytes) -> Items:
    buffer = Buffer(data)
    count = struct.unpack("<i", buffer.read(4))[0]
    return full_items([struct_from_binary(ua.DataValue, buffer) for _ in range(count)])


def assert_same(bulk: Items, full: Items) -> None:
    np.testing.assert_array_equal(bulk.quality, full.quality)
    np.testing.assert_array_equal(bulk.values, full.values)
    np.testing.assert_array_equal(bulk.source_ns, full.source_ns)
    assert bulk.texts == full.texts
    assert bulk.overflowed == full.overflowed


@settings(max_examples=400, deadline=None)
@given(st.lists(data_values(), max_size=30))
def test_any_reply_is_decoded_as_by_the_full_decoder(values: list[ua.DataValue]) -> None:
    data = encoded(values)
    assert_same(Decoder(len(values)).decode(data), fully(data))


@settings(max_examples=400, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2**32 - 1), data_values()), min_size=1, max_size=30))
def test_any_notification_is_decoded_as_by_the_full_decoder(told: list[tuple[int, ua.DataValue]]) -> None:
    body = notified(told)
    handles, items = changes(body, 0, len(body))
    assert handles.tolist() == [handle for handle, _ in told]
    assert_same(items, full_items([value for _, value in told]))


@pytest.mark.parametrize("kind", NUMBERS)
def test_every_type_status_and_timestamp_is_decoded_as_by_the_full_decoder(kind: ua.VariantType) -> None:
    """Uniform and mixed, in replies and in notifications: all combinations there are."""
    given, when = {T.Boolean: True, T.Float: -0.5, T.Double: 1e300}.get(kind, 7), datetime(2026, 3, 1, 12, tzinfo=UTC)
    forms = [
        ua.DataValue(
            ua.Variant(given, kind) if valued else None,
            None if status is None else ua.StatusCode(status),
            when if source else None,
            when if server else None,
            5 if source_pico else None,
            6 if server_pico else None,
        )
        for valued in (True, False)
        for status in (None, 0, 0x00000480, 0x40940000, 0x808C0000)
        for source in (True, False)
        for server in (True, False)
        for source_pico in (True, False)
        for server_pico in (True, False)
    ]
    for values in (*([form] * 3 for form in forms), forms):
        assert_same(Decoder(len(values)).decode(encoded(values)), fully(encoded(values)))
        body = notified(list(enumerate(values)))
        handles, items = changes(body, 0, len(body))
        assert handles.tolist() == list(range(len(values)))
        assert_same(items, full_items(values))


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


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\1\0\0",
        struct.pack("<i", 2),
        struct.pack("<i", -1),
        struct.pack("<i", 1) + b"\xff" * 20,
        struct.pack("<i", 1) + b"\0",
    ],
)
def test_what_is_no_reply_is_damaged(data: bytes) -> None:
    with pytest.raises(Damaged):
        Decoder(1).decode(data)


def test_what_is_neither_number_nor_text_is_passed_over() -> None:
    """Beside a number and a text, whatever status and times it has; twice, for the shape is remembered."""
    now = datetime(2026, 1, 1, tzinfo=UTC)
    odd = [
        ua.Variant([1, 2], T.Int32),
        ua.Variant([[1, 2], [3, 4]], T.Int32),
        ua.Variant(["a", None, "b"], T.String),
        ua.Variant([True] * 9, T.Boolean),
        ua.Variant(b"xyz", T.ByteString),
        ua.Variant(ua.NodeId("name", 3), T.NodeId),
        ua.Variant(ua.NodeId(70_000, 3), T.NodeId),
        ua.Variant(ua.LocalizedText("t", "en"), T.LocalizedText),
        ua.Variant(ua.QualifiedName("q", 2), T.QualifiedName),
        ua.Variant(ua.Range(0.0, 5.0), T.ExtensionObject),
        ua.Variant([ua.Variant(1.0), ua.Variant("x")], T.Variant),
        ua.Variant(ua.DataValue(ua.Variant([1.0])), T.DataValue),
        ua.Variant([ua.Range(0.0, 5.0)] * 3, T.ExtensionObject),
    ]
    values = [
        ua.DataValue(variant, ua.StatusCode(status), now, now if n % 2 else None)
        for n, (variant, status) in enumerate((v, s) for v in odd for s in (0, 0x00000480, 0x808C0000))
    ]
    mixed = [one for value in values for one in (value, ua.DataValue(ua.Variant(2.5)), ua.DataValue(ua.Variant("B-1")))]
    decoder = Decoder(len(mixed))
    for _ in range(2):
        assert_same(decoder.decode(encoded(mixed)), fully(encoded(mixed)))
    assert_same(Decoder(len(values)).decode(encoded(values)), fully(encoded(values)))
