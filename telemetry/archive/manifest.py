"""The manifest of an archived day: what its file holds, byte for byte and row for row, and which manifest came before.

It is JSON with sorted keys; the signature beside it is over exactly these bytes. `number` counts the manifests of a class
in the order in which they were made, without a gap, and `previous` is the SHA-256 of the one before: so none can be left out
or moved. An addendum also names, in `follows`, the manifest of the version before it.
"""

import hashlib
from typing import Final, TypeVar

import msgspec

D = TypeVar("D", "Manifest", "Deletion")
FORM: Final = 1
FIRST: Final = "0" * 64
"""`previous` of the first manifest of a class, and of the first event of a writer."""


class File(msgspec.Struct, forbid_unknown_fields=True):
    """One file that belongs to the manifest.

    footer_sha256: of Parquet's own list of contents, its length and mark, from where it begins to the end of the file;
    groups_sha256: of the bytes of each row group. With them a reader of one layout is proven too, without reading the rest.
    """

    name: str
    bytes: int
    sha256: str
    footer_sha256: str
    groups_sha256: list[str]
    rows: int


class Chain(msgspec.Struct, forbid_unknown_fields=True):
    """Events of one writer: first and last number, the hash before the first (hex) and that of the last.

    missing: ranges of numbers (both ends included) that the database never had, from the event before `first` on; the
    chain cannot be proven across them.
    """

    first: int
    last: int
    previous: str
    hash: str
    missing: list[tuple[int, int]] = []


class Manifest(msgspec.Struct, forbid_unknown_fields=True):
    """Times are ISO 8601, UTC. layouts: rows by layout id; chains: by writer. first, last: time span of the rows."""

    archive_class: str = msgspec.field(name="class")
    day: str
    version: int
    number: int
    previous: str
    made: str
    software: str
    signer: str
    configurations: list[str]
    files: list[File]
    rows: int
    first: str | None
    last: str | None
    follows: str | None = None
    layouts: dict[str, int] = {}
    chains: dict[str, Chain] = {}
    form: int = FORM


class Deletion(msgspec.Struct, forbid_unknown_fields=True):
    """The note that stands in for an archived day's file after it was deleted."""

    archive_class: str = msgspec.field(name="class")
    day: str
    version: int
    manifest: str
    deleted: str
    reason: str
    signer: str
    form: int = FORM


def packed(document: Manifest | Deletion) -> bytes:
    """The bytes to sign: keys sorted, one per line."""
    return msgspec.json.format(msgspec.json.encode(document, order="sorted"), indent=1) + b"\n"


def unpacked(data: bytes) -> Manifest:
    """Raises ValueError that says what is wrong."""
    return _decoded(data, Manifest)


def unpacked_deletion(data: bytes) -> Deletion:
    """Raises ValueError that says what is wrong."""
    return _decoded(data, Deletion)


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _decoded(data: bytes, kind: type[D]) -> D:
    try:
        document = msgspec.json.decode(data, type=kind)
    except msgspec.DecodeError as error:
        raise ValueError(f"is not what this program wrote ({error})") from error
    if document.form != FORM:
        raise ValueError(f"is of form {document.form}, which this program does not know")
    return document
