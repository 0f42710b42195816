"""Values beyond plain numbers: decimal digits, packed bits, what is not available, groups, and blocks that were refused."""

from typing import Final

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from wire import ORDERS, image_of, words_of

from drivers.profile import Register, RegisterType, ServerLimits, Table, WordOrder
from drivers.quality import BAD_CONFIGURATION_ERROR, BAD_SENSOR_FAILURE, GOOD
from drivers.registers import decode, decode_text, encode, mask_of, merged, plan
from drivers.unavailable import bits_of

LIMITS: Final = ServerLimits()


def one(register: Register, words: list[int]) -> tuple[float, int]:
    planned = plan([register], LIMITS)
    memory: dict[tuple[Table, int], int] = {(register.table, register.address + i): x for i, x in enumerate(words)}
    values, quality = decode(planned, image_of(planned, memory))
    return float(values[0]), GOOD if quality is None else int(quality[0])


# ---- decimal digits


def test_four_bits_are_a_digit() -> None:
    assert one(Register(table="input", address=0, type="bcd16", scale=0.1), [0x1234]) == (123.4, GOOD)
    assert one(Register(table="input", address=0, type="bcd32"), [0x9876, 0x5432]) == (98765432, GOOD)
    assert one(Register(table="input", address=0, type="bcd32", order="CDAB"), [0x5432, 0x9876]) == (98765432, GOOD)


@pytest.mark.parametrize("word", [0x123A, 0xA234, 0xFFFF])
def test_what_is_no_digit_is_no_number(word: int) -> None:
    value, quality = one(Register(table="input", address=0, type="bcd16"), [word])
    assert np.isnan(value)
    assert quality == BAD_SENSOR_FAILURE


@given(st.integers(0, 99_999_999), st.sampled_from(ORDERS))
def test_digits_are_written_as_they_are_read(number: int, order: WordOrder) -> None:
    register = Register(table="holding", address=0, type="bcd32", order=order)
    words = words_of("uint32", order, int(str(number), 16))
    assert encode(register, number) == words
    assert one(register, words) == (number, GOOD)


@pytest.mark.parametrize("value", [-1, 10_000])
def test_more_than_the_digits_hold_is_refused(value: int) -> None:
    with pytest.raises(ValueError, match="bcd16"):
        encode(Register(table="holding", address=0, type="bcd16"), value)


# ---- packed bits


def test_minutes_and_seconds_packed_in_bytes() -> None:
    """MET ONE 6000: MM:SS, a byte each."""
    minutes = Register(table="holding", address=105, bit=8, width=8)
    seconds = Register(table="holding", address=105, bit=0, width=8)
    values, quality = decode(plan([minutes, seconds], LIMITS), np.array([0x0A1E], np.uint16))
    assert (values.tolist(), quality) == ([10, 30], None)


@given(st.integers(0, 31), st.integers(1, 32), st.integers(0, 2**32 - 1), st.sampled_from(ORDERS))
def test_any_bits_of_two_registers(bit: int, width: int, raw: int, order: WordOrder) -> None:
    width = min(width, 32 - bit)
    register = Register(table="holding", address=0, type="uint32", order=order, bit=bit, width=width)
    expected = int(f"{raw:032b}"[::-1][bit : bit + width][::-1], 2)
    assert one(register, words_of("uint32", order, raw)) == (expected, GOOD)


@given(st.integers(0, 15), st.integers(1, 16), st.integers(0, 0xFFFF), st.data())
def test_bits_are_set_among_their_neighbours(bit: int, width: int, held: int, data: st.DataObject) -> None:
    width = min(width, 16 - bit)
    value = data.draw(st.integers(0, 2**width - 1))
    register = Register(table="holding", address=0, bit=bit, width=width)
    (word,) = merged(register, [held], value)
    (mask,) = mask_of(register)
    assert word & ~mask == held & ~mask
    assert one(register, [word]) == (value, GOOD)
    assert encode(register, value) == [word & mask]


def test_a_value_wider_than_its_bits_is_refused() -> None:
    with pytest.raises(ValueError, match="does not fit"):
        encode(Register(table="holding", address=0, bit=3, width=2), 4)


# ---- not available


@pytest.mark.parametrize(
    ("kind", "pattern", "words"),
    [
        ("int16", 0x8000, [0x8000]),
        ("int16", -0x8000, [0x8000]),
        ("uint16", 0xFFFF, [0xFFFF]),
        ("int32", 0x80000000, [0x8000, 0x0000]),
        ("uint32", 0xFFFFFFFF, [0xFFFF, 0xFFFF]),
        ("int64", 0x8000000000000000, [0x8000, 0, 0, 0]),
        ("float32", 0x80000000, [0x8000, 0x0000]),
        ("float32", 0x7F7FFFFF, [0x7F7F, 0xFFFF]),
        ("float32", -9999, [0xC61C, 0x3C00]),
        ("float32", -9999.0, [0xC61C, 0x3C00]),
        ("float64", 9.96921e36, words_of("float64", "ABCD", 9.96921e36)),
        ("bcd16", 0x9999, [0x9999]),
        ("bcd16", 9999, [0x9999]),
        ("bcd16", 0xFFFF, [0xFFFF]),
        ("bcd32", 99_999_999, [0x9999, 0x9999]),
    ],
)
@pytest.mark.parametrize("order", ORDERS)
def test_what_a_maker_shows_for_no_value_is_compared_in_bits_or_as_a_number(
    kind: RegisterType, pattern: float, words: list[int], order: WordOrder
) -> None:
    pairs = [word.to_bytes(2, "big") for word in words]
    if order in ("CDAB", "DCBA"):
        pairs.reverse()
    if order in ("BADC", "DCBA"):
        pairs = [pair[::-1] for pair in pairs]
    register = Register(table="input", address=0, type=kind, order=order, scale=0.1, not_available=(pattern,))
    value, quality = one(register, [int.from_bytes(pair, "big") for pair in pairs])
    assert np.isnan(value)
    assert quality == BAD_SENSOR_FAILURE
    assert one(register, [0] * len(words))[1] == GOOD


