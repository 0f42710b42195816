"""Outputs as levels: what each output tag should hold, asked again until the plant shows that it does.

A wanted level is written when it changes, and again every `RETRY_NS` while what is read back differs; so a beacon that was
switched off and on again gets its state back, and a level that was lost with a broken connection arrives later. An output
that differs for longer than `UNCONFIRMED_NS` is reported once, and once when it is confirmed again.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Final

from alarms.limits import NEVER

RETRY_NS: Final = 1_500_000_000
UNCONFIRMED_NS: Final = 5_000_000_000


@dataclass(slots=True)
class _Output:
    """differs_ns: since when what is held is not what is wanted (of no meaning while it is)."""

    wanted: float
    differs_ns: int
    held: float | None = None
    next_try_ns: int = 0
    reported: bool = False


@dataclass(slots=True)
class Outputs:
    """The outputs by tag."""

    by_tag: dict[str, _Output] = field(default_factory=dict[str, _Output])

    def want(self, levels: dict[str, float], now_ns: int, trips: Collection[str] = ()) -> None:
        """The levels that should be held; a tag that is no longer named is left as it is. Those in `trips` never wait."""
        starting = not self.by_tag
        for tag in self.by_tag.keys() - levels.keys():
            del self.by_tag[tag]
        for tag, value in levels.items():
            output = self.by_tag.get(tag)
            if output is None:
                # At a start, what is off is most likely off already: the first scan will tell, before anything is written.
                first_ns = now_ns + RETRY_NS if starting and value == 0 and tag not in trips else 0
                self.by_tag[tag] = _Output(value, now_ns, next_try_ns=first_ns)
            elif output.wanted != value:
                output.wanted, output.differs_ns, output.next_try_ns = value, now_ns, 0

    def seen(self, tag: str, value: float | None, now_ns: int) -> None:
        """What the plant holds (None: not known), from a read-back or a scan."""
        output = self.by_tag.get(tag)
        if output is not None:
            if output.held == output.wanted:
                output.differs_ns = now_ns
            output.held = value

    def writes(self, now_ns: int) -> list[tuple[str, float]]:
        """What to write now."""
        asked: list[tuple[str, float]] = []
        for tag, output in self.by_tag.items():
            if output.held != output.wanted and output.next_try_ns <= now_ns:
                output.next_try_ns = now_ns + RETRY_NS
                asked.append((tag, output.wanted))
        return asked

    def reports(self, now_ns: int) -> list[tuple[str, bool]]:
        """Outputs that have just been found unconfirmed (False) or confirmed again (True)."""
        found: list[tuple[str, bool]] = []
        for tag, output in self.by_tag.items():
            late = output.held != output.wanted and now_ns - output.differs_ns >= UNCONFIRMED_NS
            if late and not output.reported:
                output.reported = True
                found.append((tag, False))
            elif output.reported and output.held == output.wanted:
                output.reported = False
                found.append((tag, True))
        return found

    def confirmed(self, tag: str) -> bool:
        output = self.by_tag.get(tag)
        return output is None or output.held == output.wanted

    def due_ns(self) -> int:
        """When to ask again (NEVER: everything is held)."""
        waiting = [o.next_try_ns for o in self.by_tag.values() if o.held != o.wanted]
        return min(waiting, default=NEVER)
