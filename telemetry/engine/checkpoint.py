"""The core's state on disk: saved at most every 60 s, restored at start, then the journaled inputs after it are replayed.

State is kept by the ids of alarms and interlocks, not by their place, so that a changed configuration keeps what it can. The
file begins with the CRC-32 of the rest: instead of a damaged one the one before it counts, for which the journal is kept, too.
Without that, everything in the journal is replayed.
"""

import os
import time
import zlib
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from alarms.core import Core
from drivers.frame import Frame
from telemetry.journal import format as form

_FORM = 1
BEFORE = ".before"
_TICK_NS: Final = 20_000_000
"""File times are those of the kernel's last tick, 10 ms ago at most."""


@dataclass(frozen=True, slots=True)
class Taken:
    """The state as it was at `time_ns` (of the machine's clock), encoded."""

    body: bytes
    time_ns: int


def take(
    core: Core,
    order: int,
    number: int,
    now_ns: int,
    texts: dict[str, str | None],
    records: Iterable[Frame] = (),
    sensors: Mapping[str, Any] | None = None,
    slots: Mapping[str, Mapping[int, int]] | None = None,
) -> Taken:
    """The state after the input `order` and event `number`, the last record of each counter, what `Sensors.saved` gives, and by
    device and layout the last slot that is in the journal."""
    rules, time_ns = core.defined, time.time_ns()
    state = {
        "form": _FORM,
        "order": order,
        "number": number,
        "time_ns": now_ns,
        "texts": texts,
        "sensors": sensors or {},
        "slots": dict(slots or {}),
        "records": [(form.pack_layout(x.layout), x.received_ns, form.pack_frame(x, False)) for x in records],
        "rules": {"ids": _owners(core), "columns": _columns(core.limits) | {"last": _last(core).tobytes()}},
        "alarms": {
            "ids": list(rules.alarms),
            "columns": _columns(core.states) | {"silenced_until_ns": core.annunciator.silenced_until_ns.tobytes()},
            "acknowledged_by": {rules.alarms[i]: person for i, person in core.states.acknowledged_by.items()},
        },
        "interlocks": {
            "ids": [row.id for row in rules.interlocks],
            "columns": _columns(core.interlocks),
            "releasing": core.interlocks.releasing,
        },
    }
    return Taken(msgspec.msgpack.encode(state), time_ns)


def save(path: Path, taken: Taken) -> None:
    """Writes it, whole or not at all: raises OSError, and the one before stands. Waits for the disk: call it in a thread. The
    file's time is that of the state: what was written to a segment later is not in it."""
    file_ns = taken.time_ns - _TICK_NS
    new = path.with_suffix(".new")
    try:
        with new.open("wb") as file:
            file.write(zlib.crc32(taken.body).to_bytes(4, "big") + taken.body)
            file.flush()
            os.utime(file.fileno(), ns=(file_ns, file_ns))
            os.fsync(file.fileno())
        _keep(path)
        new.replace(path)
    except OSError:
        with suppress(OSError):
            new.unlink(missing_ok=True)
        raise


def restore(path: Path, core: Core) -> dict[str, Any] | None:
    """Puts the saved state into `core`, of the checkpoint at `path` or the one before it; gives what else was saved (order, number,
    time_ns, texts; records: frames by layout id; sensors; slots), or None without a usable one."""
    state = _read(path) or _read(path.with_suffix(BEFORE))
    if state is None:
        return None
    rules = core.defined
    _put(core.limits, state["rules"], _owners(core))
    _put_last(core, state["rules"])
    _put(core.states, state["alarms"], list(rules.alarms))
    saved = state["alarms"]
    silenced = dict(zip(saved["ids"], np.frombuffer(saved["columns"]["silenced_until_ns"], np.int64), strict=True))
    for alarm, i in core.number.items():
        core.annunciator.silenced_until_ns[i] = silenced.get(alarm, 0)
        if alarm in saved["acknowledged_by"]:
            core.states.acknowledged_by[i] = saved["acknowledged_by"][alarm]
    _put(core.interlocks, state["interlocks"], [row.id for row in rules.interlocks])
    core.interlocks.releasing.update(state["interlocks"]["releasing"])
    core.due_ns[:] = 0  # delays that were running are looked at once, at the first step
    core.wake_ns = 0
    records = [_record(*packed) for packed in state.get("records", ())]
    told = {key: state[key] for key in ("order", "number", "time_ns", "texts")}
    return (
        told
        | {"records": {frame.layout.id: frame for frame in records}, "sensors": state.get("sensors", {})}
        | {"slots": {device: _by_layout(last) for device, last in state.get("slots", {}).items()}}
    )


def _by_layout(last: Any) -> dict[int, int]:
    """A device's slots by layout; older checkpoints have one for all of them."""
    return last if isinstance(last, dict) else {0: last}


def _read(path: Path) -> dict[str, Any] | None:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    if len(data) < 4 or zlib.crc32(data[4:]) != int.from_bytes(data[:4], "big"):
        return None
    state: dict[str, Any] = msgspec.msgpack.decode(data[4:])
    return state if state["form"] == _FORM else None


def _keep(path: Path) -> None:
    """Gives the checkpoint at `path` a second name, under which it outlives the next one."""
    before = path.with_suffix(BEFORE)
    before.unlink(missing_ok=True)
    with suppress(FileNotFoundError):
        before.hardlink_to(path)


def _record(layout: bytes, received_ns: int, body: bytes) -> Frame:
    return form.unpack_frame(form.Record(form.FRAME, 0, 0, received_ns, body, 0), form.unpack_layout(layout))[0]


_CONFIGURED = frozenset({"latching"})


def _owners(core: Core) -> list[str]:
    """Whose rule each rule is, by name."""
    d = core.defined
    return [
        d.alarms[alarm] if alarm >= 0 else f"cause {d.interlocks[interlock].id}"
        for alarm, interlock in zip(d.alarm_of, d.interlock_of, strict=True)
    ]


def _last(core: Core) -> NDArray[np.float64]:
    """The newest value of each rule (NaN: none yet), for an alarm that its delay raises before the next frame."""
    last = np.full(len(core.defined.rules.slot), np.nan)
    for layout, values in core.last.items():
        part = core.defined.parts[layout]
        last[part] = values[core.defined.rules.slot[part]]
    return last


def _put_last(core: Core, saved: dict[str, Any]) -> None:
    last = dict(zip(saved["ids"], np.frombuffer(saved["columns"]["last"]), strict=True))
    of_rule = np.array([last.get(owner, np.nan) for owner in _owners(core)])
    for layout, part in enumerate(core.defined.parts):
        slots = core.defined.rules.slot[part]
        if len(slots):
            core.last[layout] = np.full(slots.max() + 1, np.nan)
            core.last[layout][slots] = of_rule[part]


def _columns(arrays: Any) -> dict[str, bytes]:
    named = ((f.name, getattr(arrays, f.name)) for f in fields(arrays) if f.name not in _CONFIGURED)
    return {name: column.tobytes() for name, column in named if isinstance(column, np.ndarray)}


def _put(arrays: Any, saved: dict[str, Any], ids: list[str]) -> None:
    old = {name: i for i, name in enumerate(saved["ids"])}
    pairs = [(new, old[name]) for new, name in enumerate(ids) if name in old]
    if not pairs:
        return
    to, source = (np.array(side, np.intp) for side in zip(*pairs, strict=True))
    for f in fields(arrays):
        column = getattr(arrays, f.name)
        if isinstance(column, np.ndarray) and f.name in saved["columns"]:
            column[to] = np.frombuffer(saved["columns"][f.name], column.dtype)[source]
