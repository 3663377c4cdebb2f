"""What is delivered beside the code: the bill of materials, and the pins that CI installs."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PINS = ROOT / ".ci" / "requirements-test.txt"


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


def test_pins_have_hashes_and_no_addresses() -> None:
    text = PINS.read_text(encoding="utf-8")
    assert "://" not in text
    assert "index-url" not in text
    pins = re.split(r"^(?=[a-z])", text, flags=re.M)[1:]
    assert len(pins) > 20
    for pin in pins:
        assert re.match(r"[\w.-]+==[\w.]+( ;[^\\]+)? \\\n", pin), pin
        assert "--hash=sha256:" in pin
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    pinned = {pin.partition("==")[0] for pin in pins}
    for wanted in (*project["dependencies"], *project["optional-dependencies"]["live"]):
        assert re.split(r"[<>=;\[]", wanted)[0].replace(".", "-").lower() in pinned
