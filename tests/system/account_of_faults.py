"""What was served against what is stored: each answer of the simulator is one frame with those very values, or is explained.

An answer is explained where its second lies in a recorded gap, or where that second's frame is Bad with a reason: the line was cut
before the answer arrived, or it came after the deadline. Everything is compared with a fleet of the same seed, made anew here.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import psycopg
from numpy.typing import NDArray

from drivers.frame import Layout
from drivers.quality import BAD
from simulators.load.fleet import Fleet
from simulators.load.plant import LoadPlant, Size
from simulators.load.registers import words_of
from simulators.load.served import answers
from tests.historian.accounting import SECOND, absent, doubled, unaccounted
from tests.system.load_service import Fault, Plant

STOPS: Final = ("engine", "supervisor")
"""What ends the engine: the supervisor takes its children with it."""
SOON_NS: Final = 15 * SECOND
LONGEST_GAP_S: Final = 5.0
ANSWERED_NS: Final = 2 * SECOND
"""An answer belongs to a slot that began no longer ago than this: its phase and its deadline are less than a second each."""


@dataclass(slots=True)
class Account:
    """Counts of answers, and what is wrong in sentences."""

    served: int = 0
    stored: int = 0
    in_gaps: int = 0
    told_bad: int = 0
    lost: list[str] = field(default_factory=list[str])
    false: list[str] = field(default_factory=list[str])
    double: list[str] = field(default_factory=list[str])
    unexplained: list[str] = field(default_factory=list[str])
    missing_s: dict[str, float] = field(default_factory=dict[str, float])
    """Seconds without a frame, the most of any device, by the fault that they followed."""
    gap_s: int = 0
    """Seconds in recorded gaps of the whole engine."""
    bad_s: float = 0.0
    """Seconds in which a device had a Bad frame, the most of any device."""
    kinds: dict[str, int] = field(default_factory=dict[str, int])

    def said(self) -> str:
        """All of it in a few lines."""
        faults = ", ".join(f"{count} {kind}" for kind, count in sorted(self.kinds.items()))
        missing = ", ".join(f"{kind} {s:.0f} s" for kind, s in self.missing_s.items()) or "none"
        return (
            f"faults: {faults}\n"
            f"answers served {self.served}, stored {self.stored}, in gaps {self.in_gaps}, told Bad {self.told_bad}, "
            f"lost {len(self.lost)}, doubled {len(self.double)}, false {len(self.false)}\n"
            f"seconds missing after {missing}; recorded gaps {self.gap_s} s; Bad at most {self.bad_s:.0f} s of one device"
        )


@dataclass(frozen=True, slots=True)
class Shown:
    """What the simulator shows of each device at each step, as a client decodes it: (step, device, tag)."""

    values: NDArray[np.float64]
    rows: Mapping[str, int]
    tolerance: NDArray[np.float64]
    """(device, tag): 0 where the wire carries floats, a thousandth of the register's step where it carries integers."""


def shown(plant: Plant, steps: int) -> Shown:
    """The readings of all steps up to `steps`, step 0 being before the first."""
    size = Size(plant.devices, plant.tags)
    fleet = Fleet(plant.devices, plant.tags, plant.seed)
    rows = {name: device.row for name, device in LoadPlant(size, plant.seed).devices.items()}
    protocols = size.protocols()
    modbus = np.array([protocols[name] == "modbus" for name in sorted(rows, key=lambda name: rows[name])])
    values = np.empty((steps + 1, plant.devices, plant.tags))
    for step in range(steps + 1):
        words = words_of(fleet.values, fleet.failed, fleet.resolution).astype(np.int64) * fleet.resolution
        values[step] = np.where(modbus[:, None], words, fleet.values.astype(np.float32))
        fleet.step(step)
    tolerance = np.where(modbus[:, None], fleet.resolution / 1000, 0.0)
    return Shown(values, rows, tolerance)


