"""The console's `check`: every mistake of the configuration at once, or what the plant consists of; schemas for editors."""

import asyncio
import json
from pathlib import Path
from typing import Annotated, Any

import typer

from telemetry.config_files import folder
from telemetry.errors import Refusal
from telemetry.plant.connect import Answer, address_book, ask, chosen
from telemetry.plant.findings import Mistake
from telemetry.plant.form import schemas
from telemetry.plant.load import ConfigError, Survey, survey
from telemetry.plant.model import Plant
from telemetry.plant.parse import FOLDERS, SINGLES


def register(app: typer.Typer) -> None:
    """Adds the verb `check`."""
    app.command("check")(check)


def check(
    schema: Annotated[
        Path | None,
        typer.Option(help="Write a JSON Schema of every kind of file into this folder (- prints them) and stop."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the outcome as one JSON object.")] = False,
    connect: Annotated[bool, typer.Option("--connect", help="Then connect to every device and read it once.")] = False,
    device: Annotated[
        list[str] | None, typer.Option(help="With --connect: this device alone; may be repeated.")
    ] = None,
    addresses: Annotated[
        Path | None,
        typer.Option(help="With --connect: JSON file, device to URL, in place of the configured addresses."),
    ] = None,
) -> None:
    """Check the configuration: every mistake with file, line and remedy. The folder is TELEMETRY_CONFIG, else config/."""
    if (device or addresses) and not connect:
        raise Refusal("--device and --addresses are for asking devices.", "Add --connect.")
    if schema is not None:
        _export(schema)
        return
    root = folder()
    try:
        found = survey(root)
    except ConfigError as error:
        _refuse(root, error.mistakes, as_json)
        raise typer.Exit(1) from error
    outcome = _object(root, found)
    if not as_json:
        _tell(root, found)
    answers: list[Answer] = []
    if connect and not found.mistakes:
        answers = _ask(found.plant, device or [], addresses, as_json)
        outcome["devices"] = {
            one.device: {"address": one.address, "findings": one.findings, "left_alone": one.left_alone}
            for one in answers
        }
    if as_json:
        typer.echo(json.dumps(outcome, ensure_ascii=False, indent=2))
    if found.mistakes or any(one.findings for one in answers):
        raise typer.Exit(1)


def _ask(plant: Plant, names: list[str], addresses: Path | None, as_json: bool) -> list[Answer]:
    """Asks the devices; each is told of as soon as it has answered (beside a JSON object: on standard error)."""
    units, book = chosen(plant, names), address_book(addresses)

    def told(done: int, answer: Answer) -> None:
        for sentence in answer.sentences:
            typer.echo(f"{done}/{len(units)} {sentence}.", err=as_json)

    answers = asyncio.run(ask(units, book, told))
    unwell = sum(bool(one.findings) for one in answers)
    asked = sum(one.left_alone is None for one in answers)
    typer.echo(f"{asked} of {len(units)} devices asked, {unwell} with findings.", err=as_json)
    return answers


def counts(plant: Plant) -> dict[str, int]:
    """How much of everything the plant has."""
    return {
        "areas": len(plant.areas),
        "lines": len(plant.lines),
        "rooms": len(plant.rooms),
        "equipment": len(plant.equipment),
        "tags": len(plant.tags),
        "alarms": len(plant.alarms),
        "interlocks": len(plant.interlocks),
    }


def _tell(root: Path, found: Survey) -> None:
    for mistake in found.warnings:
        typer.echo(f"warning: {root}/{mistake}")
    for mistake in found.mistakes:
        typer.echo(f"{root}/{mistake}", err=True)  # as text: a path would swallow a slash of modbus://
    if found.mistakes:
        typer.echo(_next(len(found.mistakes)), err=True)
        return
    shown = ", ".join(f"{number} {name}" for name, number in counts(found.plant).items())
    typer.echo(f"{root} has no mistakes: {shown}.\nDigest {found.plant.digest}")


def _refuse(root: Path, mistakes: tuple[Mistake, ...], as_json: bool) -> None:
    if as_json:
        outcome = {"folder": str(root), "mistakes": [_entry(m) for m in mistakes], "warnings": []}
        typer.echo(json.dumps(outcome, ensure_ascii=False, indent=2))
        return
    for mistake in mistakes:
        typer.echo(str(mistake), err=True)


def _next(number: int) -> str:
    which = "1 mistake. Mend it" if number == 1 else f"{number} mistakes. Mend them"
    return f"{which} and run `telemetry check` again; the service starts only without any."


def _object(root: Path, found: Survey) -> dict[str, Any]:
    return {
        "folder": str(root),
        "digest": found.plant.digest,
        "counts": counts(found.plant),
        "mistakes": [_entry(m) for m in found.mistakes],
        "warnings": [_entry(m) for m in found.warnings],
    }


def _entry(mistake: Mistake) -> dict[str, Any]:
    return {"file": mistake.file, "line": mistake.line, "wrong": mistake.wrong, "right": mistake.right}


def _export(target: Path) -> None:
    every = schemas({**SINGLES, **FOLDERS})
    if str(target) == "-":
        typer.echo(json.dumps(every, ensure_ascii=False, indent=2))
        return
    try:
        target.mkdir(parents=True, exist_ok=True)
        for kind, content in every.items():
            (target / f"{kind}.json").write_text(
                json.dumps(content, ensure_ascii=False, indent=2) + "\n", encoding="utf-8"
            )
    except OSError as error:
        typer.echo(
            f"The schemas cannot be written to {target} ({error.strerror}). Name a folder that you may write.", err=True
        )
        raise typer.Exit(1) from error
    typer.echo(f"{len(every)} schemas written to {target}. docs/configuration.md says how an editor uses them.")
