"""Who differs where: `docs/conformance.md`, from what `rivals.py` saved in `results.json`."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from payloads.conformance import (
    DECODING,
    RIGHT,
    SILENT,
    WORDS,
    WRONG,
    Answer,
    Case,
    corpus,
    read_answers,
    score,
)
from tests.conformance.flags import ABI, ARGUMENTS, ENVELOPE, REPORT, RULES
from tests.conformance.runners import ours

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results.json"
PAGE = HERE.parents[1] / "docs" / "conformance.md"
OURS = "payloads"
Results = dict[str, dict[str, Any]]


def result(name: str, answers: Mapping[str, Answer]) -> dict[str, Any]:
    """What a decoder's answers are worth: by flag, and the cases that are wrong."""
    flags: dict[str, Counter[str]] = {}
    wrong: dict[str, list[str]] = {}
    whole: Counter[str] = Counter()
    for mark in score(corpus().cases, answers):
        if mark.aspect != DECODING:
            continue
        whole[mark.word] += 1
        for flag in mark.flags:
            flags.setdefault(flag, Counter())[mark.word] += 1
        if mark.word in WRONG:
            wrong.setdefault(mark.word, []).append(mark.id)
    return {
        "decoder": name,
        "corpus": corpus().version,
        "all": _sorted(whole),
        "flags": {flag: _sorted(flags[flag]) for flag in sorted(flags)},
        "wrong": {word: wrong[word] for word in WRONG if word in wrong},
    }


def _sorted(words: Counter[str]) -> dict[str, int]:
    return {word: words[word] for word in WORDS if words[word]}


def saved() -> Results:
    """What was saved, by the rival's key."""
    found: Results = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    return found


def save(results: Results) -> None:
    """Write the results, and the page that shows them."""
    RESULTS.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    PAGE.write_text(text(results), encoding="utf-8")


@cache
def our_result() -> dict[str, Any]:
    """This library's own."""
    lines = (msgspec.json.encode(line).decode() for line in ours.answers(corpus(), verdicts=False))
    name, answers = read_answers(lines)
    return result(name.partition(" ")[0], answers)


# --- the page -------------------------------------------------------------------------------------

_INTRO = """# Conformance: who differs where

The [conformance corpus](../fixtures/conformance/README.md) has payloads, good and broken, by rule.
This page says how decoders read them. What is right is what Solidity's decoder does in an EVM. A
decoder that differs reads a payload that the chain refuses, refuses one that the chain takes, or
reads other values than the chain.

| word | it means |
|---|---|
| agrees | as the chain |
| declines | refused what the chain takes, but no honest encoder writes: allowed |
| refuses | refused what is valid |
| accepts | read what the chain refuses |
| reads otherwise | read other values |
| crashes | a panic, or an error of a kind that the decoder does not promise |
| cannot say | it is not made for the input, or gives no such field |

`python -m tests.conformance.rivals` runs the decoders that can be installed where it runs, and
writes this page. `make test-interop` holds it against them; `make test` holds what needs none.
"""

# What a reader should know of a decoder before the numbers.
_NOTES = {
    "sdk-rust": (
        "Its outer decoder returns context and report. It does not look at the signatures, so"
        " it accepts what is wrong there. It reads the low eight bytes of offsets and "
        "lengths."
    ),
    "sdk-typescript": (
        "It is given the feed id of an honest frame, takes the schema from it, and returns "
        "prices, fees and expiry. Reports are wrapped into a payload for it. It has no "
        "schemas 1 and 14."
    ),
    "ethers": (
        "The types are given to it, and the functions whose arguments it is to read. It cuts "
        "numbers to their types instead of refusing them."
    ),
    "go-ethereum": (
        "The types are given to it, and the functions whose arguments it is to read. The vendor's "
        "Go SDK decodes through it."
    ),
    "eth-abi-strict": "The types are given to it. It reads arguments, and no selectors.",
    "eth-abi-loose": "The types are given to it. It reads arguments, and no selectors.",
}


def text(results: Results) -> str:
    """The page."""
    columns = {OURS: our_result()} | results
    parts = [_INTRO, "## Decoders\n", _decoders(columns), "## By rule\n", _HOW, *_sections(columns)]
    parts += ["## What differs\n", *_differences(results)]
    return "\n".join(parts).rstrip() + "\n"


def _decoders(columns: Results) -> str:
    lines = ["| decoder | " + " | ".join(WORDS) + " |", "|---" * (len(WORDS) + 1) + "|"]
    for one in columns.values():
        numbers = " | ".join(str(one["all"].get(word, 0)) for word in WORDS)
        lines.append(f"| {one['decoder']} | {numbers} |")
    lines += [
        "",
        f"Corpus {corpus().version}: the decoding of {sum(our_result()['all'].values())} cases. "
        "Verdicts of contracts are left out, because no other decoder has any.",
        "",
        *(f"- {results['decoder']}: {_NOTES[key]}" for key, results in columns.items()
          if key in _NOTES),
        "",
    ]  # fmt: skip
    return "\n".join(lines)


_HOW = """`3 of 14` are wrong: refused, accepted, read otherwise, or broken down. A dash: no answer.
Rules of Stork Fast's payload, and rules that only decide a call, are left out: no other decoder is
for them.
"""


def _sections(columns: Results) -> Iterator[str]:
    others = [one for key, one in columns.items() if key != OURS]
    for section in (ENVELOPE, REPORT, ABI, ARGUMENTS):
        rows = [flag for flag in RULES[section] if any(_cell(one, flag) != "—" for one in others)]
        yield f"### {section}\n"
        yield "| rule | " + " | ".join(f"{key}" for key in columns) + " |"
        yield "|---" * (len(columns) + 1) + "|"
        for flag in rows:
            yield f"| `{flag}` | " + " | ".join(_cell(one, flag) for one in columns.values()) + " |"
        yield ""


def _cell(one: dict[str, Any], flag: str) -> str:
    words = one["flags"].get(flag, {})
    said = sum(count for word, count in words.items() if word != SILENT)
    wrong = sum(words.get(word, 0) for word in WRONG)
    if not said:
        return "—"
    if wrong:
        return f"**{wrong} of {said}**"
    return f"{said}" + (" (declines)" if not words.get(RIGHT[0]) else "")


def _differences(results: Results) -> Iterator[str]:
    cases = {case.id: case for case in corpus().cases}
    for one in results.values():
        yield f"### {one['decoder']}\n"
        yield from _of_one(one, cases)
        yield ""


def _of_one(one: dict[str, Any], cases: Mapping[str, Case]) -> Iterator[str]:
    """A line for each flag and word, with the first such case."""
    found: dict[tuple[str, str], list[Case]] = {}
    for word, ids in one["wrong"].items():
        for case in map(cases.__getitem__, ids):
            found.setdefault((word, _flag(case)), []).append(case)
    if not found:
        yield "Nothing."
    for (word, flag), several in found.items():
        first = several[0]
        yield f"- {word}, `{flag}`, {len(several)}: such as `{first.id}`, {first.comment}"


def _flag(case: Case) -> str:
    """The flag that says most: schemas have many."""
    schemas = ("SchemaV", "HighFrequency")
    return next((flag for flag in case.flags if not flag.startswith(schemas)), case.flags[0])
