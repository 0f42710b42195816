"""The limit of open files, in a process of its own."""

import subprocess
import sys

ASK = """
import resource, sys
from telemetry import files
from telemetry.errors import Refusal
resource.setrlimit(resource.RLIMIT_NOFILE, (256, 600))
try:
    files.allow(int(sys.argv[1]), "3 devices")
except Refusal as refusal:
    print(refusal.what, refusal.remedy)
print(*resource.getrlimit(resource.RLIMIT_NOFILE))
"""


def _asked(needed: int) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", ASK, str(needed)], capture_output=True, text=True, check=True, timeout=30
    )
    return done.stdout.splitlines()


def test_the_soft_limit_is_raised_as_far_as_needed_and_never_lowered() -> None:
    assert _asked(500) == ["500 600"]
    assert _asked(100) == ["256 600"]


def test_where_the_system_allows_too_few_the_refusal_names_both_numbers() -> None:
    said, limits = _asked(700)
    assert "3 devices need 700 open files, and this system allows 600." in said
    assert limits == "256 600"
