"""The verbs of the service itself: run, demo, engine, historian, db."""

import asyncio
import json
import signal
from pathlib import Path
from typing import Annotated

import typer

from telemetry.console import said


def register(app: typer.Typer) -> None:
    app.command()(run)
    app.command()(demo)
    app.command()(engine)
    app.command()(historian)
    database = typer.Typer(help="The database.", no_args_is_help=True)
    database.command("url")(database_url)
    database.command("upgrade")(database_upgrade)
    database.command("adopt")(database_adopt)
    app.add_typer(database, name="db")


def run() -> None:
    """Runs the service: engine, database, historian, api, each started again when it ends. Ctrl-C ends all."""
    from telemetry import config_files
    from telemetry.supervisor import service

    if not config_files.ran_before():  # else the engine would wait for it again, half a second at each start
        from telemetry import plant

        plant.load()  # every mistake is named before anything starts
        config_files.keep_in_mind()
    asyncio.run(service.run(said))


def demo() -> None:
    """Runs the example plant with simulators on loopback and prints its address and logins. Ctrl-C ends all."""
    from telemetry import plant
    from telemetry.supervisor import demo as demonstration

    progress = demonstration.Progress()
    loaded = plant.load()
    progress(
        f"plant: {len(loaded.lines)} lines, {len(loaded.equipment)} devices, {len(loaded.tags)} tags, {len(loaded.alarms)} alarms"
    )
    asyncio.run(demonstration.run(progress, set(loaded.roles)))


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
    uvloop.run(run_engine(loaded, replaced, said))
    lock.release()


def historian() -> None:
    """Runs the historian alone: it stores the journal in the database."""
    from telemetry import places, plant
    from telemetry.engine.run import WRITER
    from telemetry.historian.follow import Historian
    from telemetry.historian.stop import Stop
    from telemetry.supervisor.database import database_url as url

    lock = places.Lock("historian", "Another historian")
    stop = Stop()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop.signalled)
    folder = places.closed_folder("journal") / WRITER
    Historian(folder, url, plant.load(), stop, said).run()
    lock.release()


def database_url() -> None:
    """Prints the database's address, for psql, Grafana and others."""
    from telemetry.supervisor.database import database_url as url

    typer.echo(url())


def database_adopt() -> None:
    """Lets this journal go on behind what the database holds: where the old journal is lost. Not while the service runs."""
    import time

    from telemetry import places
    from telemetry.engine.run import WRITER
    from telemetry.historian.adopt import adopt
    from telemetry.supervisor.database import at_hand, connected

    locks = [places.Lock(*what) for what in (("service", "The telemetry service"), ("engine", "An engine"))]
    folder = places.closed_folder("journal") / WRITER
    folder.mkdir(mode=0o700, exist_ok=True)
    with at_hand(typer.echo) as url, connected(url) as connection:
        adopt(folder, connection, time.time_ns(), typer.echo)
    for lock in locks:
        lock.release()


def database_upgrade() -> None:
    """Brings the database to this program's schema; what is there already stays."""
    from telemetry.historian.upgrade import upgrade
    from telemetry.supervisor.database import connected
    from telemetry.supervisor.database import database_url as url

    with connected(url()) as connection:
        typer.echo(f"The database is at migration {upgrade(connection, typer.echo)}.")
