"""The MET ONE 6000 driver: packed times, every unit, and what its manual leaves open."""

from typing import Final

import pytest

from drivers.profile import Counter
from drivers.quality import (
    BAD_SENSOR_FAILURE,
    UNCERTAIN,
)
from tests.drivers.counter_machines import START_S, halves
from tests.drivers.counter_watch import SECOND, watched
from tests.drivers.words import Words, by_name, profile, reasons

FT3_PER_M3: Final = 35.3147


# 2026-05-28 20:26:40 is 2026, 5 * 256 + 28, 20, 26 * 256 + 40.
STAMP: Final = [2026, 0x051C, 20, 0x1A28]


def metone(counts: tuple[int, int] = (106, 3), unit: int = 0, differential: int = 0, status: int = 0) -> Words:
    words = Words({"holding": dict.fromkeys((*range(100, 160), *range(500, 520)), 0)})
    words.put("holding", 103, [1, 1, 0, 0, 0x0100])  # automatic, run, no end, 0 h, 1 min 0 s
    words.put("holding", 112, STAMP)
    words.put("holding", 143, [unit, differential])
    words.put("holding", 500, [*STAMP, 0, 0x0100, 0, 0, 283, *halves(status, *counts)])
    return words


@pytest.mark.parametrize(
    ("counts", "unit", "differential"),
    [
        ((106, 3), 0, 0),
        ((103, 3), 0, 1),
        ((106, 3), 1, 0),  # per ft3, of which one was drawn
        ((3743, 106), 3, 0),  # 106 and 3 times 35.3147 per m3
    ],
)
async def test_a_met_one_gives_cumulative_counts_whatever_its_unit(
    counts: tuple[int, int], unit: int, differential: int
) -> None:
    async with watched(metone(counts, unit, differential), "counter-metone") as watch:
        frame = watch.records[0]
        assert frame.time_ns == START_S * SECOND
        found = by_name(frame)
        assert found["record.count_0_5um"] == pytest.approx(106, abs=0.02)
        assert found["record.concentration_5um"] == pytest.approx(3 * FT3_PER_M3, abs=0.1)
        assert found["record.sample_time"] == 60 and found["record.volume"] == pytest.approx(1 / FT3_PER_M3, rel=1e-4)
        assert reasons(frame) == {} and watch.last.findings == ()
        assert await watch.scan(3) == []


async def test_a_met_one_record_that_was_overwritten_is_a_gap() -> None:
    words = metone()
    async with watched(words, "counter-metone") as watch:
        words.put("holding", 503, [0x1B28])  # a minute later
        assert len(await watch.scan()) == 1 and watch.gaps == []
        words.put("holding", 503, [0x2528])  # ten minutes later
        assert len(await watch.scan(away_s=600)) == 1
        assert [gap.last_ns - gap.first_ns for gap in watch.gaps] == [540 * SECOND]


async def test_a_met_one_that_has_sampled_nothing_gives_nothing() -> None:
    words = metone()
    words.put("holding", 500, [0] * 19)
    async with watched(words, "counter-metone") as watch:
        await watch.scan(2)
        assert watch.records == [] and watch.last.findings == ()


async def test_a_status_of_unknown_meaning_makes_counts_uncertain_and_a_known_one_what_the_profile_says() -> None:
    async with watched(metone(status=4), "counter-metone") as watch:
        assert set(reasons(watch.records[0]).values()) == {UNCERTAIN}
        await watch.scan()
        assert "0x4" in watch.last.findings[0]
    model = profile("counter-metone")
    named = model.model_copy(update={"counter": Counter(channels=2, faults={4: "BadSensorFailure"})})
    async with watched(metone(status=4), named) as watch:
        assert set(reasons(watch.records[0]).values()) == {BAD_SENSOR_FAILURE}


async def test_register_numbers_that_count_from_one_are_found_out() -> None:
    words = metone()
    model = profile("counter-metone")
    one_based = model.model_copy(update={"counter": model.counter.model_copy(update={"one_based": True})})
    async with watched(words, one_based) as watch:
        assert watch.records == []
        await watch.scan()
        assert "set counter.one_based to false" in watch.last.findings[0]
    lower = Words({"holding": {a - 1: word for a, word in words.tables["holding"].items()}})
    lower.put("holding", 160, [0])
    lower.put("holding", 519, [0])
    async with watched(lower, one_based) as watch:
        await watch.scan()
        assert len(watch.records) == 1 and by_name(watch.last.frames[0])["running"] == 1
    async with watched(lower, "counter-metone") as watch:
        await watch.scan()
        assert watch.records == [] and "set counter.one_based to true" in watch.last.findings[0]


async def test_a_clock_without_a_date_is_not_compared() -> None:
    words = metone()
    words.put("holding", 112, [0, 0, 0, 0])
    async with watched(words, "counter-metone") as watch:
        await watch.scan()
        assert len(watch.records) == 1 and watch.last.findings == ()
