"""Servers that are not ours, each a process on a loopback port of its own: started, restarted, frozen, ended by its id."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Self

import pytest

from tests.foreign import debian
from tests.system.demo import free_port

START_DEADLINE_S: Final = 30.0
END_DEADLINE_S: Final = 5.0
NODE: Final = Path(__file__).parent / "node"
NODE_MISSING: Final = (
    "node-opcua, modbus-serial and jsmodbus are not on this machine: .ci/bootstrap --test fetches them"
)
NAMESPACE: Final = "urn:telemetry:foreign"
"""Of the nodes of both OPC UA servers."""
UNIT: Final = 7
REGISTERS: Final = Path(__file__).parent / "registers.txt"
USER: Final = "operator"
PASSWORD: Final = "correct horse"


class Server:
    """A process that prints one JSON line with its `url` when it answers, and ends when its standard input does.

    `told` is what that line said. A process of ours that dies takes its servers along.
    """

    def __init__(self, command: list[str], log: Path) -> None:
        self.command, self.log = command, log
        self.told: dict[str, Any] = {}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The address, as a driver takes it."""
        return self.told["url"]

    @property
    def process_id(self) -> int:
        assert self._process is not None, "it does not run"
        return self._process.pid

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        assert self._process is None, "it runs already"
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=log, stderr=subprocess.STDOUT)
        deadline_s = time.monotonic() + START_DEADLINE_S
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline_s:
                self.stop()
                pytest.fail(
                    f"{Path(self.command[-2]).name} did not start:\n{self.log.read_text('utf-8', 'replace')[-3000:]}"
                )
            time.sleep(0.02)

    def _answers(self) -> bool:
        """Whether the line is there, whole."""
        for line in self.log.read_bytes().splitlines(keepends=True):
            if line.startswith(b'{"url"') and line.endswith(b"\n"):
                self.told = json.loads(line)
                return True
        return False

    def stop(self) -> None:
        """Ends it, frozen or not; its port stays its own."""
        process, self._process = self._process, None
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGCONT)
            process.terminate()
        try:
            process.wait(END_DEADLINE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        assert process.stdin is not None
        process.stdin.close()

    def restart(self) -> None:
        """Kills it without a word to its clients, and starts it on the same port."""
        os.kill(self.process_id, signal.SIGKILL)
        self.stop()
        self.start()

    def freeze(self) -> None:
        """It keeps its sockets and says nothing."""
        os.kill(self.process_id, signal.SIGSTOP)

    def thaw(self) -> None:
        os.kill(self.process_id, signal.SIGCONT)


def require_node() -> Path:
    """The Node that the packages were installed for. Skips the test where they are missing."""
    ours = Path(__file__).parents[2] / ".venv" / "node" / "node"
    node = str(ours) if ours.exists() else shutil.which("node")
    if node is None or not (NODE / "node_modules" / "node-opcua-server").is_dir():
        pytest.skip(NODE_MISSING)
    return Path(node)


def require_debian() -> None:
    """Skips the test where Debian's packages are missing."""
    if not debian.is_installed():
        pytest.skip(debian.MISSING)


def node_opcua(folder: Path, **asked: Any) -> Server:
    """node-opcua (see node/opcua_server.js for `asked`), its keys and trust list under `folder`."""
    return _node("opcua_server.js", folder, {"pki": str(folder / "pki"), **asked})


def lads(folder: Path, **asked: Any) -> Server:
    """node-opcua with the OPC Foundation's LADS nodeset (see node/lads_server.js)."""
    return _node("lads_server.js", folder, {"pki": str(folder / "pki"), **asked})


def modbus_serial(folder: Path, **asked: Any) -> Server:
    """modbus-serial (see node/modbus_serial_server.js)."""
    return _node("modbus_serial_server.js", folder, asked)


def jsmodbus(folder: Path, **asked: Any) -> Server:
    """jsmodbus (see node/jsmodbus_server.js)."""
    return _node("jsmodbus_server.js", folder, asked)


def open62541(folder: Path, **asked: Any) -> Server:
    """open62541 (see c/opcua_server.c): `certificate` and `key` files (DER) make it offer encryption, `trusted` is a file."""
    require_debian()
    words = [str(asked[name]) for name in ("certificate", "key", "trusted") if name in asked]
    command = [*debian.compiled("opcua_server", "open62541"), str(free_port()), *words]
    return Server(command, folder / "open62541.log")


def libmodbus(folder: Path, line: str | None = None, single: bool = False) -> Server:
    """libmodbus (see c/modbus_server.c), over TCP, or where `line` names a terminal over serial RTU. `single`: while one client
    is connected, another is refused."""
    require_debian()
    where = ["rtu", line] if line is not None else ["tcp", str(free_port())]
    words = [*where, str(UNIT), str(REGISTERS), *(["single"] if single else [])]
    command = [*debian.compiled("modbus_server", "modbus"), *words]
    return Server(command, folder / f"libmodbus-{where[0]}.log")


def _node(script: str, folder: Path, asked: Mapping[str, Any]) -> Server:
    command = [str(require_node()), str(NODE / script), json.dumps({"port": free_port(), **asked})]
    return Server(command, folder / f"{script}.log")
