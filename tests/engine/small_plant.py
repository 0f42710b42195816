"""A plant of one isolator and one beacon, with alarms and interlocks of every kind of delay, read from real YAML."""

import shutil
import tempfile
from functools import cache
from pathlib import Path
from typing import Any, Final

import yaml

from telemetry import plant
from telemetry.engine.compiled import Compiled, compiled
from telemetry.plant.model import Plant

BASE: Final = Path(__file__).parents[1] / "cases" / "config" / "base"
PERSON: Final = "operator"
FOR: Final = {"type": "isolator", "tag": "pressure"}
TEXT: Final = {"en": "Made up.", "zh": "虚构。"}
TOLD: Final = {"message": TEXT, "cause": TEXT, "consequence": TEXT, "response": TEXT, "time_to_respond_s": 60}
ALARMS: Final[list[dict[str, Any]]] = [
    {"name": "low", "for": FOR, "kind": "low", "limit": 0, "unit": "Pa", "deadband": 2, "priority": 1, "latching": True},
    {"name": "high", "for": FOR, "kind": "high", "limit": 60, "unit": "Pa", "priority": 2, "on_delay_s": 1.7, "off_delay_s": 0.9},
    {"name": "stopped", "for": {"type": "isolator", "tag": "fan"}, "kind": "state", "limit": 0, "priority": 3, "on_delay_s": 0.6},
    {"name": "communication", "for": {"type": "isolator"}, "kind": "communication", "priority": 3, "on_delay_s": 2},
    {"name": "communication", "for": {"type": "beacon"}, "kind": "communication", "priority": 2, "on_delay_s": 3},
]  # fmt: skip
INTERLOCKS: Final[list[dict[str, Any]]] = [
    {
        "name": "hold", "title": TEXT, "type": "isolator", "healthy_s": 1.5, "effects": [{"tag": "hold", "value": 1}],
        "cause": {"tag": "pressure", "kind": "low", "limit": 0, "unit": "Pa", "deadband": 2, "bad_delay_s": 3},
    },
    {
        "name": "purge", "title": TEXT, "type": "isolator", "healthy_s": 1, "reset": "automatic",
        "effects": [{"tag": "purge", "value": 1}], "cause": {"tag": "fan", "kind": "state", "limit": 0, "on_bad": "ignore"},
    },
    {
        "name": "vent", "title": TEXT, "type": "isolator", "effects": [{"tag": "vent", "value": 1}],
        "cause": {"tag": "pressure", "kind": "high", "limit": 80, "unit": "Pa", "delay_s": 1.2, "on_bad": "ignore"},
    },
]  # fmt: skip
DELAYED_INTERLOCK: Final = 2
ISOLATOR: Final = "L01-ISO"
BEACON: Final = "W1-BCN"


def write_config(folder: Path) -> Path:
    """The configuration in `folder`: the base case with alarms, interlocks and two outputs more."""
    shutil.copytree(BASE, folder)
    profile = folder / "profiles" / "isolator-small.yaml"
    output = "  {0}: {{name: {{en: {0}, zh: {0}}}, kind: boolean, writable: true, node: s={0}}}\n"
    profile.write_text(profile.read_text("utf-8") + output.format("purge") + output.format("vent"), "utf-8")
    alarms = [{**alarm, "class": "equipment", **TOLD} for alarm in ALARMS]
    (folder / "alarms" / "all.yaml").write_text(yaml.safe_dump({"alarms": alarms}, allow_unicode=True), "utf-8")
    (folder / "interlocks.yaml").write_text(yaml.safe_dump({"interlocks": INTERLOCKS}, allow_unicode=True), "utf-8")
    return folder


@cache
def loaded() -> Plant:
    """The plant as loaded."""
    with tempfile.TemporaryDirectory() as folder:
        return plant.load(write_config(Path(folder) / "config"))


@cache
def small_plant() -> Compiled:
    """The plant, compiled."""
    return compiled(loaded())
