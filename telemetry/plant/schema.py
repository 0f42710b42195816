"""The form of the YAML files in the config folder, as Pydantic models; `telemetry check --schema` exports them as JSON Schema.

plant.yaml            the site                                     PlantFile
areas/*.yaml          one workshop each, its lines and shared parts AreaFile
templates/*.yaml      rooms and equipment of a kind of line        TemplateFile
profiles/*.yaml       one model of device each                     drivers.profile.Profile
alarms/*.yaml         rationalised alarms by type of equipment     AlarmFile
interlocks.yaml       causes and effects by type of equipment      InterlockFile
annunciators.yaml     horn and lamps of each area                  AnnunciatorFile
roles.yaml            what each role may do                        RoleFile
requirements.yaml     what the user asked for, numbered            RequirementFile
"""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from drivers.opcua.security import Security
from drivers.profile import Strict, Text

Grade = Literal["A", "B", "C", "D", "CNC"]
RoomState = Literal["at rest", "in operation"]
Mode = Literal["isolator", "bsc"]
Priority = Annotated[int, Field(ge=1, le=4)]
Delay = Annotated[float, Field(ge=0, le=86_400)]
AlarmClass = Literal["critical", "safety", "environment", "process", "equipment", "diagnostic"]
"""Which governance applies. critical: product at stake, acknowledged with a signature and never shelved; safety: people at
stake, never shelved; environment and process: part of a batch's evidence; equipment and diagnostic: for maintenance."""
Identifier = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")]


class Site(Strict):
    """The plant as a whole; `timezone` is an IANA name and is used for showing only."""

    id: Identifier
    name: Text
    timezone: str


class JournalEntry(Strict):
    """How long and with how much room the engine's journal is kept (docs/journal.md).

    keep_hours: frames that are stored stay so long all the same, to refill a database that was restored from a backup. low_gb: with
    less free on its disk, what is stored goes at once; with less than a quarter of it the oldest frames that are not stored are
    thinned. reserve_mb: kept allocated, and given free for events when the disk is full.
    """

    keep_hours: Annotated[float, Field(ge=0, le=24 * 90)] = 2.0
    low_gb: Annotated[float, Field(gt=0)] = 2.0
    reserve_mb: Annotated[int, Field(ge=1, le=10_000)] = 64

    @model_validator(mode="after")
    def _room_before_the_reserve(self) -> Self:
        if self.low_gb * 1000 < 4 * self.reserve_mb:
            raise ValueError(
                f"there is no time between low_gb {self.low_gb:g} and the reserve of {self.reserve_mb} MB; let low_gb be"
                f" {4 * self.reserve_mb / 1000:g} or more, or make the reserve smaller"
            )
        return self


class ClassRetention(Strict):
    """raw_days: how long the second-by-second data stay in the database, where SQL reaches them; keep_days: in the archive."""

    raw_days: Annotated[int, Field(ge=2)]
    keep_days: Annotated[int, Field(ge=2)]


class Retention(Strict):
    """What is kept for how long, by retention class (of a device's profile). Events are kept with gmp.

    minimum_days: what the law asks of gmp data, which no setting undercuts. archive_after_days: how long after its end a day is
    written to the archive; data that come later make an addendum. minutes_days: how long the minutes of all readings stay in the
    database; the hours stay for ever.
    """

    minimum_days: Annotated[int, Field(ge=1)] = 3650
    gmp: ClassRetention = ClassRetention(raw_days=90, keep_days=3650)
    diagnostic: ClassRetention = ClassRetention(raw_days=30, keep_days=365)
    archive_after_days: Annotated[int, Field(ge=1, le=365)] = 2
    minutes_days: Annotated[int, Field(ge=2)] = 400

    @model_validator(mode="after")
    def _long_enough(self) -> Self:
        if self.gmp.keep_days < self.minimum_days:
            raise ValueError(
                f"data of class gmp would be deleted after keep_days {self.gmp.keep_days}, and the law asks for minimum_days"
                f" {self.minimum_days}; let keep_days be {self.minimum_days} or more"
            )
        for name, kept in (("gmp", self.gmp), ("diagnostic", self.diagnostic)):
            if kept.keep_days < kept.raw_days:
                raise ValueError(
                    f"keep_days {kept.keep_days} of {name} is less than its raw_days {kept.raw_days}; the archive is kept at least"
                    " as long as the database"
                )
            if kept.raw_days <= self.archive_after_days:
                raise ValueError(
                    f"raw_days {kept.raw_days} of {name} would drop a day before it is archived; let it be"
                    f" {self.archive_after_days + 1} or more (archive_after_days is {self.archive_after_days})"
                )
        if self.minutes_days < self.gmp.raw_days:
            raise ValueError(
                f"minutes_days {self.minutes_days} would drop minutes before the readings that they are of; let it be"
                f" {self.gmp.raw_days} or more (raw_days of gmp)"
            )
        return self


class PlantFile(Strict):
    site: Site
    journal: JournalEntry = JournalEntry()
    retention: Retention = Retention()


class RoomEntry(Strict):
    """A room; `line` is absent for a room that lines share. `higher_than` names the room below it in the pressure cascade."""

    id: str
    name: Text
    grade: Grade
    state: RoomState = "in operation"
    higher_than: str | None = None


