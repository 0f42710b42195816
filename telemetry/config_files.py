"""The configuration's files in their folder, unread: light, for the start of the engine does not wait to understand them."""

import hashlib
import os
from pathlib import Path

from telemetry import places


def folder() -> Path:
    """The config folder: TELEMETRY_CONFIG, else ``config`` beside the installed packages' source, else ``config`` here."""
    given = os.environ.get("TELEMETRY_CONFIG")
    if given:
        return Path(given)
    beside = Path(__file__).resolve().parents[1] / "config"
    return beside if beside.is_dir() else Path("config")


def digest(root: Path) -> str:
    """SHA-256 over the names and bytes of all YAML files below `root`."""
    total = hashlib.sha256()
    for file in sorted(root.rglob("*.yaml")):
        total.update(str(file.relative_to(root)).encode() + b"\0" + hashlib.sha256(file.read_bytes()).digest())
    return total.hexdigest()


def ran_before() -> bool:
    """Whether a service of this data folder was started with these very files and found no mistake in them."""
    try:
        return _mark().read_text() == digest(folder())
    except OSError:
        return False


def keep_in_mind() -> None:
    """They have no mistake."""
    _mark().write_text(digest(folder()))


def _mark() -> Path:
    return places.runtime_folder() / "configuration"
