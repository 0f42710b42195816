"""A plant that goes on running is backed up and comes back elsewhere: every reading, every event, the archive, the keys."""

import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest

from telemetry import places, plant
from telemetry.archive import signing
from telemetry.archive.commands import archive
from telemetry.archive.reading import archived
from telemetry.archive.verify import Verification
from telemetry.backup import contents, programs, restoring, taking
from telemetry.backup.commands import backup, restore
from telemetry.database import EmbeddedDatabase
from telemetry.errors import Refusal
from telemetry.historian.follow import Historian
from telemetry.historian.stop import Stop
from telemetry.historian.upgrade import upgrade
from telemetry.journal.format import ZERO_HASH
from telemetry.journal.status import STATUS
from telemetry.journal.thinning import prepare
from telemetry.journal.writer import Writer
from tests.historian.archives import flipped
from tests.historian.journals import NOON, SECOND, WRITER, frames_of, good_frame, read, until
from tests.system.conftest import plant_folder

BASE = Path(__file__).parents[1] / "cases" / "config" / "base"
DAY_S = 86_400


def asked(url: str, question: str) -> list[Any]:
    with psycopg.connect(url) as connection:
        return connection.execute(question.encode()).fetchall()


@contextmanager
def storing(journal: Path, url: str) -> Iterator[None]:
    """A historian, in a thread."""
    stop = Stop()
    one = Historian(journal, lambda: url, plant.load(BASE), stop, lambda line: None)
    thread = threading.Thread(target=one.run)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(30)
        assert not thread.is_alive()


@contextmanager
def server(data: Path) -> Iterator[str]:
    database = EmbeddedDatabase(data, lambda line: None)
    try:
        url = database.start()
        with psycopg.connect(url, autocommit=True) as connection:
            upgrade(connection, lambda line: None)
        yield url
    finally:
        database.stop()


