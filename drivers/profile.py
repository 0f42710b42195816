"""Profile: what one model of device has. Its tags with unit, range and address, its protocol and the server's limits.

A new device model is one YAML file of this form. Addresses in a profile are relative to a device; the plant gives the
device's own address (a URL).
"""

import re
from collections.abc import Iterator
from typing import Annotated, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from drivers.opcua.browse_path import is_path, names_of

Kind = Literal["float", "integer", "boolean", "state", "text"]
Table = Literal["coil", "discrete", "holding", "input"]
RegisterType = Literal[
    "bool", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float32", "float64", "bcd16", "bcd32", "text"
]
WordOrder = Literal["ABCD", "CDAB", "BADC", "DCBA"]
Retention = Literal["gmp", "diagnostic"]
RecordField = Literal["sample_time", "location", "status", "volume", "count", "concentration"]

WORDS: dict[RegisterType, int] = {
    "bool": 1, "int16": 1, "uint16": 1, "int32": 2, "uint32": 2, "float32": 2, "int64": 4, "uint64": 4, "float64": 4,
    "bcd16": 1, "bcd32": 2,
}  # fmt: skip


_IDENTIFIER: Final = re.compile(
    r"s=.+|i=[0-9]{1,10}|g=[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}|b=[A-Za-z0-9+/]+={0,2}"
)
"""A node within its namespace (OPC UA Part 6, 5.3.1.10)."""


class Strict(BaseModel):
    """Unknown keys are mistakes, and what was read is not changed."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Text(Strict):
    """A text on screen in both languages."""

    en: str
    zh: str


class Register(Strict):
    """A Modbus address. `address` counts from 0 within its table; value = raw * scale + offset.

    `bit` picks bits of a uint16 or uint32: `width` of them from this one up, 0 the lowest (a byte of a packed register: bit 8,
    width 8). `bcd16` and `bcd32` hold a decimal digit in each four bits. `length`: registers of a text.
    `not_available`: what the maker shows where there is no value: the raw number, or its bits (0x8000 of an int16, 0x7FA00000
    of a float32); compared before the scale. `group`: registers of the same group are read in one request, because the device
    keeps them consistent only so.
    """

    table: Table
    address: Annotated[int, Field(ge=0, le=65535)]
    type: RegisterType = "uint16"
    order: WordOrder = "ABCD"
    scale: float = 1.0
    offset: float = 0.0
    bit: Annotated[int, Field(ge=0, le=31)] | None = None
    width: Annotated[int, Field(ge=1, le=32)] = 1
    length: Annotated[int, Field(ge=1, le=125)] | None = None
    not_available: tuple[int | float, ...] = ()
    group: str | None = None
    stride: int = 0

    @property
    def words(self) -> int:
        """Registers (or coils) that the value takes."""
        return self.length or 1 if self.type == "text" else WORDS[self.type]


class Proof(Strict):
    """A constant that the maker keeps in the device to prove the order of bytes and words: what `register` must read."""

    register_: Annotated[Register, Field(alias="register")]
    equals: float | str

    @model_validator(mode="after")
    def _comparable(self) -> Self:
        if isinstance(self.equals, str) != (self.register_.type == "text"):
            raise ValueError("a proof equals a text where its register is a text, and a number where it is not")
        return self


QualityName = Literal[
    "Uncertain", "UncertainLastUsableValue", "UncertainSensorNotAccurate", "Bad", "BadDeviceFailure", "BadSensorFailure",
    "BadOutOfService", "BadWaitingForInitialData", "BadConfigurationError", "BadOutOfRange",
]  # fmt: skip
"""OPC UA names of the reasons that a maker's status can stand for."""


class Status(Strict):
    """A register in which the device says how good values are.

    `bits`: masks as the manual gives them (1, 2, 4, ... also several bits) and what each means for a value; the worst of those
    set counts. `fine`: the one reading that means no fault (HMT330: 1); at any other a value is `otherwise`. `stride`: from one
    repeated tag to the next.
    """

    table: Literal["holding", "input"]
    address: Annotated[int, Field(ge=0, le=65535)]
    bits: dict[Annotated[int, Field(ge=1, le=65535)], QualityName] = {}
    fine: Annotated[int, Field(ge=0, le=65535)] | None = None
    otherwise: QualityName = "BadDeviceFailure"
    stride: int = 0

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not self.bits and self.fine is None:
            raise ValueError("give `bits` or `fine`: without one of them the status says nothing about a value")
        return self


class Counter(Strict):
    """What a particle counter's model fixes, or its manual leaves open.

    flow_l_min: nominal sample flow, used where the device tells none. channels: sizes that it counts. one_based: its manual's
    register numbers count from 1 (they are one higher than on the wire). order: words of its 32-bit counts. faults: bits of a
    record's status and what each means for its counts, where the maker's driver does not know them.
    """

    flow_l_min: Annotated[float, Field(gt=0)] = 28.316847
    channels: Annotated[int, Field(ge=1, le=8)] = 8
    one_based: bool = False
    order: WordOrder = "ABCD"
    faults: dict[Annotated[int, Field(ge=1)], QualityName] = {}


