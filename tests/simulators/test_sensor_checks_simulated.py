"""The shipped profiles' sensor checks against the plant's physics: a healthy plant and one with process faults is never flagged,
a sensor that freezes or is lost always is. No clock, no socket: simulated seconds."""

from collections import Counter
from collections.abc import Iterator

import numpy as np
import pytest
from small_plant import line

from drivers.device import layouts_of
from drivers.frame import Frame
from drivers.quality import reason_of
from simulators.device import SimulatedDevice
from telemetry.sensors.sensors import Sensors

START_NS, S = 1_780_000_000 * 10**9, 10**9
UNITS = {unit.id: unit for unit in line().equipment}
FLAGGED = [id_ for id_, unit in UNITS.items() if any(tag.spec.checks.frozen_s for tag in unit.tags)]


class Watched:
    """A simulated device, read once a simulated second and judged as the engine judges it."""

    def __init__(self, id_: str) -> None:
        unit = UNITS[id_]
        self.device = SimulatedDevice(unit, seed=1)
        [self.layout] = [x for x in layouts_of(id_, unit.profile.expanded()) if not x.record]
        self.sensors = Sensors([self.layout], {tag.id: tag.spec for tag in unit.tags})
        self.second = 0

    def seconds(self, count: int) -> Iterator[Frame]:
        shown, stamped = self.device.readings, self.device.profile.protocol == "opcua"
        names = [tag.split(".", 1)[1] for tag in self.layout.tags]
        index = np.array([shown.index[name] for name in names])
        for _ in range(count):
            self.second += 1
            now_ns = START_NS + self.second * S
            for fifth in (4, 3, 2, 1, 0):
                self.device.step(0.2, now_ns - fifth * S // 5, {"room.temperature": 22.0})
            source_ns = np.array([shown.time_of(i) for i in index]) if stamped else None
            yield self.sensors.judged(Frame(self.layout, now_ns, now_ns, shown.values[index], None, source_ns))

    def told(self, count: int) -> Counter[tuple[str, str]]:
        """Reasons that were told in so many seconds, by tag."""
        found: Counter[tuple[str, str]] = Counter()
        for frame in self.seconds(count):
            if frame.quality is not None:
                found.update(
                    (self.layout.tags[i], str(reason_of(int(frame.quality[i])))) for i in frame.quality.nonzero()[0]
                )
        return found


@pytest.mark.parametrize("id_", [id_ for id_, unit in UNITS.items() if unit.profile.machine is None])
def test_a_healthy_sensor_is_never_doubted(id_: str) -> None:
    assert Watched(id_).told(7200 if id_ in ("QC-RS2", "L01-PRC") else 1200) == {}


@pytest.mark.parametrize("id_", [id_ for id_, unit in UNITS.items() if unit.profile.machine is None])
def test_what_goes_wrong_in_the_process_is_not_taken_for_a_bad_sensor(id_: str) -> None:
    watched = Watched(id_)
    for fault in watched.device.model.faults:
        watched.device.begin(fault, 200.0, 1, "*")
        during = watched.told(200)
        watched.device.faults.clear()
        assert during + watched.told(200) == {}, fault


@pytest.mark.parametrize("id_", FLAGGED)
def test_a_sensor_that_freezes_is_flagged_in_its_time_and_no_other(id_: str) -> None:
    watched = Watched(id_)
    watched.told(5)
    tags = {tag.name: tag.spec.checks for tag in UNITS[id_].tags if tag.spec.checks.frozen_s is not None}
    name, checks = next(iter(tags.items()))
    watched.device.begin("frozen-sensor", None, 1, name)
    limit_s = int(checks.stale_s or checks.frozen_s or 0)
    stood_s = 0 if checks.stale_s else 5  # a value may have stood still for a moment when it froze
    assert watched.told(limit_s - 1 - stood_s) == {}
    found = watched.told(2 + stood_s)
    assert {tag for tag, _ in found} == {f"{id_}.{name}"}
    assert {reason for _, reason in found} <= {"UncertainLastUsableValue", "UncertainNoCommunicationLastUsableValue"}
