"""Every query of the Grafana dashboards, run as Grafana would against the real schema with the example plant's tags in it."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml

from telemetry.engine.compiled import compiled
from telemetry.historian.store import tell_plant
from tests.historian.reading import example

FOLDER = Path("docs/grafana")
NOW = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
VARIABLES = {"line": "L01", "isolator": "L01-ISO", "incubator": "L01-HCI"}
SERIES = {"timeseries", "state-timeline"}


def dashboards() -> list[tuple[str, dict[str, Any]]]:
    return [
        (path.stem, json.loads(path.read_text(encoding="utf-8"))) for path in sorted(FOLDER.glob("dashboards/*.json"))
    ]


def queries() -> Iterator[Any]:
    """What kind of thing asks, and its SQL; with an id to each."""
    for name, board in dashboards():
        for variable in board["templating"]["list"]:
            yield pytest.param("variable", variable["query"], id=f"{name}: variable {variable['name']}")
        for note in board["annotations"]["list"]:
            yield pytest.param("annotation", note["rawSql"], id=f"{name}: {note['name']}")
        for panel in board["panels"]:
            for target in panel.get("targets", ()):
                yield pytest.param(panel["type"], target["rawSql"], id=f"{name}: {panel['title']} {target['refId']}")


def expanded(text: str) -> str:
    """As Grafana sends it: its macros and the dashboard's variables replaced."""
    window = f"BETWEEN '{(NOW - timedelta(hours=6)).isoformat()}' AND '{(NOW + timedelta(hours=1)).isoformat()}'"
    text = re.sub(r"\$__timeFilter\(([\w.]+)\)", rf"\1 {window}", text)
    text = re.sub(r"\$\{(\w+)\}", lambda found: VARIABLES[found[1]], text)
    assert "$" not in text, "a macro or variable that this test does not know"
    return text


@pytest.fixture(scope="module")
def plant_in_database(module_database: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(module_database, autocommit=True) as connection:
        tell_plant(connection, example())
        for layout in compiled(example()).layouts:
            fill(connection, layout.id, layout.device, layout.record, list(layout.tags))
        for n, (kind, data) in enumerate(EVENTS, 1):
            body = json.dumps({"kind": kind, **data})
            connection.execute(
                "insert into event (writer, number, time, kind, body, previous, hash) values ('e', %s, %s, %s, %s, '', '')",
                (n, NOW, kind, body),
            )
        connection.execute(
            "insert into archived_day values ('gmp', %s, 1, 'm', '', 5, now(), now(), now())", (NOW.date(),)
        )
        yield connection


def nanoseconds(moment: datetime) -> int:
    return int(moment.timestamp()) * 10**9


EVENTS: list[tuple[str, dict[str, Any]]] = [
    (
        "alarm",
        {"alarm": "L01-ISO.x", "occurrence": 1, "transition": "raised", "letter": "B", "priority": 1, "value": 3.5},
    ),
    (
        "gap",
        {"device": None, "first_ns": nanoseconds(NOW), "last_ns": nanoseconds(NOW) + 5, "reason": "engine stopped"},
    ),
    (
        "gap",
        {"device": "L01-ISO", "first_ns": nanoseconds(NOW), "last_ns": nanoseconds(NOW) + 5, "reason": "disk full"},
    ),
    (
        "calibration",
        {
            "tag": "L01-ISO.chamber.pressure",
            "performed_ns": nanoseconds(NOW),
            "due_ns": nanoseconds(NOW),
            "result": "pass",
        },
    ),
]


def fill(connection: psycopg.Connection[Any], number: int, device: str, record: bool, tags: list[str]) -> None:
    """A layout with a frame, and with a minute and an hour in which one reading was missing."""
    n = len(tags)
    connection.execute(
        "insert into layout (id, device, record, tags, period_s, since) values (%s, %s, %s, %s, 1, %s)",
        (number, device, record, tags, NOW),
    )
    connection.execute(
        "insert into layout_tag select tag, %s, slot from unnest(%s::text[]) with ordinality as t (tag, slot)",
        (number, tags),
    )
    connection.execute(
        'insert into frame (time, layout, received, late, "values") values (%s, %s, %s, false, %s)',
        (NOW, number, NOW, [1.0] * n),
    )
    for table in ("rollup_1m", "rollup_1h"):
        connection.execute(
            f"insert into {table} (time, layout, through, expected, good, late, min, max, mean, m2)"
            " values (%s, %s, 1, 60, %s, 0, %s, %s, %s, %s)",
            (NOW, number, [59] * n, [0.5] * n, [2.0] * n, [1.0] * n, [0.1] * n),
        )


@pytest.mark.parametrize(("kind", "text"), list(queries()))
def test_every_query_finds_what_the_example_plant_has(
    plant_in_database: psycopg.Connection[Any], kind: str, text: str
) -> None:
    cursor = plant_in_database.execute(expanded(text).encode())
    columns = [column.name for column in cursor.description or ()]
    rows = cursor.fetchall()
    assert rows, "nothing found: a tag or a name that the plant does not have"
    if kind in SERIES:
        assert columns == ["time", "metric", "value"]
        assert all(isinstance(row[0], datetime) and isinstance(row[1], str) for row in rows)
        assert rows == sorted(rows, key=lambda row: row[0])
    if kind == "annotation":
        assert columns[0] == "time"
        assert "text" in columns
    if kind == "variable":
        assert set(VARIABLES.values()) & {row[0] for row in rows}


def test_the_dashboards_are_ones_that_grafana_takes() -> None:
    boards = [board for _, board in dashboards()]
    assert len(boards) == 3
    uids = [board["uid"] for board in boards]
    assert len(set(uids)) == 3 and all(len(uid) <= 40 for uid in uids)
    source = yaml.safe_load((FOLDER / "provisioning/datasources/telemetry.yaml").read_text(encoding="utf-8"))[
        "datasources"
    ][0]
    for board in boards:
        panels = [panel for panel in board["panels"] if panel["type"] != "row"]
        assert {target["datasource"]["uid"] for panel in panels for target in panel["targets"]} == {source["uid"]}
        assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
        assert not overlapping([panel["gridPos"] for panel in board["panels"]])


def overlapping(places: list[dict[str, int]]) -> list[tuple[dict[str, int], dict[str, int]]]:
    def apart(a: dict[str, int], b: dict[str, int]) -> bool:
        beside = a["x"] + a["w"] <= b["x"] or b["x"] + b["w"] <= a["x"]
        return beside or a["y"] + a["h"] <= b["y"] or b["y"] + b["h"] <= a["y"]

    return [(a, b) for i, a in enumerate(places) for b in places[:i] if not apart(a, b)]
