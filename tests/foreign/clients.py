"""Clients that are not ours, each a process that ends by itself: what they read of a server at an address."""

import json
import subprocess
from typing import Any, Final
from urllib.parse import urlsplit

from tests.foreign import debian
from tests.foreign.servers import NODE, require_debian, require_node

DEADLINE_S: Final = 120.0
_MBPOLL_TABLES: Final = {"coil": "0", "discrete": "1", "input": "3", "holding": "4"}


class Refused(Exception):
    """The client ended with an error; the text is what it said."""


def node_opcua(url: str, nodes: list[str], requests: int = 1, **asked: Any) -> dict[str, Any]:
    """What node/opcua_client.js tells: ``read`` (value and status of each node), values, seconds, cpu_seconds."""
    words = {"url": url, "nodes": nodes, "requests": requests, "warm": 0, **asked}
    told = _told([str(require_node()), str(NODE / "opcua_client.js"), json.dumps(words)])
    return json.loads(next(line for line in told.splitlines() if line.startswith("{")))  # among what it logs


def modbus_serial(url: str, table: str, first: int, count: int) -> list[int]:
    """Words (or bits) of one block, read by modbus-serial from ``modbus://`` or ``modbus-rtu://host:port/unit``."""
    host, port, unit = _where(url)
    where = {"host": host, "port": port, "unit": unit, "rtu": url.startswith("modbus-rtu:")}
    words = {**where, "table": table, "first": first, "count": count}
    read = json.loads(_told([str(require_node()), str(NODE / "modbus_client.js"), json.dumps(words)]))
    return [int(word) for word in read]


def libmodbus(url: str, table: str, first: int, count: int) -> list[int]:
    """Words (or bits) of one block, read by libmodbus from ``modbus://host:port/unit``."""
    require_debian()
    host, port, unit = _where(url)
    command = debian.compiled("modbus_client", "modbus")
    told = _told([*command, host, str(port), str(unit), table, str(first), str(count)])
    return [int(line) for line in told.split()]


def mbpoll(url: str, table: str, first: int, count: int) -> list[int]:
    """Words (or bits) of one block, read by Debian's mbpoll from ``modbus://host:port/unit``; it counts from 1 unless told."""
    require_debian()
    host, port, unit = _where(url)
    options = ["-m", "tcp", "-p", str(port), "-a", str(unit), "-t", _MBPOLL_TABLES[table], "-0", "-1", "-q"]
    told = _told([*debian.program("mbpoll"), *options, "-r", str(first), "-c", str(count), host])
    # "[0]: <tab>1234", and a word of 32768 or more with its signed reading behind it in brackets.
    return [int(line.split("\t")[1].split()[0]) for line in told.splitlines() if line.startswith("[")]


def _where(url: str) -> tuple[str, int, int]:
    parts = urlsplit(url)
    assert parts.hostname is not None and parts.port is not None
    return parts.hostname, parts.port, int(parts.path.strip("/"))


def _told(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE_S, check=False)
    if done.returncode != 0:
        raise Refused((done.stderr or done.stdout).strip())
    return done.stdout
