"""The verbs of the service itself: run, demo, engine, historian, db."""

import asyncio
import json
import signal
from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    app.command()(run)
    app.command()(demo)
    app.command()(engine)
    app.command()(historian)
    database = typer.Typer(help="The database.", no_args_is_help=True)
    database.command("url")(database_url)
    database.command("upgrade")(database_upgrade)
    app.add_typer(database, name="db")


def run() -> None:
    """Runs the service: engine, database, historian, api, each started again when it ends. Ctrl-C ends all."""
    from telemetry import plant
    from telemetry.supervisor import service

    plant.load()  # every mistake is named before anything starts
    asyncio.run(service.run(typer.echo))


def demo() -> None:
    """Runs the example plant with simulators on loopback and prints its address and logins. Ctrl-C ends all."""
    from telemetry import plant
    from telemetry.supervisor import demo as demonstration

    said = demonstration.Progress()
    loaded = plant.load()
    said(
        f"plant: {len(loaded.lines)} lines, {len(loaded.equipment)} devices, {len(loaded.tags)} tags, {len(loaded.alarms)} alarms"
    )
    asyncio.run(demonstration.run(said, set(loaded.roles)))


def engine(
    addresses: Annotated[
        Path | None,
        typer.Option(help="JSON file, device to URL, in place of the configured addresses (a simulator's)."),
    ] = None,
) -> None:
    """Runs the engine alone: it scans, alarms, trips and journals without any other process."""
    import uvloop

    from telemetry import files, places, plant
    from telemetry.engine.run import run as run_engine

    lock = places.Lock("engine", "Another engine")
    replaced = json.loads(addresses.read_text()) if addresses else {}
    loaded = plant.load()
    # A device has its connection, and for a moment the one that it is leaving.
    files.allow(2 * len(loaded.equipment) + 500, f"{len(loaded.equipment)} devices")
    uvloop.run(run_engine(loaded, replaced, typer.echo))
    lock.release()


def historian() -> None:
    """Runs the historian alone: it stores the journal in the database."""
    from telemetry import places, plant
    from telemetry.engine.run import WRITER
    from telemetry.historian.follow import Historian
    from telemetry.historian.stop import Stop
    from telemetry.supervisor.database import database_url as url

    stop = Stop()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop.signalled)
    folder = places.closed_folder("journal") / WRITER
    Historian(folder, url, plant.load(), stop, typer.echo).run()


def database_url() -> None:
    """Prints the database's address, for psql, Grafana and others."""
    from telemetry.supervisor.database import database_url as url

    typer.echo(url())


def database_upgrade() -> None:
    """Brings the database to this program's schema; what is there already stays."""
    import psycopg

    from telemetry.historian.upgrade import upgrade
    from telemetry.supervisor.database import database_url as url

    with psycopg.connect(url(), autocommit=True) as connection:
        typer.echo(f"The database is at migration {upgrade(connection, typer.echo)}.")
