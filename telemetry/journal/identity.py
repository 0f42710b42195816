"""Which journal this is: a random mark in its folder, made with it. A database remembers the mark of the one that filled it."""

import os
import secrets
from pathlib import Path
from typing import Final

IDENTITY: Final = "identity"


def identity(folder: Path) -> str | None:
    """The mark of the journal in `folder`; None where no journal has begun."""
    try:
        return (folder / IDENTITY).read_text().strip() or None
    except FileNotFoundError:
        return None


def mark(folder: Path, given: str | None = None) -> str:
    """Marks the journal with `given`, else with a new mark. On the disk when it returns."""
    made = given or secrets.token_hex(16)
    new = folder / f"{IDENTITY}.new"
    file = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        os.write(file, f"{made}\n".encode())
        os.fsync(file)
    finally:
        os.close(file)
    new.replace(folder / IDENTITY)
    return made
