"""The engine's side of `bench drain`: a journal of an outage's frames, and then the live ones, second by second."""

import select
import sys
import time
from pathlib import Path

from telemetry import plant
from telemetry.bench import plantlike
from telemetry.engine.compiled import compiled
from telemetry.journal.writer import Writer

SECOND = plantlike.SECOND
STEPS = 10
"""The frames of a second come in so many portions, as phases spread them."""


def main() -> None:
    """Arguments: the journal's folder, the config folder, the length of the outage in s. Says `ready` once that is written, goes on
    live until its input ends, and then says how many frames there are and the sum of their first values."""
    folder, config, outage_s = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    layouts = tuple(layout for layout in compiled(plant.load(config)).layouts if layout.device.startswith("LOAD-0"))
    journal = Writer(folder, folder.name)
    count, total = 0, 0.0
    made = plantlike.seconds(layouts, (time.time_ns() // SECOND - outage_s) * SECOND, 10**9, seed=1)
    live = False
    for frames in made:
        portion = -(-len(frames) // STEPS)
        for step in range(STEPS):
            if live:
                # Each portion at its moment, and the end of the input is heard meanwhile.
                wait_s = (frames[0].time_ns + step * SECOND // STEPS - time.time_ns()) / 1e9
                if select.select([sys.stdin], [], [], max(0.0, wait_s))[0]:
                    journal.sync_frames()
                    journal.close()
                    print(f"{count} {total!r}", flush=True)
                    return
            for frame in frames[step * portion : (step + 1) * portion]:
                journal.frame(frame, failed=False)
                count, total = count + 1, total + float(frame.values[0])
        journal.sync_frames()
        if not live and frames[0].time_ns >= time.time_ns() - 2 * SECOND:
            live = True
            print("ready", flush=True)


if __name__ == "__main__":
    main()
