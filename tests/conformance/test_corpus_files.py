"""The corpus is what the script makes, covers every rule, and this library's score is full."""

from __future__ import annotations

import sys
import tarfile
import tomllib
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import pytest

from payloads import State
from payloads.chainlink.schemas import SCHEMAS
from payloads.conformance import (
    ACCEPTED,
    AGREES,
    FORMAT,
    INVALID,
    REVERTS,
    SIGNERS,
    SILENT,
    VALID,
    Answer,
    Case,
    Mark,
    corpus,
    folder,
    read_answers,
    score,
)
from payloads.errors import Misuse
from tests.conformance import archive, make
from tests.conformance.building import File, question
from tests.conformance.flags import FLAGS
from tests.conformance.layouts import INFERRED, LAYOUTS
from tests.conformance.runners import ours

CORPUS, ROOT = corpus(), make.HOME.parents[1]


@cache
def made() -> list[File]:
    return make.files()


def test_the_files_are_what_the_script_makes() -> None:
    written = {path.name: path.read_bytes() for path in make.HOME.iterdir()}
    readme = written.pop("README.md").decode()
    assert written == dict(make.contents(made()))
    assert readme == make.with_table(readme, made()), "python -m tests.conformance.make"
    assert CORPUS.version == make.VERSION
    assert make.VERSION.partition(".")[0] == str(FORMAT)


def test_every_rule_has_cases_and_every_flag_is_a_rule() -> None:
    used = Counter(flag for case in CORPUS.cases for flag in case.flags)
    assert set(used) == set(FLAGS)
    assert [row.flag for row in CORPUS.index.flags] == list(FLAGS)
    readme = (make.HOME / "README.md").read_text(encoding="utf-8")
    assert all(f"| `{flag}` |" in readme for flag in FLAGS)


def test_every_case_is_of_one_piece() -> None:
    assert len({case.id for case in CORPUS.cases}) == len(CORPUS.cases)
    for file in made():
        for case in file.cases:
            assert case.id == f"{file.name}-{question(case).hex()}"
    for case in CORPUS.cases:
        assert case.comment, case.id
        if case.form != "bulk":
            assert (case.decoded is None) == (case.result == INVALID), case.id
            is_config = case.form in ours.NO_PAYLOAD
            assert case.canonical or case.result != VALID or is_config, case.id
            unsigned = case.decoded is None or case.form in ("report", "calldata") or is_config
            assert (case.signers is None) == unsigned, case.id
        for call in case.calls:
            assert (call.outcome == ACCEPTED) == (call.result != INVALID), case.id
            assert (call.outcome == REVERTS) == (call.revert_data is not None), case.id
            assert CORPUS.states[call.state]["contract"] == call.generation, case.id


def test_every_state_loads_and_is_used() -> None:
    assert {call.state for case in CORPUS.cases for call in case.calls} == set(CORPUS.states)
    for name, record in CORPUS.states.items():
        assert State.from_dict(record).to_dict()["contract"] == record["contract"], name


def test_every_label_of_damage_is_in_it() -> None:
    for system, labels in (("chainlink", 47), ("stork", 15)):
        found = {
            case.comment.partition(":")[0] for case in CORPUS.cases_of(f"{system}-damage.jsonl")
        }
        assert len(found) == labels
        from payloads.strategies import labels_of

        assert found == set(labels_of(system).known)


def test_the_layouts_that_are_written_twice_are_the_same() -> None:
    assert {key: schema.key for key, schema in SCHEMAS.items()} == {
        key: name for key, (name, _) in LAYOUTS.items()
    }
    for prefix, (_, layout) in LAYOUTS.items():
        table = SCHEMAS[prefix].table
        assert tuple((row.name, row.type.name) for row in table.fields) == layout
        assert bool(SCHEMAS[prefix].inferred) == (prefix in INFERRED)


