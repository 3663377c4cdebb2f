"""What is delivered beside the code: the bill of materials, and the pins that CI installs."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from itertools import chain
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TOOLS = ROOT / ".ci" / "tools.in"
PINS = ROOT / ".ci" / "requirements.txt"


def test_the_bill_of_materials(tmp_path: Path) -> None:
    written = []
    for name in ("once", "again"):
        file = tmp_path / name
        subprocess.run([sys.executable, ROOT / ".ci/sbom.py", file], check=True, timeout=60)
        written.append(file.read_text(encoding="utf-8"))
    assert written[0] == written[1]
    assert str(ROOT) not in written[0]
    assert sys.prefix not in written[0]
    bill = json.loads(written[0])
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.5")
    assert bill["metadata"]["component"]["name"] == "payloads"
    named = {component["name"] for component in bill["components"]}
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    assert {re.split(r"[<>=]", each)[0] for each in wanted} <= named
    assert "pytest" not in named
    references = {component["bom-ref"] for component in bill["components"]}
    for entry in bill["dependencies"]:
        assert set(entry["dependsOn"]) <= references


def test_the_bill_is_held_against_the_schema() -> None:
    """The schema takes seconds to load, so the lane that builds does it, by these very lines."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    recipe = makefile.partition("\nbuild:")[2].partition("\n\n")[0].splitlines()[-2:]
    bill = "dist/payloads.cdx.json"
    assert recipe == [
        f"\t@$(BIN)/python .ci/{name} {bill}" for name in ("sbom.py", "check_sbom.py")
    ]
    assert "make --no-print-directory build" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


def test_pins_have_hashes_and_no_addresses() -> None:
    text = PINS.read_text(encoding="utf-8")
    assert "://" not in text
    assert "index-url" not in text
    pins = re.split(r"^(?=[a-z])", text, flags=re.M)[1:]
    assert len(pins) > 60
    for pin in pins:
        assert re.match(r"[\w.-]+==[\w.]+( ;[^\\]+)? \\\n", pin), pin
        assert "--hash=sha256:" in pin
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    tools = [line for line in TOOLS.read_text().splitlines() if not line.startswith("#")]
    pinned = {pin.partition("==")[0] for pin in pins}
    # Everything of the lanes, and what the Makefile installs beside them.
    for wanted in chain.from_iterable(extras[extra] for extra in extras if extra != "simd"):
        tools += [] if wanted.startswith("payloads[") else [wanted]
    for wanted in (*project["dependencies"], *tools):
        assert re.split(r"[<>=;\[]", wanted)[0].replace(".", "-").lower() in pinned


def test_every_lane_uses_the_pins() -> None:
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert "--require-hashes" in script
    assert script.index("\nlane pins_are_installed") < script.index("\nlane make")
    # What the Makefile installs by itself is there already, by its hash.
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    tools = TOOLS.read_text(encoding="utf-8")
    for name in re.findall(r"'([a-z][\w-]+)(?:\[[\w-]+\])?>=", makefile):
        assert f"\n{name}" in tools
