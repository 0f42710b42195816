"""What the historian tells the engine: how far the journal is stored, what was lost. A small file in the journal's folder.

The engine has no database connection: from here it knows which segments may go, and what to raise an alarm about.
"""

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final

import msgspec

STATUS: Final = "status.json"
SIZE: Final = 4096
"""Of the file, filled up with spaces: on a full disk it is overwritten where it lies, which takes no room."""
_LONGEST_REASON: Final = 2000


@dataclass(frozen=True, slots=True)
class Status:
    """frames, events, rollups: number of the last journal record that is stored (merged into rollups). rejected: records that the
    database refused; damaged: bytes of the journal that held no good record; gaps: records that are in neither journal nor
    database; all three since the database was made, and rejected_ns, lost_ns: when the newest was noticed (0: never).
    stored_ns: the journal's time of the newest frame stored. time_ns: when this was told (wall clock, UTC). database: it stores;
    reason: why not, in a plain sentence. identity: of the journal whose numbers these are."""

    frames: int = 0
    events: int = 0
    rollups: int = 0
    rejected: int = 0
    damaged: int = 0
    gaps: int = 0
    time_ns: int = 0
    database: bool = False
    reason: str | None = None
    stored_ns: int = 0
    rejected_ns: int = 0
    lost_ns: int = 0
    identity: str | None = None


def tell(folder: Path, status: Status) -> None:
    """Whole or not at all; where the disk is full in place of the former one. Raises OSError where even that is not possible."""
    reason = None if status.reason is None else status.reason[:_LONGEST_REASON]
    content = msgspec.json.encode(asdict(replace(status, reason=reason))).ljust(SIZE)
    new, path = folder / f"{STATUS}.new", folder / STATUS
    try:
        new.write_bytes(content)
        new.replace(path)
    except OSError:
        new.unlink(missing_ok=True)
        with path.open("r+b") as file:
            file.write(content)


def told(folder: Path) -> Status | None:
    """The newest status; None where none was told, or what is there is none, or half of one over half of another."""
    try:
        return msgspec.json.decode((folder / STATUS).read_bytes(), type=Status)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return None