def settle(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TELEMETRY_DATA_DIR", str(data))
    monkeypatch.setenv("TELEMETRY_CONFIG", str(BASE))


def last_numbers(journal: Path) -> list[tuple[str, int]]:
    return [(stream, read(journal, stream)[-1].number) for stream in ("events", "frames")]


def positions(url: str) -> list[Any]:
    return asked(url, "select stream, number from journal_position where stream in ('events', 'frames') order by 1")


@pytest.fixture
def root(database_software: Path) -> Iterator[Path]:
    with plant_folder() as folder:
        yield folder


class Going:
    """A writer that never rests: a thread that appends frames and events until told to stop."""

    def __init__(self, journal: Path, days: int) -> None:
        self.writer = Writer(journal, WRITER)
        self.written = 0
        for n in range(days * 4):
            self.append(n * DAY_S // 4)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def append(self, second: int) -> None:
        self.writer.frame(good_frame(second), failed=False)
        self.writer.event(NOON + second * SECOND, {"kind": "act", "n": self.written})
        self.written += 1

    def _run(self) -> None:
        second = 10 * DAY_S
        while not self._stop.wait(0.002):
            second += 1
            self.append(second)

    def __enter__(self) -> "Going":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self.writer.close()


def test_a_running_plant_comes_back_elsewhere(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old, new, copy = root / "old", root / "new", root / "copy"
    settle(old, monkeypatch)
    journal = places.closed_folder("journal") / WRITER
    with server(old) as url, Going(journal, days=5) as going:
        with storing(journal, url):
            until(lambda: positions(url) and positions(url)[0][1] >= 20, "the first records in the database")
            archive(day=None, due=False)
            before = going.written
            backup(copy, keys=None)
            assert going.written > before, "it was written to meanwhile"
            ends = last_numbers(copy / "journal" / WRITER)
            until(lambda: all(a > b for a, b in zip(positions(url), ends, strict=True)), "records beyond the backup")
        kept = asked(url, 'select time, layout, received, late, source, quality, "values" from frame')
        days = archived(places.archive_folder())
    assert len(days) > 6

    keys = root / "copy.keys.tar"
    assert keys.stat().st_mode & 0o777 == 0o600
    assert not [path for path in copy.rglob("*") if "key" in path.name.lower() or "password" in path.name]
    settle(new, monkeypatch)
    restore(copy, keys=keys)

    restored = new / "journal" / WRITER
    assert not (restored / STATUS).exists(), "what it says is true of the old database alone"
    with server(new) as url:
        behind, end = positions(url), last_numbers(restored)
        assert behind < end, "the journal is newer than the dump"
        with storing(restored, url):
            until(lambda: positions(url) == end, "the rest of the journal in the database")
        frames = [frame for frame, _ in frames_of(read(restored, "frames"))]
        stored = asked(url, 'select time, layout, received, late, source, quality, "values" from frame')
        assert len(stored) == len(frames) >= before
        assert {str(row) for row in stored} <= {str(row) for row in kept}
        chain = asked(url, "select number, previous, hash from event order by number")
        assert [number for number, _, _ in chain] == list(range(1, end[0][1] + 1))
        assert [previous for _, previous, _ in chain] == [ZERO_HASH, *(own for _, _, own in chain[:-1])]
        assert asked(url, "select count(*) from journal_gap union all select count(*) from rejected") == [(0,), (0,)]
        assert asked(url, "select count(*) from archived_day") == [(len(days),)]
    assert Verification(new / "archive", [], lambda line: None).run().wrong == []
    assert (new / "keys/archive/key.pem").read_bytes() == (old / "keys/archive/key.pem").read_bytes()
    assert plant.load(new / "config").digest == plant.load(BASE).digest


def test_a_segment_that_was_thinned_or_cut_meanwhile_is_copied_anew(tmp_path: Path) -> None:
    journal, copy = tmp_path / "data/journal" / WRITER, tmp_path / "copy"
    writer = Writer(journal, WRITER)
    for i in range(100):
        writer.frame(good_frame(i), failed=False)
    writer.close()
    one = taking.Backup(tmp_path / "data", BASE, copy, tmp_path / "copy.keys.tar", lambda line: None)
    segment = next(journal.glob("frames-*"))
    copied = one.partial / "journal" / WRITER / segment.name
    one._journal()
    thinned = prepare(segment, 10)
    assert thinned is not None
    thinned.commit()
    with segment.open("ab") as file:
        file.write(b"what found no room")
    one._journal()
    assert copied.read_bytes() == segment.read_bytes()
    os.truncate(segment, segment.stat().st_size - 18)
    with segment.open("ab") as file:
        file.write(b"a record that is longer, and then some more")
    one._journal()
    assert copied.read_bytes() == segment.read_bytes()
    with segment.open("ab") as file:
        file.write(b"what comes next")
    one._journal()
    assert copied.read_bytes() == segment.read_bytes()


@pytest.fixture(scope="module")
def small(database_software: Path) -> Iterator[Path]:
    """A folder with a backup of a plant that has hardly begun: `copy`, `copy.keys.tar`."""
    with plant_folder() as folder, pytest.MonkeyPatch.context() as patch:
        settle(folder / "old", patch)
        journal = places.closed_folder("journal") / WRITER
        writer = Writer(journal, WRITER)
        writer.frame(good_frame(0), failed=False)
        writer.event(NOON, {"kind": "act"})
        writer.close()
        with server(folder / "old") as url, storing(journal, url):
            until(lambda: positions(url) and positions(url)[0][1] == 1, "the record in the database")
        backup(folder / "copy", keys=None)  # the service is stopped: the server is started for it
        yield folder


@pytest.fixture
def copied(small: Path, root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of that backup for this test alone, and an empty data folder `new`."""
    shutil.copytree(small / "copy", root / "copy")
    settle(root / "new", monkeypatch)
    return root / "copy"


def test_without_its_keys_it_comes_back_with_new_ones(copied: Path) -> None:
    restore(copied, keys=None)
    new = places.data_folder()
    assert not (new / "keys" / "archive").exists()
    with server(new) as url:
        assert asked(url, "select count(*) from frame") == [(1,)]


@pytest.mark.parametrize("name", ["database.dump", "manifest.json", "manifest.sig", "config/plant.yaml", "journal"])
def test_a_flipped_byte_is_found_before_anything_is_touched(copied: Path, name: str) -> None:
    path = next((copied / name).rglob("frames-*")) if name == "journal" else copied / name
    flipped(path, path.stat().st_size // 2)
    with pytest.raises(Refusal, match="altered"):
        restore(copied, keys=None)
    assert list(places.data_folder().iterdir()) == []


def test_what_is_missing_or_strange_is_named(copied: Path) -> None:
    (copied / "config" / "stranger.yaml").write_text("a: 1\n")
    with pytest.raises(Refusal, match=r"stranger\.yaml does not belong to the backup"):
        restore(copied, keys=None)
    (copied / "config" / "stranger.yaml").unlink()
    (copied / "config" / "plant.yaml").unlink()
    with pytest.raises(Refusal, match=r"config/plant\.yaml is missing from the backup"):
        restore(copied, keys=None)
    (copied / "manifest.json").unlink()
    with pytest.raises(Refusal, match=r"no whole backup: manifest\.json is missing"):
        restore(copied, keys=None)


def test_a_plant_is_never_replaced(copied: Path) -> None:
    (places.data_folder() / "journal").mkdir()
    with pytest.raises(Refusal, match=r"is not empty: it holds journal.*TELEMETRY_DATA_DIR"):
        restore(copied, keys=None)


def test_a_backup_is_never_replaced(copied: Path) -> None:
    with server(places.data_folder()), pytest.raises(Refusal, match="exists already"):
        backup(copied, keys=None)
    assert (copied / "manifest.json").exists()


def signed_anew(folder: Path, small: Path, **changed: Any) -> None:
    """The backup as if another program had made it."""
    told = msgspec.structs.replace(
        msgspec.json.decode((folder / "manifest.json").read_bytes(), type=contents.Contents), **changed
    )
    signer = signing.signer(small / "old" / "keys", folder / "archive", "small")
    (folder / "manifest.json").write_bytes(contents.packed(told))
    (folder / "manifest.sig").write_bytes(signer.sign(contents.packed(told)))


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"timescaledb": "1.7.5"}, "has TimescaleDB 1.7.5, this server has 2"),
        ({"migration": 9999}, "has migration 9999, this program knows"),
    ],
)
def test_a_database_of_another_version_is_refused_and_nothing_left(
    copied: Path, small: Path, changed: dict[str, Any], said: str
) -> None:
    signed_anew(copied, small, **changed)
    with pytest.raises(Refusal, match=said):
        restore(copied, keys=None)
    assert list(places.data_folder().iterdir()) == []


def test_a_wrong_file_of_keys_is_refused_and_nothing_left(copied: Path) -> None:
    with pytest.raises(Refusal, match="is no file of keys"):
        restore(copied, keys=copied / "database.dump")
    assert list(places.data_folder().iterdir()) == []


def test_a_database_that_holds_a_plant_is_refused(
    copied: Path, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TELEMETRY_DATABASE_URL", database_url)
    with pytest.raises(Refusal, match="holds a plant already"):
        restore(copied, keys=None)


def test_no_space_is_said_first(copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny = shutil._ntuple_diskusage(10, 9, 1)
    for module in (restoring, taking):
        monkeypatch.setattr(module.shutil, "disk_usage", lambda folder: tiny)
    with pytest.raises(Refusal, match="MB free"):
        restore(copied, keys=None)
    assert list(places.data_folder().iterdir()) == []


def test_a_database_that_is_away_while_the_service_runs_is_said(
    small: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settle(small / "old", monkeypatch)
    lock = places.Lock("service", "The telemetry service")
    try:
        with pytest.raises(Refusal, match=r"does not answer, and the telemetry service.* is running"):
            backup(root / "other", keys=None)
        assert sorted(root.iterdir()) == []
    finally:
        lock.release()


def test_a_dump_that_fails_leaves_nothing_behind(small: Path, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settle(small / "old", monkeypatch)
    monkeypatch.setattr(programs, "program", lambda name: Path("/bin/false"))
    with pytest.raises(Refusal, match="pg_dump ended with status 1"):
        backup(root / "other", keys=None)
    assert sorted(root.iterdir()) == []


def test_a_machine_without_the_programs_is_told_the_remedy(
    root: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    settle(root / "empty", monkeypatch)
    monkeypatch.setenv("TELEMETRY_DATABASE_SOFTWARE", str(tmp_path / "nothing"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Refusal, match=r"no pg_dump on this machine.*Install PostgreSQL's client programs"):
        programs.program("pg_dump")


def test_the_password_is_in_no_list_of_processes(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settle(small / "old", monkeypatch)
    line, environment = programs.command("pg_dump", "postgresql://me:secret@127.0.0.1:5/x", [])
    assert "secret" not in " ".join(line)
    assert environment["PGPASSWORD"] == "secret"
    assert subprocess.run([line[0], "--version"], env=environment, capture_output=True, check=True).stdout.startswith(
        b"pg_dump"
    )
    assert os.environ.get("PGPASSWORD") is None
