"""Registers to values and back, with `struct` as the independent oracle."""

import struct
import sys
from typing import Final

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from wire import NUMBERS, ORDERS, image_of, words_of

from drivers.profile import Register, RegisterType, ServerLimits, Table, WordOrder
from drivers.quality import BAD_SENSOR_FAILURE, GOOD
from drivers.registers import decode, decode_text, encode, plan

LIMITS: Final = ServerLimits()


def one(register: Register, words: list[int]) -> tuple[float, int]:
    """Value and quality of one register that holds these words."""
    planned = plan([register], LIMITS)
    memory: dict[tuple[Table, int], int] = {(register.table, register.address + i): x for i, x in enumerate(words)}
    values, quality = decode(planned, image_of(planned, memory))
    return float(values[0]), GOOD if quality is None else int(quality[0])


# ---- decoding


def test_the_four_orders_of_a_32_bit_value_are_named_by_where_its_bytes_go() -> None:
    words = {"ABCD": [0x4148, 0x1234], "CDAB": [0x1234, 0x4148], "BADC": [0x4841, 0x3412], "DCBA": [0x3412, 0x4841]}
    for order in ORDERS:
        register = Register(table="holding", address=7, type="uint32", order=order)
        assert one(register, words[order]) == (0x41481234, GOOD)
        assert encode(register, 0x41481234) == words[order]


def test_the_two_halves_of_an_isolator_pressure() -> None:
    assert one(Register(table="input", address=0, type="float32"), [0x4220, 0x0000]) == (40.0, GOOD)
    assert one(Register(table="input", address=0, type="int16", scale=0.1), [0xFFF6]) == (-1.0, GOOD)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("kind", NUMBERS)
@pytest.mark.parametrize(("scale", "offset"), [(1.0, 0.0), (0.1, 0.0), (-0.5, 100.0), (1e-3, -273.15)])
def test_edges_of_every_type_order_and_scale(kind: RegisterType, order: WordOrder, scale: float, offset: float) -> None:
    size = 8 * struct.calcsize(NUMBERS[kind])
    if kind.startswith("float"):
        edges = [0.0, -0.0, 1.5, -1.5, 2.0**-20, -(2.0**100)]
    elif kind.startswith("u"):
        edges = [0, 1, 2 ** (size - 1), 2**size - 1]
    else:
        edges = [0, 1, -1, -(2 ** (size - 1)), 2 ** (size - 1) - 1]
    register = Register(table="holding", address=3, type=kind, order=order, scale=scale, offset=offset)
    for number in edges:
        assert one(register, words_of(kind, order, number)) == (float(number) * scale + offset, GOOD)


@st.composite
def numbers(draw: st.DrawFn) -> tuple[RegisterType, float]:
    kind = draw(st.sampled_from(list(NUMBERS)))
    size = 8 * struct.calcsize(NUMBERS[kind])
    if kind.startswith("float"):
        return kind, draw(st.floats(width=32 if kind == "float32" else 64))
    least = 0 if kind.startswith("u") else -(2 ** (size - 1))
    return kind, draw(st.integers(least, least + 2**size - 1))


SCALES: Final = st.sampled_from([1.0, 0.1, 0.01, -1.0, 2.5, 1e-3])
OFFSETS: Final = st.sampled_from([0.0, -40.0, 273.15])


@given(numbers(), st.sampled_from(ORDERS), SCALES, OFFSETS)
@pytest.mark.filterwarnings("ignore:overflow")
def test_any_number_decodes_as_struct_says_and_what_is_none_is_bad(
    number: tuple[RegisterType, float], order: WordOrder, scale: float, offset: float
) -> None:
    kind, raw = number
    register = Register(table="input", address=0, type=kind, order=order, scale=scale, offset=offset)
    value, quality = one(register, words_of(kind, order, raw))
    expected = float(raw) * scale + offset
    if np.isfinite(expected):
        assert (value, quality) == (expected, GOOD)
    else:
        assert np.isnan(value)
        assert quality == BAD_SENSOR_FAILURE


@pytest.mark.parametrize("kind", ["float32", "float64"])
@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_nan_and_infinity_are_bad(kind: RegisterType, number: float) -> None:
    value, quality = one(Register(table="input", address=0, type=kind), words_of(kind, "ABCD", number))
    assert np.isnan(value)
    assert quality == BAD_SENSOR_FAILURE


@pytest.mark.parametrize(
    ("kind", "pattern"),
    [
        ("uint16", 0xFFFF),
        ("int16", -32768),
        ("int32", -1),
        ("uint32", 0xFFFFFFFF),
        ("float32", -9999),
        ("uint64", 2**64 - 1),
    ],
)
def test_the_makers_not_available_is_bad_before_scale_and_offset(kind: RegisterType, pattern: int) -> None:
    register = Register(table="input", address=0, type=kind, scale=0.1, offset=5, not_available=(12345, pattern))
    value, quality = one(register, words_of(kind, "ABCD", pattern))
    assert np.isnan(value)
    assert quality == BAD_SENSOR_FAILURE
    assert one(register, words_of(kind, "ABCD", 100)) == (15.0, GOOD)


def test_not_available_goes_before_the_bit_too() -> None:
    register = Register(table="input", address=0, bit=0, not_available=(0xFFFF,))
    assert one(register, [0xFFFF])[1] == BAD_SENSOR_FAILURE
    assert one(register, [0x7FFF]) == (1.0, GOOD)


