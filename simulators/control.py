"""The way into a running simulator: a Unix socket, one JSON object on a line each way.

Requests, by ``do``: ``fault`` (equipment, which may be a pattern of ids; fault, for_s, part, tag, delay_s), ``faults``
(equipment), ``addresses``, ``look`` (tag).
A reply has ``ok``; if that is false, ``wrong`` is a sentence that says why and what would be possible.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, Protocol

from simulators.faults import SLOW_S, FaultRefused

DEADLINE_S: Final = 5.0
LONGEST_LINE: Final = 1 << 20


class NoSimulator(Exception):
    """Nothing answers on the socket; the text says what to do."""


class AnotherSimulator(Exception):
    """The socket is in use; the text says what to do."""


class Simulation(Protocol):
    """What a running simulator can be asked: a plant with physics, or the load form."""

    @property
    def addresses(self) -> dict[str, str]: ...

    async def fault(
        self,
        equipment: str,
        name: str,
        for_s: float | None = None,
        part: int = 1,
        tag: str = "*",
        delay_s: float = SLOW_S,
    ) -> str:
        """Begins or ends faults; gives a sentence. Raises FaultRefused."""
        ...

    def faults_of(self, equipment: str) -> Mapping[str, Any]: ...

    def possible(self, equipment: str) -> Mapping[str, str]: ...

    def look(self, tag: str) -> Mapping[str, Any]: ...


@asynccontextmanager
async def served(plant: Simulation, path: Path) -> AsyncGenerator[None]:
    """Answers requests on the Unix socket `path` as long as the block lasts. Raises AnotherSimulator where one does already."""
    try:
        await ask(path, {"do": "addresses"})
    except NoSimulator:
        path.unlink(missing_ok=True)  # noqa: ASYNC240 - left by one that was killed
    else:
        raise AnotherSimulator(
            f"Another simulator answers on {path}. Stop that one, or give this one another --control."
        )

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(DEADLINE_S):
                line = await reader.readline()
                reply = await _answer(plant, line)
                writer.write(json.dumps(reply).encode() + b"\n")
                await writer.drain()
        except (TimeoutError, OSError, ValueError):
            pass  # who asked has gone, or never came to the end of the line
        finally:
            writer.close()

    server = await asyncio.start_unix_server(converse, path, limit=LONGEST_LINE)
    path.chmod(0o600)  # noqa: ASYNC240
    try:
        yield
    finally:
        server.close()
        path.unlink(missing_ok=True)  # noqa: ASYNC240


async def _answer(plant: Simulation, line: bytes) -> dict[str, Any]:
    try:
        match json.loads(line):
            case {"do": "fault", "equipment": str(equipment), "fault": str(name), **more}:
                for_s = more.get("for_s")
                said = await plant.fault(
                    equipment,
                    name,
                    None if for_s is None else float(for_s),
                    int(more.get("part") or 1),
                    str(more.get("tag") or "*"),
                    float(more.get("delay_s") or SLOW_S),
                )
                return {"ok": True, "said": said}
            case {"do": "faults", "equipment": str(equipment)}:
                return {"ok": True, "faults": plant.faults_of(equipment), "possible": plant.possible(equipment)}
            case {"do": "addresses"}:
                return {"ok": True, "addresses": plant.addresses}
            case {"do": "look", "tag": str(tag)}:
                return {"ok": True, **plant.look(tag)}
            case _:
                return {
                    "ok": False,
                    "wrong": "The request is not understood. Ask for fault, faults, addresses or look.",
                }
    except FaultRefused as refused:
        return {"ok": False, "wrong": str(refused)}
    except (ValueError, TypeError):
        return {"ok": False, "wrong": "The request is no JSON object on one line, or a number in it is none."}


async def ask(path: Path, request: dict[str, Any]) -> dict[str, Any]:
    """The reply of the simulator at `path` to `request`. Raises NoSimulator where none answers within 5 s."""
    try:
        async with asyncio.timeout(DEADLINE_S):
            reader, writer = await asyncio.open_unix_connection(path, limit=LONGEST_LINE)
            try:
                writer.write(json.dumps(request).encode() + b"\n")
                await writer.drain()
                line = await reader.readline()
            finally:
                writer.close()
            return dict(json.loads(line))
    except (OSError, TimeoutError, ValueError) as error:
        raise NoSimulator(
            f"No simulator answers on {path}. Start one with `telemetry simulate` or `telemetry demo`."
        ) from error
