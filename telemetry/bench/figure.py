"""Figure: one measured number beside its baseline and its bound. Every performance claim of this project is one of these."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

Say = Callable[[str], None]
"""Takes a line of progress."""
LONGEST_MINUTES: Final = 12.0
"""A bench ends within this."""


@dataclass(frozen=True, slots=True)
class Figure:
    """`ours` and `baseline` in `unit`, from the same run; `ratio` = ours / baseline, or what `bound` says of it; `bound`: the
    number that is asked, `at_least` or `at_most`. baseline None: the bound is of `ours` itself (a share of a core)."""

    name: str
    ours: float
    baseline: float | None
    unit: str
    bound: float | None
    sense: Literal["at least", "at most"] = "at least"

    @property
    def ratio(self) -> float | None:
        """ours / baseline; None where there is no baseline."""
        return None if self.baseline is None else self.ours / self.baseline if self.baseline else float("inf")

    @property
    def judged(self) -> float:
        """The number that the bound is about."""
        ratio = self.ratio
        return self.ours if ratio is None else ratio

    @property
    def holds(self) -> bool:
        """Whether the bound is kept; a figure without one informs only."""
        if self.bound is None:
            return True
        return self.judged >= self.bound if self.sense == "at least" else self.judged <= self.bound

    def as_json(self) -> dict[str, object]:
        """The form that `telemetry bench --json` prints."""
        return {
            "name": self.name,
            "ours": self.ours,
            "baseline": self.baseline,
            "ratio": self.ratio,
            "unit": self.unit,
            "bound": self.bound,
            "holds": self.holds,
        }


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a bench found. not_run: what could not be measured here and why, one sentence each."""

    figures: tuple[Figure, ...]
    not_run: tuple[str, ...] = ()

    @property
    def holds(self) -> bool:
        """Whether every bound was measured and kept."""
        return not self.not_run and all(figure.holds for figure in self.figures)


Bench = Callable[[float, Say], Outcome]
"""Takes the minutes it may use and a sink for progress."""
