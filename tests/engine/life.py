"""A core and its journal, driven as the engine drives them, with each step's outcome kept; and crashes of it at any record."""

import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np

from alarms.core import Act, Core, Event, Input, Readings, Verb, Wake
from alarms.states import IllegalAct
from drivers.frame import Frame
from drivers.quality import BAD
from telemetry.engine import checkpoint
from telemetry.engine.compiled import Compiled
from telemetry.engine.replay import restore
from telemetry.journal import format as form
from telemetry.journal.reader import Reader, segments
from telemetry.journal.writer import Writer
from tests.engine.small_plant import DELAYED_INTERLOCK, PERSON

WRITER: Final = "engine-1"
START_NS: Final = 1_780_000_000 * 10**9
MS: Final = 1_000_000
Transition = tuple[str, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the core: order of the first record that shows it (None: none does), the state after it, and the
    transitions of alarms and interlocks that came out of it, each with the order of its record."""

    order: int | None
    state: dict[str, Any]
    told: tuple[tuple[int, Transition], ...]


@dataclass
class Life:
    """A core in `folder`, fed by hand at times of its own. `steps` and `checkpoints` (by order) are what a test compares."""

    folder: Path
    plan: Compiled
    now_ns: int = START_NS
    steps: list[Step] = field(default_factory=list[Step])
    checkpoints: dict[int, Path] = field(default_factory=dict[int, Path])
    woken_ns: int = field(init=False)
    core: Core = field(init=False)
    journal: Writer = field(init=False)

    def __post_init__(self) -> None:
        self.folder.mkdir()
        self._begin()
        self.blank = state(self.core)

    def _begin(self) -> None:
        self.woken_ns = self.now_ns
        self.core = Core(self.plan.definitions)
        assert restore(self.folder, self.core, self.plan.number).untold == []
        self.journal = Writer(self.folder, WRITER)
        self.journal.event(self.now_ns, {"kind": "engine", "transition": "started"})

    def restart(self) -> None:
        """Ends between two steps, as by SIGKILL, and starts again from its own disk."""
        before = state(self.core)
        self._begin()
        assert state(self.core) == before

    def pass_time(self, ms: int) -> None:
        self.now_ns += ms * MS

    def wake(self, late_ms: int = 0) -> None:
        """The timer fires for all that is due by now, each time `late_ms` after it was asked for."""
        while (asked := self.core.wake_ns) <= self.now_ns:
            self.woken_ns = max(self.woken_ns, min(asked + late_ms * MS, self.now_ns))
            self._step(Wake(), self.woken_ns, None)
            if self.core.wake_ns <= asked:
                break

    def frame(self, layout: int, values: list[float], failed: bool = False, early_ms: int = 0) -> None:
        """The frame of one layout, received `early_ms` ago."""
        read = np.full(len(values), np.nan) if failed else np.array(values, np.float64)
        bad = np.isnan(read)
        quality = np.where(bad, BAD, 0).astype(np.uint16) if bad.any() else None
        slot_ns = self.now_ns // 10**9 * 10**9
        frame = Frame(self.plan.layouts[layout], slot_ns, self.now_ns - early_ms * MS, read, quality)
        order = self.journal.frame(frame, failed)
        self._step(Readings(layout, np.append(read, float(failed))), frame.received_ns, order)

    def act(self, verb: Verb, target: str, occurrence: int = 0) -> bool:
        """An act of a person; False where it is refused, which is journaled too."""
        act = Act(verb, target, occurrence, PERSON, "a comment")
        said = {"kind": "act", "verb": verb, "target": target, "occurrence": occurrence, "person": PERSON}
        said["comment"] = act.comment
        try:
            self._step(act, self.now_ns, None, said)
        except IllegalAct as refusal:
            self.journal.event(self.now_ns, {**said, "refused": str(refusal)})
            return False
        return True

    def save(self) -> None:
        """A checkpoint, of which a copy is kept by its order."""
        path, order = self.folder / "checkpoint", self.journal.order
        checkpoint.save(path, checkpoint.take(self.core, order, self.journal.event_number, self.now_ns, {}))
        self.checkpoints[order] = path.with_name(f"{self.folder.name}-{order}.checkpoint")
        self.checkpoints[order].write_bytes(path.read_bytes())

    def _step(self, given: Input, now_ns: int, order: int | None, said: dict[str, Any] | None = None) -> None:
        effects, _ = self.core.step(given, now_ns)
        if said is not None:
            self.journal.event(now_ns, {**said, "refused": None})
            order = self.journal.order
        told: list[tuple[int, Transition]] = []
        for event in effects:
            if isinstance(event, Event):
                self.journal.event(now_ns, {"kind": event.kind, **event.data})
                if event.kind in ("alarm", "interlock"):
                    told.append((self.journal.order, (event.kind, event.data)))
        if order is None and told:
            order = told[0][0]
        self.steps.append(Step(order, state(self.core), tuple(told)))

    def crashed_at(self, order: int, torn_bytes: int, folder: Path) -> Path:
        """Copies to `folder` what is on the disk when the last whole record is that of `order`."""
        folder.mkdir()
        for stream in ("events", "frames"):
            for first, path in segments(self.folder, stream):
                reader = Reader(self.folder, stream, first - 1)
                end = form.SEGMENT.size
                for record in reader.rest():
                    if record.order > order or record.end < end:
                        break  # beyond, or already in the next segment
                    end = record.end
                reader.close()
                content = path.read_bytes()
                if end > form.SEGMENT.size or torn_bytes:
                    (folder / path.name).write_bytes(content[: end + torn_bytes] if torn_bytes < 40 else content[:end])
                if end < len(content):
                    break
        saved = [at for at in self.checkpoints if at <= order]
        if saved:
            shutil.copy(self.checkpoints[max(saved)], folder / "checkpoint")
        return folder

    def at(self, order: int) -> tuple[dict[str, Any], list[Transition]]:
        """The state that the records up to `order` lead to, and what they do not tell of it."""
        shown = [step for step in self.steps if step.order is not None and step.order <= order]
        if not shown:
            return self.blank, []
        return shown[-1].state, [told for at, told in shown[-1].told if at > order]


def state(core: Core) -> dict[str, Any]:
    """All that must survive, comparable. Left out: how long inputs have been unknown, which a start begins anew; whether the
    cause of a delayed interlock stands, which comes by a wake-up and is no event while the interlock is tripped already."""
    rules, limits, alarms = core.defined.interlock_of != DELAYED_INTERLOCK, core.limits, core.states
    rows = core.interlocks
    causes = [k for k in range(len(rows.rows)) if k != DELAYED_INTERLOCK]
    columns = ("active", "unacknowledged", "latched", "occurrence", "raised_ns", "cleared_ns", "acknowledged_ns")
    return {
        "beyond": limits.beyond.tolist(),
        "active": limits.active[rules].tolist(),
        "since": limits.since_ns.tolist(),
        "alarms": {name: getattr(alarms, name).tolist() for name in columns},
        "letters": [alarms.letter(i) for i in range(len(core.defined.alarms))],
        "values": [None if np.isnan(value) else value for value in alarms.value.tolist()],
        "by": dict(alarms.acknowledged_by),
        "silenced": core.annunciator.silenced_until_ns.tolist(),
        "tripped": rows.tripped.tolist(),
        "causes": [(bool(rows.cause[k]), int(rows.since_ns[k])) for k in causes],
        "releasing": dict(rows.releasing),
    }
