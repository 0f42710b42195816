"""Frame records as blocks: they hold the same frames as the journal, bit for bit, and what does not fit is damage."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.frame import Frame, Layout
from telemetry.journal import format as form
from telemetry.journal.block import Block, blocks
from tests.historian.journals import COUNTER, ISOLATOR, NOON, SECOND, frames, good_frame, same

LAYOUTS = {layout.id: layout for layout in (ISOLATOR, COUNTER)}


def records(given_frames: Sequence[Frame], failed: bool = False) -> list[form.Record]:
    each = enumerate(given_frames, 1)
    return [form.Record(form.FRAME, i, i, frame.received_ns, form.pack_frame(frame, failed)) for i, frame in each]


def frames_of(block: Block) -> dict[int, Frame]:
    """Each row as a frame again, by its record's number."""
    n = len(block.layout.tags)
    return {
        int(number): Frame(
            block.layout,
            int(block.time_ns[k]),
            int(block.received_ns[k]),
            block.values[k],
            None if block.quality is None else block.quality[k],
            None if block.source_ns is None else np.broadcast_to(block.source_ns[k], n),
            block.late,
        )
        for k, number in enumerate(block.number.tolist())
    }


def test_seconds_of_two_devices_are_two_blocks() -> None:
    found = blocks(records([good_frame(0), good_frame(0, COUNTER), good_frame(1)]), LAYOUTS)
    isolator, counter = found
    assert (isolator.layout, counter.layout) == (ISOLATOR, COUNTER)
    assert isolator.number.tolist() == [1, 3]
    assert isolator.time_ns.tolist() == [NOON, NOON + SECOND]
    assert isolator.received_ns.tolist() == [NOON + 1000, NOON + SECOND + 1000]
    assert isolator.values.tolist() == [[0.0, 1.0, 2.0], [1.0, 2.0, 3.0]]
    assert (isolator.quality, isolator.source_ns, isolator.late) == (None, None, False)


def test_no_frames_are_no_blocks() -> None:
    layout = form.Record(form.LAYOUT, 1, 1, NOON, form.pack_layout(ISOLATOR))
    assert blocks([layout], {}) == []


@given(given_frames=st.lists(frames(), min_size=1, max_size=12), failed=st.booleans())
def test_blocks_hold_what_the_records_hold(given_frames: list[Frame], failed: bool) -> None:
    journaled = records(given_frames, failed)
    found = [frames_of(block) for block in blocks(journaled, LAYOUTS)]
    assert sorted(number for one in found for number in one) == [record.number for record in journaled]
    for one in found:
        assert list(one) == sorted(one), "the order of the journal"
        for number, frame in one.items():
            record = journaled[number - 1]
            assert same(frame, form.unpack_frame(record, LAYOUTS[form.frame_layout(record.body)])[0])


def test_a_layout_that_was_never_told_is_damage() -> None:
    with pytest.raises(form.Damaged, match="never told"):
        blocks(records([good_frame(0)]), {COUNTER.id: COUNTER})


@pytest.mark.parametrize("cut", [1, 8, 24])
def test_a_frame_that_does_not_fit_its_layout_is_damage(cut: int) -> None:
    whole = records([good_frame(0), good_frame(1)])
    torn = form.Record(form.FRAME, 2, 2, NOON, whole[1].body[:-cut])
    with pytest.raises(form.Damaged):
        blocks([whole[0], torn], LAYOUTS)
    shorter = Layout(ISOLATOR.device, ISOLATOR.tags[:2])
    with pytest.raises(form.Damaged, match="its layout 2"):
        blocks(whole, {ISOLATOR.id: shorter})


@pytest.mark.parametrize("length", [0, 7, 19])
def test_a_body_without_a_head_is_damage(length: int) -> None:
    with pytest.raises(form.Damaged, match="no head"):
        blocks([form.Record(form.FRAME, 1, 1, NOON, bytes(length))], {0: ISOLATOR})
