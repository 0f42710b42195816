"""The chain of events: each one's hash covers the one before it, so nobody can change, move or remove one unseen.

hash = SHA-256(previous hash, number as uint64, time in nanoseconds as int64, body), little endian, as the journal makes it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from telemetry.archive.form import Table
from telemetry.archive.manifest import FIRST
from telemetry.journal.format import event_hash

_BEYOND: Final = 1000


def time_ns(number: int, time_us: int, beyond: int | None, body: bytes, previous: bytes, own: bytes) -> int | None:
    """The time to the nanosecond that fits the event's own hash; None where none does: the event was altered.

    beyond: its nanoseconds beyond microseconds; None (not kept in old databases): whichever of the thousand fits.
    """
    for candidate in range(_BEYOND) if beyond is None else (beyond,):
        at = time_us * _BEYOND + candidate
        if event_hash(previous, number, at, body) == own:
            return at
    return None


@dataclass(slots=True)
class Link:
    """The end of a writer's chain as far as it was walked: number and hash of the last event."""

    number: int
    hash: bytes


class Walk:
    """Follows the chains of all writers through events in the order of writer and number; says where one is broken.

    missing: by writer, ranges of numbers that are known to be in no database: there, and nowhere else, a chain may jump.
    """

    def __init__(self) -> None:
        self.ends: dict[str, Link] = {}
        self.missing: dict[str, list[tuple[int, int]]] = {}

    def declare(self, writer: str, ranges: list[tuple[int, int]]) -> None:
        self.missing.setdefault(writer, []).extend(ranges)

    def events(self, table: Table) -> Iterator[str]:
        """Takes the events of `form.EVENTS` in; gives a sentence for each that does not fit."""
        columns = (table.column(name).to_pylist() for name in ("writer", "number", "body", "previous", "hash"))
        times = table.column("time").cast("int64").to_pylist()
        for (writer, number, body, previous, own), at in zip(zip(*columns, strict=True), times, strict=True):
            if event_hash(previous, number, at, body.encode()) != own:
                yield f"event {number} of {writer} was altered: it does not fit its own hash"
            yield from self._linked(writer, number, previous)
            self.ends[writer] = Link(number, own)

    def _linked(self, writer: str, number: int, previous: bytes) -> Iterator[str]:
        end = self.ends.get(writer)
        if end is None:
            if number == 1 and previous.hex() != FIRST:
                yield f"event 1 of {writer} does not begin its chain"
        elif number <= end.number:
            yield f"event {number} of {writer} stands behind event {end.number}: they are out of order, or doubled"
        elif number == end.number + 1:
            if previous != end.hash:
                yield f"the chain of {writer} is broken between events {end.number} and {number}: one of them is another"
        elif not self._declared(writer, end.number + 1, number - 1):
            yield f"events {end.number + 1} to {number - 1} of {writer} are missing"

    def _declared(self, writer: str, first: int, last: int) -> bool:
        """Whether each number from `first` to `last` is in a range that is known to be missing."""
        for low, high in sorted(self.missing.get(writer, ())):
            if low <= first <= high:
                first = high + 1
        return first > last
