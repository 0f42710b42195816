"""Joins definitions with tags: an alarm or interlock written once for a type of equipment, on every tag that it means."""

from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase

from telemetry.plant import model, schema
from telemetry.plant.document import Document, Place, wrong
from telemetry.plant.findings import Findings, nearest
from telemetry.plant.parse import Files


class Definitions:
    """The alarms and interlocks of the equipment that resolved."""

    def __init__(self, equipment: tuple[model.Equipment, ...], files: Files, findings: Findings) -> None:
        self.files = files
        self.findings = findings
        self.by_type: dict[str, list[model.Equipment]] = {}
        for unit in equipment:
            self.by_type.setdefault(unit.type, []).append(unit)
        self.ids = {unit.id for unit in equipment}
        self._matches: dict[tuple[str, str], tuple[int, ...]] = {}

    def alarms(self) -> Iterator[model.Alarm]:
        seen: set[str] = set()
        for file, document in self.files.alarms:
            for i, entry in enumerate(file.alarms):
                place: Place = (document, ("alarms", i))
                found = 0
                for unit, tag in self._meant(entry):
                    found += 1
                    name = f"{tag.id if tag else unit.id}.{entry.name}"
                    if name in seen:
                        spot = (document, (*place[1], "name"))
                        wrong(
                            self.findings,
                            spot,
                            f"alarm {name} exists already",
                            "Give each alarm on a tag its own name.",
                        )
                        continue
                    seen.add(name)
                    yield model.Alarm(name, unit.id, unit.area, unit.line, tag, entry)
                self._names(entry.scope.type, entry.scope.only, (document, (*place[1], "for")))
                if not found and self.files.complete:
                    self._nothing(entry, place)

    def _meant(self, entry: schema.AlarmEntry) -> Iterator[tuple[model.Equipment, model.Tag | None]]:
        scope = entry.scope
        for unit in self.by_type.get(scope.type, ()):
            if scope.only is not None and unit.id not in scope.only:
                continue
            if scope.grade is not None and unit.grade not in scope.grade:
                continue
            if entry.kind == "communication":
                yield unit, None
            elif scope.tag is not None:
                for tag in self._matching(unit, scope.tag):
                    yield unit, tag

    def _matching(self, unit: model.Equipment, pattern: str) -> Iterable[model.Tag]:
        """The tags of `unit` that `pattern` means. All equipment of one profile has the same tags in the same order."""
        key = (unit.profile.profile, pattern)
        places = self._matches.get(key)
        if places is None:
            places = tuple(i for i, tag in enumerate(unit.tags) if fnmatchcase(tag.name, pattern))
            self._matches[key] = places
        return (unit.tags[i] for i in places)

    def _names(self, type_: str, only: tuple[str, ...] | None, place: Place) -> None:
        document, path = place
        if type_ not in self.by_type and self.files.complete:
            spot = (document, (*path, "type"))
            wrong(self.findings, spot, f"no equipment is of type {type_}", nearest(type_, self.by_type))
        for n, name in enumerate(only or ()):
            if name not in self.ids and not self.files.may_exist(name):
                spot = (document, (*path, "only", n))
                wrong(self.findings, spot, f"equipment {name} does not exist", nearest(name, self.ids))

    def _nothing(self, entry: schema.AlarmEntry, place: Place) -> None:
        scope = entry.scope
        units = self.by_type.get(scope.type)
        if not units:
            return
        document, path = place
        if entry.kind != "communication" and scope.tag is None:
            what = f"alarm {entry.name} watches no tag"
            wrong(
                self.findings, (document, (*path, "for")), what, "Add `tag:` with the name of a tag, wildcards allowed."
            )
            return
        names = {tag.name for unit in units for tag in unit.tags}
        if entry.kind != "communication" and not any(fnmatchcase(name, scope.tag or "") for name in names):
            what = f"no {scope.type} has a tag {scope.tag}"
            wrong(self.findings, (document, (*path, "for", "tag")), what, nearest(scope.tag or "", names))
            return
        what = f"alarm {entry.name} is for no equipment of the plant"
        wrong(self.findings, (document, (*path, "for")), what, "Widen `grade` or `only`, or remove the alarm.")

    def interlocks(self) -> Iterator[model.Interlock]:
        if self.files.interlocks is None:
            return
        file, document = self.files.interlocks
        seen: set[str] = set()
        for i, entry in enumerate(file.interlocks):
            path = ("interlocks", i)
            self._names(entry.type, entry.only, (document, path))
            for unit in self.by_type.get(entry.type, ()):
                if entry.only is not None and unit.id not in entry.only:
                    continue
                yield from self._rows(unit, entry, (document, path), seen)

    def _rows(
        self, unit: model.Equipment, entry: schema.InterlockEntry, place: Place, seen: set[str]
    ) -> Iterator[model.Interlock]:
        document, path = place
        causes = tuple(self._matching(unit, entry.cause.tag))
        if not causes and unit.profile.profile not in self.files.broken_names:
            spot = (document, (*path, "cause", "tag"))
            what = f"profile {unit.profile.profile} has no tag {entry.cause.tag}"
            wrong(self.findings, spot, what, nearest(entry.cause.tag, (tag.name for tag in unit.tags)))
        single = not any(sign in entry.cause.tag for sign in "*?[")
        effects = tuple(
            (self._target(unit, effect, document, (*path, "effects", n)), effect.value, effect.normal)
            for n, effect in enumerate(entry.effects)
        )
        for cause in causes:
            name = f"{unit.id if single else cause.id}.{entry.name}"
            if name in seen:
                wrong(
                    self.findings,
                    (document, (*path, "name")),
                    f"interlock {name} exists already",
                    "Rename one of the two.",
                )
                continue
            seen.add(name)
            yield model.Interlock(name, unit.id, unit.area, cause, effects, entry)

    def _target(
        self, unit: model.Equipment, effect: schema.EffectEntry, document: Document, path: tuple[str | int, ...]
    ) -> str:
        """The full id of the effect's tag, empty where none can be made; whether it exists is checked later."""
        if any(tag.name == effect.tag for tag in unit.tags):
            return f"{unit.id}.{effect.tag}"
        try:
            return effect.tag.format_map({"line": unit.line or "", "area": unit.area, "equipment": unit.id})
        except (KeyError, ValueError, IndexError, AttributeError):
            spot = (document, (*path, "tag"))
            wrong(
                self.findings,
                spot,
                f"{effect.tag} has braces that stand for nothing known",
                "Use {line}, {area} or {equipment}.",
            )
            return ""
