"""Addresses of devices: a scheme that fits the protocol, a host, a port, a unit where Modbus needs one, no two alike, and one way
of speaking on each line and port."""

from typing import Final
from urllib.parse import urlsplit

from drivers.address import shown
from drivers.modbus.address import Place, form, location, parse
from telemetry.plant.checks.whole import Whole, at
from telemetry.plant.model import Equipment

OPCUA_FORM: Final = "opc.tcp://host:4840"
SERVICE: Final = "service:"


def check(whole: Whole) -> None:
    owners: dict[object, str] = {}
    roads: dict[tuple[str, int], tuple[str, Place]] = {}
    for unit in whole.plant.equipment:
        place = at(whole.origins.equipment[unit.id], "address")
        protocol = unit.profile.protocol
        mistake = fault(unit.address, protocol)
        if mistake is not None:
            written = form(unit.address) if protocol == "modbus" else SERVICE if protocol == "service" else OPCUA_FORM
            right = f"Profile {unit.profile.profile} speaks {protocol}: write {written}."
            whole.wrong(place, f"the address {shown(unit.address)} {mistake}", right)
            continue
        if protocol == "modbus" and location(unit.address) is not None and unit.profile.machine is None:
            what = (
                f"the address of {unit.id} names a location, but profile {unit.profile.profile} is no particle counter"
            )
            whole.wrong(
                place, what, "Remove ?location= from the address; only a counter's records say where they were taken."
            )
            continue
        way = parse(unit.address) if protocol == "modbus" else unit.address.lower().rstrip("/")
        owner = owners.setdefault(way, unit.id)
        if owner != unit.id:
            what = f"{unit.id} has the same address as {owner}: {unit.address}"
            whole.wrong(place, what, "Give each device its own; behind a gateway the unit tells them apart.")
        if protocol == "modbus":
            _one_way(whole, unit, parse(unit.address)[0], roads)


def _one_way(whole: Whole, unit: Equipment, way: Place, roads: dict[tuple[str, int], tuple[str, Place]]) -> None:
    """A line has one speed, and a port carries one kind of frames: with two of them neither device could be read."""
    owner, before = roads.setdefault((way.host, way.port), (unit.id, way))
    if before == way:
        return
    if way.kind == "serial":
        what = f"{unit.id} and {owner} are on the line {way}, one at {_speed(way)}, the other at {_speed(before)}"
        right = "A line has one speed, parity and number of stop bits: correct one of the two addresses."
    else:
        what = f"{unit.id} and {owner} are at {way}, one by modbus://, the other by modbus-rtu://"
        right = "A port speaks one of the two: modbus-rtu:// for serial frames over TCP, else modbus://."
    whole.wrong(at(whole.origins.equipment[unit.id], "address"), what, right)


def _speed(way: Place) -> str:
    return f"{way.baud} baud, parity {way.parity}, {way.stop} stop bit{'s' if way.stop > 1 else ''}"


def fault(address: str, protocol: str) -> str | None:
    """What is wrong with a device's address for a protocol (``opcua``, ``modbus``, ``service``); None when nothing is."""
    if protocol == "service":
        return None if address == SERVICE else "does not mean the service itself"
    return _modbus(address) if protocol == "modbus" else _opcua(address)


def _modbus(address: str) -> str | None:
    try:
        parse(address)
        location(address)
    except ValueError as error:
        return str(error)
    return None


def _opcua(address: str) -> str | None:
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:
        return "has no valid port"
    if parts.scheme != "opc.tcp":
        return "does not begin with opc.tcp://"
    if not parts.hostname or any(sign.isspace() or sign in "{}" for sign in address):
        return "names no host"
    if parts.username is not None or parts.password is not None:
        return "holds a user or password, which do not belong into the configuration"
    return None if port else "names no port"
