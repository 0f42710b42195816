"""One simulated device: physics, sensors, faults, and the face by which it is seen."""

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Final
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from drivers.profile import Profile, ProfileTag
from simulators.faces.airnet import AirnetFace
from simulators.faces.face import Face
from simulators.faces.lighthouse import LighthouseFace
from simulators.faces.metone import MetOneFace
from simulators.faces.modbus import ModbusFace
from simulators.faces.opcua import OpcUaFace
from simulators.faces.opcua_security import ServerKeys
from simulators.faults import SLOW_S, Active, Fault, FaultRefused, fault_for, possible_faults, set_wire
from simulators.physics import MODELS, Setting, Values
from simulators.physics.model import Called
from simulators.readings import Readings
from telemetry.errors import Refusal
from telemetry.plant.model import Equipment

DROPPED: Final = "dropped-connection"
FROZEN: Final = "frozen-sensor"
FAILED: Final = "sensor-failure"
_COUNTERS: Final = {"airnet": AirnetFace, "lighthouse": LighthouseFace, "metone": MetOneFace}


class SimulatedDevice:
    """The device that speaks for `unit`. The same seed gives the same day: its random numbers depend on seed and id only."""

    def __init__(self, unit: Equipment, seed: int, keys: ServerKeys | None = None) -> None:
        build = MODELS.get(unit.type)
        if build is None:
            raise Refusal(
                f"{unit.id} is of type {unit.type}, for which the simulators have no physics.",
                f"Types that can be simulated: {', '.join(sorted(MODELS))}.",
            )
        self.id, self.type = unit.id, unit.type
        self.profile: Profile = unit.profile
        self.tags: Mapping[str, ProfileTag] = {tag.name: tag.spec for tag in unit.tags}
        mark = crc32(unit.id.encode())
        self._rng = np.random.default_rng([seed, mark])
        setpoints = {name: tag.setpoint for name, tag in self.tags.items() if tag.setpoint is not None}
        self.model = build(Setting(unit.id, setpoints, unit.grade or "D"))
        self.readings = Readings(self.tags, self.model.noise, self._rng)
        self.written = {name: 0.0 for name, tag in self.tags.items() if tag.writable}
        self._called: set[str] = set()
        self.faults: dict[str, Active] = {}
        self.outputs: Values = {}
        self.elapsed_s = 0.0
        self.face: Face
        if unit.profile.protocol == "opcua":
            self.face = OpcUaFace(self, unit.security, keys)
        elif unit.profile.machine is not None:
            self.face = _COUNTERS[unit.profile.machine](self, unit.address, mark ^ seed)
        else:
            self.face = ModbusFace(self, unit.address)

    def write(self, name: str, value: float) -> None:
        """A client has written: shown at once, felt by the physics at the next step."""
        self.written[name] = value
        if name in self.readings.index:
            self.readings.put(name, value)

    def call(self, method: str) -> bool:
        """A client has called a method of the profile: done at the next step; False where it does not fit the present state."""
        if not (isinstance(self.model, Called) and self.model.allows(method)):
            return False
        self._called.add(method)
        return True

    def step(self, dt_s: float, time_ns: int, surroundings: Mapping[str, float]) -> Values:
        """Moves on by `dt_s` to `time_ns` (UTC nanoseconds) and gives the true values."""
        self.elapsed_s += dt_s
        inputs = {**surroundings, **self.written}
        for name, active in self.faults.items():
            if active.fault.where == "process":
                inputs[f"fault.{name}"] = float(active.part)
        inputs.update({f"call.{method}": 1.0 for method in self._called})
        self._called.clear()
        if FROZEN in self.faults:
            inputs["sensor.frozen"] = 1.0
        if FAILED in self.faults:
            inputs["sensor.failed"] = 1.0
        self.outputs = self.model.step(dt_s, inputs, self._rng)
        self.outputs.update(self.written)
        self.readings.update(self.outputs, time_ns, self._rng)
        return self.outputs

    def begin(self, name: str, for_s: float | None, part: int, tag: str, delay_s: float = SLOW_S) -> Active:
        """Begins the fault `name` for `for_s` seconds (None: until cleared). Raises FaultRefused where it does not fit."""
        fault = self.check(name, tag)
        active = Active(fault, None if for_s is None else self.elapsed_s + for_s, part, tag, delay_s)
        self.faults[name] = active
        self._apply()
        return active

    def check(self, name: str, tag: str) -> Fault:
        """The fault `name`. Raises FaultRefused where it does not fit this device, or no measured tag fits the pattern `tag`."""
        fault = fault_for(name, self.id, self.type, self.possible_faults())
        if fault.where == "sensor" and not self._sensors(tag).any():
            raise FaultRefused(f"{self.id} has no measured tag {tag}. It has: {', '.join(self._analogue())}.")
        return fault

    def possible_faults(self) -> dict[str, str]:
        """Names and meanings of the faults that fit this device."""
        return possible_faults(self.model.faults, bool(self.readings.analogue.any()))

    async def end(self, names: Iterable[str]) -> None:
        """Ends these faults; a device that was cut off is reachable again."""
        ended = [name for name in names if self.faults.pop(name, None) is not None]
        self._apply()
        if DROPPED in ended:
            await self.face.open()

    def over(self) -> list[str]:
        """Names of the faults whose time is over."""
        return [name for name, f in self.faults.items() if f.until_s is not None and f.until_s <= self.elapsed_s]

    def _apply(self) -> None:
        frozen, failed = self.faults.get(FROZEN), self.faults.get(FAILED)
        self.readings.freeze(self._sensors(frozen.tag if frozen is not None else None))
        self.readings.fail(self._sensors(failed.tag if failed is not None else None))
        set_wire(self.face.wire, self.faults)
        if DROPPED in self.faults:
            self.face.refuse()

    def _sensors(self, pattern: str | None) -> NDArray[np.bool_]:
        """Mask of the measured tags whose name fits `pattern`; None fits nothing."""
        names = self.readings.names
        fits = np.array([pattern is not None and fnmatchcase(name, pattern) for name in names], np.bool_)
        return fits & self.readings.analogue

    def _analogue(self) -> list[str]:
        return [name for i, name in enumerate(self.readings.names) if self.readings.analogue[i]]
