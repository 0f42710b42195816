"""Reads and validates each file of a config folder by itself, and says in plain sentences where one does not fit its form."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from drivers.profile import Profile
from telemetry.plant import schema
from telemetry.plant.document import Document, Keys, read, wrong
from telemetry.plant.findings import Findings, Mistake, nearest
from telemetry.plant.form import keys_at

M = TypeVar("M", bound=BaseModel)

FOLDERS: Final[dict[str, type[BaseModel]]] = {
    "areas": schema.AreaFile,
    "templates": schema.TemplateFile,
    "profiles": Profile,
    "alarms": schema.AlarmFile,
}
SINGLES: Final[dict[str, type[BaseModel]]] = {
    "plant": schema.PlantFile,
    "interlocks": schema.InterlockFile,
    "annunciators": schema.AnnunciatorFile,
    "roles": schema.RoleFile,
    "requirements": schema.RequirementFile,
}
_ENTRIES: Final = ("tags", "roles")
"""Mappings whose entries stand for themselves, as list items do: one can be left out without hurting the others."""

_NAMED_TAG: Final = re.compile(r"tag (\S+): ")


@dataclass(slots=True)
class Files:
    """The parsed files of a config folder, each model beside the document that it came from.

    What was left out for its mistakes must not be called wrong a second time wherever something refers to it:
    broken: the kinds of file (``areas``, ``profiles``...) of which something was left out; broken_names: the profiles and
    templates among them; missing: the lines and equipment that were left out because these were not there.
    """

    plant: tuple[schema.PlantFile, Document] | None = None
    areas: list[tuple[schema.AreaFile, Document]] = field(default_factory=list[tuple[schema.AreaFile, Document]])
    templates: list[tuple[schema.TemplateFile, Document]] = field(
        default_factory=list[tuple[schema.TemplateFile, Document]]
    )
    profiles: list[tuple[Profile, Document]] = field(default_factory=list[tuple[Profile, Document]])
    alarms: list[tuple[schema.AlarmFile, Document]] = field(default_factory=list[tuple[schema.AlarmFile, Document]])
    interlocks: tuple[schema.InterlockFile, Document] | None = None
    annunciators: tuple[schema.AnnunciatorFile, Document] | None = None
    roles: tuple[schema.RoleFile, Document] | None = None
    requirements: tuple[schema.RequirementFile, Document] | None = None
    broken: set[str] = field(default_factory=set[str])
    broken_names: set[str] = field(default_factory=set[str])
    missing: set[str] = field(default_factory=set[str])

    def may_exist(self, name: str) -> bool:
        """An area, room or equipment of this id may be among what was left out."""
        return not self.broken.isdisjoint(("areas", "templates")) or any(name.startswith(id_) for id_ in self.missing)

    def may_have_tag(self, name: str) -> bool:
        """A tag of this id may be among what was left out."""
        return "profiles" in self.broken or self.may_exist(name)

    @property
    def complete(self) -> bool:
        """Nothing of the equipment and its tags was left out."""
        return self.broken.isdisjoint(("areas", "templates", "profiles")) and not self.missing


def parse(root: Path, findings: Findings, instead: Mapping[str, Document] | None = None) -> Files:
    """The files of folder `root`; an entry with mistakes is left out and its mistakes are added to `findings`.

    instead: documents to take in place of files, by their name below `root` (a table that is to become a profile).
    """
    reader = _Reader(root, findings, instead or {})
    files = reader.files
    files.plant = reader.one("plant.yaml", schema.PlantFile)
    files.areas = reader.all("areas", schema.AreaFile)
    files.templates = reader.all("templates", schema.TemplateFile)
    files.profiles = reader.all("profiles", Profile)
    files.alarms = reader.all("alarms", schema.AlarmFile)
    files.interlocks = reader.one("interlocks.yaml", schema.InterlockFile, optional=True)
    files.annunciators = reader.one("annunciators.yaml", schema.AnnunciatorFile, optional=True)
    files.roles = reader.one("roles.yaml", schema.RoleFile)
    files.requirements = reader.one("requirements.yaml", schema.RequirementFile, optional=True)
    for file in sorted((*root.glob("*.yml"), *root.glob("*/*.yml"))):
        name = str(file.relative_to(root))
        findings.mistakes.append(Mistake(name, 1, "a file ending in .yml is not read", "Let its name end in .yaml."))
    return files


class _Reader:
    def __init__(self, root: Path, findings: Findings, instead: Mapping[str, Document]) -> None:
        self.root = root
        self.findings = findings
        self.instead = instead
        self.files = Files()

    def all(self, kind: str, model: type[M]) -> list[tuple[M, Document]]:
        """Every file of the folder `kind` that could be read."""
        found = (
            self.one(str(file.relative_to(self.root)), model) for file in sorted((self.root / kind).glob("*.yaml"))
        )
        return [pair for pair in found if pair is not None]

    def one(self, name: str, model: type[M], optional: bool = False) -> tuple[M, Document] | None:
        """The file `name`, without the entries that have mistakes; None where nothing of it could be used."""
        file = self.root / name
        if not file.exists():
            if not optional:
                missing = Mistake(name, 1, "the file is missing", "Write it after that of the example plant.")
                self.findings.mistakes.append(missing)
            return None
        document = self.instead.get(name) or read(file, self.root, self.findings)
        if document.content is None:
            self._broken(file, document)
            return None
        try:
            return model.model_validate(document.content), document
        except ValidationError as error:
            details = error.errors(include_url=False)
        except (KeyError, ValueError, IndexError, AttributeError) as error:
            self._broken(file, document)
            spot = next((path for path in document.lines if path and f"{{{error.args[0]}" in str(path[-1])), ())
            wrong(
                self.findings,
                (document, spot),
                f"braces stand for nothing known: {error}",
                "Use {n} for the number, or {n:02d}.",
            )
            return None
        self._broken(file, document)
        for detail in details:
            path = tuple(detail["loc"])
            if any(path[:end] in document.doubtful for end in range(len(path) + 1)):
                continue
            messages = detail["msg"].removeprefix("Value error, ").splitlines()
            for message in messages:  # a profile has a line for each tag that is wrong
                spot = _spot(path, message, document)
                wrong(self.findings, (document, spot), *_sentence(detail, message, model))
        return self._rest(document, {_entry(tuple(detail["loc"]), document) for detail in details}, model)

    def _rest(self, document: Document, dropped: set[Keys | None], model: type[M]) -> tuple[M, Document] | None:
        entries = {path for path in dropped if path is not None}
        if len(entries) < len(dropped):
            return None
        rest = document.without(entries)
        try:
            return model.model_validate(rest.content), rest
        except (ValidationError, KeyError, ValueError, IndexError, AttributeError):
            return None

    def _broken(self, file: Path, document: Document) -> None:
        kind = file.parent.name if file.parent != self.root else file.stem
        self.files.broken.add(kind)
        self.files.broken_names.add(file.stem)
        if isinstance(document.content, Mapping):
            self.files.broken_names.add(str(document.content.get(kind.removesuffix("s"), "")))


def _spot(path: Keys, message: str, document: Document) -> Keys:
    """Where a mistake stands; that of a whole profile stands at the tag which its text names first."""
    named = _NAMED_TAG.match(message)
    if path or named is None:
        return path
    if ("tags", named[1]) in document.lines:
        return ("tags", named[1])
    repeated = (place for place in document.lines if place[:1] == ("repeated",) and place[2:-1] == ("tags",))
    return next((place for place in repeated if str(place[-1]).format(n=1) == named[1]), path)


def _entry(path: Keys, document: Document) -> Keys | None:
    """The smallest list item or named entry around `path`, which can be left out; None where there is none. A plain value in
    a list (an end of a range) is no entry: without it the rest would mean something else."""
    for end in range(len(path), 0, -1):
        numbered = isinstance(path[end - 1], int) and (
            isinstance(document.at(path[:end]), Mapping) or isinstance(document.at(path[: end - 1]), Mapping)
        )
        if numbered or (end > 1 and path[end - 2] in _ENTRIES):
            return path[:end]
    return None


def _sentence(detail: ErrorDetails, message: str, model: type[BaseModel]) -> tuple[str, str]:
    """What is wrong and what would be right, from one of Pydantic's findings and a line of its message."""
    path = tuple(detail["loc"])
    where = ".".join(str(key) for key in path if key != "[key]") or "the file"
    kind, given = detail["type"], detail["input"]
    message = message.rstrip(".")
    if kind == "extra_forbidden":
        known = keys_at(model, path[:-1])
        return f"{where}: this key is not known here", nearest(str(path[-1]), known) if known else "Remove it."
    if kind == "missing":
        return f"{where} is missing", "Add it."
    if kind == "value_error":
        named = _NAMED_TAG.match(message)
        if not path and named:
            where, message = f"tag {named[1]}", message[named.end() :]
        return f"{where} does not fit", message[:1].upper() + message[1:] + "."
    shown = (
        repr(given) if isinstance(given, str | int | float | bool | None) and len(repr(given)) < 60 else "what is given"
    )
    if kind == "literal_error" and isinstance(given, str):
        choices = [
            word for word in str(detail.get("ctx", {}).get("expected", "")).replace(" or ", ", ").split(", ") if word
        ]
        return f"{where}: {shown} is not a choice", nearest(given, [choice.strip("'") for choice in choices])
    if kind == "string_pattern_mismatch":
        return f"{where}: {shown} does not fit", "Use letters, digits, - and _ only, beginning with a letter or digit."
    return f"{where}: {shown} does not fit", message + "."
