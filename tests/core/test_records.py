"""Records of particle counters: what a count is worth, when it is none, which records are the same; and makers' status bits."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.counters.records import (
    Sample,
    Walk,
    clock_finding,
    frame_of,
    gap_before,
    is_elsewhere,
    known,
    told_slots,
    u32,
    volume_m3,
)
from drivers.frame import Frame, Layout
from drivers.modbus.status import Statuses, meaning
from drivers.profile import Profile, ProfileTag, Record, Status
from drivers.quality import (
    BAD_CONFIGURATION_ERROR,
    BAD_DEVICE_FAILURE,
    BAD_NO_DATA,
    BAD_OUT_OF_SERVICE,
    BAD_SENSOR_FAILURE,
    BAD_TIMEOUT,
    GOOD,
    UNCERTAIN,
    UNCERTAIN_SENSOR_NOT_ACCURATE,
)

ASKED = [
    Record(field="count", channel=1),
    Record(field="count", channel=2),
    Record(field="concentration", channel=1),
    Record(field="concentration", channel=2),
    Record(field="volume"),
    Record(field="sample_time"),
    Record(field="location"),
    Record(field="status"),
]
LAYOUT = Layout("PC1", tuple(f"PC1.{i}" for i in range(len(ASKED))), record=True)
FT3_M3 = 0.028316847
SECOND = 10**9


def framed(sample: Sample, here: int | None = None) -> Frame:
    return frame_of(LAYOUT, ASKED, sample, here, received_ns=99, late=True)


def sample(**changed: object) -> Sample:
    whole: dict[str, object] = {
        "time_ns": 60 * SECOND, "sample_s": 60, "volume_m3": FT3_M3, "counts": (100.0, 1.0), "location": 7, "status": 16
    }  # fmt: skip
    return Sample(**(whole | changed))  # pyright: ignore[reportArgumentType]


def test_a_count_in_a_cubic_foot_becomes_a_concentration() -> None:
    frame = framed(sample())
    assert volume_m3(1.0, 60) == pytest.approx(FT3_M3)
    assert frame.values.tolist() == pytest.approx([100, 1, 3531.47, 35.3147, FT3_M3, 60, 7, 16], rel=1e-5)
    assert frame.quality is None and frame.late and frame.time_ns == 60 * SECOND and frame.received_ns == 99
    assert frame.source_ns is not None and set(frame.source_ns.tolist()) == {60 * SECOND}


def test_counts_of_a_fault_are_bad_and_the_rest_of_the_record_is_kept() -> None:
    frame = framed(sample(fault=BAD_SENSOR_FAILURE))
    assert frame.quality is not None
    assert frame.quality.tolist() == [BAD_SENSOR_FAILURE] * 4 + [GOOD] * 4
    assert np.isnan(frame.values[:4]).all() and frame.values[7] == 16


def test_an_uncertain_count_keeps_its_number() -> None:
    frame = framed(sample(fault=UNCERTAIN))
    assert frame.quality is not None and frame.quality.tolist()[:4] == [UNCERTAIN] * 4
    assert frame.values[:2].tolist() == [100, 1] and frame.values[2] == pytest.approx(3531.47, rel=1e-5)


def test_more_large_particles_than_small_ones_are_no_count() -> None:
    frame = framed(sample(counts=(100.0, float(0xDEADBEEF))))
    assert frame.quality is not None
    assert frame.quality.tolist()[:4] == [GOOD, BAD_DEVICE_FAILURE, GOOD, BAD_DEVICE_FAILURE]
    assert framed(sample(counts=(0.0, 0.0))).quality is None, "none at all is a count"


def test_a_channel_that_the_device_does_not_have_is_a_mistake_of_the_profile() -> None:
    frame = framed(sample(counts=(100.0,)))
    assert frame.quality is not None and frame.quality.tolist()[1] == BAD_CONFIGURATION_ERROR


def test_without_air_there_is_no_concentration() -> None:
    frame = framed(sample(volume_m3=0.0))
    assert frame.quality is not None and frame.quality.tolist()[:5] == [GOOD, GOOD] + [BAD_NO_DATA] * 3
    frame = framed(sample(volume_m3=0.0, fault=BAD_SENSOR_FAILURE))
    assert frame.quality is not None and frame.quality.tolist()[:5] == [BAD_SENSOR_FAILURE] * 4 + [BAD_NO_DATA]


def test_a_record_of_another_place_is_not_of_this_one() -> None:
    frame = framed(sample(), here=8)
    assert frame.quality is not None and frame.quality.tolist() == [BAD_CONFIGURATION_ERROR] * 4 + [GOOD] * 4
    assert frame.values[6] == 7
    assert framed(sample(), here=7).quality is None
    assert not is_elsewhere(sample(location=None), 8)
    untold = framed(sample(location=None), here=8)
    assert untold.quality is not None and untold.quality.tolist() == [GOOD] * 6 + [BAD_NO_DATA, GOOD]


SLOTS = told_slots(ASKED)


def test_a_record_is_known_by_all_that_the_device_has_put_into_it() -> None:
    def same(one: Sample, other: Sample, here: int | None = None) -> bool:
        return known(framed(one), SLOTS).same(known(framed(other, here), SLOTS))

    assert same(sample(), sample())
    for other in (sample(time_ns=SECOND), sample(counts=(100.0, 0.0)), sample(status=0), sample(location=8)):
        assert not same(sample(), other)
    assert same(sample(), sample(volume_m3=FT3_M3 * 2)), "another flow in the settings is no other record"
    assert same(sample(), sample(), here=8), "nor is another place in the configuration"
    assert same(sample(fault=BAD_SENSOR_FAILURE), sample(fault=BAD_SENSOR_FAILURE))


def numbered(n: int) -> Frame:
    return framed(sample(time_ns=n * 60 * SECOND, counts=(1000.0 + n, float(n))))


@given(st.integers(2, 40), st.integers(2, 60), st.integers(1, 60), st.data())
def test_a_shifting_buffer_read_backward_loses_nothing(largest: int, made: int, back: int, data: st.DataObject) -> None:
    """Records finish while the buffer is read, and shift it once it is full; what it still held at the start is found once."""
    buffer = [numbered(n) for n in range(made)][-largest:]
    before = buffer[:]
    taken = numbered(max(made - 1 - back, 0))
    walk = Walk(buffer[-1], len(buffer), known(taken, SLOTS), SLOTS)
    while not walk.done:
        if data.draw(st.integers(0, 3)) == 0:
            buffer = [*buffer, numbered(made)][-largest:]
            made += 1
        walk.add(buffer[walk.next])
    found = [frame.time_ns for frame in walk.frames()]
    behind = [frame.time_ns for frame in before if frame.time_ns > taken.time_ns]
    still = {frame.time_ns for frame in buffer}
    assert [one for one in behind if one in still or one in found] == found
    assert walk.reached or taken.time_ns not in still


def test_a_walk_from_the_record_taken_last_finds_nothing() -> None:
    walk = Walk(numbered(3), 4, known(numbered(3), SLOTS), SLOTS)
    assert walk.done and walk.reached


def test_a_record_that_only_looks_like_the_one_taken_last_is_told_from_it_by_its_place() -> None:
    """A clock set back by two minutes in clean air: index 3 looks like index 1, which was the newest when there were two."""
    clean = [framed(sample(time_ns=t * 60 * SECOND, counts=(0.0, 0.0))) for t in (1, 2, 1, 2)]
    walk = Walk(clean[3], 4, known(clean[1], SLOTS), SLOTS, held=2)
    assert walk.alone
    while not walk.done:
        walk.add(clean[walk.next])
    assert walk.reached and not walk.alone and walk.frames() == clean[2:]
    assert Walk(clean[3], 4, known(clean[1], SLOTS), SLOTS).reached, "without the place nothing tells them apart"
    assert Walk(clean[3], 4, known(clean[3], SLOTS), SLOTS, held=3).reached, "one more came while the newest was read"


def test_what_the_buffer_no_longer_holds_is_a_gap_and_what_follows_at_once_is_none() -> None:
    oldest = numbered(10)
    gap = gap_before("PC1", numbered(4).time_ns, oldest, 60)
    assert gap is not None and (gap.first_ns, gap.last_ns) == (240 * SECOND, 540 * SECOND)
    assert "PC1" in gap.reason and "300 s" in gap.reason
    assert gap_before("PC1", numbered(9).time_ns, oldest, 60) is None
    assert gap_before("PC1", numbered(9).time_ns - 59 * SECOND, oldest, 60) is None, "a pause shorter than a sample"


def test_a_clock_that_disagrees_is_said_once_until_it_agrees() -> None:
    assert clock_finding("PC1", 59.0, None) is None
    said = clock_finding("PC1", 61.0, None)
    assert said is not None and said[1].startswith("PC1: its clock is 61 s ahead of ours")
    assert clock_finding("PC1", 100.0, said) is said and clock_finding("PC1", 31.0, said) is said
    assert clock_finding("PC1", 30.0, said) is None
    moved = clock_finding("PC1", -28_800.0, said)
    assert moved is not None and "28800 s behind" in moved[1]


def test_words_stand_high_first() -> None:
    assert u32(np.array([9, 0x1234, 0x5678], np.uint16), 1) == 0x12345678


# ---- status registers

PURGE = Status(table="holding", address=528, bits={2: "UncertainSensorNotAccurate", 32: "BadOutOfService"})
FINE = Status(table="holding", address=512, fine=1)


def tag(status: Status | None) -> ProfileTag:
    text = {"en": "x", "zh": "x"}
    register = {"table": "holding", "address": 0}
    return ProfileTag.model_validate({"name": text, "register": register, "status": status})


@pytest.mark.parametrize(
    ("status", "raw", "code"),
    [
        (PURGE, 0, GOOD), (PURGE, 2, UNCERTAIN_SENSOR_NOT_ACCURATE), (PURGE, 32, BAD_OUT_OF_SERVICE),
        (PURGE, 34, BAD_OUT_OF_SERVICE), (PURGE, 8, GOOD), (FINE, 1, GOOD), (FINE, 0, BAD_DEVICE_FAILURE),
    ],
)  # fmt: skip
def test_a_makers_bits_mean_a_quality(status: Status, raw: int, code: int) -> None:
    assert meaning(status, raw) == code


def test_a_status_judges_the_values_that_it_is_for_and_is_read_once() -> None:
    statuses = Statuses([tag(PURGE), tag(None), tag(FINE), tag(PURGE)])
    assert [(r.table, r.address) for r in statuses.registers] == [("holding", 528), ("holding", 512)]
    values = np.arange(4.0)
    assert statuses.judge(np.array([0.0, 1.0]), values, None) is None
    judged = statuses.judge(np.array([32.0, 1.0]), values, None)
    assert judged is not None and judged.tolist() == [BAD_OUT_OF_SERVICE, GOOD, GOOD, BAD_OUT_OF_SERVICE]
    assert np.isnan(values).tolist() == [True, False, False, True]


def test_a_value_that_is_bad_already_keeps_its_reason_and_one_without_a_status_is_uncertain() -> None:
    statuses = Statuses([tag(PURGE), tag(FINE)])
    values = np.array([np.nan, 3.0])
    before = np.array([BAD_TIMEOUT, GOOD], np.uint16)
    judged = statuses.judge(np.array([32.0, np.nan]), values, before)
    assert judged is not None and judged.tolist() == [BAD_TIMEOUT, UNCERTAIN] and values[1] == 3.0
    assert before.tolist() == [BAD_TIMEOUT, GOOD]
    notified = statuses.judge(np.array([8.0, 1.0]), np.ones(2), None)
    assert notified is None, "a bit without a meaning changes nothing"


def test_a_repeated_tags_status_steps_with_it() -> None:
    one = tag(Status(table="holding", address=528, bits={2: "Bad"}, stride=1)).model_dump(by_alias=True)
    one["register"]["stride"] = 2
    text = {"en": "x", "zh": "x"}
    whole = {
        "profile": "x",
        "name": text,
        "equipment_type": "x",
        "maker": "x",
        "source": "x",
        "protocol": "modbus",
        "tags": {},
    }
    tags = Profile.model_validate({**whole, "repeated": [{"count": 3, "tags": {"t{n}": one}}]}).expanded()
    assert [t.status.address for t in tags.values() if t.status] == [528, 529, 530]
    assert [t.register_.address for t in tags.values() if t.register_] == [0, 2, 4]
