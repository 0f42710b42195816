"""The config folder of a load plant for a bench, as `telemetry simulate --load` writes it; the simulator itself is not kept."""

import subprocess
import sys
import time
from pathlib import Path

START_S = 60.0


def load_configuration(folder: Path, devices: int, tags: int) -> Path:
    """Writes it below `folder`. Raises RuntimeError with the simulator's words where it does not start."""
    config, book = folder / "config", folder / "addresses.json"
    command = [sys.executable, "-m", "telemetry", "simulate", "--load", str(devices), "--tags-per-device", str(tags)]
    command += ["--config", str(config), "--addresses", str(book), "--control", str(folder / "control")]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as simulator:
        deadline_s = time.monotonic() + START_S
        try:
            while not book.exists():
                if simulator.poll() is not None or time.monotonic() > deadline_s:
                    simulator.kill()
                    raise RuntimeError(f"the simulator did not start: {simulator.communicate()[1].strip()}")
                time.sleep(0.05)
        finally:
            simulator.terminate()
    return config
