"""OPC UA: values per client CPU second by our driver, asyncua's `read_values` and node-opcua's client; 10,000 subscribed items.

Client and server are processes of their own. Even values are read of a server that is not ours (open62541) where it is on this
machine; those that fail, and those of mixed types, of the bench's own, because no other can be made to serve them so. The
subscribed items are those of the simulators' load form: 10,000 floats that all change every second.
"""

import json
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from telemetry.bench.figure import Figure, Outcome, Say
from telemetry.bench.opcua_server import NAMESPACE

ROUNDS: Final = 5
ITEMS: Final = 10_000
INTERVAL_MS: Final = 1000
LARGE, SMALL = 1000, 100
START_S: Final = 60.0
LONGEST_CLIENT_S: Final = 300.0
_FOREIGN: Final = Path(__file__).parents[2] / "tests" / "foreign"
_FOREIGN_NAMESPACE: Final = "urn:telemetry:foreign"
_FIND_OPEN62541: Final = (
    "import json; from tests.foreign import debian;"
    "print(json.dumps(debian.compiled('opcua_server', 'open62541') if debian.is_installed() else []))"
)
_LOAD_NAMESPACE: Final = "urn:example:load"


@dataclass(frozen=True, slots=True)
class Case:
    """One way to read. requests, baseline_requests: in each round, of about a second each; at_least: the bound over asyncua."""

    name: str
    kind: str
    count: int
    requests: int
    baseline_requests: int
    at_least: float
    over_node: float | None = None


CASES: Final = (
    Case("1,000 values a request", "even", LARGE, 5000, 60, 50.0, 5.0),
    Case("100 values a request", "even", SMALL, 10_000, 600, 12.0, 1.3),
    Case("1,000 values, 5 % of them Bad or null", "failing", LARGE, 3000, 60, 10.0),
    Case("1,000 values of mixed types", "mixed", LARGE, 3000, 60, 5.0),
)


@dataclass(frozen=True, slots=True)
class Served:
    """A server's address, the namespace of its nodes, and how they are named: with a number from 1."""

    url: str
    namespace: str
    name: str
    software: str

    def asked(self, count: int) -> dict[str, Any]:
        """What a client is told: all of it."""
        nodes = [f"s={self.name}.{n}" for n in range(1, count + 1)]
        return {"url": self.url, "namespace": self.namespace, "nodes": nodes}


def run(minutes: float, say: Say) -> Outcome:
    """Every case in five rounds by turns, then the subscriptions. `minutes` bounds what is spent on measuring."""
    share = min(1.0, minutes / 4)
    node, not_run = _node_client(), list[str]()
    if node is None:
        not_run.append("the node-opcua client: it is not on this machine; .ci/bootstrap --test fetches it")
    figures: list[Figure] = []
    with _own_server() as own, _open62541(say) as foreign:
        for case in CASES:
            server = (
                foreign if case.kind == "even" and foreign is not None else Served(own, NAMESPACE, case.kind, "ours")
            )
            figures += _case(case, server, node, share, say)
    figures += _subscriptions(node, max(10.0, 25.0 * share), say)
    return Outcome(tuple(figures), tuple(not_run))


