"""The fast road beside asyncua's own: what is chunked, aborted, late, out of order, encrypted or cut off."""

import asyncio
import struct
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
from asyncua import Client, ua
from asyncua.crypto.security_policies import SecurityPolicyAes256Sha256RsaPss, SecurityPolicyBasic256Sha256
from asyncua.ua import uaerrors

from drivers.opcua.reads import BulkRead
from drivers.opcua.wire import Wire
from tests.drivers.tampering import READ, Tampering, chunk_of, service
from tests.drivers.test_subscriptions import until
from tests.foreign import certificates, servers
from tests.system.demo import free_port

VALUES = [1.5, 2.5, 3.5, 4.5, 5.5]
NODES = [f"Many.{n}" for n in range(1, 6)]


@asynccontextmanager
async def line(server: servers.Server) -> AsyncGenerator[tuple[Tampering, Client, BulkRead]]:
    """A client on the fast road, a line that can be tampered with, a server that is not ours."""
    port = free_port()
    async with Tampering(port, urlsplit(server.url).port or 0).running() as tampering:
        client = Client(f"opc.tcp://127.0.0.1:{port}/", timeout=4)
        Wire.under(client)
        async with client:
            index = await client.get_namespace_index(servers.NAMESPACE)
            yield tampering, client, BulkRead(client, [ua.NodeId(name, index) for name in NODES], 1.0)


def reads(changed: Callable[[bytes], Iterable[bytes]]) -> Callable[[bytes], Iterable[bytes]]:
    """Only answers to reads are changed."""
    return lambda chunk: changed(chunk) if service(chunk) == READ else (chunk,)


async def values(client: Client, read: BulkRead) -> list[float]:
    async with asyncio.timeout(2.0):
        return (await read.read(client)).values.tolist()


async def test_an_answer_in_several_chunks_is_put_together(open62541: servers.Server) -> None:
    async with line(open62541) as (tampering, client, read):
        later = 0

        def split(chunk: bytes) -> list[bytes]:
            """Into three; what follows on the channel is numbered on."""
            nonlocal later
            if service(chunk) != READ:
                return [renumbered(chunk, later)]
            body, before = chunk[24:], later
            later += 2
            parts = ((b"C", body[:7]), (b"C", body[7:50]), (b"F", body[50:]))
            return [chunk_of(chunk, final, part, before + n) for n, (final, part) in enumerate(parts)]

        tampering.answered = split
        assert await values(client, read) == VALUES
        assert await values(client, read) == VALUES
        assert await client.get_namespace_index(servers.NAMESPACE) > 0  # asyncua's own requests go on, chunked as well


def renumbered(chunk: bytes, later: int) -> bytes:
    sequence = struct.unpack_from("<I", chunk, 16)[0]
    return chunk[:16] + struct.pack("<I", sequence + later) + chunk[20:]


async def test_bytes_that_come_one_by_one_are_a_message_all_the_same(open62541: servers.Server) -> None:
    async with line(open62541) as (tampering, client, read):
        protocol = Wire.of(client)
        whole: list[bytes] = []
        tampering.answered = reads(lambda chunk: whole.append(chunk) or ())
        asking = asyncio.create_task(values(client, read))
        await until(lambda: bool(whole))
        for n in range(len(whole[0])):
            protocol.data_received(whole[0][n : n + 1])
        assert await asking == VALUES


async def test_an_aborted_answer_is_an_error_of_its_request_alone(open62541: servers.Server) -> None:
    async with line(open62541) as (tampering, client, read):
        error = struct.pack("<Ii", ua.StatusCodes.BadResponseTooLarge, -1)
        tampering.answered = reads(lambda chunk: [chunk_of(chunk, b"A", error)])
        with pytest.raises(uaerrors.BadResponseTooLarge):
            await values(client, read)
        tampering.answered = lambda chunk: (chunk,)
        assert await values(client, read) == VALUES
        assert tampering.connections == 1


async def test_a_late_answer_is_dropped_and_never_taken_for_the_next(open62541: servers.Server) -> None:
    async with line(open62541) as (tampering, client, read):
        wire = Wire.of(client)
        held: list[bytes] = []
        tampering.answered = reads(lambda chunk: held.append(chunk) or ())
        for _ in range(2):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await read.read(client)
        assert wire._asked == {}  # pyright: ignore[reportPrivateUsage] - nothing is kept of what was given up
        await until(lambda: len(held) == 2)
        old = [chunk.replace(struct.pack("<d", 3.5), struct.pack("<d", 99.0)) for chunk in held]
        tampering.answered = reads(lambda chunk: [*old, chunk])
        assert await values(client, read) == VALUES
        assert wire.late == 2
        tampering.answered = lambda chunk: (chunk,)
        _, given_up = wire.send(read._request)  # pyright: ignore[reportPrivateUsage]
        given_up.cancel()  # and its answer comes before anybody has noticed
        assert await values(client, read) == VALUES
        assert wire.late == 3 and tampering.connections == 1


