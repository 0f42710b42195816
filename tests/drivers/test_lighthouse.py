"""The Lighthouse driver: each record once, none lost while the buffer reaches back, and no count that is none."""

import asyncio
import time
from itertools import groupby
from typing import Final

import pytest

from drivers.device import SCAN_DEADLINE_S, open_device
from drivers.frame import Frame
from drivers.quality import (
    BAD_CONFIGURATION_ERROR,
    BAD_DEVICE_FAILURE,
    BAD_OUT_OF_RANGE,
    BAD_SENSOR_FAILURE,
)
from simulators.plant import simulated
from tests.drivers.counter_machines import START_S, Finished, Lighthouse
from tests.drivers.counter_watch import SECOND, Watch, minutes, watched
from tests.drivers.words import Words, by_name, driven, profile, reasons, served
from tests.simulators.small_plant import plant, unit

FT3_PER_M3: Final = 35.3147


async def test_a_lighthouse_record_written_by_hand() -> None:
    # 30001: 1780000000 = 6A18 A500; 60 s; location 12; status 0; 106 and 3 particles; the other channels garbage.
    record = [0x6A18, 0xA500, 0, 60, 0, 12, 0, 0, 0, 106, 0, 3, *[0xDEAD, 0xBEEF] * 6]
    words = Words({"holding": dict.fromkeys(range(48), 0), "input": dict(enumerate(record))})
    words.put("holding", 0, [150, 0, 0b111])
    words.put("holding", 22, [100, 1, 0xFFFF, 12, 0x6A18, 0xA500])
    async with watched(words) as watch:
        frame = watch.records[0]
        assert frame.time_ns == 1_780_000_000 * SECOND and not frame.late
        found = by_name(frame)
        volume_m3 = 1.0 * 60 / 60 / FT3_PER_M3  # 1 ft3/min for a minute
        assert found["record.volume"] == pytest.approx(volume_m3)
        assert (found["record.count_0_5um"], found["record.count_5um"]) == (106, 3)
        assert found["record.concentration_0_5um"] == pytest.approx(106 * FT3_PER_M3)
        assert found["record.concentration_5um"] == pytest.approx(3 * FT3_PER_M3)
        assert (found["record.location"], found["record.sample_time"]) == (12, 60)
        assert reasons(frame) == {} and watch.last.findings == ()
        assert words.writes == []


async def test_each_record_comes_once_and_in_order() -> None:
    counter = Lighthouse()
    counter.minutes(1, 1)
    async with watched(counter.words) as watch:
        assert await watch.scan(3) == []
        counter.minutes(2, 2)
        assert minutes(await watch.scan()) == [2]
        counter.minutes(3, 3)
        assert minutes(await watch.scan(3)) == [3]
        assert minutes(watch.records) == [1, 2, 3] and watch.gaps == []
        assert counter.words.writes == [], "a record that comes alone is read without touching the index"


async def test_an_empty_buffer_is_no_record() -> None:
    counter = Lighthouse()
    counter.new_data = True
    async with watched(counter.words) as watch:
        await watch.scan(3)
        assert watch.records == []


async def test_after_an_outage_the_buffer_is_read_back_oldest_first() -> None:
    counter = Lighthouse()
    counter.minutes(1, 2)
    async with watched(counter.words) as watch:
        assert minutes(watch.records) == [2], "what was finished before anybody asked is not ours"
        counter.minutes(3, 12)
        given = await watch.scan(2, away_s=600)
        assert minutes(given) == list(range(3, 13))
        assert [frame.late for frame in given] == [True] * 9 + [False]
        assert by_name(given[0])["record.count_0_5um"] == 1003
        assert watch.gaps == [] and counter.index == -1
        assert await watch.scan(3) == []


async def test_a_flag_that_another_master_has_cleared_hides_nothing() -> None:
    counter = Lighthouse()
    counter.minutes(1, 1)
    async with watched(counter.words) as watch:
        await watch.scan()
        counter.minutes(2, 3)
        counter.new_data = False
        assert minutes(await watch.scan(2)) == [2, 3]


