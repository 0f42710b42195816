"""A TimescaleDB of our own under the data folder: made once, started with the service, stopped with it."""

import shutil
import subprocess
import time
from io import TextIOWrapper
from pathlib import Path
from types import TracebackType
from typing import Final

import psycopg

from telemetry.database.account import Account, database_account
from telemetry.database.errors import DatabaseError
from telemetry.database.passwords import make_password, read_password
from telemetry.database.place import SOFTWARE_VARIABLE, Place, find_place, hold_place, make_folder, settle_place
from telemetry.database.port import free_port, remember_port, remembered_port
from telemetry.database.postmaster import FAST_STOP_S, Postmaster, clean_environment, clear_remains
from telemetry.database.settings import write_settings
from telemetry.database.software import Progress, Software, provide_software

DATABASE: Final = "telemetry"
OWNER: Final = "telemetry"
SUPERUSER: Final = "postgres"
SPACE_NEEDED_BYTES: Final = 300_000_000
INITDB_TIMEOUT_S: Final = 120
READY_S: Final = 30
RECOVERY_S: Final = 900  # after a crash PostgreSQL first replays its log, up to 1 GB of it
CONNECT_S: Final = 5
_POLL_S: Final = 0.05
_SQL: Final = Path(__file__).parents[1] / "sql" / "embedded"


