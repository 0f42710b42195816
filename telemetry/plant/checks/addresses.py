"""Addresses of devices: a scheme that fits the protocol, a host, a port, a unit where Modbus needs one, and no two alike."""

from typing import Final
from urllib.parse import urlsplit

from telemetry.plant.checks.whole import Whole, at

FORM: Final = {"opcua": "opc.tcp://host:4840", "modbus": "modbus://host:502/1"}
SCHEME: Final = {"opcua": "opc.tcp", "modbus": "modbus"}


def check(whole: Whole) -> None:
    owners: dict[str, str] = {}
    for unit in whole.plant.equipment:
        place = at(whole.origins.equipment[unit.id], "address")
        protocol = unit.profile.protocol
        mistake = fault(unit.address, protocol)
        if mistake is not None:
            right = f"Profile {unit.profile.profile} speaks {protocol}: write {FORM[protocol]}."
            whole.wrong(place, f"the address {unit.address} {mistake}", right)
            continue
        owner = owners.setdefault(unit.address.lower().rstrip("/"), unit.id)
        if owner != unit.id:
            what = f"{unit.id} has the same address as {owner}: {unit.address}"
            whole.wrong(place, what, "Give each device its own; behind a gateway the unit tells them apart.")


def fault(address: str, protocol: str) -> str | None:
    """What is wrong with a device's address for a protocol (``opcua``, ``modbus``); None when nothing is."""
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:
        return "has no valid port"
    if parts.scheme != SCHEME[protocol]:
        return f"does not begin with {SCHEME[protocol]}://"
    if not parts.hostname or any(sign.isspace() or sign in "{}" for sign in address):
        return "names no host"
    if parts.username is not None or parts.password is not None:
        return "holds a user or password, which do not belong into the configuration"
    if not port:
        return "names no port"
    if protocol == "modbus":
        unit = parts.path.strip("/")
        if not unit.isdecimal() or int(unit) > 247:
            return "names no unit from 0 to 247"
    return None
