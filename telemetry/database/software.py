"""PostgreSQL 17 with TimescaleDB, unpacked into a folder of its own and run from there.

The programs come with the C library and loader they were built for, so the host's own are neither used nor touched:
each program's loader is set to the unpacked one, and its library path to the unpacked libraries, by the patchelf that
comes in the same download. The loader's path is absolute, so a folder that has moved is aimed again when it is opened.
"""

import fcntl
import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from telemetry.database.debian import Package, reach_mirror, unpack
from telemetry.database.errors import OTHER_DATABASE, DatabaseError, NoPackagesError
from telemetry.database.place import SOFTWARE_VARIABLE, make_folder

Progress = Callable[[str], None]

STAMP_NAME: Final = "telemetry-software.json"
WANTED: Final = ["postgresql-17-timescaledb", "patchelf"]
MAJOR: Final = "17"
SPACE_NEEDED_BYTES: Final = 500_000_000  # lists, packages and unpacked tree together, at their peak 300 MB
INSTALL_TIMEOUT_S: Final = 1800
COMMAND_TIMEOUT_S: Final = 60

# What the packages depend on for their install scripts, their tools in Perl, or just-in-time compilation (which stays
# off). Half the download. Were one of them needed after all, the check of libraries below would say so.
_UNUSED: Final = re.compile(
    r"lib(llvm|z3|perl).*|lib.*-perl|perl.*|locales|libc-l10n|libc-bin|debconf|passwd|login\.defs|adduser|procps|"
    r"libproc2.*|tzdata|ucf|openssl|postgresql-common.*|postgresql-client-common|base-passwd|netbase|ssl-cert|"
    r"sysvinit-utils|init-system-helpers|sensible-utils|libpam-modules.*|.*-common"
)
_PRUNED: Final = ("usr/lib/postgresql/*/lib/bitcode", "usr/lib/postgresql/*/lib/pgxs", "usr/share/locale")
_LOADER: Final = "usr/lib/*/ld-linux*.so.*"


@dataclass(frozen=True)
class Software:
    """A complete folder of software that runs where it lies."""

    folder: Path

    def program(self, name: str) -> Path:
        """The path of one of PostgreSQL's programs."""
        return self.folder / "usr/lib/postgresql" / MAJOR / "bin" / name

    @property
    def shared(self) -> Path:
        """Where PostgreSQL's own data files lie, for `initdb -L`."""
        return self.folder / "usr/share/postgresql" / MAJOR

    def runs(self) -> bool:
        """Whether the server's program starts from this folder."""
        try:
            _command([str(self.program("postgres")), "--version"])
        except (DatabaseError, OSError):
            return False
        return True


def provide_software(folder: Path, progress: Progress) -> Software:
    """The software in `folder`: as it is, aimed again if the folder has moved, or fetched and unpacked first.

    Raises DatabaseError with the remedy; an interrupted or failed installation leaves nothing that a later one trusts.
    """
    software = Software(folder)
    if (folder / STAMP_NAME).exists() and software.runs():
        return software
    make_folder(folder.parent)
    with _only_one(folder.with_name(f"{folder.name}.lock"), progress):
        if not (folder / STAMP_NAME).exists():
            _install(folder, progress)
        elif not software.runs():
            aim(folder, folder)
            _require_running(software)
    return software


def _install(folder: Path, progress: Progress) -> None:
    began = time.monotonic()
    free = shutil.disk_usage(folder.parent).free
    if free < SPACE_NEEDED_BYTES:
        raise DatabaseError(
            f"{folder.parent} has {free / 1e6:.0f} MB free, and PostgreSQL with TimescaleDB needs "
            f"{SPACE_NEEDED_BYTES / 1e6:.0f} MB to unpack.",
            f"Free some, or set {SOFTWARE_VARIABLE} to a folder elsewhere.",
        )
    staging = folder.with_name(f"{folder.name}.partial")
    _remove(staging)
    _remove(folder)
    make_folder(staging)
    apt_root = staging / "apt"
    try:
        packages = _download(apt_root, staging, progress)
        for pattern in _PRUNED:
            for path in staging.glob(pattern):
                shutil.rmtree(path)
        shutil.rmtree(apt_root)
        aim(staging, folder)
        _check_libraries(staging)
        staging.rename(folder)
    except BaseException:
        _remove(staging)
        raise
    software = Software(folder)
    version = _require_running(software)
    stamp = {"version": version, "packages": packages}
    (folder / STAMP_NAME).write_text(json.dumps(stamp, indent=1), encoding="utf-8")
    progress(f"database: {version} with TimescaleDB unpacked in {time.monotonic() - began:.1f} s")


