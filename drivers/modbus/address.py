"""Where a Modbus unit is reached: the URL of a device, taken apart.

``modbus://host:port/unit`` is Modbus TCP, ``modbus-rtu://host:port/unit`` serial frames over TCP (a serial device server), and
``modbus-serial:///dev/ttyUSB0/unit?baud=19200&parity=E&stop=1`` a serial line of this machine. The defaults of a serial line
are those of the specification: 19,200 baud, even parity, one stop bit (Modbus over serial line 1.02, 2.2). A particle counter's
address may name the place that it watches: ``modbus://host:port/unit?location=7``.
"""

from dataclasses import dataclass
from typing import Final, Literal
from urllib.parse import parse_qsl, urlsplit

SCHEMES: Final = ("modbus", "modbus-rtu", "modbus-serial")
_FORMS: Final = {
    "modbus": "modbus://host:502/1",
    "modbus-rtu": "modbus-rtu://host:4001/1",
    "modbus-serial": "modbus-serial:///dev/ttyUSB0/1?baud=19200&parity=E&stop=1",
}
_ASKED: Final = {"baud": "19200", "parity": "E", "stop": "1"}
LOCATION: Final = "location"
"""What an address may say beyond the way there: the place that a particle counter watches."""


@dataclass(frozen=True, slots=True)
class Place:
    """What one connection leads to; equal places share it. baud, parity (N, E, O) and stop are those of a serial line."""

    kind: Literal["tcp", "rtu", "serial"]
    host: str
    port: int = 0
    baud: int = 19200
    parity: str = "E"
    stop: int = 1

    def __str__(self) -> str:
        return self.host if self.kind == "serial" else f"{self.host}:{self.port}"


def parse(address: str) -> tuple[Place, int]:
    """The place and the unit that `address` names. Raises ValueError that says what is wrong with it, as the end of a sentence
    that begins with the address."""
    try:
        url = urlsplit(address)
        port = url.port
    except ValueError:
        raise ValueError("has no valid port") from None
    if url.scheme not in SCHEMES:
        raise ValueError(f"does not begin with {', '.join(f'{s}://' for s in SCHEMES)}")
    if url.username is not None or url.password is not None:
        raise ValueError("holds a user or password, which do not belong into the configuration")
    host = url.hostname or ""
    path, _, unit = url.path.rstrip("/").rpartition("/")
    if url.scheme != "modbus-serial":
        if not host or any(sign.isspace() or sign in "{}" for sign in address):
            raise ValueError("names no host")
        if not port:
            raise ValueError("names no port")
    if not unit.isdecimal() or not unit.isascii() or not (int(unit) <= 247 or (url.scheme, unit) == ("modbus", "255")):
        raise ValueError(
            "names no unit from 0 to 247"
        )  # 255: the device itself, behind no gateway (Modbus TCP guide 1.0b)
    if url.scheme == "modbus-serial":
        if url.netloc or not path.strip("/"):
            raise ValueError("names no serial line")
        return _serial(path, url.query), int(unit)
    if path or {key for key, _ in parse_qsl(url.query, keep_blank_values=True)} - {LOCATION}:
        raise ValueError("has more than host, port and unit")
    return Place("tcp" if url.scheme == "modbus" else "rtu", host, port or 0), int(unit)


def form(address: str) -> str:
    """How an address of the kind that `address` seems to be is written."""
    return _FORMS.get(address.partition(":")[0].strip().lower(), _FORMS["modbus"])


def location(address: str) -> int | None:
    """The place that a particle counter watches; None where its address names none. Raises ValueError as `parse` does."""
    given = dict(parse_qsl(urlsplit(address).query, keep_blank_values=True)).get(LOCATION)
    if given is None:
        return None
    if not (given.isdecimal() and given.isascii()):
        raise ValueError(f"names {given!r} as its location, which is no number; write ?location=7")
    return int(given)


def _serial(line: str, query: str) -> Place:
    given = dict(parse_qsl(query, keep_blank_values=True))
    unknown = given.keys() - _ASKED.keys() - {LOCATION}
    if unknown:
        raise ValueError(f"asks for {', '.join(sorted(unknown))}; a serial line has baud, parity and stop")
    asked = _ASKED | given
    if not asked["baud"].isdecimal() or not 300 <= int(asked["baud"]) <= 1_000_000:
        raise ValueError(f"asks for {asked['baud']} baud; write a number from 300 to 1000000, for example 19200")
    if asked["parity"] not in ("N", "E", "O"):
        raise ValueError(f"asks for parity {asked['parity']}; write N, E or O")
    if asked["stop"] not in ("1", "2"):
        raise ValueError(f"asks for {asked['stop']} stop bits; write 1 or 2")
    return Place("serial", line, 0, int(asked["baud"]), asked["parity"], int(asked["stop"]))
