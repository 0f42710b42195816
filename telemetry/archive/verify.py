"""Proves an archive offline: signatures, hashes, counts, the chain of manifests, the chain of events.

It needs neither service nor database nor keys. Whether the signer is who it should be, only the reader can know: the anchors are
certificates that came to the reader by another way. Without one it proves that nothing was altered since whoever holds the
archive's certificate signed it, not who that was.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq
from cryptography import x509

from telemetry.archive import manifest as documents
from telemetry.archive import signing
from telemetry.archive.chain import Link, Walk
from telemetry.archive.damage import ArchiveDamaged
from telemetry.archive.digests import file_digest
from telemetry.archive.form import EVENTS, FRAMES, Table
from telemetry.archive.manifest import FIRST, Manifest
from telemetry.archive.place import CERTIFICATES, CLASSES, ArchivedDay, days_in
from telemetry.archive.reading import manifest_of
from telemetry.errors import Refusal

_KNOWN_ENDINGS: Final = (".parquet", ".manifest.json", ".manifest.sig", ".deletion.json", ".deletion.sig")
_UNFINISHED_ENDINGS: Final = (".partial", ".new")


@dataclass(slots=True)
class Report:
    """What was found. wrong: a sentence each, naming the file; noted: what is no fault but must be known."""

    wrong: list[str] = field(default_factory=list[str])
    noted: list[str] = field(default_factory=list[str])
    signers: dict[str, int] = field(default_factory=dict[str, int])
    manifests: int = 0
    files: int = 0
    rows: int = 0
    events: int = 0


def altered_files(day: ArchivedDay) -> Iterator[ArchiveDamaged]:
    """What is wrong with one version of a day by itself: manifest, signature, file, counts."""
    try:
        manifest = manifest_of(day)
        if day.deletion.exists():
            deletion_of(day, manifest)
            return
        for file in manifest.files:
            _whole(day, manifest, file)
    except ArchiveDamaged as damage:
        yield damage


def deletion_of(day: ArchivedDay, manifest: Manifest) -> documents.Deletion:
    """The signed note that the day's file was deleted. Raises ArchiveDamaged."""
    data = day.deletion.read_bytes()
    try:
        note = documents.unpacked_deletion(data)
    except ValueError as error:
        raise ArchiveDamaged(day.deletion, str(error)) from error
    certificate = signing.certificates(day.folder).get(note.signer)
    if certificate is None:
        raise ArchiveDamaged(day.deletion, "names a signer whose certificate is not in the archive")
    if not day.deletion_signature.exists():
        raise ArchiveDamaged(day.deletion_signature, "is missing")
    signing.check(day.deletion, data, day.deletion_signature.read_bytes(), certificate)
    if (note.archive_class, note.day, note.version) != (manifest.archive_class, manifest.day, manifest.version):
        raise ArchiveDamaged(day.deletion, f"is that of {note.archive_class} {note.day} version {note.version}")
    if note.manifest != digest_of(day):
        raise ArchiveDamaged(day.deletion, "is the note of another manifest")
    return note


def digest_of(day: ArchivedDay) -> str:
    """SHA-256 of the manifest as it lies there."""
    return documents.digest(day.manifest.read_bytes())


def _whole(day: ArchivedDay, manifest: Manifest, told: documents.File) -> None:
    path = day.parquet
    if told.name != path.name:
        raise ArchiveDamaged(day.manifest, f"names the file {told.name}, which does not belong here")
    if not path.exists():
        raise ArchiveDamaged(path, "is missing")
    size = path.stat().st_size
    if size != told.bytes:
        raise ArchiveDamaged(path, f"was altered: it is {size} bytes long, its manifest says {told.bytes}")
    digest = file_digest(path)
    if digest != told.sha256:
        raise ArchiveDamaged(path, f"was altered: its SHA-256 is {digest}, its manifest says {told.sha256}")
    with pq.ParquetFile(path) as file:
        _counts(day, manifest, file.metadata)


