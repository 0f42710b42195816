"""Addresses of Modbus units: what each form means, and what is said of one that is wrong."""

import pytest

from drivers.address import shown
from drivers.modbus.address import Place, form, location, parse


@pytest.mark.parametrize(
    ("address", "place", "unit"),
    [
        ("modbus://10.0.0.5:502/7", Place("tcp", "10.0.0.5", 502), 7),
        ("modbus://meter.example:1502/255/", Place("tcp", "meter.example", 1502), 255),
        ("modbus://[::1]:502/0", Place("tcp", "::1", 502), 0),
        ("modbus://10.0.0.5:502/7?location=12", Place("tcp", "10.0.0.5", 502), 7),
        ("modbus-rtu://10.0.0.5:4001/247", Place("rtu", "10.0.0.5", 4001), 247),
        ("modbus-serial:///dev/ttyUSB0/3", Place("serial", "/dev/ttyUSB0", 0, 19200, "E", 1), 3),
        (
            "modbus-serial:///dev/pts/4/3?baud=9600&parity=N&stop=2&location=1",
            Place("serial", "/dev/pts/4", 0, 9600, "N", 2),
            3,
        ),
    ],
)
def test_each_form(address: str, place: Place, unit: int) -> None:
    assert parse(address) == (place, unit)


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("opc.tcp://10.0.0.5:4840", "does not begin with modbus://"),
        ("modbus://10.0.0.5:99999/1", "no valid port"),
        ("modbus://10.0.0.5/1", "names no port"),
        ("modbus:///1", "names no host"),
        ("modbus://ho st:502/1", "names no host"),
        ("modbus://10.0.0.5:502", "names no unit"),
        ("modbus://10.0.0.5:502/248", "names no unit from 0 to 247"),
        ("modbus-rtu://10.0.0.5:4001/255", "names no unit from 0 to 247"),
        ("modbus://10.0.0.5:502/²", "names no unit"),
        ("modbus://user:word@10.0.0.5:502/1", "user or password"),
        ("modbus://10.0.0.5:502/a/1", "more than host, port and unit"),
        ("modbus://10.0.0.5:502/1?baud=9600", "more than host, port and unit"),
        ("modbus-serial:///1", "names no serial line"),
        ("modbus-serial://host/dev/ttyUSB0/1", "names no serial line"),
        ("modbus-serial:///dev/ttyUSB0/1?speed=9600", "asks for speed"),
        ("modbus-serial:///dev/ttyUSB0/1?baud=fast", "asks for fast baud"),
        ("modbus-serial:///dev/ttyUSB0/1?parity=even", "asks for parity even"),
        ("modbus-serial:///dev/ttyUSB0/1?stop=3", "asks for 3 stop bits"),
    ],
)
def test_what_is_wrong_is_said(address: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        parse(address)


def test_the_location_of_a_counter() -> None:
    assert location("modbus://10.0.0.5:502/7") is None
    assert location("modbus://10.0.0.5:502/7?location=12") == 12
    with pytest.raises(ValueError, match="location, which is no number"):
        location("modbus://10.0.0.5:502/7?location=L7")


def test_a_place_is_shown_as_one_would_write_it() -> None:
    assert str(parse("modbus://10.0.0.5:502/7")[0]) == "10.0.0.5:502"
    assert str(parse("modbus-serial:///dev/ttyUSB0/3")[0]) == "/dev/ttyUSB0"


def test_a_wrong_address_is_met_with_the_form_of_its_own_kind() -> None:
    assert form("modbus-serial:/dev/ttyUSB0").startswith("modbus-serial:///dev/ttyUSB0/1?baud=")
    assert form("modbus-rtu://host/1") == "modbus-rtu://host:4001/1"
    assert form("10.0.0.5") == "modbus://host:502/1"


def test_a_password_in_an_address_is_not_shown() -> None:
    assert shown("opc.tcp://u:se/c@ret@h:4840/x") == "opc.tcp://***@h:4840/x"
    assert shown("modbus-serial:///dev/ttyUSB0/3") == "modbus-serial:///dev/ttyUSB0/3"
