"""OPC UA servers that do otherwise than asked: other types, fewer operations, no subscriptions, slower samples, answers that claim
to hold more than any memory. The device says so; nothing is called Good that is not, and nothing else on the loop waits."""

import asyncio
import struct
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from asyncua import Server, ua
from asyncua.common.utils import Buffer
from asyncua.server.internal_session import InternalSession
from asyncua.ua.ua_binary import struct_from_binary, struct_to_binary, variant_from_binary

from drivers.opcua.bounded import MOST, bound
from drivers.opcua.encoded import parameters_of
from drivers.profile import Profile
from drivers.quality import BAD_TYPE_MISMATCH
from tests.drivers.tampering import READ, Tampering, chunk_of, service
from tests.drivers.test_subscriptions import URI, driven, good, profile, until
from tests.foreign import servers
from tests.foreign.driven import qualities, scanned, values
from tests.system.demo import free_port


@asynccontextmanager
async def holding(port: int, nodes: dict[str, Any]) -> AsyncGenerator[None]:
    server = Server()
    await server.init()
    server.set_endpoint(f"opc.tcp://127.0.0.1:{port}/")
    server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
    index = await server.register_namespace(URI)
    for name, value in nodes.items():
        await server.nodes.objects.add_variable(ua.NodeId(name, index), name, value)
    async with server:
        yield


def with_texts(given: Profile, *names: str) -> Profile:
    texts = {name.lower(): {"name": {"en": "t", "zh": "t"}, "kind": "text", "node": f"s={name}"} for name in names}
    dumped = given.model_dump(by_alias=True, exclude_none=True)
    return Profile.model_validate({**dumped, "tags": {**dumped["tags"], **texts}})


async def test_a_text_where_a_number_should_be_is_bad_and_a_finding() -> None:
    """And a number where a text should be; asked for and watched, beside what is as it should be."""
    port = free_port()
    given = with_texts(profile(["Door", "Batch"], ["T", "Lot", "Curve"]), "Recipe", "Number")
    held = {"Door": 1.0, "Batch": "12.3", "T": 2.0, "Lot": "B", "Curve": [1.0, 2.0], "Recipe": "R", "Number": 3.0}
    async with holding(port, held), driven(port, given) as (device, told):
        scan = await scanned(device, lambda scan: scan.failure is None and bool(told))
        assert scan.texts == {"D1.recipe": "R", "D1.number": None}
        wrong = {"batch": BAD_TYPE_MISMATCH, "lot": BAD_TYPE_MISMATCH, "curve": BAD_TYPE_MISMATCH}
        assert {tag: code for tag, code in qualities(scan).items() if code} == wrong
        assert {tag for tag, value in values(scan).items() if np.isnan(value)} == set(wrong)
        assert qualities(told[-1])["batch"] == BAD_TYPE_MISMATCH
        (finding,) = scan.findings
        assert "4 more" in finding or all(name in finding for name in ("lot", "curve", "number"))
        assert "BadTypeMismatch" in finding


