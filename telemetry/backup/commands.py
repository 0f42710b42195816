"""The console's `backup` and `restore`."""

import os
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Adds the verbs `backup` and `restore`."""
    app.command()(backup)
    app.command()(restore)


def backup(
    folder: Annotated[Path, typer.Argument(help="A new folder, best on another machine's disk.")],
    keys: Annotated[
        Path | None,
        typer.Option(help="File for the keys; FOLDER.keys.tar by default. Keep it in other hands than the rest."),
    ] = None,
) -> None:
    """Copies database, journal, archive and configuration, and apart the keys, of a plant that may go on running."""
    from telemetry import places, plant
    from telemetry.archive import signing
    from telemetry.backup.taking import Backup
    from telemetry.config_files import folder as config_folder

    said = _timed()
    target = folder.absolute()
    key_file = keys.absolute() if keys else target.with_name(f"{target.name}.keys.tar")
    loaded = plant.load()
    lock = places.Lock("archive", "An archive run or backup")
    try:
        signer = signing.signer(places.closed_folder("keys"), places.archive_folder(), loaded.site.id)
        with _server(places.data_folder(), said) as url:
            made = Backup(places.data_folder(), config_folder(), target, key_file, said).take(url, signer)
    finally:
        lock.release()
    size = sum(file.bytes for file in made.files)
    typer.echo(
        f"Backup of {made.made} in {target}: {len(made.files)} files, {size / 1e6:.1f} MB, signed by {made.signer}."
    )
    typer.echo(
        f"The keys are apart in {key_file}: keep them in other hands. telemetry restore --help says how to go back."
    )


def restore(
    folder: Annotated[Path, typer.Argument(help="What `telemetry backup` made.")],
    keys: Annotated[
        Path | None,
        typer.Option(
            help="The file of keys. Without it the plant gets new ones: people, OPC UA and archive keys are not back."
        ),
    ] = None,
) -> None:
    """Puts a backup into an empty data folder (TELEMETRY_DATA_DIR), after proving every file of it."""
    from telemetry import places
    from telemetry.backup.restoring import restore as put_back

    said = _timed()
    data = places.data_folder()
    lock = places.Lock("service", "A telemetry service")
    try:
        told = put_back(folder.absolute(), data, keys.absolute() if keys else None, said)
    finally:
        lock.release()
    typer.echo(
        f"The plant of {told.made} is in {data}. Its configuration is in {data / 'config'}: compare it with your own."
    )
    typer.echo(f"Start it:  TELEMETRY_DATA_DIR={data} TELEMETRY_CONFIG={data / 'config'} telemetry run")
    typer.echo("What the journal holds beyond the database is stored as soon as the historian runs.")


def _timed() -> Callable[[str], None]:
    began = time.monotonic()
    return lambda line: typer.echo(f"{time.monotonic() - began:6.1f} s  {line}")


@contextmanager
def _server(data: Path, said: Callable[[str], None]) -> Generator[str]:
    """The database's address, as whoever may dump all of it; the embedded server is started where the service does not run."""
    import psycopg

    from telemetry import places
    from telemetry.database import DatabaseError, EmbeddedDatabase
    from telemetry.errors import Refusal

    given = os.environ.get("TELEMETRY_DATABASE_URL")
    if given:
        yield given
        return
    database = EmbeddedDatabase(data, said)
    try:
        psycopg.connect(database.superuser_url, connect_timeout=5).close()
        running = True
    except (psycopg.OperationalError, DatabaseError):
        running = False
    if running:
        yield database.superuser_url
        return
    try:
        places.Lock("service", "The telemetry service").release()
    except Refusal as error:
        raise Refusal(
            f"The database of {data} does not answer, and the telemetry service, which starts it, is running. No backup was made.",
            "See what the service says of its database, and try again once that answers; or stop the service: a backup then starts "
            "the database by itself.",
        ) from error
    try:
        database.start()
        yield database.superuser_url
    finally:
        database.stop()
