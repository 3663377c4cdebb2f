"""`make demo`: published payloads of both systems, then all five venues live from simulators.

python -m docs.demo fixtures
"""

from __future__ import annotations

import json
import re
import shutil
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from docs.demo import five_venues
from payloads import Malformed, decode, inspect, recover
from payloads.cli import show, terminal
from payloads.recognise import Decoded, is_signed

# A mainnet report with six signatures, Stork's documented example, and a report whose version was
# edited after it was signed.
_SHOWN = {"cl-003": 18, "st-001": None}
_BROKEN = "cl-015"


def main(folder: str) -> None:
    """Decode, annotate and recover; then capture from every venue."""
    for line in _story(Path(folder) / "payloads.jsonl"):
        for part in line.split("\n"):
            terminal.line(part)
    five_venues.main()
    command = "payloads" if shutil.which("payloads") else _beside_python("payloads")
    terminal.line("")
    terminal.line(
        f"Next: {command} --help, or put any payload of your own behind {command} decode."
    )


def _beside_python(name: str) -> str:
    """The path of a command of this environment, seen from the current folder."""
    path = Path(sys.executable).parent / name
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


def _story(path: Path) -> Iterator[str]:
    with path.open(encoding="utf-8") as lines:
        entries = {entry["id"]: entry for entry in map(json.loads, lines)}
    yield _heading(f"1. Every one of {len(entries)} published payloads, decoded")
    yield from _survey(list(entries.values()))
    for number, (name, decimals) in enumerate(_SHOWN.items(), 2):
        entry = entries[name]
        yield _heading(f"{number}. payloads decode: {entry['source']}")
        yield from show.payload_lines(decode(entry["hex"]), name, decimals)
    yield _heading("4. payloads inspect: every byte of that last one")
    yield from show.view_lines(inspect(entries["st-001"]["hex"]), "st-001", full_hex=False)
    yield _heading("5. payloads inspect: a broken one, up to its first bad byte")
    yield f"({entries[_BROKEN]['note'].split(';')[0]})"
    yield from show.view_lines(inspect(entries[_BROKEN]["hex"]), _BROKEN, full_hex=False)


def _heading(text: str) -> str:
    return terminal.style(f"\n=== {text}\n", bold=True, fg="green")


def _survey(entries: list[dict[str, Any]]) -> Iterator[str]:
    """A table by kind of payload: how many there are, who signed, what is refused."""
    kinds: Counter[str] = Counter()
    signatures: Counter[str] = Counter()
    refused = []
    begun = time.perf_counter()
    for entry in entries:
        try:
            for leaf in decode(entry["hex"]).leaves():
                kind = _kind(leaf)
                kinds[kind] += 1
                signatures[kind] += _recovered(leaf)
        except Malformed as error:
            refused.append((entry["id"], str(error)))
    took = time.perf_counter() - begun
    width = max(map(len, kinds))
    yield f"  {'what':<{width}}  payloads  signers recovered"
    for kind in sorted(kinds, key=_natural):
        yield f"  {kind:<{width}}  {kinds[kind]:>8}  {signatures[kind] or '-':>17}"
    yield f"\n  refused, as they should be ({len(refused)}):"
    for name, reason in refused:
        yield f"  {name:<11} {reason[:140]}{'…' if len(reason) > 140 else ''}"
    total = sum(signatures.values())
    yield f"\n  {sum(kinds.values())} payloads and {total} signers in {took * 1000:.0f} ms"


def _natural(text: str) -> list[tuple[str, int]]:
    """A sort key under which v2 comes before v10."""
    return [(word, int(digits or 0)) for word, digits in re.findall(r"([^0-9]*)([0-9]*)", text)]


def _kind(leaf: Decoded) -> str:
    label = getattr(leaf.value, "schema_label", "")
    form = {"full_report": "fullReport", "report": "unsigned report"}.get(leaf.form, leaf.form)
    return f"{leaf.system} {form} {label}".rstrip()


def _recovered(leaf: Decoded) -> int:
    found = recover(leaf) if is_signed(leaf.value) else ()
    return sum(signature.address is not None for signature in found)


if __name__ == "__main__":
    main(*sys.argv[1:])