def test_a_large_float_near_the_pattern_is_a_value() -> None:
    register = Register(table="input", address=0, type="float32", not_available=(0x7F7FFFFF,))
    assert one(register, [0x7F7F, 0xFFFE])[1] == GOOD


def test_what_cannot_occur_has_no_bits() -> None:
    def bits(kind: RegisterType, pattern: float) -> set[int]:
        return {found for found, _ in bits_of(Register(table="input", address=0, type=kind), pattern)}

    assert bits("int16", 0x18000) == set()
    assert bits("uint16", 0.5) == set()
    assert bits("float32", 0.5) == {0x3F000000}
    assert bits("float32", float("inf")) == {0x7F800000}
    assert bits("bcd16", 0x18000) == set()


@pytest.mark.parametrize("order", ORDERS)
def test_packed_bits_are_not_available_by_themselves(order: WordOrder) -> None:
    """A byte of 0xFF is none, whatever the byte beside it; a pattern too wide for the bits is of the whole register."""
    high = Register(table="input", address=0, bit=8, width=8, order=order, not_available=(0xFF, 0x1234))
    low = Register(table="input", address=0, bit=0, width=8, order=order)
    swapped = order in ("BADC", "DCBA")
    for word, none in ((0xFF07, True), (0x07FF, False), (0x1234, True), (0x1235, False)):
        sent = (word & 0xFF) << 8 | word >> 8 if swapped else word
        values, quality = decode(plan([high, low], LIMITS), np.array([sent], np.uint16))
        assert values[1] == word & 0xFF
        assert (quality is not None and quality.tolist() == [BAD_SENSOR_FAILURE, GOOD]) is none
        assert none or values[0] == word >> 8


# ---- yes and no


@pytest.mark.parametrize(("word", "value"), [(0, 0), (1, 1), (5, 1), (0xFF00, 1)])
def test_a_bool_in_a_register_is_0_or_1(word: int, value: float) -> None:
    assert one(Register(table="holding", address=0, type="bool"), [word]) == (value, GOOD)
    with pytest.raises(ValueError, match="does not fit into bool"):
        encode(Register(table="holding", address=0, type="bool"), 5)


def test_a_bool_may_be_not_available() -> None:
    register = Register(table="holding", address=0, type="bool", not_available=(0xFFFF,))
    assert one(register, [0xFFFF])[1] == BAD_SENSOR_FAILURE
    assert one(register, [2]) == (1.0, GOOD)


# ---- too large


def test_a_whole_number_that_its_scale_makes_endless_is_bad() -> None:
    register = Register(table="input", address=0, type="uint64", scale=1e300)
    with np.errstate(over="ignore"):
        value, quality = one(register, [0xFFFF] * 4)
    assert np.isnan(value)
    assert quality == BAD_SENSOR_FAILURE
    assert one(register, [0, 0, 0, 2]) == (2e300, GOOD)


def test_some_of_many_are_not_available() -> None:
    registers = [
        Register(table="input", address=i, type="int16", not_available=(0x8000,) if i % 3 == 0 else ())
        for i in range(7)
    ]
    values, quality = decode(plan(registers, LIMITS), np.array([0x8000] * 5 + [7, 8], np.uint16))
    assert quality is not None
    assert (quality != GOOD).tolist() == [True, False, False, True, False, False, False]
    assert values[[1, 2, 4, 5, 6]].tolist() == [-32768, -32768, -32768, 7, 8]


# ---- groups and refused blocks


def test_a_group_is_read_in_one_request_whatever_lies_between() -> None:
    registers = [
        Register(table="input", address=0),
        Register(table="input", address=2, group="air"),
        Register(table="input", address=5, group="air"),
        Register(table="input", address=9),
    ]
    blocks = plan(registers, LIMITS).blocks
    assert [(b.address, b.count) for b in blocks] == [(0, 1), (2, 4), (9, 1)]
    full = plan([*registers[:1], *registers[1:]], ServerLimits(registers_per_read=4, read_holes=True)).blocks
    assert [(b.address, b.count) for b in full] == [(0, 1), (2, 4), (9, 1)]


def test_a_refused_block_makes_its_own_values_bad_and_no_others() -> None:
    registers = [Register(table="input", address=a, type="uint32") for a in (0, 10, 12, 20)]
    label = Register(table="input", address=30, type="text", length=2)
    planned = plan([*registers, label], LIMITS)
    assert len(planned.blocks) == 4
    image = np.array([0, 1, 0, 2, 0, 3, 0, 4, 0x4142, 0], np.uint16)
    values, quality = decode(planned, image, {1: BAD_CONFIGURATION_ERROR})
    assert quality is not None
    assert quality.tolist() == [GOOD, BAD_CONFIGURATION_ERROR, BAD_CONFIGURATION_ERROR, GOOD, GOOD]
    assert values[[0, 3]].tolist() == [1, 4]
    assert np.isnan(values[[1, 2]]).all()
    assert decode_text(planned, 4, label, image) == "AB"


def test_a_refused_block_without_values_leaves_all_good() -> None:
    planned = plan([Register(table="input", address=0), Register(table="coil", address=0, type="bool")], LIMITS)
    assert decode(planned, np.zeros(2, np.uint16), {5: BAD_CONFIGURATION_ERROR})[1] is None
