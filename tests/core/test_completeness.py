"""Counts and gaps of slots: stories, and any slots against a look at each of them."""

from itertools import groupby

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from drivers import quality as q
from drivers.frame import Frame, Layout, bad_frame
from drivers.profile import ProfileTag, SensorChecks, Text
from telemetry.completeness.reasons import NO_RECORD, NOT_RECORDED, word
from telemetry.completeness.slots import Account, Cause, Gap, counted, gaps_of_records, gaps_of_slots
from telemetry.readings.series import MISSING
from telemetry.sensors.checks import checks_of

S = 1_000_000


def slots(*codes: int) -> tuple[np.ndarray, np.ndarray]:
    """Codes of consecutive seconds from 100 on."""
    return (100 + np.arange(len(codes), dtype=np.int64)) * S, np.array(codes, np.int64)


def told(gaps: list[Gap]) -> list[tuple[float, float, int | None, str, str]]:
    return [(gap.start_us / S, gap.end_us / S, gap.count, gap.quality, gap.reason) for gap in gaps]


def test_a_gap_goes_on_as_long_as_its_reason() -> None:
    time_us, codes = slots(
        0, q.BAD_TIMEOUT, q.BAD_TIMEOUT, MISSING, MISSING, q.UNCERTAIN_LAST_USABLE, q.GOOD_LOCAL_OVERRIDE
    )
    assert told(gaps_of_slots(time_us, codes, S, [Cause(103 * S, 103 * S, "engine stopped")])) == [
        (101, 103, 2, "Bad", "device lost"),
        (103, 104, 1, "Missing", "engine stopped"),
        (104, 105, 1, "Missing", NOT_RECORDED),
        (105, 106, 1, "Uncertain", "sensor frozen"),
    ]
    assert counted(codes) == (7, 2, 1, 2)


def test_of_two_causes_the_later_told_prevails_and_one_beside_the_slots_is_none() -> None:
    time_us, codes = slots(MISSING, MISSING, MISSING)
    causes = [
        Cause(0, 1 << 62, "disk full"),
        Cause(101 * S, 101 * S, "clock stepped"),
        Cause(0, 99 * S, "engine stopped"),
    ]
    assert [reason for *_, reason in told(gaps_of_slots(time_us, codes, S, causes))] == [
        "disk full",
        "clock stepped",
        "disk full",
    ]


def test_what_is_received_but_excused_by_a_cause_keeps_its_own_reason() -> None:
    time_us, codes = slots(q.BAD_SENSOR_FAILURE, 0)
    (gap,) = gaps_of_slots(time_us, codes, S, [Cause(0, 1 << 62, "engine stopped")])
    assert (gap.reason, gap.code) == ("sensor failed", "BadSensorFailure")


def test_where_the_plant_has_no_word_opc_ua_has_one() -> None:
    assert (word(q.BAD_NO_DATA), word(0x80FF)) == ("BadNoData", "Bad0x80FF")


def test_a_device_that_is_lost_a_sensor_that_is_stale_and_a_calibration_that_failed_are_told_apart() -> None:
    tag = ProfileTag(name=Text(en="x", zh="x"), node="s=X", checks=SensorChecks(stale_s=3.0))
    layout, second_ns = Layout("A", ("A.x", "A.y")), 10**9
    checks = checks_of(layout, {"A.x": tag, "A.y": ProfileTag(name=Text(en="y", zh="y"), node="s=Y")})
    checks.calibrated(1, 2, 0)  # since it failed: long past due is another such state, and has the same code

    def words(second: int) -> list[str]:
        at_ns = second * second_ns
        frame = Frame(layout, at_ns, at_ns, np.ones(2), source_ns=np.array([1, at_ns]))
        found = checks.judged(frame).quality
        assert found is not None
        return [word(int(code)) for code in found]

    assert [words(second) for second in (1, 4, 11)] == [
        ["", "calibration not valid"],
        ["sensor stale", "calibration not valid"],
        ["sensor stale", "calibration not valid"],
    ]
    lost = bad_frame(layout, 12 * second_ns, 12 * second_ns, q.BAD_NO_COMMUNICATION)
    assert lost.quality is not None and {word(int(code)) for code in lost.quality} == {"device lost"}