async def test_a_full_buffer_that_shifts_while_it_is_read_loses_nothing() -> None:
    counter = Lighthouse(largest=20)
    counter.minutes(1, 20)
    async with watched(counter.words) as watch:
        counter.minutes(21, 30)
        counter.at_record = [Finished(START_S + 60 * m, fine=m + 1000, coarse=m) for m in (31, 32, 33)]
        given = await watch.scan(4, away_s=600)
        assert minutes(given) == list(range(21, 34))
        assert watch.gaps == [] and len({frame.time_ns for frame in given}) == 13


async def test_what_the_buffer_has_dropped_is_a_gap() -> None:
    counter = Lighthouse(largest=5)
    counter.minutes(1, 5)
    async with watched(counter.words) as watch:
        counter.minutes(6, 15)
        assert minutes(await watch.scan(2, away_s=600)) == [11, 12, 13, 14, 15]
        assert [(gap.first_ns, gap.last_ns) for gap in watch.gaps] == [
            ((START_S + 300) * SECOND, (START_S + 600) * SECOND)
        ]
        assert "X: its buffer no longer holds" in watch.gaps[0].reason


async def test_a_cleared_buffer_is_a_gap_only_where_something_was_lost() -> None:
    counter = Lighthouse()
    counter.minutes(1, 3)
    async with watched(counter.words) as watch:
        counter.buffer.clear()
        await watch.scan()
        counter.minutes(4, 4)
        assert minutes(await watch.scan(2)) == [4] and watch.gaps == []
        counter.buffer.clear()
        counter.minutes(8, 9)
        assert minutes(await watch.scan(2)) == [8, 9]
        assert [(gap.first_ns, gap.last_ns) for gap in watch.gaps] == [
            ((START_S + 240) * SECOND, (START_S + 420) * SECOND)
        ]


async def test_a_buffer_cleared_under_our_hands_gives_what_there_is() -> None:
    counter = Lighthouse()
    counter.minutes(1, 3)
    async with watched(counter.words) as watch:
        counter.minutes(4, 9)
        kept, read = counter.words.before_read, 0

        def clear(table: str, address: int, count: int) -> None:
            nonlocal read
            read += table == "input"
            if read == 3:
                counter.buffer.clear()
                read += 1
            kept(table, address, count)  # pyright: ignore[reportArgumentType]

        counter.words.before_read = clear
        await watch.scan(away_s=60)
        assert watch.last.failure is None and "cleared" in " ".join(watch.last.findings)
        counter.minutes(10, 10)
        assert minutes(await watch.scan(2)) == [10]
        assert len(watch.gaps) == 1 and counter.index == -1
        assert "cleared" not in " ".join(watch.last.findings)


async def test_a_counter_whose_index_cannot_be_written_still_gives_its_newest_record() -> None:
    counter = Lighthouse()
    counter.minutes(1, 3)
    async with watched(counter.words) as watch:
        await watch.scan()
        counter.words.read_only = True
        counter.minutes(4, 8)
        assert minutes(await watch.scan(2, away_s=300)) == [8]
        assert len(watch.gaps) == 1 and "cannot be read back (X refused to write holding 24" in watch.gaps[0].reason
        counter.minutes(9, 9)
        assert minutes(await watch.scan(2)) == [9] and len(watch.gaps) == 1


async def test_a_clock_set_back_by_an_hour_loses_nothing() -> None:
    """As at the end of summer time, in clean air: the same times come twice, with the same counts."""
    counter = Lighthouse()
    clean = [Finished(START_S + 60 * m, fine=0, coarse=0) for m in range(120)]
    again = [Finished(START_S + 60 * m, fine=0, coarse=0) for m in range(60, 120)]
    counter.finish(*clean[:119])
    async with watched(counter.words) as watch:
        for sample in (clean[119], *again):
            counter.finish(sample)
            await watch.scan()
        assert minutes(watch.records) == [118, 119, *range(60, 120)]
        assert watch.gaps == []


async def test_an_outage_over_a_clock_set_back_loses_nothing() -> None:
    counter = Lighthouse()
    counter.minutes(1, 90)
    async with watched(counter.words) as watch:
        counter.finish(*[Finished(START_S + 60 * m, fine=m + 1000, coarse=m) for m in range(31, 101)])
        given = await watch.scan(3, away_s=7200)
        assert minutes(given) == list(range(31, 101)) and watch.gaps == []


