"""``python -m telemetry``: the same as the console script."""

from telemetry.console import main

main()
