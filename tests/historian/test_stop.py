"""A stop that any number of signals may set, in the middle of anything."""

import os
import signal
import subprocess
import sys
import time

from tests.system.demo import until

WAITING = """
import signal, sys
from telemetry.historian.stop import Stop
stop = Stop()
signal.signal(signal.SIGTERM, stop.signalled)
print("waiting", flush=True)
while not stop.wait(0.0001):
    pass
stop.wait(5)
print("stopped", flush=True)
"""


def test_a_storm_of_signals_stops_it_once_and_never_hangs() -> None:
    for _ in range(3):
        process = subprocess.Popen([sys.executable, "-c", WAITING], stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        assert process.stdout.readline() == "waiting\n"
        began = time.monotonic()
        while process.poll() is None and time.monotonic() - began < 5:
            os.kill(process.pid, signal.SIGTERM)
        until(lambda process=process: process.poll() is not None, 5.0, "its end")
        assert process.stdout.read() == "stopped\n"
        assert process.returncode in (0, -signal.SIGTERM)
