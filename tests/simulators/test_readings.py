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
from simulators.faces.encoding import value_of, words_of
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


def test_what_is_not_available() -> None:
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
