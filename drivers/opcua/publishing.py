# pyright: reportPrivateUsage=false
"""Publisher: what a server publishes on one session, in order and without a gap, to whoever subscribed.

Publish requests belong to a session, not to a subscription, so one publisher serves all of a session, asyncua's own subscriptions
(events) included. Requests are kept waiting at the server, each answer is acknowledged with the next request. Messages of
a subscription are numbered: one that is missing is asked for again (Republish), those behind it wait until it is there; what
the server no longer has is lost, which is told.
"""

import asyncio
import logging
import struct
import time
from collections.abc import Callable, Coroutine
from typing import Any, Final

from asyncua import Client, ua
from asyncua.common.utils import Buffer
from asyncua.ua.ua_binary import struct_from_binary, struct_to_binary

from drivers.opcua.encoded import Damaged, Refused, parameters_of
from drivers.opcua.notifications import Message, published, republished
from drivers.opcua.wire import Request, Wire

_log = logging.getLogger(__name__)
WAITING: Final = 3
"""Publish requests kept at the server: one being answered, one to come at once, one for a network that is slow."""
REPUBLISHED_AT_MOST: Final = 20
HELD_AT_MOST: Final = 100
REPUBLISH_DEADLINE_S: Final = 1.0
_PUBLISHED: Final = int(ua.ObjectIds.PublishResponse_Encoding_DefaultBinary)
_REPUBLISHED: Final = int(ua.ObjectIds.RepublishResponse_Encoding_DefaultBinary)
_COUNT: Final = struct.Struct("<I")
_ACKNOWLEDGED: Final = struct.Struct("<II")
_LARGEST: Final = 0xFFFFFFFF

Taken = Callable[[Message], None]
Missed = Callable[[int], None]


class _Stream:
    """The messages of one subscription. expected: the number of the next; held: what came behind one that is missing; heard_s:
    when anything came, also a keep-alive, by the monotonic clock."""

    def __init__(self, taken: Taken, missed: Missed) -> None:
        self.taken, self.missed = taken, missed
        self.expected: int | None = None
        self.held: list[Message] = []
        self.recovery: asyncio.Task[None] | None = None
        self.heard_s = time.monotonic()