@pytest.mark.parametrize(("answer_s", "records"), [(0.02, 60), (0.1, 6)])
async def test_a_long_way_back_is_shared_by_many_scans_none_of_which_is_late(answer_s: float, records: int) -> None:
    counter = Lighthouse()
    counter.minutes(1, 1)
    async with watched(counter.words) as watch:
        counter.minutes(2, records + 1)
        counter.words.delay_s = answer_s  # two requests a record
        watch.slot_ns += 3600 * SECOND
        began_all, given, scans = time.monotonic(), [], 0
        while len(given) < records:
            began = time.monotonic()
            given += await watch.scan()
            scans += 1
            assert watch.last.failure is None and time.monotonic() - began < SCAN_DEADLINE_S
            assert counter.index == -1, "at the end of each scan it shows the last record again"
            assert time.monotonic() - began_all < 15
        assert minutes(given) == list(range(2, records + 2)) and scans > 2


async def test_a_reply_lost_after_the_flag_was_cleared_loses_no_record() -> None:
    counter = Lighthouse()
    counter.minutes(1, 1)
    async with watched(counter.words) as watch:
        counter.minutes(2, 2)
        counter.words.delay_s = 0.0
        kept = counter.words.before_read

        def slow(table: str, address: int, count: int) -> None:
            kept(table, address, count)  # pyright: ignore[reportArgumentType]
            counter.words.delay_s = 1.0 if table == "input" else 0.0

        counter.words.before_read = slow
        await watch.scan()
        await watch.scan()
        counter.words.before_read, counter.words.delay_s = kept, 0.0
        assert counter.new_data is False
        given: list[Frame] = []
        began = time.monotonic()
        while not given and time.monotonic() - began < 6:
            given = await watch.scan()
            await asyncio.sleep(0.05)
        assert minutes(watch.records) == [1, 2]


async def test_an_index_left_behind_by_a_broken_walk_is_put_back() -> None:
    counter = Lighthouse()
    counter.minutes(1, 5)
    counter.index = 2
    async with watched(counter.words) as watch:
        assert minutes(watch.records) == [5] and counter.index == -1


async def test_a_start_resumes_at_the_record_taken_last() -> None:
    counter = Lighthouse()
    counter.minutes(1, 3)
    async with served(counter.words):
        async with watched(counter.words) as watch:
            last = watch.records[-1]
        counter.minutes(4, 9)
        async with watched(counter.words, last=last) as watch:
            await watch.scan(3)
            assert minutes(watch.records) == [4, 5, 6, 7, 8, 9] and watch.gaps == []
            last = watch.records[-1]
        async with watched(counter.words, last=last) as watch:
            await watch.scan(3)
            assert watch.records == []


async def test_a_counter_that_was_exchanged_does_not_bring_its_past() -> None:
    counter, other = Lighthouse(), Lighthouse()
    counter.serial, other.serial = 1001, 1002
    counter.minutes(1, 3)
    other.minutes(2, 30)
    async with watched(counter.words) as watch:
        counter.buffer, counter.serial = other.buffer, other.serial
        assert minutes(await watch.scan(2)) == [30]
        assert len(watch.gaps) == 1 and "serial number 1002 in place of 1001" in watch.gaps[0].reason


async def test_another_flow_setting_makes_no_other_record() -> None:
    counter = Lighthouse()
    counter.minutes(1, 3)
    async with watched(counter.words) as watch:
        counter.flow_cfm_100 = 110
        assert await watch.scan(2, away_s=60) == []
        counter.minutes(4, 4)
        assert by_name((await watch.scan())[0])["record.volume"] == pytest.approx(1.1 / FT3_PER_M3)


