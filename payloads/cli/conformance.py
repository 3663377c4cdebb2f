"""`payloads conformance`: the corpus for decoders in any language, and a decoder's score."""

from __future__ import annotations

import shutil
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from payloads.cli.run import Run, guarded, output_options
from payloads.errors import Misuse

if TYPE_CHECKING:
    from payloads.conformance import Corpus, Mark


@click.command(short_help="Payloads that test decoders in any language, and a decoder's score.")
@click.option(
    "-o", "--out", metavar="DIR", type=click.Path(file_okay=False),
    help="Write the corpus there: cases, states, and a README with the format.",
)  # fmt: skip
@click.option(
    "--score", "answers", metavar="FILE",
    help="Compare a decoder's answers: JSON lines in a file, or - for standard input.",
)  # fmt: skip
@click.option(
    "--corpus", "folder", metavar="DIR", type=click.Path(file_okay=False),
    help="Another corpus than that of this version.",
)  # fmt: skip
@output_options
@guarded
def conformance(
    out: str | None, answers: str | None, folder: str | None, as_json: bool, colour: str
) -> None:
    """The conformance corpus: payloads, good and broken, with what must be read in them.

    Every case has its decoding, its signers, the verdict of the contracts of every generation, and
    flags that name the rules that it is about. A decoder reads the cases and writes answers, which
    --score compares. The README that --out writes has both formats. The exit code is 1 if an answer
    is wrong.

    \b
    Examples:
      payloads conformance                           what is in it
      payloads conformance --out corpus              the files
      ./my-decoder corpus | payloads conformance --score -
    """
    from payloads.conformance import corpus

    run = Run(as_json, colour)
    found = corpus(folder)
    if out is not None:
        written = _write(found, Path(out))
        if as_json:
            run.record({"files": written})
        else:
            run.lines(written)
    elif answers is not None:
        _score(run, found, answers)
    elif as_json:
        run.record(msgspec.to_builtins(found.index))
    else:
        run.lines(_overview(found))
    run.finish()


def _overview(found: Corpus) -> Iterator[str]:
    files = found.index.files
    yield f"conformance corpus {found.version}: {sum(files.values())} cases, {found.folder}"
    for name, count in files.items():
        yield f"  {count:5}  {name}"
    yield f"{len(found.index.flags)} rules, {len(found.states)} states of contracts"


def _write(found: Corpus, folder: Path) -> list[str]:
    """Copy the files; those that are there are replaced."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        sources = sorted(path for path in found.folder.iterdir() if path.is_file())
        return [str(shutil.copyfile(path, folder / path.name)) for path in sources]
    except OSError as error:
        raise Misuse("cannot be written", field="--out", found=str(error)) from None


def _score(run: Run, found: Corpus, path: str) -> None:
    from payloads.conformance import WRONG, read_answers, score

    name, answers = read_answers(_lines(path))
    marks = list(score(found.cases, answers))
    wrong = [mark for mark in marks if mark.word in WRONG]
    if run.as_json:
        for mark in marks:
            run.record(msgspec.to_builtins(mark))
    else:
        run.lines(_summary(name, found, marks))
        run.lines(_by_flag(wrong))
    run.failed += len(wrong)


def _lines(path: str) -> Iterator[str]:
    try:
        if path == "-":
            yield from sys.stdin
            return
        with open(path, encoding="utf-8") as file:
            yield from file
    except (OSError, UnicodeDecodeError) as error:
        raise Misuse("cannot be read", field="--score", found=str(error)) from None


def _summary(name: str, found: Corpus, marks: list[Mark]) -> Iterator[str]:
    from payloads.conformance import WORDS

    yield f"{name or 'a decoder without a name'}, corpus {found.version}"
    for aspect in dict.fromkeys(mark.aspect for mark in marks):
        counts = Counter(mark.word for mark in marks if mark.aspect == aspect)
        parts = (f"{counts[word]} {word}" for word in WORDS if counts[word])
        yield f"  {aspect}: {', '.join(parts)}"


def _by_flag(wrong: list[Mark]) -> Iterator[str]:
    """The flags of what is wrong, each with its first case."""
    found: dict[tuple[str, str], list[Mark]] = {}
    for mark in wrong:
        for flag in mark.flags:
            found.setdefault((flag, mark.word), []).append(mark)
    for (flag, word), marks in sorted(found.items()):
        yield f"  {flag}: {word} {len(marks)}, first {marks[0].id}: {marks[0].detail}"
