"""The Modbus driver against a peer that misbehaves on the wire: nothing is taken that was not answered, nothing hangs."""

import asyncio
import time

import numpy as np
import pytest

from drivers.deadline import Deadlines
from drivers.device import SCAN_DEADLINE_S
from drivers.fleet import Fleet
from drivers.modbus.device import ModbusDevice
from drivers.profile import Profile
from drivers.quality import BAD_CONFIGURATION_ERROR, BAD_TIMEOUT, GOOD
from tests.drivers.modbus_peer import Asked, peer
from tests.drivers.words import Words, played
from tests.foreign.driven import all_bad, driven, good, modbus_profile, qualities, scanned, values

ONE = modbus_profile({"level": {"table": "input", "address": 3}})


async def test_a_reply_that_comes_late_is_never_taken_for_another() -> None:
    late: list[Asked] = []

    async def answer(asked: Asked) -> None:
        if late:
            asked.send(late[0].registers(111))  # only now, just before the right one
            asked.send(asked.registers(222))
        else:
            late.append(asked)

    async with peer(answer) as at, driven(ONE, at.url()) as device:
        scan = await scanned(device, lambda scan: bool(late) and scan.failure is not None)
        assert all_bad(scan)
        assert set(qualities(scan).values()) == {BAD_TIMEOUT}
        assert "does not answer in time" in str(scan.failure)
        assert values(await good(device)) == {"level": 222}
        assert at.connections == 1, "one reply lost is no reason to connect anew"


async def test_replies_cut_into_bytes_are_whole_again() -> None:
    async def answer(asked: Asked) -> None:
        for byte in asked.registers(333):
            asked.send(bytes((byte,)))
            await asked.by.drain()
            await asyncio.sleep(0)

    async with peer(answer) as at, driven(ONE, at.url()) as device:
        assert values(await good(device)) == {"level": 333}


@pytest.mark.parametrize(
    ("pdu", "said"),
    [("04 04 0001 0002", "4 instead of 2 bytes"), ("03 02 0001", "function 3 instead of 4"), ("84 06", "busy")],
)
async def test_a_reply_that_does_not_fit_is_refused_and_the_connection_kept(pdu: str, said: str) -> None:
    fits: list[bool] = []

    async def answer(asked: Asked) -> None:
        asked.send(asked.registers(444) if fits else asked.reply(bytes.fromhex(pdu)))

    async with peer(answer) as at, driven(ONE, at.url()) as device:
        scan = await scanned(device, lambda scan: said in str(scan.failure))
        assert all_bad(scan)
        fits.append(True)
        assert values(await good(device)) == {"level": 444}
        assert at.connections == 1


async def test_what_is_no_modbus_ends_the_connection_with_a_sentence() -> None:
    async def answer(asked: Asked) -> None:
        asked.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async with peer(answer) as at, driven(ONE, at.url()) as device:
        scan = await scanned(device, lambda scan: "no Modbus" in str(scan.failure))
        assert all_bad(scan)
        assert "another service's port" in str(scan.failure)


async def test_a_connection_reset_once_costs_no_reading() -> None:
    resets: list[bool] = []

    async def answer(asked: Asked) -> None:
        if resets:
            resets.pop()
            asked.reset()
        else:
            asked.send(asked.registers(555))

    async with peer(answer) as at, driven(ONE, at.url()) as device:
        await good(device)
        resets.append(True)
        assert values(await device.scan(0)) == {"level": 555}
        assert at.connections == 2


async def test_a_device_that_closes_after_each_answer_is_read_whole() -> None:
    both = modbus_profile({"level": {"table": "input", "address": 3}, "speed": {"table": "input", "address": 40}})

    async def answer(asked: Asked) -> None:
        asked.send(asked.registers(asked.pdu[2]))
        asked.by.close()

    async with peer(answer) as at:
        async with driven(both, at.url()) as device:
            await good(device)
            for _ in range(3):
                scan = await device.scan(0)
                assert (values(scan), scan.failure) == ({"level": 3, "speed": 40}, None)
        assert await _made(both, at.url()).probe() == ()
        await at.closed.wait()


