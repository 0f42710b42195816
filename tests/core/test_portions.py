"""How many operations go into one request: found by halving, found again once the server is well, tried ever more rarely."""

from hypothesis import given
from hypothesis import strategies as st

from drivers.opcua.portions import ROUNDS, ROUNDS_AT_MOST, Portion


def driven(portion: Portion, bears: int, rounds: int) -> list[int]:
    """The size of each request that was tried in `rounds` rounds of 100 operations, with a server that bears so many."""
    tried: list[int] = []
    for _ in range(rounds):
        while True:
            tried.append(portion.size)
            if portion.size <= bears:
                portion.borne()
                break
            assert portion.refused(portion.size)
    return tried


def test_what_is_stated_is_never_exceeded_and_nothing_stated_is_no_limit() -> None:
    assert [Portion(100, stated).size for stated in (0, 7, 100, 5000)] == [100, 7, 100, 100]
    assert Portion(0).size == 1
    portion = Portion(100, 7)
    assert set(driven(portion, 1000, 50)) == {7}


def test_a_server_that_bears_less_is_asked_for_less() -> None:
    assert driven(Portion(100), 13, 1) == [100, 50, 25, 12]


def test_one_operation_that_is_too_much_is_the_end() -> None:
    portion = Portion(1)
    assert not portion.refused(1)
    assert portion.size == 1


def test_a_server_that_is_well_again_gets_the_whole_again() -> None:
    portion = Portion(100)
    assert driven(portion, 1, 1)[-1] == 1
    sizes = driven(portion, 1000, 7 * ROUNDS)
    assert sizes == [*[n for n in (1, 2, 4, 8, 16, 32, 64) for _ in range(ROUNDS)][1:], 100]


def test_more_is_tried_ever_more_rarely_where_it_is_refused() -> None:
    portion = Portion(100)
    sizes = driven(portion, 13, 1 + ROUNDS + 2 * ROUNDS + 4 * ROUNDS)
    first, second, third = [i for i, size in enumerate(sizes) if size > 13][3:]
    assert (second - first, third - second) == (2 * ROUNDS + 1, 4 * ROUNDS + 1)
    long = driven(portion, 13, 40_000)
    tries = [i for i, size in enumerate(long) if size > 13]
    assert 10 < len(tries) < 25 and tries[-1] - tries[-2] == ROUNDS_AT_MOST + 1


def test_a_try_that_succeeds_makes_the_next_one_come_soon() -> None:
    portion = Portion(100)
    driven(portion, 13, 1 + ROUNDS + 2 * ROUNDS)  # two tries in vain
    sizes = driven(portion, 1000, 4 * ROUNDS + 3 * ROUNDS)
    assert [sizes.count(n) for n in (24, 48, 96)] == [ROUNDS] * 3


@given(most=st.integers(1, 600), stated=st.integers(0, 600), told=st.lists(st.booleans(), max_size=200))
def test_it_stays_within_its_bounds(most: int, stated: int, told: list[bool]) -> None:
    portion = Portion(most, stated)
    for good in told:
        before = portion.size
        changed = portion.borne() if good else portion.refused(before)
        assert 1 <= portion.size <= portion.most == (min(most, stated) if stated else most)
        assert changed == (portion.size != before) and (portion.size >= before if good else portion.size <= before)
