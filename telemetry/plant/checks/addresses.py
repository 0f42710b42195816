"""Addresses of devices: a scheme that fits the protocol, a host, a port, a unit where Modbus needs one, and no two alike."""

from typing import Final
from urllib.parse import urlsplit

from drivers.modbus.address import FORM as MODBUS_FORM
from drivers.modbus.address import location, parse
from telemetry.plant.checks.whole import Whole, at

FORM: Final = {"opcua": "opc.tcp://host:4840", "modbus": MODBUS_FORM}


def check(whole: Whole) -> None:
    owners: dict[object, str] = {}
    for unit in whole.plant.equipment:
        place = at(whole.origins.equipment[unit.id], "address")
        protocol = unit.profile.protocol
        mistake = fault(unit.address, protocol)
        if mistake is not None:
            right = f"Profile {unit.profile.profile} speaks {protocol}: write {FORM[protocol]}."
            whole.wrong(place, f"the address {unit.address} {mistake}", right)
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


def fault(address: str, protocol: str) -> str | None:
    """What is wrong with a device's address for a protocol (``opcua``, ``modbus``); None when nothing is."""
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
