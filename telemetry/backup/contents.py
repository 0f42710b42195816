"""What a backup holds: its files with their hashes, and what database it came from. Signed like an archive's manifest.

    manifest.json  manifest.sig      this list
    database.dump                    pg_dump, custom format
    journal/ archive/ config/        as in the data folder

The keys are not among them: they lie in a file of their own, which belongs in other hands.
"""

from pathlib import Path
from typing import Final

import msgspec

from telemetry.archive import signing
from telemetry.archive.damage import ArchiveDamaged
from telemetry.archive.digests import file_digest
from telemetry.errors import Refusal

FORM: Final = 1
MANIFEST: Final = "manifest.json"
SIGNATURE: Final = "manifest.sig"
DUMP: Final = "database.dump"
FOLDERS: Final = ("journal", "archive", "config")


class BackedUp(msgspec.Struct, forbid_unknown_fields=True):
    """A file: its path below the backup's folder."""

    path: str
    bytes: int
    sha256: str


class Contents(msgspec.Struct, forbid_unknown_fields=True):
    """postgresql, timescaledb: versions of the server that was dumped; migration: that of its schema."""

    made: str
    software: str
    postgresql: str
    timescaledb: str
    migration: int
    signer: str
    files: list[BackedUp]
    form: int = FORM


def packed(contents: Contents) -> bytes:
    return msgspec.json.format(msgspec.json.encode(contents, order="sorted"), indent=1) + b"\n"


def listed(folder: Path) -> list[BackedUp]:
    """All files below `folder`, hashed, but the manifest itself."""
    own = (folder / MANIFEST, folder / SIGNATURE)
    found = sorted(path for path in folder.rglob("*") if path.is_file() and path not in own)
    return [BackedUp(p.relative_to(folder).as_posix(), p.stat().st_size, file_digest(p)) for p in found]


def proven(folder: Path) -> Contents:
    """The contents of the backup in `folder`, every file of which was read and is as signed. Raises Refusal naming what is not."""
    manifest = folder / MANIFEST
    try:
        data, signature = manifest.read_bytes(), (folder / SIGNATURE).read_bytes()
    except FileNotFoundError as error:
        raise Refusal(
            f"{folder} holds no whole backup: {Path(error.filename).name} is missing.",
            "Name the folder that `telemetry backup` made; one whose name ends in .partial was not finished.",
        ) from error
    try:
        contents = msgspec.json.decode(data, type=Contents)
    except msgspec.DecodeError as error:
        raise Refusal(f"{manifest} was altered: {error}.", "Take another backup.") from error
    certificate = signing.certificates(folder / "archive").get(contents.signer)
    if certificate is None:
        raise Refusal(f"{folder / 'archive'} lacks the certificate of who signed {manifest}.", "Take another backup.")
    try:
        signing.check(manifest, data, signature, certificate)
    except ArchiveDamaged as damage:
        raise Refusal(damage.what, "Take another backup.") from damage
    told = {file.path: file for file in contents.files}
    held = {file.path: file for file in listed(folder)}
    for path in sorted(told.keys() | held.keys()):
        if path not in held:
            raise Refusal(f"{folder / path} is missing from the backup.", "Take another backup.")
        if path not in told:
            raise Refusal(f"{folder / path} does not belong to the backup.", "Remove it, or take another backup.")
        if told[path] != held[path]:
            raise Refusal(f"{folder / path} was altered since the backup was made.", "Take another backup.")
    return contents
