"""`payloads conformance`: the corpus written, answers compared, and the runner of its README."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

from click.testing import CliRunner, Result

from payloads.cli.main import main
from payloads.conformance import corpus, folder

CORPUS = corpus()


def run(*arguments: str, text: str = "") -> Result:
    return CliRunner().invoke(main, ["conformance", *arguments], input=text)


def test_it_says_what_is_in_the_corpus() -> None:
    said = run()
    assert said.exit_code == 0
    assert f"corpus {CORPUS.version}: {len(CORPUS.cases)} cases" in said.output
    said = run("--json")
    assert json.loads(said.output) == json.loads((folder() / "corpus.json").read_bytes())


def test_it_writes_the_corpus(tmp_path: Path) -> None:
    for _ in range(2):  # files that are there are replaced
        assert run("--out", str(tmp_path / "new")).exit_code == 0
    written = {path.name: path.read_bytes() for path in (tmp_path / "new").iterdir()}
    assert written == {path.name: path.read_bytes() for path in folder().iterdir()}
    assert corpus(tmp_path / "new").cases == CORPUS.cases
    (tmp_path / "file").write_text("")
    refused = run("--out", str(tmp_path / "file" / "below"))
    assert (refused.exit_code, refused.output.count("\n")) == (2, 1)


def test_it_scores_answers(tmp_path: Path) -> None:
    reports = list(CORPUS.cases_of("chainlink-report.jsonl"))
    valid = next(case.id for case in reports if (case.decoded or {}).get("bid"))
    invalid = next(case.id for case in reports if case.decode_error == "0x")
    lines = [{"decoder": "mine 1"}, {"id": valid, "decoded": {"bid": "1"}},
             {"id": invalid, "error": "no"}]  # fmt: skip
    text = "\n".join(map(json.dumps, lines))
    said = run("--score", "-", text=text)
    assert said.exit_code == 1
    assert said.output.startswith(f"mine 1, corpus {CORPUS.version}\n  decoding: 1 agrees, 1 reads")
    assert "SchemaV" in said.output
    marks = [
        json.loads(line) for line in run("--score", "-", "--json", text=text).output.splitlines()
    ]
    assert Counter(mark["word"] for mark in marks)["reads otherwise"] == 1
    good = tmp_path / "good.jsonl"
    good.write_text("\n".join(map(json.dumps, [lines[0], lines[2]])))
    assert run("--score", str(good)).exit_code == 0


def test_what_is_no_corpus_or_no_answer_is_said_in_a_line(tmp_path: Path) -> None:
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "corpus.json").write_text("{")
    for arguments in (
        ("--corpus", str(tmp_path)),
        ("--corpus", str(tmp_path / "bad")),
        ("--score", str(tmp_path / "none")),
        ("--score", "-"),
    ):
        refused = run(*arguments, text="no answer")
        assert (refused.exit_code, refused.output.count("\n")) == (2, 1), refused.output


def test_the_runner_in_the_readme_runs(tmp_path: Path) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", (folder() / "README.md").read_text(), re.DOTALL)
    assert len(code.splitlines()) <= 20
    runner = tmp_path / "runner.py"
    runner.write_text(code)
    made = subprocess.run(
        [sys.executable, str(runner), str(folder())], capture_output=True, text=True, check=True
    )
    said = run("--score", "-", text=made.stdout)
    assert said.exit_code == 0, "eth_abi refuses much that is acceptable, and reads the rest well"
    assert re.search(r"^  decoding: \d\d+ agrees, \d+ declines", said.output, re.M)
