"""Modbus: 1,000 devices of 60 registers, each read every second, by our driver and by a bare loop of pymodbus clients.

Both read the same simulated devices over real sockets, at the same phases of the second, in a process of their own whose CPU
is measured; they take turns. Ours does all that the engine's scanning does: deadlines, decoding with scale and "not
available", frames with quality. The baseline is as bare as it can be: a read and pymodbus' own conversion into integers.
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from telemetry.bench.beside import IdleTimer
from telemetry.bench.figure import Figure, Outcome, Say

DEVICES: Final = 1_000
REGISTERS: Final = 60
ROUNDS: Final = 5
SHORTEST_S: Final = 5.0
OVERHEAD_S: Final = 8.0
"""Of one client: its start, its connects, its settling."""


@dataclass(frozen=True, slots=True)
class Spent:
    """What one client process used: CPU seconds in each second, scans a second that gave values, lateness of their starts in
    ms over an idle timer's beside it."""

    cpu: float
    scans: float
    late_ms: float


def run(minutes: float, say: Say) -> Outcome:
    """Rounds of ours and the baseline by turns; medians."""
    with tempfile.TemporaryDirectory(prefix="bench-modbus-") as name:
        folder = Path(name)
        server = _simulator(folder)
        try:
            _wait(server, folder / "addresses.json")
            compared = int(_client("compare", folder, 0)["values"])
            say(f"{compared} values read by both, all equal")
            seconds = max(SHORTEST_S, minutes * 60 / (2 * ROUNDS + 1) - OVERHEAD_S)
            spent: dict[str, list[Spent]] = {"ours": [], "pymodbus": []}
            for number in range(ROUNDS):
                for kind in ("ours", "pymodbus") if number % 2 == 0 else ("pymodbus", "ours"):
                    spent[kind].append(_measured(kind, folder, seconds))
                    last = spent[kind][-1]
                    say(f"round {number + 1}, {kind}: {last.cpu:.3f} of a core, {last.scans:.0f} scans a second")
            on_uvloop = _measured("pymodbus-uvloop", folder, seconds)
        finally:
            server.terminate()
            server.wait(30)
    ours, bare = (statistics.median(s.cpu / s.scans * 1e6 for s in spent[kind]) for kind in ("ours", "pymodbus"))
    late_ms = statistics.median(s.late_ms for s in spent["ours"])
    scans = min(s.scans for s in spent["ours"])
    return Outcome(
        (
            Figure("CPU of a scan of 60 registers, into frames", ours, bare, "us", 0.6, "at most"),
            Figure("beside pymodbus on uvloop", ours, on_uvloop.cpu / on_uvloop.scans * 1e6, "us", None),
            Figure("scans a second with values, least of all rounds", scans, None, "1/s", 0.99 * DEVICES),
            Figure("p99 start lateness over an idle timer's", late_ms, None, "ms", 5.0, "at most"),
            Figure("values compared equal", float(compared), None, "", float(DEVICES * REGISTERS)),
        )
    )


def _simulator(folder: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "telemetry", "simulate", "--load", str(DEVICES)]
    command += ["--tags-per-device", str(REGISTERS), "--opcua-share", "0", "--config", str(folder / "config")]
    command += ["--addresses", str(folder / "addresses.json"), "--control", str(folder / "control")]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def _wait(server: subprocess.Popen[str], book: Path) -> None:
    """Until the simulator serves. Raises RuntimeError with its words where it ends instead."""
    deadline_s = time.monotonic() + 60
    while not book.exists():
        if server.poll() is not None or time.monotonic() > deadline_s:
            server.kill()
            raise RuntimeError(f"the simulator did not start: {server.communicate()[1].strip()}")
        time.sleep(0.05)


def _measured(kind: str, folder: Path, seconds: float) -> Spent:
    with IdleTimer() as idle:
        found = _client(kind, folder, seconds)
    late_ms = found["late_p99_ms"] - idle.p99_ms()
    return Spent(found["cpu_s"] / found["seconds"], found["scans"] / found["seconds"], late_ms)


def _client(kind: str, folder: Path, seconds: float) -> dict[str, Any]:
    command = [sys.executable, "-m", "telemetry.bench.modbus_client", kind, str(folder), str(seconds)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 120)
    if done.returncode:
        raise RuntimeError(f"the client {kind} failed: {done.stderr.strip()[-2000:]}")
    found: dict[str, Any] = json.loads(done.stdout)
    return found
