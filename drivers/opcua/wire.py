# pyright: reportPrivateUsage=false
"""Wire: asyncua's connection with a fast road in it, for the messages that are sent and received by the thousand.

asyncua spends about 0.25 ms on a message before a value is looked at: views of views of the received bytes, an object for
every header, dataclasses packed field by field. On the fast road a message is the bytes of its service with 24 bytes before
them for the headers (OPC UA Part 6, 6.7.2), written in place; an answer is the bytes of its chunks behind those headers.
Channel, tokens, keys, sequence numbers and request ids remain asyncua's own, so its other services go on beside it, and
whatever was not asked here is handed to it untouched.

What was learned from profiles: with both ends of a read on one loop, a wait for an asyncio future costs 2 us, a struct 0.2 us,
a copy of 20 KB 1 us, any pass over objects a value more than all of these; so bytes are copied where that is simple.
"""

import asyncio
import logging
import struct
import time
from typing import Any, Final, cast

from asyncua import Client, ua
from asyncua.client.ua_client import UASocketProtocol
from asyncua.common.connection import SecureConnection, TransportLimits
from asyncua.crypto.security_policies import CryptographyNone
from asyncua.crypto.uacrypto import InvalidSignature
from asyncua.ua.ua_binary import nodeid_to_binary

from drivers.opcua.bounded import bound

_log = logging.getLogger(__name__)
_CHUNK: Final = struct.Struct("<3scIIIII")
"""Kind, final or not, size, channel, token; sequence number, request id."""
_HEADERS: Final = _CHUNK.size
_SECURED_FROM: Final = 16
"""Behind kind, size, channel and token begins what is signed with them and may be encrypted."""
_SEQUENCE: Final = struct.Struct("<II")
_SIZE: Final = struct.Struct("<I")
_STAMP: Final = struct.Struct("<qI")
_LAST_SEQUENCE: Final = (1 << 32) - 1
_WRAPS_FROM, _WRAPS_TO = (1 << 32) - 1024, 1024
_EPOCH_TICKS: Final = 116_444_736_000_000_000
LARGEST_ANSWER: Final = 32 << 20
"""Bytes in one answer, its chunks' headers included; more is no answer to anything that is asked here."""
LARGEST_CHUNK: Final = 1 << 20
"""Bytes in one chunk, whatever the server claims: 16 times what the hello offers it."""
MOST_CHUNKS: Final = 4096
_GENERAL_ANSWER: Final = 8 << 20
"""Bytes in an answer for asyncua's decoder, which makes objects of all of it."""

bound()


class _Limits(TransportLimits):
    """What the server grants, within what is borne here: 0 is its word for no limit."""

    def update_client_limits(self, msg: ua.Acknowledge) -> None:
        super().update_client_limits(msg)
        self.max_recv_buffer = _at_most(self.max_recv_buffer, LARGEST_CHUNK)
        self.max_send_buffer = _at_most(self.max_send_buffer, LARGEST_CHUNK)
        self.max_message_size = _at_most(self.max_message_size, _GENERAL_ANSWER)
        self.max_chunk_count = _at_most(self.max_chunk_count, MOST_CHUNKS)


def _at_most(granted: int, ours: int) -> int:
    return min(granted or ours, ours)


