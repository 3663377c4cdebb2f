"""Commands joined by pipes: what one prints the others read, each line as soon as it comes."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

import payloads
from payloads import chainlink, stork
from payloads.capture.compression import compressor
from payloads.cli.main import main
from payloads.errors import Misuse
from payloads.verdicts.signers import Signers
from payloads.verdicts.state import State
from tests import corpus

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "fixtures" / "examples"
REPORT = (EXAMPLES / "report.hex").read_text().strip()
UPDATE = (EXAMPLES / "update.hex").read_text().strip()
FRAMES = str(EXAMPLES / "frames.jsonl")
LINK = "0x" + "1c" * 20

STATE = ["--state", str(EXAMPLES / "state.json"), "--pay", "link"]
STORK = ["--state", str(EXAMPLES / "stork-state.json"), "--value", "1000"]
ORIGIN = ("where", "line", "file", "received_at", "venue", "connection", "direction", "provenance")


def run(*arguments: str, stdin: str | bytes = "") -> Result:
    return CliRunner().invoke(main, arguments, input=stdin)


def printed(result: Result) -> list[dict[str, Any]]:
    return [json.loads(line) for line in result.stdout.splitlines()]


# --- every pair -----------------------------------------------------------------------------------

PRODUCERS = ("decode", "inspect", "recover", "encode", "verify")
CONSUMERS = (*PRODUCERS, "quote")
SYSTEMS = {"chainlink": (REPORT, STATE), "stork": (UPDATE, STORK)}


def call(command: str, state: list[str]) -> list[str]:
    if command == "verify":
        return [command, "--json", *state]
    return [command, "--json", *(state[:2] if command == "quote" else [])]


@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize("consumer", CONSUMERS)
@pytest.mark.parametrize("producer", PRODUCERS)
def test_what_a_command_prints_the_others_read(
    producer: str, consumer: str, system: str, tmp_path: Path
) -> None:
    """With the same results, and the same origin, as from the payload itself."""
    payload, state = SYSTEMS[system]
    path = tmp_path / "payloads.hex"
    path.write_text(f"\n{payload}\n\n{payload}\n")
    between = run(*call(producer, state), str(path))
    assert (between.exit_code, between.stderr) == (0, "")
    piped = run(*call(consumer, state), stdin=between.stdout)
    alone = run(*call(consumer, state), str(path))
    assert (piped.exit_code, piped.stderr) == (0, "")
    assert len(printed(piped)) == len(printed(alone)) == (1 if _flat_fee(consumer, system) else 2)
    for found, wanted in zip(printed(piped), printed(alone), strict=True):
        for record in (found, wanted):
            record.pop("why", None)  # the evidence is another
        assert found == wanted


def _flat_fee(consumer: str, system: str) -> bool:
    return (consumer, system) == ("quote", "stork")


@pytest.mark.parametrize("entry", corpus.some_of_each_schema(), ids=str)
def test_every_layout_goes_through_decode_twice(entry: corpus.Entry) -> None:
    once = run("decode", "--json", entry.text)
    assert run("decode", "--json", stdin=once.stdout).stdout == once.stdout
    assert printed(run("encode", "--json", stdin=once.stdout))[0]["hex"] == entry.text.lower()
    view = printed(run("inspect", "--json", entry.text))[0]
    assert view["hex"] == entry.text.lower()


@pytest.mark.parametrize(
    "payload",
    [
        REPORT + "00" * 7,
        json.dumps({"type": "unsigned", "tax": 1, "ts": 5, "a": [{"id": 1, "v": "-7"}]}),
        corpus.entry("cl-blob-v03").text,
    ],
    ids=["trailing bytes", "unsigned", "a bare report"],
)
def test_what_is_unusual_stays_so(payload: str) -> None:
    once = run("decode", "--json", payload)
    assert run("decode", "--json", stdin=once.stdout).stdout == once.stdout


def test_a_broken_payload_is_told_again() -> None:
    broken = corpus.entry("cl-015").text
    between = run("inspect", "--json", broken)
    again = run("inspect", "--json", stdin=between.stdout)
    assert (between.exit_code, again.exit_code) == (1, 1)
    assert printed(again)[0]["error"] == printed(between)[0]["error"]
    verdict = run("verify", "--json", *STATE, stdin=between.stdout)
    assert printed(verdict) == printed(run("verify", "--json", *STATE, broken))


def test_a_payload_out_of_a_call_is_judged_with_what_the_call_paid_in() -> None:
    data = "0x" + chainlink.encode_calldata(REPORT, pay=LINK).hex()
    between = run("decode", "--json", data)
    state = ["--state", str(EXAMPLES / "state.json")]
    assert run("verify", "--json", *state, stdin=between.stdout).exit_code == 0
    assert run("verify", *state, stdin=between.stdout).stdout.startswith("accepted: ")
    record = printed(between)[0]
    (again,) = printed(run("decode", "--json", stdin=between.stdout))
    assert again == record
    assert again["call"] == "verify"


def test_the_payloads_of_a_bulk_verdict_are_read() -> None:
    verdict = run("verify", "--json", *STATE, "--call", "verifyBulk", REPORT, REPORT)
    found = printed(run("decode", "--json", stdin=verdict.stdout))
    assert [record["path"] for record in found] == ["payloads[0]", "payloads[1]"]


def test_the_origin_in_a_capture_stays() -> None:
    capture = str(ROOT / "tests/capture/fixtures")
    har = next(Path(capture).glob("chrom*.har"))
    between = run("decode", "--json", str(har))
    records = printed(between)
    assert records
    for record in records:
        assert {"where", "received_at", "connection", "direction"} <= record.keys()
        assert record["where"].startswith(f"{har}: entry ")
    again = printed(run("decode", "--json", stdin=between.stdout))
    assert [{key: one.get(key) for key in ORIGIN} for one in again] == [
        {key: one.get(key) for key in ORIGIN} for one in records
    ]


@pytest.mark.parametrize(
    "record",
    [
        {"system": "chainlink", "schema": "v3"}, {"system": "stork", "assets": 5, "form": []},
        {"system": "stork", "assets": [], "form": "unsigned"}, {"hex": "0xzz"}, {"hex": "0x00"},
        {"hex": REPORT, "form": {}, "where": 5, "line": "x"}, {"accepted": 1, "payloads": [5, {}]},
        {"system": ["chainlink"], "hex": None}, {"system": "stork", "assets": [{"asset_id": 1}]},
        {"hex": REPORT, "where": "x", "line": True, "connection": "y", "parameter_payload": "zz"},
        {"system": "chainlink", "schema": "v3", "rs": 5, "where": "\x1b[2J"},
        {"system": "stork", "taxonomy_id": 1, "timestamp_ns": 1, "assets": [], "form": [None]},
    ],
    ids=lambda record: json.dumps(record)[:40],
)  # fmt: skip
def test_objects_that_no_command_printed_are_read_or_told(record: dict[str, Any]) -> None:
    for command in CONSUMERS:
        result = run(*call(command, STATE), stdin=json.dumps(record) + "\n")
        assert result.exit_code in (0, 1, 2)
        assert result.exception is None or isinstance(result.exception, SystemExit)
        assert "Traceback" not in result.stderr
        assert "\x1b" not in result.output


# --- the wrong state ------------------------------------------------------------------------------


def test_a_state_of_the_other_system_is_told_in_one_line() -> None:
    for payload, state, system in ((UPDATE, STATE, "stork"), (REPORT, STORK[:2], "chainlink")):
        many = "\n".join([payload] * 5)
        result = run("verify", *state, stdin=many)
        assert (result.exit_code, result.stdout) == (2, "")
        (line,) = result.stderr.splitlines()
        assert f"a payload of {system}, but a state of" in line
        assert f"expected a state of {system} (payloads state fetch ADDRESS)" in line
        result = run("verify", "--json", *state, stdin=many)
        assert (result.exit_code, result.stdout) == (2, "")
        (error,) = [json.loads(line) for line in result.stderr.splitlines()]
        assert error["error"]["kind"] == "misuse"
        assert error["error"]["field"] == "state"


def test_a_state_of_another_network_is_told_in_one_line() -> None:
    """The first payload of the corpus is of another digest than the state's."""
    result = run("verify", *STATE, corpus.entry("cl-006").text)
    assert result.exit_code == 1
    (line,) = [line for line in result.stdout.splitlines() if "digest-unknown" in line]
    assert "of another network" in line
    assert "fetch the state of the proxy that you call" in line
    (record,) = printed(run("verify", "--json", *STATE, corpus.entry("cl-006").text))
    assert "digest-unknown" in [finding["code"] for finding in record["findings"]]
    (record,) = printed(run("verify", "--json", *STATE, REPORT))
    assert "digest-unknown" not in [finding["code"] for finding in record["findings"]]


