"""Golden cases of the alarm core: each story of tests/cases/alarms is played and must tell exactly what it says."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from small_core import NAN, Story, ns, small

CASES = Path(__file__).parents[1] / "cases" / "alarms"
NAMES = sorted(folder.name for folder in CASES.iterdir() if folder.is_dir())
ACTS = ("acknowledge", "reset", "silence", "test", "reset_interlock")


def played(case: dict[str, Any]) -> tuple[list[str], list[str]]:
    """What the story told, and what it should have told."""
    story = Story(small(case["alarms"], case.get("interlocks"), case.get("areas"), case.get("read_back", ())))
    expected: list[str] = []
    for entry in case["timeline"]:
        first, last, step = ns(entry["at"]), ns(entry.get("until", entry["at"])), ns(entry.get("every_s", 1))
        for time_ns in range(first, last + 1, step):
            happens(story.at(time_ns / 1e9), entry)
        expected += entry.get("then", [])
    return story.told, expected


def happens(story: Story, entry: dict[str, Any]) -> None:
    (what,) = entry.keys() - {"at", "until", "every_s", "then"}
    given = entry[what]
    if what == "reads":
        story.scanned({tag: NAN if value == "bad" else value for tag, value in given.items()})
    elif what == "silent":
        story.is_silent(given)
    elif what == "deaf":
        story.deaf = set(given)
    elif what in ACTS:
        target, occurrence = given if isinstance(given, list) else (given, 0)
        story.act(what.replace("_", "-"), target, occurrence)
    else:
        assert what == "wait"


@pytest.mark.parametrize("name", NAMES)
def test_story(name: str) -> None:
    told, expected = played(yaml.safe_load((CASES / name / "story.yaml").read_text(encoding="utf-8")))
    assert told == expected
