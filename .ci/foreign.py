"""Servers and clients that are not ours, for the tests; where they cannot be had, a line that says so and those tests skip."""

from __future__ import annotations

import os
import time

from environment import PYTHON
from node import find_npm
from step import ROOT, Refusal, carry_out, digest, done_before, remember, say

NODE = ROOT / "tests" / "foreign" / "node"
SKIPPED = "so the tests against them will be skipped"


def provide_foreign() -> None:
    """node-opcua, modbus-serial and jsmodbus by npm; open62541, libmodbus and mbpoll from Debian. Never fails."""
    for provide in (provide_node_packages, provide_debian_packages):
        try:
            provide()
        except Refusal as refusal:
            say(f"foreign: {refusal}")


def provide_node_packages() -> None:
    """The packages of tests/foreign/node, each checked against its hash. Raises Refusal."""
    packages = digest(NODE / "package.json", NODE / "package-lock.json")
    npm, settings = find_npm(lambda version: version >= [22, 13], "node-opcua needs 22.13 or newer")
    if done_before().get("foreign_packages") == packages and (NODE / "node_modules").is_dir():
        return
    began = time.monotonic()
    say("foreign: fetching node-opcua, modbus-serial and jsmodbus")
    carry_out(
        [*npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
        f"node-opcua, modbus-serial and jsmodbus could not be fetched, {SKIPPED}: "
        "is the npm registry reachable? npm's last words:",
        env=settings,
        cwd=NODE,
    )
    remember(foreign_packages=packages)
    say(f"foreign: Node packages ready in {time.monotonic() - began:.0f} s")


def provide_debian_packages() -> None:
    """What tests/foreign/debian.py unpacks, by the same private apt that brings the database. Raises Refusal."""
    carry_out(
        [str(PYTHON), "-m", "tests.foreign.debian"],
        f"open62541, libmodbus and mbpoll could not be fetched, {SKIPPED}. The last words:",
        on_line=lambda line: say(line.rstrip()),
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        cwd=ROOT,
    )