def test_python_says_the_same() -> None:
    state = State.load(STATE[1])
    with pytest.raises(Misuse, match="a payload of stork, but a state of chainlink"):
        payloads.judge(UPDATE, state)
    other = payloads.judge(corpus.entry("cl-006").text, state, pay="link")
    (finding,) = [found for found in other.findings if found.code == "digest-unknown"]
    assert finding.severity == "warning"
    assert finding.detail == corpus.entry("cl-006").text[:66]
    own = payloads.judge(REPORT, state, pay="link")
    assert not [found for found in own.findings if found.code == "digest-unknown"]


def test_python_reads_the_objects_of_decode() -> None:
    for text, state in ((REPORT, STATE), (UPDATE, STORK)):
        (record,) = printed(run("decode", "--json", text))
        assert payloads.decode(record).raw == payloads.decode(json.dumps(record)).raw
        assert payloads.recover(record) == payloads.recover(text)
        assert payloads.inspect(record).spans == payloads.inspect(text).spans
        known = State.load(state[1])
        assert payloads.judge(record, known).name == payloads.judge(text, known).name


# --- a line at a time -----------------------------------------------------------------------------


@contextmanager
def started(*arguments: str, stdin: Any = subprocess.PIPE) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(
        [sys.executable, "-m", "payloads", *arguments],
        stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    ) as process:  # fmt: skip
        try:
            yield process
        finally:
            process.kill()


