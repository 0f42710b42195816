"""Packages of Debian 13 by a private apt root: its own lists, cache and state, nothing of the host's changed.

What the host's apt knows stays in force, because without it the mirror may be out of reach: proxies, credentials,
certificates, mirror address. Nothing is installed, only downloaded, checked against Debian's signature, and unpacked.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import unquote

from telemetry.database.errors import DatabaseError, NoPackagesError

SUITE: Final = "trixie"  # the first Debian release that carries TimescaleDB
KEYRINGS: Final = (
    Path("/usr/share/keyrings/debian-archive-keyring.gpg"),
    Path("/usr/share/keyrings/debian-archive-keyring.pgp"),
)
ASK_TIMEOUT_S: Final = 60
UPDATE_TIMEOUT_S: Final = 600  # 10 MB of package list
DOWNLOAD_TIMEOUT_S: Final = 1800  # 45 MB of packages
UNPACK_TIMEOUT_S: Final = 300
_MOST_MIRRORS: Final = 4

# Read by apt after the host's own configuration. Hooks that clean the host's cache or wake its desktop have no business
# here, a default release of the host's does not exist here, and extra indexes (file lists) are not wanted.
_CONFIGURATION: Final = """\
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear DPkg::Pre-Invoke;
#clear DPkg::Post-Invoke;
#clear DPkg::Pre-Install-Pkgs;
#clear APT::Default-Release;
APT::Install-Recommends "false";
APT::Install-Suggests "false";
APT::Get::AllowUnauthenticated "false";
Acquire::AllowInsecureRepositories "false";
Acquire::Languages "none";
Acquire::Retries "3";
APT::Update::Error-Mode "any";
Dir::State "{root}/state";
Dir::State::lists "{root}/lists";
Dir::State::status "/dev/null";
Dir::Cache "{root}/cache";
Dir::Etc::sourcelist "{root}/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
"""


@dataclass(frozen=True)
class Mirror:
    """A Debian archive that the host's apt uses, and the keyring it is checked with (empty: the host's trust store)."""

    address: str
    keyring: str


@dataclass(frozen=True)
class Package:
    """One package to download; size in bytes."""

    name: str
    size: int


def debian_mirrors() -> list[Mirror]:
    """The Debian archives that this machine's apt uses, the likeliest first.

    Raises NoPackagesError when there is no apt, or apt knows no archive.
    """
    for program in ("apt-get", "dpkg", "dpkg-deb"):
        if shutil.which(program) is None:
            raise NoPackagesError(f"This machine has no {program}, by which telemetry would fetch TimescaleDB.")
    mirrors = _mirrors_by_index() or _mirrors_by_source()
    if not mirrors:
        raise NoPackagesError("The apt of this machine knows no Debian mirror, from which TimescaleDB would come.")
    return mirrors[:_MOST_MIRRORS]


def _mirrors_by_index() -> list[Mirror]:
    """From the package lists that the host has fetched: these say who made them (Origin, Label)."""
    found: dict[str, Mirror] = {}
    for stanza in _run(["apt-get", "indextargets"], ASK_TIMEOUT_S).split("\n\n"):
        fields = dict(line.split(": ", 1) for line in stanza.splitlines() if ": " in line)
        wanted = {"Created-By": "Packages", "Origin": "Debian", "Label": "Debian", "Component": "main"}
        address = fields.get("Repo-URI", "")
        if address and all(fields.get(key) == value for key, value in wanted.items()):
            found.setdefault(address, Mirror(address, _keyring(fields.get("Sourcesentry", ""))))
    return list(found.values())


def _mirrors_by_source() -> list[Mirror]:
    """From what the host would fetch, where it has fetched nothing yet (a fresh container): origins are unknown."""
    addresses: dict[str, None] = {}
    for line in _run(["apt-get", "--print-uris", "update"], ASK_TIMEOUT_S).splitlines():
        release = re.match(r"'([^']+/)dists/([^']+)/InRelease'", line)
        if release is not None and "security" not in release[2]:
            addresses.setdefault(release[1])
    likeliest = sorted(addresses, key=lambda address: not address.rstrip("/").endswith("/debian"))
    return [Mirror(address, _keyring("")) for address in likeliest]


def _keyring(source_entry: str) -> str:
    """The keyring the host's own source names (`file:line` of apt's answer), else Debian's, else none."""
    name, _, number = source_entry.rpartition(":")
    try:
        text = Path(name).read_text(encoding="utf-8") if name else ""
    except OSError:
        text = ""
    if name.endswith(".sources"):  # stanzas, counted from 1
        stanzas = [part for part in re.split(r"\n\s*\n", text) if re.search(r"(?mi)^URIs:", part)]
        entry = stanzas[int(number) - 1] if number.isdigit() and 0 < int(number) <= len(stanzas) else ""
        named = re.search(r"(?mi)^Signed-By:\s*(/\S+)", entry)
    else:
        lines = text.splitlines()
        entry = lines[int(number) - 1] if number.isdigit() and 0 < int(number) <= len(lines) else ""
        named = re.search(r"signed-by=(/[^\s\]]+)", entry, re.IGNORECASE)
    if named is not None and os.access(named[1], os.R_OK):
        return named[1]
    return next((str(path) for path in KEYRINGS if os.access(path, os.R_OK)), "")