def _counts(day: ArchivedDay, manifest: Manifest, held: Any) -> None:
    if held.num_rows != manifest.rows:
        raise ArchiveDamaged(day.parquet, f"holds {held.num_rows} rows, its manifest says {manifest.rows}")
    if day.archive_class == "event":
        return
    layouts: dict[str, int] = {}
    for n in range(held.num_row_groups):
        group = held.row_group(n)
        statistics = group.column(FRAMES.get_field_index("layout")).statistics
        if statistics.min != statistics.max:
            raise ArchiveDamaged(day.parquet, f"mixes layouts in its row group {n}")
        layouts[str(statistics.min)] = layouts.get(str(statistics.min), 0) + group.num_rows
    if layouts != manifest.layouts:
        raise ArchiveDamaged(day.parquet, "holds other numbers of rows by layout than its manifest says")


class Verification:
    """Verifies what lies at `path`: an archive, a class, a year, or one file of a day."""

    def __init__(self, path: Path, anchors: Iterable[x509.Certificate], said: Callable[[str], None]) -> None:
        self.folder, self.days, self.part = _chosen(path)
        self.path, self.said = path.resolve(), said
        self.anchors = {signing.fingerprint(anchor) for anchor in anchors}
        self.report = Report()

    def run(self) -> Report:
        """Looks at everything; a fault never hides the next."""
        self._certificates()
        manifests = {day: manifest for day in self.days if (manifest := self._day(day)) is not None}
        for archive_class in CLASSES:
            mine = {day: m for day, m in manifests.items() if day.archive_class == archive_class}
            self._order(mine)
            self._versions(mine)
        self._events({day: m for day, m in manifests.items() if day.archive_class == "event"})
        if self.path.is_dir():
            self._strangers()
        return self.report

    def _wrong(self, sentence: str) -> None:
        self.report.wrong.append(sentence)

    def _certificates(self) -> None:
        known = signing.certificates(self.folder)
        for path in sorted((self.folder / CERTIFICATES).glob("*")):
            if path.stem not in known or path.suffix != ".pem":
                self._wrong(f"{path} is no certificate, or not the one of its name")

    def _day(self, day: ArchivedDay) -> Manifest | None:
        """The day's manifest where that much can be trusted."""
        self.said(str(day))
        faults = list(altered_files(day))
        self.report.wrong += [fault.what.rstrip(".") for fault in faults]
        if any(fault.path != day.parquet for fault in faults):
            return None
        manifest = manifest_of(day)
        self.report.manifests += 1
        self.report.signers[manifest.signer] = self.report.signers.get(manifest.signer, 0) + 1
        if self.anchors and manifest.signer not in self.anchors:
            self._wrong(f"{day.manifest} was signed by {manifest.signer}, which is none of the anchors")
        if day.deletion.exists():
            note = deletion_of(day, manifest)
            self.report.noted.append(f"{day} was deleted on {note.deleted}: {note.reason}")
        elif not faults:
            self.report.files += len(manifest.files)
            self.report.rows += manifest.rows
        return manifest

    def _order(self, manifests: Mapping[ArchivedDay, Manifest]) -> None:
        """Every manifest names the one before it, and none is missing between."""
        before: tuple[ArchivedDay, Manifest] | None = None
        for day, manifest in sorted(manifests.items(), key=lambda pair: (pair[1].number, pair[0])):
            if before is None:
                if not self.part and (manifest.number != 1 or manifest.previous != FIRST):
                    self._wrong(
                        f"{day.manifest} is manifest {manifest.number} of its class: those before it are missing or altered"
                    )
            elif manifest.number == before[1].number + 1:
                if manifest.previous != digest_of(before[0]):
                    self._wrong(f"{day.manifest} does not name {before[0].manifest} as the manifest before it")
            elif manifest.number == before[1].number:
                self._wrong(
                    f"{day.manifest} and {before[0].manifest} are both manifest {manifest.number} of their class"
                )
            elif not self.part:
                missing = f"{before[1].number + 1} to {manifest.number - 1}"
                self._wrong(
                    f"manifests {missing} of class {day.archive_class} are missing or altered: they were made between "
                    f"{before[0].manifest.name} and {day.manifest.name}"
                )
            before = day, manifest

    def _versions(self, manifests: Mapping[ArchivedDay, Manifest]) -> None:
        for day, manifest in manifests.items():
            before = ArchivedDay(day.archive_class, day.day, day.version - 1, day.folder)
            if before in manifests and manifest.follows != digest_of(before):
                self._wrong(f"{day.manifest} is no addendum to version {day.version - 1} as it lies here")

    def _events(self, manifests: Mapping[ArchivedDay, Manifest]) -> None:
        """The chains of all writers, day by day; addenda are put between the events of their day."""
        walk = Walk()
        days: dict[object, list[ArchivedDay]] = {}
        for day, manifest in sorted(manifests.items()):
            days.setdefault(day.day, []).append(day)
            for writer, chain in manifest.chains.items():
                walk.declare(writer, chain.missing)
        for versions in days.values():
            table = None if any(version.deletion.exists() for version in versions) else _events_in(versions, manifests)
            if (
                table is None
            ):  # deleted, or said to be damaged already: its signed manifest tells where the chains go on
                for version in versions:
                    for writer, chain in manifests[version].chains.items():
                        walk.ends[writer] = Link(chain.last, bytes.fromhex(chain.hash))
                continue
            self.report.events += table.num_rows
            self.report.wrong += [f"{versions[0].parquet}: {sentence}" for sentence in walk.events(table)]

    def _strangers(self) -> None:
        """Files that no manifest accounts for: a manifest was removed, or something was put here."""
        known = {path for day in days_in(self.folder) for path in (day.parquet, day.signature, day.manifest)}
        known |= {path for day in days_in(self.folder) for path in (day.deletion, day.deletion_signature)}
        for archive_class in CLASSES:
            for path in _files_below(self.folder / archive_class):
                if self.path not in path.parents or path in known:
                    continue
                if path.name.endswith(_UNFINISHED_ENDINGS):
                    self.report.noted.append(f"{path} was not finished: it is being written, or its writer was killed")
                elif path.name.endswith(_KNOWN_ENDINGS):
                    self._wrong(f"{path} has no manifest beside it")
                else:
                    self._wrong(f"{path} does not belong to the archive")
        if self.path == self.folder:
            own = (CERTIFICATES, *CLASSES)
            for entry in sorted(entry for entry in self.folder.iterdir() if entry.name not in own):
                for path in _files_below(entry) if entry.is_dir() else [entry]:
                    self._wrong(f"{path} does not belong to the archive")


