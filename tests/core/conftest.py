"""A small configuration; and how much Hypothesis searches: the same examples at every run, so that a red test is a change of ours.

`HYPOTHESIS_PROFILE=search pytest tests/core` looks at new ones, and at many more.
"""

import os
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("core", deadline=None, max_examples=150, derandomize=True, database=None)
settings.register_profile(
    "search", deadline=None, max_examples=2000, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "core"))

BASE_CASE = Path(__file__).parents[1] / "cases" / "config" / "base"


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The base case's configuration, which the console takes."""
    folder = Path(shutil.copytree(BASE_CASE, tmp_path / "config"))
    monkeypatch.setenv("TELEMETRY_CONFIG", str(folder))
    return folder