class Publisher:
    """lost: told in a plain sentence why nothing comes any more."""

    def __init__(self, client: Client, lost: Callable[[str], None]) -> None:
        self._wire, self._session, self._lost = Wire.of(client), client.uaclient.session, lost
        self._streams: dict[int, _Stream] = {}
        self._waiting, self._wanted = 0, WAITING
        self._acknowledge: list[tuple[int, int]] = []
        self._closed = False
        self._turn: asyncio.Task[None] | None = None
        token = self._wire.authentication_token
        request = ua.PublishRequest()
        request.RequestHeader.AuthenticationToken = token
        self._token = token
        self._request = struct_to_binary(request)[: -_COUNT.size]  # its last field says: no acknowledgements
        # Instead of asyncua's own loop, which would take our messages and drop them.
        vars(self._session)["ensure_publish_loop"] = self.begin

    @property
    def silent_s(self) -> float:
        """How long the quietest of the subscriptions has said nothing, not even that it lives."""
        return time.monotonic() - min((stream.heard_s for stream in self._streams.values()), default=time.monotonic())

    def hear(self, subscription: int, taken: Taken, missed: Missed) -> None:
        """From now on `taken` gets the messages of `subscription`, in order; keep-alives are kept from it. `missed` is told how
        many messages could not be had, before it gets those behind them."""
        self._streams[subscription] = _Stream(taken, missed)
        self.begin()

    def begin(self) -> None:
        """Sends as many publish requests as are to wait."""
        while not self._closed and self._waiting < self._wanted and self._wire.transport is not None:
            acknowledged, self._acknowledge = self._acknowledge, []
            parts = [_COUNT.pack(len(acknowledged)), *(_ACKNOWLEDGED.pack(*one) for one in acknowledged)]
            _, answer = self._wire.send(Request(self._request + b"".join(parts), self._token))
            self._waiting += 1
            answer.add_done_callback(self._answered)

    def close(self) -> None:
        """Nothing is sent or told any more; the session is the caller's to close."""
        self._closed = True
        for stream in self._streams.values():
            if stream.recovery is not None:
                stream.recovery.cancel()
        if self._turn is not None:
            self._turn.cancel()

    def _answered(self, answer: asyncio.Future[bytes]) -> None:
        self._waiting -= 1
        error = None if answer.cancelled() else answer.exception()
        if answer.cancelled() or self._closed:
            return
        if error is not None:
            self._lost(f"the subscription's connection broke: {error}")
            return
        body = answer.result()
        try:
            message = published(body, parameters_of(body, _PUBLISHED))
        except Refused as fault:
            self._refused(fault.code)
            return
        except Damaged as damage:
            self._lost(f"what the subscription told is damaged: {damage}")
            return
        if not message.keeps_alive:
            self._acknowledge.append((message.subscription, message.sequence))
        self.begin()
        stream = self._streams.get(message.subscription)
        if stream is None:
            self._theirs(message.subscription, body)
        else:
            self._ordered(stream, message)

    # ---- order

    def _ordered(self, stream: _Stream, message: Message) -> None:
        """Gives the message on if it is the next; holds it back while one before it is missing; drops one that came already."""
        stream.heard_s = time.monotonic()
        if stream.recovery is not None:
            stream.held.append(message)
            if len(stream.held) > HELD_AT_MOST:
                self._lost(f"{HELD_AT_MOST} messages came while one before them was missing")
            return
        expected = message.sequence if stream.expected is None else stream.expected
        ahead = _distance(expected, message.sequence)
        if 0 < ahead <= _LARGEST // 2:
            stream.held.append(message)
            stream.recovery = asyncio.get_running_loop().create_task(self._recover(stream, message.subscription, ahead))
        elif ahead == 0:
            self._give(stream, message)

    def _give(self, stream: _Stream, message: Message) -> None:
        if message.keeps_alive:
            stream.expected = message.sequence
            return
        stream.expected = _after(message.sequence)
        stream.taken(message)

    async def _recover(self, stream: _Stream, subscription: int, missing: int) -> None:
        """Asks for the missing messages again, then goes on with those that waited behind them."""
        found: list[Message] = []
        number = stream.expected or 1
        try:
            async with asyncio.timeout(REPUBLISH_DEADLINE_S):
                for _ in range(min(missing, REPUBLISHED_AT_MOST)):
                    message = await self._again(subscription, number)
                    if message is not None:
                        found.append(message)
                    number = _after(number)
        except (TimeoutError, OSError, ua.UaError) as error:
            _log.info("republishing ended: %s", error)
        stream.recovery, stream.expected = None, None
        held, stream.held = stream.held, []
        if missing > len(found):
            stream.missed(missing - len(found))
        for message in found:
            self._give(stream, message)
        stream.expected = held[0].sequence
        for message in held:
            self._ordered(stream, message)

    async def _again(self, subscription: int, number: int) -> Message | None:
        """The message of that number; None where the server has it no more."""
        request = ua.RepublishRequest()
        request.RequestHeader.AuthenticationToken = self._token
        request.Parameters.SubscriptionId = ua.IntegerId(subscription)
        request.Parameters.RetransmitSequenceNumber = ua.Counter(number)
        body = await self._wire.ask(Request(struct_to_binary(request), self._token))
        try:
            found = republished(body, parameters_of(body, _REPUBLISHED), subscription)
        except (Damaged, Refused):
            return None
        return found if found.sequence == number else None  # asyncua's server gives an empty one instead of an error

    # ---- what is not ours

    def _theirs(self, subscription: int, body: bytes) -> None:
        """A message of one of asyncua's own subscriptions (events), for its decoder."""
        callback = self._session._subscription_callbacks.get(subscription)
        if callback is None:
            return
        try:
            given: Any = callback(struct_from_binary(ua.PublishResponse, Buffer(body)).Parameters)
        except Exception as error:  # noqa: BLE001 - asyncua lets out whatever goes wrong within it
            self._lost(f"what the subscription told is damaged ({type(error).__name__}: {error})")
            return
        if asyncio.iscoroutine(given):
            self._turn = asyncio.get_running_loop().create_task(_in_turn(self._turn, given))

    def _refused(self, code: int) -> None:
        """Too many requests, or one that waited too long, are no loss; anything else ends the publishing."""
        match code:
            case ua.StatusCodes.BadTooManyPublishRequests:
                self._wanted = max(1, self._waiting)
            case ua.StatusCodes.BadTimeout | ua.StatusCodes.BadRequestTimeout:
                self.begin()
            case ua.StatusCodes.BadNoSubscription if not self._streams:
                pass
            case _:
                self._lost(f"the server ended the subscription: {type(ua.UaStatusCodeError(code)).__name__}")


async def _in_turn(before: asyncio.Task[None] | None, given: Coroutine[Any, Any, None]) -> None:
    """asyncua's callbacks may wait for the server; the next message of theirs waits for them."""
    try:
        if before is not None:
            await asyncio.wait((before,))
        await given
    except (ua.UaError, OSError, TimeoutError) as error:
        _log.info("a subscription's callback failed: %s", error)
    finally:
        given.close()


def _after(number: int) -> int:
    """Sequence numbers skip 0 when they wrap (Part 4, 7.26)."""
    return 1 if number == _LARGEST else number + 1


def _distance(expected: int, number: int) -> int:
    """How many messages lie between the one expected and this; beyond half of all numbers it came before."""
    return (number - expected) % _LARGEST
