"""Link: one connection to a Modbus address, shared by all units behind it; our own Protocol, because a request costs what its
objects cost.

A reply is known by its transaction's number: one that comes late is let go by. A serial line has no such number; there `Line` says
whose reply it is, and what must be asked first so that this can be told.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, Final, cast

from drivers.device import backoff_s
from drivers.fleet import Fleet
from drivers.modbus import frames
from drivers.modbus.address import Place
from drivers.modbus.frames import MbapStream, Refused, Request
from drivers.modbus.line import Line
from drivers.modbus.reach import NotReached, reach, reason
from drivers.modbus.turns import Turns

SILENT_S: Final = 1.0
"""A unit of several, or of a serial line, that did not answer is left alone for this long at first."""
GATEWAY_BAUD: Final = 9600
"""What a gateway's serial line is taken for: the slowest that is usual."""
SILENCES: Final = 2
"""Requests without an answer from anybody, after which the connection itself is taken for dead."""

_Waiting = tuple[Request, "asyncio.Future[bytes]"]


class Link(asyncio.Protocol):
    """The connection to `place`. failure: why there is none, as the rest of a sentence that begins with a device's name; None while
    connected. generation: how many connections there were."""

    def __init__(self, place: Place, fleet: Fleet, in_flight: int | None) -> None:
        self.place, self.fleet = place, fleet
        self.failure: str | None = f"at {place} is not connected yet"
        self.generation = 0
        self.turns = Turns(in_flight if place.kind == "tcp" else 1)
        self.members: list[object] = []
        self._keeper, self._connecting = asyncio.Lock(), asyncio.Lock()
        self._transport: asyncio.Transport | None = None
        self._newest: asyncio.Transport | None = None
        self._changed = asyncio.Event()
        self._returning = False
        self._answered = False
        self._silences = 0
        self._transaction = 0
        self._pending: dict[int, _Waiting] = {}
        self._stream = MbapStream()
        self._line = (
            Line()
        )  # which outlives connections: a device server hands on to the next what the last one asked for

    @classmethod
    def to(cls, place: Place, fleet: Fleet, in_flight: int | None) -> "Link":
        """The one link to `place` that the fleet shares; the most careful of its units says how many requests it bears."""
        known = fleet.shared.get(place)
        if known is None:
            known = fleet.shared[place] = cls(place, fleet, in_flight)
        elif in_flight is not None:
            known.turns.in_flight = min(in_flight, known.turns.in_flight or in_flight)
        return known

    @property
    def shared(self) -> bool:
        return len(self.members) > 1

    # ---- the life of the connection

    async def keep(self, member: object) -> None:
        """Keeps the connection until cancelled. Of several members one does it, and the next when that one leaves; the last to
        leave closes it."""
        self.members.append(member)
        try:
            async with self._keeper:
                await self._keep()
        finally:
            self._leave(member)

    @asynccontextmanager
    async def once(self, member: object) -> AsyncGenerator[None]:
        """One attempt at a connection, where there is none, for as long as the block lasts."""
        self.members.append(member)
        try:
            await self.connect()
            yield
        finally:
            self._leave(member)

    def _leave(self, member: object) -> None:
        self.members.remove(member)
        if not self.members:
            self.drop(f"at {self.place} is not connected any more")
            self._returning = False
            self._changed.set()

    async def _keep(self) -> None:
        waits = backoff_s()
        while True:
            await self.connect()
            while self._transport is not None:
                self._changed.clear()
                await self._changed.wait()
            if self._answered:
                waits = backoff_s()
            else:
                self._returning = False
                await asyncio.sleep(next(waits))

    async def connect(self) -> None:
        """One attempt, where there is no connection; `failure` says how it ended."""
        async with self._connecting:
            if self._transport is None:
                await self._connect()

    async def _connect(self) -> None:
        self._answered, self._silences = False, 0
        self._stream = MbapStream()
        await self.fleet.turn()
        try:
            await reach(self.place, self, self.connection_made)  # a serial line calls it a second time, later
        except NotReached as error:
            self.failure = f"at {self.place} cannot be reached ({error})"
        self._returning = False
        self._changed.set()

    async def ready(self) -> bool:
        """Whether there is a connection; where a device has closed one that had worked, once it was tried again."""
        while self._returning:
            self._changed.clear()
            await self._changed.wait()
        if self._answered and self.members and not self._keeper.locked():  # within `once`, nobody else does it
            await self.connect()
        return self._transport is not None

    def drop(self, failure: str) -> None:
        """Closes the connection because of `failure`."""
        transport = self._transport
        if transport is not None:
            self._lost(ConnectionError(failure), failure)
            transport.abort()

    def _lost(self, error: Exception, failure: str) -> None:
        self._transport, self.failure = None, failure
        self._returning = self._answered and self._keeper.locked()
        pending, self._pending = self._pending, {}
        for _, future in pending.values():
            if not future.done():
                future.set_exception(error)
        self._changed.set()

    # ---- what the transport calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if self._newest is not transport:
            self._newest = self._transport = cast(asyncio.Transport, transport)
            self.generation += 1
            self.failure = None

    def connection_lost(self, exc: Exception | None) -> None:
        if self._transport is None:
            return
        if self._answered:
            failure = f"at {self.place} closed the connection"
        else:
            failure = f"at {self.place} closes every connection unanswered; another master may hold the only one that it bears"
        if exc is not None:
            failure += f" ({reason(exc)})"
        self._lost(ConnectionError(failure), failure)

    def data_received(self, data: bytes) -> None:
        if self.place.kind != "tcp":
            self._serial_received(data)
            return
        try:
            replies = self._stream.feed(data)
        except ConnectionError as error:
            self._answered = False
            self.drop(f"at {self.place} {error}")
            return
        for transaction, unit, pdu in replies:
            waiting = self._pending.pop(transaction, None)
            if waiting is not None:
                self._reply(waiting, unit, pdu)

    def _serial_received(self, data: bytes) -> None:
        pdu = self._line.hear(data)
        if pdu is not None and self._pending:
            _, waiting = self._pending.popitem()  # the only one
            self._reply(waiting, waiting[0].unit, pdu)

    def _reply(self, waiting: _Waiting, unit: int, pdu: bytes) -> None:
        request, future = waiting
        self._answered, self._silences = True, 0
        if future.done():
            return
        try:
            future.set_result(frames.values_of(request, unit, pdu))
        except Refused as error:
            future.set_exception(error)

    # ---- asking

    async def ask(self, request: Request, answer_s: float) -> bytes:
        """The bytes of values in the reply. answer_s: within which the unit begins to answer; it counts where the unit holds up
        others meanwhile. Raises Refused, TimeoutError or ConnectionError; cancelled, the reply is let go by when it comes."""
        unit, loop = request.unit, asyncio.get_running_loop()
        if not self.turns.take(unit):
            await self._turn(unit)
        try:
            if self.place.kind != "tcp" and not self._line.is_in_step(request, loop.time()):
                await self._prove(request, answer_s)
            values = await self._exchange(request, answer_s)
        except (asyncio.CancelledError, TimeoutError):
            self._unanswered(unit)
            raise
        except Refused as error:
            if error.code in (frames.NO_PATH, frames.NO_ANSWER):
                self.turns.unanswered(unit, loop.time(), SILENT_S)
            else:
                self.turns.answered(unit)
            raise
        finally:
            self._release(unit)
        self.turns.answered(unit)
        return values

    async def _prove(self, request: Request, answer_s: float) -> None:
        """Asks something whose reply cannot be mistaken; a refusal of the unit itself is a reply too."""
        try:
            await self._exchange(self._line.probe(request), answer_s)
        except Refused as error:
            if error.code in (0, frames.NO_PATH, frames.NO_ANSWER):
                raise

    async def _exchange(self, request: Request, answer_s: float) -> bytes:
        transport, loop = self._transport, asyncio.get_running_loop()
        if transport is None:
            raise ConnectionError(self.failure)
        timer = None
        transaction = self._transaction = self._transaction + 1 & 0xFFFF
        future: asyncio.Future[bytes] = loop.create_future()
        self._pending[transaction] = request, future
        try:
            if self.place.kind == "tcp":
                transport.write(transaction.to_bytes(2, "big") + request.mbap)
            else:
                self._line.ask(request, loop.time())
                transport.write(frames.rtu(request))
            if self.turns.in_flight is not None and self.shared:
                timer = loop.call_later(self.patience_s(request, answer_s), _give_up, future)
            return await future
        finally:
            self._pending.pop(transaction, None)
            self._line.give_up()
            if timer is not None:
                timer.cancel()

    async def _turn(self, unit: int) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        ticket = unit, turn
        self.turns.queue(unit, ticket)
        try:
            await turn
        except asyncio.CancelledError:
            self.turns.leave(unit, ticket)
            if not turn.cancelled():
                self._release(unit)
            raise

    def _release(self, unit: int) -> None:
        for ticket in self.turns.give(unit):
            its_unit, turn = cast("tuple[int, asyncio.Future[None]]", ticket)
            if turn.done():
                self._release(its_unit)  # who waited has given up just now
            else:
                turn.set_result(None)

    def patience_s(self, request: Request, answer_s: float) -> float:
        """How long a unit may hold a line that it shares: the time on the line, and until it begins to answer."""
        return answer_s + frames.line_s(request, self.place.baud if self.place.kind == "serial" else GATEWAY_BAUD)

    def _unanswered(self, unit: int) -> None:
        """A silent unit of several, or of a serial line, is left alone for a while; a silence of all ends the connection."""
        self._silences += 1
        alone = not self.shared
        if not alone or self.place.kind == "serial":
            self.turns.unanswered(unit, asyncio.get_running_loop().time(), SILENT_S)
        if self._silences >= SILENCES or (alone and self.place.kind == "rtu"):
            if self.place.kind == "serial":
                self._silences = 0  # a line has no connection that could be dead
            else:
                self.drop(f"at {self.place} does not answer")


def _give_up(future: "asyncio.Future[Any]") -> None:
    if not future.done():
        future.set_exception(TimeoutError())
