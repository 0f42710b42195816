"""The few laws that all models share: first-order lag, air balance of a closed space, a controller, heartbeat.

Air balance: a space of volume V at about atmospheric pressure P, fed with Qs and emptied with Qe (m3/s), leaking in
proportion to its overpressure p with conductance G (m3/s per Pa; laminar gaps), obeys  dp/dt = (P/V) (Qs - Qe - G p).  Its
solution over a step in which nothing else changes is exponential, towards (Qs - Qe)/G with time constant V/(P G): exact
for any step, so a step of 0.2 s is as right as one of 1 ms.
"""

from dataclasses import dataclass
from math import exp
from typing import Final

ATMOSPHERE_PA: Final = 101_325.0
AIR_HEAT_J_PER_M3_K: Final = 1_200.0
"""Heat capacity of a cubic metre of air at 20 degrees C (1.2 kg/m3 x 1,005 J/(kg K))."""


def lag(value: float, target: float, dt_s: float, tau_s: float) -> float:
    """First-order approach of `value` to `target` with time constant `tau_s`, exact over `dt_s`."""
    return target + (value - target) * exp(-dt_s / tau_s)


@dataclass(slots=True)
class Space:
    """A closed space that leaks to a reference at 0 Pa: volume m3, leak conductance m3/s per Pa, overpressure Pa."""

    volume_m3: float
    leak_m3_s_pa: float
    pressure_pa: float

    def step(
        self, dt_s: float, supply_m3_s: float, exhaust_m3_s: float, opening_m3_s_pa: float = 0.0, beyond_pa: float = 0.0
    ) -> float:
        """The pressure after `dt_s`. An opening (a door, a torn glove) is a further conductance to a space at `beyond_pa`."""
        conductance = self.leak_m3_s_pa + opening_m3_s_pa
        balance_pa = (supply_m3_s - exhaust_m3_s + opening_m3_s_pa * beyond_pa) / conductance
        tau_s = self.volume_m3 / (ATMOSPHERE_PA * conductance)
        self.pressure_pa = lag(self.pressure_pa, balance_pa, dt_s, tau_s)
        return self.pressure_pa


@dataclass(slots=True)
class Controller:
    """A PI controller with output between `low` and `high`; its integral stands still while the output is at a stop."""

    gain: float
    integral_time_s: float
    low: float
    high: float
    integral: float

    def step(self, dt_s: float, error: float) -> float:
        wanted = self.gain * error + self.integral
        output = min(max(wanted, self.low), self.high)
        if output == wanted or (wanted - output) * error < 0:
            self.integral += self.gain * error * dt_s / self.integral_time_s
        return output


@dataclass(slots=True)
class Heartbeat:
    """A counter that steps once a second and wraps at 65,536."""

    elapsed_s: float = 0.0

    def step(self, dt_s: float) -> float:
        self.elapsed_s += dt_s
        return float(int(self.elapsed_s + 1e-6) % 65_536)


@dataclass(slots=True)
class Delayed:
    """A request that the equipment follows after `delay_s`: off at once is no exception."""

    delay_s: float
    state: bool = False
    waited_s: float = 0.0

    def step(self, dt_s: float, request: bool) -> float:
        self.waited_s = self.waited_s + dt_s if request != self.state else 0.0
        if self.waited_s >= self.delay_s:
            self.state, self.waited_s = request, 0.0
        return float(self.state)
