"""A serial line without hardware: two terminals of this machine, and a thread that carries bytes from each to the other."""

import os
import pty
import select
import threading
import tty
from collections.abc import Generator
from contextlib import contextmanager


@contextmanager
def serial_line() -> Generator[tuple[str, str]]:
    """The paths of both ends."""
    pairs = [pty.openpty(), pty.openpty()]
    for _, end in pairs:
        tty.setraw(end)
    (ours, _), (theirs, _) = pairs
    stop_read, stop_write = os.pipe()
    carrier = threading.Thread(target=_carry, args=({ours: theirs, theirs: ours}, stop_read), name="serial line")
    carrier.start()
    try:
        yield os.ttyname(pairs[0][1]), os.ttyname(pairs[1][1])
    finally:
        os.close(stop_write)
        carrier.join()
        for descriptor in (stop_read, *pairs[0], *pairs[1]):
            os.close(descriptor)


def _carry(routes: dict[int, int], stop: int) -> None:
    while True:
        ready, _, _ = select.select([*routes, stop], [], [])
        if stop in ready:
            return
        for descriptor in ready:
            os.write(routes[descriptor], os.read(descriptor, 4096))
