"""The console's `calibrations`: the running engine's list of them as a table, and a table into it."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Final, TypeVar

import typer

from telemetry.errors import Refusal
from telemetry.feed.client import EngineAway, Mirror
from telemetry.feed.messages import Command, Result
from telemetry.sensors.calibrations import Calibration

T = TypeVar("T")
HEARD_S: Final = 5.0
PERMISSION: Final = "calibration.enter"


def register(app: typer.Typer) -> None:
    """Adds the verb `calibrations`."""
    calibrations = typer.Typer(help="Calibrations of the plant's sensors, as tables (CSV).", no_args_is_help=True)
    calibrations.command("export")(export)
    calibrations.command("import")(import_)
    app.add_typer(calibrations, name="calibrations")


def export(
    to: Annotated[Path | None, typer.Option(help="The .csv file. Without it: on standard output.")] = None,
) -> None:
    """Write the newest calibration of each tag as a table: what the running engine goes by, the soonest due first."""
    from telemetry.sensors.calibration_table import rows_of
    from telemetry.tags.csv_files import csv_bytes, csv_text

    async def ask(mirror: Mirror) -> list[Calibration]:
        return sorted(mirror.calibrations.values(), key=lambda one: (one.past_due_ns, one.tag))

    rows = rows_of(asyncio.run(_of_engine(ask)))
    if to is None:
        typer.echo(csv_text(rows), nl=False)
        return
    try:
        to.write_bytes(csv_bytes(rows))
    except OSError as error:
        raise Refusal(f"{to} cannot be written ({error.strerror}).", "Name a file that you may write.") from error
    typer.echo(f"{_calibrations(len(rows) - 1)} written to {to}.")


def import_(
    file: Annotated[Path, typer.Argument(help="The .csv file: tag, performed, due, certificate, result, note.")],
    user: Annotated[str, typer.Option(help="Who enters them; the password is asked for.")],
    password: Annotated[str, typer.Option(prompt=True, hide_input=True)],
    encoding: Annotated[str | None, typer.Option(help="The encoding of the file where it cannot be told.")] = None,
) -> None:
    """Enter a table of calibrations into the running engine: all rows are checked first, and all are entered or none."""
    from telemetry import plant
    from telemetry.people import users
    from telemetry.sensors.calibration_table import calibrations_in, zone_of
    from telemetry.tags.csv_files import csv_rows

    configured = plant.load()
    known = users.signed_in(user, password)
    if known is None:
        raise Refusal(
            "User name and password do not fit together.", "Try again; `telemetry user list` shows all users."
        )
    if PERMISSION not in configured.roles.get(known.role, ()):
        raise Refusal(f"The role {known.role} of {user} does not permit {PERMISSION}.", "Ask somebody whose role does.")
    try:
        rows = csv_rows(file.read_bytes(), str(file), encoding)
    except OSError as error:
        raise Refusal(f"{file} cannot be read ({error.strerror}).", "Name the table's file.") from error
    numeric = {tag.id for tag in configured.tags.values() if tag.numeric}
    given, mistakes = calibrations_in(rows, user, zone_of(configured.site.timezone), numeric, time.time_ns())
    if mistakes:
        for mistake in mistakes:
            typer.echo(f"{file}, {mistake}", err=True)
        number = "1 mistake" if len(mistakes) == 1 else f"{len(mistakes)} mistakes"
        typer.echo(f"{number}. Nothing was entered. Mend what is listed and import again.", err=True)
        raise typer.Exit(1)

    async def ask(mirror: Mirror) -> Result:
        data = {"calibrations": [one.data() for one in given]}
        return await mirror.send(Command(id=0, verb="calibrate", person=user, data=data))

    result = asyncio.run(_of_engine(ask))
    if result.refused is not None:
        raise Refusal(result.refused, "Mend it and import again.")
    entered = int((result.data or {})["entered"])
    typer.echo(f"{_calibrations(entered)} entered; known already: {len(given) - entered}.")


def _calibrations(number: int) -> str:
    return "1 calibration" if number == 1 else f"{number} calibrations"


async def _of_engine(ask: Callable[[Mirror], Awaitable[T]]) -> T:
    """What `ask` gives, once the running engine is heard."""
    from telemetry import places

    mirror = Mirror(places.feed_socket())
    running = asyncio.create_task(mirror.run())
    try:
        deadline_s = time.monotonic() + HEARD_S
        while not mirror.connected:
            if time.monotonic() > deadline_s:
                raise Refusal("The engine is not heard, and holds the list.", "Start the service: telemetry run.")
            await asyncio.sleep(0.05)
        return await ask(mirror)
    except EngineAway as error:
        raise Refusal(str(error), "Import again: what was entered already is known and not entered twice.") from error
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
