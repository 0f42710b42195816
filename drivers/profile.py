"""Profile: what one model of device has. Its tags with unit, range and address, its protocol and the server's limits.

A new device model is one YAML file of this form. Addresses in a profile are relative to a device; the plant gives the
device's own address (a URL).
"""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Kind = Literal["float", "integer", "boolean", "state", "text"]
Table = Literal["coil", "discrete", "holding", "input"]
RegisterType = Literal["bool", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float32", "float64", "text"]
WordOrder = Literal["ABCD", "CDAB", "BADC", "DCBA"]
RecordField = Literal["sample_time", "location", "status", "volume", "count", "concentration"]

WORDS: dict[RegisterType, int] = {
    "bool": 1, "int16": 1, "uint16": 1, "int32": 2, "uint32": 2, "float32": 2, "int64": 4, "uint64": 4, "float64": 4,
}  # fmt: skip


class Strict(BaseModel):
    """Unknown keys are mistakes, and what was read is not changed."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Text(Strict):
    """A text on screen in both languages."""

    en: str
    zh: str


class Register(Strict):
    """A Modbus address. `address` counts from 0 within its table; value = raw * scale + offset; `bit` picks one bit (0 lowest)."""

    table: Table
    address: Annotated[int, Field(ge=0, le=65535)]
    type: RegisterType = "uint16"
    order: WordOrder = "ABCD"
    scale: float = 1.0
    offset: float = 0.0
    bit: Annotated[int, Field(ge=0, le=15)] | None = None
    length: Annotated[int, Field(ge=1, le=125)] | None = None
    not_available: tuple[int, ...] = ()
    stride: int = 0

    @property
    def words(self) -> int:
        """Registers (or coils) that the value takes."""
        return self.length or 1 if self.type == "text" else WORDS[self.type]


class Record(Strict):
    """A field of a particle counter's record; `channel` counts from 1 for count and concentration."""

    field: RecordField
    channel: Annotated[int, Field(ge=1, le=8)] | None = None


class ProfileTag(Strict):
    """One quantity of a device model. Exactly one of `node` (OPC UA identifier, e.g. ``s=Chamber.Pressure``), `register`
    and `record` says where it lies. `range` is what the instrument can show, in `unit`; `legend` names a state's numbers."""

    name: Text
    kind: Kind = "float"
    unit: str = ""
    range: tuple[float, float] | None = None
    resolution: Annotated[float, Field(gt=0)] | None = None
    setpoint: float | None = None
    legend: dict[int, Text] | None = None
    writable: bool = False
    node: str | None = None
    register_: Annotated[Register | None, Field(alias="register")] = None
    record: Record | None = None

    @model_validator(mode="after")
    def _one_address(self) -> Self:
        if sum(x is not None for x in (self.node, self.register_, self.record)) != 1:
            raise ValueError(
                "give exactly one of node, register and record, which say where the tag lies in the device"
            )
        if self.kind == "state" and not self.legend:
            raise ValueError("a state needs a legend that names its numbers")
        if self.range is not None and self.range[0] >= self.range[1]:
            raise ValueError(f"range {list(self.range)} is empty: the first number must be the lower one")
        return self


class Repeated(Strict):
    """Tags that a device has `count` times; ``{n}`` in names, nodes and texts becomes 1..count, registers step by their stride."""

    count: Annotated[int, Field(ge=1, le=64)]
    tags: dict[str, ProfileTag]


class ServerLimits(Strict):
    """What the device or its server can bear."""

    nodes_per_read: int | None = None
    registers_per_read: Annotated[int, Field(ge=1, le=125)] = 125
    coils_per_read: Annotated[int, Field(ge=1, le=2000)] = 2000
    read_holes: bool = False
    connections: int | None = None


class Profile(Strict):
    """One model of device. `source` cites the maker's manual or says what was assumed."""

    profile: str
    name: Text
    equipment_type: str
    maker: str
    source: str
    protocol: Literal["opcua", "modbus"]
    machine: Literal["lighthouse"] | None = None
    namespace: str | None = None
    server: ServerLimits = ServerLimits()
    tags: dict[str, ProfileTag]
    repeated: tuple[Repeated, ...] = ()

    @model_validator(mode="after")
    def _protocol_fits(self) -> Self:
        if self.protocol == "opcua" and not self.namespace:
            raise ValueError(
                "an OPC UA profile needs the namespace URI of its nodes (the index moves, the URI does not)"
            )
        for name, tag in self.expanded().items():
            if (tag.node is not None) != (self.protocol == "opcua"):
                where = "node" if self.protocol == "opcua" else "register or record"
                raise ValueError(f"tag {name}: a profile for {self.protocol} addresses its tags by {where}")
            if tag.record is not None and self.machine is None:
                raise ValueError(f"tag {name}: a record needs `machine`, which says how the counter's records are read")
        return self

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
        register = register.model_copy(update={"address": register.address + register.stride * (n - 1)})
    node = tag.node.format(n=n) if tag.node is not None else None
    return tag.model_copy(update={"name": text, "node": node, "register_": register})
