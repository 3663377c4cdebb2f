"""What the on-chain lane runs: the package's contracts, and those of this folder.

`ensure_artifacts()`, or `python -m tests.onchain.build` to do it ahead. Everything lands in
`<repo>/.cache/onchain/`, unless `PAYLOADS_ONCHAIN_CACHE` moves it.
"""

from __future__ import annotations

import os
import sys
from functools import cache
from pathlib import Path

from payloads.testing.onchain.building import VARIABLE, Artifact, artifacts

HERE = Path(__file__).resolve().parent
# Also for the runs that tests start.
CACHE = Path(os.environ.setdefault(VARIABLE, str(HERE.parents[1] / ".cache" / "onchain")))


@cache
def ensure_artifacts() -> dict[str, Artifact]:
    """Artifacts by name: `Decoder`, `Token`, … for ours, `v0.5.0/Verifier`, … for the published."""
    return artifacts() | artifacts(HERE)


if __name__ == "__main__":
    print("onchain: fetching and compiling, about 15 s the first time", file=sys.stderr)
    for name, artifact in sorted(ensure_artifacts().items()):
        print(f"{name:34} {len(artifact['runtime']) // 2:6} bytes")