class Request:
    """The encoded request of one service on one session: room for the headers, then the body, whose time and handle are
    patched before each sending. body: with the request's type id."""

    def __init__(self, body: bytes, token: ua.NodeId) -> None:
        self.message = bytearray(_HEADERS) + body
        # A RequestHeader begins behind the type id (4 bytes): the session's token, then time and handle.
        self._stamp = _HEADERS + 4 + len(nodeid_to_binary(token))

    def stamp(self, handle: int) -> None:
        """The time of sending and the handle that the answer will carry."""
        _STAMP.pack_into(self.message, self._stamp, time.time_ns() // 100 + _EPOCH_TICKS, handle & 0xFFFFFFFF)


class Wire(UASocketProtocol):
    """late: answers that came when nobody waited for them any more, and were dropped."""

    late = 0

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._connection._limits = _Limits(65535, 65535, MOST_CHUNKS, _GENERAL_ANSWER)
        self._asked: dict[int, asyncio.Future[bytes]] = {}
        self._rest = bytearray()
        self._needed = 0
        self._parts: list[bytes] = []
        self._parts_of, self._size_of_parts = -1, 0

    @staticmethod
    def under(client: Client) -> None:
        """Lets `client` connect by wires from now on."""
        owner = client.uaclient

        def made() -> Wire:
            owner.protocol = wire = Wire(owner._timeout, security_policy=owner.security_policy)
            wire.pre_request_hook = owner._pre_request_hook
            wire.on_connection_lost = owner._on_transport_lost
            wire.is_session_closing = owner._is_session_closing
            return wire

        owner._make_protocol = made

    @staticmethod
    def of(client: Client) -> "Wire":
        """The wire of a connected client. Raises ConnectionError where there is none (any more)."""
        if client.uaclient.protocol is None:
            raise ConnectionError("the connection is closed")
        return cast("Wire", client.uaclient.protocol)

    # ---- sending

    async def ask(self, request: Request) -> bytes:
        """Sends `request` and gives the answer's body. An answer that comes after the wait was given up is dropped.
        Raises ConnectionError where the connection is or gets closed."""
        number, answer = self.send(request)
        try:
            return await answer
        finally:
            self._asked.pop(number, None)

    def send(self, request: Request) -> tuple[int, asyncio.Future[bytes]]:
        """Sends `request`; gives its number and the answer to come."""
        if self.transport is None:
            raise ConnectionError("the connection is closed")
        self._request_handle += 1
        request.stamp(self._request_handle)
        self.revolve_security_token()
        number = self._request_id + 1
        data = self._sealed(request.message, number)
        self._request_id = number
        answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._asked[number] = answer
        self.transport.write(data)
        return number, answer

    def _sealed(self, message: bytearray, number: int) -> bytes:
        """The message as it goes out: one chunk, written here where nothing is secured; else as asyncua makes it."""
        connection = self._connection
        size, token = len(message), connection.security_token
        if size > min(_buffers(connection)) or not _is_plain(connection):
            return connection.message_to_binary(bytes(memoryview(message)[_HEADERS:]), request_id=number)
        sequence = connection._sequence_number + 1 if connection._sequence_number < _LAST_SEQUENCE else 1
        connection._sequence_number = sequence
        _CHUNK.pack_into(message, 0, b"MSG", b"F", size, token.ChannelId, token.TokenId, sequence, number)
        return bytes(message)

    # ---- receiving

    def data_received(self, data: bytes) -> None:
        if self._rest:
            self._rest += data
            if len(self._rest) < self._needed:
                return
            data = bytes(self._rest)
            self._rest.clear()
        at, end, largest = 0, len(data), max(_buffers(self._connection))
        while end - at >= 8:
            size = _SIZE.unpack_from(data, at + 4)[0]
            if not 8 <= size <= largest:
                self._broken(ua.UaError(f"the server sent a chunk of {size} bytes; from 8 to {largest} are allowed"))
                return
            if end - at < size:
                self._needed = size
                break
            chunk = data[at : at + size]
            at += size
            try:
                if not self._taken(chunk):
                    self._process_received_data(chunk)
            except (ua.UaError, InvalidSignature, ValueError) as error:
                self._broken(error)
                return
            if self.transport is None or self.transport.is_closing():
                return
        else:
            self._needed = 8
        if at < end:
            self._rest += data[at:]

    def _taken(self, chunk: bytes) -> bool:
        """Takes a chunk that belongs to what was asked here; False: it is asyncua's. Raises ua.UaError where the server
        breaks the protocol: the connection cannot be trusted any more."""
        if chunk[:3] != b"MSG" or len(chunk) < _HEADERS:
            return False
        connection = self._connection
        _, final, _, channel, token, sequence, number = _CHUNK.unpack_from(chunk)
        if token != connection.security_token.TokenId:
            connection._check_sym_header(ua.SymmetricAlgorithmHeader(TokenId=token))
        begin = _HEADERS
        if not _is_plain(connection):
            chunk, begin = _opened(connection, chunk), _SEQUENCE.size
            sequence, number = _SEQUENCE.unpack_from(chunk)
        if number in self._callbackmap or number > self._request_id:
            return False
        if channel != connection.security_token.ChannelId:
            raise ua.UaError(f"the server answered on channel {channel}, not {connection.security_token.ChannelId}")
        self._in_sequence(sequence)
        if self._parts_of not in (-1, number) or connection._incoming_parts:
            raise ua.UaError(f"the server mixed the chunks of answer {number} with those of another")
        self._parts.append(chunk[begin:])
        self._parts_of = number
        self._size_of_parts += _HEADERS + len(chunk)
        if final == b"C":
            if self._size_of_parts > LARGEST_ANSWER:
                raise ua.UaError(f"the server's answer is larger than {LARGEST_ANSWER} bytes")
            return True
        parts, self._parts, self._parts_of, self._size_of_parts = self._parts, [], -1, 0
        answer = self._asked.pop(number, None)
        if answer is None or answer.done():
            self.late += 1
        elif final == b"F":
            answer.set_result(parts[0] if len(parts) == 1 else b"".join(parts))
        else:
            answer.set_exception(_aborted(parts[-1]))
        return True

    def _in_sequence(self, number: int) -> None:
        """Chunks are numbered without a gap (Part 6, 6.7.2.4): one that is missing or came twice breaks the channel."""
        connection = self._connection
        before = connection._peer_sequence_number
        if before is not None and number != before + 1 and not (number < _WRAPS_TO and before >= _WRAPS_FROM):
            raise ua.UaError(f"the server's chunk {number} does not follow {before}")
        connection._peer_sequence_number = number

    def _broken(self, error: Exception) -> None:
        _log.info("closing a connection: %s", error)
        self._fail_all_pending(ConnectionError(f"the server broke the protocol: {error}"))
        self.disconnect_socket()

    def _fail_all_pending(self, exc: Exception) -> None:
        super()._fail_all_pending(exc)
        asked, self._asked = self._asked, {}
        for answer in asked.values():
            if not answer.done():
                answer.set_exception(exc)


def _buffers(connection: SecureConnection) -> tuple[int, int]:
    """Largest chunks as agreed in the hello. asyncua takes the server's view of sending and receiving for ours, so where they
    differ the smaller is meant for what we send as far as we know, and up to the larger may come."""
    limits = connection._limits
    return limits.max_send_buffer, limits.max_recv_buffer


def _is_plain(connection: SecureConnection) -> bool:
    return type(connection.security_policy.symmetric_cryptography) is CryptographyNone


def _opened(connection: SecureConnection, chunk: bytes) -> bytes:
    """Sequence header and body of a chunk that is signed, or signed and encrypted. Raises InvalidSignature. The keys before
    the newest are tried too: what was under way when they changed is good (Part 4, 5.6.2)."""
    crypto: Any = connection.security_policy.symmetric_cryptography
    for previous in (False, True):
        crypto.use_prev_key = previous
        plain = crypto.decrypt(chunk[_SECURED_FROM:])
        end = len(plain) - crypto.vsignature_size()
        try:
            crypto.verify(chunk[:_SECURED_FROM] + plain[:end], plain[end:])
        except InvalidSignature:
            if previous:
                raise
            continue
        found = crypto.remove_padding(plain[:end])
        if len(found) >= _SEQUENCE.size:
            return found
    raise ua.UaError("the server sent a chunk without a sequence header")


def _aborted(body: bytes) -> ua.UaError:
    """Why the server gave an answer up (Part 6, 6.7.3): a status code and a text."""
    if len(body) < 4:
        return ua.UaError("the server aborted its answer")
    return ua.UaStatusCodeError(_SIZE.unpack_from(body)[0])
