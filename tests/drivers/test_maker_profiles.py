"""The makers' profiles against words written down by hand from the makers' maps: never by an encoder of ours.

Each image says in a comment which bytes stand for which number; floats were taken apart by hand or come from the manual's own
example. The server is pymodbus', strict: an address that the map does not have is exception 2.
"""

from dataclasses import dataclass

import numpy as np
import pytest

from drivers.frame import Scan
from drivers.profile import Table
from drivers.quality import (
    BAD_CONFIGURATION_ERROR,
    BAD_DEVICE_FAILURE,
    BAD_OUT_OF_SERVICE,
    BAD_SENSOR_FAILURE,
    BAD_WAITING_FOR_INITIAL_DATA,
    UNCERTAIN_SENSOR_NOT_ACCURATE,
)
from tests.drivers.words import Words, by_name, played, polled, reasons, scanned

# Vaisala HPP272, test value registers 7937 to 7943: -12345 is CFC7; -123.45f is C2F6E666, low word first; "-123.45" in ASCII.
PROOF = {7936: 0xCFC7, 7937: 0xE666, 7938: 0xC2F6, 7939: 0x2D31, 7940: 0x3233, 7941: 0x2E34, 7942: 0x3500}
# The guide's own example of H2O2: words D47A 43E8, 465.66 ppm. 40.0f = 42200000, 25.5f = 41CC0000, 100.0f = 42C80000.
HPP272 = PROOF | {
    0: 0xD47A, 1: 0x43E8, 2: 0x0000, 3: 0x4220, 4: 0x0000, 5: 0x41CC, 6: 0x0000, 7: 0x4220,
    512: 0x0000, 528: 0, 529: 0, 530: 0, 531: 0, 546: 0x0000, 547: 0x42C8,
}  # fmt: skip
HPP272_VALUES = {"h2o2": 465.66, "saturation": 40.0, "temperature": 25.5, "humidity": 40.0, "vitality": 100.0}
# HMT330: 46.25f = 42390000 (46.25 = 1.4453125 * 2^5), 22.5f = 41B40000, 10.125f = 41220000; 513 reads 1: no errors.
HMT330 = {0: 0x0000, 1: 0x4239, 2: 0x0000, 3: 0x41B4, 6: 0x0000, 7: 0x4122, 512: 1}


@dataclass(frozen=True)
class Case:
    name: str
    image: dict[Table, dict[int, int]]
    values: dict[str, float]


CASES = (
    Case("vaisala-hpp272-modbus", {"holding": HPP272}, HPP272_VALUES),
    Case("vaisala-hmt330-modbus", {"holding": HMT330}, {"humidity": 46.25, "temperature": 22.5, "dew_point": 10.125}),
    # EE610: 1215 (0x4BE) is -12.5 Pa, C1480000 with the byte pairs swapped.
    Case("ee-ee610-modbus", {"input": {0x4BE: 0x0000, 0x4BF: 0xC148}}, {"pressure": -12.5}),
    # EE310: 0x3FC 46.25 %, 0x3EA 22.5 degC, 0x450 10.125 degC.
    Case(
        "ee-ee310-modbus",
        {"input": {0x3FC: 0x0000, 0x3FD: 0x4239, 0x3EA: 0x0000, 0x3EB: 0x41B4, 0x450: 0x0000, 0x451: 0x4122}},
        {"humidity": 46.25, "temperature": 22.5, "dew_point": 10.125},
    ),
    # DPT-Dual-MOD: 3x0002 = 125 Pa; 3x0003 = -20 Pa, two's complement FFEC.
    Case("hk-dpt-dual-modbus", {"input": {1: 125, 2: 0xFFEC}}, {"pressure_a": 125.0, "pressure_b": -20.0}),
    # RPC30: 0.0602 inH2O = 602 (15.0 Pa); 700 cfm = 1189.3 m3/h; 25.3 ACH; 52 %RH; 71.6 degF = 22 degC; 650 cfm; door 2: open;
    # 13 is 1: occupied. Numbers 5, 8 to 12 are not there.
    Case(
        "tsi-rpc30-modbus",
        {"input": {0: 602, 1: 700, 2: 253, 3: 52, 4: 716, 6: 650, 7: 2, 13: 1}},
        {"pressure": 14.995, "airflow": 1189.31, "air_changes": 25.3, "humidity": 52, "temperature": 22.0,
         "exhaust_airflow": 1104.36, "door": 1, "occupied": 1},
    ),
    # RMS-LOG, word swap: the manual shows 45.0 (42340000) as 3442 0000. And 22.5 (41B40000) as B441 0000.
    Case(
        "rotronic-rms-log-modbus",
        {"input": {1000: 0x3442, 1001: 0x0000, 1002: 0xB441, 1003: 0x0000}},
        {"humidity": 45.0, "temperature": 22.5},
    ),
    # ebm-papst: D010 = 43200 of 64000 at nMax 2000: 1350 1/min; D011: 0x0090 blocked and fan bad; D012 bit 9: slow; D001 = 43200.
    Case(
        "ebmpapst-fan-modbus",
        {"input": {0xD010: 43200, 0xD011: 0x0090, 0xD012: 0x0200}, "holding": {0xD001: 43200}},
        {"speed": 1350.0, "fault": 1, "blocked": 1, "motor_hot": 0, "undervoltage": 0, "warnings": 512, "speed_setting": 1350.0},
    ),
    # Hettcube: 37.2 degC = 372; door open; alarm bits 0 (door) and 2 (lower temperature).
    Case("hettich-hettcube-modbus", {"input": {0: 372, 3: 1, 4: 0b101}}, {"temperature": 37.2, "door": 1, "alarm_bits": 5}),
    # Incubator: the same map, and floats with the low word first on the gateway: 36.96875 = 4213E000, 5.0 = 40A00000,
    # 18.5 = 41940000.
    Case(
        "co2-incubator-modbus",
        {"input": dict.fromkeys(range(23), 0) | {0: 372, 10: 0xE000, 11: 0x4213, 13: 0x40A0, 15: 0x4194, 16: 931}},
        {"temperature": 37.2, "temperature_monitor": 36.96875, "co2": 5.0, "o2": 18.5, "humidity": 93.1},
    ),
)  # fmt: skip


