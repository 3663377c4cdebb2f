"""Write the corpus: `python -m tests.conformance.make [DIR]`. The same bytes every time.

Without a folder it is written to `fixtures/conformance`, whose README gets the table of the rules.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from payloads.conformance import ACCEPTABLE, INVALID, VALID, Case
from tests.conformance.arguments import chainlink_calldata, stork_calldata
from tests.conformance.building import File
from tests.conformance.configs import configs
from tests.conformance.contract_calls import contract_calls
from tests.conformance.envelopes import envelopes
from tests.conformance.flags import RULES
from tests.conformance.labelled import chainlink_damages, stork_damages
from tests.conformance.layouts import LAYOUTS
from tests.conformance.reports import reports
from tests.conformance.states import STATES
from tests.conformance.stork_cases import stork_cases

# The first number: the format. The second: cases were added, removed, or changed.
VERSION = "1.1"
HOME = Path(__file__).resolve().parents[2] / "fixtures" / "conformance"


def files() -> list[File]:
    """Every file of cases."""
    makers = (envelopes, reports, contract_calls, chainlink_calldata, chainlink_damages, configs,
              stork_cases, stork_calldata, stork_damages)  # fmt: skip
    return [make() for make in makers]


def _line(case: Case) -> bytes:
    """A case as JSON, without the keys that say nothing."""
    record = {
        name: value
        for name, value in msgspec.to_builtins(case).items()
        if value is not None and value != []
    }
    record["calls"] = [
        {name: value for name, value in call.items() if value is not None}
        for call in record.get("calls", ())
    ]
    if not record["calls"]:
        del record["calls"]
    return msgspec.json.encode(record) + b"\n"


def _json(value: Any) -> bytes:
    return (json.dumps(value, indent=1, ensure_ascii=True) + "\n").encode()


def contents(made: list[File]) -> Iterator[tuple[str, bytes]]:
    """The names and the bytes of the corpus' files."""
    index = {
        "version": VERSION,
        "files": {f"{file.name}.jsonl": len(file.cases) for file in made},
        "schemas": {
            prefix.hex(): {"schema": name, "fields": [list(field) for field in layout]}
            for prefix, (name, layout) in LAYOUTS.items()
        },
        "flags": [
            {"flag": flag, "section": section, "rule": rule}
            for section, rules in RULES.items()
            for flag, rule in rules.items()
        ],
    }
    yield "corpus.json", _json(index)
    yield "states.json", _json(STATES)
    for file in made:
        yield f"{file.name}.jsonl", b"".join(map(_line, file.cases))


# --- the table of the rules -----------------------------------------------------------------------


def counts(made: list[File]) -> dict[str, dict[str, int]]:
    """By flag: how many cases, and how many calls and decodings of each result."""
    found: dict[str, dict[str, int]] = {}
    for case in (case for file in made for case in file.cases):
        results = [case.result] * (case.form != "bulk") + [call.result for call in case.calls]
        for flag in case.flags:
            mine = found.setdefault(flag, {"cases": 0, VALID: 0, ACCEPTABLE: 0, INVALID: 0})
            mine["cases"] += 1
            for result in results:
                mine[result] += 1
    return found


def table(made: list[File]) -> str:
    """The rules, each with its flag and its counts, in Markdown."""
    known, lines = counts(made), []
    for section, rules in RULES.items():
        lines += [f"### {section}", "", "| flag | rule | cases | valid | acceptable | invalid |",
                  "|---|---|---|---|---|---|"]  # fmt: skip
        for flag, rule in rules.items():
            numbers = " | ".join(map(str, known[flag].values()))
            escaped = rule.replace("|", "\\|")
            lines.append(f"| `{flag}` | {escaped} | {numbers} |")
        lines.append("")
    return "\n".join(lines)


_MARKS = re.compile(r"(<!-- rules: begin -->\n).*?(<!-- rules: end -->)", re.DOTALL)


def with_table(readme: str, made: list[File]) -> str:
    """The README with the table of these files."""
    return _MARKS.sub(lambda match: match[1] + table(made) + match[2], readme)


def main(folder: Path = HOME) -> None:
    """Write all files."""
    made = files()
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents(made):
        (folder / name).write_bytes(content)
    readme = folder / "README.md"
    if readme.is_file():
        readme.write_text(with_table(readme.read_text(encoding="utf-8"), made), encoding="utf-8")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
