"""Modbus registers of a profile: none used twice, none too small for its range, none written where nothing can be written."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from drivers.profile import Profile, Register, RegisterType
from telemetry.plant.checks.profiles import written
from telemetry.plant.checks.whole import Whole
from telemetry.plant.document import Document, Keys

INTEGERS: Final[dict[RegisterType, tuple[int, int]]] = {
    "int16": (-(2**15), 2**15 - 1),
    "uint16": (0, 2**16 - 1),
    "int32": (-(2**31), 2**31 - 1),
    "uint32": (0, 2**32 - 1),
    "int64": (-(2**63), 2**63 - 1),
    "uint64": (0, 2**64 - 1),
}


@dataclass(frozen=True, slots=True)
class _Use:
    tag: str
    register: Register
    path: Keys

    @property
    def first(self) -> int:
        return self.register.address

    @property
    def last(self) -> int:
        return self.register.address + self.register.words - 1


def check(whole: Whole) -> None:
    for profile, document in whole.files.profiles:
        _overlaps(whole, profile, document)
        for name, tag, path in written(profile):
            if tag.register_ is None:
                continue
            place = (document, (*path, "register"))
            _alone(whole, name, tag.register_, tag.writable, place)
            if tag.range is not None:
                _reach(whole, name, tag.register_, tag.range, place)


def _uses(profile: Profile) -> Iterator[_Use]:
    for name, tag, path in written(profile):
        count = profile.repeated[int(path[1])].count if path[0] == "repeated" else 1
        for n in range(count):
            if tag.register_ is not None:
                address = tag.register_.address + tag.register_.stride * n
                register = tag.register_.model_copy(update={"address": address})
                yield _Use(name if count == 1 else str(path[3]).format(n=n + 1), register, path)


def _overlaps(whole: Whole, profile: Profile, document: Document) -> None:
    reported: set[frozenset[Keys]] = set()
    uses = sorted(_uses(profile), key=lambda use: (use.register.table, use.first))
    for i, use in enumerate(uses):
        for other in uses[i + 1 :]:
            if other.register.table != use.register.table or other.first > use.last:
                break
            both = frozenset((use.path, other.path))
            if _apart(use.register, other.register) or both in reported:
                continue
            reported.add(both)
            one, two = sorted((use, other), key=lambda u: document.line(u.path))
            self_overlap = one.path == two.path
            whole.wrong(
                (document, (*two.path, "register")),
                f"tags {one.tag} and {two.tag} overlap: {_span(one)} and {_span(two)} of table {one.register.table}",
                "Give the register a stride at least as long as the value."
                if self_overlap
                else "Correct the address or the type of one of the two; several bits of one register need `bit`.",
            )


def _apart(one: Register, two: Register) -> bool:
    """Two bits of one register."""
    return one.address == two.address and one.bit is not None and two.bit is not None and one.bit != two.bit


def _span(use: _Use) -> str:
    bit = "" if use.register.bit is None else f" bit {use.register.bit}"
    return f"address {use.first}{bit}" if use.first == use.last else f"addresses {use.first} to {use.last}"


def _alone(whole: Whole, name: str, register: Register, writable: bool, place: tuple[Document, Keys]) -> None:
    bits = register.table in ("coil", "discrete")
    if writable and register.table in ("discrete", "input"):
        right = "Use table coil." if bits else "Use table holding."
        whole.wrong(place, f"{name} is writable, but table {register.table} can only be read", right)
    if bits and (register.type not in ("bool", "uint16") or register.bit is not None):
        what = f"{name} takes {register.type} from table {register.table}, which holds single bits"
        whole.wrong(place, what, "Let its type be bool, without `bit`, or use table holding or input.")
    if register.bit is not None and register.words != 1:
        what = f"{name} takes one bit of a {register.type}"
        whole.wrong(place, what, "Take the bit from the single register that holds it, with type uint16.")
    if register.bit is not None and writable:
        what = f"{name} is one bit of a register and cannot be written without its neighbours"
        whole.wrong(place, what, "Use a coil, or a register of its own.")
    if register.address + register.words > 65536:
        whole.wrong(place, f"{name} reaches beyond address 65535", "Correct the address.")


def _reach(
    whole: Whole, name: str, register: Register, limits: tuple[float, float], place: tuple[Document, Keys]
) -> None:
    if register.type not in INTEGERS or register.bit is not None or register.scale == 0:
        return
    lowest, highest = sorted(raw * register.scale + register.offset for raw in INTEGERS[register.type])
    step = abs(register.scale)
    if limits[0] < lowest - step or limits[1] > highest + step:
        whole.wrong(
            place,
            f"{name} has the range {limits[0]:g} to {limits[1]:g}, but {register.type} with this scale holds"
            f" {lowest:g} to {highest:g}",
            "Correct the type (signed?), scale or offset, or the range.",
        )
