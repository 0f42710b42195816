"""Modbus on the wire: byte literals by hand from the specification, streams cut anywhere, and a million damaged replies."""

import random
import struct
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.modbus import frames
from drivers.modbus.frames import Garbage, MbapStream, Refused, Request
from drivers.registers import Block

HOLDING: Final = frames.read(17, Block("holding", 0x6B, 3, 0))
COILS: Final = frames.read(17, Block("coil", 0x13, 19, 0))


def test_requests_are_those_of_the_specification() -> None:
    """Modbus application protocol 1.1b3, the examples of 6.1, 6.3, 6.5, 6.6, 6.12 and 6.16."""
    assert COILS.pdu == bytes.fromhex("01 0013 0013")
    assert HOLDING.pdu == bytes.fromhex("03 006B 0003")
    assert HOLDING.mbap == bytes.fromhex("0000 0006 11 03 006B 0003")
    assert frames.write_coil(1, 0xAC, True).pdu == bytes.fromhex("05 00AC FF00")
    assert frames.write_coil(1, 0xAC, False).pdu == bytes.fromhex("05 00AC 0000")
    assert frames.write_registers(1, 1, [3]).pdu == bytes.fromhex("06 0001 0003")
    assert frames.write_registers(1, 1, [10, 258]).pdu == bytes.fromhex("10 0001 0002 04 000A 0102")
    assert frames.mask_write(1, 4, 0xFF0D, 0x0025).pdu == bytes.fromhex("16 0004 00F2 0005")
    assert frames.echo(17, 0xA537).pdu == bytes.fromhex("08 0000 A537")
    assert frames.rtu(frames.read(1, Block("holding", 0, 1, 0))) == bytes.fromhex("01 03 0000 0001 840A")


def test_values_of_the_specifications_replies() -> None:
    assert frames.values_of(HOLDING, 17, bytes.fromhex("03 06 022B 0000 0064")) == bytes.fromhex("022B00000064")
    values = frames.values_of(COILS, 17, bytes.fromhex("01 03 CD 6B 05"))
    words = struct.unpack(">19H", frames.words_of(Block("coil", 0x13, 19, 0), values))
    assert words == (1, 0, 1, 1, 0, 0, 1, 1, 1, 1, 0, 1, 0, 1, 1, 0, 1, 0, 1)
    assert frames.words_of(Block("holding", 0x6B, 3, 0), b"\x02\x2b") == b"\x02\x2b"
    several = frames.write_registers(1, 1, [10, 258])
    assert frames.values_of(several, 1, bytes.fromhex("10 0001 0002")) == b""


@pytest.mark.parametrize(
    ("request_", "unit", "pdu", "said"),
    [
        (HOLDING, 18, "03 06 022B 0000 0064", "answered as unit 18 instead of 17"),
        (HOLDING, 17, "04 06 022B 0000 0064", "answered function 4 instead of 3"),
        (HOLDING, 17, "03 04 022B 0000", "answered 4 instead of 6 bytes"),
        (HOLDING, 17, "03 06 022B 0000", "answered 4 instead of 6 bytes"),
        (HOLDING, 17, "03 08 022B 0000 0064 0001", "answered 8 instead of 6 bytes"),
        (HOLDING, 17, "83 02", "refused to read holding 107 to 109: it has no such register"),
        (HOLDING, 17, "83 0B", "the unit behind the gateway does not answer"),
        (HOLDING, 17, "83 63", r"no reason that Modbus knows \(exception 99\)"),
        (HOLDING, 17, "84 02", "answered function 132"),
        (frames.write_coil(17, 5, True), 17, "05 0006 FF00", "something else than the echo"),
        (frames.write_registers(17, 5, [1, 2]), 17, "10 0005 0001", "something else than the echo"),
        (frames.echo(17, 5), 17, "08 0000 0006", "something else than the echo"),
    ],
)
def test_what_does_not_fit_the_request_is_refused_in_words(request_: Request, unit: int, pdu: str, said: str) -> None:
    with pytest.raises(Refused, match=said):
        frames.values_of(request_, unit, bytes.fromhex(pdu))


@given(st.lists(st.tuples(st.integers(0, 65535), st.integers(0, 255), st.binary(min_size=2, max_size=253))), st.data())
def test_a_stream_gives_the_same_replies_however_it_is_cut(
    sent: list[tuple[int, int, bytes]], data: st.DataObject
) -> None:
    whole = b"".join(struct.pack(">HHHB", t, 0, len(pdu) + 1, unit) + pdu for t, unit, pdu in sent)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=8)))
    stream = MbapStream()
    found = [r for a, b in zip([0, *cuts], [*cuts, len(whole)], strict=True) for r in stream.feed(whole[a:b])]
    assert found == sent


@pytest.mark.parametrize("head", ["0001 0001 0006 11", "0001 0000 0002 11", "0001 0000 00FF 11", "4854 5450 2F31 2E"])
def test_what_is_no_modbus_is_garbage(head: str) -> None:
    with pytest.raises(Garbage, match="no Modbus"):
        MbapStream().feed(bytes.fromhex(head))


