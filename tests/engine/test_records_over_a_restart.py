"""An engine that starts again takes each record of a counter once: from its checkpoint and journal it knows which it has."""

from pathlib import Path
from typing import Final

import numpy as np
import pytest

from alarms.core import Core
from drivers.frame import Frame, Layout
from telemetry.engine import checkpoint
from telemetry.engine.compiled import Compiled, compiled
from telemetry.engine.replay import frames_after, restore
from telemetry.journal import format as form
from telemetry.journal.writer import Writer
from tests.drivers.counter_machines import START_S, Airnet, Finished, Lighthouse
from tests.drivers.counter_watch import minutes, watched
from tests.drivers.words import served
from tests.simulators.small_plant import plant, unit

WRITER: Final = "engine-1"
NOW_NS: Final = START_S * 10**9


def planned(model: str) -> Compiled:
    return compiled(plant([unit("X", model)]))


def taken(folder: Path) -> list[Frame]:
    """The counter's records in the journal."""
    return [form.unpack_frame(record, layout)[0] for record, layout in frames_after(folder, 0) if layout.record]


def resumed(folder: Path, plan: Compiled) -> Frame | None:
    """The record that an engine knows as the last one after its start."""
    records = restore(folder, Core(plan.definitions), plan.number).records
    return next(iter(records.values()), None)


@pytest.mark.parametrize("saved", [False, True], ids=["from the journal", "from the checkpoint"])
@pytest.mark.parametrize("machine", [Lighthouse, Airnet])
async def test_no_record_is_lost_or_doubled_over_restarts(
    tmp_path: Path, machine: type[Lighthouse] | type[Airnet], saved: bool
) -> None:
    counter = machine()
    model = "counter-lighthouse" if machine is Lighthouse else "counter-airnet"
    plan, folder = planned(model), tmp_path / WRITER
    folder.mkdir()
    made = 0
    async with served(counter.words):
        for _ in range(4):
            counter.finish(*[Finished(START_S + 60 * m, fine=m + 1000, coarse=m) for m in range(made + 1, made + 4)])
            made += 3
            journal, core = Writer(folder, WRITER), Core(plan.definitions)
            last = resumed(folder, plan)
            async with watched(counter.words, model, last=last) as watch:
                await watch.scan(4)
                for frame in watch.records:
                    journal.frame(frame, False)
                if saved:
                    path = folder / "checkpoint"
                    checkpoint.save(
                        path, checkpoint.take(core, journal.order, journal.event_number, NOW_NS, {}, watch.records[-1:])
                    )
            journal.close()
    first = made - 9 if machine is Lighthouse else 1  # of a counter that was never asked before only the newest is ours
    assert minutes(taken(folder)) == list(range(first, made + 1))


def test_the_record_known_after_a_start_is_the_one_behind_the_checkpoint(tmp_path: Path) -> None:
    plan = planned("counter-lighthouse")
    layout = next(layout for layout in plan.layouts if layout.record)
    records = [record_of(layout, second) for second in (60, 120)]
    journal = Writer(tmp_path, WRITER)
    journal.frame(records[0], False)
    path = tmp_path / "checkpoint"
    checkpoint.save(
        path, checkpoint.take(Core(plan.definitions), journal.order, journal.event_number, NOW_NS, {}, records[:1])
    )
    known = resumed(tmp_path, plan)
    assert known is not None and known.time_ns == 60 * 10**9 and known.layout == layout
    journal.frame(records[1], False)
    known = resumed(tmp_path, plan)
    assert known is not None and known.time_ns == 120 * 10**9
    assert known.values.tobytes() == records[1].values.tobytes()
    journal.close()


def record_of(layout: Layout, second: int) -> Frame:
    return Frame(layout, second * 10**9, NOW_NS, np.arange(len(layout.tags), dtype=np.float64) + second)
