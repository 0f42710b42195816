"""Whether a comparison (low, high, state with a limit) makes sense for a tag. Alarms and the causes of interlocks share it."""

from collections.abc import Iterator
from typing import NamedTuple

from drivers.profile import ProfileTag


class Fault(NamedTuple):
    """A senseless comparison: the key that is wrong, the rest of a sentence that begins with the tag, the remedy."""

    key: str
    what: str
    right: str


def faults(kind: str, limit: float | None, unit: str, deadband: float, spec: ProfileTag) -> Iterator[Fault]:
    """What is wrong with comparing `spec` with `limit`; `kind` is low, high or state."""
    if spec.kind == "text":
        yield Fault("kind", "is text, which has no limits", "Watch a number, a boolean or a state.")
    elif limit is None:
        yield Fault("limit", "is compared with no limit", "Add `limit:`.")
    elif kind == "state":
        yield from _state(limit, unit, spec)
    elif spec.kind in ("boolean", "state"):
        yield Fault(
            "kind",
            f"is a {spec.kind}, which is neither low nor high",
            "Use kind: state, with the number of the state as limit.",
        )
    else:
        yield from _number(kind, limit, unit, deadband, spec)


def _state(limit: float, unit: str, spec: ProfileTag) -> Iterator[Fault]:
    if spec.kind not in ("boolean", "state"):
        yield Fault("kind", f"is a {spec.kind}, which has no states", "Use kind: low or high.")
    elif spec.kind == "boolean" and limit not in (0, 1):
        yield Fault("limit", f"is 0 or 1 and never {limit:g}", "Use 0 or 1.")
    elif spec.legend is not None and limit not in spec.legend:
        known = ", ".join(f"{number} {text.en}" for number, text in sorted(spec.legend.items()))
        yield Fault("limit", f"has no state {limit:g}", f"Known: {known}.")
    elif unit:
        yield Fault("unit", "is a state and has no unit", "Remove the unit.")


def _number(kind: str, limit: float, unit: str, deadband: float, spec: ProfileTag) -> Iterator[Fault]:
    if unit != spec.unit:
        given = f"in {unit}" if unit else "without a unit"
        measured = f"is measured in {spec.unit}" if spec.unit else "has no unit"
        yield Fault(
            "unit" if unit else "limit",
            f"{measured}, and the limit is {given}",
            f'Write unit: "{spec.unit}", and the limit in it.' if spec.unit else "Remove the unit.",
        )
        return
    if spec.range is None:
        return
    low, high = spec.range
    if not low <= limit <= high:
        yield Fault(
            "limit",
            f"has the range {low:g} to {high:g}, and the limit {limit:g} lies outside",
            "Correct the limit, or the range in the profile.",
        )
    elif limit == (low if kind == "low" else high):
        yield Fault(
            "limit",
            f"ends at {limit:g} and cannot go beyond this limit",
            "Choose a limit that the instrument can pass.",
        )
    elif not low <= (limit + deadband if kind == "low" else limit - deadband) <= high:
        yield Fault("deadband", f"can never come back over a deadband of {deadband:g}", "Choose a smaller deadband.")
