"""`telemetry demo`: the example plant, alive with simulators, in one command."""

import asyncio
import json
import os
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from typing import Final

import typer

from telemetry import places
from telemetry.console import said as told
from telemetry.errors import Refusal
from telemetry.people import users
from telemetry.supervisor import service
from telemetry.supervisor.child import Child

LOGINS: Final[Mapping[str, tuple[str, str]]] = {
    "operator": ("operator", "demo-operator"),
    "supervisor": ("supervisor", "demo-supervisor"),
    "engineer": ("engineer", "demo-engineer"),
    "qa": ("qa", "demo-quality"),
    "admin": ("administrator", "demo-administrator"),
}
"""Name, role and password of the demo's people. Known to everybody, so the demo listens on loopback only."""
SIMULATORS_S: Final = 60.0
READY_S: Final = 120.0


class Progress:
    """Lines on the terminal, each with the seconds since the start."""

    def __init__(self) -> None:
        self.began = time.monotonic()

    def __call__(self, line: str) -> None:
        told(f"{time.monotonic() - self.began:6.1f} s  {line}")


async def run(said: Callable[[str], None], roles: set[str]) -> None:
    """Until Ctrl-C."""
    if places.host() not in ("127.0.0.1", "::1", "localhost"):
        raise Refusal(
            f"TELEMETRY_HOST is {places.host()}, and the demo has passwords that everybody knows.",
            "Unset TELEMETRY_HOST: the demo listens on loopback only. For a plant use telemetry run.",
        )
    _free(places.host(), places.port())
    for name, (role, password) in LOGINS.items():
        users.put(name, role, password, roles)
    book = places.address_book()
    book.unlink(missing_ok=True)
    simulators = Child("simulators", ("simulate",), said, niced=True)

    async def simulating() -> None:
        async with asyncio.timeout(SIMULATORS_S):
            while not book.exists():  # noqa: ASYNC110 - a file of another process
                await asyncio.sleep(0.05)

    async def up(stop: asyncio.Event) -> None:
        await _ready(stop, said)
        if not stop.is_set():
            _welcome()

    await service.run(
        said,
        engine=("engine", "--addresses", str(book)),
        api=("api", "--open-reading"),
        first=simulators,
        when_first=simulating,
        when_up=up,
    )


def _free(host: str, port: int) -> None:
    with socket.socket() as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((host, port))
        except PermissionError as error:
            raise Refusal(
                f"This user may not listen on port {port}.", "Set TELEMETRY_PORT to one above 1023, e.g. 8080."
            ) from error
        except OSError as error:
            raise Refusal(
                f"Port {port} of {host} is in use by another program.",
                f"Set TELEMETRY_PORT to a free one, e.g. TELEMETRY_PORT={port + 1} make demo.",
            ) from error


async def _ready(stop: asyncio.Event, said: Callable[[str], None]) -> None:
    """Waits until /ready says so, telling its reasons as they change."""
    deadline, told = time.monotonic() + READY_S, ""
    while not stop.is_set():
        reason = await asyncio.to_thread(_reason)
        if reason is None:
            return
        if reason and reason != told:
            told = reason
            said(f"waiting: {reason}")
        if time.monotonic() > deadline:
            said("still not ready; the demo goes on, and /ready says why")
            return
        await asyncio.sleep(0.2)


def _reason() -> str | None:
    """The first reason why it is not ready; empty while the api does not answer; None when all is well and every device read."""
    url = f"http://{places.host()}:{places.port()}"
    try:
        with urllib.request.urlopen(f"{url}/ready", timeout=3) as answer:
            answer.read()
        with urllib.request.urlopen(f"{url}/api/v1/devices", timeout=3) as answer:
            devices = json.loads(answer.read())
        return None if all(device["answers"] for device in devices) else "devices are being connected"
    except urllib.error.HTTPError as error:
        return str(json.loads(error.read())["reasons"][0])
    except OSError:
        return ""


def _welcome() -> None:
    lines = [
        "",
        f"  The plant is alive at  http://{places.host()}:{places.port()}",
        "",
        "  Sign in as",
        *(f"    {name:12} {password:20} {role}" for name, (role, password) in LOGINS.items()),
        "",
        "  Try, in another terminal" + _same_plant(),
        "    .venv/bin/telemetry fault L01-ISO pressure-loss --for 30s",
        "    .venv/bin/telemetry fault --help",
        "",
        "  Ctrl-C ends everything.",
        "",
    ]
    typer.echo("\n".join(lines))


def _same_plant() -> str:
    given = os.environ.get("TELEMETRY_DATA_DIR")
    return f" (with TELEMETRY_DATA_DIR={given})" if given else ""
