"""A small plant of our own for these tests: the shipped profiles, two rooms, one device of each kind. And how to wait."""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from pathlib import Path

import yaml

from drivers.profile import Profile, Text
from telemetry.plant.model import Equipment, Plant, Room, Tag
from telemetry.plant.schema import Grade, Site

PROFILES = Path(__file__).resolve().parents[2] / "config" / "profiles"
NAME = Text(en="test", zh="test")


def all_profiles() -> list[str]:
    """All that can be simulated: not the service itself."""
    names = sorted(file.stem for file in PROFILES.glob("*.yaml"))
    return [name for name in names if profile(name).protocol != "service"]


@cache
def profile(name: str) -> Profile:
    return Profile.model_validate(yaml.load((PROFILES / f"{name}.yaml").read_text("utf-8"), yaml.CSafeLoader))


def unit(
    id_: str,
    model: str | Profile,
    room: str | None = None,
    grade: Grade | None = None,
    setpoints: Mapping[str, float] | None = None,
) -> Equipment:
    model = profile(model) if isinstance(model, str) else model
    own = setpoints or {}
    tags = tuple(
        Tag(f"{id_}.{n}", id_, n, spec.model_copy(update={"setpoint": own[n]}) if n in own else spec)
        for n, spec in model.expanded().items()
    )
    address = "opc.tcp://nowhere.example:4840" if model.protocol == "opcua" else "modbus://nowhere.example:502/7"
    return Equipment(id_, model.equipment_type, NAME, "W1", "L01", room, model, address, tags, grade)


def plant(units: Iterable[Equipment], rooms: Iterable[Room] = ()) -> Plant:
    site = Site(id="test", name=NAME, timezone="UTC")
    return Plant(site, (), (), tuple(rooms), tuple(units), (), (), (), {}, {}, "")


def line() -> Plant:
    units = (
        unit("L01-ISO", "isolator-opcua", "L01-PRC", "A"),
        unit("L01-HCI", "honeycomb-opcua", "L01-PRC", "A"),
        unit("L01-PC1", "counter-lighthouse", "L01-PRC", "A"),
        unit("L01-PC2", "counter-lighthouse", "L01-PRC", "C"),
        unit("L01-PRC", "room-monitor-modbus", "L01-PRC", "C", {"pressure": 50.0}),
        unit("L01-ANT", "room-monitor-modbus", "L01-ANT", "D", {"pressure": 30.0}),
        unit("L01-BSC1", "bsc-modbus", "L01-PRC", "A"),
        unit("L01-INC1", "co2-incubator-modbus", "L01-PRC"),
        unit("L01-PB1", "pass-box-modbus", "L01-PRC"),
        unit("W1-AHU", "ahu-modbus"),
        unit("W1-BCN", "beacon-modbus"),
        unit("QC-RS2", "store-modbus", None, None, {"temperature": 5.0}),
    )
    rooms = (
        Room("L01-PRC", "W1", "L01", NAME, "C", "in operation", "L01-ANT"),
        Room("L01-ANT", "W1", "L01", NAME, "D", "in operation", None),
    )
    return plant(units, rooms)


async def until(true: Callable[[], bool], deadline_s: float = 5.0) -> float:
    """Waits until `true()` and gives how long that took; fails after `deadline_s`."""
    start_s = time.monotonic()
    while not true():
        assert time.monotonic() - start_s < deadline_s, "it did not come about in time"
        await asyncio.sleep(0.02)
    return time.monotonic() - start_s
