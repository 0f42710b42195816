"""Limit rules on arrays: many comparisons with deadband and delays in one pass, a device's slice at a time.

A rule watches one value of a frame. It is *beyond* when the value is past the limit, and no longer when it has come back
past limit and deadband (ISA-18.2, 11.6: deadband and delays against chatter). It is *active* once it has been beyond for the
on-delay, and no longer once it has been within for the off-delay. A value that is not known (NaN) changes nothing by
itself; a rule that votes on bad input becomes beyond when its value has been unknown for its bad delay.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

LOW: Final = -1
HIGH: Final = 1
EQUAL: Final = 0
NEVER: Final = np.iinfo(np.int64).max
"""As a time: not due at all. As a bad delay: an unknown value never votes."""

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class LimitRules:
    """n rules in the order of their slices. slot: place of the value in its frame; side: LOW, HIGH or EQUAL; limit and
    deadband in the tag's unit; delays in nanoseconds."""

    slot: NDArray[np.intp]
    side: NDArray[np.int8]
    limit: Floats
    deadband: Floats
    on_delay_ns: Ints
    off_delay_ns: Ints
    bad_delay_ns: Ints


@dataclass(slots=True, eq=False)
class LimitState:
    """What n rules remember. since_ns: when `beyond` last changed; unknown_ns: since when the value has been unknown
    (0: it is known)."""

    beyond: Flags
    active: Flags
    since_ns: Ints
    unknown_ns: Ints

    @classmethod
    def normal(cls, n: int) -> "LimitState":
        return cls(np.zeros(n, np.bool_), np.zeros(n, np.bool_), np.zeros(n, np.int64), np.zeros(n, np.int64))


def observe(rules: LimitRules, state: LimitState, part: slice, values: Floats, now_ns: int) -> None:
    """Takes the values of one frame into the rules of `part`: updates `beyond`, not yet `active`."""
    value = values[rules.slot[part]]
    side, limit = rules.side[part], rules.limit[part]
    past = np.where(side == EQUAL, np.where(value == limit, 1.0, -np.inf), side * (value - limit))
    known = ~np.isnan(value)
    was = state.beyond[part]
    beyond = np.where(known, (past > 0) | (was & (past > -rules.deadband[part])), was)
    unknown = state.unknown_ns[part]
    unknown[known] = 0
    unknown[~known & (unknown == 0)] = now_ns
    if not known.all():
        beyond |= ~known & (now_ns - unknown >= rules.bad_delay_ns[part])
    changed = beyond != was
    if changed.any():
        state.since_ns[part][changed] = now_ns
        state.beyond[part] = beyond


def settle(rules: LimitRules, state: LimitState, part: slice, now_ns: int) -> tuple[NDArray[np.intp], int]:
    """Applies the delays of `part` at `now_ns`. Gives the rules whose `active` changed (numbered over all), and when to look
    again if nothing new comes (NEVER: no delay is running)."""
    beyond, active = state.beyond[part], state.active[part]
    pending = beyond != active
    if not pending.any():
        return np.empty(0, np.intp), NEVER
    index = np.flatnonzero(pending)
    delay = np.where(beyond[index], rules.on_delay_ns[part][index], rules.off_delay_ns[part][index])
    due = state.since_ns[part][index] + delay
    over = due <= now_ns
    changed = index[over]
    active[changed] = beyond[changed]
    waiting = due[~over]
    return changed + part.start, int(waiting.min()) if len(waiting) else NEVER