async def test_a_device_that_resets_every_connection_is_not_stormed() -> None:
    async def answer(asked: Asked) -> None:
        asked.reset()

    fleet = Fleet()
    async with peer(answer) as at, driven(ONE, at.url(), fleet) as device:
        began_s = time.monotonic()
        scan = await scanned(device, lambda scan: time.monotonic() - began_s > 1.5)
        assert all_bad(scan)
        assert "closes every connection unanswered; another master may hold" in str(scan.failure)
        assert 1 < fleet.connects == at.connections <= 5


async def test_a_refused_block_is_bad_alone_and_told() -> None:
    profile = modbus_profile(
        {
            "level": {"table": "input", "address": 3},
            "speed": {"table": "input", "address": 40},
            "label": {"table": "input", "address": 41, "type": "text", "length": 2},
        }
    )
    words = Words({"input": {3: 7}})
    async with played(profile, words) as device:
        scan = await scanned(device, lambda scan: scan.failure is None)
        (frame,) = scan.frames
        assert frame.values[0] == 7
        assert np.isnan(frame.values[1])
        assert frame.quality is not None
        assert frame.quality.tolist() == [GOOD, BAD_CONFIGURATION_ERROR]
        assert scan.texts == {"X.label": None}
        assert len(scan.findings) == 1
        assert "X refused to read input 40 to 42: it has no such register" in scan.findings[0]
        words.put("input", 40, [8, 0x4F4B, 0])
        scan = await device.scan(0)
        assert (scan.findings, scan.frames[0].quality, scan.texts) == ((), None, {"X.label": "OK"})
        words.tables["input"] = {}
        assert "refused to read input 3" in str((await device.scan(0)).failure)


# ---- proof of the word order


async def test_a_wrong_word_order_gives_a_sentence_and_never_a_number() -> None:
    profile = modbus_profile(
        {"h2o2": {"table": "holding", "address": 0, "type": "float32", "order": "ABCD"}},
        proof=[
            {"register": {"table": "holding", "address": 7937, "type": "float32", "order": "ABCD"}, "equals": -123.45}
        ],
    )
    words = Words({"holding": {0: 0x0000, 1: 0x3FC0, 7937: 0xE666, 7938: 0xC2F6}})
    async with played(profile, words) as device:
        scan = await scanned(device, lambda scan: "word order" in str(scan.failure))
        assert all_bad(scan)
        assert (scan.frames[0].quality == BAD_CONFIGURATION_ERROR).all()  # pyright: ignore[reportOptionalMemberAccess]
        assert "X does not have the word order" in str(scan.failure)
        assert "register 7938 should read -123.45 as ABCD and reads " in str(scan.failure)
        assert "it fits as CDAB" in str(scan.failure)
        assert (await device.probe())[0] == scan.failure
        words.put("holding", 0, [0x3FC0, 0x0000])  # the device's own setting is corrected
        words.put("holding", 7937, [0xC2F6, 0xE666])
        assert (await device.scan(0)).frames[0].values.tolist() == [1.5]
        reads = len(words.reads)
        await device.scan(0)
        assert len(words.reads) == reads + 1, "proved once in each connection"


# ---- writing


async def test_a_write_without_an_answer_is_not_repeated_and_told_as_uncertain() -> None:
    async def answer(asked: Asked) -> None:
        if asked.pdu[0] < 5:
            asked.send(asked.registers(1))

    profile = modbus_profile({"target": {"table": "holding", "address": 3}})
    async with peer(answer) as at, driven(profile, at.url()) as device:
        await good(device)
        with pytest.raises(Exception, match=r"D1.target was sent but is not confirmed, so it may hold or not"):
            await device.write("D1.target", 5.0)
        assert [a.pdu[0] for a in at.asked].count(6) == 1


