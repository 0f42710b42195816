"""Where things lie: the data folder, the short runtime folder for sockets, the host and port. One service per data folder."""

import fcntl
import hashlib
import os
import tempfile
from pathlib import Path

from telemetry.errors import Refusal


def data_folder() -> Path:
    """TELEMETRY_DATA_DIR, else ``/var/lib/telemetry`` for root and ``~/.local/state/telemetry`` for others; made if absent."""
    given = os.environ.get("TELEMETRY_DATA_DIR")
    if given:
        folder = Path(given)
    elif os.geteuid() == 0:
        folder = Path("/var/lib/telemetry")
    else:
        folder = Path.home() / ".local/state/telemetry"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Refusal(
            f"The data folder {folder} cannot be made ({error.strerror}).",
            "Set TELEMETRY_DATA_DIR to a folder that this user may write.",
        ) from error
    return folder.resolve()


def closed_folder(name: str) -> Path:
    """A folder below the data folder that only this user can enter (keys, journal)."""
    folder = data_folder() / name
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def archive_folder() -> Path:
    """Closed days as Parquet files; may be a symbolic link to a larger disk."""
    folder = data_folder() / "archive"
    folder.mkdir(mode=0o750, exist_ok=True)
    return folder


def opcua_keys() -> Path:
    """The service's own OPC UA key and certificate, which servers it trusts, and passwords for them."""
    folder = closed_folder("keys") / "opcua"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def runtime_folder() -> Path:
    """A short folder for sockets, its own for each data folder: a socket's path holds 107 bytes at most."""
    mark = hashlib.sha256(str(data_folder()).encode()).hexdigest()[:10]
    if os.geteuid() == 0 and os.access("/run", os.W_OK):
        base = Path("/run")
    else:
        given = os.environ.get("XDG_RUNTIME_DIR", "")
        base = Path(given) if given and os.access(given, os.W_OK) else Path(tempfile.gettempdir())
    folder = base / f"telemetry-{os.geteuid()}-{mark}"
    if len(str(folder)) > 80:
        folder = Path("/tmp") / folder.name
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.stat().st_uid != os.geteuid():
        raise Refusal(
            f"The runtime folder {folder} belongs to somebody else.", "Remove it, or choose another TELEMETRY_DATA_DIR."
        )
    return folder


def feed_socket() -> Path:
    return runtime_folder() / "feed"


def simulator_socket() -> Path:
    return runtime_folder() / "simulator"


def address_book() -> Path:
    """Where a running simulator writes the addresses of its devices: JSON, equipment id to URL."""
    return runtime_folder() / "addresses.json"


def host() -> str:
    return os.environ.get("TELEMETRY_HOST", "127.0.0.1")


def port() -> int:
    given = os.environ.get("TELEMETRY_PORT", "8080")
    if not given.isdigit() or not 0 < int(given) < 65536:
        raise Refusal(f"TELEMETRY_PORT is {given!r}, which is no port.", "Set it to a number from 1 to 65535.")
    return int(given)


class Lock:
    """Held while a process owns something of the data folder; a second owner is refused. Released when the process ends."""

    def __init__(self, name: str, what: str) -> None:
        path = runtime_folder() / f"{name}.lock"
        self._file = path.open("a+")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self._file.seek(0)
            owner = self._file.read().strip() or "unknown"
            raise Refusal(
                f"{what} already runs on the data folder {data_folder()} (process {owner}).",
                "Stop that one, or set TELEMETRY_DATA_DIR to another folder (and TELEMETRY_PORT to another port).",
            ) from error
        self._file.truncate(0)
        self._file.write(f"{os.getpid()}\n")
        self._file.flush()

    def release(self) -> None:
        self._file.close()
