"""The live WebSocket: a snapshot, then numbered deltas, put together once and sent to all. See `docs/live.md`.

What the feed brings within `TICK_S` is one message. A browser that does not keep up is disconnected; it comes back for a
snapshot, and nobody else waits for it.
"""

import asyncio
import time
from typing import Any, Final

import numpy as np
import orjson
from fastapi import APIRouter, WebSocket, WebSocketDisconnect

from api.service import Service, unpacked
from api.shapes import alarm_shape, annunciator_shape
from drivers.quality import reason_of
from telemetry.feed import messages
from telemetry.feed.messages import FromEngine

TICK_S: Final = 0.1
BACKLOG: Final = 100
SEND_S: Final = 5.0

router = APIRouter()


class Hub:
    """Collects what changed and sends it to all sockets."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.clients: set[asyncio.Queue[str | None]] = set()
        self.number = 0
        self._frames: dict[int, messages.Frame] = {}
        self._alarms: dict[str, messages.AlarmInfo] = {}
        self._texts: dict[str, str | None] = {}
        self._annunciator = False
        self._snapshot = False
        self._layouts: dict[int, int] = {}

    def take(self, message: FromEngine) -> None:
        """A message of the feed."""
        match message:
            case messages.Frame():
                self._frames[message.layout] = message
            case messages.Alarms():
                self._alarms.update({alarm.id: alarm for alarm in message.alarms})
            case messages.Texts():
                self._texts.update(message.texts)
            case messages.Annunciator():
                self._annunciator = True
            case messages.Snapshot():
                self._layouts = {layout.id: i for i, layout in enumerate(message.layouts)}
                self._snapshot = True
            case _:
                pass

    async def run(self) -> None:
        """Ticks until cancelled."""
        last, was_connected = 0.0, False
        while True:
            await asyncio.sleep(TICK_S)
            connected, now = self.service.mirror.connected, time.monotonic()
            if self._snapshot or connected != was_connected:
                self._snapshot, was_connected = False, connected
                self._forget()
                self._send(self.snapshot())  # the engine is new, or gone: everything is told anew
                last = now
            elif self._frames or self._alarms or self._texts or self._annunciator or now - last >= 1.0:
                self._send(self._delta())
                last = now

    def snapshot(self) -> str:
        """Everything that stands now."""
        mirror = self.service.mirror
        return _json(
            {
                **self._head("snapshot"),
                "layouts": [{"id": i, "tags": mirror.layouts[layout].tags} for layout, i in self._layouts.items()],
                "frames": [self._frame(frame) for frame in mirror.frames.values()] if mirror.connected else [],
                "texts": mirror.texts if mirror.connected else dict.fromkeys(mirror.texts),
                "alarms": [alarm_shape(self.service, alarm) for alarm in mirror.alarms.values()],
                "annunciator": annunciator_shape(self.service),
            }
        )

    def _delta(self) -> str:
        self.number += 1
        delta = {
            **self._head("delta"),
            "frames": [self._frame(frame) for frame in self._frames.values()],
            "texts": self._texts,
            "alarms": [alarm_shape(self.service, alarm) for alarm in self._alarms.values()],
            "annunciator": annunciator_shape(self.service) if self._annunciator else None,
        }
        text = _json(delta)
        self._forget()
        return text

    def _forget(self) -> None:
        self._frames, self._alarms, self._texts, self._annunciator = {}, {}, {}, False

    def _head(self, kind: str) -> dict[str, Any]:
        mirror = self.service.mirror
        feed = {"connected": mirror.connected, "age_s": round(min(mirror.age_s, 1e6), 2)}
        return {"type": kind, "number": self.number, "server_ms": time.time_ns() // 1_000_000, "feed": feed}

    def _frame(self, frame: messages.Frame) -> dict[str, Any]:
        layout = self.service.mirror.layouts[frame.layout]
        values, quality, source = unpacked(frame, layout, connected=True)
        return {
            "layout": self._layouts[frame.layout],
            "time_ms": frame.time_ns // 1_000_000,
            "received_ms": frame.received_ns // 1_000_000,
            "values": values,
            "quality": None if quality is None else np.minimum(quality >> 14, 2),
            "reason": None if quality is None else [reason_of(int(code)) for code in quality],
            "source_ms": None if source is None else int(source.max()) // 1_000_000,
            "failure": frame.failure,
            "findings": frame.findings,
        }

    def _send(self, text: str) -> None:
        for queue in tuple(self.clients):
            if queue.full():
                self.clients.discard(queue)
                while not queue.empty():
                    queue.get_nowait()
                queue.put_nowait(None)
            else:
                queue.put_nowait(text)


def _json(told: dict[str, Any]) -> str:
    return orjson.dumps(told, option=orjson.OPT_SERIALIZE_NUMPY).decode()


@router.websocket("/api/v1/live")
async def live(socket: WebSocket) -> None:
    """Sends until the browser goes."""
    service: Service = socket.app.state.service
    hub: Hub = socket.app.state.hub
    token = socket.query_params.get("token", "")
    local = socket.client is not None and socket.client.host in ("127.0.0.1", "::1")
    await socket.accept()
    if service.sessions.find(token) is None and not (service.open_reading and local):
        await socket.close(4401, "Sign in first.")
        return
    queue: asyncio.Queue[str | None] = asyncio.Queue(BACKLOG)
    queue.put_nowait(hub.snapshot())
    hub.clients.add(queue)
    try:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(_until_gone(socket))
            while (text := await queue.get()) is not None:
                async with asyncio.timeout(SEND_S):
                    await socket.send_text(text)
            await socket.close(4408, "You did not keep up. Connect again for a snapshot.")
            raise WebSocketDisconnect
    except* (WebSocketDisconnect, TimeoutError, RuntimeError, OSError):
        pass
    finally:
        hub.clients.discard(queue)


async def _until_gone(socket: WebSocket) -> None:
    while True:
        await socket.receive_text()  # raises WebSocketDisconnect; what a browser says here means nothing
