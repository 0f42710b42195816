"""The account that runs PostgreSQL, which refuses root: an account of its own, or whoever we already are."""

import os
import pwd
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypedDict

from telemetry.database.errors import DatabaseError

ACCOUNT_NAME: Final = "telemetry-db"
SYSTEM_PATH: Final = "/usr/sbin:/usr/bin:/sbin:/bin"
COMMAND_TIMEOUT_S: Final = 30


class Identity(TypedDict, total=False):
    """Arguments to `subprocess` that change who runs the program."""

    user: int
    group: int
    extra_groups: list[int]


@dataclass(frozen=True)
class Account:
    """Who runs the postmaster; `ours` when that is the caller itself and nothing needs to change hands."""

    name: str
    uid: int
    gid: int
    ours: bool

    def identity(self) -> Identity:
        """Starts a program as this account, with no other group; nothing changes for our own."""
        if self.ours:
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}

    def can_enter(self, folder: Path) -> bool:
        """Whether the account can traverse every ancestor and `folder` itself.

        Asked of the kernel, as that account: mode bits alone would not see access lists or a security module.
        """
        if self.ours:
            return os.access(folder, os.X_OK)
        program = shutil.which("test", path=SYSTEM_PATH) or "test"
        asked = subprocess.run(
            [program, "-x", str(folder)], cwd="/", timeout=COMMAND_TIMEOUT_S, check=False, **self.identity()
        )
        return asked.returncode == 0

    def take(self, folder: Path) -> None:
        """Give `folder` and everything in it to this account, where it is not so already."""
        if self.ours or folder.stat().st_uid == self.uid:
            return
        for parent, _, names in os.walk(folder):
            os.chown(parent, self.uid, self.gid, follow_symlinks=False)
            for name in names:
                os.chown(Path(parent) / name, self.uid, self.gid, follow_symlinks=False)


def database_account() -> Account:
    """The caller, or for root the account `telemetry-db` (made when missing; `nobody` where none can be made).

    Raises DatabaseError when root has no account to hand the database to.
    """
    if os.geteuid() != 0:
        uid = os.geteuid()
        try:
            name = pwd.getpwuid(uid).pw_name
        except KeyError:
            raise DatabaseError(
                f"User {uid} has no entry in /etc/passwd, and PostgreSQL needs one.",
                "Run as a user that has a name, or set TELEMETRY_DATABASE_URL to a TimescaleDB of your own.",
            ) from None
        return Account(name, uid, os.getegid(), ours=True)
    _make_account()
    for name in (ACCOUNT_NAME, "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(name, entry.pw_uid, entry.pw_gid, ours=False)
    raise DatabaseError(
        f"PostgreSQL refuses to run as root, and neither the account {ACCOUNT_NAME} nor nobody exists here.",
        f"Make one (useradd --system {ACCOUNT_NAME}), or run telemetry as an ordinary user.",
    )


def _make_account() -> None:
    """Make the account unless it exists; a failure is no error yet, since `nobody` may serve."""
    try:
        pwd.getpwnam(ACCOUNT_NAME)
        return
    except KeyError:
        pass
    program = shutil.which("useradd", path=SYSTEM_PATH)
    if program is None:
        return
    options = ["--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent"]
    shell = shutil.which("nologin", path=SYSTEM_PATH) or "/bin/false"
    subprocess.run(
        [program, *options, "--shell", shell, "--comment", "telemetry embedded database", ACCOUNT_NAME],
        capture_output=True,
        timeout=COMMAND_TIMEOUT_S,
        check=False,
    )
