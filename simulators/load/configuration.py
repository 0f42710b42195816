"""The config folder of a load plant, so that the service can be pointed at it.

Site, roles, one area with its beacon, a profile for each protocol, and the alarms that no plant can do without: a device that does
not answer. Others are for whoever tests them to add.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from drivers.frame import LARGEST_LAYOUT
from simulators.load.beacon import BEACON, COILS
from simulators.load.fleet import name_of, quantity_of
from simulators.load.nodes import NAMESPACE, NODES_PER_READ
from simulators.load.plant import Size
from simulators.load.registers import NOT_AVAILABLE
from telemetry.errors import Refusal

_NAMES: Final[Mapping[str, str]] = {"opcua": "load-opcua", "modbus": "load-modbus"}
_ROLES: Final = {
    "viewer": [],
    "operator": ["alarm.acknowledge", "annunciator.silence", "alarm.reset"],
    "administrator": ["user.manage"],
}
_SOURCE: Final = "Written by telemetry simulate --load: no real device."
TYPE: Final = "load_device"


def write_configuration(folder: Path, size: Size, addresses: Mapping[str, str]) -> None:
    """Writes the files; what of the same names was there is replaced. Refuses devices with more tags than the service allows, and
    a folder that holds another plant."""
    if size.tags > LARGEST_LAYOUT:
        raise Refusal(
            f"A device with {size.tags} tags cannot be configured: the service reads at most {LARGEST_LAYOUT} of one.",
            f"Give --tags-per-device {LARGEST_LAYOUT} or fewer, or leave --config away: the devices are served all the same.",
        )
    if folder.exists() and any(folder.iterdir()) and not (folder / "areas" / "load.yaml").exists():
        raise Refusal(
            f"The folder {folder} holds something other than a load plant.", "Give --config a new or an empty folder."
        )
    protocols = size.protocols()
    _write(folder / "plant.yaml", {"site": {"id": "load", "name": _text("Load plant", "负载测试"), "timezone": "UTC"}})
    _write(folder / "roles.yaml", {"roles": _ROLES})
    for protocol in sorted(set(protocols.values())):
        _write(folder / "profiles" / f"{_NAMES[protocol]}.yaml", _profile(protocol, size.tags))
    equipment = [
        {"id": id_, "name": _text(id_, id_), "profile": _NAMES[protocol], "address": addresses[id_]}
        for id_, protocol in protocols.items()
    ]
    equipment.append(
        {"id": BEACON, "name": _text(BEACON, BEACON), "profile": "load-beacon", "address": addresses[BEACON]}
    )
    _write(folder / "profiles" / "load-beacon.yaml", _beacon())
    lamp = {"area": "LOAD", "horn": f"{BEACON}.horn", "lamps": {1: f"{BEACON}.lamp"}}
    _write(folder / "annunciators.yaml", {"annunciators": [lamp]})
    _write(folder / "alarms" / "load.yaml", {"alarms": [_no_answer(type_) for type_ in (TYPE, "load_beacon")]})
    area = {"area": "LOAD", "name": _text("Load", "负载"), "equipment": equipment}
    _write(folder / "areas" / "load.yaml", area)


def _profile(protocol: str, tags: int) -> dict[str, Any]:
    common = {
        "profile": _NAMES[protocol],
        "name": _text("Device of the load form", "负载测试设备"),
        "equipment_type": TYPE,
        "maker": "none",
        "source": _SOURCE,
        "protocol": protocol,
        "tags": {name_of(n): _tag(protocol, n) for n in range(tags)},
    }
    if protocol == "opcua":
        common |= {"namespace": NAMESPACE, "server": {"nodes_per_read": NODES_PER_READ}}
    return common


def _tag(protocol: str, number: int) -> dict[str, Any]:
    quantity, place = quantity_of(number), name_of(number)
    n = place.removeprefix(quantity.name)
    tag = {
        "name": _text(f"{quantity.en} {n}", f"{quantity.zh} {n}"),
        "unit": quantity.unit,
        "range": list(quantity.range),
        "resolution": quantity.resolution,
    }
    if protocol == "opcua":
        return tag | {"node": f"s={place}"}
    register = {"table": "input", "address": number, "type": "int16", "scale": quantity.resolution}
    return tag | {"register": register | {"not_available": [NOT_AVAILABLE]}}


def _beacon() -> dict[str, Any]:
    return {
        "profile": "load-beacon",
        "name": _text("Beacon of the load form", "负载测试声光报警器"),
        "equipment_type": "load_beacon",
        "maker": "none",
        "source": _SOURCE,
        "protocol": "modbus",
        "tags": {
            name: {
                "name": _text(name, name),
                "kind": "boolean",
                "writable": True,
                "register": {"table": "coil", "address": n, "type": "bool"},
            }
            for n, name in enumerate(COILS)
        },
    }


def _no_answer(type_: str) -> dict[str, Any]:
    return {
        "name": "no-answer",
        "for": {"type": type_},
        "kind": "communication",
        "on_delay_s": 10,
        "priority": 4,
        "class": "diagnostic",
        "message": _text("Load device does not answer", "负载测试设备无应答"),
        "cause": _text("A fault on the wire.", "线路故障。"),
        "consequence": _text("None: it is no real device.", "无：不是真实设备。"),
        "response": _text("None.", "无。"),
        "time_to_respond_s": 3_600,
    }


def _text(en: str, zh: str) -> dict[str, str]:
    return {"en": en, "zh": zh}


def _write(file: Path, content: dict[str, Any]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=200), encoding="utf-8")
