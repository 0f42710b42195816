"""Over encoded values without decoding them: where each ends, and what claims more than it holds."""

import struct
from datetime import UTC, datetime

import pytest
from asyncua import ua
from asyncua.ua.ua_binary import nodeid_to_binary, struct_to_binary, variant_to_binary

from drivers.opcua.encoded import (
    DEEPEST,
    MOST_NESTED,
    Damaged,
    Refused,
    Walk,
    check_end,
    parameters_of,
    type_id,
)

T = ua.VariantType
READ = int(ua.ObjectIds.ReadResponse_Encoding_DefaultBinary)
WHEN = datetime(2026, 1, 1, tzinfo=UTC)
INNER = b"\x31" + struct.pack("<ii3sI", 1, 3, b"why", 5)
DIAGNOSTIC = b"\x7f" + struct.pack("<iiiii1sI", 1, 2, 3, 4, 1, b"x", 0x80050000) + INNER
"""A DiagnosticInfo with all that it can have, one of its own included."""


def i32(number: int) -> bytes:
    return struct.pack("<i", number)


WHOLE = [
    ua.Variant(None, T.Null),
    ua.Variant(1.5),
    ua.Variant([1, 2], T.Int32),
    ua.Variant([[1, 2], [3, 4]], T.Int32),
    ua.Variant([], T.Double),
    ua.Variant("text"),
    ua.Variant(["a", None], T.String),
    ua.Variant(b"xyz", T.ByteString),
    ua.Variant(ua.NodeId(7, 0), T.NodeId),
    ua.Variant(ua.NodeId(70_000, 2), T.NodeId),
    ua.Variant(ua.NodeId("name", 3), T.NodeId),
    ua.Variant(ua.ExpandedNodeId("name", 3, ua.NodeIdType.String, "urn:x", 4), T.ExpandedNodeId),
    ua.Variant(ua.QualifiedName("q", 2), T.QualifiedName),
    ua.Variant(ua.LocalizedText("t", "en"), T.LocalizedText),
    ua.Variant(ua.LocalizedText(), T.LocalizedText),
    ua.Variant(ua.Range(0.0, 5.0), T.ExtensionObject),
    ua.Variant(ua.DataValue(ua.Variant([1.0]), ua.StatusCode(0), WHEN, WHEN, 1, 2), T.DataValue),  # pyright: ignore[reportArgumentType]
    ua.Variant(ua.DataValue(), T.DataValue),
    ua.Variant([ua.Variant(1.0), ua.Variant("x")], T.Variant),
]


@pytest.mark.parametrize(
    "data",
    [
        *(variant_to_binary(variant) for variant in WHOLE),
        b"\x17\2" + i32(5),
        b"\x19" + DIAGNOSTIC,
        b"\x19\x10" + i32(1) + b"x",
    ],
    ids=lambda data: data[:12].hex(),
)
def test_a_value_is_passed_over_to_its_end_and_never_beyond(data: bytes) -> None:
    walk = Walk(data + b"\xff" * 3, 0)
    walk.variant()
    assert walk.at == len(data)
    for shorter in range(len(data)):
        with pytest.raises(Damaged):
            Walk(data[:shorter], 0).variant()


def test_a_type_of_a_later_edition_is_a_byte_string() -> None:
    walk = Walk(bytes([27]) + i32(2) + b"ab", 0)
    walk.variant()
    assert walk.at == 7


NESTED = b"\x98" + i32(1)  # an array of one Variant