@pytest.mark.parametrize("fault", ["BadServiceUnsupported", "BadTooManySubscriptions"])
async def test_a_server_that_watches_nothing_is_asked_instead(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def refused(*_: Any, **__: Any) -> None:
        raise getattr(ua.uaerrors, fault)

    monkeypatch.setattr(InternalSession, "create_subscription", refused)
    port = free_port()
    held = {"Door": 1.0, "Trip": "x", "T": 2.0, "Recipe": "R"}
    given = with_texts(profile(["Door", "Trip"], ["T"]), "Recipe")
    async with holding(port, held), driven(port, given) as (device, _):
        scan = await scanned(device, lambda scan: scan.failure is None)
        assert values(scan)["door"] == 1.0 and values(scan)["t"] == 2.0 and scan.texts == {"D1.recipe": "R"}
        assert {tag: code for tag, code in qualities(scan).items() if code} == {"trip": BAD_TYPE_MISMATCH}
        assert fault in scan.findings[0] and "D1.door" in scan.findings[0] and "once a second" in scan.findings[0]


def many(count: int, sampling_ms: int) -> Profile:
    given = profile([f"Many.{n}" for n in range(1, count + 1)], ["Double"], sampling_ms)
    return given.model_copy(update={"namespace": servers.NAMESPACE})


async def test_more_is_watched_than_the_server_takes_in_a_request(tmp_path: Path) -> None:
    with servers.node_opcua(tmp_path, many=30, limits={"maxMonitoredItemsPerCall": 10}) as server:
        async with driven(server.url, many(25, 100)) as (device, _):
            scan = await scanned(device, good)
            assert [values(scan)[f"many.{n}"] for n in range(1, 26)] == [n + 0.5 for n in range(1, 26)]
            assert not scan.findings


async def test_a_server_that_samples_more_slowly_than_asked_is_a_finding_that_stands(tmp_path: Path) -> None:
    with servers.node_opcua(tmp_path, many=3) as server:
        async with driven(server.url, many(1, 10)) as (device, _):
            scan = await scanned(device, good)
            (finding,) = scan.findings
            assert "D1.many.1: the server samples every" in finding and "instead of the 10 ms asked for" in finding
            assert (await device.scan(0)).findings == scan.findings


# ---- answers that claim to hold more than they do


def claiming(length: int) -> bytes:
    """A Variant: an array of nothing, `length` times."""
    return b"\x80" + struct.pack("<i", length)


async def test_an_answer_that_claims_forty_million_values_stops_nobody() -> None:
    inner, outer = free_port(), free_port()
    longest_s = 0.0

    async def beat() -> None:
        nonlocal longest_s
        while True:
            before_s = time.monotonic()
            await asyncio.sleep(0.01)
            longest_s = max(longest_s, time.monotonic() - before_s)

    def claimed(chunk: bytes) -> tuple[bytes]:
        if service(chunk) != READ:
            return (chunk,)
        head = chunk[24 : 24 + parameters_of(chunk[24:], READ)]
        body = head + struct.pack("<i", 1) + b"\1" + claiming(40_000_000) + struct.pack("<i", -1)
        return (chunk_of(chunk, b"F", body),)

    async with holding(inner, {"T": 1.5}), Tampering(outer, inner).running() as tampering:
        async with driven(outer, profile([], ["T"])) as (device, _):
            await scanned(device, good)
            beating = asyncio.create_task(beat())
            tampering.answered = claimed
            scan = await scanned(device, lambda scan: scan.failure is not None)
            await scanned(
                device, lambda scan: "claims" in str(scan.failure)
            )  # asyncua's own reads, at the next connect
            tampering.answered = lambda chunk: (chunk,)
            await scanned(device, good)
            beating.cancel()
        assert "damaged" in str(scan.failure) and qualities(scan)["t"] >= 0x8000
        assert longest_s < 0.5


@pytest.mark.parametrize(
    "encoded",
    [
        claiming(2),
        b"\x81" + struct.pack("<i", 1 << 30) + b"\0" * 9,
        b"\x98" + struct.pack("<i", 6) + b"\0" * 5,
        b"\xc1" + struct.pack("<i", 1) + b"\1" + struct.pack("<iii", 2, 1000, 1000),
        b"\x98" + struct.pack("<i", MOST // 10 + 1) + b"\0" * (MOST // 10 + 1),
    ],
    ids=lambda encoded: encoded[:6].hex(),
)
def test_asyncuas_decoder_is_bounded(encoded: bytes) -> None:
    with pytest.raises(ua.UaError):
        variant_from_binary(Buffer(encoded))


def test_asyncuas_decoder_is_bounded_once_and_knows_what_it_knew() -> None:
    bound()
    given = ua.Variant([[1, 2], [3, 4]], ua.VariantType.Int16)
    told = ua.ReadResponse(Results=[ua.DataValue(given), ua.DataValue(ua.Variant(["a", None]))])
    found = struct_from_binary(ua.ReadResponse, Buffer(struct_to_binary(told)))
    assert [one.Value for one in found.Results] == [one.Value for one in told.Results]
    with pytest.raises(ua.UaError):
        struct_from_binary(
            ua.BrowseResponse, Buffer(struct_to_binary(ua.BrowseResponse())[:28] + struct.pack("<i", 9) + b"\0" * 8)
        )


async def test_a_server_that_grants_four_gigabytes_is_not_believed() -> None:
    sent = 0

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        try:
            await reader.read(1000)
            writer.write(b"ACKF" + struct.pack("<IIIIII", 28, 0, 0xFFFFFFFF, 0xFFFFFFFF, 0, 0))
            await reader.read(1000)
            writer.write(b"OPNF" + struct.pack("<I", 0x7FFFFFFF))
            while True:
                writer.write(b"x" * 65536)
                await writer.drain()
                sent += 65536
        except ConnectionError:
            pass
        finally:
            writer.close()

    async with await asyncio.start_server(connected, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with driven(port, profile([], ["T"])) as (device, _):
            await until(lambda: "closed the connection" in str(device.failure))
    assert sent < 64 << 20
