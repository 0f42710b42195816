"""The engine's clock: whatever the wall does, it never runs backward, follows forward, and waits for a wall that fell behind."""

import time

from hypothesis import given
from hypothesis import strategies as st

from telemetry.clock import SLEW, STEP_NS, Clock

SECOND = 10**9
WALL = 1_700_000_000 * SECOND
"""The wall's time when the monotonic clock stands at 0."""


def read(clock: Clock, monotonic_s: float, wall_off_s: float = 0.0) -> float:
    """Seconds since WALL by `clock`, where the wall differs from the monotonic clock by `wall_off_s`."""
    monotonic_ns = round(monotonic_s * SECOND)
    return (clock.read(WALL + monotonic_ns + round(wall_off_s * SECOND), monotonic_ns) - WALL) / SECOND


def test_it_begins_at_the_wall() -> None:
    clock = Clock.start(WALL, 5 * SECOND)
    assert clock.read(WALL, 5 * SECOND) == WALL
    assert (clock.stepped_ns, clock.behind_ns) == (0, 0)


def test_it_begins_at_the_last_journaled_time_where_the_wall_is_older() -> None:
    clock = Clock.start(WALL, 0, WALL + 60 * SECOND)
    assert read(clock, 0) == 60
    assert (clock.stepped_ns, clock.behind_ns) == (0, 60 * SECOND)
    assert Clock.start(WALL, 0, WALL - 60 * SECOND).read(WALL, 0) == WALL


def test_a_wall_that_is_a_little_ahead_is_followed_and_not_told() -> None:
    clock = Clock.start(WALL, 0)
    assert read(clock, 1, 0.5) == 1.5
    assert read(clock, 2, 1.0) == 3.0
    assert clock.stepped_ns == 0


def test_a_forward_step_is_followed_at_once_and_told_until_it_is_taken_note_of() -> None:
    clock = Clock.start(WALL, 0)
    assert read(clock, 1, 0.500000001) == 1.500000001
    assert clock.stepped_ns == STEP_NS + 1
    assert read(clock, 2, 3600.500000001) == 3602.500000001
    assert clock.stepped_ns == STEP_NS + 1 + 3600 * SECOND
    assert clock.behind_ns == 0


def test_a_backward_step_slows_it_by_5_percent_until_the_wall_has_caught_up() -> None:
    clock = Clock.start(WALL, 0)
    read(clock, 10)
    assert read(clock, 11, -2) == 10.95
    assert clock.behind_ns == 1.95 * SECOND
    assert read(clock, 31, -2) == 29.95
    assert read(clock, 49, -2) == 47.05
    assert clock.behind_ns == 0.05 * SECOND
    assert read(clock, 50, -2) == 48
    assert read(clock, 51, -2) == 49
    assert (clock.behind_ns, clock.stepped_ns) == (0, 0)


def test_the_gap_told_is_that_of_its_own_time_not_of_the_wall() -> None:
    clock = Clock.start(WALL, 0)
    read(clock, 10)
    assert read(clock, 12, -3600) == 11.9
    assert read(clock, 13, 0) == 13
    assert clock.stepped_ns == 0
    assert read(clock, 33, -3600) == 32
    assert read(clock, 34, 0) == 34
    assert clock.stepped_ns == SECOND


def test_it_reads_this_machine() -> None:
    clock = Clock.start(time.time_ns(), time.monotonic_ns())
    first, second = clock.now(), clock.now()
    assert first <= second
    assert abs(second - time.time_ns()) < 5 * SECOND


STEPS = st.lists(
    st.tuples(
        st.one_of(st.integers(0, 3 * SECOND), st.integers(0, 30), st.just(3600 * SECOND)),
        st.one_of(st.just(0), st.integers(-STEP_NS, STEP_NS), st.integers(-(10**13), 10**13)),
    ),
    max_size=30,
)
"""What passes by the monotonic clock, and by how much the wall is set meanwhile, in ns."""


@given(STEPS, st.integers(-(10**13), 10**13))
def test_never_backward_never_behind_the_wall_and_never_slower_than_the_slew(
    steps: list[tuple[int, int]], journaled_ns: int
) -> None:
    clock = Clock.start(WALL, 0, WALL + journaled_ns)
    own, monotonic_ns, wall_off_ns, told = clock.read(WALL, 0), 0, 0, 0
    assert own >= max(WALL, WALL + journaled_ns)
    for passed_ns, set_ns in steps:
        monotonic_ns, wall_off_ns = monotonic_ns + passed_ns, wall_off_ns + set_ns
        wall_ns, before = WALL + monotonic_ns + wall_off_ns, own
        own = clock.read(wall_ns, monotonic_ns)
        slowest = before + passed_ns - int(passed_ns * SLEW)
        assert own >= max(before, slowest, wall_ns)
        assert own == max(wall_ns, slowest)
        assert clock.behind_ns == own - wall_ns
        jumped = own - before - passed_ns
        told += jumped if jumped > STEP_NS else 0
        assert clock.stepped_ns == told


@given(st.integers(0, 10**13), st.lists(st.integers(1, 5 * SECOND), min_size=1, max_size=20))
def test_after_a_backward_step_it_meets_the_wall_in_twenty_times_the_step(back_ns: int, reads: list[int]) -> None:
    clock = Clock.start(WALL, 0)
    monotonic_ns, wall_off_ns = 0, -back_ns
    for passed_ns in reads:
        monotonic_ns += passed_ns
        clock.read(WALL + monotonic_ns + wall_off_ns, monotonic_ns)
    monotonic_ns += back_ns * 20 + 20
    assert clock.read(WALL + monotonic_ns + wall_off_ns, monotonic_ns) == WALL + monotonic_ns + wall_off_ns
    assert clock.behind_ns == 0


def test_the_newest_leap_is_remembered_as_the_times_before_and_after_it() -> None:
    clock = Clock.start(WALL, 0)
    clock.read(WALL + SECOND, SECOND)
    assert clock.leapt == (0, 0)
    clock.read(WALL + 10 * SECOND, 2 * SECOND)
    assert clock.leapt == (WALL + 2 * SECOND, WALL + 10 * SECOND)
