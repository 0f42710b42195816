"""The console's `check`: exit status, sentences, JSON, schemas."""

import json
import re
import shutil
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from telemetry.plant.commands import register

CONFIG = Path(__file__).parents[2] / "config"
BASE = Path(__file__).parents[1] / "cases" / "config" / "base"


@pytest.fixture
def app() -> typer.Typer:
    app = typer.Typer()
    app.callback()(lambda: None)
    register(app)
    return app


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    copy = Path(shutil.copytree(BASE, tmp_path / "config"))
    (copy / "annunciators.yaml").write_text("annunciators:\n  - {area: W1, horn: W1-BCN.hron}\n", encoding="utf-8")
    return copy


def test_a_clean_folder_is_counted(app: typer.Typer) -> None:
    outcome = CliRunner().invoke(app, ["check"], env={"TELEMETRY_CONFIG": str(CONFIG)})
    assert outcome.exit_code == 0
    for part in ("no mistakes", "10 lines", "equipment", "tags", "alarms", "interlocks", "Digest "):
        assert part in outcome.output


def test_mistakes_end_with_the_next_step(app: typer.Typer, broken: Path) -> None:
    outcome = CliRunner().invoke(app, ["check"], env={"TELEMETRY_CONFIG": str(broken)})
    assert outcome.exit_code == 1
    assert f"{broken}/annunciators.yaml:2:" in outcome.output
    assert "Did you mean W1-BCN.horn?" in outcome.output
    assert "1 mistake. Mend it and run `telemetry check` again" in outcome.output


def test_an_address_in_a_remedy_can_be_copied(app: typer.Typer, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(BASE, tmp_path / "config"))
    for file in copy.rglob("*.yaml"):
        text = file.read_text("utf-8")
        file.write_text(re.sub(r"address: \"?modbus://[^\s,}\"]+\"?", "address: modbus://", text), "utf-8")
    outcome = CliRunner().invoke(app, ["check"], env={"TELEMETRY_CONFIG": str(copy)})
    assert outcome.exit_code == 1
    assert "modbus://" in outcome.output and "modbus:/h" not in outcome.output


def test_json_says_the_same(app: typer.Typer, broken: Path) -> None:
    outcome = CliRunner().invoke(app, ["check", "--json"], env={"TELEMETRY_CONFIG": str(broken)})
    assert outcome.exit_code == 1
    said = json.loads(outcome.stdout)
    assert [(m["file"], m["line"]) for m in said["mistakes"]] == [("annunciators.yaml", 2)]
    assert said["counts"]["lines"] == 1
    assert len(said["digest"]) == 64


def test_a_missing_folder_is_refused(app: typer.Typer, tmp_path: Path) -> None:
    outcome = CliRunner().invoke(app, ["check"], env={"TELEMETRY_CONFIG": str(tmp_path / "none")})
    assert outcome.exit_code == 1
    assert "TELEMETRY_CONFIG" in outcome.output


def test_schemas_are_written_for_every_kind(app: typer.Typer, tmp_path: Path) -> None:
    outcome = CliRunner().invoke(app, ["check", "--schema", str(tmp_path / "schemas")])
    assert outcome.exit_code == 0
    kinds = {file.stem for file in (tmp_path / "schemas").iterdir()}
    assert kinds == {
        "plant", "areas", "templates", "profiles", "alarms", "interlocks", "annunciators", "roles", "requirements",
    }  # fmt: skip
    alarms = json.loads((tmp_path / "schemas" / "alarms.json").read_text(encoding="utf-8"))
    entry = alarms["$defs"]["AlarmEntry"]["properties"]
    assert {"for", "class", "cause", "consequence", "response"} <= entry.keys()