FRAME = json.dumps({"type": "signed_ecdsa", "p": UPDATE})
CAPTURED = json.dumps(
    {"at": 5, "venue": "stork", "conn": 1, "dir": "in", "op": "text", "text": FRAME}
)
LINES = {
    "hex": (b"", UPDATE.encode()),
    "frames": (b"", FRAME.encode()),
    "a capture": (b'{"capture":1,"venue":"stork"}\n', CAPTURED.encode()),
    "wscat": (b"Connected (press CTRL+C to quit)\n", b"< " + FRAME.encode()),
    "times": (b"", b"1795996635.487481 " + FRAME.encode()),
}


@pytest.mark.parametrize("command", ["decode", "verify", "inspect", "recover", "replay"])
def test_the_first_answer_comes_before_the_second_line_is_written(command: str) -> None:
    state = STORK if command == "verify" else []
    arguments = [command, "-"] if command == "replay" else [command, "--json", *state]
    with started(*arguments) as process:
        assert process.stdin
        assert process.stdout
        if command == "replay":
            process.stdin.write(LINES["a capture"][0])
        for _ in range(2):
            line = LINES["a capture"][1] if command == "replay" else FRAME.encode()
            process.stdin.write(line + b"\n")
            process.stdin.flush()
            if command == "replay" and _ == 0:
                assert b"capture" in process.stdout.readline()
            assert process.stdout.readline().startswith(b"{")
        process.stdin.close()
        assert process.stdout.read() == b""


@pytest.mark.parametrize("kind", LINES)
def test_whatever_the_lines_are_they_are_answered_one_by_one(kind: str) -> None:
    head, line = LINES[kind]
    # wscat's messages may go on, so a message ends where the next begins.
    ahead = 1 if kind == "wscat" else 0
    with started("decode", "--json", "--no-signers") as process:
        assert process.stdin
        assert process.stdout
        process.stdin.write(head + (line + b"\n") * ahead)
        for _ in range(2):
            process.stdin.write(line + b"\n")
            process.stdin.flush()
            assert json.loads(process.stdout.readline())["system"] == "stork"