def test_this_library_agrees_with_everything() -> None:
    lines = [msgspec.json.encode(line).decode() for line in ours.answers(CORPUS)]
    name, answers = read_answers(lines)
    assert name.startswith("payloads ")
    marks = list(score(CORPUS.cases, answers))
    other = {case.id for case in CORPUS.cases if case.form == "config_with_origin"}
    assert {mark.id for mark in marks if mark.word != AGREES} == other, "it makes no digests"
    assert {mark.word for mark in marks} == {AGREES, SILENT}
    assert Counter(mark.aspect for mark in marks)[SIGNERS] > 350
    canonical = {each.id: each.canonical for each in CORPUS.cases}
    assert canonical == {key: ours.canonical(case) for key, case in _by_id().items()}


def _by_id() -> dict[str, Case]:
    return {case.id: case for case in CORPUS.cases}


# --- the score ------------------------------------------------------------------------------------

_CALL = {"generation": "v0.5.0", "state": "v0.5.0", "function": "f", "sender": "0x", "now": 1}
_NO, _YES = {"result": "invalid"}, {"result": "valid", "decoded": {"a": "1", "b": {"c": "2"}}}
_REVERTS = _CALL | {"result": "invalid", "outcome": "reverts", "revert_data": "0x01"}
_ACCEPTS = _CALL | {"result": "valid", "outcome": "accepted"}


@pytest.mark.parametrize(
    ("case", "answer", "word"),
    [
        (_YES, {"decoded": {"a": "1"}}, "agrees"),
        (_YES, {"decoded": {"a": "1", "b": {"c": "2", "d": "5"}}}, "agrees"),
        (_YES, {"decoded": {"b": {"c": "3"}}}, "reads otherwise"),
        (_YES, {"decoded": {"other": "1"}}, "cannot say"),
        (_YES, {"error": "no"}, "refuses"),
        (_YES, {"crash": "boom"}, "crashes"),
        (_YES, {"skip": "not for this"}, "cannot say"),
        (_YES, None, "cannot say"),
        (_YES | {"result": "acceptable"}, {"error": "no"}, "declines"),
        (_YES | {"result": "acceptable"}, {"decoded": {"a": "2"}}, "reads otherwise"),
        (_NO, {"error": "no"}, "agrees"),
        (_NO, {"decoded": {}}, "accepts"),
        (_NO, {"crash": "boom"}, "crashes"),
    ],
)
def test_what_an_answer_to_a_decoding_is(
    case: dict[str, Any], answer: dict[str, Any] | None, word: str
) -> None:
    assert [mark.word for mark in _scored(case, answer)] == [word]


@pytest.mark.parametrize(
    ("call", "found", "word"),
    [
        (_REVERTS, {"outcome": "reverts", "revert_data": "0x01"}, "agrees"),
        (_REVERTS, {"outcome": "reverts"}, "agrees"),
        (_REVERTS, {"outcome": "reverts", "revert_data": "0x"}, "reads otherwise"),
        (_REVERTS, {"outcome": "returns false"}, "reads otherwise"),
        (_REVERTS, {"outcome": "accepted"}, "accepts"),
        (_ACCEPTS, {"outcome": "accepted"}, "agrees"),
        (_ACCEPTS, {"outcome": "reverts"}, "refuses"),
        (_ACCEPTS, None, "cannot say"),
    ],
)
def test_what_an_answer_to_a_call_is(call: object, found: object, word: str) -> None:
    case = {"form": "bulk", "result": "valid", "calls": [call]}
    assert [mark.word for mark in _scored(case, {"verdicts": [found]})] == [word]


@pytest.mark.parametrize(
    ("found", "word"),
    [(["0xAB", None], "agrees"), (["0xab"], "reads otherwise"), (None, "cannot say")],
)
def test_what_an_answer_to_the_signers_is(found: object, word: str) -> None:
    marks = _scored(_YES | {"signers": ["0xab", None]}, {"decoded": {"a": "1"}, "signers": found})
    assert [mark.word for mark in marks if mark.aspect == SIGNERS] == [word]


