"""docs/json.md says what `--json` prints: which keys there are, and which JSON type each has."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from payloads import reference
from payloads.abi.fields import with_numbers
from payloads.cli.main import main
from tests import corpus

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs/json.md").read_text(encoding="utf-8")
EXAMPLES = ROOT / "fixtures" / "examples"
CHAINLINK = ["--state", str(EXAMPLES / "state.json")]
STORK = ["--state", str(EXAMPLES / "stork-state.json")]

PAYLOADS = {entry.id: entry.text for entry in corpus.entries()}
REPORT = (EXAMPLES / "report.hex").read_text().strip()
UPDATE = (EXAMPLES / "update.hex").read_text().strip()


def printed(*arguments: str) -> list[dict[str, Any]]:
    result = CliRunner().invoke(main, arguments)
    return [json.loads(line) for line in result.stdout.splitlines()]


def everything() -> Iterator[dict[str, Any]]:
    """What the commands print about all payloads of the corpus, and about calls that fail."""
    for command in ("decode", "inspect", "recover"):
        yield from printed(command, "--json", *PAYLOADS.values())
    for terms in ([], ["--pay", "native", "--value", "1"], ["--pay", "link"]):
        yield from printed("verify", "--json", *CHAINLINK, *terms, REPORT, "0x1234")
    yield from printed("quote", "--json", *CHAINLINK, REPORT)
    for value in ("0", "1000"):
        yield from printed("verify", "--json", *STORK, "--value", value, UPDATE)


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from leaves(item, f"{path}.{key}")
    elif isinstance(value, list):
        for item in value:
            yield from leaves(item, f"{path}[]")
    else:
        yield path, value


@pytest.fixture(scope="module")
def found() -> list[dict[str, Any]]:
    return list(everything())


def test_the_types_on_the_page_are_those_of_the_field_tables() -> None:
    assert reference.with_json_types(PAGE) == PAGE, "run `make docs`"


def test_only_one_layout_has_keys_of_another_type() -> None:
    """Its times count milliseconds in a uint64."""
    rows = [line.split("|")[1:3] for line in reference.json_types().splitlines()[2:]]
    keys = [re.findall(r"`(\w+)`", row[0]) for row in rows]
    assert len(rows) == 4
    assert sum(map(len, keys)) == len({key for row in keys for key in row}) > 50
    assert re.findall("`v.*?`", rows[3][1]) == ["`v3-hf`"]


def test_no_integer_is_a_number_that_a_double_does_not_hold(found: list[dict[str, Any]]) -> None:
    numbers = [value for record in found for _, value in leaves(record) if type(value) is int]
    assert len(numbers) > 1000
    assert max(map(abs, numbers)) <= 2**53


def test_a_key_has_one_type(found: list[dict[str, Any]]) -> None:
    """But `value` of a span, which its `type` decides, and what a contract returns."""
    types: dict[str, set[type]] = {}
    for record in found:
        if record.get("schema") == "v3-hf":
            continue
        for path, value in leaves(record):
            if path not in (".spans[].value", ".returned", ".revert.args[]") and value is not None:
                types.setdefault(path, set()).add(type(value))
    assert {path: kinds for path, kinds in types.items() if len(kinds) > 1} == {}


def test_a_span_has_the_json_type_of_its_type(found: list[dict[str, Any]]) -> None:
    by_type: dict[str, set[type]] = {}
    for record in found:
        for span in record.get("spans", ()):
            if "value" in span:
                by_type.setdefault(span["type"], set()).add(type(span["value"]))
    assert {kind: kinds for kind, kinds in by_type.items() if len(kinds) > 1} == {}
    assert by_type["uint32"] == {int}
    assert by_type["uint64"] == by_type["int192"] == by_type["length"] == {str}


def test_the_args_of_a_revert_have_the_types_of_the_error() -> None:
    (record,) = printed("decode", "--json", REPORT)
    fewer = record | {"rs": record["rs"][1:], "ss": record["ss"][1:]}
    terms = ["--json", *CHAINLINK, "--pay", "link"]
    (encoded,) = printed("encode", "--json", json.dumps(fewer))
    (verdict,) = printed("verify", *terms, encoded["hex"])
    assert verdict["revert"]["args"] == ["5", "6"], "IncorrectSignatureCount(uint256,uint256)"
    (numbers,) = printed("verify", "--numbers", *terms, encoded["hex"])
    assert numbers["revert"]["args"] == [5, 6]


@pytest.mark.parametrize("payload", [REPORT, UPDATE], ids=["chainlink", "stork"])
@pytest.mark.parametrize("command", ["decode", "inspect", "recover"])
def test_numbers_are_the_same_integers(command: str, payload: str) -> None:
    (strings,) = printed(command, "--json", payload)
    (numbers,) = printed(command, "--json", "--numbers", payload)
    changed = [
        (old, new)
        for (_, old), (_, new) in zip(leaves(strings), leaves(numbers), strict=True)
        if old != new
    ]
    assert all(isinstance(new, int) and str(new) == old for old, new in changed)
    assert bool(changed) == (command != "recover")


def test_numbers_without_json_is_misuse() -> None:
    result = CliRunner().invoke(main, ["decode", "--numbers", REPORT])
    assert result.exit_code == 2
    assert "--numbers: is about JSON" in result.stderr


@pytest.mark.parametrize("payload", [REPORT, UPDATE], ids=["chainlink", "stork"])
def test_encode_reads_both(payload: str) -> None:
    for more in ([], ["--numbers"]):
        (record,) = printed("decode", "--json", *more, payload)
        (encoded,) = printed("encode", "--json", json.dumps(record))
        assert encoded["hex"] == payload


def test_a_record_that_came_from_a_file_has_no_memory_of_its_types() -> None:
    (record,) = printed("decode", "--json", REPORT)
    assert with_numbers(record) == record


def test_every_key_is_on_the_page(found: list[dict[str, Any]]) -> None:
    """Also those of verdicts: `payload` is the index of the payload in a bulk call."""
    bulk = printed(
        "verify", "--json", *CHAINLINK, "--call", "verifyBulk", "--pay", "link", REPORT, "0x12"
    )
    assert bulk[0]["payload"] == 1
    known = set(re.findall(r"`(\w+)`", PAGE))
    printed_keys = {key for record in [*found, *bulk] for key in _keys(record)}
    assert printed_keys - known == set()


def _keys(record: Any) -> Iterator[str]:
    if isinstance(record, dict):
        for key, value in record.items():
            yield key
            if key not in ("inputs", "gas"):  # a check's own facts; ways of paying
                yield from _keys(value)
    elif isinstance(record, list):
        for item in record:
            yield from _keys(item)
