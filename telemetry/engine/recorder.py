"""The journal as the engine uses it: a disk that is full or broken never stops a scan, an alarm or a horn.

Frames that find no room are counted; when there is room again, they are told as a gap, and only then the next frame is written.
Events wait in memory, in their order, and are written before any later one; the reserve is given free for them. What the reserve
gave free is for events, so with the reserve gone no frame is written until it could be taken again.
"""

import logging
from collections import deque
from dataclasses import dataclass
from typing import Any, Final

from drivers.frame import Frame
from telemetry.engine.gaps import gap
from telemetry.journal.reserve import Reserve
from telemetry.journal.writer import Writer

_log = logging.getLogger(__name__)
MOST_WAITING: Final = 20_000
"""Events that wait in memory for room on the disk at most; of more, only their number is kept."""


@dataclass(frozen=True, slots=True)
class Written:
    """An event that is in the journal."""

    number: int
    time_ns: int
    data: dict[str, Any]


@dataclass(slots=True)
class Unwritten:
    """Frames that found no room since the last gap that was told: how many (at least one), and their slots."""

    frames: int
    first_ns: int
    last_ns: int

    def add(self, slot_ns: int) -> None:
        self.first_ns, self.last_ns = min(self.first_ns, slot_ns), max(self.last_ns, slot_ns)
        self.frames += 1


class Recorder:
    """Writes frames and events to `journal`. `reason`: why it cannot just now, None while it can. frames_lost, events_lost: since
    the start."""

    def __init__(self, journal: Writer, reserve: Reserve) -> None:
        self.journal, self.reserve = journal, reserve
        self.reason: str | None = None
        self.frames_lost = self.events_lost = 0
        self._held_back = False
        self._unwritten: dict[str | None, Unwritten] = {}
        """Of all devices together; what came late, by device: hours of one are no gap of the others."""
        self._waiting: deque[tuple[int, dict[str, Any]]] = deque()
        self._dropped = 0

    @property
    def waiting(self) -> int:
        """Events that are in memory only."""
        return len(self._waiting)

    @property
    def frames_held_back(self) -> bool:
        return self._held_back or self.reserve.given

    def frame(self, frame: Frame, failed: bool) -> bool:
        """Appends it, or counts it as lost; whether it is in the journal."""
        self._held_back |= self.reserve.given  # which a thread takes back before what is lost by now was told
        if not self._held_back:
            try:
                self.journal.frame(frame, failed)
            except OSError as error:
                self._fails(error)
                self._held_back = True
            else:
                return True
        self.frames_lost += 1
        device = frame.layout.device if frame.late else None
        if device in self._unwritten:
            self._unwritten[device].add(frame.time_ns)
        else:
            self._unwritten[device] = Unwritten(1, frame.time_ns, frame.time_ns)
        return False

    def event(self, time_ns: int, data: dict[str, Any]) -> list[Written]:
        """Appends it, or keeps it until there is room; gives what was appended by that, older events first. Raises ValueError for
        an event that no journal takes."""
        if len(self._waiting) >= MOST_WAITING:
            self._dropped += 1
            self.events_lost += 1
        else:
            self._waiting.append((time_ns, data))
        return self.flush()

    def flush(self) -> list[Written]:
        """Appends what waits, as far as there is room."""
        written: list[Written] = []
        while self._waiting:
            time_ns, data = self._waiting[0]
            try:
                number, _ = self.journal.event(time_ns, data)
            except OSError as error:
                if self.give_room():
                    continue
                self._fails(error)
                break
            except (ValueError, TypeError):
                self._waiting.popleft()
                raise
            self._waiting.popleft()
            written.append(Written(number, time_ns, data))
        return written

    def assure(self) -> list[Written]:
        """Makes sure, before an act is carried out, that it can be recorded; gives what was appended by that. Raises OSError where
        it cannot."""
        written = self.flush()
        if self._waiting:
            raise OSError(self.reason)
        try:
            self.journal.assure_event()
        except OSError as error:
            if not self.give_room():
                self._fails(error)
                raise
            self.journal.assure_event()
        return written

    def give_room(self) -> bool:
        """Gives the reserve free, for what matters more than frames, which are held back until it is taken again; whether there was
        any to give."""
        return self.reserve.release()

    def try_again(self, now_ns: int, reserved: bool) -> list[Written]:
        """Once a second: frames are let through again where there is room, and what was not written is told; gives what was
        appended by that. reserved: the reserve is held, or was just taken."""
        written = self.flush()
        if self._waiting or (self.frames_held_back and not (reserved and self._frames_fit())):
            return written
        unwritten, self._unwritten = self._unwritten, {}
        for device, lost in unwritten.items():
            told = gap(device, lost.first_ns, lost.last_ns, "disk full")
            written += self.event(now_ns, {**told, "frames": lost.frames})
        if self._dropped:
            dropped, self._dropped = self._dropped, 0
            written += self.event(now_ns, {"kind": "events_lost", "reason": "disk full", "events": dropped})
        if self._waiting:
            return written
        if self._held_back:
            self._held_back = False  # whether there is room, the next frames show
        elif self.reason is not None:
            _log.warning("the journal is written again")
            self.reason = None
        return written

    def _frames_fit(self) -> bool:
        """Whether the next frames find room, so that a gap that is told now is over."""
        try:
            self.journal.assure_frames()
        except OSError:
            return False
        return True

    def sync_failed(self, error: OSError) -> None:
        """A sync failed: told once, and again when it works."""
        self._fails(error)

    def _fails(self, error: OSError) -> None:
        if self.reason is None:
            self.reason = error.strerror or str(error)
            _log.error(
                "the journal in %s cannot be written (%s): frames are lost until there is room again, alarms go on",
                self.journal.folder,
                self.reason,
            )
