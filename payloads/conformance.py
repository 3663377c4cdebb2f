"""The conformance corpus: payloads with what a decoder and a verifier must answer, and the score.

`corpus()` reads it from the package; `payloads conformance --out DIR` writes it to a folder. A
decoder in any language reads the cases and writes answers, a JSON object a line; `score` compares
them. `fixtures/conformance/README.md` describes both formats.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from payloads.abi.fields import Record
from payloads.errors import Malformed, Misuse
from payloads.inputs import check_depth

# The first number changes with the format: a reader that knows 1 can read 1.4, but not 2.0.
FORMAT = 1
VALID, ACCEPTABLE, INVALID = "valid", "acceptable", "invalid"
RESULTS = frozenset((VALID, ACCEPTABLE, INVALID))
ACCEPTED, RETURNS_FALSE, REVERTS = "accepted", "returns false", "reverts"


class Call(Record, frozen=True, kw_only=True):
    """A call that brings a case's input to a contract, and what the contract does."""

    generation: str
    # A name in `states.json`.
    state: str
    function: str
    parameter: str = "0x"
    value: str = "0"
    sender: str
    now: int
    result: str
    outcome: str
    error: str | None = None
    revert_data: str | None = None


class Case(Record, frozen=True, kw_only=True):
    """An input with its decoding, its signers, and the verdict of every generation."""

    id: str
    flags: tuple[str, ...]
    comment: str
    form: str
    # Hex; for the forms `text` and `frame` the text itself; for `bulk` a list of hex.
    input: str | tuple[str, ...]
    # Hex that is repeated behind the input, and how often: for inputs of megabytes.
    repeated: tuple[str, int] | None = None
    # The layout that the reader is told, where the bytes alone do not say.
    layout: str | None = None
    result: str
    canonical: bool | None = None
    decoded: dict[str, Any] | None = None
    # What abi.decode reverts with.
    decode_error: str | None = None
    signers: tuple[str | None, ...] | None = None
    calls: tuple[Call, ...] = ()

    @property
    def raw(self) -> bytes:
        """The input's bytes, for the forms that have bytes."""
        assert isinstance(self.input, str)
        tail, times = self.repeated or ("0x", 0)
        return bytes.fromhex(self.input[2:]) + bytes.fromhex(tail[2:]) * times


class Rule(Record, frozen=True):
    """A flag, and the rule that it stands for."""

    flag: str
    section: str
    rule: str


class Layout(Record, frozen=True):
    """The fields of a report's schema: names and types."""

    schema: str
    fields: tuple[tuple[str, str], ...]


class Index(Record, frozen=True):
    """`corpus.json`: the version, the files with their counts, schemas and rules."""

    version: str
    files: dict[str, int]
    # By the first two bytes of the feed id, in hex.
    schemas: dict[str, Layout] = msgspec.field(default_factory=dict)
    flags: tuple[Rule, ...] = ()


_Read = TypeVar("_Read")
# What JSON can do wrong: its text, its shape, its depth.
_UNREADABLE = (msgspec.MsgspecError, UnicodeError, Malformed)


def _read(raw: bytes, kind: type[_Read], where: str) -> _Read:
    try:
        check_depth(raw)
        return msgspec.json.decode(raw, type=kind)
    except _UNREADABLE as error:
        raise Misuse("no file of a corpus", field=where, found=str(error)) from None


@dataclass(frozen=True)
class Corpus:
    """All files of the corpus in a folder."""

    folder: Path

    @cached_property
    def index(self) -> Index:
        """What is in the corpus. `Misuse` where its format is another."""
        found = _read(self._bytes("corpus.json"), Index, "corpus.json")
        if found.version.partition(".")[0] != str(FORMAT):
            raise Misuse(
                "another format", field="version", expected=f"{FORMAT}.x", found=found.version
            )
        return found

    @property
    def version(self) -> str:
        return self.index.version

    @cached_property
    def states(self) -> dict[str, dict[str, Any]]:
        """The states that the calls name, each as a state file has it."""
        return _read(self._bytes("states.json"), dict[str, dict[str, Any]], "states.json")

    @cached_property
    def cases(self) -> tuple[Case, ...]:
        """Every case, file by file."""
        return tuple(case for name in self.index.files for case in self.cases_of(name))

    def cases_of(self, name: str) -> Iterator[Case]:
        """The cases of a file."""
        for number, line in enumerate(self._bytes(name).splitlines(), 1):
            where = f"{name}, line {number}"
            case = _read(line, Case, where)
            if not {case.result, *(call.result for call in case.calls)} <= RESULTS:
                raise Misuse("no such result", field=where, expected="valid, acceptable or invalid",
                             found=case.result)  # fmt: skip
            yield case

    def _bytes(self, name: str) -> bytes:
        try:
            return (self.folder / name).read_bytes()
        except OSError as error:
            raise Misuse("no file of a corpus", field=name, found=str(error)) from None


def folder() -> Path:
    """Where the corpus is: in the package, or in the clone that the package is run from."""
    here = Path(__file__).resolve().parent
    packaged = here / "data" / "conformance"
    return packaged if packaged.is_dir() else here.parent / "fixtures" / "conformance"


def corpus(path: Path | str | None = None) -> Corpus:
    """The corpus of this version, or the corpus in a folder."""
    where = folder() if path is None else Path(path)
    if not (where / "corpus.json").is_file():
        raise Misuse("no corpus there", field="path", expected="a folder with corpus.json",
                     found=where.name)  # fmt: skip
    return Corpus(where)