def _scored(case: dict[str, Any], answer: dict[str, Any] | None) -> list[Mark]:
    made_up = {"id": "x", "flags": ["F"], "comment": "c", "form": "report", "input": "0x"}
    read = msgspec.convert(made_up | case, Case)
    given = {} if answer is None else {"x": msgspec.convert({"id": "x"} | answer, Answer)}
    return list(score([read], given))


def test_answers_that_are_none_are_named_by_their_line() -> None:
    name, answers = read_answers(['{"decoder": "mine"}', "", '{"id": "a", "skip": "b"}'])
    assert (name, set(answers)) == ("mine", {"a"})
    for line in ("no JSON", "[]", '{"decoded": {}}', '{"id": "a", "verdicts": [5]}'):
        with pytest.raises(Misuse, match="line 2"):
            read_answers(["", line])


def test_deep_json_ends_nothing(tmp_path: Path) -> None:
    """Also where another library has raised the recursion limit, as web3 does."""
    deep, limit = "[" * 100_000, sys.getrecursionlimit()
    (tmp_path / "corpus.json").write_text(deep)
    sys.setrecursionlimit(100_000)
    try:
        with pytest.raises(Misuse, match="line 2"):
            read_answers(["", deep])
        with pytest.raises(Misuse, match=r"corpus\.json"):
            print(corpus(tmp_path).version)
    finally:
        sys.setrecursionlimit(limit)


def test_a_corpus_of_another_format_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Misuse, match="no corpus"):
        corpus(tmp_path)
    odd = {"id": "x", "flags": [], "comment": "", "form": "report", "input": "0x", "result": "?"}
    (tmp_path / "odd.jsonl").write_bytes(msgspec.json.encode(odd))
    for text, why in (
        ('{"version": "2.0", "files": {}}', "another format"),
        ('{"version": 1}', "no file of a corpus"),
        ("\udcff{", "no file of a corpus"),
        ('{"version": "1.0", "files": {"gone.jsonl": 1}}', "no file of a corpus"),
        ('{"version": "1.0", "files": {"corpus.json": 1}}', "corpus.json, line 1"),
        ('{"version": "1.0", "files": {"odd.jsonl": 1}}', "no such result"),
    ):
        (tmp_path / "corpus.json").write_text(text, errors="surrogateescape")
        with pytest.raises(Misuse, match=why):
            _ = corpus(tmp_path).cases


# --- how it is delivered --------------------------------------------------------------------------


def test_the_archive_is_the_same_every_time_and_has_everything(tmp_path: Path) -> None:
    path = archive.main(tmp_path)
    assert path.name == f"payloads-conformance-{make.VERSION}.tar.gz"
    raw = path.read_bytes()
    assert raw == archive.packed(CORPUS)
    assert len(raw) < 500_000
    with tarfile.open(path) as found:
        found.extractall(tmp_path / "out", filter="data")
    assert corpus(tmp_path / "out" / path.name[:-7]).cases == CORPUS.cases
    assert (tmp_path / "out" / path.name[:-7] / "README.md").is_file()


def test_the_wheel_has_it_where_the_package_looks() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    targets = project["tool"]["hatch"]["build"]["targets"]
    assert targets["wheel"]["force-include"] == {
        "fixtures/conformance": "payloads/data/conformance"
    }
    assert "fixtures" in targets["sdist"]["include"]
    assert folder() == ROOT / "fixtures" / "conformance"


def test_an_answer_of_any_depth_is_scored() -> None:
    case = {"result": "valid", "decoded": {"a": "1"}}
    for depth in (10, 300, 900):
        deep: Any = "1"
        for _ in range(depth):
            deep = {"a": [deep]}
        assert [mark.word for mark in _scored(case, {"decoded": {"a": [deep]}})] == [
            "reads otherwise"
        ]
