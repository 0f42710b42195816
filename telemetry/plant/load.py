"""Reads the config folder into a Plant, or raises ConfigError with every mistake at once."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from telemetry.config_files import digest, folder
from telemetry.errors import Refusal
from telemetry.plant.check import check
from telemetry.plant.document import Document
from telemetry.plant.findings import Findings, Mistake, ordered
from telemetry.plant.model import Plant
from telemetry.plant.parse import parse
from telemetry.plant.resolve import resolve


class ConfigError(Refusal):
    """The configuration has mistakes; `mistakes` lists all of them, and the text shows each with file, line and remedy."""

    def __init__(self, mistakes: tuple[Mistake, ...]) -> None:
        self.mistakes = mistakes
        super().__init__("\n".join(str(m) for m in mistakes), "\nMend them; `telemetry check` lists what is left.")


@dataclass(frozen=True, slots=True)
class Survey:
    """A config folder as found. `plant` holds what resolved: with mistakes it is incomplete, and nothing may run on it."""

    plant: Plant
    mistakes: tuple[Mistake, ...]
    warnings: tuple[Mistake, ...]


def survey(root: Path | None = None, instead: Mapping[str, Document] | None = None) -> Survey:
    """What stands in folder `root` (default: `folder()`), with all its mistakes and warnings. Refuses a missing folder.

    instead: documents to take in place of files, by their name below `root`: what would be, before it is written.
    """
    root = root or folder()
    if not root.is_dir():
        missing = Mistake(
            str(root), 1, "the config folder does not exist", "Set TELEMETRY_CONFIG to the folder of plant.yaml."
        )
        raise ConfigError((missing,))
    findings = Findings()
    files = parse(root, findings, instead)
    plant, origins = resolve(files, digest(root), findings)
    check(plant, origins, files, findings)
    return Survey(plant, ordered(findings.mistakes), ordered(findings.warnings))


def load(root: Path | None = None) -> Plant:
    """The plant in folder `root` (default: `folder()`). Raises ConfigError that lists every mistake."""
    found = survey(root)
    if found.mistakes:
        raise ConfigError(found.mistakes)
    return found.plant
