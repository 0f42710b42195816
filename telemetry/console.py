"""The console script `telemetry`. Its verbs come from all packages by entry points, so nothing here imports what is above."""

import logging
import sys
from contextlib import suppress
from importlib.metadata import entry_points

import typer

from telemetry import places
from telemetry.errors import Refusal

app = typer.Typer(
    help="Real-time telemetry of a GMP cell-therapy plant.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)


@app.callback()
def verbs(ctx: typer.Context) -> None:
    """Real-time telemetry of a GMP cell-therapy plant."""
    ctx.obj = places.opcua_keys  # for a verb of `drivers`, which lies below and knows no data folder
    # A callback keeps the verb's name on the command line where only one verb was loaded.


def _load(verb: str) -> None:
    """Adds the verb that is asked for, or all: a fault is to be seen at once, not after every package was imported."""
    entries = entry_points(group="telemetry.commands")
    wanted = [entry for entry in entries if entry.name == verb] or list(entries)
    for place in sorted({entry.value for entry in wanted}):
        next(entry for entry in wanted if entry.value == place).load()(app)


def said(line: str) -> None:
    """Prints a line of a process that runs on. Where standard output lies on a disk that is full, it is not worth dying for."""
    with suppress(OSError):
        typer.echo(line)


def main() -> None:
    """Runs one verb. A refusal is said in plain words, on standard error, with exit status 1."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(message)s")
    for library in ("asyncua", "pymodbus"):  # our drivers say it in a sentence; theirs go up to critical
        logging.getLogger(library).setLevel(logging.CRITICAL + 1)
    _load(sys.argv[1] if len(sys.argv) > 1 else "")
    try:
        app()
    except Refusal as refusal:
        typer.echo(f"{refusal.what}\n{refusal.remedy}", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