def test_an_error_comes_at_once_and_in_its_place(tmp_path: Path) -> None:
    """Also where both streams go to one pipe."""
    joined = "\n".join([UPDATE, "0xzz", UPDATE, ""])
    result = subprocess.run(
        [sys.executable, "-m", "payloads", "decode", "--json", "--no-signers"], cwd=ROOT,
        input=joined.encode(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
    )  # fmt: skip
    kinds = ["error" in json.loads(line) for line in result.stdout.splitlines()]
    assert kinds == [False, True, False]


def test_verify_recovers_the_signers_of_many_lines_together_and_keeps_their_order(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Refused before its signature, accepted, no payload, and two in a list with one broken."""
    together: list[int] = []
    learn = Signers.learn

    def counted(self: Signers, signatures: Any, *how: Any) -> None:
        signatures = list(signatures)
        together.append(len(signatures))
        learn(self, signatures, *how)

    monkeypatch.setattr(Signers, "learn", counted)
    lines = ["00" * 80, UPDATE, "0xzz", json.dumps([FRAME, "0xzz"]), UPDATE, json.dumps({"a": 1})]
    result = run("verify", "--json", "--brief", *STORK, stdin="\n".join(lines * 10))
    assert max(together) == 16, "those of 32 lines"
    assert [json.loads(line)["line"] for line in result.stdout.splitlines()] == [
        6 * time + line for time in range(10) for line in (1, 2, 4, 5)
    ]
    assert [json.loads(line)["line"] for line in result.stderr.splitlines()] == [
        6 * time + line for time in range(10) for line in (3, 4, 6)
    ]


def test_verify_tells_errors_and_verdicts_in_the_order_of_the_lines() -> None:
    """Where both streams go to one pipe."""
    joined = "\n".join([UPDATE, "0xzz", UPDATE, ""])
    result = subprocess.run(
        [sys.executable, "-m", "payloads", "verify", "--json", *STORK], cwd=ROOT,
        input=joined.encode(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
    )  # fmt: skip
    assert [json.loads(line)["line"] for line in result.stdout.splitlines()] == [1, 2, 3]


def test_a_fifo_is_read_as_it_is_written(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    with started("decode", "--json", "--no-signers", str(fifo), stdin=None) as process:
        assert process.stdout
        with fifo.open("wb", buffering=0) as stream:
            for _ in range(2):
                stream.write(UPDATE.encode() + b"\n")
                assert json.loads(process.stdout.readline())["where"].startswith(f"{fifo}: line")
        assert process.stdout.read() == b""
        assert process.wait(20) == 0


@pytest.mark.parametrize("command", ["decode", "replay"])
def test_an_error_of_the_output_is_none_of_the_input(command: str, tmp_path: Path) -> None:
    path = tmp_path / "many.jsonl"
    path.write_bytes(LINES["a capture"][0] + (LINES["a capture"][1] + b"\n") * 3000)
    with started(command, str(path)) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.readline()
        process.stdout.close()  # `| head -1`
        assert process.stderr.read() == b""
        assert process.wait(20) == 1
    with open("/dev/full", "wb") as full:
        result = subprocess.run(
            [sys.executable, "-m", "payloads", command, str(path)], cwd=ROOT, stdout=full,
            stderr=subprocess.PIPE, check=False,
        )  # fmt: skip
    assert result.returncode == 2
    assert result.stderr == b"error: standard output: No space left on device\n"


def test_results_are_written_together_where_input_comes_fast(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A system call for each line would cost as much as decoding."""
    flushed: list[str] = []
    monkeypatch.setattr("click.echo", lambda text, **_: flushed.append(text))
    run("decode", "--json", "--no-signers", stdin="\n".join([UPDATE] * 300))
    assert sum(text.count("\n") + 1 for text in flushed) == 300
    assert len(flushed) <= 6


def test_a_process_substitution_is_a_file() -> None:
    result = subprocess.run(
        ["bash", "-c", f'"{sys.executable}" -m payloads decode --no-signers <(echo {UPDATE})'],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (result.returncode, result.stderr) == (0, "")
    assert "timestamp_ns" in result.stdout


# --- every file -----------------------------------------------------------------------------------

LOGGED = json.dumps({"ts": 1_795_996_532_740, "binary": False, "data": FRAME})


def zstd(data: bytes) -> bytes:
    stream = compressor("zstd")
    return stream.add(data) + stream.finish()


def test_a_document_may_begin_with_an_empty_line() -> None:
    text = "\n\n" + json.dumps(json.loads(FRAME), indent=2)
    assert printed(run("decode", "--json", stdin=text))[0]["where"] == "the whole input"


@pytest.mark.parametrize("pack", [bytes, gzip.compress, zstd, bz2.compress, lzma.compress],
                         ids=["plain", "gzip", "zstd", "bzip2", "xz"])  # fmt: skip
@pytest.mark.parametrize("kind", [*LINES, "logged", "document", "binary"])
def test_a_file_may_be_of_any_kind_and_compressed(kind: str, pack: Any, tmp_path: Path) -> None:
    head, line = LINES.get(kind, (b"", b""))
    content = {
        "logged": LOGGED.encode() + b"\n",
        "document": json.dumps(json.loads(FRAME), indent=1).encode(),
        "binary": bytes.fromhex(UPDATE[2:]),
    }.get(kind, head + line + b"\n")  # fmt: skip
    path = tmp_path / "input"
    path.write_bytes(pack(content))
    for result in (
        run("recover", "--json", str(path)),
        run("recover", "--json", stdin=pack(content)),
    ):
        assert (result.exit_code, result.stderr) == (0, "")
        (record,) = printed(result)
        assert record["signers"] == [stork.recover(UPDATE)[0].address]
    assert run("verify", *STORK, str(path)).exit_code == 0


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"PK\x03\x04" + bytes(40), "a zip archive, which is not read"),
        (b"\x0a\x0d\x0d\x0a" + bytes(40), "a broken pcapng, which is not read"),
        (b"\xd4\xc3\xb2\xa1" + bytes(40), "packets, which are not read"),
        (FRAME.encode("utf-16"), "UTF-16 text, which is not read"),
        (FRAME.encode("utf-16-be"), "UTF-16 text, which is not read"),
        (UPDATE.encode("utf-16-le"), "UTF-16 text, which is not read"),
        (bytes(range(256)) * 3, "not recognised as a payload"),
        (gzip.compress(FRAME.encode(), mtime=0)[:40], "the gzip stream is cut off"),
        (bz2.compress(FRAME.encode())[:30] + b"xxxxxxxxxx" * 50, "the bzip2 stream is broken"),
    ],
)  # fmt: skip
def test_what_is_not_known_is_named_in_one_line(content: bytes, said: str, tmp_path: Path) -> None:
    path = tmp_path / "input"
    path.write_bytes(content)
    for command in ("decode", "inspect", "recover"):
        result = run(command, str(path))
        assert (result.exit_code, result.stdout) == (1, "")
        assert said in result.stderr
        assert len(result.stderr.splitlines()) <= 2
    if "not read" in said:
        assert said in run("replay", str(path)).stderr


