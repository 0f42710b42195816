"""The console's `archive` and `verify`."""

import time
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated

import typer

from telemetry.errors import Refusal


def register(app: typer.Typer) -> None:
    """Adds the verbs `archive` and `verify`."""
    app.command()(archive)
    app.command()(verify)


def archive(
    day: Annotated[
        str | None, typer.Option(help="This day alone (UTC, e.g. 2026-01-31), as soon as it is over.")
    ] = None,
    due: Annotated[
        bool,
        typer.Option(
            "--due",
            help="All that is due: archive closed days and late data, drop raw data whose archive is proven and minutes that are "
            "old, delete archives at the end of their retention. The service does this by itself every hour.",
        ),
    ] = False,
    clock_is_right: Annotated[
        bool,
        typer.Option(
            "--clock-is-right",
            help="With --due: delete also where more than a week of data is due at once, or long after the newest archived day. "
            "Look at the clock and at `retention:` first.",
        ),
    ] = False,
) -> None:
    """Writes closed days to signed Parquet files in the data folder's `archive`. Without options: every day that is due."""
    import psycopg

    from telemetry import places, plant
    from telemetry.archive import signing
    from telemetry.archive.keeping import Keeping
    from telemetry.archive.source import Source
    from telemetry.archive.writing import Archive
    from telemetry.feed.record import record
    from telemetry.historian.upgrade import upgrade
    from telemetry.supervisor.database import database_url

    if day and due:
        raise Refusal("--day is one day and --due all that is due.", "Give one of the two.")
    if clock_is_right and not due:
        raise Refusal("--clock-is-right says something of deletions, which only --due does.", "Give both.")
    loaded = plant.load()
    chosen = _day(day) if day else None
    folder, began = places.archive_folder(), time.monotonic()
    lock = places.Lock("archive", "Another archive run or backup")

    def said(line: str) -> None:
        typer.echo(f"{time.monotonic() - began:6.1f} s  {line}")

    try:
        with psycopg.connect(database_url(), autocommit=True, connect_timeout=5) as connection:
            upgrade(connection, typer.echo)
            keeping = Keeping(
                Source(connection),
                Archive(
                    folder,
                    signing.signer(places.closed_folder("keys"), folder, loaded.site.id),
                    int(loaded.journal.low_gb * 1e9),
                ),
                loaded.retention,
                datetime.now(UTC),
                said,
                lambda data: record(places.feed_socket(), "service", data),
                allowed=clock_is_right,
            )
            keeping.register()
            if chosen is not None:
                keeping.archive_one(chosen)
            else:
                keeping.archive_due()
                keeping.archive_late()
            if due:
                keeping.drop()
                keeping.drop_minutes()
                keeping.expire()
    except psycopg.OperationalError as error:
        raise Refusal(
            f"The database cannot be used ({str(error).strip().splitlines()[0]}); nothing was archived.",
            "Start the service (telemetry run), or set TELEMETRY_DATABASE_URL.",
        ) from error
    except OSError as error:
        raise Refusal(
            f"The archive in {folder} cannot be written ({error.strerror or error}); no half file was left there.",
            "Free space on its disk, or give the folder to this user, and try again.",
        ) from error
    finally:
        lock.release()
    if keeping.failures:
        raise Refusal(
            f"{len(keeping.failures)} of what was due could not be done; each was said above.",
            "Everything else was done. What failed stays where it is and is tried again by the next run.",
        )
    if not due:  # what the service runs by itself is silent where there is nothing to do
        typer.echo("Nothing else is due." if chosen is None else "Done.")


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise Refusal(f"{text} is no day.", "Write it as year, month, day: 2026-01-31.") from error


def verify(
    path: Annotated[Path, typer.Argument(help="An archive, a folder in it, or a file of a day.")],
    anchor: Annotated[
        list[Path] | None,
        typer.Option(help="Certificate (PEM) of who must have signed, got by another way; may be repeated."),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Say only what is wrong, and the sum.")] = False,
) -> None:
    """Proves an archive offline: signatures, hashes, counts, and that nothing is missing, moved or added. Exit status 1 if not."""
    from telemetry.archive import signing
    from telemetry.archive.verify import Verification

    anchors = [signing.certificate_in(file) for file in anchor or []]
    verification = Verification(path, anchors, (lambda line: None) if quiet else typer.echo)
    report = verification.run()
    for sentence in report.noted:
        typer.echo(f"note: {sentence}")
    for sentence in report.wrong:
        typer.echo(f"WRONG: {sentence}", err=True)
    known = signing.certificates(verification.folder)
    for signer, count in sorted(report.signers.items()):
        typer.echo(f"signed by {signing.common_name(known[signer])}, certificate {signer}, manifests: {count}")
    typer.echo(
        f"manifests: {report.manifests}, files: {report.files}, rows: {report.rows}, events in chains among them: {report.events}"
    )
    if report.wrong:
        raise Refusal(
            f"{path} is not as it was signed. Faults, each said above: {len(report.wrong)}.",
            "Put back from a backup what was altered or is missing; what is not named is proven.",
        )
    typer.echo(
        "Proven: as signed by the anchor."
        if anchors
        else "Proven: nothing was altered since it was signed. Who signed, only --anchor proves: compare the certificate's number "
        "above with one that you got by another way."
    )
