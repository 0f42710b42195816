"""The loopback port of one embedded database: free when chosen, then remembered, so that its address stays."""

import socket
from pathlib import Path
from typing import Final

from telemetry.database.errors import DatabaseError

PORTS: Final = range(15432, 15932)  # below the range that Linux gives to outgoing connections


def remembered_port(path: Path) -> int | None:
    """The port kept in `path`, or None."""
    try:
        return int(path.read_text(encoding="ascii"))
    except (FileNotFoundError, ValueError):
        return None


def remember_port(path: Path, port: int) -> None:
    """Keep `port` in `path`, whole or not at all."""
    partial = path.with_name(f"{path.name}.partial")
    partial.write_text(f"{port}\n", encoding="ascii")
    partial.chmod(0o644)
    partial.replace(path)


def free_port(wanted: int | None) -> int:
    """`wanted` if it is free, else the first of PORTS that is. Raises DatabaseError when none is."""
    for port in ([] if wanted is None else [wanted]) + [*PORTS]:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise DatabaseError(
        f"No port from {PORTS.start} to {PORTS.stop - 1} is free on 127.0.0.1 for the database.",
        "Stop what holds them, or set TELEMETRY_DATABASE_URL to a TimescaleDB of your own.",
    )
