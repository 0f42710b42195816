"""The embedded TimescaleDB, for real: made, started, crashed, moved and started again."""

import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from telemetry.database import DatabaseError, EmbeddedDatabase
from telemetry.database.account import database_account
from telemetry.database.errors import NoPackagesError
from telemetry.database.place import find_place
from telemetry.database.postmaster import clean_environment
from telemetry.database.settings import write_settings
from telemetry.database.software import STAMP_NAME, aim, provide_software
from telemetry.places import data_folder

DEADLINE_S = 20


@pytest.fixture(scope="module")
def software() -> Path:
    """The software folder of the environment, filled if need be."""
    folder = find_place(data_folder()).software
    try:
        provide_software(folder, print)
    except NoPackagesError as error:
        pytest.skip(str(error))
    return folder


@pytest.fixture(scope="module")
def open_folder() -> Iterator[Path]:
    """A folder that every account can enter, as pytest's own are not."""
    folder = Path(tempfile.mkdtemp(prefix="telemetry-test-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def data_dir(open_folder: Path, software: Path) -> Path:
    """A data folder whose database has been made and holds one row of a hypertable."""
    folder = open_folder / "first"
    with EmbeddedDatabase(folder, print, software) as url, psycopg.connect(url) as connection:
        connection.execute("create table kept (time timestamptz not null, value float8)")
        connection.execute("select create_hypertable('kept', 'time')")
        connection.execute("insert into kept values (now(), 12.5)")
    return folder


@pytest.fixture
def database(data_dir: Path, software: Path) -> Iterator[EmbeddedDatabase]:
    """The database of `data_dir`, not started; stopped afterwards."""
    one = EmbeddedDatabase(data_dir, print, software)
    yield one
    one.stop()


def kept_value(url: str) -> float:
    with psycopg.connect(url, connect_timeout=5) as connection:
        row = connection.execute("select value from kept").fetchone()
    assert row is not None
    return float(row[0])


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not holds():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def is_gone(pid: int) -> bool:
    """Whether the process has ended, reaped by its parent or not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def test_serves_timescaledb_to_a_role_that_is_no_superuser(database: EmbeddedDatabase) -> None:
    with psycopg.connect(database.start()) as connection:
        row = connection.execute(
            "select current_setting('server_version_num')::int / 10000, current_setting('is_superuser'),"
            " current_setting('data_checksums'), current_setting('fsync'), current_setting('TimeZone'),"
            " current_setting('listen_addresses'), (select count(*) from pg_extension where extname = 'timescaledb')"
        ).fetchone()
    assert row == (17, "off", "on", "on", "UTC", "127.0.0.1", 1)


def test_its_log_has_no_error_of_a_job_that_belongs_to_another_edition(
    database: EmbeddedDatabase, data_dir: Path
) -> None:
    database.start()
    with psycopg.connect(database.superuser_url, dbname="telemetry") as connection:
        jobs = connection.execute(
            "select bool_or(j.scheduled), count(s.job_id) from _timescaledb_config.bgw_job j"
            " left join _timescaledb_internal.bgw_job_stat s on s.job_id = j.id"
            " where j.proc_name = 'policy_job_stat_history_retention'"
        ).fetchone()
    assert jobs == (False, 0), "it is there, not scheduled, and never ran"
    logs = [file.read_text(encoding="utf-8") for file in find_place(data_dir).cluster.glob("log/*.log")]
    assert logs and not [line for log in logs for line in log.splitlines() if "apache" in line]


def test_a_warm_start_reuses_all_and_takes_less_than_3_s(database: EmbeddedDatabase) -> None:
    first = database.start()
    database.stop()
    began = time.monotonic()
    assert database.start() == first
    assert time.monotonic() - began < 3
    assert kept_value(first) == 12.5


def test_keys_and_cluster_are_closed(data_dir: Path) -> None:
    place = find_place(data_dir)
    modes = [place.keys, place.cluster, place.owner_password, place.superuser_password]
    assert [stat.S_IMODE(path.stat().st_mode) for path in modes] == [0o700, 0o700, 0o600, 0o600]
    assert place.keys.stat().st_uid == os.geteuid()
    assert place.cluster.stat().st_uid == database_account().uid != 0


def test_nobody_enters_without_the_password(database: EmbeddedDatabase) -> None:
    url = database.start()
    password = url.split("//telemetry:")[1].split("@")[0]
    for role in ("telemetry", "postgres"):
        with pytest.raises(psycopg.OperationalError, match="password"):
            psycopg.connect(url.replace(f"telemetry:{password}", f"{role}:guessed"))


def test_a_second_owner_is_refused(database: EmbeddedDatabase, data_dir: Path, software: Path) -> None:
    database.start()
    with pytest.raises(DatabaseError, match=f"process {os.getpid()}.* already runs the database"):
        EmbeddedDatabase(data_dir, print, software).start()
    assert kept_value(database.url) == 12.5


def test_two_plants_on_one_machine(database: EmbeddedDatabase, open_folder: Path, software: Path) -> None:
    first = database.start()
    with EmbeddedDatabase(open_folder / "second", print, software) as second, psycopg.connect(second) as connection:
        assert connection.execute("select to_regclass('kept')").fetchone() == (None,)
        assert kept_value(first) == 12.5


def test_another_port_when_its_own_is_taken(database: EmbeddedDatabase) -> None:
    first = database.start()
    database.stop()
    with socket.create_server(("127.0.0.1", int(first.rsplit(":", 1)[1].split("/")[0]))):
        second = database.start()
    assert second != first
    assert kept_value(second) == 12.5


def test_a_killed_supervisor_leaves_no_server(database: EmbeddedDatabase, data_dir: Path, software: Path) -> None:
    program = (
        "import sys, threading; from pathlib import Path; from telemetry.database import EmbeddedDatabase\n"
        "database = EmbeddedDatabase(Path(sys.argv[1]), lambda line: None, Path(sys.argv[2]))\n"
        "starter = threading.Thread(target=database.start); starter.start(); starter.join()\n"
        "print(database.process.pid, flush=True); threading.Event().wait()\n"
    )
    command = [sys.executable, "-c", program, str(data_dir), str(software)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as supervisor:
        assert supervisor.stdout is not None
        pid = int(supervisor.stdout.readline())
        assert not is_gone(pid)  # though the thread that asked for it has ended
        supervisor.kill()
    wait_until(lambda: is_gone(pid))
    assert kept_value(database.start()) == 12.5


def test_a_killed_server_starts_again_with_what_was_committed(database: EmbeddedDatabase) -> None:
    with psycopg.connect(database.start()) as connection:
        connection.execute("create table if not exists late (n int)")
        connection.execute("insert into late values (1)")
    process = database.process
    assert process is not None
    process.kill()
    process.wait(DEADLINE_S)
    with psycopg.connect(database.start()) as connection:
        assert connection.execute("select count(*) from late").fetchone() == (1,)


def test_a_pid_file_that_names_a_stranger_is_no_hindrance(database: EmbeddedDatabase, data_dir: Path) -> None:
    database.start()
    database.stop()
    (find_place(data_dir).cluster / "postmaster.pid").write_text(f"{os.getpid()}\n")
    assert kept_value(database.start()) == 12.5


def test_a_server_that_outlived_its_supervisor_is_stopped_first(
    database: EmbeddedDatabase, data_dir: Path, software: Path
) -> None:
    url = database.start()
    database.stop()
    place = find_place(data_dir)
    arguments = ["-D", str(place.cluster), *write_settings(place.folder)]
    arguments += ["-c", f"port={url.rsplit(':', 1)[1].split('/')[0]}"]
    program = next(software.glob("usr/lib/postgresql/*/bin/postgres"))
    orphan = subprocess.Popen(
        [str(program), *arguments], cwd="/", env=clean_environment(), **database_account().identity()
    )
    try:
        pid_file = place.cluster / "postmaster.pid"
        wait_until(lambda: pid_file.exists() and "ready" in pid_file.read_text())
        assert kept_value(database.start()) == 12.5
        assert orphan.wait(DEADLINE_S) == 0
    finally:
        if orphan.poll() is None:
            orphan.send_signal(signal.SIGQUIT)
            orphan.wait(DEADLINE_S)


def test_lost_keys_are_made_anew(database: EmbeddedDatabase, data_dir: Path) -> None:
    first = database.start()
    database.stop()
    for path in find_place(data_dir).keys.iterdir():
        path.unlink()
    second = database.start()
    assert second != first
    assert kept_value(second) == 12.5


def test_a_database_that_vanished_is_never_replaced_by_an_empty_one(database: EmbeddedDatabase, data_dir: Path) -> None:
    place = find_place(data_dir)
    aside = place.folder / "aside"
    database.start()
    place.cluster.rename(aside)
    process = database.process
    assert process is not None
    process.kill()
    process.wait(DEADLINE_S)
    for _ in range(2):
        with pytest.raises(DatabaseError, match=f"{place.cluster} is missing.*delete {place.owner_password}"):
            database.start()
    assert not place.cluster.exists()
    aside.rename(place.cluster)
    assert kept_value(database.start()) == 12.5


def test_software_that_was_moved_is_aimed_again(open_folder: Path, software: Path) -> None:
    carried, moved = open_folder / "carried", open_folder / "moved"
    shutil.copytree(software, carried, symlinks=True)
    hidden = open_folder / "hidden"
    program = provide_software(carried, print).program("postgres").relative_to(carried)
    aim(carried, hidden)  # the loader that the copy names still exists: make it name one that does not
    carried.rename(moved)
    assert (moved / STAMP_NAME).exists()
    provide_software(moved, print)
    answer = subprocess.run([moved / program, "--version"], capture_output=True, text=True, check=True)
    assert "PostgreSQL" in answer.stdout


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's database has an account of its own")
def test_a_closed_data_folder_keeps_its_database_elsewhere(tmp_path: Path, software: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    try:
        with EmbeddedDatabase(closed / "data", print, software) as url, psycopg.connect(url) as connection:
            connection.execute("create table kept as select 7.0 as value")
        assert find_place(closed / "data").folder.parent == Path("/var/lib")
        with EmbeddedDatabase(closed / "data", print, software) as url:
            assert kept_value(url) == 7
    finally:
        folder = find_place(closed / "data").folder
        if folder.parent == Path("/var/lib"):
            shutil.rmtree(folder)
