"""A table becomes a profile's tags: looked at as a whole with the rest of the configuration, written only where all is right."""

import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from drivers.profile import Profile
from telemetry.errors import Refusal
from telemetry.plant.document import Document
from telemetry.plant.findings import Findings, Mistake, nearest, ordered
from telemetry.plant.load import ConfigError, survey
from telemetry.plant.parse import parse
from telemetry.tags.changes import Changes, changes
from telemetry.tags.rewrite import rewritten
from telemetry.tags.sheet import Sheet
from telemetry.tags.table import document_of

_MARK = "\ufeff"


@dataclass(frozen=True, slots=True)
class Import:
    """What an import found: the profile's file, its content as read and as it would be, what changes; or mistakes, and then
    nothing would be written."""

    file: Path
    before: bytes
    after: bytes
    changes: Changes | None
    mistakes: tuple[Mistake, ...]
    warnings: tuple[Mistake, ...]

    def write(self) -> None:
        """Puts the new content in the file's place in one step. Refuses when somebody changed the file meanwhile."""
        target = self.file.resolve()
        try:
            with tempfile.NamedTemporaryFile("wb", dir=target.parent, prefix=f".{target.name}.", delete=False) as new:
                new.write(self.after)
                new.flush()
                os.fsync(new.fileno())
            try:
                shutil.copymode(target, new.name)
                if target.read_bytes() != self.before:
                    raise Refusal(f"{self.file} was changed while the import ran.", "Import again.")
                Path(new.name).replace(target)
            finally:
                Path(new.name).unlink(missing_ok=True)
        except OSError as error:
            raise Refusal(
                f"{self.file} cannot be written ({error.strerror}).", "Import as a user who may write it."
            ) from error


def look(root: Path, name: str, sheet: Sheet) -> Import:
    """What the table `sheet` would make of profile `name` in the config folder `root`; nothing is written.

    Raises Refusal where there is no such profile, ConfigError where its own file has mistakes.
    """
    old, head = _profile(root, name)
    file = root / head.name
    before = file.read_bytes()
    findings = Findings()
    document = document_of(sheet, old, head, findings)
    found = survey(root, {head.name: document})
    mistakes = ordered((*findings.mistakes, *found.mistakes))
    if mistakes:
        return Import(file, before, before, None, mistakes, found.warnings)
    new = found.plant.profiles[name]
    text = before.decode("utf-8")
    mark, text = (_MARK, text[1:]) if text.startswith(_MARK) else ("", text)
    after = (mark + rewritten(text, old, new)).encode("utf-8")
    return Import(file, before, after, changes(old, new), (), found.warnings)


def _profile(root: Path, name: str) -> tuple[Profile, Document]:
    findings = Findings()
    files = parse(root, findings)
    for profile, document in files.profiles:
        own = [mistake for mistake in findings.mistakes if mistake.file == document.name]
        if profile.profile == name and own:
            raise ConfigError(ordered(own))
        if profile.profile == name:
            return profile, document
    if name in files.broken_names:
        raise ConfigError(ordered(findings.mistakes))
    raise Refusal(
        f"There is no profile {name} in {root / 'profiles'}.",
        f"{nearest(name, [profile.profile for profile, _ in files.profiles])} For a new one write its file first, with"
        " everything but its tags (tags: {}).",
    )
