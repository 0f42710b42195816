"""Alive, ready (with reasons), and figures for Prometheus."""

from collections import Counter
from typing import Any

import orjson
import psycopg
from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Gauge, generate_latest
from psycopg_pool import PoolTimeout

from api.service import Service, TheService
from telemetry.engine.service_device import REASON
from telemetry.plant.findings import listed
from telemetry.sql import query

router = APIRouter(tags=["health"])
LATEST_STORE_S = 10.0


@router.get("/health")
def health() -> dict[str, str]:
    """The api answers. Whether the plant is watched, /ready says."""
    return {"status": "alive"}


@router.get("/ready", responses={503: {"description": "Not ready; the reasons say why."}})
async def ready(service: TheService) -> Response:
    """200 when the engine is heard and what it reads is being stored; else 503 with reasons. Warnings: what was lost before, or may
    be lost soon; they do not make it unready."""
    reasons = [*_engine(service), *_storing(service), *await _database(service)]
    body = {"ready": not reasons, "reasons": reasons, "warnings": _losses(service)}
    return Response(orjson.dumps(body), 503 if reasons else 200, media_type="application/json")


def _engine(service: Service) -> list[str]:
    mirror = service.mirror
    if not mirror.connected or mirror.snapshot is None:
        return ["The engine is not heard. Nothing is shown; alarms still sound at the beacons if the engine runs."]
    polled = [layout for layout in mirror.layouts.values() if not layout.record]
    waiting = [layout.device for layout in polled if layout.id not in mirror.frames]
    if waiting:
        return [f"Not scanned yet: {listed(sorted(waiting))}."]
    if mirror.snapshot.digest != service.plant.digest:
        return ["Engine and api run with different configurations. Restart the one that is older."]
    return []


def _storing(service: Service) -> list[str]:
    """What the engine knows of journal and historian."""
    stats, reasons = service.mirror.stats, list[str]()
    if stats.get("journal_writable") == 0:
        reasons.append(
            "The journal cannot be written: its disk is full or broken. Alarms work; free space on the disk of the data folder."
        )
    if stats.get("historian_database") == 0:
        tags = (tag.id for tag in service.plant.tags.values() if tag.spec.figure == REASON)
        told = next((text for tag in tags if (text := service.mirror.texts.get(tag))), None)
        reasons.append(f"The historian does not store ({(told or 'its log says why').rstrip('.')}).")
    return reasons


def _losses(service: Service) -> list[str]:
    stats = service.mirror.stats

    def count(name: str) -> int:
        value = stats.get(name, 0.0)
        return 0 if value != value else int(value)

    told = {
        "records_rejected": "Records that the database refused: {}. Table rejected holds them.",
        "records_missing": "Records that are in neither journal nor database: {}. Table journal_gap says which.",
        "bytes_damaged": "Damaged bytes of the journal: {}. Table journal_damage says where.",
        "frames_thinned": "Frames given up because the disk was full: {}. Events of kind gap say which.",
        "frames_unwritten": "Frames that found no room on the disk: {}. Events of kind gap say which.",
    }
    return [sentence.format(count(name)) for name, sentence in told.items() if count(name)]


async def _database(service: Service) -> list[str]:
    try:
        async with service.pool.connection(timeout=2.0) as found:
            row = await (await found.execute(query("historian age"))).fetchone()
    except (PoolTimeout, psycopg.Error):
        return ["The database does not answer. Live values and alarms work; the journal keeps what is read."]
    age_s = row[0] if row else None
    if age_s is None:
        return ["Nothing has been stored yet. The historian has not begun."]
    if age_s > LATEST_STORE_S:
        return [f"Nothing has been stored for {age_s:.0f} s. Look at the historian; the journal keeps what is read."]
    return []


@router.get("/metrics")
def metrics(service: TheService) -> Response:
    """Figures of engine and api in Prometheus' text form."""
    registry = CollectorRegistry()
    mirror = service.mirror

    def gauge(name: str, text: str, value: float, **labels: Any) -> None:
        found = gauges.get(name)
        if found is None:
            found = gauges[name] = Gauge(f"telemetry_{name}", text, list(labels), registry=registry)
        (found.labels(**labels) if labels else found).set(value)

    gauges: dict[str, Gauge] = {}
    gauge("feed_connected", "1 while the engine is heard.", float(mirror.connected))
    gauge("feed_age_seconds", "Seconds since the engine was last heard.", min(mirror.age_s, 1e9))
    gauge("feed_connects", "Connections made to the engine.", mirror.connects)
    gauge("tags", "Tags configured.", len(service.plant.tags))
    standing = Counter(
        (service.alarms[a.id].entry.priority if a.id in service.alarms else 4, a.unacknowledged)
        for a in mirror.alarms.values()
    )
    for priority in (1, 2, 3, 4):
        for unacknowledged in (False, True):
            count = standing[(priority, unacknowledged)]
            labels = {"priority": str(priority), "unacknowledged": str(unacknowledged).lower()}
            gauge("alarms", "Alarms that stand.", count, **labels)
    for area in mirror.areas:
        gauge("horn", "1 while the horn of an area sounds.", float(area.horn), area=area.id)
    for name, value in mirror.stats.items():
        gauge(f"engine_{name}", f"The engine's {name.replace('_', ' ')}.", value)
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)