@pytest.mark.parametrize(
    "data",
    [
        b"\x80" + i32(40_000_000),  # nothing, forty million times
        b"\x80" + i32(1) + b"\0" * 9,  # or once
        b"\x8b" + i32(2) + b"\0" * 15,  # two numbers in the room of fewer
        b"\x8c" + i32(1 << 30) + b"\0" * 9,
        b"\x81" + i32(-2),
        b"\x0c" + i32(-5),
        b"\x41\1" + i32(1) + i32(1),  # dimensions of a single value
        b"\xc1" + i32(1) + b"\1" + i32(1 << 30),
        b"\x20\0\0\0\0",  # a type that does not exist
        b"\x11\x09\0\0\0",  # a node id of no form
        b"\x16\0\0\3" + i32(0),  # a structure of no form
        b"\x16\0\0\1" + i32(-1),  # or length
        b"\x17\x40",  # a DataValue of no form
        b"\x18\1\1",  # a value within a value
        NESTED * (DEEPEST + 1) + b"\1\1",
        b"\x19" + b"\x40" * DEEPEST + b"\0",
        b"\x95" + i32(MOST_NESTED + 1) + b"\0" * (MOST_NESTED + 1),
    ],
    ids=lambda data: data[:12].hex(),
)  # fmt: skip
def test_what_claims_more_than_it_holds_is_damaged(data: bytes) -> None:
    with pytest.raises(Damaged):
        Walk(data, 0).variant()


def test_the_bounds_themselves_are_borne() -> None:
    for data in (
        NESTED * DEEPEST + b"\1\1",
        b"\x19" + b"\x40" * (DEEPEST - 1) + b"\0",
        b"\x95" + i32(MOST_NESTED) + b"\0" * MOST_NESTED,
        b"\x16\0\0\0",
        b"\x11\4" + b"\0" * 18,
    ):
        walk = Walk(data, 0)
        walk.variant()
        assert walk.at == len(data)


def response(result: int = 0, diagnostics: bytes = b"\0", strings: bytes = i32(-1), more: bytes = b"\0\0\0") -> bytes:
    head = b"\1\0" + struct.pack("<HqII", READ, 0, 1, result)
    return head + diagnostics + strings + more + i32(0) + i32(-1)


PLAIN = response()
ADDED = b"\1\0" + struct.pack("<HBi2s", 886, 1, 2, b"zz")


def test_parameters_begin_behind_any_header() -> None:
    assert struct_to_binary(ua.ReadResponse(Results=[]))[:4] + PLAIN[4:] == PLAIN and parameters_of(PLAIN, READ) == 28
    other = nodeid_to_binary(ua.NodeId(READ, 0, ua.NodeIdType.Numeric)) + PLAIN[4:]
    for body in (
        response(diagnostics=DIAGNOSTIC),
        response(strings=i32(2) + i32(1) + b"a" + i32(-1)),
        response(more=ADDED),
        response(result=0x00A20000),
        other,
    ):
        assert body[parameters_of(body, READ) :] == PLAIN[28:]


def test_an_error_is_a_refusal_and_another_type_damage() -> None:
    fault = ua.ServiceFault()
    fault.ResponseHeader.ServiceResult = ua.StatusCode(ua.StatusCodes.BadTooManyOperations)
    for body in (struct_to_binary(fault), response(result=int(ua.StatusCodes.BadTooManyOperations))):
        with pytest.raises(Refused) as refused:
            parameters_of(body, READ)
        assert refused.value.code == ua.StatusCodes.BadTooManyOperations
    for body in (b"", PLAIN[:20], struct_to_binary(ua.WriteResponse())):
        with pytest.raises(Damaged):
            parameters_of(body, READ)


def test_only_numbers_of_the_standard_name_a_type() -> None:
    for node, number in (
        (ua.NodeId(5, 0, ua.NodeIdType.TwoByte), 5),
        (ua.NodeId(811, 0, ua.NodeIdType.FourByte), 811),
        (ua.NodeId(811, 0, ua.NodeIdType.Numeric), 811),
        (ua.NodeId(811, 1, ua.NodeIdType.FourByte), None),
        (ua.NodeId(811, 256, ua.NodeIdType.Numeric), None),
        (ua.NodeId("811", 0), None),
    ):
        walk = Walk(nodeid_to_binary(node), 0)
        assert type_id(walk) == number and walk.at == len(walk.data)


def test_an_answer_ends_with_its_diagnostics() -> None:
    for end in (i32(-1), i32(0), i32(1) + DIAGNOSTIC):
        check_end(b"abc" + end, 3)
    for end in (b"", i32(0) + b"x", i32(2) + DIAGNOSTIC, i32(-2), i32(1) + b"\x80"):
        with pytest.raises(Damaged):
            check_end(b"abc" + end, 3)
