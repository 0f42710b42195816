"""Calibrations: who found which sensor right or wrong, when, by which certificate, and until when that holds.

The newest one of a tag counts, by when it was performed: an old certificate that is entered later changes nothing. A calibration
that failed is past due from the moment in which it was performed.
"""

from collections.abc import Container, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

import msgspec

LONGEST_TEXT: Final = 2000
LAST_NS: Final = 4_102_444_800 * 10**9
"""Begin of the year 2100: what is due later is a slip of the pen."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """One calibration of one tag. performed_ns, due_ns: UTC nanoseconds since 1970; certificate: its number; person: who entered
    it here."""

    tag: str
    performed_ns: int
    due_ns: int
    certificate: str
    result: Literal["pass", "fail"]
    person: str
    note: str = ""

    @property
    def past_due_ns(self) -> int:
        """From when on the tag's readings are Uncertain."""
        return self.due_ns if self.result == "pass" else self.performed_ns

    def replaces(self, other: "Calibration | None") -> bool:
        """Whether it counts in place of `other`. Of two of the same moment the one that was entered later does."""
        return other is None or self.performed_ns >= other.performed_ns

    def says(self, other: "Calibration | None") -> bool:
        """Whether it says the same as `other`, whoever entered it."""
        return other is not None and self == replace(other, person=self.person)

    def data(self) -> dict[str, Any]:
        """Its fields, as the journal's event has them."""
        return {name: getattr(self, name) for name in self.__slots__}


def calibration_of(data: Mapping[str, Any]) -> Calibration:
    """The calibration in `data` (further keys are passed over). Raises ValueError with a sentence where it is none."""
    try:
        return msgspec.convert(data, Calibration)
    except msgspec.ValidationError as error:
        raise ValueError(f"This is no calibration: {error}.") from error


def mistake(given: Calibration, numeric: Container[str], now_ns: int) -> str | None:
    """What is wrong with a calibration that is to be entered at `now_ns`, in a sentence; None where it is right. numeric: the
    ids of the plant's tags that can be calibrated."""
    if given.tag not in numeric:
        return f"There is no measured tag {given.tag}. GET /api/v1/tags lists all."
    if given.performed_ns > now_ns:
        return f"The calibration of {given.tag} lies in the future. Enter it once it was performed."
    if given.due_ns <= given.performed_ns:
        return f"The calibration of {given.tag} is due before it was performed (or at once). Exchange the two times."
    if given.performed_ns <= 0 or given.due_ns >= LAST_NS:
        return f"The calibration of {given.tag} lies before 1970 or is due after 2099. Mend the year."
    if not given.certificate.strip():
        return f"The calibration of {given.tag} names no certificate. Give its number."
    if max(len(given.certificate), len(given.note)) > LONGEST_TEXT or "\0" in given.certificate + given.note:
        return f"Certificate or note of the calibration of {given.tag} has more than {LONGEST_TEXT} signs, or a NUL."
    return None
