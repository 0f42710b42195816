"""A piece of the disk kept for when it is full: given free, it lets events be written and frames be thinned.

A disk that fails is one without a reserve: nothing here raises OSError. Taken and lent in threads, released on the engine's loop.
"""

import os
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

RESERVE: Final = "reserve"


class Reserve:
    """The file `reserve` of `size` bytes in `folder`; its blocks are really allocated. given: its room was given free, and it was
    not taken since."""

    def __init__(self, folder: Path, size: int) -> None:
        self.path, self.size = folder / RESERVE, size
        self.given = False
        self._lent = False
        self._lock = threading.Lock()

    @property
    def held(self) -> bool:
        try:
            return self.path.stat().st_size >= self.size
        except OSError:
            return False

    def take(self) -> bool:
        """Takes it where there is room for it and nobody works in that room; whether it is held then. Blocks for as long as the
        disk takes to allocate."""
        with self._lock:
            if not self.held and (self._lent or not self._allocated()):
                return False
            self.given = False
            return True

    def release(self) -> bool:
        """Gives its room free; whether there was any to give."""
        with self._lock:
            given = self._unlinked()
            self.given |= given
            return given

    @contextmanager
    def lent(self) -> Generator[bool]:
        """Gives its room free, and keeps it from being taken as long as the block lasts; whether there was any to give."""
        self._lent = True
        try:
            yield self.release()
        finally:
            self._lent = False

    def _allocated(self) -> bool:
        try:
            file = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                os.posix_fallocate(file, 0, self.size)
            finally:
                os.close(file)
        except OSError:
            self._unlinked()
            return False
        return True

    def _unlinked(self) -> bool:
        try:
            self.path.unlink()
        except OSError:
            return False
        return True
