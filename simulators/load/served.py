"""What the load plant has served, on disk: whoever tests the historian holds it against what was stored.

One row for each answer that held tags of a device: when it was given, at which step of the fleet, by which device (its row in the
fleet's arrays). The values need not be told: a `Fleet` of the same seed, moved on by as many steps, shows them again.
"""

from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

ANSWER: Final = np.dtype([("time_ns", "<i8"), ("step", "<i4"), ("device", "<i4")])


class Served:
    """Collects the answers and appends them to `path` at each `flush`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._answers: list[tuple[int, int, int]] = []
        path.write_bytes(b"")

    def add(self, time_ns: int, step: int, device: int) -> None:
        """One answer."""
        self._answers.append((time_ns, step, device))

    def flush(self) -> None:
        """Writes what was collected since the last time."""
        with self.path.open("ab") as file:
            file.write(np.array(self._answers, ANSWER).tobytes())
        self._answers.clear()


def answers(path: Path) -> NDArray[np.void]:
    """All answers that were written, in their order, as records of `ANSWER`."""
    return np.fromfile(path, ANSWER)