def test_a_serial_reply_is_found_among_noise() -> None:
    reply = bytes.fromhex("11 03 06 022B 0000 0064 C8BA")
    assert frames.rtu_reply(HOLDING, reply) == reply[1:-2]
    assert frames.rtu_reply(HOLDING, b"\x11\x03\xff\x00" + reply + b"\x11") == reply[1:-2]
    for end in range(len(reply)):
        assert frames.rtu_reply(HOLDING, reply[:end]) is None
    for at in range(len(reply)):
        assert frames.rtu_reply(HOLDING, reply[:at] + bytes((reply[at] ^ 4,)) + reply[at + 1 :]) is None
    assert frames.rtu_reply(HOLDING, bytes.fromhex("11 83 02 C134")) == b"\x83\x02"
    coil = frames.write_coil(17, 0xAC, True)
    assert frames.rtu_reply(coil, frames.rtu(coil)) == coil.pdu
    several = frames.write_registers(1, 1, [10, 258])
    assert frames.rtu_reply(several, bytes.fromhex("01 10 0001 0002 1008")) == several.pdu[:5]
    assert frames.line_s(HOLDING, 9600) == pytest.approx(11 * (8 + 11) / 9600)
    assert frames.line_s(coil, 9600) == pytest.approx(11 * (8 + 8) / 9600)


# ---- damaged replies


def replied(request: Request, chance: random.Random) -> bytes:
    """The frame on TCP of a right reply to a read."""
    pdu = bytes((request.pdu[0], request.size)) + chance.randbytes(request.size)
    return struct.pack(">HHHB", 7, 0, len(pdu) + 1, request.unit) + pdu


def mutated(frame: bytes, chance: random.Random) -> bytes:
    """One to three bits, bytes or pieces changed, lost, doubled or added."""
    made = bytearray(frame)
    for _ in range(chance.randint(1, 3)):
        at = chance.randrange(len(made)) if made else 0
        match chance.randrange(6):
            case 0 if made:
                made[at] ^= 1 << chance.randrange(8)
            case 1 if made:
                made[at] = chance.choice((0, 1, 2, 3, 4, 0x7F, 0x80, 0x83, 0xFF))
            case 2:
                del made[at : at + chance.randint(1, 6)]
            case 3:
                made[at:at] = chance.randbytes(chance.randint(1, 6))
            case 4:
                made[at:at] = made[at : at + chance.randint(1, 9)]
            case _:
                del made[at:]
    return bytes(made)


def taken(request: Request, data: bytes) -> bytes | None:
    """The values that would be taken from `data` for `request` of transaction 7; None: none."""
    try:
        replies = MbapStream().feed(data)
    except Garbage:
        return None
    for transaction, unit, pdu in replies:
        if transaction == 7:
            try:
                return frames.values_of(request, unit, pdu)
            except Refused:
                return None
    return None


def fuzzed(count: int, seed: int) -> tuple[int, int]:
    """How many of `count` damaged replies were taken for right ones over TCP, and on a serial line."""
    chance = random.Random(seed)
    tcp = serial = 0
    for _ in range(count):
        table = chance.choice(("coil", "discrete", "holding", "input"))
        request = frames.read(chance.randint(1, 247), Block(table, 0, chance.randint(1, 100), 0))
        frame = replied(request, chance)
        damaged = mutated(frame, chance)
        values = taken(request, damaged)
        if values is not None:  # then a right reply, byte for byte, stands at the place where frames begin
            tcp += 1
            right = struct.pack(">HHHBBB", 7, 0, len(values) + 3, request.unit, request.pdu[0], request.size) + values
            assert len(values) == request.size
            assert _stands(right, damaged)
        line = frame[6:]
        line += frames.rtu(Request(line[0], line[1:], 0, ""))[-2:]
        damaged = mutated(line, chance)
        pdu = frames.rtu_reply(request, damaged)
        if pdu is not None:  # then its checksum is right too
            serial += 1
            right = frames.rtu(Request(request.unit, pdu, 0, ""))
            assert right in damaged
    return tcp, serial


def _stands(right: bytes, data: bytes) -> bool:
    at = 0
    while at < len(data):
        if data.startswith(right, at):
            return True
        at += 6 + int.from_bytes(data[at + 4 : at + 6], "big")
    return False


def test_damaged_replies_give_no_value_that_was_not_sent() -> None:
    tcp, serial = fuzzed(5_000, 1)
    assert 0 < tcp < 5_000
    assert serial < 2_500  # what was only added around a whole reply leaves it whole


@pytest.mark.long
@pytest.mark.timeout(900)
def test_a_million_damaged_replies_give_no_value_that_was_not_sent() -> None:
    for seed in range(100):
        tcp, serial = fuzzed(10_000, 100 + seed)
        assert 0 < tcp < 10_000 and serial < 5_000
