"""One event for the journal, through the running engine: for a program that is started, acts, and ends."""

import asyncio
from pathlib import Path
from typing import Any, Final

import msgspec

from telemetry.errors import Refusal
from telemetry.feed.messages import Command, Result, packed, read_from_engine

ANSWER_S: Final = 10.0


def record(socket: Path, person: str, data: dict[str, Any]) -> None:
    """Has `data` (with its kind) journaled; it is on the disk when this returns. Raises Refusal where it is not."""
    try:
        result = asyncio.run(_sent(socket, Command(id=1, verb="record", person=person, data=data)))
    except (OSError, asyncio.IncompleteReadError, TimeoutError, msgspec.DecodeError, ValueError) as error:
        raise Refusal(
            f"The engine, which records every {data['kind']}, does not answer on {socket}; nothing was done.",
            "Start the service (telemetry run) with the same TELEMETRY_DATA_DIR, and try again.",
        ) from error
    if result.refused is not None:
        raise Refusal(f"The engine did not record it: {result.refused}", "Nothing was done.")


async def _sent(socket: Path, command: Command) -> Result:
    async with asyncio.timeout(ANSWER_S):
        reader, writer = await asyncio.open_unix_connection(socket)
        try:
            writer.write(packed(command))
            await writer.drain()
            while True:
                message = await read_from_engine(reader)
                if isinstance(message, Result) and message.id == command.id:
                    return message
        finally:
            writer.close()
