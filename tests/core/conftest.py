"""How much Hypothesis searches: the same examples at every run, so that a red test is a change of ours.

`HYPOTHESIS_PROFILE=search pytest tests/core` looks at new ones, and at many more.
"""

import os

from hypothesis import HealthCheck, settings

settings.register_profile("core", deadline=None, max_examples=150, derandomize=True, database=None)
settings.register_profile(
    "search", deadline=None, max_examples=2000, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "core"))
