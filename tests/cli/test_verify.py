"""`payloads verify`, `quote` and `state` as a user has them: output, order, exit codes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from payloads import chainlink
from payloads.chainlink.quotes import quote, quote_bulk
from payloads.chainlink.state import ChainlinkState
from payloads.chainlink.verifier import judge
from payloads.cli.main import main
from payloads.testing import InsecureTestNetwork
from payloads.verdicts.state import State

EXAMPLES = Path(__file__).resolve().parents[2] / "fixtures" / "examples"
STATE, LATER, STORK = (
    str(EXAMPLES / name) for name in ("state.json", "state-later.json", "stork-state.json")
)
REPORT, UPDATE = str(EXAMPLES / "report.hex"), str(EXAMPLES / "update.hex")
LINK = "0x" + "1c" * 20


def run(*arguments: str, stdin: str | bytes = "") -> Result:
    return CliRunner().invoke(main, arguments, input=stdin)


def records(result: Result) -> list[dict[str, Any]]:
    return [json.loads(line) for line in result.stdout.splitlines()]


def known(path: str = STATE) -> ChainlinkState:
    state = State.load(path)
    assert isinstance(state, ChainlinkState)
    return state


def report_hex() -> str:
    return Path(REPORT).read_text().strip()


# --- verify ---------------------------------------------------------------------------------------


def test_accepted_is_0_and_says_so_first() -> None:
    result = run("verify", "--state", STATE, "--pay", "link", REPORT)
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[0].startswith("accepted: returns the report (288 bytes)")
    assert lines[1] == "checks, in the contract's order"
    verdict = judge(report_hex(), known(), pay=b"\x1c" * 20)
    shown = [line.split(":")[0].split(None, 1)[1] for line in lines[2 : 2 + len(verdict.checks)]]
    assert shown == [check.name for check in verdict.checks]
    assert "everything that is wrong" not in result.stdout
    assert "ten more made up" in lines[-3]
    assert (
        lines[-2]
        == "  judged at 2024-07-30 14:16:50 UTC, the state's own time; 0 s old at that time"
    )


def test_brief_is_a_line_a_payload_and_only_refused_leaves_out_the_others(tmp_path: Path) -> None:
    raw = report_hex()
    forged = raw[:-2] + f"{int(raw[-2:], 16) ^ 1:02x}"
    path = tmp_path / "reports.hex"
    path.write_text(f"{raw}\n{forged}\n{raw}\n")
    terms = ("verify", "--state", STATE, "--pay", "link", str(path))
    whole = run(*terms).stdout.splitlines()
    first_lines = [line for line in whole if f"{path}: line " in line]
    brief = run(*terms, "--brief")
    assert brief.exit_code == 1
    assert brief.stdout.splitlines() == first_lines
    assert len(first_lines) == 3
    refused = run(*terms, "--brief", "--only-refused")
    assert (refused.exit_code, refused.stdout) == (1, first_lines[1] + "\n")
    assert run(*terms, "--only-refused").stdout.startswith(first_lines[1] + "\nchecks")


def test_brief_json_is_the_verdict_without_its_explanation(tmp_path: Path) -> None:
    raw = report_hex()
    forged = raw[:-2] + f"{int(raw[-2:], 16) ^ 1:02x}"
    terms = ("verify", "--json", "--state", STATE, "--pay", "link", raw, forged)
    left_out = {"returned", "checks", "findings", "state"}
    whole = records(run(*terms))
    assert records(run(*terms, "--brief")) == [
        {key: value for key, value in record.items() if key not in left_out} for record in whole
    ]
    assert records(run(*terms, "--brief", "--only-refused")) == records(run(*terms, "--brief"))[1:]
    verdict = judge(raw, known(), pay="link")
    assert verdict.to_dict(brief=True) == {"accepted": True, "verdict": "accepted"}
    only = run("verify", "--state", STATE, "--pay", "link", "--only-refused", raw)
    assert (only.exit_code, only.stdout) == (0, "")


def test_refused_is_1_and_names_all_that_is_wrong() -> None:
    terms = ("--pay", "native", "--value", "1", "--now", "2024-08-01")
    result = run("verify", "--state", STATE, *terms, REPORT)
    assert result.exit_code == 1
    assert result.stdout.startswith("refused: ExpiredReport  revert data 0xb6c405f5")
    assert "ExpiredReport  <- the chain stops here" in result.stdout
    wrong = result.stdout.split("everything that is wrong")[1]
    assert wrong.index("expiry:") < wrong.index("deposit:")


def test_json_is_the_verdict() -> None:
    result = run("verify", "--state", STATE, "--json", REPORT)
    (record,) = records(result)
    assert result.exit_code == 1
    verdict = judge(report_hex(), known())
    assert record == {
        **verdict.to_dict(),
        "passed": False,
        "hex": report_hex(),
        "where": f"{REPORT}: line 1",
        "line": 1,
        "file": REPORT,
    }
    assert record["revert"]["data"] == "0x", "no quote: a bare revert"


def test_many_payloads_from_standard_input() -> None:
    good, bad = report_hex(), report_hex()[:-64]
    frame = json.dumps({"report": {"fullReport": good}})
    result = run(
        "verify", "--state", STATE, "--pay", "link", "--json",
        stdin="\n".join([good, bad, "xyz", frame, "0x"]),
    )  # fmt: skip
    assert result.exit_code == 1
    assert [record["passed"] for record in records(result)] == [True, False, True, False]
    assert [record["line"] for record in records(result)] == [1, 2, 4, 5]
    assert json.loads(result.stderr)["line"] == 3


def test_a_broken_payload_reaches_the_contract() -> None:
    """It is no error of ours: the verdict says what the chain does with it."""
    result = run("verify", "--state", STATE, "--json", "0x1234")
    assert records(result)[0]["revert"]["data"] == "0x"
    assert result.stderr == ""


def test_calldata_is_judged_as_a_call() -> None:
    data = "0x" + chainlink.encode_calldata(report_hex(), pay=LINK).hex()
    assert run("verify", "--state", STATE, data).exit_code == 0
    assert run("verify", "--state", STATE, data + "00").exit_code == 0
    assert run("verify", "--state", STATE, data[:200]).exit_code == 1
    result = run("verify", "--state", STATE, "--pay", "link", data)
    assert result.exit_code == 2
    assert "calldata says itself" in result.stderr


def test_bulk_is_one_verdict() -> None:
    terms = ("verify", "--state", STATE, "--call", "verifyBulk", "--pay", "link", "--json")
    (record,) = records(run(*terms, REPORT, REPORT))
    assert record["passed"]
    assert len(record["returned"]) == 2
    result = run(*terms, REPORT, "0x1234")
    assert result.exit_code == 1
    assert len(records(result)) == 1
    result = run(*terms, REPORT, '{"type": "nothing"}')
    assert (result.exit_code, result.stdout) == (1, "")
    assert "not judged" in result.stderr


def test_the_state_of_then() -> None:
    result = run("verify", "--state", STATE, "--pay", "link", "--at", "1719999999", REPORT)
    assert result.exit_code == 1
    assert "no verifier for this digest" in result.stdout


def test_stork() -> None:
    assert run("verify", "--state", STORK, "--value", "1000", UPDATE).exit_code == 0
    result = run("verify", "--state", STORK, UPDATE)
    assert result.exit_code == 1
    assert "InsufficientFee" in result.stdout
    wrong = Path(UPDATE).read_text().strip()[:-1] + "1"
    result = run("verify", "--state", STORK, "--value", "1000", wrong)
    assert result.exit_code == 1, "an answer of false is no acceptance"
    assert result.stdout.startswith("refused: the call returns false")
    name = "verifyAndDeserializeSignedECDSAPayload"
    result = run("verify", "--state", STORK, "--value", "1000", "--call", name, UPDATE)
    assert result.stdout.startswith("accepted: returns 4 assets")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--state", "no-such-file"), "cannot read no-such-file"),
        (("--state", REPORT), "not a state file"),
        (("--state", "tests/capture/fixtures/chrome.har"), "chrome.har: contract: missing"),
        (("--state", STATE, "--now", "soon"), "not a time"),
        (("--state", STATE, "--value", "-1"), "not an amount of wei"),
        (("--state", STATE, "--sender", "me"), "not an address"),
        (("--state", STATE, "--call", "mint"), "verify or verifyBulk"),
        (("--state", STATE, "--pay", "ether"), "link, native, wrapped, or the address of a token"),
        (("--state", STATE, "--pay", "wrapped", "--value", "1"), "taken by allowance"),
        (("--state", STATE, "--pay", "native", "--value", "0"), 'or pay="wrapped"'),
        ((), "--state"),
    ],
)
def test_misuse_is_2(arguments: tuple[str, ...], words: str) -> None:
    result = run("verify", *arguments, REPORT)
    assert (result.exit_code, result.stdout) == (2, "")
    assert words in result.stderr


def folder(tmp_path: Path, *states: dict[str, Any]) -> str:
    for index, state in enumerate(states):
        record = {"chain_id": index + 1, "proxy": "0x" + "11" * 20} | state
        (tmp_path / f"{index}.json").write_text(json.dumps(record))
    return str(tmp_path)


def test_of_a_folder_of_states_each_payload_takes_its_own(tmp_path: Path) -> None:
    other = json.loads(Path(STATE).read_text())
    other["configs"] = [config | {"config_digest": "0x" + "77" * 32} for config in other["configs"]]
    states = folder(tmp_path, json.loads(Path(STATE).read_text()),
                    json.loads(Path(STORK).read_text()), other)  # fmt: skip
    (tmp_path / "notes.txt").write_text("about them")
    result = run("verify", "--state", states, "--json", REPORT, UPDATE)
    assert [record["state"]["contract"] for record in records(result)] == [
        known().contract, "stork-fast-1.0.0",
    ]  # fmt: skip
    assert "notes.txt" in result.stderr
    assert run("verify", "--state", states, "--pay", "link", REPORT).exit_code == 0
    call = "0x" + chainlink.encode_calldata(report_hex(), pay=LINK).hex()
    assert run("verify", "--state", states, call).exit_code == 0
    bulk = run("verify", "--state", states, "--call", "verifyBulk", "--pay", "link", REPORT)
    assert bulk.exit_code == 0
    # Two states with the digest of the payload.
    (tmp_path / "3.json").write_text(
        json.dumps(json.loads(Path(STATE).read_text()) | {"chain_id": 9, "proxy": "0x" + "11" * 20})
    )
    result = run("verify", "--state", states, REPORT)
    assert (result.exit_code, "several states may judge" in result.stderr) == (2, True)
    result = run(
        "verify", "--state", states, "0x" + "66" * 32 + report_hex().removeprefix("0x")[64:]
    )
    assert (result.exit_code, "no state knows the payload" in result.stderr) == (2, True)


# --- quote ----------------------------------------------------------------------------------------


def test_quote_is_exact() -> None:
    result = run("quote", "--state", STATE, REPORT)
    assert result.exit_code == 0
    found = quote(report_hex(), known())
    assert found.link is not None
    assert found.native is not None
    assert found.link.fee == 11832441312078600
    assert found.native.fee == 105832835412920
    for amount in ("11832441312078600  0.0118324413120786 LINK", "50% discount"):
        assert amount in result.stdout
    assert "value to send          105832835412920  0.00010583283541292 native" in result.stdout
    assert "23 h 59 min left" in result.stdout


def test_quote_totals_and_json() -> None:
    result = run("quote", "--state", STATE, REPORT, REPORT)
    total = quote_bulk([report_hex()] * 2, known())
    assert f"fee in LINK            {total.link}  " in result.stdout.split("in one verifyBulk")[1]
    (record,) = records(run("quote", "--state", STATE, "--json", REPORT))
    assert record["value"] == "105832835412920"
    assert record["where"] == f"{REPORT}: line 1"


def test_quote_of_what_has_expired_and_of_what_is_no_report() -> None:
    result = run("quote", "--state", STATE, "--now", "2024-08-01", REPORT)
    assert "expired 9 h 43 min ago" in result.stdout
    result = run("quote", "--state", STATE, "0x1234")
    assert result.exit_code == 1
    assert "error" in result.stderr


def test_quote_of_stork_is_its_fee() -> None:
    assert "1000  0.000000000000001 native" in run("quote", "--state", STORK, UPDATE).stdout


# --- state ----------------------------------------------------------------------------------------


def test_show() -> None:
    result = run("state", "show", STATE)
    assert result.exit_code == 0
    for words in ("v0.3.0", "16, f = 5", "native surcharge     10%", "50% in link"):
        assert words in result.stdout
    shown = json.loads(run("state", "show", "--json", STATE).stdout)
    assert State.from_dict(shown) == known()
    before = json.loads(run("state", "show", "--json", "--at", "2024-07-01", STATE).stdout)
    assert before["configs"] == []


def test_show_says_that_a_contract_was_never_initialised(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    record = {"contract": "stork-fast-1.0.0", "signer": "0x" + "00" * 20}
    path.write_text(json.dumps(record))
    assert "NEVER SET" in run("state", "show", str(path)).stdout


def test_diff() -> None:
    assert run("state", "diff", STATE, STATE).stdout == "no difference that decides a verdict\n"
    result = run("state", "diff", "--json", STATE, LATER)
    assert result.exit_code == 1
    changes = {record["path"].rsplit(".", 1)[-1]: record for record in records(result)}
    assert set(changes) == {
        "0x000000000000000000000000000000000000000A",
        "0x000000000000000000000000000000000000000b",
        "native_surcharge",
    }
    assert changes["native_surcharge"]["after"] == "200000000000000000"


def test_diff_ignores_what_is_only_remembered(tmp_path: Path) -> None:
    network = InsecureTestNetwork()
    config = {"signers": list(network.signers), "f": network.f, "config_digest": "0x" + "09" * 32}
    paths = []
    for name, more in (("a", {}), ("b", {"set_at": 5})):
        record = {"contract": "v0.5.0", "now": 9, "source": name, "configs": [config | more]}
        paths.append(tmp_path / f"{name}.json")
        paths[-1].write_text(json.dumps(record))
    assert run("state", "diff", *map(str, paths)).exit_code == 0


def test_fetch_without_a_node_says_so_without_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("web3")
    monkeypatch.setattr("payloads.chain.rpc.FIRST_PAUSE", 0.0)
    url = "http://127.0.0.1:1/v2/SECRET-KEY"
    result = run("state", "fetch", "--rpc", url, LINK)
    assert result.exit_code == 2
    assert "http://127.0.0.1:1 cannot be asked" in result.stderr
    assert "SECRET-KEY" not in result.output


@pytest.mark.parametrize("command", [["verify"], ["quote"], ["state"], ["state", "fetch"]])
def test_help_teaches_by_example(command: list[str]) -> None:
    result = run(*command, "--help")
    assert result.exit_code == 0
    assert "Examples:" in result.stdout
    assert f"payloads {' '.join(command)}" in result.stdout.split("Examples:")[1]