def test_a_folder_of_nothing_is_named_in_one_line(tmp_path: Path) -> None:
    result = run("decode", str(tmp_path), UPDATE)
    assert result.exit_code == 1
    assert result.stderr.splitlines() == [
        f"error: {tmp_path}: the whole input: file: a folder without files"
    ]
    assert "timestamp_ns" in result.stdout, "and the other inputs are read"


def test_a_venue_without_signatures_has_no_payloads(tmp_path: Path) -> None:
    path = tmp_path / "c.jsonl"
    path.write_text('{"capture":1,"venue":"qfex"}\n' + CAPTURED.replace('"stork"', '"qfex"') + "\n")
    result = run("decode", str(path))
    assert "no payload in this capture, found 1 other messages" in result.stderr


# Files of other tools, beside the repository, with the counts that those tools' own logs have:
# whole payloads, and damaged ones.
OTHERS = {
    "chromium.har": (234, 10), "chainlink.flow": (78, 4), "wscat_tty.log": (116, 4),
    "websocat_ts.log": (110, 7), "nodews_stork.jsonl": (113, 7),
}  # fmt: skip


def shared(name: str) -> Path:
    """One of these files; the variable names another folder for them."""
    folder = os.environ.get("PAYLOADS_SHARED_CAPTURES")
    path = Path(folder or ROOT.parent / "shared" / "captures") / name
    if not path.exists():
        pytest.skip(f"the files are not there: {path.parent} (PAYLOADS_SHARED_CAPTURES)")
    if name.endswith(".pcapng") and shutil.which("tshark") is None:
        pytest.skip("tshark is not installed")
    return path


