"""Takes a backup of a plant that goes on running.

The order makes it whole: the journal is copied again and again while the database is dumped, and once more after it. So
whatever the dump's positions say, the journal in the backup begins before them and goes on behind them, and the historian of a
restored plant stores what the dump has not. What says how far the *old* database had stored (the historian's status) is
left out: the restored one must not believe it.
"""

import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import BinaryIO, Final, cast

import psycopg

from telemetry.archive.signing import Signer
from telemetry.archive.writing import durable
from telemetry.backup import contents
from telemetry.backup.contents import Contents
from telemetry.backup.programs import command, refusal
from telemetry.errors import Refusal
from telemetry.journal.reserve import RESERVE
from telemetry.journal.status import STATUS
from telemetry.sql import query

Said = Callable[[str], None]
FOLLOW_S: Final = 30.0
"""How often the journal is copied while the dump goes on: much shorter than it keeps what is stored."""
LEFT_OUT: Final = (STATUS, RESERVE)
_BLOCK_BYTES: Final = 1 << 20
_KEYS_MODE: Final = 0o600


class Backup:
    """One backup of `data` (the data folder) and `config` into `folder`, which must not be there yet."""

    def __init__(self, data: Path, config: Path, folder: Path, keys: Path, said: Said) -> None:
        self.data, self.config, self.folder, self.keys, self.said = data, config, folder, keys, said
        self.partial = folder.with_name(f"{folder.name}.partial")

    def take(self, url: str, signer: Signer) -> Contents:
        """Raises Refusal; then nothing of it is left."""
        for path in (self.folder, self.keys):
            if path.exists() and (path.is_file() or any(path.iterdir())):
                raise Refusal(f"{path} exists already.", "Name a new folder: a backup never replaces another.")
        if self.data in (self.folder, *self.folder.parents) or self.data in self.keys.parents:
            raise Refusal(f"{self.folder} lies in the data folder {self.data}.", "Keep backups on another disk.")
        if self.partial.exists():
            shutil.rmtree(self.partial)
        self._room(url)
        try:
            self.partial.mkdir(parents=True, mode=0o700)
            made = self._fill(url, signer)
            self._keys()
            if self.folder.exists():
                self.folder.rmdir()
            self.partial.rename(self.folder)
        except OSError as error:
            raise Refusal(
                f"The backup in {self.folder} cannot be written ({error.strerror or error}).",
                "Free space there, or name a folder on another disk.",
            ) from error
        finally:
            with suppress(OSError):
                if self.partial.exists():
                    shutil.rmtree(self.partial)
        return made

    def _fill(self, url: str, signer: Signer) -> Contents:
        made = datetime.now(UTC)
        with psycopg.connect(url, connect_timeout=5) as connection:
            row = connection.execute(query("versions")).fetchone()
            assert row is not None
            postgresql, timescaledb, migration = cast("tuple[str, str, int]", row)
        self._journal()
        self._dump(url)
        self._journal()
        for name, source in (("archive", self.data / "archive"), ("config", self.config)):
            self.said(f"copying the {name}")
            if source.exists():
                shutil.copytree(source, self.partial / name)
        self.said("hashing what was copied")
        told = Contents(
            made=made.isoformat(timespec="seconds"),
            software=f"telemetry {version('telemetry')}",
            postgresql=postgresql,
            timescaledb=timescaledb,
            migration=migration,
            signer=signer.fingerprint,
            files=contents.listed(self.partial),
        )
        data = contents.packed(told)
        durable(self.partial / contents.SIGNATURE, signer.sign(data))
        durable(self.partial / contents.MANIFEST, data)
        os.sync()
        return told

    def _dump(self, url: str) -> None:
        self.said("dumping the database")
        target = self.partial / contents.DUMP
        line, environment = command("pg_dump", url, ["--format=custom", "--compress=zstd:3", f"--file={target}"])
        with tempfile.TemporaryFile() as words:
            process = subprocess.Popen(line, env=environment, stdin=subprocess.DEVNULL, stdout=words, stderr=words)
            try:
                while process.poll() is None:
                    with suppress(subprocess.TimeoutExpired):
                        process.wait(FOLLOW_S)
                    self._journal()
                    if target.exists():
                        self.said(f"dumping the database: {target.stat().st_size / 1e6:.0f} MB")
            except BaseException:
                process.kill()
                process.wait()
                raise
            words.seek(0)
            if process.returncode != 0:
                raise refusal("pg_dump", process, words.read())

    def _journal(self) -> None:
        """Copies what is new: a checkpoint before the records behind it, so that it is never ahead of them."""
        for writer in sorted((self.data / "journal").glob("*/")):
            target = self.partial / "journal" / writer.name
            target.mkdir(parents=True, mode=0o700, exist_ok=True)
            for path in sorted(writer.iterdir()):
                if path.suffix == ".journal" or path.name in LEFT_OUT or path.suffix == ".new" or not path.is_file():
                    continue
                if not (target / path.name).exists():
                    shutil.copy2(path, target / path.name)
            for path in sorted(writer.glob("*.journal")):
                with suppress(FileNotFoundError):  # stored and removed meanwhile
                    _grown(path, target / path.name)

    def _keys(self) -> None:
        """The keys folder as one file that only its owner can read."""
        new = self.keys.with_name(f"{self.keys.name}.partial")
        new.unlink(missing_ok=True)
        try:
            opened = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _KEYS_MODE)
            with os.fdopen(opened, "wb") as file, tarfile.open(fileobj=file, mode="w") as tar:
                tar.add(self.data / "keys", "keys")
            new.replace(self.keys)
        finally:
            new.unlink(missing_ok=True)

    def _room(self, url: str) -> None:
        """Refuses where the disk is surely too small: the dump takes about a third of the database."""
        with psycopg.connect(url, connect_timeout=5) as connection:
            row = connection.execute(query("database size")).fetchone()
        database = cast("int", row[0]) if row else 0
        needed = database // 3 + sum(_size(self.data / name) for name in ("journal", "archive"))
        place = next(parent for parent in self.folder.absolute().parents if parent.exists())
        free = shutil.disk_usage(place).free
        if free < needed:
            raise Refusal(
                f"The backup may take {needed / 1e6:.0f} MB, and {place} has {free / 1e6:.0f} MB free.",
                "Name a folder on a larger disk.",
            )


def _grown(source: Path, target: Path) -> None:
    """Appends what `source` has beyond `target`. A segment only grows, with two exceptions: thinned for want of room it is another
    file, and a record that found no room is cut off again. Then it is copied anew."""
    with source.open("rb") as read, target.open("a+b") as write:
        size = write.tell()
        if not _begins_with(read, write, size):
            write.truncate(0)
            size = 0
        read.seek(size)
        shutil.copyfileobj(read, write, _BLOCK_BYTES)


def _begins_with(source: BinaryIO, target: BinaryIO, size: int) -> bool:
    """Whether the first `size` bytes of `source` may be `target`. The first and the last block are compared: the header says how a
    segment was thinned, and a record that was cut off is the last one of what was copied."""
    for at in (0, max(0, size - _BLOCK_BYTES)):
        length = min(size - at, _BLOCK_BYTES)
        source.seek(at)
        target.seek(at)
        if source.read(length) != target.read(length):
            return False
    return True


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
