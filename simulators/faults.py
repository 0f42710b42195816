"""Faults by name: in the process, in a sensor, on the wire. Each says which equipment it fits; what does not fit is refused."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

Where = Literal["process", "sensor", "wire"]


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
    )
}
CLEAR: Final = "clear"
"""Not a fault: ends all faults of the equipment."""


@dataclass(slots=True)
class Active:
    """A fault that a device has now. `until_s`: seconds of the device's own running time, None until cleared. `part`: which of
    several like parts (cell 3). `tag`: a pattern of tag names, for a sensor fault that is not to hit all sensors."""

    fault: Fault
    until_s: float | None = None
    part: int = 1
    tag: str = "*"


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
