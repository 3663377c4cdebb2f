"""Hypothesis' profiles. `HYPOTHESIS_PROFILE` chooses one; `ci` is taken where CI says it runs."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, Phase, settings

# Tests start many processes, and each would compile the library anew. `make test` does the same.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# No deadline: one slow example on a busy machine is no finding.
settings.register_profile("dev", deadline=None, max_examples=100)
settings.register_profile(
    "ci", deadline=None, max_examples=100, derandomize=True, print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)  # fmt: skip
settings.register_profile("thorough", deadline=None, max_examples=5_000)
# For mutants: the same examples each time, none kept, and no smaller one looked for.
settings.register_profile(
    "mutants", deadline=None, max_examples=20, derandomize=True, database=None,
    phases=[Phase.explicit, Phase.generate], suppress_health_check=[HealthCheck.too_slow],
)  # fmt: skip
settings.load_profile(
    os.environ.get("HYPOTHESIS_PROFILE") or ("ci" if os.environ.get("CI") else "dev")
)