# --- the score ------------------------------------------------------------------------------------

# What an answer is, beside the case. The first two are right.
AGREES, DECLINES = "agrees", "declines"
REFUSES, ACCEPTS, DIFFERS, CRASHES = "refuses", "accepts", "reads otherwise", "crashes"
SILENT = "cannot say"
RIGHT = (AGREES, DECLINES)
WRONG = (REFUSES, ACCEPTS, DIFFERS, CRASHES)
WORDS = (*RIGHT, *WRONG, SILENT)
# What is compared: the decoding, who signed, and what the contracts do.
DECODING, SIGNERS, VERDICTS = "decoding", "signers", "verdicts"


class Verdict(Record, frozen=True):
    """What a verifier says of a call."""

    outcome: str
    revert_data: str | None = None


class Answer(Record, frozen=True, kw_only=True):
    """What a decoder says of a case: fields, or why it has none. All parts may be missing."""

    id: str
    decoded: dict[str, Any] | None = None
    # It refused the input; it broke down; it was not asked.
    error: str | None = None
    crash: str | None = None
    skip: str | None = None
    signers: tuple[str | None, ...] | None = None
    verdicts: tuple[Verdict | None, ...] = ()


class Mark(Record, frozen=True):
    """What an answer to a case is, in one aspect; `detail` says why where it is wrong."""

    id: str
    flags: tuple[str, ...]
    aspect: str
    word: str
    detail: str = ""


def score(cases: Iterable[Case], answers: Mapping[str, Answer]) -> Iterator[Mark]:
    """A mark for each aspect of each case, and for each call. `answers` are by the case's id."""
    for case in cases:
        answer = answers.get(case.id) or Answer(id=case.id, skip="no answer")
        for aspect, (word, detail) in _marks(case, answer):
            yield Mark(case.id, case.flags, aspect, word, detail)


def _marks(case: Case, answer: Answer) -> Iterator[tuple[str, tuple[str, str]]]:
    if case.form != "bulk":
        yield DECODING, _decoding(case, answer)
    if case.signers is not None:
        yield SIGNERS, _signers(case.signers, answer.signers)
    for index, call in enumerate(case.calls):
        found = answer.verdicts[index] if index < len(answer.verdicts) else None
        yield VERDICTS, _verdict(call, found)


def _decoding(case: Case, answer: Answer) -> tuple[str, str]:
    if answer.crash is not None:
        return CRASHES, answer.crash
    if answer.error is not None:
        words = {VALID: REFUSES, ACCEPTABLE: DECLINES, INVALID: AGREES}
        return words[case.result], answer.error
    if answer.decoded is None:
        return SILENT, answer.skip or ""
    if case.decoded is None:
        return ACCEPTS, "an invalid input was decoded"
    return _compared(dict(_flat(case.decoded)), dict(_flat(answer.decoded)))


def _flat(values: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Fields by their path: those of a report are a record in the record."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from ((f"{name}.{inner}", each) for inner, each in value.items())
        else:
            yield name, value


def _compared(expected: dict[str, Any], found: dict[str, Any]) -> tuple[str, str]:
    """A decoder may leave fields out, but must read those that it gives as they are."""
    shared = [name for name in expected if name in found]
    wrong = [name for name in shared if expected[name] != found[name]]
    if wrong:
        name = wrong[0]
        return DIFFERS, f"{name} is {_short(found[name])}, not {_short(expected[name])}"
    return (AGREES, "") if shared else (SILENT, "no field of this case")


def _short(value: Any) -> str:
    try:
        text = json.dumps(value)
    except RecursionError:
        return "too deep"
    return text if len(text) <= 40 else f"{text[:18]}…{text[-18:]}"


def _signers(
    expected: tuple[str | None, ...], found: tuple[str | None, ...] | None
) -> tuple[str, str]:
    if found is None:
        return SILENT, ""
    same = [each and each.lower() for each in found] == list(expected)
    return (AGREES, "") if same else (DIFFERS, f"signers {_short(found)}")


def _verdict(call: Call, found: Verdict | None) -> tuple[str, str]:
    if found is None:
        return SILENT, ""
    if found.outcome != call.outcome:
        word = DIFFERS
        if ACCEPTED in (found.outcome, call.outcome):
            word = ACCEPTS if found.outcome == ACCEPTED else REFUSES
        return word, f"{call.state}: {found.outcome}, not {call.outcome}"
    if found.revert_data is not None and found.revert_data != call.revert_data:
        return DIFFERS, f"{call.state}: {found.revert_data}, not {call.revert_data}"
    return AGREES, ""


def read_answers(lines: Iterable[str]) -> tuple[str, dict[str, Answer]]:
    """The decoder's name and its answers by id, from JSON lines; the name has a line of its own."""
    name, answers = "", {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            check_depth(line)
            record = msgspec.json.decode(line)
            if isinstance(record, dict) and "decoder" in record:
                name = str(record["decoder"])
                continue
            answer = msgspec.convert(record, Answer)
        except _UNREADABLE as error:
            raise Misuse("no answer", field=f"line {number}", expected="a JSON object with an id",
                         found=str(error)) from None  # fmt: skip
        answers[answer.id] = answer
    return name, answers
