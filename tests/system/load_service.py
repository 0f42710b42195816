"""`telemetry run` on a load plant that writes down what it served, and the ways in which either can be hurt from outside."""

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from simulators.control import ask
from telemetry.database.place import find_place
from tests.system.demo import Demo, Refusal, until

READY_S = 120.0


@dataclass(frozen=True, slots=True)
class Fault:
    """What was done, when (UTC nanoseconds), and to what."""

    time_ns: int
    kind: str
    what: str


@dataclass(frozen=True, slots=True)
class Plant:
    """How large it is. `seed`: of the simulated readings."""

    devices: int
    tags: int
    seed: int


class LoadService(Demo):
    """A simulator and the service that reads it, with all data in `data`. Use as a context."""

    def __init__(self, data: Path, plant: Plant) -> None:
        super().__init__(data)
        self.plant = plant
        self.environment["TELEMETRY_CONFIG"] = str(data / "config")
        self.answers, self.control = data / "answers", data / "control"
        self.log = data / "service.log"
        self.faults: list[Fault] = []
        self.simulator: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "LoadService":
        size = ("--load", str(self.plant.devices), "--tags-per-device", str(self.plant.tags))
        files = ("--config", str(self.data / "config"), "--answers", str(self.answers), "--control", str(self.control))
        command = [sys.executable, "-m", "telemetry", "simulate", *size, *files, "--seed", str(self.plant.seed)]
        book = self.data / "addresses.json"
        with (self.data / "simulator.log").open("wb") as log:
            self.simulator = subprocess.Popen(
                [*command, "--addresses", str(book)], env=self.environment, stdout=log, stderr=subprocess.STDOUT
            )
        try:
            until(book.exists, 60.0, "the simulator's addresses")
            self.start()
            until(self.ready, READY_S, "ready")
        except AssertionError:
            self.__exit__()
            raise AssertionError(f"the service did not start:\n{self.log.read_text()}") from None
        return self

    def __exit__(self, *_: object) -> None:
        if self.process is not None:
            self.stop()
        if self.simulator is not None:
            self.simulator.terminate()
            self.simulator.wait(30)

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "telemetry", "run"],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def ready(self) -> bool:
        try:
            return bool(self.ask("/ready")["ready"])
        except (OSError, Refusal, ValueError):
            return False

    def connect(self) -> psycopg.Connection[Any]:
        """To its database, wherever that listens now."""
        return psycopg.connect(self.run("db", "url").strip(), autocommit=True)

    # ---- what is done to it

    def hurt(self, kind: str, rng: random.Random) -> None:
        """Does one thing, and notes it. A process that is away already, since it was killed a moment ago, is waited for."""
        done: Callable[[random.Random], str] = {
            "engine": self._kill_engine,
            "historian": self._kill_historian,
            "api": self._kill_api,
            "postgresql": self._stop_postgresql,
            "supervisor": self._kill_supervisor,
            "cut": self._cut,
        }[kind]
        before_ns = time.time_ns()
        self.faults.append(Fault(before_ns, kind, done(rng)))

    def _kill_engine(self, _: random.Random) -> str:
        return self._kill("engine")

    def _kill_historian(self, _: random.Random) -> str:
        return self._kill("historian")

    def _kill_api(self, _: random.Random) -> str:
        return self._kill("api")

    def _kill(self, verb: str) -> str:
        def running() -> int | None:
            return next((pid for pid, command in self.processes().items() if f"telemetry {verb}" in command), None)

        pid = until(running, 30.0, f"a process {verb} that can be killed")
        os.kill(pid, signal.SIGKILL)
        return f"process {pid}"

    def _stop_postgresql(self, rng: random.Random) -> str:
        """PostgreSQL's own immediate stop, or what no program survives."""
        number = rng.choice((signal.SIGQUIT, signal.SIGKILL))
        pid = until(self._postmaster, 60.0, "a PostgreSQL that can be stopped")
        os.kill(pid, number)
        return f"{number.name} to process {pid}"

    def _postmaster(self) -> int | None:
        mark = f"-D {find_place(self.data).cluster}"
        return next((pid for pid, command in self.processes().items() if mark in command), None)

    def _kill_supervisor(self, _: random.Random) -> str:
        """And starts it again, as systemd does."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(10)
        self.start()
        return "killed, started again"

    def _cut(self, rng: random.Random) -> str:
        """A tenth of the devices or so, for some seconds."""
        fault, for_s = rng.choice(("silent", "resetting", "dropped-connection")), rng.uniform(2.0, 8.0)
        pattern = f"LOAD-*{rng.randrange(10)}"
        self.told({"do": "fault", "equipment": pattern, "fault": fault, "for_s": for_s})
        return f"{pattern} {fault} for {for_s:.1f} s"

    def told(self, request: dict[str, Any]) -> dict[str, Any]:
        """What the simulator answers."""
        reply = asyncio.run(ask(self.control, request))
        assert reply["ok"], json.dumps(reply)
        return reply

    def database_away(self, seconds: float) -> None:
        """An outage of so many seconds: PostgreSQL is stopped, and its configuration is spoilt so that it cannot come back."""
        local = find_place(self.data).folder / "local.conf"
        whole = local.read_text()
        local.write_text("this is no setting\n")
        self.hurt("postgresql", random.Random(0))
        began = time.monotonic()
        try:
            while time.monotonic() - began < seconds:
                assert self._connected() is False, "PostgreSQL came back in the middle of its outage"
                time.sleep(min(5.0, max(0.1, seconds - (time.monotonic() - began))))
        finally:
            local.write_text(whole)

    def _connected(self) -> bool:
        try:
            with self.connect():
                return True
        except (psycopg.Error, AssertionError):
            return False


def drawn(counts: dict[str, int], shortest_s: float, longest_s: float, rng: random.Random) -> list[tuple[float, str]]:
    """Faults in random order, so many of each kind, each with the pause before it."""
    kinds = [kind for kind, count in counts.items() for _ in range(count)]
    rng.shuffle(kinds)
    return [(rng.uniform(shortest_s, longest_s), kind) for kind in kinds]
