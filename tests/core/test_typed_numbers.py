"""Numbers as the data type of an OPC UA node holds them: exactly, or refused in words."""

import struct

import pytest
from asyncua import ua
from hypothesis import given
from hypothesis import strategies as st

from drivers.opcua.typed import as_type

WHOLE = {
    "SByte": "b",
    "Byte": "B",
    "Int16": "h",
    "UInt16": "H",
    "Int32": "i",
    "UInt32": "I",
    "Int64": "q",
    "UInt64": "Q",
}


@pytest.mark.parametrize(
    ("kind", "value", "held"),
    [
        ("Boolean", 1.0, True), ("Boolean", 0, False), ("Byte", 255.0, 255), ("SByte", -128.0, -128), ("UInt64", 2.0**63, 2**63),
        ("Int64", -(2.0**63), -(2**63)), ("Double", 0.1, 0.1), ("Float", 2.5, 2.5), ("Float", 0.1, 0.10000000149011612),
    ],
)  # fmt: skip
def test_what_fits_is_given_in_its_type(kind: str, value: float, held: float) -> None:
    given_ = as_type(ua.VariantType[kind], value)
    assert given_ == held and type(given_) is type(held)


@pytest.mark.parametrize(
    ("kind", "value", "says"),
    [
        ("Boolean", 2.0, "a Boolean holds 0 or 1, not 2"),
        ("Boolean", float("nan"), "a Boolean holds 0 or 1, not nan"),
        ("Byte", 1.6, "a Byte holds whole numbers from 0 to 255, not 1.6"),
        ("Byte", 256.0, "not 256"),
        ("Byte", -1.0, "not -1"),
        ("UInt64", 2.0**64, "from 0 to 18446744073709551615"),
        ("Int32", float("nan"), "not nan"),
        ("Int32", float("inf"), "not inf"),
        ("Double", float("nan"), "a Double is to hold a number, not nan"),
        ("Float", float("-inf"), "a Float is to hold a number, not -inf"),
        ("Float", 1e39, r"a Float holds no number as large as 1e\+39"),
        ("String", 1.0, "a String holds no number: compare the node with the server"),
        ("Variant", 1.0, "a Variant holds no number"),
    ],
)
def test_what_does_not_fit_is_refused(kind: str, value: float, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        as_type(ua.VariantType[kind], value)


@given(kind=st.sampled_from(sorted(WHOLE)), value=st.floats() | st.integers(-(2**65), 2**65).map(float))
def test_a_whole_number_is_exactly_itself_or_refused(kind: str, value: float) -> None:
    try:
        held = as_type(ua.VariantType[kind], value)
    except ValueError:
        with pytest.raises((struct.error, ValueError, OverflowError)):
            struct.pack(f"<{WHOLE[kind]}", int(value) if value == value // 1 else "refused")
    else:
        assert held == value and struct.unpack(f"<{WHOLE[kind]}", struct.pack(f"<{WHOLE[kind]}", held))[0] == value
