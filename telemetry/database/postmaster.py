"""The server's process: a direct child that dies with its parent, and what is left of one after a crash."""

import ctypes
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Final

from telemetry.database.account import Account
from telemetry.database.errors import DatabaseError

NICENESS: Final = 5  # the engine, which warns, goes first
SPAWN_TIMEOUT_S: Final = 30
FAST_STOP_S: Final = 30  # PostgreSQL's "fast": it ends sessions and writes a checkpoint
IMMEDIATE_STOP_S: Final = 5  # PostgreSQL's "immediate": it repairs itself at the next start
_PR_SET_PDEATHSIG: Final = 1
_prctl = ctypes.CDLL(None, use_errno=True).prctl

_POLL_S: Final = 0.02


def clean_environment() -> dict[str, str]:
    """The environment of PostgreSQL's programs: none of the caller's library settings or libpq defaults."""
    return {"PATH": os.defpath, "LC_ALL": "C"}


class Postmaster:
    """One run of the server. `process` is its handle, a direct child of this process.

    Linux sends the death signal when the *thread* that started the child ends, so a thread of its own starts it and
    stays until `stop`: it may then be started from any thread. If this process is killed, the server gets SIGINT, ends
    its sessions and stops.
    """

    def __init__(self, command: list[str], account: Account, log: Path) -> None:
        self._stopped = threading.Event()
        born: Future[subprocess.Popen[bytes]] = Future()

        def keep() -> None:
            try:
                born.set_result(_spawn(command, account, log))
            except (OSError, ValueError, subprocess.SubprocessError) as error:
                born.set_exception(error)
            else:
                self._stopped.wait()

        threading.Thread(target=keep, name="database-keeper", daemon=True).start()
        self.process = born.result(timeout=SPAWN_TIMEOUT_S)

    def stop(self, deadline_s: float = FAST_STOP_S) -> None:
        """End the server: cleanly, or within `deadline_s` and a little more by force. Again is no error."""
        end(self.process.pid, deadline_s, lambda: self.process.poll() is not None)
        self.process.wait()
        self._stopped.set()


def running_postmaster(cluster: Path) -> int | None:
    """The process that serves `cluster` now, whoever started it, or None.

    Believes postmaster.pid only when that process works in the cluster's folder: after a crash the number may belong
    to anyone.
    """
    try:
        pid = int((cluster / "postmaster.pid").read_text(encoding="utf-8").split("\n", 1)[0])
        folder = Path(f"/proc/{pid}/cwd").readlink()
    except (OSError, ValueError):
        return None
    return pid if pid > 1 and folder == cluster.resolve() else None


def clear_remains(cluster: Path) -> None:
    """Stop the server of a dead supervisor, and remove the pid file that a crash left behind."""
    pid = running_postmaster(cluster)
    if pid is not None:
        end(pid, FAST_STOP_S, lambda: running_postmaster(cluster) != pid)
    (cluster / "postmaster.pid").unlink(missing_ok=True)


def end(pid: int, deadline_s: float, has_ended: Callable[[], bool]) -> None:
    """Ask process `pid` to stop, more firmly each time, until `has_ended`.

    Raises DatabaseError when even SIGKILL did not end it.
    """
    for number, wait_s in (
        (signal.SIGINT, deadline_s),
        (signal.SIGQUIT, IMMEDIATE_STOP_S),
        (signal.SIGKILL, IMMEDIATE_STOP_S),
    ):
        if has_ended():
            return
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return
        deadline = time.monotonic() + wait_s
        while time.monotonic() < deadline:
            if has_ended():
                return
            time.sleep(_POLL_S)
    raise DatabaseError(
        f"PostgreSQL (process {pid}) does not end, not even by SIGKILL.", "See whether its disk answers."
    )


def _spawn(command: list[str], account: Account, log: Path) -> subprocess.Popen[bytes]:
    parent = os.getpid()

    def die_with_parent() -> None:
        # After the change of user, which would clear it again. Only calls that are safe between fork and exec.
        _prctl(_PR_SET_PDEATHSIG, signal.SIGINT, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)
        os.nice(NICENESS)

    with log.open("wb") as output:
        return subprocess.Popen(
            command,
            cwd="/",
            env=clean_environment(),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C reaches the supervisor alone, which stops the database last
            preexec_fn=die_with_parent,
            **account.identity(),
        )
