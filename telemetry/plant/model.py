"""The plant, resolved: templates written out, profiles joined with equipment, definitions joined with tags. Immutable."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from drivers.opcua.security import Security
from drivers.profile import Profile, ProfileTag, Text
from telemetry.plant.schema import (
    AlarmEntry,
    AnnunciatorEntry,
    Grade,
    InterlockEntry,
    JournalEntry,
    Mode,
    Retention,
    RoomState,
    Site,
)


@dataclass(frozen=True, slots=True)
class Area:
    id: str
    name: Text
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Line:
    id: str
    area: str
    name: Text
    product: Text
    mode: Mode


@dataclass(frozen=True, slots=True)
class Room:
    id: str
    area: str
    line: str | None
    name: Text
    grade: Grade
    state: RoomState
    higher_than: str | None


@dataclass(frozen=True, slots=True)
class Tag:
    """One quantity of one equipment: id ``L01-ISO.chamber.pressure`` = equipment, dot, `name` within the profile."""

    id: str
    equipment: str
    name: str
    spec: ProfileTag

    @property
    def numeric(self) -> bool:
        return self.spec.kind != "text"

    @property
    def polled(self) -> bool:
        """Read every second; a counter's record is not, it keeps its own time."""
        return self.spec.record is None


@dataclass(frozen=True, slots=True)
class Equipment:
    """A qualified asset and the device that speaks for it, which bears the same id.

    grade: of the air that it holds or watches; None where it stands in no room. security: of its OPC UA server.
    """

    id: str
    type: str
    name: Text
    area: str
    line: str | None
    room: str | None
    profile: Profile
    address: str
    tags: tuple[Tag, ...]
    grade: Grade | None = None
    security: Security | None = None


@dataclass(frozen=True, slots=True)
class Alarm:
    """An alarm definition on one tag (or, for a communication alarm, one equipment): id ``<tag or equipment>.<name>``."""

    id: str
    equipment: str
    area: str
    line: str | None
    tag: Tag | None
    entry: AlarmEntry


@dataclass(frozen=True, slots=True)
class Interlock:
    """One row of the matrix on one equipment; effects are (tag id, value tripped, value normal).

    The id is ``<equipment>.<name>``; where one row watches several tags by wildcard, ``<equipment>.<tag>.<name>``.
    """

    id: str
    equipment: str
    area: str
    cause: Tag
    effects: tuple[tuple[str, float, float], ...]
    entry: InterlockEntry


@dataclass(frozen=True, slots=True)
class Plant:
    """Everything configured. `digest` is the SHA-256 of all files, which every start records."""

    site: Site
    areas: tuple[Area, ...]
    lines: tuple[Line, ...]
    rooms: tuple[Room, ...]
    equipment: tuple[Equipment, ...]
    alarms: tuple[Alarm, ...]
    interlocks: tuple[Interlock, ...]
    annunciators: tuple[AnnunciatorEntry, ...]
    roles: Mapping[str, tuple[str, ...]]
    profiles: Mapping[str, Profile]
    digest: str
    journal: JournalEntry = field(default_factory=JournalEntry)
    retention: Retention = field(default_factory=Retention)
    tags: Mapping[str, Tag] = field(init=False)
    by_id: Mapping[str, Equipment] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "tags", {tag.id: tag for unit in self.equipment for tag in unit.tags})
        object.__setattr__(self, "by_id", {unit.id: unit for unit in self.equipment})
