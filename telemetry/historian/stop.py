"""A stop that a signal handler may set: `threading.Event.set` takes a lock, and a second signal within it waits for ever."""

import os
import select
from types import FrameType


class Stop:
    """Set once, seen by `is_set` and by whoever is in `wait`."""

    def __init__(self) -> None:
        self._set = False
        self._read, self._write = os.pipe()
        os.set_blocking(self._write, False)

    def signalled(self, number: int, frame: FrameType | None) -> None:
        """A signal handler."""
        self.set()

    def set(self) -> None:
        if not self._set:
            self._set = True
            os.write(self._write, b"!")

    def is_set(self) -> bool:
        return self._set

    def wait(self, seconds: float) -> bool:
        """Until it is set, or `seconds` have passed; whether it is set."""
        select.select([self._read], [], [], seconds)
        return self._set
