"""Hold a bill of materials against the schema of CycloneDX: `python .ci/check_sbom.py FILE`.

The schema comes with the package cyclonedx-python-lib, which nothing else here wants.
"""

from __future__ import annotations

import sys
from pathlib import Path

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator


def problem(text: str) -> str:
    """The first thing in it that the schema does not allow; "" for none."""
    error = JsonStrictValidator(SchemaVersion.V1_5).validate_str(text)
    return "" if error is None else str(error)


if __name__ == "__main__":
    sys.exit(problem(Path(sys.argv[1]).read_text(encoding="utf-8")) or 0)