@pytest.mark.parametrize("order", ["ABCD", "BADC"])
@pytest.mark.parametrize("bit", range(16))
def test_each_bit_of_a_register(bit: int, order: WordOrder) -> None:
    register = Register(table="holding", address=0, bit=bit, order=order, scale=2, offset=1)
    for word in (1 << bit, 0xFFFF, 0xFFFF ^ 1 << bit, 0):
        expected = (word >> bit & 1) * 2 + 1
        assert one(register, words_of("uint16", order, word)) == (expected, GOOD)


def test_one_bad_value_leaves_its_neighbours_good() -> None:
    registers = [Register(table="input", address=i, type="uint16", not_available=(7,)) for i in range(3)]
    values, quality = decode(plan(registers, LIMITS), np.array([1, 7, 3], np.uint16))
    assert values.tolist()[::2] == [1, 3]
    assert quality is not None
    assert quality.dtype == np.uint16
    assert quality.tolist() == [GOOD, BAD_SENSOR_FAILURE, GOOD]


def test_a_coil_is_0_or_1() -> None:
    registers = [Register(table="coil", address=i, type="bool") for i in range(3)]
    values, quality = decode(plan(registers, LIMITS), np.array([True, False, True], np.uint16))
    assert values.tolist() == [1, 0, 1]
    assert quality is None


def test_nothing_to_read_is_no_trouble() -> None:
    values, quality = decode(plan([], LIMITS), np.zeros(0, np.uint16))
    assert (values.tolist(), quality) == ([], None)


# ---- text


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ([0x4C30, 0x312D, 0x4953, 0x4F00], "L01-ISO"),
        ([0x4C30, 0x0000, 0x4953, 0x4F00], "L0"),
        ([0x0000] * 4, ""),
        ([0x2041, 0x4220, 0x2020, 0x2020], "AB"),
        ([0xE7BB, 0x86E8, 0x839E, 0x0000], "细胞"),
        ([0x41FF, 0x4200, 0x0000, 0x0000], "A\N{REPLACEMENT CHARACTER}B"),
    ],
)
@pytest.mark.parametrize("order", ORDERS)
def test_text_ends_at_the_first_nul_and_never_raises(words: list[int], text: str, order: WordOrder) -> None:
    number = Register(table="input", address=0)
    label = Register(table="input", address=10, type="text", length=4, order=order)
    planned = plan([number, label], LIMITS)
    if order in ("BADC", "DCBA"):
        words = [(x & 0xFF) << 8 | x >> 8 for x in words]
    image = image_of(planned, {("input", 10 + i): word for i, word in enumerate(words)} | {("input", 0): 5})
    assert decode_text(planned, 1, label, image) == text
    values, quality = decode(planned, image)
    assert (values.tolist(), quality) == ([5, 0], None)


# ---- encoding


@given(numbers(), st.sampled_from(ORDERS))
def test_what_is_encoded_is_what_struct_packs(number: tuple[RegisterType, float], order: WordOrder) -> None:
    kind, raw = number
    register = Register(table="holding", address=0, type=kind, order=order)
    if kind.endswith("64") and not kind.startswith("float"):
        raw = int(float(raw))  # a double holds 53 bits
    try:
        expected = words_of(kind, order, raw)
    except struct.error:
        expected = None
    if expected is None or not np.isfinite(raw):
        with pytest.raises(ValueError, match="does not fit"):
            encode(register, float(raw))
    else:
        assert encode(register, float(raw)) == expected


@given(numbers(), st.sampled_from(ORDERS), SCALES, OFFSETS)
def test_what_is_written_is_read_back(
    number: tuple[RegisterType, float], order: WordOrder, scale: float, offset: float
) -> None:
    kind, raw = number
    register = Register(table="holding", address=0, type=kind, order=order, scale=scale, offset=offset)
    value = float(raw) * scale + offset
    assume(kind not in ("int64", "uint64") and abs(value) < 1e30)  # what a double tells apart
    held, quality = one(register, encode(register, value))
    step = abs(scale) * (1e-6 * (1 + abs(float(raw))) if kind.startswith("float") else 0.5)
    assert quality == GOOD
    assert abs(held - value) <= step + abs(offset) * 1e-6


@pytest.mark.parametrize("kind", ["bool", *NUMBERS])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf"), sys.float_info.max])
def test_what_does_not_fit_is_refused_by_name(kind: RegisterType, value: float) -> None:
    if (kind, value) == ("float64", sys.float_info.max):
        return
    with pytest.raises(ValueError, match=f"does not fit into {kind} at holding 12"):
        encode(Register(table="holding", address=12, type=kind), value)


def test_the_edges_that_fit_and_those_that_do_not() -> None:
    register = Register(table="holding", address=12, type="int16", scale=0.1)
    assert encode(register, 3276.7) == [0x7FFF]
    assert encode(register, -3276.8) == [0x8000]
    for value in (3276.8, -3276.9):
        with pytest.raises(ValueError, match="int16"):
            encode(register, value)
    largest = float(np.finfo(np.float32).max)
    assert encode(Register(table="holding", address=0, type="float32"), -largest) == [0xFF7F, 0xFFFF]
    assert encode(Register(table="coil", address=0, type="bool"), 1.0) == [1]
    assert encode(Register(table="holding", address=0, type="uint16"), 0.4) == [0]
