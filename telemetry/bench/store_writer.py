"""A process that appends frames to a journal as fast as it can, once it is told to: the engine's side of `bench store`."""

import sys
import time
from pathlib import Path

from telemetry.bench import plantlike
from telemetry.journal.writer import Writer


def main() -> None:
    """Arguments: the journal's folder, the first slot (ns), how many seconds of data, the seed. Says `ready`, waits for a line."""
    folder, begin_ns, seconds, seed = Path(sys.argv[1]), *(int(word) for word in sys.argv[2:])
    made = list(plantlike.seconds(plantlike.layouts(), begin_ns, seconds, seed))
    journal = Writer(folder, folder.name)
    print("ready", flush=True)
    sys.stdin.readline()
    synced_s = time.monotonic()
    for frames in made:
        for frame in frames:
            journal.frame(frame, failed=False)
        if time.monotonic() - synced_s > 1.0:  # as the engine does
            journal.sync_frames()
            synced_s = time.monotonic()
    journal.sync_frames()
    sys.stdin.readline()
    journal.close()


if __name__ == "__main__":
    main()