class EquipmentEntry(Strict):
    """A qualified asset and the address of the device that speaks for it: ``opc.tcp://host:port`` or ``modbus://host:port/unit``; a
    particle counter's may name the place that it watches: ``modbus://host:port/unit?location=7``.

    grade: that of the air it holds or watches, where it is cleaner than its room (an isolator's chamber); else the room's.
    setpoints: by tag name, where this one runs at another value than its profile says (a room's pressure, a freezer).
    security: how its OPC UA server wants to be spoken to; without it unsecured and anonymous (docs/opcua-security.md).
    """

    id: str
    name: Text
    profile: str
    address: str
    room: str | None = None
    grade: Grade | None = None
    setpoints: Annotated[dict[str, float], Field(default_factory=dict)]
    security: Security | None = None


class TemplateFile(Strict):
    """The parts of a kind of line; {line} and {area} (and {host}, the line's id in lower case) stand for the line's own."""

    template: Identifier
    mode: Mode
    rooms: tuple[RoomEntry, ...] = ()
    equipment: tuple[EquipmentEntry, ...] = ()


class LineEntry(Strict):
    """A production line: what it makes, built from which template, and what it has beyond the template."""

    id: Identifier
    name: Text
    product: Text
    template: str
    rooms: tuple[RoomEntry, ...] = ()
    equipment: tuple[EquipmentEntry, ...] = ()


class AreaFile(Strict):
    """A workshop: its lines, and the rooms and equipment that belong to no line."""

    area: Identifier
    name: Text
    lines: tuple[LineEntry, ...] = ()
    rooms: tuple[RoomEntry, ...] = ()
    equipment: tuple[EquipmentEntry, ...] = ()


class Scope(Strict):
    """Which tags a definition is for: a type of equipment, a tag name (``cell*.temperature`` with wildcards), and where
    given, only equipment of these grades (its own, else its room's), or these equipment ids."""

    type: str
    tag: str | None = None
    grade: tuple[Grade, ...] | None = None
    only: tuple[str, ...] | None = None


class AlarmEntry(Strict):
    """A rationalised alarm (ISA-18.2): what is watched, how, and what the operator is to do.

    kind: ``low`` and ``high`` compare the value with `limit` (in the tag's unit, checked against `unit`), ``state`` is true
    while the value equals `limit`, ``communication`` while the device has not answered for `on_delay_s`.
    """

    name: Identifier
    scope: Annotated[Scope, Field(alias="for")]
    kind: Literal["low", "high", "state", "communication"]
    limit: float | None = None
    unit: str = ""
    deadband: Annotated[float, Field(ge=0)] = 0.0
    on_delay_s: Delay = 0.0
    off_delay_s: Delay = 0.0
    latching: bool = False
    priority: Priority
    alarm_class: Annotated[AlarmClass, Field(alias="class")] = "process"
    message: Text
    cause: Text
    consequence: Text
    response: Text
    time_to_respond_s: Annotated[int, Field(ge=1)]


class AlarmFile(Strict):
    alarms: tuple[AlarmEntry, ...]


class CauseEntry(Strict):
    """What trips: the tag beyond the limit for `delay_s`; `on_bad` says what a value Bad for `bad_delay_s` means.

    A `tag` with wildcards (``cell*.temperature``) makes one interlock of each tag that matches.
    """

    tag: str
    kind: Literal["low", "high", "state"]
    limit: float
    unit: str = ""
    deadband: Annotated[float, Field(ge=0)] = 0.0
    delay_s: Delay = 0.0
    on_bad: Literal["trip", "ignore"] = "trip"
    bad_delay_s: Delay = 10.0


class EffectEntry(Strict):
    """What is asked of the plant: a writable tag of the same equipment, or a full tag id, held at `value` while tripped.

    In a full id {line}, {area} and {equipment} stand for those of the cause: ``{line}-PB1.lock_request``.
    """

    tag: str
    value: float
    normal: float = 0.0


class InterlockEntry(Strict):
    """One row of the cause-and-effect matrix (IEC 62881). It stays tripped until reset, which needs the cause healthy for
    `healthy_s`; an automatic reset never restarts a process."""

    name: Identifier
    title: Text
    type: str
    only: tuple[str, ...] | None = None
    cause: CauseEntry
    effects: tuple[EffectEntry, ...]
    reset: Literal["automatic", "manual"] = "manual"
    healthy_s: Delay = 0.0


class InterlockFile(Strict):
    interlocks: tuple[InterlockEntry, ...]


class AnnunciatorEntry(Strict):
    """Horn and lamps of one area: writable boolean tags. Priorities 1 and 2 sound the horn; each lamp shows one priority.

    also: further areas whose alarms are to be heard and seen here too (a control room).
    """

    area: str
    horn: str
    lamps: Annotated[dict[Priority, str], Field(default_factory=dict)]
    also: tuple[str, ...] = ()


class AnnunciatorFile(Strict):
    annunciators: tuple[AnnunciatorEntry, ...]


class RoleFile(Strict):
    """Permissions by role; a permission is ``noun.verb``, e.g. ``alarm.acknowledge``."""

    roles: dict[Identifier, tuple[str, ...]]


class RequirementEntry(Strict):
    """source: P from the plant, C prescribed with the project, R from a regulation or standard, E expected by the field."""

    id: Annotated[str, Field(pattern=r"^URS-[0-9]{3}$")]
    source: Literal["P", "C", "R", "E"]
    text: Annotated[str, Field(min_length=10)]


class RequirementFile(Strict):
    """What the user asked for. Numbered once, never renumbered."""

    requirements: tuple[RequirementEntry, ...]