def _files_below(folder: Path) -> list[Path]:
    """Everything below that is no plain folder: an odd file is looked at by nobody if it is left out here."""
    return sorted(path for path in folder.rglob("*") if path.is_symlink() or not path.is_dir())


def _events_in(versions: list[ArchivedDay], manifests: Mapping[ArchivedDay, Manifest]) -> Table | None:
    """The events of a day, all versions together, by writer and number; None where a file cannot be read."""
    try:
        parts = [pq.read_table(v.parquet, schema=EVENTS) for v in versions if manifests[v].files]
    except (OSError, pa.ArrowException):
        return None
    whole = pa.concat_tables([EVENTS.empty_table(), *(part.replace_schema_metadata(None) for part in parts)])
    return whole.sort_by([("writer", "ascending"), ("number", "ascending")])


def _chosen(path: Path) -> tuple[Path, list[ArchivedDay], bool]:
    """The archive's folder, which days of it, and whether they are only a part."""
    path = path.resolve()
    if not path.exists():
        raise Refusal(f"There is no {path}.", "Name an archive, a folder in it, or a file of a day.")
    for folder in (path, *path.parents):
        if (folder / CERTIFICATES).is_dir():
            break
    else:
        raise Refusal(
            f"{path} lies in no archive: no folder above it holds `{CERTIFICATES}`.",
            "Copy the folder of certificates with the files that you want to verify.",
        )
    days = sorted(days_in(folder))
    if path == folder:
        return folder, days, False
    if path.is_dir():
        chosen = [day for day in days if path in day.manifest.parents]
    else:
        chosen = [day for day in days if path.name.split(".")[:2] == day.manifest.name.split(".")[:2]]
        chosen = [day for day in chosen if path.parent == day.manifest.parent]
    whole = path in [folder / archive_class for archive_class in CLASSES]
    if not chosen:
        raise Refusal(f"{path} belongs to no archived day.", "Name an archive, a folder in it, or a file of a day.")
    return folder, chosen, not whole