def _download(apt_root: Path, staging: Path, progress: Progress) -> list[str]:
    """Fetch and unpack everything that is used. Gives the names of the package files."""
    apt = reach_mirror(apt_root, lambda line: progress(f"database: {line}"))
    packages = [package for package in apt.closure(WANTED) if _UNUSED.fullmatch(package.name) is None]
    if not {package.name for package in packages}.issuperset(WANTED):
        raise NoPackagesError("The Debian mirror of this machine does not carry postgresql-17-timescaledb.")
    progress(f"database: downloading {len(packages)} packages, {_megabytes(packages):.0f} MB")
    files = apt.download(packages)
    progress(f"database: unpacking {len(files)} packages")
    unpack(files, staging)
    return [file.name for file in files]


def _megabytes(packages: list[Package]) -> float:
    return sum(package.size for package in packages) / 1e6


def aim(folder: Path, final: Path) -> None:
    """Point every program in `folder` at the loader it will find in `final`, and at the libraries beside it."""
    loader = _loader(folder)
    libraries = loader.parent
    patchelf = [str(loader), "--inhibit-cache", "--library-path", str(libraries), str(folder / "usr/bin/patchelf")]
    programs = folder / "usr/lib/postgresql" / MAJOR / "bin"
    # DT_RPATH rather than RUNPATH: it also serves the libraries of libraries, and of extensions loaded later.
    options = ["--set-interpreter", str(final / loader.relative_to(folder)), "--force-rpath"]
    options += ["--set-rpath", f"$ORIGIN/{os.path.relpath(libraries, programs)}"]
    try:
        _command([*patchelf, *options, *(str(path) for path in sorted(programs.iterdir()))])
    except DatabaseError as error:
        raise DatabaseError(
            f"The programs in {folder} cannot be made to run there ({error}).",
            "Put that folder back where it was unpacked, make it writable once, or delete it and let telemetry fetch it.",
        ) from None


def _check_libraries(folder: Path) -> None:
    """Refuse a tree in which the server or an extension would have to take a library from the host."""
    loader = _loader(folder)
    extensions = folder / "usr/lib/postgresql" / MAJOR / "lib"
    programs = folder / "usr/lib/postgresql" / MAJOR / "bin"
    checked = [programs / name for name in ("postgres", "initdb", "psql", "pg_dump", "pg_basebackup")]
    checked += [*extensions.glob("timescaledb*.so"), extensions / "plpgsql.so"]
    ask = [str(loader), "--inhibit-cache", "--library-path", str(loader.parent), "--list"]
    for path in checked:
        for line in _command([*ask, str(path)]).splitlines():
            if "=>" in line and f"=> {folder}/" not in line and str(loader) not in line:
                raise DatabaseError(
                    f"{path.name} lacks a library in the unpacked packages: {line.strip()}.", OTHER_DATABASE
                )


def _require_running(software: Software) -> str:
    """The server's version. Raises DatabaseError with the reason it does not start from its folder."""
    try:
        answer = _command([str(software.program("postgres")), "--version"])
    except (DatabaseError, OSError) as error:
        raise DatabaseError(
            f"PostgreSQL does not start from {software.folder} ({error}).",
            f"Is that file system mounted noexec? Set {SOFTWARE_VARIABLE} to a folder where programs may run.",
        ) from None
    numbers = re.search(r"\d+(\.\d+)+", answer)
    return f"PostgreSQL {numbers[0] if numbers else answer.strip()}"


def _loader(folder: Path) -> Path:
    found = sorted(folder.glob(_LOADER))
    if not found:
        raise DatabaseError(f"{folder} holds no program loader.", "Delete the folder and let telemetry fetch it anew.")
    return found[0]


def _command(command: list[str]) -> str:
    """Run one of the unpacked programs, apart from the host's library settings. Raises DatabaseError with its words."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("LD_")}
    try:
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=COMMAND_TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired:
        raise DatabaseError(f"{command[0]} did not end within {COMMAND_TIMEOUT_S} s") from None
    if done.returncode != 0:
        raise DatabaseError((done.stderr or done.stdout).strip() or f"it ended with status {done.returncode}")
    return done.stdout


def _remove(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)


@contextmanager
def _only_one(lock: Path, progress: Progress) -> Generator[None]:
    """Hold the folder's lock, waiting while another process installs the same software."""
    try:
        stream = lock.open("w", encoding="utf-8")
    except OSError as error:
        raise DatabaseError(
            f"PostgreSQL does not run from {lock.with_suffix('')}, and {lock.parent} cannot be written ({error.strerror}).",
            f"Make it writable once, or set {SOFTWARE_VARIABLE} to another folder.",
        ) from None
    with stream:
        deadline = time.monotonic() + INSTALL_TIMEOUT_S
        told = False
        while True:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise DatabaseError(f"Another process has held {lock} for {INSTALL_TIMEOUT_S} s.") from None
            if not told:
                progress("database: waiting for another process that is installing the same software")
                told = True
            time.sleep(0.2)
        yield
