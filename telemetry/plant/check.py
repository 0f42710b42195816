"""What is wrong with a plant beyond the form of its files: checks across files, each naming file, line and remedy."""

from collections.abc import Callable
from typing import Final

from telemetry.plant.checks import (
    addresses,
    alarms,
    annunciators,
    interlocks,
    limits,
    places,
    profiles,
    registers,
    roles,
    security,
    texts,
)
from telemetry.plant.checks.whole import Whole
from telemetry.plant.findings import Findings
from telemetry.plant.model import Plant
from telemetry.plant.parse import Files
from telemetry.plant.resolve import Origins

CHECKS: Final[tuple[Callable[[Whole], None], ...]] = (
    profiles.check,
    registers.check,
    places.check,
    addresses.check,
    security.check,
    alarms.check,
    limits.check,
    texts.check,
    interlocks.check,
    annunciators.check,
    roles.check,
)


def check(plant: Plant, origins: Origins, files: Files, findings: Findings) -> None:
    """Adds every mistake and warning found to `findings`."""
    whole = Whole(plant, origins, files, findings)
    for one in CHECKS:
        one(whole)
