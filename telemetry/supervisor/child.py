"""One child process: started again when it ends, ended with us, whatever ends us."""

import asyncio
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from typing import Final

_PR_SET_PDEATHSIG: Final = 1
_prctl = ctypes.CDLL(None, use_errno=True).prctl
NICENESS: Final = 10
"""Of all but the engine: it gets nine times their share where all want the processor, also while it starts."""
STOP_S: Final = 8.0
FIRST_WAIT_S: Final = 0.2
LONGEST_WAIT_S: Final = 5.0
ENGINE_WAIT_S: Final = 1.0
"""As long at most is waited for the engine: with its start, no kill may cost more than 5 s of readings, however many there are."""
ENDED_WELL: Final = "ended with exit status 0"
QUICK_S: Final = 10.0
"""A child that ends sooner than this after its start is waited for longer each time."""


class Child:
    """A verb of `telemetry` as a process. In a session of its own, so that Ctrl-C reaches the supervisor only, who ends the
    children in order; if the supervisor is killed, the kernel ends the child (PR_SET_PDEATHSIG)."""

    def __init__(self, name: str, arguments: Sequence[str], said: Callable[[str], None], niced: bool) -> None:
        self.name, self.arguments, self.said, self.niced = name, arguments, said, niced
        self.starts = 0
        self.process: asyncio.subprocess.Process | None = None
        self._stopping = False

    async def run(self) -> None:
        """Keeps it running until `stop`."""
        wait_s = 0.0
        while not self._stopping:
            began = time.monotonic()
            ended = await self._ran()
            if self._stopping:
                break
            wait_s = wait_after(time.monotonic() - began, wait_s, LONGEST_WAIT_S if self.niced else ENGINE_WAIT_S)
            self.said(f"{self.name} {ended}; starting it again in {wait_s:.1f} s")
            await asyncio.sleep(wait_s)

    async def _ran(self) -> str:
        """Runs it to its end; how that was, in words. A machine that is out of memory or processes starts none: what runs already
        goes on."""
        try:
            self.process = await self._start()
        except (OSError, subprocess.SubprocessError) as error:
            return f"cannot be started ({error})"
        code = await self.process.wait()
        return f"ended with {meaning(code)}" if code else ENDED_WELL

    async def _start(self) -> asyncio.subprocess.Process:
        self.starts += 1
        parent = os.getpid()

        def prepare() -> None:
            _prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
            if os.getppid() != parent:  # it died before the line above
                os._exit(1)
            if self.niced:
                os.nice(NICENESS)

        command = [sys.executable, "-m", "telemetry", *self.arguments]
        return await asyncio.create_subprocess_exec(
            *command, stdin=asyncio.subprocess.DEVNULL, preexec_fn=prepare, start_new_session=True
        )

    async def stop(self) -> None:
        """Asks it to end, and ends it by force when it does not."""
        self._stopping = True
        process = self.process
        if process is None or process.returncode is not None:
            return
        process.terminate()
        try:
            async with asyncio.timeout(STOP_S):
                await process.wait()
        except TimeoutError:
            self.said(f"{self.name} does not end when asked; ending it by force")
            process.kill()
            await process.wait()


def wait_after(ran_s: float, before_s: float, longest_s: float) -> float:
    """Seconds until a child that ran for `ran_s` is started again, where `before_s` was waited the last time (0: none yet)."""
    return FIRST_WAIT_S if ran_s > QUICK_S or not before_s else min(before_s * 2, longest_s)


def meaning(code: int) -> str:
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit status {code}"
