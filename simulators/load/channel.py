"""OPC UA's transport without security: hello, secure channel of policy None, requests in chunks, answers in chunks.

(OPC UA Part 6, 6.7 and 7.1.) asyncua's own server copies a message some five times and decodes three headers into objects, for
250 us a request. Here a request that was seen before is known by its bytes, and its answer is a header and bytes that lie ready.
"""

import asyncio
import struct
from abc import abstractmethod
from datetime import UTC, datetime
from itertools import count
from typing import Any, Final, cast

from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.ua.ua_binary import struct_from_binary, struct_to_binary, uatcp_to_binary

CHUNK_HEAD: Final = struct.Struct("<4sI8sII")
"""Type and finality, size, channel and token, sequence number, request."""
_SIZE: Final = struct.Struct("<I")
_SEQUENCE: Final = struct.Struct("<II")
_LENGTH: Final = struct.Struct("<i")
_POLICY: Final = b"http://opcfoundation.org/UA/SecurityPolicy#None"
_NO_CERTIFICATES: Final = _LENGTH.pack(len(_POLICY)) + _POLICY + _LENGTH.pack(-1) * 2
_LARGEST_CHUNK: Final = 65_535
_LARGEST_MESSAGE: Final = 16 << 20
_LAST_SEQUENCE: Final = 4_294_966_271
_LIFETIME_MS: Final = 3_600_000
_ERROR: Final[Any] = ua.MessageType.Error
_ACKNOWLEDGE: Final[Any] = ua.MessageType.Acknowledge
_channels = count(1)


class Channel(asyncio.Protocol):
    """One client's connection. Requests reach `request`; `known` may answer a whole one from its bytes before that."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._rest = b""
        self._parts: list[bytes] = []
        self._parts_size = 0
        self._largest_out = _LARGEST_CHUNK
        self._sequence = 0
        self._channel = next(_channels)
        self._token = 0
        self.security = b"\0" * 8
        """Channel and token as the client last named them."""

    @abstractmethod
    def known(self, chunk: bytes) -> bool:
        """Answers the request in `chunk`, a whole message, if it was seen before."""

    @abstractmethod
    def request(self, number: int, body: bytes) -> None:
        """Answers the request `number`, whose encoding is `body`."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None

    def data_received(self, data: bytes) -> None:
        if self._rest:
            data = self._rest + data
        at = 0
        try:
            while len(data) - at >= 8:
                size = _SIZE.unpack_from(data, at + 4)[0]
                if not 8 <= size <= _LARGEST_CHUNK:
                    raise ua.uaerrors.BadTcpMessageTooLarge
                if len(data) - at < size:
                    break
                chunk = data[at : at + size]
                at += size
                if chunk[:4] != b"MSGF" or self._parts or not self.known(chunk):
                    self._chunk(chunk)
        except Exception as error:  # noqa: BLE001 - asyncua's decoders let out whatever damaged bytes lead them to
            self._refuse(error)
        self._rest = data[at:]

    def _refuse(self, error: Exception) -> None:
        """What is no OPC UA, or not for us, is told so and the connection ends."""
        code = error.code if isinstance(error, ua.UaStatusCodeError) else ua.StatusCodes.BadTcpMessageTypeInvalid
        self._write(uatcp_to_binary(_ERROR, ua.ErrorMessage(ua.StatusCode(ua.UInt32(code)), ua.String(""))))
        self.end()

    def _chunk(self, chunk: bytes) -> None:
        match chunk[:3]:
            case b"HEL":
                self._hello(chunk)
            case b"OPN":
                self._open(chunk)
            case b"CLO":
                self.end()
            case b"MSG":
                self._message(chunk)
            case _:
                raise ua.uaerrors.BadTcpMessageTypeInvalid

    def _hello(self, chunk: bytes) -> None:
        hello: Any = struct_from_binary(ua.Hello, Buffer(chunk[8:]))
        if hello.ReceiveBufferSize:
            self._largest_out = max(8_192, min(hello.ReceiveBufferSize, _LARGEST_CHUNK))
        sizes: Any = (_LARGEST_CHUNK, self._largest_out, _LARGEST_MESSAGE, 0)
        self._write(uatcp_to_binary(_ACKNOWLEDGE, ua.Acknowledge(ua.UInt32(0), *sizes)))

    def _open(self, chunk: bytes) -> None:
        at, texts = 12, list[bytes]()
        for _ in range(3):
            length = max(0, _LENGTH.unpack_from(chunk, at)[0])
            texts.append(chunk[at + 4 : at + 4 + length])
            at += 4 + length
        if texts[0] != _POLICY:
            raise ua.uaerrors.BadSecurityPolicyRejected
        number = _SEQUENCE.unpack_from(chunk, at)[1]
        asked: Any = struct_from_binary(ua.OpenSecureChannelRequest, Buffer(chunk[at + 8 :]))
        self._token += 1
        response: Any = ua.OpenSecureChannelResponse()
        response.ResponseHeader.RequestHandle = asked.RequestHeader.RequestHandle
        token = response.Parameters.SecurityToken
        token.ChannelId, token.TokenId, token.CreatedAt = self._channel, self._token, datetime.now(UTC)
        token.RevisedLifetime = min(asked.Parameters.RequestedLifetime or _LIFETIME_MS, _LIFETIME_MS)
        response.Parameters.ServerNonce = None
        body = _NO_CERTIFICATES + _SEQUENCE.pack(self._next(), number) + struct_to_binary(response)
        self._write(b"OPNF" + _SIZE.pack(12 + len(body)) + _SIZE.pack(self._channel) + body)

    def _message(self, chunk: bytes) -> None:
        kind, _, self.security, _, number = CHUNK_HEAD.unpack_from(chunk)
        if kind == b"MSGA":
            self._parts.clear()
            return
        self._parts.append(chunk[CHUNK_HEAD.size :])
        self._parts_size += len(chunk)
        if self._parts_size > _LARGEST_MESSAGE:
            raise ua.uaerrors.BadTcpMessageTooLarge
        if kind == b"MSGF":
            body = b"".join(self._parts)
            self._parts.clear()
            self._parts_size = 0
            self.request(number, body)

    def _next(self) -> int:
        self._sequence = 1 if self._sequence >= _LAST_SEQUENCE else self._sequence + 1
        return self._sequence

    def send(self, number: int, body: bytes) -> None:
        """The encoded answer `body` to request `number`, in as many chunks as the client's buffer asks."""
        room = self._largest_out - CHUNK_HEAD.size
        if len(body) <= room:
            self._write(
                CHUNK_HEAD.pack(b"MSGF", CHUNK_HEAD.size + len(body), self.security, self._next(), number) + body
            )
            return
        made: list[bytes] = []
        for at in range(0, len(body), room):
            part = body[at : at + room]
            kind = b"MSGC" if at + room < len(body) else b"MSGF"
            made += (CHUNK_HEAD.pack(kind, CHUNK_HEAD.size + len(part), self.security, self._next(), number), part)
        self._write(b"".join(made))

    def _write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)

    def end(self) -> None:
        if self._transport is not None:
            self._transport.close()
