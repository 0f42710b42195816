"""The api's side of the feed: a mirror of what the engine shows, kept current, and the way to send commands."""

import asyncio
import itertools
import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from telemetry.feed import messages
from telemetry.feed.messages import Command, FromEngine, Result, packed, read_from_engine
from telemetry.sensors.calibrations import Calibration, calibration_of

_log = logging.getLogger(__name__)
ANSWER_S: Final = 5.0
SILENT_S: Final = 2.0
"""The engine beats once a second; a page has to say within 3 s that the feed is lost, its own tick included."""
RETRY_S: Final = 0.25


class EngineAway(Exception):
    """The engine does not answer; the text says what that means for the act."""


class Mirror:
    """What the engine showed last. `listeners` are called with each message, in order, after it is taken in."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.snapshot: messages.Snapshot | None = None
        self.layouts: dict[int, messages.LayoutInfo] = {}
        self.frames: dict[int, messages.Frame] = {}
        self.texts: dict[str, str | None] = {}
        self.alarms: dict[str, messages.AlarmInfo] = {}
        self.areas: list[messages.AreaInfo] = []
        self.interlocks: list[messages.InterlockInfo] = []
        self.stats: dict[str, float] = {}
        self.calibrations: dict[str, Calibration] = {}
        self.number = 0
        self.connects = 0
        self.listeners: list[Callable[[FromEngine], None]] = []
        self._heard = 0.0
        self._writer: asyncio.StreamWriter | None = None
        self._waiting: dict[int, asyncio.Future[Result]] = {}
        self._ids = itertools.count(1)

    @property
    def age_s(self) -> float:
        """Seconds since the engine was last heard."""
        return time.monotonic() - self._heard

    @property
    def connected(self) -> bool:
        return self._writer is not None and self.snapshot is not None and self.age_s < SILENT_S

    async def run(self) -> None:
        """Keeps the connection until cancelled."""
        while True:
            try:
                reader, self._writer = await asyncio.open_unix_connection(self.path, limit=1 << 20)
                self.connects += 1
                while True:
                    async with asyncio.timeout(SILENT_S):
                        message = await read_from_engine(reader)
                    self._take(message)
            except (OSError, asyncio.IncompleteReadError, TimeoutError):
                pass
            except (msgspec.DecodeError, ValueError) as error:
                _log.error(
                    "the feed holds what this program does not know (%s): engine and api are of different versions",
                    error,
                )
            finally:
                self._gone()
            await asyncio.sleep(RETRY_S)

    def _gone(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(
                    EngineAway("The engine went away before it answered; look whether the act was done.")
                )
        self._waiting.clear()

    def _take(self, message: FromEngine) -> None:
        self._heard = time.monotonic()
        match message:
            case messages.Result():
                waiting = self._waiting.pop(message.id, None)
                if waiting is not None and not waiting.done():
                    waiting.set_result(message)
                return
            case messages.Snapshot():
                self.snapshot = message
                self.layouts = {layout.id: layout for layout in message.layouts}
                self.frames = {frame.layout: frame for frame in message.frames}
                self.texts = dict(message.texts)
                self.alarms = {alarm.id: alarm for alarm in message.alarms}
                self.areas, self.interlocks, self.stats = message.areas, message.interlocks, message.stats
                self.calibrations = {}
                for data in message.calibrations:
                    self._calibrated(calibration_of(data))
            case messages.Frame():
                self.frames[message.layout] = message
            case messages.Texts():
                self.texts.update(message.texts)
            case messages.Alarms():
                for alarm in message.alarms:
                    if alarm.letter == "A":
                        self.alarms.pop(alarm.id, None)
                    else:
                        self.alarms[alarm.id] = alarm
            case messages.Annunciator():
                self.areas = message.areas
            case messages.InterlockStates():
                self.interlocks = message.interlocks
            case messages.Beat():
                self.stats = message.stats
            case messages.Event():
                if message.data.get("kind") == "calibration":
                    self._calibrated(calibration_of(message.data))
        self.number = message.n
        for listener in self.listeners:
            listener(message)

    def _calibrated(self, one: Calibration) -> None:
        if one.replaces(self.calibrations.get(one.tag)):
            self.calibrations[one.tag] = one

    async def send(self, command: Command) -> Result:
        """Sends an act and waits until it is done and on disk, or refused. Raises EngineAway."""
        if self._writer is None or not self.connected:
            raise EngineAway(
                "The engine is not connected; nothing was done. Use the panel at the equipment, and try again."
            )
        command.id = next(self._ids)
        answer: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        data = packed(command)
        self._waiting[command.id] = answer
        self._writer.write(data)
        try:
            async with asyncio.timeout(ANSWER_S):
                return await answer
        except TimeoutError as error:
            raise EngineAway(
                f"The engine did not answer within {ANSWER_S:.0f} s; look whether the act was done."
            ) from error
        finally:
            self._waiting.pop(command.id, None)
