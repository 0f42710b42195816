"""Modbus registers of a profile: none used twice, none too small for its range or too long for a request, none written where
nothing can be written; and constants that prove what they are meant to prove."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from drivers.modbus.proof import fits
from drivers.profile import Profile, Proof, Register, RegisterType, ServerLimits
from drivers.registers import encode
from drivers.unavailable import bits_of
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
    "bcd16": (0, 9_999),
    "bcd32": (0, 99_999_999),
}
BITS: Final = ("coil", "discrete")
"""Tables of single bits."""


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
            _value(whole, name, tag.register_, place)
            _one_request(whole, name, tag.register_, profile.server, place)
            if tag.range is not None:
                _reach(whole, name, tag.register_, tag.range, place)
        _groups(whole, profile, document)
        for i, proof in enumerate(profile.proof):
            _proof(whole, profile, proof, (document, ("proof", i)))


def _uses(profile: Profile) -> Iterator[_Use]:
    for name, tag, path in written(profile):
        count = profile.repeated[int(path[1])].count if path[0] == "repeated" else 1
        for n in range(count):
            if tag.register_ is not None:
                address = tag.register_.address + tag.register_.stride * n
                group = tag.register_.group
                if group is not None and path[0] == "repeated" and tag.register_.stride:
                    group = group.format(n=n + 1)
                register = tag.register_.model_copy(update={"address": address, "group": group})
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
    """Different bits of one register."""
    if one.address != two.address or one.words != two.words or one.bit is None or two.bit is None:
        return False
    return one.bit + one.width <= two.bit or two.bit + two.width <= one.bit


def _span(use: _Use) -> str:
    r = use.register
    bit = "" if r.bit is None else f" bit {r.bit}" if r.width == 1 else f" bits {r.bit} to {r.bit + r.width - 1}"
    return f"address {use.first}{bit}" if use.first == use.last else f"addresses {use.first} to {use.last}"


def _alone(whole: Whole, name: str, register: Register, writable: bool, place: tuple[Document, Keys]) -> None:
    bits = register.table in BITS
    if writable and register.table in ("discrete", "input"):
        right = "Use table coil." if bits else "Use table holding."
        whole.wrong(place, f"{name} is writable, but table {register.table} can only be read", right)
    if bits and (register.type not in ("bool", "uint16") or register.bit is not None):
        what = f"{name} takes {register.type} from table {register.table}, which holds single bits"
        whole.wrong(place, what, "Let its type be bool, without `bit`, or use table holding or input.")
    if register.bit is not None and register.type not in ("uint16", "uint32"):
        what = f"{name} takes bits of {register.type}"
        whole.wrong(place, what, "Take them from the register that holds them, with type uint16 or uint32.")
    elif register.bit is not None and register.bit + register.width > 16 * register.words:
        what = f"{name} takes bits {register.bit} to {register.bit + register.width - 1} of a {register.type}"
        whole.wrong(place, what, f"The last bit of a {register.type} is {16 * register.words - 1}.")
    if register.bit is None and register.width != 1:
        whole.wrong(place, f"{name} has a width but no `bit`", "Say with `bit` which is the lowest of its bits.")
    if register.address + register.words > 65536:
        whole.wrong(place, f"{name} reaches beyond address 65535", "Correct the address.")


def _value(whole: Whole, name: str, register: Register, place: tuple[Document, Keys]) -> None:
    if register.scale == 0:
        whole.wrong(
            place, f"{name} has the scale 0, so that it always reads {register.offset:g}", "Give the maker's scale."
        )
    if (register.length is not None) != (register.type == "text"):
        right = "Give `length`, its number of registers." if register.type == "text" else "Remove `length`."
        whole.wrong(
            place, f"{name} is a {register.type} {'without' if register.length is None else 'with'} a length", right
        )
    if register.type == "text":
        if register.order in ("CDAB", "DCBA"):
            right = "A text has the order ABCD, or BADC where the two characters of a register are swapped."
            whole.wrong(place, f"{name} is a text with the order {register.order}, which swaps registers", right)
        return
    for pattern in register.not_available:
        if not bits_of(register, pattern):
            what = f"{name} is not available at {pattern}, which {register.type} cannot read"
            whole.wrong(place, what, "Give the raw number, before scale and offset, or its bits (0x8000).")


def _one_request(
    whole: Whole, name: str, register: Register, limits: ServerLimits, place: tuple[Document, Keys]
) -> None:
    if register.table not in BITS and register.words > limits.registers_per_read:
        what = f"{name} takes {register.words} registers, but registers_per_read is {limits.registers_per_read}"
        whole.wrong(place, what, "Correct one of the two: a value is read in one request, or it is torn.")


def _groups(whole: Whole, profile: Profile, document: Document) -> None:
    groups: dict[str, list[_Use]] = {}
    for use in _uses(profile):
        if use.register.group is not None:
            groups.setdefault(use.register.group, []).append(use)
    for name, uses in groups.items():
        place = (document, (*uses[-1].path, "register"))
        tables = {use.register.table for use in uses}
        if len(tables) > 1:
            what = f"group {name} has registers of the tables {' and '.join(sorted(tables))}"
            whole.wrong(place, what, "One request reads one table: make two groups.")
            continue
        first, last = min(use.first for use in uses), max(use.last for use in uses)
        most = profile.server.coils_per_read if tables <= set(BITS) else profile.server.registers_per_read
        if last - first >= most:
            what = f"group {name} reaches from address {first} to {last}, but one request reads at most {most}"
            whole.wrong(place, what, "Take less into the group.")


def _proof(whole: Whole, profile: Profile, proof: Proof, place: tuple[Document, Keys]) -> None:
    register = proof.register_
    if profile.protocol != "modbus":
        whole.wrong(place, "a proof of the word order is for Modbus only", "Remove it.")
        return
    if register.table in BITS or register.bit is not None:
        whole.wrong(place, "a proof takes bits, which have no order", "Prove the order by a whole number or a text.")
        return
    _value(whole, "a proof", register, place)
    _one_request(whole, "a proof", register, profile.server, place)
    if isinstance(proof.equals, str):
        return
    try:
        words = encode(register, proof.equals)
    except (ValueError, ZeroDivisionError):
        whole.wrong(
            place, f"the proof {proof.equals:g} does not fit into {register.type}", "Correct the type or the number."
        )
        return
    if register.words > 1 and len(fits(proof, words)) > 1:
        what = f"the proof {proof.equals:g} as {register.type} reads the same in another order"
        whole.wrong(place, what, "It proves nothing: take a constant whose words differ.")


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