def _case(case: Case, server: Served, node: list[str] | None, share: float, say: Say) -> Iterator[Figure]:
    asked = {
        **server.asked(case.count),
        "rounds": ROUNDS,
        "requests": max(100, int(case.requests * share)),
        "baseline_requests": max(10, int(case.baseline_requests * share)),
    }
    found = _ours("reads", asked)
    ours, theirs = statistics.median(found["ours"]), statistics.median(found["baseline"])
    say(
        f"{case.name} of {server.software}: {found['compared']} values compared equal; a CPU second reads "
        f"{ours:,.0f} by ours, {theirs:,.0f} by asyncua"
    )
    yield Figure(f"{case.name}, over asyncua's read_values", ours, theirs, "values per CPU-second", case.at_least)
    if node is None or case.over_node is None:
        return
    told = [
        _told(node, {**asked, "requests": asked["requests"] // 4, "warm": 200, "brief": True}) for _ in range(ROUNDS)
    ]
    by_node = statistics.median(one["values"] / one["cpu_seconds"] for one in told)
    say(f"{case.name}: by node-opcua {by_node:,.0f}")
    yield Figure(f"{case.name}, over the node-opcua client", ours, by_node, "values per CPU-second", case.over_node)


def _subscriptions(node: list[str] | None, seconds: float, say: Say) -> Iterator[Figure]:
    with tempfile.TemporaryDirectory(prefix="bench-opcua-") as folder, _load_form(Path(folder)) as url:
        asked = {
            "url": url,
            "namespace": _LOAD_NAMESPACE,
            "nodes": _ours("nodes", {"url": url, "namespace": _LOAD_NAMESPACE})["nodes"],
            "interval_ms": INTERVAL_MS,
            "seconds": seconds,
        }
        ours, theirs = _ours("watch", asked), _ours("watch-asyncua", asked)
        shares = {"ours": ours["cpu_s"] / ours["seconds"], "asyncua": theirs["cpu_s"] / theirs["seconds"]}
        if node is not None:
            told = _told(node, {**asked, "subscribe_s": seconds, "brief": True})
            shares["node-opcua"] = told["cpu_seconds"] / told["seconds"]
    say(f"{ITEMS:,} items at 1 s: " + ", ".join(f"{share:.2%} of a core by {who}" for who, share in shares.items()))
    yield Figure("10,000 subscribed items at 1 s", shares["ours"] * 100, None, "% of a core", 5.0, "at most")
    for who, share in shares.items():
        if who != "ours":
            yield Figure(
                f"10,000 subscribed items, beside {who}", shares["ours"] * 100, share * 100, "% of a core", None
            )
    yield Figure("changes a second that arrived", ours["values"] / ours["seconds"], None, "1/s", 0.85 * ITEMS)
    yield Figure("changes that were lost", float(ours["losses"]), None, "", 0.0, "at most")


# ---- processes


def _ours(kind: str, asked: dict[str, Any]) -> dict[str, Any]:
    """What our client's process found. Raises RuntimeError with its last words."""
    return _told([sys.executable, "-m", "telemetry.bench.opcua_client", kind], asked, as_input=True)


def _told(command: list[str], asked: dict[str, Any], as_input: bool = False) -> dict[str, Any]:
    text = json.dumps(asked)
    with tempfile.TemporaryDirectory(prefix="bench-opcua-") as folder:
        words = Path(folder) / "asked.json"
        words.write_text(text, encoding="utf-8")
        done = subprocess.run(
            command if as_input else [*command, f"@{words}"],
            input=text if as_input else None,
            capture_output=True,
            text=True,
            timeout=LONGEST_CLIENT_S,
            check=False,
        )
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed: {(done.stderr or done.stdout).strip()[-2000:]}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


@contextmanager
def _process(command: list[str], **more: Any) -> Generator[dict[str, Any]]:
    """A server that prints a line of JSON when it answers and ends with its standard input; gives what the line said."""
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, **more
    )
    assert process.stdout is not None and process.stdin is not None
    try:
        line = ""
        while not line.startswith("{"):
            line = process.stdout.readline()
            if not line:
                raise RuntimeError(f"the server {command[-1]} did not start")
        yield json.loads(line)
    finally:
        process.stdin.close()
        process.terminate()
        process.wait(30)
        process.stdout.close()


@contextmanager
def _own_server() -> Generator[str]:
    with _process([sys.executable, "-m", "telemetry.bench.opcua_server"]) as told:
        yield told["url"]


@contextmanager
def _open62541(say: Say) -> Generator[Served | None]:
    """open62541's server from the tests' software; None where it is not on this machine."""
    command: list[str] = []
    if (_FOREIGN / "debian.py").exists():
        done = subprocess.run(
            [sys.executable, "-c", _FIND_OPEN62541],
            cwd=_FOREIGN.parents[1],
            capture_output=True,
            text=True,
            check=False,
        )
        command = json.loads(done.stdout) if done.returncode == 0 else []
    if not command:
        say(
            "open62541 is not on this machine (.ci/bootstrap --test fetches it): the bench's own server takes its place"
        )
        yield None
        return
    with _process([*command, str(_free_port())]) as told:
        yield Served(told["url"], _FOREIGN_NAMESPACE, "Many", "open62541")


@contextmanager
def _load_form(folder: Path) -> Generator[str]:
    """The simulators' load form: one device of many items."""
    book = folder / "addresses.json"
    command = [sys.executable, "-m", "telemetry", "simulate", "--load", "1", "--tags-per-device", str(ITEMS)]
    command += ["--opcua-share", "1", "--addresses", str(book), "--control", str(folder / "control")]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline_s = time.monotonic() + START_S
        while not book.exists():
            if server.poll() is not None or time.monotonic() > deadline_s:
                raise RuntimeError("the simulators' load form did not start")
            time.sleep(0.05)
        addresses: dict[str, str] = json.loads(book.read_text(encoding="utf-8"))
        yield next(url for url in addresses.values() if url.startswith("opc.tcp:"))
    finally:
        server.terminate()
        server.wait(30)


def _node_client() -> list[str] | None:
    """The command of the node-opcua client from the tests' software; None where it is not on this machine."""
    ours = _FOREIGN.parents[1] / ".venv" / "node" / "node"
    node = str(ours) if ours.exists() else shutil.which("node")
    script = _FOREIGN / "node" / "opcua_client.js"
    if node is None or not (script.exists() and (_FOREIGN / "node" / "node_modules" / "node-opcua-client").is_dir()):
        return None
    return [node, str(script)]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
