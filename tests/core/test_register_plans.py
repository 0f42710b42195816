"""Plans of what to ask a device for: everything once, in few requests, and nothing that it may not be asked."""

from typing import Final, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wire import NUMBERS, ORDERS, image_of, words_of

from drivers.profile import Register, ServerLimits, Table
from drivers.registers import decode, decode_text, plan

LIMITS: Final = ServerLimits()
TABLES: Final[tuple[Table, ...]] = get_args(Table)


@st.composite
def devices(draw: st.DrawFn) -> list[Register]:
    """Registers that do not overlap, but for bits of the same word, in any order of slots."""
    found: list[Register] = []
    for table in draw(st.lists(st.sampled_from(TABLES), unique=True, min_size=1)):
        address = draw(st.integers(0, 50))
        for _ in range(draw(st.integers(1, 12))):
            address += draw(st.sampled_from([0, 0, 0, 1, 3, 15, 16, 17, 18, 200]))
            if table in ("coil", "discrete"):
                found.append(Register(table=table, address=address, type="bool"))
            elif draw(st.integers(0, 5)) == 0:
                found.append(Register(table=table, address=address, type="text", length=draw(st.integers(1, 8))))
            elif draw(st.integers(0, 5)) == 0:
                found += [Register(table=table, address=address, bit=bit) for bit in (0, 3)]
            else:
                kind, order = draw(st.sampled_from(list(NUMBERS))), draw(st.sampled_from(ORDERS))
                found.append(Register(table=table, address=address, type=kind, order=order))
            address += found[-1].words
    return draw(st.permutations(found))


@given(
    devices(),
    st.builds(
        ServerLimits,
        registers_per_read=st.sampled_from([8, 9, 20, 125]),
        coils_per_read=st.sampled_from([1, 8, 2000]),
        read_holes=st.booleans(),
    ),
)
def test_a_plan_reads_everything_once_and_nothing_that_it_may_not(
    registers: list[Register], limits: ServerLimits
) -> None:
    planned = plan(registers, limits)
    read = [(b.table, b.address + i) for b in planned.blocks for i in range(b.count)]
    needed = {(r.table, r.address + i) for r in registers for i in range(r.words)}
    assert len(read) == len(set(read)), "blocks overlap"
    assert needed <= set(read)
    for block in planned.blocks:
        largest = limits.coils_per_read if block.table in ("coil", "discrete") else limits.registers_per_read
        assert 0 < block.count <= largest
        holes = [(block.table, block.address + i) not in needed for i in range(block.count)]
        assert not holes[0]
        assert not holes[-1]
        longest = max(len(run) for run in "".join("x" if hole else " " for hole in holes).split(" "))
        assert longest <= (16 if limits.read_holes else 0)
    assert planned.size == len(read)
    offsets = [block.offset for block in planned.blocks]
    assert offsets == [sum(b.count for b in planned.blocks[:i]) for i in range(len(offsets))]


@given(devices())
def test_neighbours_share_a_request_where_the_limits_allow_it(registers: list[Register]) -> None:
    blocks = plan(registers, LIMITS).blocks
    for one_block in blocks:
        for other in blocks:
            if one_block.table == other.table and one_block.address + one_block.count == other.address:
                first = next(r for r in registers if (r.table, r.address) == (other.table, other.address))
                largest = 2000 if other.table in ("coil", "discrete") else 125
                assert one_block.count + first.words > largest


@given(devices(), st.booleans())
def test_every_value_is_picked_from_its_own_words(registers: list[Register], holes: bool) -> None:
    planned = plan(registers, ServerLimits(registers_per_read=20, read_holes=holes))
    memory: dict[tuple[Table, int], int] = {}
    expected: list[float | None] = []
    for number, r in enumerate(registers):
        if r.type == "text":
            memory |= {(r.table, r.address + i): 0x4141 for i in range(r.words)}
            expected.append(None)
        elif r.bit is not None:
            memory.setdefault((r.table, r.address), number & 0xF)
            expected.append(float(memory[(r.table, r.address)] >> r.bit & 1))
        elif r.type == "bool":
            memory[(r.table, r.address)] = number & 1
            expected.append(float(number & 1))
        else:
            memory |= {(r.table, r.address + i): x for i, x in enumerate(words_of(r.type, r.order, number + 1))}
            expected.append(number + 1.0)
    image = image_of(planned, memory)
    values, quality = decode(planned, image)
    assert quality is None
    for slot, value in enumerate(expected):
        if value is None:
            assert decode_text(planned, slot, registers[slot], image) == "AA" * registers[slot].words
        else:
            assert values[slot] == value


def test_a_hole_of_16_is_read_across_only_where_allowed() -> None:
    registers = [Register(table="input", address=address) for address in (0, 17, 35)]
    allowed = plan(registers, ServerLimits(read_holes=True))
    assert [(b.address, b.count, b.offset) for b in allowed.blocks] == [(0, 18, 0), (35, 1, 18)]


def test_a_strict_device_is_never_asked_for_a_hole_not_even_of_one() -> None:
    registers = [Register(table="input", address=address) for address in (0, 2, 3, 5)]
    assert [(b.address, b.count) for b in plan(registers, LIMITS).blocks] == [(0, 1), (2, 2), (5, 1)]


@pytest.mark.parametrize(("table", "largest"), [("holding", 125), ("coil", 2000)])
def test_a_request_is_filled_to_the_brim_and_no_further(table: Table, largest: int) -> None:
    registers = [Register(table=table, address=i, type="uint16") for i in range(largest + 1)]
    assert [b.count for b in plan(registers[:-1], LIMITS).blocks] == [largest]
    assert [b.count for b in plan(registers, LIMITS).blocks] == [largest, 1]


def test_a_text_that_begins_within_a_full_block_is_read_whole() -> None:
    registers = [
        Register(table="input", address=0, type="text", length=100),
        Register(table="input", address=50, type="text", length=100),
    ]
    planned = plan(registers, LIMITS)
    image = image_of(planned, {("input", i): 0x4141 if i < 50 else 0x4242 for i in range(150)})
    assert decode_text(planned, 0, registers[0], image) == "A" * 100 + "B" * 100
    assert decode_text(planned, 1, registers[1], image) == "B" * 200