def test_an_account_joins_what_goes_on_and_stops_listing() -> None:
    account = Account(most=2)
    for first in (0, 10, 20, 35, 50):
        account.count(10, 0, 0, 0, 1)
        account.add([Gap(first, first + 10, 10, "Missing", "engine stopped")])
    assert [(gap.start_us, gap.end_us, gap.count) for gap in account.gaps] == [(0, 30, 30), (35, 45, 10)]
    assert account.gaps_until_us == 50
    account.add([Gap(60, 61, None, "Missing", "engine stopped")])
    assert (account.missing, account.by_reason) == (50, {"engine stopped": 50})


def test_gaps_of_unknown_size_join_to_one() -> None:
    account = Account()
    account.add([Gap(0, 10, 3, "Missing", "x"), Gap(10, 20, None, "Missing", "x"), Gap(20, 30, 5, "Missing", "x")])
    assert [(gap.end_us, gap.count) for gap in account.gaps] == [(30, None)]


CODES = st.sampled_from((0, 0, 0, q.UNCERTAIN, q.UNCERTAIN_LAST_USABLE, q.BAD, q.BAD_TIMEOUT, MISSING, MISSING))


@given(
    st.lists(CODES, max_size=40),
    st.lists(st.tuples(st.integers(95, 145), st.integers(0, 9), st.sampled_from("xyz")), max_size=5),
)
def test_any_slots(codes: list[int], recorded: list[tuple[int, int, str]]) -> None:
    time_us, array = slots(*codes)
    causes = [Cause(first * S, (first + more) * S, why) for first, more, why in recorded]

    def why(i: int) -> tuple[int, str]:
        if codes[i] < q.UNCERTAIN:
            return 0, ""
        if codes[i] != MISSING:
            return codes[i], word(codes[i])
        return MISSING, next((x.reason for x in causes[::-1] if x.first_us <= time_us[i] <= x.last_us), NOT_RECORDED)

    naive: list[tuple[int, int, str]] = []
    for (code, reason), run in groupby(range(len(codes)), key=why):
        if code:
            some = list(run)
            naive.append((100 + some[0], len(some), reason))
    account = Account()
    account.add(gaps_of_slots(time_us, array, S, causes))
    assert [(gap.start_us // S, gap.count, gap.reason) for gap in account.gaps] == naive
    assert sum(account.by_reason.values()) == sum(code >= q.UNCERTAIN for code in codes)


# ---- a device's own records


def records(*seconds: int) -> tuple[np.ndarray, np.ndarray]:
    return np.array(seconds, np.int64) * S, np.zeros(len(seconds), np.int64)


def test_the_records_rhythm_tells_where_some_did_not_come() -> None:
    time_us, codes = records(10, 70, 131, 310, 370)
    codes[1] = q.BAD_DEVICE_FAILURE
    lost = Cause(200 * S, 250 * S, "its buffer ran over")
    assert told(gaps_of_records(time_us, codes, 0, 500 * S, [lost])) == [
        (70, 70.000001, 1, "Bad", "device failed"),
        (131.000001, 310, 2, "Missing", "its buffer ran over"),
        (370.000001, 500, 1, "Missing", NO_RECORD),
    ]


def test_without_a_rhythm_only_what_was_recorded_is_a_gap() -> None:
    time_us, codes = records(10, 70)
    causes = [Cause(-5 * S, 3 * S, "a"), Cause(600 * S, 700 * S, "beyond"), Cause(90 * S, 900 * S, "b")]
    assert told(gaps_of_records(time_us, codes, 0, 500 * S, causes)) == [
        (0, 3.000001, None, "Missing", "a"),
        (90, 500, None, "Missing", "b"),
    ]


def test_where_no_record_came_at_all_the_window_is_the_gap() -> None:
    time_us, codes = records()
    assert told(gaps_of_records(time_us, codes, 0, 500 * S, [])) == [(0, 500, None, "Missing", NO_RECORD)]
