"""`telemetry calibrations`: tables into the running engine and out of it."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from telemetry import places
from telemetry.engine.engine import Engine
from telemetry.errors import Refusal
from telemetry.people import users
from telemetry.sensors.commands import register
from tests.engine.feeds import ended, serving
from tests.engine.small_plant import small_plant, write_config
from tests.engine.test_sensors import PRESSURE, begun

PASSWORD = "a good password"
ROLE = "  engineer: [calibration.enter]\n"


@pytest.fixture
async def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Engine]:
    """A running engine, as the console meets it; it knows an engineer and a viewer."""
    config = write_config(tmp_path / "config")
    with (config / "roles.yaml").open("a", encoding="utf-8") as roles:
        roles.write(ROLE)
    monkeypatch.setenv("TELEMETRY_CONFIG", str(config))
    for name in ("engineer", "viewer"):
        users.put(name, name, PASSWORD, {"engineer", "viewer"})
    (tmp_path / "journal").mkdir()
    one = begun(tmp_path / "journal", small_plant())
    syncing = asyncio.create_task(one.sync_events(), name="sync")
    shown = one.published.snapshot
    async with serving(places.feed_socket(), one.execute, lambda n: shown(one.core, n, one.clock.now())) as one.feed:
        yield one
    await ended(syncing)


async def console(*words: str | Path, password: str | None = None) -> Result:
    app = typer.Typer()
    app.callback()(lambda: None)
    register(app)
    typed = None if password is None else f"{password}\n"
    return await asyncio.to_thread(CliRunner().invoke, app, ["calibrations", *map(str, words)], typed)


def table(folder: Path, *tags: str) -> Path:
    performed, due = (datetime.now(UTC) + timedelta(days=n) for n in (-2, 300))
    rows = [f"{tag},{performed:%Y-%m-%d},{due:%Y-%m-%d},C-{n},pass," for n, tag in enumerate(tags)]
    file = folder / "calibrations.csv"
    file.write_text("\n".join(("tag,performed,due,certificate,result,note", *rows)), "utf-8")
    return file


async def test_a_table_goes_into_the_engine_and_out_of_it(engine: Engine, tmp_path: Path) -> None:
    file = table(tmp_path, PRESSURE, "L01-ISO.fan")
    entered = await console("import", file, "--user", "engineer", password=PASSWORD)
    assert entered.exit_code == 0 and "2 calibrations entered; known already: 0." in entered.output, entered.output
    assert {one.person for one in engine.sensors.calibrations.values()} == {"engineer"}
    out = tmp_path / "out.csv"
    assert "2 calibrations written" in (await console("export", "--to", out)).output
    assert PRESSURE in (await console("export")).output
    again = await console("import", out, "--user", "engineer", password=PASSWORD)
    assert "0 calibrations entered; known already: 2." in again.output, again.output
    nowhere = await console("export", "--to", tmp_path / "no" / "out.csv")
    assert isinstance(nowhere.exception, Refusal) and "cannot be written" in str(nowhere.exception)


async def test_one_calibration_is_one(engine: Engine, tmp_path: Path) -> None:
    entered = await console("import", table(tmp_path, PRESSURE), "--user", "engineer", password=PASSWORD)
    assert "1 calibration entered" in entered.output, entered.output
    assert "1 calibration written" in (await console("export", "--to", tmp_path / "out.csv")).output


async def test_mistakes_are_listed_by_row_and_nothing_is_entered(engine: Engine, tmp_path: Path) -> None:
    file = table(tmp_path, PRESSURE, "L01-ISO.presure", "L01-ISO.firmware")
    refused = await console("import", file, "--user", "engineer", password=PASSWORD)
    assert refused.exit_code == 1
    assert f"{file}, row 3: There is no measured tag L01-ISO.presure" in refused.output
    assert "2 mistakes. Nothing was entered." in refused.output
    assert engine.sensors.calibrations == {}


@pytest.mark.parametrize(
    ("user", "password", "says"),
    [
        ("engineer", "a wrong password", "do not fit together"),
        ("nobody", PASSWORD, "do not fit together"),
        ("viewer", PASSWORD, "does not permit calibration.enter"),
    ],
)
async def test_only_who_may_enters(engine: Engine, tmp_path: Path, user: str, password: str, says: str) -> None:
    refused = await console("import", table(tmp_path, PRESSURE), "--user", user, password=password)
    assert isinstance(refused.exception, Refusal) and says in str(refused.exception)
    assert engine.sensors.calibrations == {}


async def test_without_an_engine_it_is_said_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("telemetry.sensors.commands.HEARD_S", 0.2)
    refused = await console("export")
    assert isinstance(refused.exception, Refusal) and "telemetry run" in str(refused.exception)