class Record(Strict):
    """A field of a particle counter's record; `channel` counts from 1 for count and concentration."""

    field: RecordField
    channel: Annotated[int, Field(ge=1, le=8)] | None = None


class SensorChecks(Strict):
    """How a sensor is known to be wrong though its device says Good (docs/sensor-checks.md).

    margin: how far beyond its range a value may lie, in its unit; without it a measured value (kind float) that has a range may
    go as far as a healthy 4-20 mA signal does (NAMUR NE 43). max_rate_per_s: the fastest that the quantity can change, in its unit
    per second. frozen_s: a value that does not change at all for so long is frozen; only for what is noisy at its resolution.
    stale_s, stale_bad_s: the device's own time of the value stands still for so long, then it is Uncertain, then Bad; only
    where the server stamps each reading anew, not each change.
    """

    margin: Annotated[float, Field(ge=0)] | None = None
    max_rate_per_s: Annotated[float, Field(gt=0)] | None = None
    frozen_s: Annotated[float, Field(ge=5, le=86_400)] | None = None
    stale_s: Annotated[float, Field(ge=2, le=86_400)] | None = None
    stale_bad_s: Annotated[float, Field(ge=2, le=86_400)] = 10.0

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.stale_s is not None and self.stale_bad_s <= self.stale_s:
            raise ValueError(
                f"a value is Bad (stale_bad_s {self.stale_bad_s:g}) only after it was Uncertain (stale_s {self.stale_s:g}); "
                "give a longer stale_bad_s"
            )
        return self


class ProfileTag(Strict):
    """One quantity of a device model. Exactly one of `node` (OPC UA identifier, e.g. ``s=Chamber.Pressure``, or ``path=`` and
    browse names), `register`, `record` and `figure` (of the service itself) says where it lies. `range` is what the instrument
    can show, in `unit`; `legend` names a state's numbers. `status`: where a Modbus device says how good the value is.
    `sampling_ms`: an OPC UA server is to look at this one so often and tell its changes at once (a subscription), for doors and
    trips that come and go within a second; without it the tag is read each second. `checks`: how its sensor is known to be
    wrong."""

    name: Text
    kind: Kind = "float"
    unit: str = ""
    range: tuple[float, float] | None = None
    resolution: Annotated[float, Field(gt=0)] | None = None
    setpoint: float | None = None
    legend: dict[int, Text] | None = None
    writable: bool = False
    checks: SensorChecks = SensorChecks()
    node: str | None = None
    sampling_ms: Annotated[int, Field(ge=10, le=10_000)] | None = None
    register_: Annotated[Register | None, Field(alias="register")] = None
    status: Status | None = None
    record: Record | None = None
    figure: str | None = None

    @model_validator(mode="after")
    def _one_address(self) -> Self:
        if sum(x is not None for x in (self.node, self.register_, self.record, self.figure)) != 1:
            raise ValueError(
                "give exactly one of node, register, record and figure, which say where the tag lies in the device"
            )
        if self.kind == "state" and not self.legend:
            raise ValueError("a state needs a legend that names its numbers")
        if self.status is not None and (self.register_ is None or self.kind == "text"):
            raise ValueError(
                "only a number in a register has a status register; an OPC UA node brings its status with it"
            )
        if self.sampling_ms is not None and (self.node is None or self.kind == "text"):
            raise ValueError("only a number of an OPC UA node can have sampling_ms; all else is read each second")
        if self.range is not None and self.range[0] >= self.range[1]:
            raise ValueError(f"range {list(self.range)} is empty: the first number must be the lower one")
        return self

    @model_validator(mode="after")
    def _checkable(self) -> Self:
        checks = self.checks
        if checks == SensorChecks():
            return self
        if self.kind not in ("float", "integer"):
            raise ValueError(f"a {self.kind} has no checks; only a measured number has")
        if checks.margin is not None and self.range is None:
            raise ValueError("a margin lies beyond a range; give the range, or remove the margin")
        if self.record is not None and (checks.max_rate_per_s or checks.frozen_s or checks.stale_s):
            raise ValueError("a counter's record has only a margin to be checked by; it comes when it comes")
        if checks.stale_s is not None and (self.node is None or self.sampling_ms is not None):
            raise ValueError("only an OPC UA node that is read each second brings its own time; remove stale_s")
        return self


class Method(Strict):
    """An OPC UA method: the object that it belongs to and its own node, both within the profile's namespace."""

    name: Text
    object: str
    method: str


class Repeated(Strict):
    """Tags that a device has `count` times; ``{n}`` in names, nodes and texts becomes 1..count, registers step by their stride."""

    count: Annotated[int, Field(ge=1, le=64)]
    tags: dict[str, ProfileTag]


