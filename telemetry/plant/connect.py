"""`check --connect`: asks every configured device once, and says in plain sentences what does not answer as configured."""

import asyncio
import json
import socket
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from drivers.address import shown
from drivers.device import open_device
from drivers.fleet import Fleet
from telemetry import places
from telemetry.errors import Refusal
from telemetry.plant.findings import nearest
from telemetry.plant.model import Equipment, Plant

AT_ONCE: Final = 20
"""Devices asked at a time."""
DEADLINE_S: Final = 15.0
"""A device has answered by then, or does not: connect, login, one read."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What one device gave: its findings (none: all is well), or why it was not asked."""

    device: str
    address: str
    findings: tuple[str, ...] = ()
    left_alone: str | None = None

    @property
    def sentences(self) -> tuple[str, ...]:
        if self.left_alone is not None:
            return (self.left_alone,)
        return self.findings or (f"{self.device}: all well",)


def chosen(plant: Plant, names: Iterable[str]) -> tuple[Equipment, ...]:
    """The equipment of these ids, all of it where none is named. Refuses an unknown one."""
    wanted = tuple(names)
    for name in wanted:
        if name not in plant.by_id:
            raise Refusal(f"There is no device {name}.", nearest(name, plant.by_id))
    units = tuple(plant.by_id[name] for name in dict.fromkeys(wanted)) or plant.equipment
    return tuple(unit for unit in units if unit.profile.protocol != "service")  # that is we ourselves


def address_book(file: Path | None) -> dict[str, str]:
    """Addresses in place of the configured ones, from a JSON file: device to URL."""
    if file is None:
        return {}
    try:
        book = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise Refusal(
            f"{file} is not readable as JSON ({error}).", "Name the file that `telemetry simulate` wrote."
        ) from error
    if not isinstance(book, dict) or not all(isinstance(url, str) for url in book.values()):
        raise Refusal(f"{file} is no list of addresses.", 'Write {"L01-ISO": "opc.tcp://host:4840", ...}.')
    return book


async def ask(
    units: Sequence[Equipment], addresses: Mapping[str, str], told: Callable[[int, Answer], None]
) -> list[Answer]:
    """Asks each device once, at the engine's pace and never more than `AT_ONCE`; `told` hears of each as it is done, with how
    many are. A device that bears one connection, and one on a serial line, is left alone while the engine runs, which holds it."""
    fleet, turns, held = Fleet(places.opcua_keys()), asyncio.Semaphore(AT_ONCE), engine_runs()
    answers: dict[str, Answer] = {}

    async def one(unit: Equipment) -> None:
        address = addresses.get(unit.id, unit.address)
        what = _only_one(unit, address) if held else None
        if what is not None:
            left_alone = (
                f"{unit.id} was not asked: {what}, and the running engine holds it. See its state on the page, or stop the"
                " engine first"
            )
            answer = Answer(unit.id, shown(address), left_alone=left_alone)
        else:
            async with turns:
                answer = Answer(unit.id, shown(address), await _findings(unit, address, fleet))
        answers[unit.id] = answer
        told(len(answers), answer)

    async with asyncio.TaskGroup() as tasks:
        for unit in units:
            tasks.create_task(one(unit))
    return [answers[unit.id] for unit in units]


def _only_one(unit: Equipment, address: str) -> str | None:
    """Why nobody else can speak to the device while one does; None where others can."""
    if unit.profile.server.connections == 1:
        return "it bears one connection"
    return "its serial line has one master" if urlsplit(address).scheme == "modbus-serial" else None


async def _findings(unit: Equipment, address: str, fleet: Fleet) -> tuple[str, ...]:
    try:
        device = open_device(unit.id, unit.profile, address, time.time_ns, fleet, unit.security)
        async with asyncio.timeout(DEADLINE_S):
            return await device.probe()
    except TimeoutError:
        return (f"{unit.id} at {shown(address)} did not answer everything within {DEADLINE_S:g} s",)
    except ValueError as error:  # an address that the driver cannot use
        return (str(error),)
    except Exception as error:  # one device must not end the check of the others  # noqa: BLE001
        what = f"{type(error).__name__}: {error}".rstrip(":. ")
        return (
            f"{unit.id} at {shown(address)} cannot be checked ({what}). That is a fault of this software: report it",
        )


def engine_runs() -> bool:
    """Whether an engine answers on this data folder. One on another machine cannot be seen from here."""
    with socket.socket(socket.AF_UNIX) as feed:
        feed.settimeout(1.0)
        try:
            feed.connect(str(places.feed_socket()))
        except OSError:
            return False
        return True