def read(scan: Scan) -> bool:
    return scan.failure is None


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_a_makers_map_is_read_as_the_manual_says(case: Case) -> None:
    async with played(case.name, Words(case.image)) as device:
        scan = await scanned(device, read)
        assert scan.findings == () and polled(scan).quality is None
        found = by_name(polled(scan))
        assert {name: found[name] for name in case.values} == pytest.approx(case.values, abs=0.006)


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (2, UNCERTAIN_SENSOR_NOT_ACCURATE),
        (32, BAD_OUT_OF_SERVICE),
        (128, BAD_SENSOR_FAILURE),
        (256, BAD_WAITING_FOR_INITIAL_DATA),
        (2 | 32, BAD_OUT_OF_SERVICE),
    ],
)
async def test_a_peroxide_reading_locked_or_unreliable_is_not_good(status: int, reason: int) -> None:
    async with played("vaisala-hpp272-modbus", Words({"holding": HPP272 | {528: status}})) as device:
        frame = polled(await scanned(device, read))
        assert reasons(frame) == {"h2o2": reason}
        locked = np.isnan(by_name(frame)["h2o2"])
        assert locked == (reason >= 0x8000)
        assert by_name(frame)["temperature"] == 25.5 and by_name(frame)["h2o2_status"] == status


async def test_a_status_that_is_not_one_is_a_fault_of_the_whole_transmitter() -> None:
    async with played("vaisala-hmt330-modbus", Words({"holding": HMT330 | {512: 0}})) as device:
        frame = polled(await scanned(device, read))
        assert reasons(frame) == dict.fromkeys(("humidity", "temperature", "dew_point"), BAD_DEVICE_FAILURE)


async def test_a_float_that_is_none_is_bad_and_no_number() -> None:
    async with played("vaisala-hmt330-modbus", Words({"holding": HMT330 | {2: 0x0000, 3: 0x7FC0}})) as device:
        frame = polled(await scanned(device, read))
        assert reasons(frame) == {"temperature": BAD_SENSOR_FAILURE}
        assert np.isnan(by_name(frame)["temperature"])


async def test_an_incubators_failed_main_sensor_is_not_its_temperature() -> None:
    async with played("hettich-hettcube-modbus", Words({"input": {0: 372, 3: 0, 4: 1 << 5}})) as device:
        assert reasons(polled(await scanned(device, read))) == {"temperature": BAD_SENSOR_FAILURE}


async def test_a_probe_of_the_other_word_order_gives_no_number_and_one_sentence() -> None:
    swapped = HPP272 | {7937: 0xC2F6, 7938: 0xE666}
    async with played("vaisala-hpp272-modbus", Words({"holding": swapped})) as device:
        scan = await scanned(device, lambda scan: "7938" in str(scan.failure))
        assert set(reasons(polled(scan)).values()) == {BAD_CONFIGURATION_ERROR}
        assert np.isnan(polled(scan).values).all()