class ServerLimits(Strict):
    """What the device or its server can bear.

    connections: at a time; None: more than we need. in_flight (Modbus): requests on the way at a time over one connection, 1
    for a gateway that serialises; None: one for each unit behind it. idle_close_s: it closes a connection that is silent for
    so long. answer_s: a unit that shares a line begins to answer within this. mask_write: it knows
    function 22, which sets bits of a register without touching their neighbours.
    """

    nodes_per_read: int | None = None
    registers_per_read: Annotated[int, Field(ge=1, le=125)] = 125
    coils_per_read: Annotated[int, Field(ge=1, le=2000)] = 2000
    read_holes: bool = False
    connections: int | None = None
    in_flight: Annotated[int, Field(ge=1, le=16)] | None = None
    idle_close_s: Annotated[float, Field(gt=0)] | None = None
    answer_s: Annotated[float, Field(gt=0, le=0.5)] = 0.2
    mask_write: bool = False


class Profile(Strict):
    """One model of device. `source` cites the maker's manual or says what was assumed.

    events: true where its server offers alarms and conditions, or the notifier's node where that is not the Server object.
    namespaces: URIs by the prefixes that nodes written as paths use (`drivers.opcua.browse_path`).
    retention: gmp where readings belong to a batch's evidence, diagnostic where they tell of the service or a utility only and
    need not be kept as long.
    """

    profile: str
    name: Text
    equipment_type: str
    maker: str
    source: str
    protocol: Literal["opcua", "modbus", "service"]
    machine: Literal["lighthouse", "airnet", "metone"] | None = None
    retention: Retention = "gmp"
    counter: Counter = Counter()
    namespace: str | None = None
    namespaces: dict[str, str] = {}
    server: ServerLimits = ServerLimits()
    proof: tuple[Proof, ...] = ()
    methods: dict[str, Method] = {}
    events: bool | str = False
    tags: dict[str, ProfileTag]
    repeated: tuple[Repeated, ...] = ()

    @model_validator(mode="after")
    def _protocol_fits(self) -> Self:
        if self.protocol == "opcua" and not self.namespace:
            raise ValueError(
                "an OPC UA profile needs the namespace URI of its nodes (the index moves, the URI does not)"
            )
        if self.protocol != "opcua" and (self.methods or self.events):
            raise ValueError("only OPC UA knows methods and events; remove them, or change the protocol")
        written = {*self.tags, *(name.format(n=1) for group in self.repeated for name in group.tags)}
        faults = [
            f"tag {name}: {fault}"
            for name, tag in self.expanded().items()
            if name in written and (fault := self._fault(tag)) is not None
        ]
        if faults:
            raise ValueError("\n".join(faults))
        return self

    def _fault(self, tag: ProfileTag) -> str | None:
        """Why a tag does not fit the protocol or the machine of this profile; None where it does."""
        given = "opcua" if tag.node is not None else "service" if tag.figure is not None else "modbus"
        if given != self.protocol:
            where = {"opcua": "node", "modbus": "register or record", "service": "figure"}[self.protocol]
            return f"a profile for {self.protocol} addresses its tags by {where}"
        if tag.writable and self.protocol == "service":
            return "nothing of the service may be writable; it shows how the service is"
        if tag.node is not None and is_path(tag.node):
            unknown = {prefix for prefix, _ in names_of(tag.node) if prefix} - self.namespaces.keys()
            if unknown:
                return f"the prefix {', '.join(sorted(unknown))} of its path stands for no URI; add it under namespaces"
        elif tag.node is not None and not _IDENTIFIER.fullmatch(tag.node):
            how = "s=Name, i=123, g=GUID or b=base64, as `telemetry browse` shows it, without ns="
            return f"its node {tag.node} cannot be; write {how}"
        if tag.record is not None and self.machine is None:
            return "a record needs `machine`, which says how the counter's records are read"
        if tag.writable and self.machine in ("airnet", "metone"):
            return "nothing of this counter may be writable; writing a setting stops or restarts its sample"
        return None

    def nodes(self) -> Iterator[str]:
        """Every OPC UA node that the profile names, as it is written."""
        yield from (tag.node for tag in self.expanded().values() if tag.node is not None)
        for method in self.methods.values():
            yield from (method.object, method.method)
        if isinstance(self.events, str):
            yield self.events

    def expanded(self) -> dict[str, ProfileTag]:
        """All tags by name within the device, the repeated ones written out, in their order."""
        tags = dict(self.tags)
        for group in self.repeated:
            for n in range(1, group.count + 1):
                for name, tag in group.tags.items():
                    tags[name.format(n=n)] = _instance(tag, n)
        return tags


def _instance(tag: ProfileTag, n: int) -> ProfileTag:
    text = Text(en=tag.name.en.format(n=n), zh=tag.name.zh.format(n=n))
    register = tag.register_
    if register is not None and register.stride:
        group = register.group.format(n=n) if register.group is not None else None
        register = register.model_copy(update={"address": register.address + register.stride * (n - 1), "group": group})
    status = tag.status
    if status is not None and status.stride:
        status = status.model_copy(update={"address": status.address + status.stride * (n - 1)})
    node = tag.node.format(n=n) if tag.node is not None else None
    return tag.model_copy(update={"name": text, "node": node, "register_": register, "status": status})
