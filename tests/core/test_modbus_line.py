"""A serial line whose replies come late or never: whatever is taken for a reply is the reply to that very request."""

import struct
from dataclasses import dataclass, field
from typing import Final, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.modbus import frames
from drivers.modbus.frames import Request
from drivers.modbus.line import LATEST_S, Line
from drivers.registers import Block

ONE: Final = frames.read(1, Block("holding", 0, 10, 0))
TWO: Final = frames.read(1, Block("holding", 100, 10, 0))
SINGLE: Final = frames.read(1, Block("holding", 200, 1, 0))
COIL: Final = frames.read(1, Block("coil", 0, 3, 0))
OTHER: Final = frames.read(2, Block("holding", 0, 10, 0))
WRITE: Final = frames.write_registers(1, 5, [7])


def frame(request: Request, pdu: bytes) -> bytes:
    return frames.rtu(Request(request.unit, pdu, 0, ""))


def reply(request: Request, number: int = 0) -> bytes:
    """The frame of the reply, whose values all are `number`."""
    if not request.size:
        return frame(request, request.pdu[:5] if request.pdu[0] == frames.WRITE_REGISTERS else request.pdu)
    values = struct.pack(">H", number) * (request.size // 2) or bytes((number & 0xFF,))
    return frame(request, bytes((request.pdu[0], request.size)) + values)


def refusal(request: Request, code: int = 2) -> bytes:
    return frame(request, bytes((request.pdu[0] | 0x80, code)))


def late(*requests: Request) -> Line:
    """A line that owes the replies to `requests`, none of which is waited for any more."""
    line = Line()
    for request in requests:
        line.ask(request, 0.0)
        line.give_up()
    return line


# ---- one reply after the other


def test_a_reply_is_taken_however_it_is_cut_and_only_while_it_is_waited_for() -> None:
    line = Line()
    line.ask(ONE, 0.0)
    right = reply(ONE, 7)
    assert [line.hear(bytes((byte,))) for byte in right[:-1]] == [None] * (len(right) - 1)
    assert line.hear(right[-1:]) == right[1:-2]
    line.give_up()
    assert line.hear(right) is None
    assert line.is_in_step(ONE, 0.1)


def test_a_late_reply_is_struck_out_when_it_comes() -> None:
    line = late(ONE)
    assert not line.is_in_step(TWO, 1.0)
    assert line.is_in_step(SINGLE, 1.0), "another length"
    assert line.is_in_step(COIL, 1.0), "another function"
    assert line.is_in_step(WRITE, 1.0)
    assert line.is_in_step(OTHER, 1.0), "another unit"
    assert line.hear(reply(ONE)) is None
    assert line.is_in_step(TWO, 1.0)


def test_a_reply_that_never_comes_is_forgotten_in_the_end() -> None:
    line = late(ONE)
    assert not line.is_in_step(ONE, LATEST_S - 0.1)
    assert line.is_in_step(ONE, LATEST_S)


def test_what_was_asked_before_an_answer_is_lost() -> None:
    line = late(ONE)
    line.ask(SINGLE, 1.0)
    assert line.hear(reply(SINGLE)) is not None
    assert line.is_in_step(ONE, 1.1)


def test_late_and_right_in_one_piece() -> None:
    line = late(ONE)
    line.ask(SINGLE, 1.0)
    assert line.hear(reply(ONE) + b"\x00" + reply(SINGLE, 3)) == reply(SINGLE, 3)[1:-2]


def test_a_refusal_belongs_to_the_oldest_request_of_its_function() -> None:
    line = late(ONE)
    line.ask(SINGLE, 1.0)
    assert line.hear(refusal(ONE)) is None
    assert line.hear(refusal(SINGLE)) == b"\x83\x02"


def test_a_wrong_answer_is_given_out_where_it_can_answer_nothing_else() -> None:
    line = Line()
    line.ask(ONE, 0.0)
    assert line.hear(reply(SINGLE)) == reply(SINGLE)[1:-2]
    line = late(ONE, TWO)
    line.ask(TWO, 1.0)
    assert line.hear(reply(SINGLE)) is None


def test_writes_alike_are_told_apart_by_a_probe() -> None:
    line = late(WRITE)
    assert line.is_in_step(ONE, 1.0)
    assert line.is_in_step(frames.write_registers(1, 6, [7]), 1.0)
    assert not line.is_in_step(frames.write_registers(1, 5, [8]), 1.0), "the echo of the value is not compared"
    probe = line.probe(WRITE)
    assert probe.pdu[0] == frames.ECHO
    line.ask(probe, 1.0)
    assert line.hear(reply(WRITE)) is None
    assert line.hear(reply(probe)) == probe.pdu


def test_each_probe_is_unlike_all_before_it() -> None:
    line = late(ONE)
    seen: list[tuple[int, int]] = []
    for _ in range(20):
        probe = line.probe(ONE)
        assert line.is_in_step(probe, 0.0)
        line.ask(probe, 0.0)
        line.give_up()
        seen.append((probe.pdu[0], probe.size))
    assert seen[:6] == [(3, 16), (8, 0), (4, 2), (2, 1), (1, 1), (3, 18)]
    assert seen[-3:] == [(8, 0)] * 3, "an echo has always another number"
    assert late(SINGLE).probe(SINGLE).pdu[0] == frames.ECHO, "one register has no part"
    assert late(COIL).probe(COIL).pdu[0] == frames.ECHO


# ---- a device that is slow, deaf or strict


@dataclass
class Device:
    """Answers unit 1 in order. echo: what it does with function 8; strict: whether it refuses to read part of a block."""

    echo: Literal["answers", "refuses", "is silent"]
    strict: bool
    delays: list[float | None]
    asked: int = 0
    free_s: float = 0.0
    due: list[tuple[float, int, bytes]] = field(default_factory=list[tuple[float, int, bytes]])

    def ask(self, request: Request, now_s: float) -> int:
        """Gives the request's number, which is in its reply."""
        self.asked += 1
        delay_s = self.delays.pop(0) if self.delays else 0.01
        known = request in (ONE, TWO, SINGLE, COIL)
        if delay_s is None or (request.pdu[0] == frames.ECHO and self.echo == "is silent"):
            return self.asked
        self.free_s = max(self.free_s, now_s + delay_s)
        echoes = request.pdu[0] == frames.ECHO and self.echo == "answers"
        part = request.pdu[0] == 3 and not self.strict
        made = reply(request, self.asked) if known or part or echoes else refusal(request, 1)
        self.due.append((self.free_s, self.asked, made))
        return self.asked

    def told(self, until_s: float) -> list[tuple[float, int, bytes]]:
        """What arrives until then."""
        arrived = [one for one in self.due if one[0] <= until_s]
        self.due = [one for one in self.due if one[0] > until_s]
        return arrived


def exchanged(line: Line, device: Device, request: Request, now_s: float) -> float | None:
    """When the reply was taken, which must be that of this very request; None: not within 0.8 s."""
    for early in device.told(now_s):
        assert line.hear(early[2]) is None
    line.ask(request, now_s)
    number = device.ask(request, now_s)
    try:
        for at_s, of, data in device.told(now_s + 0.8):
            if line.hear(data) is not None:
                if request in (ONE, TWO, SINGLE, COIL):
                    assert of == number, "a reply to another request was taken"
                return at_s
        return None
    finally:
        line.give_up()


@settings(max_examples=400, deadline=None)
@given(
    delays=st.lists(st.sampled_from((0.01, 0.5, None)) | st.floats(0.01, 10.0), max_size=30),
    scans=st.lists(st.sampled_from((ONE, TWO, SINGLE, COIL)), min_size=1, max_size=4),
    echo=st.sampled_from(("answers", "refuses", "is silent")),
    strict=st.booleans(),
    pause_s=st.sampled_from((0.02, 1.0)),
)
def test_no_reply_is_taken_for_another_however_late(
    delays: list[float | None],
    scans: list[Request],
    echo: Literal["answers", "refuses", "is silent"],
    strict: bool,
    pause_s: float,
) -> None:
    line, device, now_s, good = Line(), Device(echo, strict, list(delays)), 0.0, 0
    calm_s = 0.0
    while good < 3:
        whole = True
        for request in scans:
            probes = [] if line.is_in_step(request, now_s) else [line.probe(request)]
            for one in (*probes, request):
                done_s = exchanged(line, device, one, now_s)
                now_s = done_s if done_s is not None else now_s + 0.8
                whole &= done_s is not None
                if done_s is None:
                    break
        now_s += pause_s
        good = good + 1 if whole else 0
        if device.delays or device.free_s > now_s:
            calm_s = now_s
        assert now_s - calm_s < 2 * LATEST_S, "it stays dark"


@pytest.mark.parametrize("late_s", [0.9, 1.3, 2.0, 2.5, 5.0, 9.9])
def test_one_late_reply_costs_scans_and_no_truth(late_s: float) -> None:
    line, device, now_s = Line(), Device("answers", False, [0.01, 0.01, late_s]), 0.0
    scans: list[bool] = []
    for n in range(14):
        now_s = max(now_s, float(n))
        whole = True
        for request in (ONE, TWO):
            probes = [] if line.is_in_step(request, now_s) else [line.probe(request)]
            for one in (*probes, request):
                done_s = exchanged(line, device, one, now_s)
                now_s = done_s if done_s is not None else now_s + 0.8
                whole &= done_s is not None
                if done_s is None:
                    break
        scans.append(whole)
    assert scans[0] is True
    assert scans[1] is False
    assert all(scans[-2:])
