"""The words of the drivers: qualities as numbers, layouts and their ids, frames of scans that read nothing."""

import numpy as np
import pytest
from asyncua import ua
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError

from drivers import quality
from drivers.device import layouts_of
from drivers.frame import LARGEST_LAYOUT, Frame, Layout, Scan, bad_frame
from drivers.profile import ProfileTag, Record, Register, Text

NAME = Text(en="x", zh="x")
CODES = {name: code for name, code in vars(quality).items() if name.isupper() and isinstance(code, int)}


def test_each_code_is_of_the_class_that_its_name_says_and_has_a_reason_of_its_own() -> None:
    for name, code in CODES.items():
        assert quality.class_of(code) == name.split("_")[0].title()
        assert (quality.reason_of(code) is None) == (code == quality.GOOD)
    assert len(set(CODES.values())) == len(CODES)
    assert len(set(quality.NAMES.values())) == len(quality.NAMES)


def test_codes_and_names_are_those_of_opc_ua() -> None:
    for code, name in quality.NAMES.items():
        assert getattr(ua.StatusCodes, name) >> 16 == code


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (0x0000, None),
        (0x0096, "GoodLocalOverride"),
        (0x4090, "UncertainLastUsableValue"),
        (0x8005, "BadCommunicationError"),
        (0x808C, "BadSensorFailure"),
        (0x80FF, "Bad0x80FF"),
        (0x4001, "Uncertain0x4001"),
        (0x0001, "Good0x0001"),
        (0xC000, "Bad0xC000"),
    ],
)
def test_reasons_are_opc_ua_names_and_a_number_where_we_have_no_name(code: int, reason: str | None) -> None:
    assert quality.reason_of(code) == reason


@given(st.lists(st.integers(0, 0xFFFF)))
@example(sorted(CODES.values()))
def test_bad_on_arrays_is_bad_one_by_one(codes: list[int]) -> None:
    assert quality.is_bad(np.array(codes, np.uint16)).tolist() == [quality.class_of(c) == "Bad" for c in codes]


# ---- layouts


def test_a_layout_is_known_by_its_content_in_63_bits() -> None:
    one = Layout("ISO", ("ISO.pressure", "ISO.h2o2"))
    assert one == Layout("ISO", ("ISO.pressure", "ISO.h2o2"))
    assert one.id == 8881706172515365719  # stored frames name it: it must never change
    others = [
        Layout("ISO", ("ISO.h2o2", "ISO.pressure")),
        Layout("ISO", ("ISO.pressure",)),
        Layout("ISO", ("ISO.pressure", "ISO.h2o2"), record=True),
        Layout("BSC", ("ISO.pressure", "ISO.h2o2")),
        Layout("ISO", ()),
    ]
    assert len({one.id, *(x.id for x in others)}) == 6


@given(st.text(), st.lists(st.text()).map(tuple))
def test_a_layout_id_fits_a_postgresql_bigint(device: str, tags: tuple[str, ...]) -> None:
    assert 0 <= Layout(device, tags).id < 1 << 63


def polled(kind: str = "float") -> ProfileTag:
    return ProfileTag.model_validate({"name": NAME, "kind": kind, "register": Register(table="input", address=0)})


def recorded() -> ProfileTag:
    return ProfileTag(name=NAME, record=Record(field="count", channel=1))


def test_polled_tags_and_records_lie_in_layouts_of_their_own_and_text_in_none() -> None:
    tags = {"a": polled(), "serial": polled("text"), "n": recorded(), "b": polled("boolean")}
    assert [(x.tags, x.record) for x in layouts_of("PC1", tags)] == [(("PC1.a", "PC1.b"), False), (("PC1.n",), True)]
    assert layouts_of("PC1", {"serial": polled("text")}) == ()


def test_watched_tags_lie_in_a_layout_of_their_own() -> None:
    def node(**more: object) -> ProfileTag:
        return ProfileTag.model_validate({"name": NAME, "node": "s=x", **more})

    tags = {"door": node(sampling_ms=50), "t": node(), "trip": node(sampling_ms=100), "batch": node(kind="text")}
    assert [(x.tags, x.record) for x in layouts_of("ISO", tags)] == [
        (("ISO.t",), False),
        (("ISO.door", "ISO.trip"), False),
    ]
    for wrong in ({"kind": "text"}, {"node": None, "register": {"table": "input", "address": 0}}):
        with pytest.raises(ValidationError, match="can have sampling_ms"):
            node(sampling_ms=50, **wrong)


@given(st.integers(0, 450), st.integers(0, 3))
def test_layouts_hold_every_tag_once_in_order_and_none_is_too_large(n_polled: int, n_recorded: int) -> None:
    tags = {f"p{i}": polled() for i in range(n_polled)} | {f"r{i}": recorded() for i in range(n_recorded)}
    layouts = layouts_of("X", tags)
    assert [tag for x in layouts for tag in x.tags] == [f"X.{name}" for name in tags]
    assert all(0 < len(x.tags) <= LARGEST_LAYOUT == 200 for x in layouts)
    assert len({x.id for x in layouts}) == len(layouts)


# ---- frames


@pytest.mark.parametrize(
    "reason", [quality.BAD, quality.BAD_TIMEOUT, quality.BAD_NO_COMMUNICATION, quality.BAD_NOT_CONNECTED]
)
def test_a_scan_that_read_nothing_is_all_bad_with_its_reason(reason: int) -> None:
    frame = bad_frame(Layout("ISO", ("ISO.a", "ISO.b")), 5, 7, reason)
    assert np.isnan(frame.values).tolist() == [True, True]
    assert frame.values.dtype == np.float64
    assert frame.quality is not None
    assert frame.quality.dtype == np.uint16
    assert frame.quality.tolist() == [reason, reason]
    assert (frame.time_ns, frame.received_ns, frame.source_ns, frame.late) == (5, 7, None, False)


def test_bad_without_more_to_say_is_plain_bad() -> None:
    frame = bad_frame(Layout("ISO", ("ISO.a",)), 5, 7)
    assert frame.quality is not None
    assert quality.reason_of(int(frame.quality[0])) == "Bad"


def test_a_scan_is_good_until_it_says_otherwise() -> None:
    frame = Frame(Layout("ISO", ("ISO.a",)), 0, 1, np.array([1.0]))
    assert frame.quality is None
    assert (Scan((frame,)).texts, Scan((frame,)).failure) == ({}, None)
