"""What the engine shows of itself on the feed: the newest frames, alarms that stand, annunciators, interlocks."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from alarms.core import Core
from telemetry.engine.compiled import Compiled
from telemetry.feed import messages
from telemetry.feed.server import FeedServer
from telemetry.sensors.calibrations import Calibration


@dataclass(slots=True)
class Published:
    """The newest of everything, for a snapshot; and what changed since it was last told."""

    compiled: Compiled
    writer: str
    digest: str
    started_ns: int
    frames: dict[int, messages.Frame] = field(default_factory=dict[int, messages.Frame])
    texts: dict[str, str | None] = field(default_factory=dict[str, str | None])
    stats: dict[str, float] = field(default_factory=dict[str, float])
    calibrations: Mapping[str, Calibration] = field(default_factory=dict[str, Calibration])
    _areas: list[messages.AreaInfo] = field(default_factory=list[messages.AreaInfo])
    _interlocks: list[messages.InterlockInfo] = field(default_factory=list[messages.InterlockInfo])

    def changed(self, core: Core, touched: set[str], now_ns: int, feed: FeedServer) -> None:
        """Publishes the alarms touched, and annunciators and interlocks where they differ from what was told last."""
        if touched:
            alarms = [alarm_info(core, core.number[alarm]) for alarm in sorted(touched)]
            feed.publish(messages.Alarms(n=feed.next, alarms=alarms))
        areas = area_infos(core, now_ns)
        if areas != self._areas:
            self._areas = areas
            feed.publish(messages.Annunciator(n=feed.next, areas=areas))
        interlocks = interlock_infos(core)
        if interlocks != self._interlocks:
            self._interlocks = interlocks
            feed.publish(messages.InterlockStates(n=feed.next, interlocks=interlocks))

    def snapshot(self, core: Core, number: int, now_ns: int) -> messages.Snapshot:
        return messages.Snapshot(
            n=number,
            writer=self.writer,
            digest=self.digest,
            started_ns=self.started_ns,
            time_ns=now_ns,
            layouts=[messages.LayoutInfo(x.id, x.device, x.record, list(x.tags)) for x in self.compiled.layouts],
            frames=list(self.frames.values()),
            texts=self.texts,
            texts_ns=now_ns,
            alarms=[alarm_info(core, int(i)) for i in core.states.standing()],
            areas=area_infos(core, now_ns),
            interlocks=interlock_infos(core),
            stats=self.stats,
            calibrations=[one.data() for one in self.calibrations.values()],
        )


def alarm_info(core: Core, i: int) -> messages.AlarmInfo:
    states = core.states
    value = float(states.value[i])
    return messages.AlarmInfo(
        id=core.defined.alarms[i],
        occurrence=int(states.occurrence[i]),
        letter=states.letter(i),
        active=bool(states.active[i]),
        unacknowledged=bool(states.unacknowledged[i]),
        latched=bool(states.latched[i]),
        raised_ns=int(states.raised_ns[i]),
        cleared_ns=int(states.cleared_ns[i]),
        acknowledged_ns=int(states.acknowledged_ns[i]),
        acknowledged_by=states.acknowledged_by.get(i),
        value=None if np.isnan(value) else value,
    )


def area_infos(core: Core, now_ns: int) -> list[messages.AreaInfo]:
    """Per area: horn, whether something is silenced, and the priorities that stand or are unacknowledged."""
    states, annunciator = core.states, core.annunciator
    sounding = annunciator.sounding(states, now_ns)
    standing = states.active | states.unacknowledged | states.latched
    infos: list[messages.AreaInfo] = []
    for index, area in enumerate(annunciator.areas):
        mine = annunciator.heard[index]
        silenced = states.unacknowledged & (annunciator.silenced_until_ns > now_ns) & mine
        tags = (area.horn, *area.lamps.values())
        infos.append(
            messages.AreaInfo(
                area.id,
                bool((sounding & mine).any()),
                bool(silenced.any()),
                all(core.outputs.confirmed(tag) for tag in tags),
                sorted(set(annunciator.priority[standing & mine].tolist())),
                sorted(set(annunciator.priority[states.unacknowledged & mine].tolist())),
            )
        )
    return infos


def interlock_infos(core: Core) -> list[messages.InterlockInfo]:
    rows = core.interlocks
    return [
        messages.InterlockInfo(
            row.id,
            bool(rows.tripped[k]),
            bool(rows.cause[k]),
            int(rows.since_ns[k]),
            all(core.outputs.confirmed(tag) for tag, _, _ in row.effects),
        )
        for k, row in enumerate(rows.rows)
    ]
