"""`payloads generate`: labelled payloads as JSON lines, the same for the same number."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

import payloads
from payloads.cli.main import main
from payloads.testing import InsecureTestNetwork, InsecureTestStorkSigner


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["generate", *arguments])


def lines(result: Result) -> list[dict[str, Any]]:
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.output.splitlines()]


def test_each_line_has_the_verdict_that_the_state_in_it_gives() -> None:
    made = lines(run("--count", "60", "--damaged", "0.8"))
    assert len(made) == 60
    assert {line["damage"] == "none" for line in made} == {True, False}
    for line in made:
        state = payloads.State.from_dict(line["state"])
        terms: dict[str, Any] = {key: line[key] for key in ("function", "sender", "now")}
        terms["pay"] = pay = line["pay"]
        if pay is not None and pay[:2] == "0x":  # an address, or the whole parameterPayload
            terms["pay"] = bytes.fromhex(pay[2:])
        verdict = payloads.judge(line["payload"], state, value=int(line["value"]), **terms)
        assert (verdict.accepted, verdict.name) == (line["accepted"], line["verdict"]), line


def test_the_same_number_gives_the_same_payloads() -> None:
    options = ("--count", "5", "--generation", "v0.5.0")
    assert run(*options).output == run(*options).output != run(*options, "--number", "7").output


def test_a_state_in_a_file_is_the_one_that_all_are_judged_under(tmp_path: Path) -> None:
    for state in (InsecureTestNetwork("me", 7, 2).state(), InsecureTestStorkSigner("me").state()):
        path = tmp_path / f"{state.contract}.json"
        path.write_text(json.dumps(state.to_dict()))
        options = ("--state", str(path), "--count", "4", "--damaged", "1")
        made = lines(run(*options, "--test-network", "me"))
        assert all(line["state"] == state.to_dict() for line in made)
        wrong = run(*options)
        assert (wrong.exit_code, wrong.output.count("\n")) == (2, 1)


def test_what_cannot_be_made_is_said_in_a_line() -> None:
    wrong = run("--only", "expiry")
    assert wrong.exit_code == 2
    assert "only='expiry'" in wrong.output
    assert run("--generation", "v9").exit_code == 2
