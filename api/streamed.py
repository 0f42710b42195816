"""An answer sent while it is made. Whoever leaves, or does not read, ends its making: nothing goes on for nobody."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable
from typing import Final

from fastapi import Response
from starlette.datastructures import MutableHeaders
from starlette.types import Receive, Scope, Send

_log = logging.getLogger(__name__)
MOST_UNREAD_S: Final = 30.0
"""A part that is not taken within this ends the answer."""


Make = Callable[[MutableHeaders], AsyncGenerator[bytes]]
"""Gives the parts; may add to the headers until it gives the first."""


class Streamed(Response):
    """Sends what `make` makes; the head only with the first part, so that an error until then is still a problem. An error
    behind that breaks the connection off: what came is known to be incomplete, which a proper end would hide."""

    def __init__(self, make: Make, media_type: str, status_code: int = 200) -> None:
        super().__init__(status_code=status_code, media_type=media_type)
        del self.headers["content-length"]
        self._parts = make(self.headers)
        self._begun = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        failed: list[Exception] = []
        async with asyncio.TaskGroup() as tasks:
            sending = tasks.create_task(self._send(send, failed))
            leaving = tasks.create_task(_gone(receive))
            await asyncio.wait((sending, leaving), return_when=asyncio.FIRST_COMPLETED)
            sending.cancel()
            leaving.cancel()
        for error in failed:
            if not self._begun:
                raise error
            _log.warning("an answer was broken off: %s", error)

    async def _send(self, send: Send, failed: list[Exception]) -> None:
        try:
            async for part in self._parts:
                if part:
                    await self._begin(send)
                    async with asyncio.timeout(MOST_UNREAD_S):
                        await send({"type": "http.response.body", "body": part, "more_body": True})
            await self._begin(send)
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        except Exception as error:  # noqa: BLE001 - raised by the caller, alone and not in a group
            failed.append(error)
        finally:
            await self._parts.aclose()

    async def _begin(self, send: Send) -> None:
        if not self._begun:
            self._begun = True
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})


async def _gone(receive: Receive) -> None:
    """Until the client has left."""
    while (await receive())["type"] != "http.disconnect":
        pass
