"""The console's `bench`: measures ours and a baseline in one run and says whether every bound holds."""

import json
import signal
from importlib.metadata import EntryPoint, entry_points
from types import FrameType
from typing import Annotated

import typer

from telemetry.bench.beside import Cores
from telemetry.bench.figure import LONGEST_MINUTES, Bench, Figure, Outcome
from telemetry.errors import Refusal


def register(app: typer.Typer) -> None:
    """Adds the verb `bench`."""
    app.command("bench")(bench)


def bench(
    name: Annotated[str | None, typer.Argument(help="Which; without one, all are listed.")] = None,
    minutes: Annotated[float, typer.Option(help="How long it may measure.", min=0.1, max=LONGEST_MINUTES)] = 4.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print the outcome as one JSON object.")] = False,
) -> None:
    """Measure ours against a baseline in one run. Ends with 0 only where every bound was measured and holds."""
    known = {entry.name: entry for entry in entry_points(group="telemetry.benches")}
    if name is None:
        typer.echo("Benches: " + ", ".join(sorted(known)) + ". Run one with `telemetry bench NAME`.")
        return
    if name not in known:
        raise Refusal(f"There is no bench {name}.", f"There are: {', '.join(sorted(known))}.")
    outcome = _measured(name, known[name], minutes)
    if as_json:
        found = {"name": name, "figures": [f.as_json() for f in outcome.figures], "not_run": list(outcome.not_run)}
        typer.echo(json.dumps(found, ensure_ascii=False, indent=2))
    else:
        for line in _table(outcome.figures):
            typer.echo(line)
        for sentence in outcome.not_run:
            typer.echo(f"not run: {sentence}")
    if not outcome.holds:
        raise typer.Exit(1)


def _measured(name: str, entry: EntryPoint, minutes: float) -> Outcome:
    def overrun(_number: int, _frame: FrameType | None) -> None:
        raise Refusal(
            f"The bench {name} did not end within {LONGEST_MINUTES:g} minutes and was stopped.",
            "Run it again with fewer --minutes, on a machine with less beside it.",
        )

    measure: Bench = entry.load()
    before = Cores.now()
    signal.signal(signal.SIGALRM, overrun)
    signal.setitimer(signal.ITIMER_REAL, LONGEST_MINUTES * 60)
    try:
        outcome = measure(minutes, _say)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    _say(Cores.now().since(before))
    return outcome


def _say(line: str) -> None:
    typer.echo(line, err=True)


def _table(figures: tuple[Figure, ...]) -> list[str]:
    """One line a figure, columns aligned."""
    rows = [("figure", "ours", "baseline", "ratio", "unit", "bound", "")]
    for f in figures:
        bound = "" if f.bound is None else f"{f.sense} {f.bound:g}"
        verdict = "" if f.bound is None else "holds" if f.holds else "DOES NOT HOLD"
        rows.append((f.name, _number(f.ours), _number(f.baseline), _number(f.ratio), f.unit, bound, verdict))
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
