"""Joins the files into a Plant: lines from their templates, tags from profiles, alarms and interlocks onto tags.

What refers to something that does not exist adds a mistake and is left out, so that one mistake does not hide the others.
Where a file was unreadable, what it should have said is not missed a second time.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from drivers.opcua.security import Security
from drivers.profile import Profile, ProfileTag, Text
from telemetry.plant import model, schema
from telemetry.plant.definitions import Definitions
from telemetry.plant.document import Document, Place, wrong
from telemetry.plant.findings import Findings, nearest
from telemetry.plant.parse import Files

E = TypeVar("E", schema.RoomEntry, schema.EquipmentEntry)
UNKNOWN_SITE = schema.Site(id="unknown", name=Text(en="?", zh="?"), timezone="UTC")


@dataclass(slots=True)
class Origins:
    """Where each thing of the plant stands in the files. An item of a template stands there for every line."""

    areas: dict[str, Place] = field(default_factory=dict[str, Place])
    lines: dict[str, Place] = field(default_factory=dict[str, Place])
    rooms: dict[str, Place] = field(default_factory=dict[str, Place])
    equipment: dict[str, Place] = field(default_factory=dict[str, Place])


def resolve(files: Files, digest: str, findings: Findings) -> tuple[model.Plant, Origins]:
    """The plant that the files describe, without the parts that do not resolve, and where its parts stand."""
    resolver = _Resolver(files, findings)
    return resolver.plant(digest), resolver.origins


class _Resolver:
    def __init__(self, files: Files, findings: Findings) -> None:
        self.files = files
        self.findings = findings
        self.origins = Origins()
        self.profiles: dict[str, Profile] = {}
        self.specs: dict[str, Mapping[str, ProfileTag]] = {}
        self.templates: dict[str, tuple[schema.TemplateFile, Document]] = {}
        self.areas: list[model.Area] = []
        self.lines: dict[str, model.Line] = {}
        self.rooms: dict[str, model.Room] = {}
        self.equipment: dict[str, model.Equipment] = {}

    def wrong(self, place: Place, what: str, right: str) -> None:
        wrong(self.findings, place, what, right)

    def plant(self, digest: str) -> model.Plant:
        for profile, document in self.files.profiles:
            if profile.profile in self.profiles:
                self.wrong(
                    (document, ("profile",)), f"profile {profile.profile} exists already", "Rename one of the two."
                )
            self.profiles[profile.profile] = profile
            self.specs[profile.profile] = profile.expanded()
        for template, document in self.files.templates:
            if template.template in self.templates:
                self.wrong(
                    (document, ("template",)), f"template {template.template} exists already", "Rename one of the two."
                )
            self.templates[template.template] = (template, document)
        for area, document in self.files.areas:
            self._area(area, document)
        definitions = Definitions(tuple(self.equipment.values()), self.files, self.findings)
        return model.Plant(
            site=self.files.plant[0].site if self.files.plant else UNKNOWN_SITE,
            areas=tuple(self.areas),
            lines=tuple(self.lines.values()),
            rooms=tuple(self.rooms.values()),
            equipment=tuple(self.equipment.values()),
            alarms=tuple(definitions.alarms()),
            interlocks=tuple(definitions.interlocks()),
            annunciators=self.files.annunciators[0].annunciators if self.files.annunciators else (),
            roles=self.files.roles[0].roles if self.files.roles else {},
            profiles=self.profiles,
            digest=digest,
            journal=self.files.plant[0].journal if self.files.plant else schema.JournalEntry(),
            retention=self.files.plant[0].retention if self.files.plant else schema.Retention(),
        )

    def _area(self, area: schema.AreaFile, document: Document) -> None:
        if area.area in self.origins.areas:
            self.wrong((document, ("area",)), f"area {area.area} exists already", "Give each area its own id.")
        self.origins.areas[area.area] = (document, ("area",))
        self.areas.append(model.Area(area.area, area.name, tuple(line.id for line in area.lines)))
        for i, room in enumerate(area.rooms):
            self._room(room, area.area, None, (document, ("rooms", i)))
        for i, unit in enumerate(area.equipment):
            self._unit(unit, area.area, None, (document, ("equipment", i)))
        for i, line in enumerate(area.lines):
            self._line(line, area.area, (document, ("lines", i)))

    def _line(self, line: schema.LineEntry, area: str, place: Place) -> None:
        document, here = place
        if line.id in self.lines:
            self.wrong((document, (*here, "id")), f"line {line.id} exists already", "Give each line its own id.")
            return
        template, origin = self.templates.get(line.template, (None, document))
        if template is None:
            self.files.missing.add(f"{line.id}-")
            if line.template not in self.files.broken_names:
                spot = (document, (*here, "template"))
                self.wrong(spot, f"template {line.template} does not exist", nearest(line.template, self.templates))
            return
        self.origins.lines[line.id] = place
        self.lines[line.id] = model.Line(line.id, area, line.name, line.product, template.mode)
        words = {"line": line.id, "area": area, "host": line.id.lower()}
        for i, room in enumerate(template.rooms):
            spot = (origin, ("rooms", i))
            self._room(self._filled(room, words, spot), area, line.id, spot)
        for i, room in enumerate(line.rooms):
            self._room(room, area, line.id, (document, (*here, "rooms", i)))
        for i, unit in enumerate(template.equipment):
            spot = (origin, ("equipment", i))
            self._unit(self._filled(unit, words, spot), area, line.id, spot)
        for i, unit in enumerate(line.equipment):
            self._unit(unit, area, line.id, (document, (*here, "equipment", i)))

    def _room(self, room: schema.RoomEntry, area: str, line: str | None, place: Place) -> None:
        if room.id in self.rooms:
            self.wrong(_key(place, "id"), f"room {room.id} exists already", "Give each room its own id.")
            return
        self.origins.rooms[room.id] = place
        self.rooms[room.id] = model.Room(room.id, area, line, room.name, room.grade, room.state, room.higher_than)

    def _unit(self, unit: schema.EquipmentEntry, area: str, line: str | None, place: Place) -> None:
        profile = self.profiles.get(unit.profile)
        if profile is None:
            self.files.missing.add(unit.id)
            if unit.profile not in self.files.broken_names:
                self.wrong(
                    _key(place, "profile"),
                    f"profile {unit.profile} does not exist",
                    nearest(unit.profile, self.profiles),
                )
            return
        if unit.id in self.equipment:
            self.wrong(_key(place, "id"), f"equipment {unit.id} exists already", "Give each equipment its own id.")
            return
        self.origins.equipment[unit.id] = place
        specs = self._with_setpoints(unit, place)
        tags = tuple(model.Tag(f"{unit.id}.{name}", unit.id, name, spec) for name, spec in specs.items())
        room = self.rooms.get(unit.room or "")
        grade = unit.grade or (room.grade if room else None)
        self.equipment[unit.id] = model.Equipment(
            unit.id,
            profile.equipment_type,
            unit.name,
            area,
            line,
            unit.room,
            profile,
            unit.address,
            tags,
            grade,
            unit.security,
        )

    def _with_setpoints(self, unit: schema.EquipmentEntry, place: Place) -> Mapping[str, ProfileTag]:
        specs = self.specs[unit.profile]
        if not unit.setpoints:
            return specs
        own = dict(specs)
        for name, setpoint in unit.setpoints.items():
            spec = own.get(name)
            spot = (place[0], (*place[1], "setpoints", name))
            if spec is None:
                if unit.profile not in self.files.broken_names:
                    self.wrong(
                        spot, f"profile {unit.profile} has no tag {name} to give a set-point", nearest(name, specs)
                    )
            elif spec.range is not None and not spec.range[0] <= setpoint <= spec.range[1]:
                self.wrong(
                    spot,
                    f"the set-point {setpoint:g} of {name} lies outside its range {spec.range[0]:g} to {spec.range[1]:g}",
                    "Give a set-point that the instrument can show, or another profile.",
                )
            else:
                own[name] = spec.model_copy(update={"setpoint": setpoint})
        return own

    def _filled(self, entry: E, words: dict[str, str], place: Place) -> E:
        """The template's entry with {line}, {area} and {host} filled in; an unknown word stays, and is a mistake."""
        changed: dict[str, object] = {}
        for key, value in entry:
            try:
                if isinstance(value, str):
                    changed[key] = value.format_map(words)
                elif isinstance(value, Text | Security):
                    texts = {name: text.format_map(words) for name, text in value if isinstance(text, str)}
                    changed[key] = value.model_copy(update=texts)
            except (KeyError, ValueError, IndexError, AttributeError):
                self.files.missing.add(f"{words['line']}-")
                self.wrong(
                    _key(place, key),
                    f"{_braced(value)} has braces that stand for nothing known",
                    "Use {line}, {area} or {host}.",
                )
        return entry.model_copy(update=changed)


def _braced(value: object) -> str:
    """The text that was to be filled in: `value` itself, or the one with braces among its fields."""
    texts = [str(text) for _, text in value] if isinstance(value, Text | Security) else [str(value)]
    return next((text for text in texts if "{" in text), texts[0])


def _key(place: Place, key: str) -> Place:
    return place[0], (*place[1], key)
