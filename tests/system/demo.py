"""A demo as a real process with its own data folder and port, and the ways to look at it from outside."""

import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")
START_S = 60.0
LOGINS = {"operator": "demo-operator", "qa": "demo-quality", "admin": "demo-administrator"}


def until(found: Callable[[], T | None], seconds: float, what: str) -> T:
    """The first thing that `found` gives, asked again and again; fails with `what` after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        got = found()
        if got:
            return got
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what} (last: {got!r})")
        time.sleep(0.02)


def free_port() -> int:
    """A port that nobody has, below those that the kernel gives to whoever asks for any: a simulator must not take it before
    the api does."""
    while True:
        with socket.socket() as trial:
            try:
                trial.bind(("127.0.0.1", random.randrange(20_000, 32_000)))
            except OSError:
                continue
            return int(trial.getsockname()[1])


class Refusal(Exception):
    """An answer that is an error."""

    def __init__(self, status: int, body: dict[str, Any]) -> None:
        self.status, self.body = status, body
        super().__init__(f"{status}: {body}")


class Demo:
    """`telemetry demo` with its data in `data`. Use as a context."""

    def __init__(self, data: Path, port: int | None = None) -> None:
        self.data, self.port = data, port or free_port()
        self.environment = {
            **os.environ,
            "TELEMETRY_DATA_DIR": str(data),
            "TELEMETRY_PORT": str(self.port),
            "TELEMETRY_HOST": "127.0.0.1",
        }
        self.environment.pop("TELEMETRY_DATABASE_URL", None)
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = data / "demo.log"
        self.tokens: dict[str, str] = {}
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "Demo":
        old = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "telemetry", "demo"],
                env=self.environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
            )
        try:
            until(
                lambda: self.ended() or b"The plant is alive at" in self.log.read_bytes()[old:],
                START_S,
                "the demo's address",
            )
            assert not self.ended()
        except AssertionError:
            self.stop()
            raise AssertionError(f"the demo did not start:\n{self.log.read_text()}") from None
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def ended(self) -> bool:
        assert self.process is not None
        return self.process.poll() is not None

    def stop(self, number: signal.Signals = signal.SIGINT) -> None:
        """Ctrl-C, and waits."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(number)
            self.process.wait(30)

    def ask(
        self, path: str, body: dict[str, Any] | None = None, user: str | None = None, method: str | None = None
    ) -> Any:
        """GET, or POST with a body. Raises Refusal."""
        headers = {"Content-Type": "application/json"}
        if user is not None:
            headers["Authorization"] = f"Bearer {self.token(user)}"
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                content = answer.read()
        except urllib.error.HTTPError as error:
            raise Refusal(error.code, json.loads(error.read() or b"{}")) from None
        return json.loads(content) if content else None

    def token(self, user: str) -> str:
        if user not in self.tokens:
            answer = self.ask("/api/v1/session", {"user": user, "password": LOGINS[user]})
            self.tokens[user] = answer["token"]
        return self.tokens[user]

    def run(self, *verb: str) -> str:
        """A verb of the console on this plant; what it printed."""
        done = subprocess.run(
            [sys.executable, "-m", "telemetry", *verb],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def current(self, tag: str) -> dict[str, Any]:
        return self.ask(f"/api/v1/current?tag={tag}")[0]

    def alarm(self, alarm: str) -> dict[str, Any] | None:
        return next((a for a in self.ask("/api/v1/alarms") if a["id"] == alarm), None)

    def processes(self) -> dict[int, str]:
        """All processes that belong to this plant, by their environment or, for PostgreSQL, their command line."""
        mark = f"TELEMETRY_DATA_DIR={self.data}".encode()
        found: dict[int, str] = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and int(entry.name) != os.getpid():
                try:
                    command = (entry / "cmdline").read_bytes()
                    ours = mark in (entry / "environ").read_bytes().split(b"\0")
                except OSError:
                    continue
                if (ours or str(self.data).encode() in command) and command:
                    found[int(entry.name)] = command.replace(b"\0", b" ").decode(errors="replace").strip()
        return found

    def child(self, verb: str) -> int:
        """The process that runs one verb."""
        return next(pid for pid, command in self.processes().items() if f"telemetry {verb}" in command)
