"""`python -m docs.examples.engines ENGINE FILES`."""

from __future__ import annotations

import sys

from docs.examples.engines import ENGINES

if __name__ == "__main__":
    engine, files = sys.argv[1:]
    for (feed, field), most in sorted(ENGINES[engine](files).items()):
        print(feed, field, most)
