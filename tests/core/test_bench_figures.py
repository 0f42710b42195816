"""What a figure says of its bound, and how a bench's outcome becomes an exit status."""

import json
import math
from collections.abc import Sequence

import pytest
from typer.testing import CliRunner

from telemetry.bench import commands
from telemetry.bench.beside import Cores, IdleTimer, p99
from telemetry.bench.figure import Figure, Outcome

FAST = Figure("values per CPU-second", 5_000_000, 100_000, "values/s", bound=50)
LEAN = Figure("CPU of ours", 0.3, 0.6, "cores", bound=0.6, sense="at most")
SHARE = Figure("share of a core", 0.06, None, "cores", bound=0.05, sense="at most")


def test_a_ratio_is_judged_where_there_is_a_baseline_and_the_figure_itself_where_there_is_none() -> None:
    assert (FAST.ratio, FAST.holds) == (50, True)
    assert (LEAN.ratio, LEAN.holds) == (0.5, True)
    assert (SHARE.ratio, SHARE.judged, SHARE.holds) == (None, 0.06, False)


@pytest.mark.parametrize(
    ("bound", "sense", "holds"), [(49, "at least", True), (51, "at least", False), (49, "at most", False)]
)
def test_the_bound_itself_still_holds_and_beyond_it_not(bound: float, sense: str, holds: bool) -> None:
    assert Figure("x", 50, 1, "", bound, sense).holds is holds  # type: ignore[arg-type]
    assert Figure("x", 50, 1, "", 50, sense).holds  # type: ignore[arg-type]


def test_what_was_not_measured_does_not_hold() -> None:
    assert Outcome((FAST,)).holds
    assert not Outcome((FAST,), ("node-opcua is not installed",)).holds


def _run(monkeypatch: pytest.MonkeyPatch, figures: Sequence[Figure], not_run: Sequence[str] = ()) -> tuple[int, str]:
    class Entry:
        name = "case"

        def load(self) -> object:
            return lambda _minutes, say: (say("working"), Outcome(tuple(figures), tuple(not_run)))[1]

    monkeypatch.setattr(commands, "entry_points", lambda group: [Entry()])
    only = __import__("typer").Typer()
    commands.register(only)
    only.command("other")(lambda: None)
    result = CliRunner().invoke(only, ["bench", "case", "--json"])
    return result.exit_code, result.stdout


def test_the_json_has_the_promised_form(monkeypatch: pytest.MonkeyPatch) -> None:
    status, said = _run(monkeypatch, [FAST, SHARE], ["no serial line here"])
    found = json.loads(said)
    assert status == 1
    assert set(found) == {"name", "figures", "not_run"}
    assert found["name"] == "case" and found["not_run"] == ["no serial line here"]
    assert set(found["figures"][0]) == {"name", "ours", "baseline", "ratio", "unit", "bound", "holds"}
    assert [figure["holds"] for figure in found["figures"]] == [True, False]


def test_the_exit_status_is_0_only_where_every_bound_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _run(monkeypatch, [FAST, LEAN])[0] == 0
    assert _run(monkeypatch, [FAST, SHARE])[0] == 1


def test_an_idle_timer_is_late_by_something_small_and_a_reading_of_the_cores_names_the_machine() -> None:
    before = Cores.now()
    with IdleTimer() as idle:
        while Cores.now().at_s - before.at_s < 1.0:
            pass
    assert len(idle.late_ms) >= 20
    assert 0 <= idle.p99_ms() < 1000
    said = Cores.now().since(before)
    assert "cores; this bench used" in said


def test_a_percentile_of_nothing_is_not_a_number() -> None:
    assert math.isnan(p99([]))
    assert p99([1.0, 3.0, 2.0]) == 3.0
