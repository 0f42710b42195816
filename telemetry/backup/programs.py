"""PostgreSQL's own programs for dump and restore: those of the embedded software, else this machine's."""

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from psycopg.conninfo import conninfo_to_dict, make_conninfo

from telemetry import places
from telemetry.database.place import find_place
from telemetry.database.postmaster import clean_environment
from telemetry.database.software import Software
from telemetry.errors import Refusal

_WORDS: Final = 800
"""Characters of a program's own last words that are shown."""


def program(name: str) -> Path:
    """``pg_dump`` or ``pg_restore``. Raises Refusal where there is none."""
    own = Software(find_place(places.data_folder()).software).program(name)
    found = own if own.exists() else shutil.which(name)
    if found is None:
        raise Refusal(
            f"There is no {name} on this machine.",
            "Install PostgreSQL's client programs, of the server's version or newer, or set TELEMETRY_DATABASE_SOFTWARE to a "
            "folder with the embedded database's software.",
        )
    return Path(found)


def command(name: str, url: str, options: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """Command line and environment of a program on the database `url`; the password is in no list of processes."""
    parts = conninfo_to_dict(url)
    password = parts.pop("password", None) or os.environ.get("PGPASSWORD", "")
    environment = {**clean_environment(), "PGPASSWORD": str(password)}
    return [
        str(program(name)),
        f"--dbname={make_conninfo(**{name: str(part) for name, part in parts.items()})}",
        "--no-password",
        *options,
    ], environment


def refusal(name: str, process: subprocess.Popen[bytes] | subprocess.CompletedProcess[bytes], said: bytes) -> Refusal:
    """What to say after a program failed."""
    words = said.decode(errors="replace").strip()[-_WORDS:]
    return Refusal(f"{name} ended with status {process.returncode}: {words}", "Mend what it names, and try again.")
