"""The example plant is alive: everything read each second, everything stored, nothing alarmed."""

from datetime import UTC, datetime, timedelta

import psycopg

from tests.system.demo import Demo, until


def test_every_tag_of_the_plant_is_good_and_fresh(demo: Demo) -> None:
    assert demo.ask("/ready") == {"ready": True, "reasons": [], "warnings": []}
    tags = {tag["id"]: tag for tag in demo.ask("/api/v1/tags")}
    stored = "SERVICE.historian.lag"  # it has just begun to store; the engine hears of it within a second or two
    until(lambda: demo.ask(f"/api/v1/current?tag={stored}")[0]["quality"] == "Good", 5.0, "the historian is heard")
    current = demo.ask("/api/v1/current")
    now = datetime.now(UTC)
    assert {row["tag"] for row in current} == set(tags)
    assert len(current) >= 2500
    assert [row for row in current if row["quality"] != "Good"] == []
    polled = [row for row in current if tags[row["tag"]]["polled"]]
    oldest = min(datetime.fromisoformat(row["received_time"]) for row in polled)
    assert now - oldest < timedelta(seconds=2)
    records = [row for row in current if not tags[row["tag"]]["polled"]]
    assert records
    assert all(row["source_time"] is not None for row in records)


def test_nothing_is_alarmed_in_an_undisturbed_plant(demo: Demo) -> None:
    since_start = demo.ask("/api/v1/alarms/history?limit=100")
    assert [a for a in since_start if not a["alarm"].startswith(("L01-ISO", "L02-ISO", "L03-ISO"))] == []


def test_each_second_of_each_tag_is_stored_once(demo: Demo) -> None:
    tags = {tag["id"] for tag in demo.ask("/api/v1/tags") if tag["polled"] and tag["kind"] != "text"}
    began = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=1)
    seconds = 10
    until(lambda: datetime.now(UTC) > began + timedelta(seconds=seconds + 3), 20, "the window")
    with psycopg.connect(demo.run("db", "url").strip()) as database:
        rows = database.execute(
            "select tag, count(*), count(distinct time) from reading"
            " where time >= %s and time < %s and quality = 'Good' group by tag",
            (began, began + timedelta(seconds=seconds)),
        ).fetchall()
    counted = {tag: (count, moments) for tag, count, moments in rows if tag in tags}
    assert set(counted) == tags
    assert set(counted.values()) == {(seconds, seconds)}


def test_readings_of_the_past_are_answered_in_order(demo: Demo) -> None:
    end = datetime.now(UTC)
    path = "/api/v1/readings?tag=L05-ISO.chamber.pressure&resolution=raw"
    span = f"&start={(end - timedelta(seconds=12)).isoformat()}&end={end.isoformat()}".replace("+00:00", "Z")
    rows = demo.ask(path + span)
    times = [row["time"] for row in rows]
    assert 8 <= len(rows) <= 12
    assert times == sorted(set(times))
    assert all(row["quality"] == "Good" and 20 < row["value"] < 60 and row["unit"] == "Pa" for row in rows)


def test_health_and_metrics(demo: Demo) -> None:
    import urllib.request

    assert demo.ask("/health") == {"status": "alive"}
    with urllib.request.urlopen(demo.url + "/metrics", timeout=5) as answer:
        text = answer.read().decode()
    assert "telemetry_feed_connected 1.0" in text
    assert 'telemetry_alarms{priority="1",unacknowledged="true"}' in text
