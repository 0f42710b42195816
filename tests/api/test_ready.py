"""/ready says in words what is wrong, without a library's."""

from pathlib import Path

from telemetry.engine.service_device import REASON
from telemetry.historian.follow import NO_ANSWER
from tests.historian.reading import example, serving


async def test_what_is_wrong_and_what_was_lost_is_said_in_words(tmp_path: Path) -> None:
    async with serving(lambda: "postgresql://nobody@127.0.0.1:1/away", tmp_path) as api:
        mirror = api.app.state.service.mirror
        mirror.stats = {"historian_database": 0.0, "records_rejected": 1.0, "bytes_damaged": float("nan")}
        (tag,) = (tag.id for tag in example().tags.values() if tag.spec.figure == REASON)
        mirror.texts[tag] = NO_ANSWER
        found = await api.client.get("/ready")
    assert (found.status_code, found.json()) == (503, {
        "ready": False,
        "reasons": [
            "The engine is not heard. Nothing is shown; alarms still sound at the beacons if the engine runs.",
            "The historian does not store (The database does not answer, or not to this address and password; the historian's log "
            "says more).",
            "The database does not answer. Live values and alarms work; the journal keeps what is read.",
        ],
        "warnings": ["Records that the database refused: 1. Table rejected holds them."],
    })  # fmt: skip
