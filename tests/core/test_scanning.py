"""When devices are scanned: on a grid that does not drift, spread over the second, every slot once or told as missed."""

import asyncio
from collections import Counter
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.frame import Layout, Scan
from drivers.quality import BAD_DEVICE_FAILURE
from telemetry.clock import Clock
from telemetry.engine.scanning import (
    SECOND,
    STEP,
    Lateness,
    connect_forever,
    next_slot,
    phases_ns,
    scan_forever,
    spread,
)

START = 1_700_000_000 * SECOND


def test_phases_are_spread_evenly_over_the_second() -> None:
    assert phases_ns(0) == []
    assert phases_ns(1) == [0]
    assert phases_ns(3) == [0, 300_000_000, 600_000_000]
    thousand = phases_ns(1000)
    assert thousand == sorted(thousand) and thousand[-1] < SECOND
    together = Counter(thousand)
    assert all(phase % STEP == 0 for phase in together)
    assert max(together.values()) <= 12, "few enough that the last of them starts within 2 ms"
    assert min(together.values()) >= 11
    assert max(Counter(phases_ns(90)).values()) == 1, "a small plant has a phase for each device"
    assert spread(["a", "b"]) == {"a": 0, "b": 450_000_000}


def test_the_next_slot_is_the_one_whose_start_comes_next() -> None:
    assert next_slot(START - 1, 0, 0) == START
    assert next_slot(START, 0, 0) == START + SECOND
    assert next_slot(START + 100, 300, 0) == START
    assert next_slot(START + 300, 300, 0) == START + SECOND


def test_a_slot_is_never_scanned_twice() -> None:
    assert next_slot(START - 1, 0, START) == START + SECOND
    assert next_slot(START - 5 * SECOND, 0, START) == START + SECOND


