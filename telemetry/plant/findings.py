"""What was found in a configuration: mistakes, which keep the service from starting, and warnings, which do not."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from difflib import get_close_matches


@dataclass(frozen=True, slots=True)
class Mistake:
    """One thing wrong in the configuration: where it stands, what is wrong, and what would be right."""

    file: str
    line: int
    wrong: str
    right: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.wrong}. {self.right}"


@dataclass(slots=True)
class Findings:
    """Mistakes and warnings, in the order found."""

    mistakes: list[Mistake] = field(default_factory=list[Mistake])
    warnings: list[Mistake] = field(default_factory=list[Mistake])


def ordered(found: Iterable[Mistake]) -> tuple[Mistake, ...]:
    """Each once, by file and line."""
    return tuple(sorted(set(found), key=lambda m: (m.file, m.line, m.wrong)))


def nearest(given: str, known: Iterable[str], shown: Iterable[str] | None = None) -> str:
    """The remedy for an unknown name: the nearest known one, else those of `shown` (the known ones where it is None)."""
    names = sorted(set(known))
    close = get_close_matches(given, names, n=1, cutoff=0.6)
    if close:
        return f"Did you mean {close[0]}?"
    names = names if shown is None else sorted(set(shown))
    if not names:
        return "There is none yet: add it."
    return f"Known: {', '.join(names[:8])}{', ...' if len(names) > 8 else ''}."


def listed(names: Iterable[str]) -> str:
    """A few names for a sentence: ``a``, ``a and b``, ``a, b and 9 more``."""
    given = list(dict.fromkeys(names))
    if len(given) <= 1:
        return "".join(given)
    if len(given) == 2:
        return f"{given[0]} and {given[1]}"
    return f"{given[0]}, {given[1]} and {len(given) - 2} more"
