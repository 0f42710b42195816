"""The whole configuration as the checks see it: the plant, its files, and where each thing stands in them."""

from dataclasses import dataclass

from telemetry.plant.document import Place, doubt, wrong
from telemetry.plant.findings import Findings
from telemetry.plant.model import Plant
from telemetry.plant.parse import Files
from telemetry.plant.resolve import Origins


@dataclass(frozen=True, slots=True)
class Whole:
    """What a check looks at, and where it says what it found."""

    plant: Plant
    origins: Origins
    files: Files
    findings: Findings

    def wrong(self, place: Place, what: str, right: str) -> None:
        """A mistake: the service does not start with it."""
        wrong(self.findings, place, what, right)

    def doubt(self, place: Place, what: str, right: str) -> None:
        """A warning: allowed, but hardly meant."""
        doubt(self.findings, place, what, right)


def at(place: Place, *keys: str | int) -> Place:
    """The place of a value below `place`."""
    return place[0], (*place[1], *keys)
