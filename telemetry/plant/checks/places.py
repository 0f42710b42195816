"""Areas, rooms and equipment: known to each other, and a pressure cascade that falls from clean to less clean air."""

import re
from collections.abc import Iterator
from typing import Final
from zoneinfo import ZoneInfo, available_timezones

from telemetry.plant.checks.whole import Whole, at
from telemetry.plant.findings import nearest
from telemetry.plant.model import Room

GRADES: Final = ("A", "B", "C", "D", "CNC")
"""From the cleanest air to controlled, not classified."""

_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")


def check(whole: Whole) -> None:
    _timezone(whole)
    _identifiers(whole)
    _rooms_of_equipment(whole)
    _cascade(whole)


def _timezone(whole: Whole) -> None:
    if whole.files.plant is None:
        return
    site, document = whole.files.plant
    try:
        ZoneInfo(site.site.timezone)
    except (KeyError, ValueError, OSError):
        known = available_timezones()
        if known:
            spot = (document, ("site", "timezone"))
            whole.wrong(spot, f"{site.site.timezone} is not a time zone", nearest(site.site.timezone, known))


def _identifiers(whole: Whole) -> None:
    for kind, places in (("room", whole.origins.rooms), ("equipment", whole.origins.equipment)):
        for name, place in places.items():
            if not _ID.fullmatch(name) and "{" not in name:
                right = "Use letters, digits, - and _ only: L03-ISO. A dot would hide where the tag's name begins."
                whole.wrong(at(place, "id"), f"{kind} id {name} does not fit", right)


def _rooms_of_equipment(whole: Whole) -> None:
    rooms = {room.id: room for room in whole.plant.rooms}
    watched = {unit.room for unit in whole.plant.equipment if unit.type == "room_monitor"}
    for unit in whole.plant.equipment:
        place = whole.origins.equipment[unit.id]
        if unit.room is None:
            continue
        room = rooms.get(unit.room)
        if room is None and whole.files.may_exist(unit.room):
            continue
        if room is None:
            whole.wrong(
                at(place, "room"),
                f"{unit.id} stands in room {unit.room}, which does not exist",
                nearest(unit.room, rooms),
            )
        elif unit.grade is not None and GRADES.index(unit.grade) > GRADES.index(room.grade):
            what = (
                f"{unit.id} holds grade {unit.grade}, which is less clean than its room {room.id} of grade {room.grade}"
            )
            whole.doubt(at(place, "grade"), what, "Check the grade of both.")
    for room in whole.plant.rooms:
        if watched and room.id not in watched and whole.files.complete:
            place = whole.origins.rooms[room.id]
            whole.doubt(
                at(place, "id"),
                f"no room monitor watches room {room.id}",
                "Add one to its equipment.",
            )


def _cascade(whole: Whole) -> None:
    rooms = {room.id: room for room in whole.plant.rooms}
    for room in rooms.values():
        if room.higher_than is None:
            continue
        place = at(whole.origins.rooms[room.id], "higher_than")
        below = rooms.get(room.higher_than)
        if below is None and whole.files.may_exist(room.higher_than):
            continue
        if below is None:
            what = f"room {room.id} is higher than {room.higher_than}, which does not exist"
            whole.wrong(place, what, nearest(room.higher_than, rooms.keys() - {room.id}))
            continue
        step = GRADES.index(below.grade) - GRADES.index(room.grade)
        if step > 1:
            whole.wrong(
                place,
                f"grade gap: {room.id} of grade {room.grade} lies next to {below.id} of grade {below.grade}",
                f"Put an airlock of grade {GRADES[GRADES.index(room.grade) + 1]} between them.",
            )
        elif step < 0:
            what = f"{room.id} of grade {room.grade} stands above {below.id} of grade {below.grade}: air flows to the cleaner room"
            whole.doubt(place, what, "Turn the step round, unless the room is meant to contain what is in it.")
    for ring in _rings(rooms):
        place = at(whole.origins.rooms[ring[0]], "higher_than")
        whole.wrong(
            place, f"the pressure cascade runs in a ring: {' > '.join((*ring, ring[0]))}", "Take out one `higher_than`."
        )


def _rings(rooms: dict[str, Room]) -> Iterator[tuple[str, ...]]:
    """Each ring once. A room names one neighbour, so a walk downwards meets at most one."""
    done: set[str] = set()
    for start in rooms:
        walk: list[str] = []
        here: str | None = start
        while here in rooms and here not in done and here not in walk:
            walk.append(here)
            here = rooms[here].higher_than
        if here in walk:
            yield tuple(walk[walk.index(here) :])
        done.update(walk)
