"""`telemetry archive` and `telemetry verify` as a person meets them: what they print, and with which exit status they end."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from telemetry import places
from tests.historian.archives import Stock, flipped

BASE = Path(__file__).parents[1] / "cases" / "config" / "base"


@pytest.fixture
def stock(database_url: str, own_data_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stock]:
    """Days 0 to 4 of a plant whose service does not run."""
    monkeypatch.setenv("TELEMETRY_DATABASE_URL", database_url)
    monkeypatch.setenv("TELEMETRY_CONFIG", str(BASE))
    one = Stock(database_url)
    one.days(4)
    yield one
    one.close()


def ran(*verb: str) -> tuple[int, str, str]:
    """Exit status, standard output, standard error."""
    command = [sys.executable, "-m", "telemetry", *verb]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=os.environ)
    return done.returncode, done.stdout, done.stderr


def test_days_are_archived_and_proven(stock: Stock) -> None:
    status, out, _ = ran("archive")
    assert (status, out.splitlines()[-1]) == (0, "Nothing else is due.")
    assert "gmp of 2026-03-02: 23 rows" in out
    archive = places.data_folder() / "archive"
    status, out, _ = ran("verify", str(archive))
    assert status == 0
    assert "signed by telemetry archive of small, certificate " in out
    assert (
        "manifests: 6, files: 6, rows: 70, events in chains among them: 4\nProven: nothing was altered since it was signed."
        in out
    )
    certificate = places.data_folder() / "keys/archive/certificate.pem"
    assert "Proven: as signed by the anchor." in ran("verify", str(archive), "--quiet", "--anchor", str(certificate))[1]
    parquet = archive / "gmp/2026/2026-03-02.v1.parquet"
    assert ran("verify", str(parquet))[0] == 0
    flipped(parquet, 100)
    status, out, errors = ran("verify", str(archive))
    assert status == 1
    assert f"WRONG: {parquet} was altered: its SHA-256 is" in errors
    assert "is not as it was signed. Faults, each said above: 1." in errors
    assert "Traceback" not in errors
    assert "Proven" not in out


def test_what_counts_as_low_on_the_disk_is_left_to_the_journal(
    stock: Stock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "config"
    shutil.copytree(BASE, config)
    with (config / "plant.yaml").open("a", encoding="utf-8") as file:
        file.write("\njournal: {low_gb: 1000000}\n")
    monkeypatch.setenv("TELEMETRY_CONFIG", str(config))
    status, out, errors = ran("archive", "--day", "2026-03-01")
    assert status == 1 and "may take 1000000" in out + errors and "MB are free" in out + errors
    assert list((places.data_folder() / "archive").glob("*/*/*.json")) == []


def test_without_the_engine_the_run_fails_and_everything_stays(stock: Stock) -> None:
    status, out, errors = ran("archive", "--due")  # these days are older than raw_days
    assert status == 1
    assert "The engine, which records every deletion, does not answer" in out
    assert "could not be done" in errors
    assert stock.asked("select count(*) from frame") == [5 * 23]
    assert (places.data_folder() / "archive/gmp/2026/2026-03-01.v1.manifest.json").exists()


@pytest.mark.parametrize(
    ("verb", "said"),
    [
        (("archive", "--day", "2026-13-01"), "2026-13-01 is no day."),
        (("archive", "--day", "2026-03-05"), "2026-03-05 is not over yet"),
        (("archive", "--day", "2026-02-01"), "The database holds nothing of 2026-02-01."),
        (("archive", "--day", "2026-03-01", "--due"), "Give one of the two."),
        (("verify", "nowhere"), "There is no "),
        (("verify", str(BASE)), "lies in no archive"),
        (("verify", str(BASE), "--anchor", str(BASE / "plant.yaml")), "holds no certificate"),
    ],
)
def test_what_cannot_be_done_is_said_in_plain_words(stock: Stock, verb: tuple[str, ...], said: str) -> None:
    status, _, errors = ran(*verb)
    assert status == 1
    assert said in errors
    assert "Traceback" not in errors
    assert not list(places.data_folder().glob("archive/*/*/*.parquet"))


def test_a_database_that_is_away_is_said(stock: Stock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TELEMETRY_DATABASE_URL", "postgresql://telemetry@127.0.0.1:1/none")
    status, _, errors = ran("archive")
    assert status == 1
    assert "The database cannot be used" in errors
    assert "Traceback" not in errors


def test_two_runs_at_once_do_not_meet(stock: Stock) -> None:
    lock = places.Lock("archive", "Another archive run or backup")
    status, _, errors = ran("archive")
    lock.release()
    assert status == 1
    assert "Another archive run or backup already runs" in errors


def test_an_archive_that_nobody_may_write_is_said(stock: Stock) -> None:
    (places.data_folder() / "archive").mkdir()
    (places.data_folder() / "archive" / "gmp").write_text("a file where a folder should be")
    status, _, errors = ran("archive")
    assert status == 1
    assert "cannot be written" in errors
    assert "Traceback" not in errors
    assert stock.asked("select count(*) from archived_day where class = 'gmp'") == [0]
