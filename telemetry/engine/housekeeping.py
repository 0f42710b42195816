"""Removes frame segments that nobody needs: stored in the database, older than the checkpoint, older than `KEEP_S`."""

import time
from itertools import pairwise
from pathlib import Path
from typing import Final

from telemetry.journal.reader import segments

KEEP_S: Final = 2 * 3600
STORED: Final = "stored"
"""File in a writer's folder in which the historian says up to which frame number everything is stored."""


def stored_number(folder: Path) -> int:
    try:
        return int((folder / STORED).read_text())
    except (FileNotFoundError, ValueError):
        return 0


def tell_stored(folder: Path, number: int) -> None:
    new = folder / f"{STORED}.new"
    new.write_text(f"{number}\n")
    new.replace(folder / STORED)


def remove_stored(folder: Path) -> None:
    """Blocks: call it in a thread. The newest segment always stays."""
    stored, found = stored_number(folder), segments(folder, "frames")
    checkpoint = (folder / "checkpoint").stat().st_mtime if (folder / "checkpoint").exists() else 0.0
    oldest_needed = min(time.time() - KEEP_S, checkpoint)
    for (_, path), (following, _) in pairwise(found):
        if following - 1 <= stored and path.stat().st_mtime < oldest_needed:
            path.unlink()