class PrivateApt:
    """An apt whose every file lies under `root` and whose one source is `mirror`."""

    def __init__(self, root: Path, mirror: Mirror) -> None:
        self._root = root
        self._configuration = root / "apt.conf"
        for folder in ("lists/partial", "cache/archives/partial", "state", "packages"):
            (root / folder).mkdir(parents=True, exist_ok=True)
        self._configuration.write_text(_CONFIGURATION.format(root=root), encoding="utf-8")
        architecture = _run(["dpkg", "--print-architecture"], ASK_TIMEOUT_S).strip()
        options = [f"arch={architecture}", "target=Packages"]
        if mirror.keyring:
            options.append(f"signed-by={mirror.keyring}")
        source = f"deb [{' '.join(options)}] {mirror.address} {SUITE} main\n"
        (root / "sources.list").write_text(source, encoding="utf-8")

    def update(self) -> None:
        """Fetch and check the suite's package list. Raises DatabaseError with apt's own words."""
        self._apt(["update"], UPDATE_TIMEOUT_S)

    def closure(self, names: list[str]) -> list[Package]:
        """`names` and everything they depend on, as apt resolves it onto an empty machine."""
        answer = self._apt(["install", "--print-uris", "--yes", *names], ASK_TIMEOUT_S)
        packages: list[Package] = []
        for line in answer.splitlines():
            # 'address' name_version_architecture.deb size hash
            described = re.match(r"'[^']+' (\S+)_\S+_\S+\.deb (\d+)", line)
            if described is not None:
                packages.append(Package(unquote(described[1]), int(described[2])))
        return packages

    def download(self, packages: list[Package]) -> list[Path]:
        """Fetch the packages, each checked against the signed list. Gives their files."""
        folder = self._root / "packages"
        self._apt(["download", *(package.name for package in packages)], DOWNLOAD_TIMEOUT_S, folder)
        return sorted(folder.glob("*.deb"))

    def _apt(self, arguments: list[str], timeout_s: float, folder: Path | None = None) -> str:
        return _run(["apt-get", "-q", "-c", str(self._configuration), *arguments], timeout_s, folder or self._root)


def reach_mirror(root: Path, progress: Callable[[str], None]) -> PrivateApt:
    """The private apt under `root` on the first mirror of the host's that carries the suite, its package list fetched.

    Raises NoPackagesError.
    """
    refusals: list[str] = []
    for mirror in debian_mirrors():
        progress("reading Debian's package list (10 MB)")
        apt = PrivateApt(root, mirror)
        try:
            apt.update()
        except DatabaseError as error:
            refusals.append(str(error))
            continue
        return apt
    raise NoPackagesError(f"No Debian mirror of this machine could be used: {' '.join(refusals)}")


def unpack(files: list[Path], folder: Path) -> None:
    """Unpack package files into `folder`, several at once, running none of their scripts."""

    def unpack_one(file: Path) -> str:
        return _run(["dpkg-deb", "-x", str(file), str(folder)], UNPACK_TIMEOUT_S)

    with ThreadPoolExecutor(max_workers=min(4, os.cpu_count() or 1)) as workers:
        list(workers.map(unpack_one, files))


def _run(command: list[str], timeout_s: float, folder: Path | None = None) -> str:
    """Run a command of the packaging system and give its output. Raises DatabaseError with the command's own words."""
    environment = {**os.environ, "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"}
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise DatabaseError(f"{command[0]} did not end within {timeout_s:.0f} s.", "Is the mirror reachable?") from None
    if done.returncode != 0:
        words = [line for line in done.stderr.splitlines() if line[:2] in ("E:", "W:")] or done.stderr.splitlines()
        raise DatabaseError(f"{command[0]} failed: {' '.join(words[-4:]).strip()}")
    return done.stdout
