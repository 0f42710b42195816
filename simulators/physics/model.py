"""What every model of equipment has in common: how it is built, what a step takes and gives."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Protocol, runtime_checkable

from numpy.random import Generator

Values = dict[str, float | str]
"""Values by tag name (as in the profile) and, for other equipment to feel, by names beginning with ``air.`` or ``sample.``."""

Inputs = Mapping[str, float]
"""What acts on the equipment: writable tags by name; ``room.temperature``, ``room.pressure``, ``below.pressure`` (the room
below in the cascade), ``air.0_5um`` and ``air.5um`` (particles per m3 where a counter samples); ``fault.<name>``, whose
value says which of several parts (cell 3) has it; ``call.<method>`` at the step after a client has called a method;
``sensor.failed`` and ``sensor.frozen``. What is absent is at its ordinary value."""


@dataclass(frozen=True, slots=True)
class Setting:
    """What a model is built for: which equipment, the set-points of its tags (profile, or the plant's own for this one), and the
    grade of the air that it holds or watches."""

    equipment: str
    setpoints: Mapping[str, float] = field(default_factory=dict[str, float])
    grade: str = "D"


class Model(Protocol):
    """`noise`: standard deviation of each sensor by tag name, in the tag's unit. `faults`: the physical faults that this
    equipment can have and what each of them does, in one phrase."""

    faults: ClassVar[Mapping[str, str]]

    @property
    def noise(self) -> Mapping[str, float]: ...

    def step(self, dt_s: float, inputs: Inputs, rng: Generator) -> Values:
        """Moves the state on by `dt_s` seconds and gives the true values, before any sensor."""
        ...


@runtime_checkable
class Called(Protocol):
    """A model of equipment whose profile has methods."""

    def allows(self, method: str) -> bool:
        """Whether `method` (its name in the profile) can be done in the present state."""
        ...
