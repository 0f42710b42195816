"""Every tag of the plant as one table, for review: where it is, what it measures, what watches it."""

from collections import Counter
from typing import Final

from drivers.profile import ProfileTag
from telemetry.plant.model import Alarm, Plant
from telemetry.tags.cells import Cell, cell_of
from telemetry.tags.columns import Column, columns, plain

_PLACE: Final = (
    "tag", "equipment", "equipment.en", "equipment.zh", "type", "area", "line", "room", "grade", "profile", "device",
)  # fmt: skip
_WATCH: Final = ("alarms", "limits", "interlocks", "effect of")
_ADDRESSES: Final = ("node", "register", "record", "status")


def plant_rows(plant: Plant) -> list[list[Cell]]:
    """The head, and one row for each tag in the order of the configuration. `limits`: name, limit and priority of each alarm;
    `interlocks`: how many it trips; `effect of`: how many command it."""
    alarms: dict[str, list[Alarm]] = {}
    for alarm in plant.alarms:
        if alarm.tag is not None:
            alarms.setdefault(alarm.tag.id, []).append(alarm)
    causes = Counter(interlock.cause.id for interlock in plant.interlocks)
    effects = Counter(tag for interlock in plant.interlocks for tag, _, _ in interlock.effects)
    shown = [column for column in columns() if column.path[0] not in _ADDRESSES]
    rows: list[list[Cell]] = [[*_PLACE, *(column.name for column in shown), "address", *_WATCH]]
    for unit in plant.equipment:
        place = (unit.id, unit.name.en, unit.name.zh, unit.type, unit.area, unit.line, unit.room, unit.grade)
        for tag in unit.tags:
            watching = alarms.get(tag.id, [])
            rows.append(
                [
                    tag.id,
                    *place,
                    unit.profile.profile,
                    unit.address,
                    *_cells(shown, tag.spec),
                    _address(tag.spec),
                    len(watching),
                    "; ".join(_limit(alarm) for alarm in watching) or None,
                    causes[tag.id],
                    effects[tag.id],
                ]
            )
    return rows


def _cells(shown: list[Column], tag: ProfileTag) -> list[Cell]:
    content = plain(tag)
    content.setdefault("kind", tag.kind)
    return [cell_of(column, column.of(content)) for column in shown]


def _address(tag: ProfileTag) -> str:
    register, record = tag.register_, tag.record
    if register is not None:
        bit = "" if register.bit is None else f" bit {register.bit}"
        return f"{register.table} {register.address}{bit} {register.type} {register.order}"
    if record is not None:
        return f"record {record.field}" + (f" channel {record.channel}" if record.channel else "")
    return tag.node or tag.figure or ""


def _limit(alarm: Alarm) -> str:
    entry = alarm.entry
    sign = {"low": "<", "high": ">", "state": "="}.get(entry.kind, entry.kind)
    return f"{entry.name} {sign} {entry.limit:g} {entry.unit}".rstrip() + f" (priority {entry.priority})"
