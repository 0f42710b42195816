"""Where a day lies in the archive: ``archive/<class>/<year>/<day>.v<version>`` and what its files are called.

Version 1 is the day as it was when it was closed; later versions are addenda: only what came after. Days are of UTC.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final, Literal, get_args

ArchiveClass = Literal["gmp", "diagnostic", "event"]
"""gmp and diagnostic: frames by the retention class of their layout; event: the events of all writers."""
CLASSES: Final[tuple[ArchiveClass, ...]] = get_args(ArchiveClass)
CERTIFICATES: Final = "certificates"
"""Folder in the archive that holds the certificate of everybody who ever signed here, named by fingerprint."""
_MANIFEST: Final = re.compile(r"(\d{4}-\d{2}-\d{2})\.v([1-9]\d{0,5})\.manifest\.json")


@dataclass(frozen=True, slots=True, order=True)
class ArchivedDay:
    """One version of one day of one class, in the archive `folder`."""

    archive_class: ArchiveClass
    day: date
    version: int
    folder: Path

    def _file(self, ending: str) -> Path:
        return (
            self.folder
            / self.archive_class
            / f"{self.day.year:04d}"
            / f"{self.day.isoformat()}.v{self.version}.{ending}"
        )

    @property
    def parquet(self) -> Path:
        """The rows; absent where there were none, and after its deletion."""
        return self._file("parquet")

    @property
    def manifest(self) -> Path:
        return self._file("manifest.json")

    @property
    def signature(self) -> Path:
        return self._file("manifest.sig")

    @property
    def deletion(self) -> Path:
        """The signed note that the rows were deleted at the end of their retention; absent while they are here."""
        return self._file("deletion.json")

    @property
    def deletion_signature(self) -> Path:
        return self._file("deletion.sig")

    @property
    def path_in_archive(self) -> str:
        """Of the manifest."""
        return self.manifest.relative_to(self.folder).as_posix()

    def __str__(self) -> str:
        version = "" if self.version == 1 else f", addendum {self.version}"
        return f"{self.archive_class} of {self.day.isoformat()}{version}"


def days_in(folder: Path, *classes: ArchiveClass) -> Iterator[ArchivedDay]:
    """All versions of all days whose manifest lies in the archive `folder`, deleted ones too, in no order; of `classes` or all."""
    for archive_class in classes or CLASSES:
        for path in (folder / archive_class).glob("*/*.manifest.json"):
            found = _MANIFEST.fullmatch(path.name)
            if found is None:
                continue
            try:
                day = date.fromisoformat(found[1])
            except ValueError:
                continue
            yield ArchivedDay(archive_class, day, int(found[2]), folder)
