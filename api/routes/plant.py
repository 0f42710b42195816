"""The plant as configured: places, equipment, tags."""

from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, Depends

from api.problem import PROBLEMS, Refused
from api.service import Service, TheService, reader
from api.shapes import iso
from telemetry.plant.model import Tag

router = APIRouter(tags=["plant"], responses=PROBLEMS, dependencies=[Depends(reader)])


@router.get("/plant")
def plant(service: TheService) -> dict[str, Any]:
    """Site, areas, lines, rooms and equipment."""
    p = service.plant
    snapshot = service.mirror.snapshot
    return {
        "site": p.site.model_dump(),
        "digest": p.digest,
        "engine_digest": snapshot.digest if snapshot else None,
        "demo": service.open_reading,
        "areas": [{"id": a.id, "name": a.name.model_dump(), "lines": a.lines} for a in p.areas],
        "lines": [
            {"id": x.id, "area": x.area, "name": x.name.model_dump(), "product": x.product.model_dump(), "mode": x.mode}
            for x in p.lines
        ],
        "rooms": [
            {
                "id": r.id,
                "area": r.area,
                "line": r.line,
                "name": r.name.model_dump(),
                "grade": r.grade,
                "state": r.state,
                "higher_than": r.higher_than,
            }
            for r in p.rooms
        ],
        "equipment": [
            {
                "id": e.id,
                "type": e.type,
                "name": e.name.model_dump(),
                "area": e.area,
                "line": e.line,
                "room": e.room,
                "profile": e.profile.profile,
                "tags": [tag.id for tag in e.tags],
            }
            for e in p.equipment
        ],
    }


@router.get("/tags")
def tags(service: TheService) -> list[dict[str, Any]]:
    """Every tag: what it is, its unit, range and limits."""
    limits = _limits(service)
    return [_tag(tag, limits, service) for tag in service.plant.tags.values()]


@router.get("/tags/{tag}")
def one_tag(tag: str, service: TheService) -> dict[str, Any]:
    """One tag."""
    return _tag(known_tag(service, tag), _limits(service), service)


def known_tag(service: Service, tag: str) -> Tag:
    """Raises Refused for a tag that the plant does not have."""
    found = service.plant.tags.get(tag)
    if found is None:
        raise Refused(HTTPStatus.NOT_FOUND, f"There is no tag {tag}. GET /api/v1/tags lists all.")
    return found


def _limits(service: Service) -> dict[str, list[dict[str, Any]]]:
    limits: dict[str, list[dict[str, Any]]] = {}
    for alarm in service.plant.alarms:
        if alarm.tag is not None and alarm.entry.kind in ("low", "high"):
            limits.setdefault(alarm.tag.id, []).append(
                {
                    "alarm": alarm.id,
                    "side": alarm.entry.kind,
                    "value": alarm.entry.limit,
                    "priority": alarm.entry.priority,
                }
            )
    return limits


def _tag(tag: Tag, limits: dict[str, list[dict[str, Any]]], service: Service) -> dict[str, Any]:
    spec, calibration = tag.spec, service.mirror.calibrations.get(tag.id)
    return {
        "id": tag.id,
        "equipment": tag.equipment,
        "name": spec.name.model_dump(),
        "unit": spec.unit,
        "kind": spec.kind,
        "range": spec.range,
        "resolution": spec.resolution,
        "setpoint": spec.setpoint,
        "legend": {str(k): v.model_dump() for k, v in spec.legend.items()} if spec.legend else None,
        "polled": tag.polled,
        "writable": spec.writable,
        "limits": limits.get(tag.id, []),
        "checks": spec.checks.model_dump(exclude_defaults=True),
        "calibration_due": iso(calibration.past_due_ns) if calibration else None,
    }
