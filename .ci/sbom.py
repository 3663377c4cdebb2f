"""A bill of materials (CycloneDX 1.5, JSON) of the installed core: `python .ci/sbom.py FILE`.

It names what `pip install payloads` brought into this environment, with versions and licences. It
holds no time, no random number and no path, so that the same environment gives the same file.
"""

from __future__ import annotations

import json
import re
import sys
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

ROOT = "payloads"


def _name(text: str) -> str:
    return re.sub(r"[-_.]+", "-", text).lower()


def _needs(found: Distribution) -> list[str]:
    """The names of what it needs without any extra, as far as it is installed here."""
    names = set()
    for requirement in found.requires or ():
        words, _, marker = requirement.partition(";")
        match = re.match(r"[\w.-]+", words.strip())
        if "extra" not in marker and match and _installed(match[0]) is not None:
            names.add(_name(match[0]))
    return sorted(names)


def _installed(name: str) -> Distribution | None:
    try:
        return distribution(name)
    except PackageNotFoundError:
        return None


def _component(name: str) -> dict[str, Any]:
    found = distribution(name)
    reference = f"pkg:pypi/{name}@{found.version}"
    component: dict[str, Any] = {
        "type": "library", "bom-ref": reference, "name": name, "version": found.version,
        "purl": reference,
    }  # fmt: skip
    licence = found.metadata.get("License-Expression") or found.metadata.get("License") or ""
    if licence and "\n" not in licence:
        component["licenses"] = [{"license": {"name": licence}}]
    return component


def bill() -> dict[str, Any]:
    """The whole document."""
    needs: dict[str, list[str]] = {}
    waiting = [ROOT]
    while waiting:
        name = waiting.pop()
        if name not in needs:
            needs[name] = _needs(distribution(name))
            waiting += needs[name]
    components = {name: _component(name) for name in sorted(needs)}
    dependencies = [
        {
            "ref": components[name]["bom-ref"],
            "dependsOn": [components[other]["bom-ref"] for other in needs[name]],
        }
        for name in components
    ]
    root = components.pop(ROOT)
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": root},
        "components": list(components.values()),
        "dependencies": dependencies,
    }


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(json.dumps(bill(), indent=1) + "\n", encoding="utf-8")
