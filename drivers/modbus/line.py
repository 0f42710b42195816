"""Line: what a serial line still owes us, and which reply is the one to what was asked. Pure; the caller hands in `now_s`.

A reply on a serial line carries no number: only its unit, its function and its length say what it answers. One that comes late
looks like the reply to the next request of the same form, and so would every reply after it: wrong numbers, and Good. So every
request is remembered until it is answered, for `LATEST_S`. A unit answers in the order in which it was asked (Modbus over serial
line 1.02, 2.4.1); so whatever arrives is taken for the oldest request that it fits, and a request is sent only where no
older one could be answered alike. Where one could, a probe goes first, whose reply cannot be mistaken: once that is there, all
before it has come or is lost.
"""

from collections.abc import Iterator
from typing import Final

from drivers.modbus import frames
from drivers.modbus.frames import ECHO, Request
from drivers.registers import Block

LATEST_S: Final = 15.0
"""No reply is later than this after its request."""


class Line:
    """The requests of all units on one line; one of them at most is waited for."""

    def __init__(self) -> None:
        self._owed: list[tuple[float, Request]] = []
        self._waiting: Request | None = None
        self._heard = b""
        self._echoes = 0

    def ask(self, request: Request, now_s: float) -> None:
        """`request` is sent now, and its reply waited for."""
        self._owed.append((now_s, request))
        self._waiting, self._heard = request, b""

    def give_up(self) -> None:
        """The reply is not waited for any more (or is there); it may still come."""
        self._waiting = None

    def is_in_step(self, request: Request, now_s: float) -> bool:
        """Whether the reply to `request` could be taken for nothing else."""
        if self._owed:
            self._owed = [(sent_s, other) for sent_s, other in self._owed if now_s - sent_s < LATEST_S]
        return not any(_alike(other, request) for _, other in self._owed)

    def probe(self, request: Request) -> Request:
        """What to ask first where `request` is not in step: part of the same registers, an echo, or what the profile does not read
        (there a refusal does as well), whichever cannot be mistaken for what is owed."""
        self._echoes = self._echoes + 1 & 0xFFFF
        owed = [other for _, other in self._owed if other.unit == request.unit]
        functions = {other.pdu[0] for other in owed}
        parts = _parts(request)
        for probe in (*parts[:1], frames.echo(request.unit, self._echoes), *_elsewhere(request), *parts[1:]):
            refusable = probe.pdu[0] != request.pdu[0]
            if not any(_alike(other, probe) for other in owed) and not (refusable and probe.pdu[0] in functions):
                return probe
        return frames.echo(request.unit, self._echoes)

    def hear(self, data: bytes) -> bytes | None:
        """The PDU of the reply that is waited for, once it is complete."""
        self._heard = (self._heard + data)[-2 * frames.LONGEST_RTU :]
        while (found := self._next()) is not None:
            unit, pdu = found
            self._heard = self._heard.partition(frames.rtu(Request(unit, pdu, 0, "")))[2]
            if self._settle(unit, pdu):
                return pdu
        return None

    def _next(self) -> tuple[int, bytes] | None:
        for _, request in self._owed:
            pdu = frames.rtu_reply(request, self._heard)
            if pdu is not None:
                return request.unit, pdu
        return None

    def _settle(self, unit: int, pdu: bytes) -> bool:
        """Strikes out what `pdu` answers and whatever the unit was asked before; whether it is what is waited for."""
        of_unit = [request for _, request in self._owed if request.unit == unit and request.pdu[0] == pdu[0] & 0x7F]
        fitting = [request for request in of_unit if _fits(request, pdu)]
        if not fitting and len(of_unit) == 1:
            fitting = of_unit  # a wrong answer, but to nothing else
        if not fitting:
            return False
        answered = next(n for n, (_, request) in enumerate(self._owed) if request is fitting[0])
        self._owed = [
            (sent_s, other) for n, (sent_s, other) in enumerate(self._owed) if n > answered or other.unit != unit
        ]
        return fitting[0] is self._waiting


def _parts(request: Request) -> list[Request]:
    """Reads of the first registers of `request`, whole 32-bit values first; of bits or a write none."""
    table = frames.table_of(request)
    if table not in ("holding", "input"):
        return []
    count = request.size // 2
    address = int.from_bytes(request.pdu[1:3], "big")
    counts = [count - 2, count - 1, *range(count - 3, 0, -1)]
    return [frames.read(request.unit, Block(table, address, n, 0)) for n in counts if n > 0]


def _elsewhere(request: Request) -> Iterator[Request]:
    for table in ("input", "holding", "discrete", "coil"):
        if table != frames.table_of(request):
            yield frames.read(request.unit, Block(table, int.from_bytes(request.pdu[1:3], "big"), 1, 0))


def _alike(one: Request, other: Request) -> bool:
    """Whether a reply to one could be taken for one to the other."""
    if one.unit != other.unit or one.pdu[0] != other.pdu[0] or one.size != other.size:
        return False
    return bool(one.size) or _echoed(one) == _echoed(other)


def _fits(request: Request, pdu: bytes) -> bool:
    """Whether `pdu`, of the request's unit and function, could be its reply."""
    if pdu[0] & 0x80:
        return True
    return pdu[1] == request.size if request.size else pdu.startswith(_echoed(request))


def _echoed(request: Request) -> bytes:
    """What of a write or an echo stands in its reply for certain."""
    return request.pdu if request.pdu[0] == ECHO else request.pdu[:3]