@pytest.mark.parametrize(
    "broken",
    [
        lambda chunk: [renumbered(chunk, 1)],  # one is missing
        lambda chunk: [chunk, chunk],  # one came twice
        lambda chunk: [chunk[:8] + struct.pack("<I", 77) + chunk[12:]],  # of another channel
        lambda chunk: [chunk[:12] + struct.pack("<I", 77) + chunk[16:]],  # with another token
        lambda chunk: [chunk[:4] + struct.pack("<I", 3) + chunk[8:]],  # of no size
        lambda chunk: [chunk[:4] + struct.pack("<I", 0x7FFFFFFF) + chunk[8:]],  # of a size nobody can have
        lambda chunk: [chunk_of(chunk, b"C", b"x"), chunk_of(chunk[:20] + bytes(4), b"F", b"y", 1)],  # mixed with another
        lambda chunk: [b"XYZF" + chunk[4:]],  # no message
    ],
)  # fmt: skip
async def test_a_server_that_breaks_the_protocol_is_left(
    open62541: servers.Server, broken: Callable[[bytes], list[bytes]]
) -> None:
    async with line(open62541) as (tampering, client, read):
        tampering.answered = reads(broken)
        with pytest.raises((ConnectionError, ua.UaError, TimeoutError)):
            await values(client, read)
            await values(client, read)
        await until(lambda: client.uaclient.protocol is None or client.uaclient.protocol.transport is None)
        with pytest.raises(ConnectionError):
            await read.read(client)


async def test_a_connection_that_is_cut_ends_the_wait_at_once(open62541: servers.Server) -> None:
    async with line(open62541) as (tampering, client, read):
        tampering.answered = reads(lambda chunk: tampering.client.transport.abort() or ())  # pyright: ignore[reportOptionalMemberAccess]
        with pytest.raises(ConnectionError):
            await values(client, read)


async def test_a_refused_request_is_its_own_error(open62541: servers.Server) -> None:
    async with line(open62541) as (_, client, read):
        await client.uaclient.close_session(True)
        with pytest.raises(ua.UaStatusCodeError):
            await values(client, read)


@pytest.mark.parametrize(
    ("policy", "mode"),
    [
        (SecurityPolicyBasic256Sha256, ua.MessageSecurityMode.Sign),
        (SecurityPolicyAes256Sha256RsaPss, ua.MessageSecurityMode.SignAndEncrypt),
    ],
)
async def test_secured_answers_are_opened_and_judged(
    policy: type[SecurityPolicyBasic256Sha256], mode: ua.MessageSecurityMode, tmp_path: Path
) -> None:
    """Of node-opcua: in several chunks, before and after its keys are renewed; a forged one ends the connection."""
    pair = certificates.made(tmp_path, "client", "urn:client")
    with servers.node_opcua(tmp_path, trustAll=True, many=6000) as server:
        client = Client(server.url, timeout=4)
        Wire.under(client)
        client.application_uri = "urn:client"
        told = Path(server.told["certificate"])
        await client.set_security(policy, str(pair.certificate), str(pair.key), server_certificate=str(told), mode=mode)
        async with client:
            index = await client.get_namespace_index(servers.NAMESPACE)
            read = BulkRead(client, [ua.NodeId(f"Many.{n}", index) for n in range(1, 6001)], 4.0)
            wire, opened = Wire.of(client), 0
            for _ in range(3):
                items = await read.read(client)
                assert np.array_equal(items.values, np.arange(6000) + 1.5)
                await client.open_secure_channel(renew=True)
                opened += 1
            assert opened == 3
            received = wire.data_received

            def forged(data: bytes) -> None:
                received(data[:-20] + bytes([data[-20] ^ 1]) + data[-19:])

            assert wire.transport is not None
            answer = asyncio.create_task(read.read(client))
            wire.transport.pause_reading()
            wire.transport.set_protocol(_Through(forged, wire))
            wire.transport.resume_reading()
            with pytest.raises((ConnectionError, ua.UaError)):
                async with asyncio.timeout(4.0):
                    await answer


class _Through(asyncio.Protocol):
    """Passes on to a protocol what it receives, changed."""

    def __init__(self, changed: Callable[[bytes], None], to: asyncio.Protocol) -> None:
        self.data_received = changed
        self.connection_lost = to.connection_lost
