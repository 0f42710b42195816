"""What a face needs of the device behind it, and what the plant needs of a face."""

from collections.abc import Mapping
from typing import Protocol

from drivers.profile import Profile, ProfileTag
from simulators.faces.port import Port
from simulators.physics import Values
from simulators.readings import Readings
from simulators.wire import Wire


class Device(Protocol):
    """A simulated device as its face sees it: what it is, what its sensors show, and a way in for what a client writes."""

    id: str
    profile: Profile
    tags: Mapping[str, ProfileTag]
    readings: Readings

    def write(self, name: str, value: float) -> None:
        """A client has written `value` to the writable tag `name`."""
        ...

    def call(self, method: str) -> bool:
        """A client has called the profile's method `method`; False where the device cannot do that now."""
        ...


class Face(Protocol):
    """A server for one device; `url` is its address once it is open, `wire` how its line misbehaves."""

    wire: Wire

    @property
    def port(self) -> Port: ...

    @property
    def url(self) -> str: ...

    async def open(self) -> None:
        """Answers, at the same address as before if it had one."""
        ...

    def refuse(self) -> None:
        """Ends all connections and lets nobody in until `open`."""
        ...

    async def close(self) -> None: ...

    async def stepped(self, values: Values, time_ns: int) -> None:
        """The physics has moved on to `time_ns` and gave these `values`."""
        ...
