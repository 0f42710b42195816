"""What a measurement is set against on a shared machine: an idle timer's lateness, and what else used the cores meanwhile."""

import json
import os
import resource
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

_TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")
_IDLE: Final = """
import asyncio, json, sys, time, uvloop
late = []
async def tick(phase):
    at = time.monotonic() + 0.2 + phase
    while True:
        await asyncio.sleep(max(0.0, at - time.monotonic()))
        late.append((time.monotonic() - at) * 1000)
        at += 1.0
async def main():
    loop = asyncio.get_running_loop()
    ticking = [asyncio.ensure_future(tick(i / 50)) for i in range(50)]
    await loop.run_in_executor(None, sys.stdin.read)
    for task in ticking:
        task.cancel()
    await asyncio.gather(*ticking, return_exceptions=True)
    print(json.dumps(late))
uvloop.run(main())
"""


class IdleTimer:
    """A process that does nothing but wake 50 times a second, spread as scans are; its lateness is the machine's own. Context."""

    def __enter__(self) -> Self:
        command = [sys.executable, "-c", _IDLE]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.late_ms: list[float] = []
        return self

    def __exit__(self, *_: object) -> None:
        said, _none = self._process.communicate(timeout=30)
        self.late_ms = json.loads(said or "[]")

    def p99_ms(self) -> float:
        """99th percentile of its lateness, once it has ended."""
        return p99(self.late_ms)


def p99(late: list[float]) -> float:
    """The 99th percentile, NaN of nothing."""
    ordered = sorted(late)
    return ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))] if ordered else float("nan")


@dataclass(frozen=True, slots=True)
class Cores:
    """A reading of who has used how much CPU so far: seconds, by process."""

    at_s: float
    own_s: float
    by_process: dict[tuple[int, str], float]

    @classmethod
    def now(cls) -> Self:
        """Read from /proc; processes that are not ours to look at are left out."""
        usage = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        return cls(time.monotonic(), sum(u.ru_utime + u.ru_stime for u in usage), dict(_processes()))

    def since(self, before: Self) -> str:
        """One sentence: how many cores there are, what share of them this run had, and who had more than 2 % of one beside it."""
        seconds = max(self.at_s - before.at_s, 1e-9)
        tree = _descendants(os.getpid())
        others: dict[str, float] = {}
        for (number, name), used_s in self.by_process.items():
            if number not in tree:
                share = (used_s - before.by_process.get((number, name), 0.0)) / seconds
                others[name] = others.get(name, 0.0) + share
        named = [f"{name} {share:.0%}" for name, share in sorted(others.items(), key=lambda x: -x[1]) if share > 0.02]
        own = (self.own_s - before.own_s) / seconds
        beside = ", ".join(named[:5]) or "nobody else used more than 2 % of one"
        return f"{os.cpu_count()} cores; this bench used {own:.0%} of one, beside it: {beside}"


def _processes() -> list[tuple[tuple[int, str], float]]:
    found: list[tuple[tuple[int, str], float]] = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                name, fields = _stat(folder)
            except (OSError, ValueError):
                continue  # it ended while we looked
            found.append(((int(folder.name), name), (int(fields[11]) + int(fields[12])) / _TICKS_PER_S))
    return found


def _stat(folder: Path) -> tuple[str, list[str]]:
    """Name and the fields after it, the first being the state (proc(5))."""
    text = (folder / "stat").read_text(encoding="utf-8", errors="replace")
    begin, end = text.index("("), text.rindex(")")
    return text[begin + 1 : end], text[end + 2 :].split()


def _descendants(root: int) -> set[int]:
    parents: dict[int, int] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                parents[int(folder.name)] = int(_stat(folder)[1][1])
            except (OSError, ValueError):
                continue
    found = {root}
    while True:
        more = {child for child, parent in parents.items() if parent in found} - found
        if not more:
            return found
        found |= more
