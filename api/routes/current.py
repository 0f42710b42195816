"""The newest reading of every tag, straight from the engine: it works with the database away."""

from http import HTTPStatus
from typing import Annotated

import numpy as np
import orjson
from fastapi import APIRouter, Depends, Query, Response
from pydantic import BaseModel

from api.problem import PROBLEMS, Refused
from api.routes.plant import known_tag
from api.service import Service, TheService, reader, unpacked
from api.shapes import iso
from drivers.quality import BAD_NO_COMMUNICATION, BAD_WAITING_FOR_INITIAL_DATA, GOOD, class_of, reason_of

router = APIRouter(tags=["readings"], responses=PROBLEMS, dependencies=[Depends(reader)])


class Current(BaseModel):
    """A reading. A number for numeric tags, a text for text tags, null where Bad."""

    tag: str
    value: float | str | None
    quality: str
    reason: str | None
    unit: str
    source_time: str | None
    received_time: str | None


@router.get("/current", response_class=Response, responses={200: {"model": list[Current]}})
def current(
    service: TheService,
    tag: Annotated[list[str] | None, Query(description="Only these tags.")] = None,
    equipment: Annotated[list[str] | None, Query(description="Only these equipments.")] = None,
) -> Response:
    """The newest reading of every tag of the plant (or of those named)."""
    wanted = {known_tag(service, one).id for one in tag or ()}
    devices = set(equipment or ())
    unknown = devices - service.plant.by_id.keys()
    if unknown:
        raise Refused(HTTPStatus.NOT_FOUND, f"There is no equipment {min(unknown)}. GET /api/v1/plant lists all.")
    rows = [
        row
        for row in (*_numbers(service), *_texts(service))
        if (not wanted or row["tag"] in wanted) and (not devices or str(row["tag"]).split(".", 1)[0] in devices)
    ]
    return Response(orjson.dumps(rows, option=orjson.OPT_SERIALIZE_NUMPY), media_type="application/json")


def _numbers(service: Service) -> list[dict[str, object]]:
    mirror, tags = service.mirror, service.plant.tags
    rows: list[dict[str, object]] = []
    for layout in mirror.layouts.values():
        frame = mirror.frames.get(layout.id)
        values, quality, source = unpacked(frame, layout, mirror.connected)
        if frame is None and mirror.connected:
            quality = np.full(len(layout.tags), BAD_WAITING_FOR_INITIAL_DATA, np.uint16)
        received = iso(frame.received_ns) if frame else None
        stamps = [iso(int(s)) for s in source] if source is not None else [None]
        for i, name in enumerate(layout.tags):
            code = GOOD if quality is None else int(quality[i])
            value = float(values[i])
            rows.append(
                {
                    "tag": name,
                    "value": None if np.isnan(value) else value,
                    "quality": class_of(code),
                    "reason": reason_of(code),
                    "unit": tags[name].spec.unit if name in tags else "",
                    "source_time": stamps[i] if len(stamps) > 1 else stamps[0],
                    "received_time": received,
                }
            )
    return rows


def _texts(service: Service) -> list[dict[str, object]]:
    """Text tags come with the scan of their device, whose frame says when that was."""
    mirror, tags = service.mirror, service.plant.tags
    received = {mirror.layouts[frame.layout].device: frame.received_ns for frame in mirror.frames.values()}
    rows: list[dict[str, object]] = []
    for name in (tag.id for tag in tags.values() if not tag.numeric):
        text = mirror.texts.get(name) if mirror.connected else None
        code = GOOD if text is not None else BAD_NO_COMMUNICATION
        rows.append(
            {
                "tag": name,
                "value": text,
                "quality": class_of(code),
                "reason": reason_of(code),
                "unit": "",
                "source_time": None,
                "received_time": iso(received.get(tags[name].equipment)),
            }
        )
    return rows
