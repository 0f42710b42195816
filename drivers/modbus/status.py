"""How good a value is by the maker's own status registers: bits to quality, as plain functions on plain data.

A probe may answer while its value is none: a hydrogen peroxide probe keeps its last reading locked while it purges its sensor,
and says so in a register of its own. Read without it, the locked number would pass for a measurement.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from drivers.profile import ProfileTag, Register, Status
from drivers.quality import BAD, CODES, GOOD, UNCERTAIN


class Statuses:
    """The status registers of a device's values, each read once. tags: those with a register, in the order of the frame."""

    def __init__(self, tags: Sequence[ProfileTag]) -> None:
        self._statuses: list[Status] = []
        slots: list[list[int]] = []
        for slot, tag in enumerate(tags):
            if tag.status is None:
                continue
            if tag.status not in self._statuses:
                self._statuses.append(tag.status)
                slots.append([])
            slots[self._statuses.index(tag.status)].append(slot)
        self._slots = [np.array(of, np.intp) for of in slots]
        self._calm = np.array([status.fine or 0 for status in self._statuses], np.float64)
        self.registers = [Register(table=status.table, address=status.address) for status in self._statuses]

    def judge(
        self, read: NDArray[np.float64], values: NDArray[np.float64], quality: NDArray[np.uint16] | None
    ) -> NDArray[np.uint16] | None:
        """The quality of `values` with what the statuses `read` say (in the order of `registers`; NaN: not read), None when all
        are Good. A value that is Bad already keeps its reason; one that becomes Bad becomes NaN in `values`."""
        if np.array_equal(read, self._calm):
            return quality
        judged = np.full(len(values), GOOD, np.uint16) if quality is None else quality.copy()
        for status, slots, raw in zip(self._statuses, self._slots, read.tolist(), strict=True):
            code = UNCERTAIN if np.isnan(raw) else meaning(status, int(raw))
            judged[slots] = np.where(judged[slots] >= BAD, judged[slots], np.maximum(judged[slots], code))
        values[judged >= BAD] = np.nan
        return judged if judged.any() else None


def meaning(status: Status, raw: int) -> int:
    """The quality code that the register's reading stands for."""
    codes = [CODES[name] for bits, name in status.bits.items() if raw & bits]
    if status.fine is not None and raw != status.fine:
        codes.append(CODES[status.otherwise])
    return max(codes, default=GOOD)
