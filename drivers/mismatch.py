"""Where profile and server disagree: reasons that time does not mend, so that somebody has to compare the two."""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from drivers.probe import unwell
from drivers.profile import ProfileTag
from drivers.quality import (
    BAD_ATTRIBUTE_ID_INVALID,
    BAD_NODE_ID_INVALID,
    BAD_NODE_ID_UNKNOWN,
    BAD_NOT_READABLE,
    BAD_TYPE_MISMATCH,
    BAD_USER_ACCESS_DENIED,
)

REASONS: Final = np.array(
    (
        BAD_NODE_ID_UNKNOWN, BAD_NODE_ID_INVALID, BAD_ATTRIBUTE_ID_INVALID, BAD_NOT_READABLE, BAD_USER_ACCESS_DENIED,
        BAD_TYPE_MISMATCH,
    ),
    np.uint16,
)  # fmt: skip


class Mismatches:
    """Sentences about the tags of one device that are Bad for such a reason; put together anew only when they change."""

    def __init__(self, device: str, tags: Mapping[str, ProfileTag]) -> None:
        self._device, self._tags = device, tags
        self._codes, self._said = b"", tuple[str, ...]()

    def told(self, tags: Sequence[str], quality: NDArray[np.uint16]) -> tuple[str, ...]:
        """One sentence a reason, for `tags` (full ids) with `quality` (uint16, as many)."""
        codes = np.where(np.isin(quality, REASONS), quality, np.uint16(0))
        if self._codes != codes.tobytes():
            self._codes = codes.tobytes()
            self._said = tuple(
                unwell(self._device, int(code), [tags[i] for i in np.flatnonzero(codes == code).tolist()], self._tags)
                for code in np.unique(codes[codes != 0])
            )
        return self._said