def account(database: psycopg.Connection[Any], file: Path, plant: Plant, faults: list[Fault], until_ns: int) -> Account:
    """Of all slots up to `until_ns`."""
    found = answers(file)
    expected = shown(plant, int(found["step"].max()))
    gaps = [
        dict(row[0]) for row in database.execute("select data from event where kind = 'gap' order by number").fetchall()
    ]
    result = Account()
    for fault in faults:
        result.kinds[fault.kind] = result.kinds.get(fault.kind, 0) + 1
    slots: dict[Layout, list[int]] = {}
    listed = "select id, device, tags from layout where not record and device like 'LOAD-0%%' order by device"
    for number, device, tags in database.execute(listed).fetchall():
        layout = Layout(device, tuple(tags))
        frames = _frames(database, number, until_ns)
        slots[layout] = frames["time_ns"].tolist()
        row = expected.rows[device]
        mine = found[found["device"] == row]
        explained = _compare(result, device, frames, mine, expected.values[:, row], expected.tolerance[row], gaps)
        result.served += int(np.count_nonzero(explained | (mine["time_ns"] <= until_ns)))
        result.lost += [
            f"{device} {time_ns}" for time_ns in mine["time_ns"][~explained].tolist() if time_ns <= until_ns
        ]
        _attribute(result, layout, slots[layout], faults, until_ns)
        result.bad_s = max(result.bad_s, float(np.count_nonzero(~frames["held"])))
    result.unexplained = [f"{layout.device} {slot}" for layout, slot in unaccounted(slots, gaps, until_ns)]
    result.double += [f"{layout.device} {slot}" for layout, times in slots.items() for slot in doubled(times)]
    whole = [range(gap["first_ns"], gap["last_ns"] + 1, SECOND) for gap in gaps if gap["device"] is None]
    result.gap_s = len({slot for span in whole for slot in span})
    return result


def _frames(database: psycopg.Connection[Any], layout: int, until_ns: int) -> dict[str, Any]:
    """By time: slot, when received, whether a value was held (not all Bad), and the values."""
    rows = database.execute(
        "select (extract(epoch from time) * 1000000)::bigint, (extract(epoch from received) * 1000000)::bigint,"
        ' quality, "values" from frame where layout = %s and time <= to_timestamp(%s) order by time, received',
        (layout, until_ns / 1e9),
        binary=True,
    ).fetchall()
    values = np.array([[math.nan if v is None else v for v in row[3]] for row in rows])
    bad = [row[2] is not None and min(row[2]) >= BAD for row in rows]
    return {
        "time_ns": np.array([row[0] for row in rows], np.int64) * 1000,
        "received_ns": np.array([row[1] for row in rows], np.int64) * 1000,
        "held": ~np.array(bad, np.bool_),
        "values": values,
    }


def _compare(
    result: Account,
    device: str,
    frames: dict[str, Any],
    mine: NDArray[Any],
    steps: NDArray[np.float64],
    tolerance: NDArray[np.float64],
    gaps: list[dict[str, Any]],
) -> NDArray[np.bool_]:
    """Each frame that holds values is the newest answer before it was received. Gives the mask of the answers that are explained:
    stored, or told otherwise."""
    taken = np.zeros(len(mine), np.bool_)
    newest = np.searchsorted(mine["time_ns"], frames["received_ns"] + 2_000, side="right") - 1
    for n in np.flatnonzero(frames["held"]):
        i = int(newest[n])
        slot = f"{device} {int(frames['time_ns'][n])}"
        # A second answer may have been given meanwhile on a connection that begins.
        while i >= 0 and not _same(frames["values"][n], steps[mine["step"][i]], tolerance):
            i -= 1
            if i < 0 or mine["time_ns"][i] < frames["time_ns"][n] - ANSWERED_NS:
                i = -1
        if i < 0:
            result.false.append(slot)
        elif taken[i]:
            result.double.append(slot)
        else:
            taken[i] = True
            result.stored += 1
    explained = taken.copy()
    bad_ns = frames["time_ns"][~frames["held"]]
    for i in np.flatnonzero(~taken):
        time_ns = int(mine["time_ns"][i])
        if any(
            gap["device"] in (None, device) and gap["first_ns"] <= time_ns < gap["last_ns"] + ANSWERED_NS
            for gap in gaps
        ):
            result.in_gaps += 1
            explained[i] = True
        elif ((bad_ns <= time_ns) & (bad_ns > time_ns - ANSWERED_NS)).any():
            result.told_bad += 1
            explained[i] = True
    return explained


def _same(one: NDArray[np.float64], other: NDArray[np.float64], tolerance: NDArray[np.float64]) -> bool:
    return bool((np.abs(one - other) <= tolerance).all())


def _attribute(result: Account, layout: Layout, times: list[int], faults: list[Fault], until_ns: int) -> None:
    """The seconds that are missing to the fault before them, where that was soon before; an end of the engine comes first."""
    missing: dict[str, float] = {}
    for slot in absent(times, until_ns).tolist():
        near = [fault.kind for fault in faults if -SECOND * 2 < slot - fault.time_ns < SOON_NS]
        kind = next((kind for kind in near if kind in STOPS), near[-1] if near else "nothing")
        missing[kind] = missing.get(kind, 0.0) + 1.0
    for kind, seconds in missing.items():
        result.missing_s[kind] = max(result.missing_s.get(kind, 0.0), seconds)
