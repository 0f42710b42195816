"""Faults by name: in the process, in a sensor, on the wire. Each says which equipment it fits; what does not fit is refused."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final, Literal

from simulators.wire import Wire

Where = Literal["process", "sensor", "wire"]
SLOW: Final = "slow"


class FaultRefused(Exception):
    """The fault is not possible; the text names what would be."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault that a simulated device can have. A process fault fits where the physics knows it, a sensor fault where there
    is a measured (analogue) tag, a wire fault everywhere."""

    name: str
    where: Where
    meaning: str


FAULTS: Final[Mapping[str, Fault]] = {
    fault.name: fault
    for fault in (
        Fault("pressure-loss", "process", "the pressure (or a cabinet's airflow) is lost"),
        Fault("particle-burst", "process", "many more particles in the air"),
        Fault("temperature-drift", "process", "the temperature runs away"),
        Fault("door-open", "process", "a door stands open"),
        Fault("frozen-sensor", "sensor", "values and their source time stop; the status stays Good"),
        Fault(
            "sensor-failure",
            "sensor",
            "the sensors report their failure (Bad status, or the maker's not-available value)",
        ),
        Fault("dropped-connection", "wire", "the server closes all connections and refuses new ones"),
        Fault("silent", "wire", "the server accepts connections and never answers"),
        Fault("resetting", "wire", "the server resets the connection at each request"),
        Fault("unsteady", "wire", "the server resets the connection at one request in five, at random"),
        Fault(SLOW, "wire", "the server answers late: by 3 s, or as --delay says"),
    )
}
CLEAR: Final = "clear"
"""Not a fault: ends all faults of the equipment."""
SLOW_S: Final = 3.0
UNSTEADY: Final = 0.2
_LISTED: Final = 200
_LONGEST_S: Final = 31 * 86_400.0


@dataclass(slots=True)
class Active:
    """A fault that a device has now. `until_s`: seconds of the device's own running time, None until cleared. `part`: which of
    several like parts (cell 3). `tag`: a pattern of tag names, for a sensor fault that is not to hit all sensors. `delay_s`: how
    much later than usual the answers come, for `slow`."""

    fault: Fault
    until_s: float | None = None
    part: int = 1
    tag: str = "*"
    delay_s: float = SLOW_S

    @property
    def meaning(self) -> str:
        """What is so while it lasts."""
        return f"the server answers {self.delay_s:g} s late" if self.fault.name == SLOW else self.fault.meaning


def set_wire(wire: Wire, faults: Mapping[str, Active]) -> None:
    """Lets `wire` misbehave as the active `faults` say, and no more."""
    wire.silent = "silent" in faults
    wire.reset = 1.0 if "resetting" in faults else UNSTEADY if "unsteady" in faults else 0.0
    wire.delay_s = faults[SLOW].delay_s if SLOW in faults else 0.0


def possible_faults(process: Mapping[str, str], analogue: bool) -> dict[str, str]:
    """Names and meanings of the faults of equipment whose physics knows the faults `process` and which may have sensors."""
    return {
        fault.name: process.get(fault.name, fault.meaning)
        for fault in FAULTS.values()
        if fault.where == "wire"
        or (fault.where == "process" and fault.name in process)
        or (fault.where == "sensor" and analogue)
    }


def fault_for(name: str, equipment: str, type_: str, possible: Mapping[str, str]) -> Fault:
    """The fault `name`, where it is among the `possible` ones of `equipment`, which is of type `type_`. Raises FaultRefused with a
    sentence that lists what is possible."""
    if name in possible:
        return FAULTS[name]
    listed = ", ".join((*possible, CLEAR))
    if name in FAULTS:
        raise FaultRefused(f"{name} does not fit {equipment} ({type_.replace('_', ' ')}). Possible: {listed}.")
    raise FaultRefused(f"There is no fault {name}. Possible for {equipment}: {listed}.")


def chosen(pattern: str, equipment: Iterable[str]) -> list[str]:
    """The ids among `equipment` that fit `pattern` (``LOAD-0[0-1]*``), in their order. Raises FaultRefused where none does."""
    known = list(equipment)
    if pattern in known:
        return [pattern]
    found = [id_ for id_ in known if fnmatchcase(id_, pattern)]
    if not found:
        listed = ", ".join(known[:_LISTED]) + (f" and {len(known) - _LISTED} more" if len(known) > _LISTED else "")
        raise FaultRefused(f"The simulated plant has no equipment {pattern}. It has: {listed}.")
    return found


def named(pattern: str, devices: int) -> str:
    """How what `pattern` has chosen is called in a sentence."""
    return pattern if devices == 1 else f"{pattern} ({devices} devices)"


def lasting(for_s: float | None) -> str:
    """How a length of time is said. Raises FaultRefused for one that cannot be."""
    if for_s is None:
        return "until cleared"
    if not 0 < for_s <= _LONGEST_S:
        raise FaultRefused(f"A fault cannot last {for_s:g} s. Give a time of more than 0 s and at most 31 days.")
    return f"for {for_s:g} s"
