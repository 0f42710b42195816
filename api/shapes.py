"""How things look in JSON: alarms, annunciators, times. One shape for HTTP and WebSocket."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from alarms.states import LETTERS
from api.service import Service
from telemetry.feed.messages import AlarmInfo, AreaInfo

Comment = Annotated[str, Field(max_length=2000, pattern=r"^[^\x00]*$")]
"""What a person adds to an act. No NUL: PostgreSQL cannot hold it."""
Word = Annotated[str, Field(max_length=200, pattern=r"^[^\x00]*$")]
"""A name or an id as somebody gives it."""


class Body(BaseModel):
    """Base of what is posted. A field that is not known is a mistake, not something to pass over."""

    model_config = ConfigDict(extra="forbid")


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def iso(time_ns: int | None) -> str | None:
    """ISO 8601 in UTC with milliseconds; None for none (0)."""
    if not time_ns:
        return None
    moment = _EPOCH + timedelta(microseconds=time_ns // 1000)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def alarm_shape(service: Service, info: AlarmInfo) -> dict[str, Any]:
    """One alarm as people see it: its definition and its state."""
    alarm = service.alarms.get(info.id)
    entry = alarm.entry if alarm else None
    return {
        "id": info.id,
        "occurrence": info.occurrence,
        "equipment": alarm.equipment if alarm else info.id.split(".", 1)[0],
        "area": alarm.area if alarm else None,
        "line": alarm.line if alarm else None,
        "tag": alarm.tag.id if alarm and alarm.tag else None,
        "state": LETTERS[info.letter],
        "letter": info.letter,
        "active": info.active,
        "acknowledged": not info.unacknowledged,
        "latched": info.latched,
        "priority": entry.priority if entry else 4,
        "class": entry.alarm_class if entry else None,
        "raised_time": iso(info.raised_ns),
        "cleared_time": iso(info.cleared_ns),
        "acknowledged_time": iso(info.acknowledged_ns),
        "acknowledged_by": info.acknowledged_by,
        "message": entry.message.model_dump() if entry else {"en": info.id, "zh": info.id},
        "response": entry.response.model_dump() if entry else {"en": "", "zh": ""},
        "value": info.value,
        "limit": entry.limit if entry else None,
        "unit": alarm.tag.spec.unit if alarm and alarm.tag else "",
    }


def area_shape(info: AreaInfo) -> dict[str, Any]:
    """An annunciator. Its lamp flashes fast while something is unacknowledged (ISA-18.1), else it is steady or off."""
    return {
        "id": info.id,
        "horn": info.horn,
        "silenced": info.silenced,
        "lamp": "fast" if info.unacknowledged else "steady" if info.standing else "off",
        "priority": min(info.unacknowledged or info.standing, default=None),
        "confirmed": info.confirmed,
    }


def annunciator_shape(service: Service) -> dict[str, Any]:
    return {"areas": [area_shape(info) for info in service.mirror.areas]}
