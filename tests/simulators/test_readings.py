"""What the sensors show, and the simulators' own register encoding."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_plant import profile

from drivers.profile import Register, ServerLimits
from drivers.quality import BAD_SENSOR_FAILURE
from drivers.registers import decode, plan
from simulators.faces.encoding import value_of, words_of, words_of_text
from simulators.readings import Readings


def readings(**noise: float) -> tuple[Readings, np.random.Generator]:
    rng = np.random.default_rng(1)
    return Readings(profile("room-monitor-modbus").expanded(), noise, rng), rng


def test_a_reading_has_the_resolution_and_the_range_of_its_instrument() -> None:
    shown, rng = readings()
    shown.update({"air_changes": 30.04, "pressure": -350.0, "occupancy": 2.0, "door": 1.0}, 5, rng)
    values = dict(zip(shown.names, shown.values.tolist(), strict=True))
    assert values["air_changes"] == pytest.approx(30.0)
    assert values["pressure"] == -100.0
    assert (values["occupancy"], values["door"]) == (2.0, 1.0)
    assert shown.time_of(0) == 5


def test_noise_has_the_given_width_and_spares_what_is_counted() -> None:
    shown, rng = readings(temperature=0.5, occupancy=0.5)
    found = []
    for _ in range(2000):
        shown.update({"temperature": 22.0, "occupancy": 2.0}, 1, rng)
        found.append(shown.values.copy())
    spread = np.std(found, axis=0)
    assert spread[shown.index["temperature"]] == pytest.approx(0.5, rel=0.1)
    assert spread[shown.index["occupancy"]] == 0


def test_a_frozen_sensor_keeps_value_and_time_and_the_others_live() -> None:
    shown, rng = readings()
    shown.update({"temperature": 20.0, "humidity": 50.0}, 1, rng)
    mask = np.zeros(len(shown.names), np.bool_)
    mask[shown.index["temperature"]] = True
    shown.freeze(mask)
    shown.update({"temperature": 25.0, "humidity": 55.0}, 2, rng)
    t, h = shown.index["temperature"], shown.index["humidity"]
    assert (shown.values[t], shown.time_of(t)) == (pytest.approx(20.0, abs=0.06), 1)
    assert (shown.values[h], shown.time_of(h)) == (55.0, 2)
    shown.fail(mask)
    assert (shown.quality[t], shown.quality[h]) == (BAD_SENSOR_FAILURE, 0)


@pytest.mark.parametrize(
    ("order", "words"),
    [
        ("ABCD", [0xC2F6, 0xE666]),
        ("CDAB", [0xE666, 0xC2F6]),
        ("BADC", [0xF6C2, 0x66E6]),
        ("DCBA", [0x66E6, 0xF6C2]),
    ],
)
def test_a_float_in_each_order(order: str, words: list[int]) -> None:
    """-123.45 is what register 7938 of a Vaisala HPP272 holds, for proving the order."""
    register = Register(table="input", address=0, type="float32", order=order)  # pyright: ignore[reportArgumentType]
    assert words_of(register, -123.45) == words
    assert value_of(register, words) == pytest.approx(-123.45)


def test_packed_bits_digits_and_texts() -> None:
    minutes = Register(table="holding", address=107, bit=8, width=8)
    assert words_of(minutes, 59.0) == [0x3B00] and value_of(minutes, [0x3B07]) == 59.0
    flag = Register(table="holding", address=0, type="uint32", order="CDAB", bit=17)
    assert words_of(flag, 1.0) == [0, 2] and value_of(flag, [0, 3]) == 1.0
    digits = Register(table="holding", address=0, type="bcd32", scale=0.1)
    assert words_of(digits, 123456.7) == [0x0123, 0x4567]
    assert value_of(digits, [0x0123, 0x4567]) == pytest.approx(123456.7)
    with pytest.raises(ValueError, match="invalid literal"):
        value_of(digits, [0x0A23, 0x4567])
    assert words_of(Register(table="input", address=0, type="bcd16"), -5.0) == [0]
    text = Register(table="input", address=0, type="text", length=3, order="BADC")
    assert words_of_text(text, "-123.45") == [0x312D, 0x3332, 0x342E]


def test_what_is_not_available() -> None:
    assert words_of(Register(table="input", address=0, type="int16", not_available=(0x8000,)), 3.0, False) == [0x8000]
    bits = Register(table="input", address=0, type="float32", not_available=(0x7FA00000,))
    assert words_of(bits, 3.0, good=False) == [0x7FA0, 0]
    number = Register(table="input", address=0, type="float32", not_available=(-9999,))
    assert value_of(number, words_of(number, 3.0, good=False)) == -9999.0
    signed = Register(table="input", address=0, type="int16", scale=0.1, not_available=(-32768,))
    assert words_of(signed, 22.0, good=False) == [0x8000]
    assert words_of(signed, 22.0) == [220]
    assert words_of(signed, 1e9) == [0x7FFF]
    real = Register(table="input", address=0, type="float32")
    assert math.isnan(value_of(real, words_of(real, 1.0, good=False)))


@settings(max_examples=80, deadline=None)
@given(
    st.sampled_from(["int16", "uint16", "int32", "uint32", "int64", "uint64", "float32", "float64"]),
    st.sampled_from(["ABCD", "CDAB", "BADC", "DCBA"]),
    st.integers(-30_000, 30_000),
    st.sampled_from([1.0, 0.1, 2.5]),
    st.sampled_from([0.0, -17.5, 100.0]),
)
def test_the_drivers_read_what_the_simulators_write(
    type_: str, order: str, raw: int, scale: float, offset: float
) -> None:
    raw = abs(raw) if type_.startswith("u") else raw
    register = Register.model_validate(
        {"table": "input", "address": 3, "type": type_, "order": order, "scale": scale, "offset": offset}
    )
    value = raw * scale + offset
    words = words_of(register, value)
    seen, quality = decode(plan([register], ServerLimits()), np.array(words, np.uint16))
    assert quality is None
    assert seen[0] == pytest.approx(value, rel=1e-6, abs=1e-3)
    assert value_of(register, words) == pytest.approx(value, rel=1e-6, abs=1e-3)
