"""Debian's own open62541, libmodbus and mbpoll, unpacked beside the machine's: by the private apt that brings the database.

Run as a module it installs them once (`.ci/bootstrap --test` does so). Our small servers in C are compiled by Debian's tcc out
of the same tree, so a machine needs neither compiler nor root; everything runs by the tree's own loader and C library.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from telemetry.database.debian import reach_mirror, unpack
from telemetry.database.errors import DatabaseError

FOLDER: Final = Path(__file__).parents[2] / "build" / "foreign-software"
STAMP: Final = FOLDER / "packages.json"
SOURCES: Final = Path(__file__).parent / "c"
WANTED: Final = ["libopen62541-1.4-dev", "libmodbus-dev", "libc6-dev", "mbpoll", "tcc"]
MISSING: Final = (
    "open62541, libmodbus and mbpoll are not on this machine: .ci/bootstrap --test fetches them from Debian"
)
COMPILE_TIMEOUT_S: Final = 60


def install() -> None:
    """Fetches and unpacks `WANTED` with all that they need, unless done. Raises DatabaseError."""
    if is_installed():
        return
    began = time.monotonic()
    for folder in (FOLDER, partial := FOLDER.with_name(f"{FOLDER.name}.partial")):
        shutil.rmtree(folder, ignore_errors=True)
    partial.mkdir(parents=True)
    apt = reach_mirror(partial / "apt", lambda line: print(f"foreign: {line}", flush=True))
    packages = apt.closure(WANTED)
    size_mb = sum(package.size for package in packages) / 1e6
    print(f"foreign: downloading {len(packages)} packages, {size_mb:.0f} MB", flush=True)
    files = apt.download(packages)
    unpack(files, partial)
    shutil.rmtree(partial / "apt")
    stamp = {"wanted": WANTED, "packages": [file.name for file in files]}
    (partial / STAMP.name).write_text(json.dumps(stamp, indent=1), encoding="utf-8")
    partial.rename(FOLDER)
    print(f"foreign: open62541, libmodbus and mbpoll ready in {time.monotonic() - began:.0f} s", flush=True)


def is_installed() -> bool:
    """Whether the tree holds what is wanted today."""
    try:
        return json.loads(STAMP.read_text(encoding="utf-8"))["wanted"] == WANTED
    except (OSError, ValueError, KeyError):
        return False


def program(name: str) -> list[str]:
    """The command that runs one of the tree's own programs, by name in usr/bin."""
    return _run(FOLDER / "usr" / "bin" / name)


def compiled(name: str, *libraries: str) -> list[str]:
    """The command that runs `c/NAME.c`, compiled against `libraries` of the tree when it has changed."""
    source = SOURCES / f"{name}.c"
    binary = FOLDER / "compiled" / f"{name}-{hashlib.sha256(source.read_bytes()).hexdigest()[:12]}"
    if not binary.exists():
        binary.parent.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=binary.parent) as folder:
            _compile(source, made := Path(folder) / name, libraries)
            made.rename(binary)
    return _run(binary)


def _compile(source: Path, to: Path, libraries: tuple[str, ...]) -> None:
    include, own = FOLDER / "usr" / "include", _loader().parent
    options = [f"-B{own}/tcc", "-nostdinc", f"-I{own}/tcc/include", f"-I{include}", f"-I{include / own.name}"]
    # Named one by one, since this tcc would look for them where the host keeps its own.
    objects = ["-nostdlib", str(own / "crt1.o"), str(own / "crti.o"), str(source)]
    objects += [f"-L{own}", *(f"-l{library}" for library in libraries)]
    objects += [str(own / "libm.so.6"), str(own / "libc.so.6"), str(own / "tcc" / "libtcc1.a")]
    done = subprocess.run(
        [*program("tcc"), *options, "-w", "-o", str(to), *objects, str(own / "crtn.o")],
        capture_output=True,
        text=True,
        timeout=COMPILE_TIMEOUT_S,
        check=False,
    )
    if done.returncode != 0:
        raise RuntimeError(f"{source} does not compile: {done.stdout}{done.stderr}")


def _run(binary: Path) -> list[str]:
    loader = _loader()
    return [str(loader), "--inhibit-cache", "--library-path", str(loader.parent), str(binary)]


def _loader() -> Path:
    return next(FOLDER.glob("usr/lib/*/ld-linux*.so.*"))


if __name__ == "__main__":
    os.umask(0o022)
    try:
        install()
    except DatabaseError as error:
        sys.exit(str(error))