@given(st.integers(START, START + 10**12), st.integers(0, SECOND - 1), st.integers(-3, 3))
def test_slots_lie_on_the_grid_after_now_and_after_the_last_one(now_ns: int, phase_ns: int, last: int) -> None:
    last_slot = (now_ns // SECOND + last) * SECOND
    slot = next_slot(now_ns, phase_ns, last_slot)
    assert slot % SECOND == 0
    assert slot > last_slot
    assert slot + phase_ns > now_ns
    assert slot == last_slot + SECOND or slot + phase_ns <= now_ns + SECOND


class Scripted(Clock):
    """The engine's clock with given readings, in ns from START: two a scan, before and after the wait."""

    def __init__(self, readings: list[int]) -> None:
        super().__init__(0, 0)
        self.readings: Iterator[int] = iter(readings)

    def now(self) -> int:
        return START + next(self.readings)


class Recorder:
    """A device that notes which slots it was asked for."""

    layouts: tuple[Layout, ...] = ()

    def __init__(self) -> None:
        self.slots: list[int] = []

    async def run(self) -> None:
        await asyncio.Event().wait()

    async def scan(self, slot_ns: int) -> Scan:
        self.slots.append(slot_ns - START)
        return Scan((), failure=str(slot_ns))

    async def write(self, tag: str, value: float) -> float:
        return value


async def scanned(
    readings: list[int], slot: int = -SECOND
) -> tuple[list[int], list[tuple[int, int, str]], list[str], dict[str, float]]:
    """Slots scanned, behind `slot`, until the clock has no more readings; what was missed; what was taken; the lateness."""
    device, missed, taken, lateness = Recorder(), list[tuple[int, int, str]](), list[str](), Lateness()
    with pytest.raises(RuntimeError, match="StopIteration"):
        await scan_forever(
            "dev",
            device,
            100,
            Scripted(readings),
            lambda name, scan: taken.append(f"{name} {int(scan.failure or 0) - START}"),
            lambda _, first, last, why: missed.append((first - START, last - START, why)),
            lateness,
            slot,
        )
    return device.slots, missed, taken, lateness.take()


async def test_each_second_is_scanned_once_and_handed_on() -> None:
    slots, missed, taken, lateness = await scanned([99, 1_000_100, SECOND + 99, SECOND + 3_000_100, 2 * SECOND + 99])
    assert slots == [0, SECOND]
    assert missed == []
    assert taken == ["dev 0", f"dev {SECOND}"]
    assert lateness == {
        "scan_lateness_ms_p50": 3.0,
        "scan_lateness_ms_p99": 3.0,
        "scan_lateness_ms_max": 3.0,
        "scans": 2.0,
    }


async def test_seconds_in_which_the_process_was_held_up_are_told_as_missed() -> None:
    slots, missed, _, _ = await scanned([99, 100, 4 * SECOND + 99, 4 * SECOND + 100, 5 * SECOND + 99, 5 * SECOND + 100])
    assert slots == [0, 4 * SECOND, 5 * SECOND]
    assert missed == [(SECOND, 3 * SECOND, "engine held up")]


async def test_until_its_first_scan_the_engine_counts_as_stopped() -> None:
    """The start itself took two seconds more than was thought when its gap was told."""
    slots, missed, _, _ = await scanned(
        [2 * SECOND + 99, 2 * SECOND + 100, 4 * SECOND + 99, 4 * SECOND + 100], START - SECOND
    )
    assert slots == [2 * SECOND, 4 * SECOND]
    assert missed == [(0, SECOND, "engine stopped"), (3 * SECOND, 3 * SECOND, "engine held up")]


class Broken(Recorder):
    """A driver with a mistake: it raises where it should give a Bad frame."""

    layouts = (Layout("dev", ("dev.a",)), Layout("dev", ("dev.n",), record=True))

    def __init__(self) -> None:
        super().__init__()
        self.failed, self.begun_again = False, asyncio.Event()

    async def run(self) -> None:
        if not self.failed:
            self.failed = True
            raise KeyError("mistake")
        self.begun_again.set()
        await asyncio.Event().wait()

    async def scan(self, slot_ns: int) -> Scan:
        raise KeyError("mistake")


async def test_a_mistake_in_a_driver_is_a_bad_frame_and_the_watch_goes_on() -> None:
    taken: list[Scan] = []
    with pytest.raises(RuntimeError, match="StopIteration"):
        await scan_forever(
            "dev",
            Broken(),
            100,
            Scripted([99, 100, 200, SECOND + 99, SECOND + 100, SECOND + 200, 2 * SECOND + 99]),
            lambda _, scan: taken.append(scan),
            lambda *_: None,
            Lateness(),
        )
    assert [scan.failure for scan in taken] == ["dev: the driver failed (KeyError: 'mistake'); please report it"] * 2
    (frame,) = taken[1].frames
    assert (frame.time_ns - START, frame.received_ns - START, frame.layout.record) == (SECOND, SECOND + 200, False)
    assert frame.quality is not None
    assert frame.quality.tolist() == [BAD_DEVICE_FAILURE]


async def test_a_driver_that_fails_to_connect_is_begun_again() -> None:
    device = Broken()
    task = asyncio.create_task(connect_forever("dev", device))
    await asyncio.wait_for(device.begun_again.wait(), 10)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def test_lateness_is_told_once_and_counted_in_bounds() -> None:
    lateness = Lateness()
    assert lateness.take() == {}
    for late_ms in range(200):
        lateness.add(float(199 - late_ms))
    told = lateness.take()
    assert (told["scan_lateness_ms_p50"], told["scan_lateness_ms_p99"]) == (100.0, 198.0)
    assert (told["scan_lateness_ms_max"], told["scans"]) == (199.0, 200.0)
    assert lateness.take() == {}


def test_lateness_nobody_asks_for_does_not_fill_the_memory() -> None:
    lateness = Lateness()
    for _ in range(100_010):
        lateness.add(1.0)
    assert lateness.take()["scans"] == 100_000
