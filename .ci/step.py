"""Steps of the set-up: running programs with a plain sentence when they fail, and remembering what has been done."""

from __future__ import annotations

import collections
import hashlib
import json
import subprocess
import threading
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / ".venv"
STAMP = VENV / "telemetry.json"
STEP_TIMEOUT_S = 1800
ASK_TIMEOUT_S = 60


class Refusal(Exception):
    """A step is not possible; the message says what is wrong and what to do."""


def say(text: str) -> None:
    print(text, flush=True)


def answer(command: list[str], **options) -> str | None:
    """What the command prints, or None where it fails or does not exist."""
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            timeout=ASK_TIMEOUT_S,
            check=False,
            **options,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def carry_out(command: list[str], failing: str, on_line=None, **options) -> None:
    """Run a slow step, telling `on_line` each line it prints. Raises Refusal(`failing`) with the end of its output."""
    last = collections.deque(maxlen=30)
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        **options,
    )
    clock = threading.Timer(STEP_TIMEOUT_S, process.kill)
    clock.start()
    try:
        for line in process.stdout:
            last.append(line.rstrip())
            if on_line is not None:
                on_line(line)
        status = process.wait()
    except BaseException:
        process.kill()
        process.wait()
        raise
    finally:
        clock.cancel()
    if status != 0:
        raise Refusal("\n    ".join([failing, *last]))


def digest(*paths: Path) -> str:
    """One digest over the names and contents of files in this clone."""
    total = hashlib.sha256()
    for path in paths:
        total.update(f"{path.relative_to(ROOT)}\n".encode() + hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()


def done_before() -> dict:
    """What earlier runs have finished, by name; empty in a clone that was moved or copied, whose .venv is of no use."""
    try:
        stamp = json.loads(STAMP.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return stamp if stamp.get("root") == str(ROOT) else {}


def remember(**done) -> None:
    """Add what has just been finished."""
    partial = STAMP.with_suffix(".partial")
    partial.write_text(json.dumps({**done_before(), **done, "root": str(ROOT)}, indent=1), encoding="utf-8")
    partial.replace(STAMP)