async def test_a_bit_is_written_among_its_neighbours() -> None:
    profile = modbus_profile({"valve": {"table": "holding", "address": 3, "bit": 4, "width": 2}})
    words = Words({"holding": {3: 0xA50F}})
    async with played(profile, words) as device:
        await scanned(device, lambda scan: scan.failure is None)
        assert await device.write("X.valve", 2.0) == 2.0
        assert words.tables["holding"][3] == 0xA52F
        with pytest.raises(Exception, match="does not fit"):
            await device.write("X.valve", 4.0)


async def test_a_bit_is_masked_where_the_device_can() -> None:
    held = [0xA50F]

    async def answer(asked: Asked) -> None:
        if asked.pdu[0] == 22:
            keep, bits = int.from_bytes(asked.pdu[3:5], "big"), int.from_bytes(asked.pdu[5:7], "big")
            held[0] = held[0] & keep | bits & ~keep
            asked.send(asked.reply(asked.pdu))
        else:
            asked.send(asked.registers(held[0]))

    profile = modbus_profile({"valve": {"table": "holding", "address": 3, "bit": 4}}, server={"mask_write": True})
    async with peer(answer) as at, driven(profile, at.url()) as device:
        await good(device)
        assert await device.write("D1.valve", 1.0) == 1.0
        assert held == [0xA51F]
        assert {a.pdu[0] for a in at.asked} == {3, 22}


async def test_what_the_device_holds_otherwise_is_told_as_it_is() -> None:
    words = Words({"holding": {3: 1}})

    def limited(_table: object, _address: int, _values: list[int]) -> None:
        words.tables["holding"][3] = min(words.tables["holding"][3], 50)

    words.written = limited
    async with played(modbus_profile({"target": {"table": "holding", "address": 3}}), words) as device:
        await scanned(device, lambda scan: scan.failure is None)
        assert await device.write("X.target", 80.0) == 50.0


async def test_nothing_is_written_without_a_connection() -> None:
    async with driven(ONE, "modbus://127.0.0.1:9/1") as device:
        with pytest.raises(Exception, match=r"D1\.level was not written: D1 at 127\.0\.0\.1:9"):
            await device.write("D1.level", 1.0)


# ---- probing and deadlines


async def test_a_probe_says_what_is_wrong_and_leaves_no_connection() -> None:
    async def answer(asked: Asked) -> None:
        asked.send(asked.registers(900) if asked.pdu[2] == 3 else asked.reply(b"\x84\x02"))

    both = modbus_profile({"level": {"table": "input", "address": 3}, "speed": {"table": "input", "address": 40}})
    async with peer(answer) as at:
        async with asyncio.timeout(3):
            found = await _made(both, at.url()).probe()
            assert "D1 refused to read input 40" in found[0]
            assert await _made(ONE, at.url()).probe() == ()
            await at.closed.wait()
    assert "cannot be reached" in (await _made(ONE, at.url()).probe())[0]


def _made(profile: Profile, url: str) -> ModbusDevice:
    return ModbusDevice("D1", profile, url, time.time_ns)


async def test_work_within_its_time_is_let_be_and_other_work_is_ended() -> None:
    deadlines = Deadlines(0.05)

    async def work(long: bool) -> bool:
        task = deadlines.begin()
        try:
            if long:
                await asyncio.Event().wait()
        except asyncio.CancelledError:
            if deadlines.end(task):
                return True
            raise
        finally:
            deadlines.end(task)
        return False

    began_s = time.monotonic()
    assert await asyncio.gather(work(False), work(True), work(False), work(True)) == [False, True, False, True]
    assert 0.04 < time.monotonic() - began_s < SCAN_DEADLINE_S
    stopped = asyncio.create_task(work(True))
    await asyncio.sleep(0)
    stopped.cancel()
    with pytest.raises(asyncio.CancelledError):
        await stopped