@pytest.mark.parametrize("name", OTHERS)
def test_files_of_other_tools_are_replayed(name: str) -> None:
    result = run("replay", str(shared(name)))
    assert (result.exit_code, result.stderr) == (0, "")
    records = printed(result)
    assert records[0]["capture"] == 1
    payloads = [r for r in records if ("signed_ecdsa" in r.get("text", "") and r["dir"] == "in")
                or "fullReport" in r.get("text", "")]  # fmt: skip
    assert abs(len(payloads) - sum(OTHERS[name])) <= 2, "but for names that damage hit"
    again = run("decode", "--json", "--no-signers", "-", stdin=result.stdout)
    assert len(printed(again)) == OTHERS[name][0]


def test_packets_give_their_counts_through_every_command() -> None:
    """Five websockets of Stork, two of Chainlink; the counts are those of the other tools' logs."""
    path = str(shared("lo.pcapng"))
    whole, damaged = (236 + 116 + 115 + 113 + 113) + (28 + 78), (10 + 4 + 9 + 7 + 4) + (1 + 4)
    venues = ("--venue", "127.0.0.1:9105=qfex", "--venue", "127.0.0.1:9101=stork",
              "--venue", "127.0.0.1:9102=chainlink")  # fmt: skip
    decoded = run("decode", "--json", "--no-signers", *venues, path)
    found, told = printed(decoded), [json.loads(line) for line in decoded.stderr.splitlines()]
    events = [record["message"] for record in found if "event" in record]
    assert sorted(set(events)) == ["Bbo", "Trade"]
    assert len(events) == 36
    assert len(found) - len(events) == whole
    assert len([record for record in told if record["venue"] != "qfex"]) == damaged
    assert [record["venue"] for record in told].count("qfex") == 1
    first = found[-1]
    assert first["venue"] == "stork"
    recovered = run("recover", "--json", *venues, path)
    assert len(printed(recovered)) == whole
    inspected = run("inspect", "--json", *venues, path)
    assert len(printed(inspected)) >= whole
    assert len(inspected.stderr.splitlines()) == damaged
    replayed = run("replay", *venues, path)
    assert replayed.exit_code == 0
    dialled = [r["detail"] for r in printed(replayed) if r.get("what") == "dialling"]
    assert len(dialled) == 9
    for detail in dialled:
        for name, value in detail["headers"]:
            if name.lower().startswith(("authorization", "x-authorization")):
                assert value == "[redacted]"
    served = {r["detail"]["server"] for r in printed(replayed) if r.get("what") == "opened"}
    assert served == {"127.0.0.1:9101", "127.0.0.1:9102", "127.0.0.1:9105"}


@pytest.mark.parametrize("command", ["decode", "recover", "verify", "inspect"])
@pytest.mark.parametrize("name", OTHERS)
def test_files_of_other_tools_give_their_counts(name: str, command: str) -> None:
    path = shared(name)
    state = STATE if name == "chainlink.flow" else STORK
    result = run(command, "--json", *(state if command == "verify" else []), str(path))
    whole, damaged = OTHERS[name]
    found, told = printed(result), [json.loads(line) for line in result.stderr.splitlines()]
    if command != "inspect":
        assert len(found) + len(told) == whole + damaged
    if command == "inspect":  # a damaged payload is shown as far as it goes, and told
        assert len(told) == damaged
        assert whole <= len(found) <= whole + damaged
    elif command == "verify":  # a damaged payload reaches the contract, if it is bytes
        assert len(found) >= whole
    else:
        assert (len(found), len(told)) == (whole, damaged)
    for record in (*found, *told):
        assert record["where"].startswith(f"{path}: ")