@pytest.mark.parametrize(
    ("status", "reason", "word"),
    [
        (0b0001, BAD_SENSOR_FAILURE, "laser"),
        (0b0010, BAD_DEVICE_FAILURE, "flow"),
        (0b0100, BAD_OUT_OF_RANGE, "more particles"),
        (0b1000, BAD_DEVICE_FAILURE, "malfunction"),
        (0b0011, BAD_SENSOR_FAILURE, "flow"),
    ],
)
async def test_counts_of_a_faulty_sample_are_bad_with_a_reason(status: int, reason: int, word: str) -> None:
    counter = Lighthouse()
    counter.finish(Finished(START_S, status=status))
    async with watched(counter.words) as watch:
        counts = [name for name in by_name(watch.records[0]) if "count" in name or "conc" in name]
        assert reasons(watch.records[0]) == dict.fromkeys(counts, reason)
        assert by_name(watch.records[0])["record.status"] == status
        await watch.scan()
        assert word in watch.last.findings[0] and watch.last.findings[0].startswith("X: ")
        counter.minutes(1, 1)
        assert reasons((await watch.scan())[0]) == {} and watch.last.findings == ()


async def test_thresholds_are_no_fault_of_the_counts() -> None:
    counter = Lighthouse()
    counter.finish(Finished(START_S, status=0b110000))
    async with watched(counter.words) as watch:
        assert reasons(watch.records[0]) == {}


async def test_a_record_of_another_location_is_not_taken_for_this_one() -> None:
    counter = Lighthouse()
    counter.finish(Finished(START_S, location=13))
    async with watched(counter.words, query="?location=12") as watch:
        assert set(reasons(watch.records[0]).values()) == {BAD_CONFIGURATION_ERROR}
        assert by_name(watch.records[0])["record.location"] == 13
        await watch.scan()
        assert "location 13" in watch.last.findings[0] and "location 12" in watch.last.findings[0]


async def test_a_clock_that_disagrees_is_said_and_the_record_keeps_its_time() -> None:
    counter = Lighthouse()
    counter.clock_s = START_S + 8 * 3600  # local time of Tianjin in place of UTC
    counter.finish(Finished(START_S + 8 * 3600))
    async with watched(counter.words) as watch:
        await watch.scan()
        assert "28800 s ahead" in watch.last.findings[0]
        assert watch.records[0].time_ns == (START_S + 28_800) * SECOND


async def test_an_active_channel_with_garbage_is_no_count() -> None:
    model = profile("counter-lighthouse")
    third = model.tags["record.count_5um"].model_copy(
        update={"record": model.tags["record.count_5um"].record.model_copy(update={"channel": 3})}  # pyright: ignore
    )
    model = model.model_copy(update={"tags": model.tags | {"record.count_10um": third}})
    counter = Lighthouse()
    counter.minutes(1, 1)
    async with watched(counter.words, model) as watch:
        assert reasons(watch.records[0]) == {"record.count_10um": BAD_DEVICE_FAILURE}


async def test_a_simulated_counter_that_was_cut_off_gives_all_that_it_has_sampled_meanwhile() -> None:
    async with simulated(plant([unit("X", "counter-lighthouse", setpoints={"sample_time": 1.0})])) as running:
        buffer = running.devices["X"].face.registers.buffer  # pyright: ignore[reportAttributeAccessIssue]
        async with driven(profile("counter-lighthouse"), running.addresses["X"]) as device:
            watch = Watch(device)
            await watch.live(lambda: len(watch.records) >= 2)
            await running.fault("X", "dropped-connection")
            there = len(buffer)
            await watch.live(lambda: len(buffer) >= there + 4)
            await running.fault("X", "clear")
            given = len(watch.records)
            await watch.live(lambda: len(watch.records) >= given + 6)
        given_out = [(frame.time_ns // SECOND, by_name(frame)["record.count_0_5um"]) for frame in watch.records]
        # Of samples of one second two may end in the same one; where their counts are equal too, nothing tells them apart.
        made = [sample for sample, _ in groupby((record.time_s, record.fine) for record in buffer)]
        first = made.index(given_out[0])
        assert given_out == made[first : first + len(given_out)]
        assert watch.gaps == [] and any(frame.late for frame in watch.records)


def test_an_address_whose_location_is_no_number_is_refused_in_words() -> None:
    with pytest.raises(ValueError, match=r"X: the address .* names 'A' as its location"):
        open_device("X", profile("counter-lighthouse"), "modbus://127.0.0.1:502/7?location=A", time.time_ns)