class EmbeddedDatabase:
    """One cluster, with its process. Give `software` to share a folder that lies elsewhere; `anew` where the keys are of a
    database that is to be made again (a restore).

    `with EmbeddedDatabase(data_dir, print) as url:` provides, starts and stops it. All calls block and may be made from
    any thread, one at a time; every failure is a DatabaseError that names the remedy.
    """

    def __init__(self, data_dir: Path, progress: Progress, software: Path | None = None, *, anew: bool = False) -> None:
        self._data_dir = data_dir
        self._progress = progress
        self._software_folder = software
        self._anew = anew
        self._account: Account | None = None
        self._place: Place | None = None
        self._software: Software | None = None
        self._lock: TextIOWrapper | None = None
        self._postmaster: Postmaster | None = None

    def __enter__(self) -> str:
        self.prepare()
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    @property
    def process(self) -> subprocess.Popen[bytes] | None:
        """The server while it runs, to be watched; None before `start` and after `stop`."""
        return self._postmaster.process if self._postmaster else None

    @property
    def url(self) -> str:
        """The address for everyone, as role `telemetry`, who owns the database and is no superuser."""
        return stored_url(self._data_dir)

    @property
    def superuser_url(self) -> str:
        """The address for backup and repair."""
        return _url(find_place(self._data_dir), SUPERUSER, DATABASE)

    @property
    def software(self) -> Software:
        """The programs (pg_dump, pg_basebackup, psql), once prepared."""
        if self._software is None:
            raise DatabaseError("The embedded database has not been prepared yet.", "Call prepare() first.")
        return self._software

    def prepare(self) -> None:
        """Provide the software and the cluster, if they are not there yet. Holds the data folder until `stop`."""
        if self._lock is not None:
            return
        self._account = database_account()
        place = self._place = settle_place(self._data_dir, self._account)
        self._lock = hold_place(place)
        try:
            self._software = self._provide_software(place)
            self._provide_cluster(place)
        except BaseException:
            self.stop()
            raise

    def start(self) -> str:
        """Start the server, wait until it answers, and give the address for role `telemetry`."""
        self.prepare()
        if self._postmaster is not None and self._postmaster.process.poll() is None:
            return self.url
        place, account = self._settled()
        try:
            self._has_cluster(place)
            clear_remains(place.cluster)
            port = free_port(remembered_port(place.port))
            while not self._start_on(port, place, account):
                port = free_port(port + 1)
            self._provide_owner(place)
        except BaseException:
            self.stop()
            raise
        return self.url

    def stop(self, deadline_s: float = FAST_STOP_S) -> None:
        """Stop the server cleanly, by force after `deadline_s`, and let go of the data folder."""
        try:
            if self._postmaster is not None:
                self._postmaster.stop(deadline_s)
                self._postmaster = None
        finally:
            if self._lock is not None:
                self._lock.close()
                self._lock = None

    def _settled(self) -> tuple[Place, Account]:
        assert self._place is not None and self._account is not None
        return self._place, self._account

    def _provide_software(self, place: Place) -> Software:
        _, account = self._settled()
        software = provide_software(self._software_folder or place.software, self._progress)
        if not account.can_enter(software.program("postgres")):
            raise DatabaseError(
                f"The account {account.name}, which runs PostgreSQL, cannot reach {software.folder}.",
                f"Set {SOFTWARE_VARIABLE} to a folder that every account can enter.",
            )
        return software

    def _provide_cluster(self, place: Place) -> None:
        _, account = self._settled()
        if self._has_cluster(place):
            self._adopt_cluster(place, account)
            return
        free = shutil.disk_usage(place.folder).free
        if free < SPACE_NEEDED_BYTES:
            raise DatabaseError(
                f"{place.folder} has {free / 1e6:.0f} MB free, and a new database needs "
                f"{SPACE_NEEDED_BYTES / 1e6:.0f} MB.",
                "Free some, or set TELEMETRY_DATA_DIR to another disk.",
            )
        self._progress("database: making the cluster")
        partial = place.folder / "cluster.partial"
        if partial.exists():
            shutil.rmtree(partial)
        make_folder(partial, mode=0o700)
        account.take(partial)
        # Sorting and case rules built into PostgreSQL: the same on every machine and after every update of its libraries.
        rules = ["--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        safety = ["--data-checksums", "--auth=trust"]  # trust: pg_hba.conf is our own, and nothing listens yet
        data = [f"--pgdata={partial}", "-L", str(self.software.shared), f"--username={SUPERUSER}"]
        self._run("initdb", [*data, *rules, *safety, "--no-instructions"])
        self._set_superuser_password(place, partial)
        partial.rename(place.cluster)

    def _has_cluster(self, place: Place) -> bool:
        """Whether the cluster is there. Raises DatabaseError where it was and is no more: an empty one would hide the loss."""
        if place.cluster.exists():
            return True
        if place.owner_password.exists() and not self._anew:
            raise DatabaseError(
                f"The database of {place.data_dir} is gone: {place.cluster} is missing, and {place.owner_password} tells that it "
                "was there.",
                "Put that folder back (is its disk mounted?), or restore a backup into another data folder. To go on with an "
                f"empty database, delete {place.owner_password}.",
            )
        return False

    def _adopt_cluster(self, place: Place, account: Account) -> None:
        owner = place.cluster.stat().st_uid
        if account.ours and owner != account.uid:
            raise DatabaseError(
                f"The database in {place.cluster} belongs to another user (number {owner}).",
                "Start telemetry as the user who made it, or set TELEMETRY_DATA_DIR to a folder of your own.",
            )
        clear_remains(place.cluster)
        account.take(place.cluster)
        if read_password(place.superuser_password) is None:
            self._set_superuser_password(place, place.cluster)

    def _set_superuser_password(self, place: Place, cluster: Path) -> None:
        password = read_password(place.superuser_password) or make_password(place.superuser_password)
        statement = (_SQL / "superuser.sql").read_text(encoding="utf-8").format(password=password)
        lines = "".join(f"{line}\n" for line in statement.splitlines() if not line.startswith("--"))
        self._run("postgres", ["--single", "-D", str(cluster), "-c", "log_statement=none", SUPERUSER], lines)

    def _run(self, program: str, arguments: list[str], text: str = "") -> None:
        """Run a program of PostgreSQL's as its account. Raises DatabaseError with the program's own words."""
        _, account = self._settled()
        try:
            done = subprocess.run(
                [str(self.software.program(program)), *arguments],
                cwd="/",
                env=clean_environment(),
                input=text,
                capture_output=True,
                text=True,
                timeout=INITDB_TIMEOUT_S,
                check=False,
                **account.identity(),
            )
        except (OSError, subprocess.SubprocessError) as error:
            raise DatabaseError(f"{program} could not be run as {account.name}: {error}") from None
        if done.returncode != 0 or "ERROR:" in done.stderr or "FATAL:" in done.stderr:
            raise DatabaseError(f"{program} failed: {done.stderr.strip()[-1000:]}")

    def _start_on(self, port: int, place: Place, account: Account) -> bool:
        """Start the server on `port` and wait until it answers; False when the port turned out to be taken."""
        if self._postmaster is not None:
            self._postmaster.stop()
        remember_port(place.port, port)
        arguments = ["-D", str(place.cluster), *write_settings(place.folder), "-c", f"port={port}"]
        self._postmaster = Postmaster([str(self.software.program("postgres")), *arguments], account, place.start_log)
        deadline = time.monotonic() + READY_S
        told = False
        while True:
            if self._postmaster.process.poll() is not None:
                log = _log_tail(place)
                if "Address already in use" in log:
                    return False
                raise DatabaseError(f"PostgreSQL did not start. The end of its log:\n{log}")
            try:
                psycopg.connect(_url(place, SUPERUSER, "postgres"), connect_timeout=CONNECT_S).close()
                return True
            except psycopg.OperationalError as error:
                if "the database system is starting up" in str(error) and not told:
                    self._progress("database: PostgreSQL is starting (after an unclean stop it repairs itself first)")
                    told, deadline = True, time.monotonic() + RECOVERY_S
                if time.monotonic() > deadline:
                    raise DatabaseError(
                        f"PostgreSQL does not answer on port {port}: {error}. The end of its log:\n{_log_tail(place)}"
                    ) from None
            time.sleep(_POLL_S)

    def _provide_owner(self, place: Place) -> None:
        """Role, database and extension, as sql/owner.sql says; then one question as that role."""
        password = read_password(place.owner_password) or make_password(place.owner_password)
        superuser = read_password(place.superuser_password) or ""
        environment = {**clean_environment(), "PGPASSWORD": superuser, "TELEMETRY_OWNER_PASSWORD": password}
        where = ["--host=127.0.0.1", f"--port={remembered_port(place.port)}", f"--username={SUPERUSER}"]
        script = ["--no-psqlrc", "--dbname=postgres", f"--file={_SQL / 'owner.sql'}"]
        done = subprocess.run(
            [str(self.software.program("psql")), *where, *script],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=INITDB_TIMEOUT_S,
            check=False,
        )
        if done.returncode != 0:
            raise DatabaseError(f"The database could not be made ready: {done.stderr.strip()[-1000:]}")
        with psycopg.connect(self.url, connect_timeout=CONNECT_S) as connection:
            connection.execute("select 1")


def stored_url(data_dir: Path) -> str:
    """The address of the database of `data_dir` as it was last started. Raises DatabaseError where there is none yet."""
    return _url(find_place(data_dir), OWNER, DATABASE)


def _url(place: Place, role: str, database: str) -> str:
    password = read_password(place.owner_password if role == OWNER else place.superuser_password)
    port = remembered_port(place.port)
    if password is None or port is None:
        raise DatabaseError(f"{place.data_dir} holds no database yet.", "Start telemetry once (telemetry run).")
    return f"postgresql://{role}:{password}@127.0.0.1:{port}/{database}"


def _log_tail(place: Place, lines: int = 25) -> str:
    """The end of what the server wrote, first before and then after it opened its own log."""
    logs = sorted((place.cluster / "log").glob("*.log"), key=lambda path: path.stat().st_mtime)
    text = ""
    for path in (place.start_log, *logs[-1:]):
        if path.exists():
            text += path.read_text(encoding="utf-8", errors="replace")[-8000:]
    return "\n".join(text.splitlines()[-lines:])
