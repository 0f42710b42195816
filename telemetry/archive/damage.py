"""What is wrong with an archive, as a refusal that names the file."""

from pathlib import Path

from telemetry.errors import Refusal


class ArchiveDamaged(Refusal):
    """A file of the archive is missing, altered, or not what its place says. `path`: which one."""

    def __init__(self, path: Path, what: str) -> None:
        self.path = path
        super().__init__(
            f"{path} {what}.", "Put the file back from a backup; `telemetry verify` tells what else is wrong."
        )
