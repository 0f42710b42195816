"""Where the embedded database lies, given the data folder.

<data>/keys/                   passwords: closed, the service's own
<data>/database/               or, when PostgreSQL's account cannot reach that, a folder named by <data>/database.place
    software/                  PostgreSQL and TimescaleDB, unpacked
    cluster/                   PostgreSQL's data: closed, its account's own
    postgresql.conf  pg_hba.conf  local.conf  port  lock  start.log
"""

import fcntl
import hashlib
import os
from dataclasses import dataclass
from io import TextIOWrapper
from pathlib import Path
from typing import Final

from telemetry.database.account import Account
from telemetry.database.errors import DatabaseError

SOFTWARE_VARIABLE: Final = "TELEMETRY_DATABASE_SOFTWARE"
POINTER_NAME: Final = "database.place"
ELSEWHERE: Final = (Path("/var/lib"), Path("/srv"))  # root alone writes there, every account may enter


@dataclass(frozen=True)
class Place:
    """The folders and files of one embedded database."""

    data_dir: Path
    folder: Path

    @property
    def keys(self) -> Path:
        return self.data_dir / "keys"

    @property
    def owner_password(self) -> Path:
        return self.keys / "database.password"

    @property
    def superuser_password(self) -> Path:
        return self.keys / "database-superuser.password"

    @property
    def software(self) -> Path:
        """The software folder: the environment's, which several data folders may share, else our own."""
        named = os.environ.get(SOFTWARE_VARIABLE)
        return Path(named).expanduser().absolute() if named else self.folder / "software"

    @property
    def cluster(self) -> Path:
        return self.folder / "cluster"

    @property
    def port(self) -> Path:
        return self.folder / "port"

    @property
    def lock(self) -> Path:
        return self.folder / "lock"

    @property
    def start_log(self) -> Path:
        return self.folder / "start.log"


def find_place(data_dir: Path) -> Place:
    """Where the database of `data_dir` lies, or would; makes nothing.

    Raises DatabaseError when it was put elsewhere and is no longer there.
    """
    data_dir = data_dir.absolute()
    pointer = data_dir / POINTER_NAME
    if not pointer.exists():
        return Place(data_dir, data_dir / "database")
    folder = Path(pointer.read_text(encoding="utf-8").strip())
    if not folder.is_dir():
        raise DatabaseError(
            f"The database of {data_dir} lies in {folder}, says {pointer}, and that folder is missing.",
            f"Restore it, or delete {pointer} to begin with an empty database.",
        )
    return Place(data_dir, folder)


def settle_place(data_dir: Path, account: Account) -> Place:
    """Choose and make the database's folders so that `account` can reach them, and remember the choice.

    Raises DatabaseError when no folder that the account can reach can be made.
    """
    data_dir = data_dir.absolute()
    make_folder(data_dir)
    place = find_place(data_dir)
    make_folder(place.keys, mode=0o700)
    if account.can_enter(place.folder.parent):
        make_folder(place.folder)
        if account.can_enter(place.folder):
            return place
    if place.cluster.exists() or place.folder.parent != data_dir:
        raise DatabaseError(
            f"The account {account.name}, which runs PostgreSQL, can no longer enter {place.folder}.",
            "Give it back the execute permission on that folder and those above it (chmod o+x).",
        )
    return _settle_elsewhere(data_dir, account)


def make_folder(folder: Path, mode: int = 0o755) -> None:
    """Make `folder` with exactly `mode`, whatever the umask; an existing one is left as it is."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(mode=mode)
    except FileExistsError:
        return
    except OSError as error:
        raise DatabaseError(
            f"The folder {folder} cannot be made ({error.strerror}).",
            "Set TELEMETRY_DATA_DIR to a folder that this user may write.",
        ) from None
    folder.chmod(mode)


def _settle_elsewhere(data_dir: Path, account: Account) -> Place:
    name = "telemetry-database-" + hashlib.sha256(os.fsencode(data_dir.resolve())).hexdigest()[:10]
    for parent in ELSEWHERE:
        try:
            make_folder(parent / name)
        except DatabaseError:
            continue
        if account.can_enter(parent / name):
            (data_dir / POINTER_NAME).write_text(f"{parent / name}\n", encoding="utf-8")
            return Place(data_dir, parent / name)
    raise DatabaseError(
        f"The account {account.name}, which runs PostgreSQL, can enter neither {data_dir} nor a folder in "
        f"{' or '.join(map(str, ELSEWHERE))}.",
        "Set TELEMETRY_DATA_DIR to a folder that every account can enter.",
    )


def hold_place(place: Place) -> TextIOWrapper:
    """Hold the database's folder for this process alone, until the result is closed or the process killed."""
    try:
        stream = place.lock.open("a+", encoding="ascii")
    except OSError as error:
        raise DatabaseError(
            f"The folder {place.folder} cannot be written ({error.strerror}).",
            "Start telemetry as the user who made it, or set TELEMETRY_DATA_DIR to a folder of your own.",
        ) from None
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        stream.seek(0)
        holder = stream.read().strip()
        stream.close()
        raise DatabaseError(
            f"Another telemetry (process {holder}) already runs the database in {place.folder}.",
            "Stop that one, or set TELEMETRY_DATA_DIR to another folder for a second plant.",
        ) from None
    stream.truncate(0)
    stream.write(f"{os.getpid()}\n")
    stream.flush()
    return stream
