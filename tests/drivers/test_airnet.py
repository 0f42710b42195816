"""The PMS Airnet driver: a queue that is emptied behind the journal, zeros that are no data, and 1 for good."""

import asyncio
import time
from typing import Final

import pytest

from drivers.counters.machine import RecordMachine
from drivers.device import open_device
from drivers.profile import Profile
from drivers.quality import (
    BAD_DEVICE_FAILURE,
    BAD_SENSOR_FAILURE,
)
from tests.drivers.counter_machines import START_S, Airnet, Finished, Lighthouse
from tests.drivers.counter_watch import SECOND, minutes, watched
from tests.drivers.words import Words, by_name, profile, reasons, served

FT3_PER_M3: Final = 35.3147


async def test_an_airnet_record_written_by_hand() -> None:
    # 30212 on: collecting and data available; sampling; 1 in queue; 1780000000; 6000 = 60 s; packet 7; flow 100 = 1.00 ft3/min
    # (30011: 2); volume 100000 = 1.00000 ft3 (30012: 5); location 0; channels 2; 106 and 3 particles.
    packet = [0, 0b11, 1, 1, 0x6A18, 0xA500, 0, 6000, 0, 7, 0, 100, 1, 0x86A0, 0, 2, 0, 0, 106, 0, 3]
    words = Words({"input": dict.fromkeys(range(211), 0), "holding": {2: 60}, "coil": {1: 1}})
    words.put("input", 10, [2, 5])
    words.put("input", 211, packet)
    async with watched(words, "counter-airnet") as watch:
        frame = watch.records[0]
        assert frame.time_ns == 1_780_000_000 * SECOND
        found = by_name(frame)
        assert found["record.volume"] == pytest.approx(1 / FT3_PER_M3) and found["record.sample_time"] == 60
        assert found["record.concentration_0_5um"] == pytest.approx(106 * FT3_PER_M3)
        assert found["record.count_5um"] == 3 and reasons(frame) == {}


@pytest.mark.parametrize("floats", [False, True])
async def test_an_airnets_queue_comes_out_one_by_one_and_is_dropped_behind(floats: bool) -> None:
    machine = Airnet()
    machine.floats = floats
    machine.finish(*[Finished(START_S + 60 * m, fine=m) for m in range(1, 5)])
    async with watched(machine.words, "counter-airnet") as watch:
        assert minutes(watch.records) == [1] and machine.dropped == [], "dropped only when it is in the journal"
        await watch.scan(5)
        assert minutes(watch.records) == [1, 2, 3, 4] and len(machine.dropped) == 4
        assert [frame.late for frame in watch.records] == [True, True, True, False]
        assert by_name(watch.records[1])["record.volume"] == pytest.approx(1 / FT3_PER_M3)
        assert by_name(watch.records[1])["record.sample_time"] == 60


async def test_no_data_is_not_clean_air() -> None:
    machine = Airnet()
    async with watched(machine.words, "counter-airnet") as watch:
        await watch.scan(3)
        assert watch.records == [] and machine.words.writes == []


async def test_clean_air_is_data() -> None:
    machine = Airnet()
    machine.finish(Finished(START_S, fine=0, coarse=0))
    async with watched(machine.words, "counter-airnet") as watch:
        assert by_name(watch.records[0])["record.concentration_0_5um"] == 0 and reasons(watch.records[0]) == {}


async def test_a_crash_before_the_drop_gives_no_record_twice() -> None:
    machine = Airnet()
    machine.finish(*[Finished(START_S + 60 * m, fine=m) for m in range(1, 4)])
    async with served(machine.words):
        async with watched(machine.words, "counter-airnet") as watch:
            last = watch.records[-1]
        assert machine.dropped == []
        async with watched(machine.words, "counter-airnet", last=last) as watch:
            await watch.scan(4)
            assert minutes(watch.records) == [2, 3] and len(machine.dropped) == 3


async def test_a_drop_that_takes_its_time_gives_no_record_twice() -> None:
    machine = Airnet()
    machine.finish(*[Finished(START_S + 60 * m, fine=m) for m in range(1, 3)])
    async with watched(machine.words, "counter-airnet") as watch:
        dropped, machine.words.written = machine.words.written, lambda table, address, values: None
        assert await watch.scan(2) == []
        machine.words.written = dropped
        await watch.scan(2)
        assert minutes(watch.records) == [1, 2]


async def test_a_reply_lost_after_the_drop_loses_no_record() -> None:
    machine = Airnet()
    machine.finish(*[Finished(START_S + 60 * m, fine=m) for m in range(1, 4)])
    async with watched(machine.words, "counter-airnet") as watch:
        kept = machine.words.written

        def dropped(table: str, address: int, values: list[int]) -> None:
            kept(table, address, values)  # pyright: ignore[reportArgumentType]
            machine.words.written, machine.words.delay_s = kept, 1.0

        machine.words.written = dropped
        assert await watch.scan() == []
        machine.words.delay_s = 0.0
        began = time.monotonic()
        while len(watch.records) < 3 and time.monotonic() - began < 6:
            await watch.scan()
            await asyncio.sleep(0.05)
        assert minutes(watch.records) == [1, 2, 3]


@pytest.mark.parametrize(
    ("good", "reason", "word"),
    [
        (0b110, BAD_SENSOR_FAILURE, "laser"),
        (0b101, BAD_DEVICE_FAILURE, "flow"),
        (0b011, BAD_DEVICE_FAILURE, "hardware"),
        (8, BAD_SENSOR_FAILURE, "flow"),
    ],
)
async def test_in_an_airnets_packet_one_means_good(good: int, reason: int, word: str) -> None:
    machine = Airnet()
    machine.finish(Finished(START_S, status=good))
    async with watched(machine.words, "counter-airnet") as watch:
        assert set(reasons(watch.records[0]).values()) == {reason}
        await watch.scan()
        assert word in watch.last.findings[0]


async def test_what_an_airnets_queue_has_not_kept_is_a_gap() -> None:
    machine = Airnet()
    machine.finish(Finished(START_S + 60))
    async with watched(machine.words, "counter-airnet") as watch:
        machine.queue.clear()
        machine.finish(*[Finished(START_S + 60 * m, fine=m) for m in (10, 11)])
        await watch.scan(3, away_s=600)
        assert minutes(watch.records) == [1, 10, 11]
        assert [gap.last_ns for gap in watch.gaps] == [(START_S + 540) * SECOND]


async def test_nothing_of_a_counter_whose_settings_stop_it_can_be_written() -> None:
    model = profile("counter-airnet").model_dump(by_alias=True)
    model["tags"]["sample_time"]["writable"] = True
    with pytest.raises(ValueError, match="sample_time: nothing of this counter may be writable"):
        Profile.model_validate(model)


@pytest.mark.parametrize(("machine", "model"), [(Airnet, "counter-airnet"), (Lighthouse, "counter-lighthouse")])
async def test_a_probe_takes_nothing_out_of_a_counter(machine: type[Airnet] | type[Lighthouse], model: str) -> None:
    counter = machine()
    counter.finish(Finished(START_S + 60), Finished(START_S + 120))
    async with served(counter.words) as words:
        device = open_device("X", profile(model), words.url, time.time_ns)
        assert isinstance(device, RecordMachine)
        assert await device.probe() == ()
    assert words.writes == [] and ("input", 0, 24) not in words.reads and ("input", 211, 21) not in words.reads
