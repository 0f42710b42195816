"""Passwords of the embedded database: generated once, each in a closed file of the service's own."""

import os
import secrets
from pathlib import Path


def read_password(path: Path) -> str | None:
    """The password kept in `path`, or None where there is none yet."""
    try:
        return path.read_text(encoding="ascii").strip() or None
    except FileNotFoundError:
        return None


def make_password(path: Path) -> str:
    """Generate a password of letters, digits, `-` and `_`, and keep it in `path`, readable by its owner only."""
    password = secrets.token_urlsafe(24)
    partial = path.with_name(f"{path.name}.partial")
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="ascii") as stream:
        stream.write(f"{password}\n")
        stream.flush()
        os.fsync(stream.fileno())
    partial.replace(path)
    return password
