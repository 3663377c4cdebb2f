"""The command line as a user has it: what comes out, what goes to standard error, how it exits."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

import payloads
from payloads import chainlink, stork
from payloads.cli.main import main
from payloads.testing import InsecureTestNetwork, InsecureTestStorkSigner
from tests import corpus

ROOT = Path(__file__).resolve().parents[2]
V3 = corpus.entry("cl-001")
OTHER = corpus.entry("cl-006")
UPDATE = corpus.entry("st-001")
BROKEN = corpus.entry("cl-015")
COMMANDS = ("decode", "inspect", "recover", "encode")
COLOUR = "\x1b["
LINK = "0x514910771AF9Ca656af840dff83E8264EcF986CA"

FULL_REPORT_KEYS = [
    *("system", "form", "schema_version", "schema"),
    *("feed_id", "valid_from_timestamp", "observations_timestamp"),
    *("native_fee", "link_fee", "expires_at", "benchmark_price", "bid", "ask"),
    *("config_digest", "context_padding", "epoch", "round", "extra_hash", "sequence", "don_id"),
    *("rs", "ss", "raw_vs", "report_hash", "signing_digest", "signers", "where"),
]
UPDATE_KEYS = [
    *("system", "form", "layout", "taxonomy_id", "timestamp_ns"),
    *("r", "s", "v", "signing_digest", "signers", "assets", "where"),
]


def run(*arguments: str, stdin: str | bytes = "", **options: Any) -> Result:
    """A command in this process: quick, and its two streams apart."""
    return CliRunner().invoke(main, arguments, input=stdin, **options)


def shell(
    *arguments: str, stdin: bytes = b"", cwd: Path = ROOT, **environment: str
) -> subprocess.CompletedProcess[bytes]:
    """The real thing: a process of its own, with pipes for streams."""
    kept = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "FORCE_COLOR")}
    return subprocess.run(
        [sys.executable, "-m", "payloads", *arguments],
        input=stdin,
        capture_output=True,
        cwd=cwd,
        env={**kept, "PYTHONPATH": str(ROOT), **environment},
        check=False,
        timeout=60,
    )


def records(text: str | bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def contents(text: str | bytes) -> list[dict[str, Any]]:
    """The records without the place that each came from."""
    places = ("where", "line", "file")
    return [{k: v for k, v in one.items() if k not in places} for one in records(text)]


# --- where payloads come from ---------------------------------------------------------------------


def test_an_argument_a_file_and_standard_input_give_the_same(tmp_path: Path) -> None:
    (tmp_path / "report.hex").write_text(V3.text + "\n")
    runs = [
        shell("decode", "--json", V3.text),
        shell("decode", "--json", "report.hex", cwd=tmp_path),
        shell("decode", "--json", stdin=V3.text.encode()),
        shell("decode", "--json", "-", stdin=V3.text.encode() + b"\n"),
    ]
    assert [(one.returncode, one.stderr) for one in runs] == [(0, b"")] * 4
    assert all(contents(one.stdout) == contents(runs[0].stdout) for one in runs)
    places = [record.get("where") for one in runs for record in records(one.stdout)]
    assert places == ["argument 1", "report.hex: line 1", "line 1", "line 1"]
    (record,) = records(runs[0].stdout)
    assert [address.lower() for address in record["signers"]] == V3.signers


def test_a_broken_line_is_reported_with_its_number_and_the_others_come_out() -> None:
    lines = [V3.text, "", BROKEN.text, "0xzz", OTHER.text.removeprefix("0x").upper()]
    one = shell("decode", "--json", stdin="\n".join(lines).encode())
    assert one.returncode == 1
    assert [found["feed_id"] for found in records(one.stdout)] == [
        V3.record["feed_id"],
        OTHER.record["feed_id"],
    ]
    third, fourth = records(one.stderr)
    assert (third["line"], fourth["line"]) == (3, 4)
    assert third["error"]["field"] == "report.price3"
    assert third["error"]["offset"] == 512
    assert third["error"]["kind"] == fourth["error"]["kind"] == "malformed"


def test_a_broken_line_is_one_line_for_a_person() -> None:
    one = run("decode", stdin=f"{V3.text}\n{BROKEN.text}\n")
    assert one.exit_code == 1
    (line,) = one.stderr.splitlines()
    assert line.startswith("error: line 2: report.price3 at byte 512: ")
    assert "benchmark_price" in one.stdout


def test_a_file_is_named_before_the_line(tmp_path: Path) -> None:
    path = tmp_path / "many.txt"
    path.write_text(f"{V3.text}\n{BROKEN.text}\n")
    assert run("decode", str(path)).stderr.startswith(f"error: {path}: line 2: ")


@pytest.mark.parametrize("name", ["cl-001", "cl-snappy-01", "st-001", "cl-blob-v06"])
def test_a_binary_file_is_one_payload(name: str, tmp_path: Path) -> None:
    one = corpus.entry(name)
    path = tmp_path / "payload.bin"
    path.write_bytes(one.raw)
    found, wanted = run("decode", "--json", str(path)), run("decode", "--json", one.text)
    assert contents(found.stdout) == contents(wanted.stdout) != []
    assert run("decode", "--json", stdin=one.raw).exit_code == 0


def test_a_file_of_one_pretty_printed_frame_is_one_payload(tmp_path: Path) -> None:
    frame = {"report": {"feedID": V3.record["feed_id"], "fullReport": V3.text}}
    path = tmp_path / "frame.json"
    path.write_text(json.dumps(frame, indent=4))
    one = run("decode", "--json", str(path))
    assert (one.exit_code, one.stderr) == (0, "")
    assert contents(one.stdout) == contents(run("decode", "--json", V3.text).stdout) != []


def test_a_rest_reply_is_as_many_payloads(tmp_path: Path) -> None:
    frame = {
        "reports": [{"fullReport": V3.text}, {"fullReport": "0x00"}, {"fullReport": OTHER.text}]
    }
    one = run("decode", "--json", json.dumps(frame))
    assert one.exit_code == 1
    assert [found["path"] for found in records(one.stdout)] == ["reports[0]", "reports[2]"]
    (error,) = records(one.stderr)
    assert error["error"]["field"].startswith("reports[1]")


def test_many_sources_in_one_call() -> None:
    one = run("decode", "--json", V3.text, UPDATE.text)
    assert [found["system"] for found in records(one.stdout)] == ["chainlink", "stork"]


def test_windows_line_ends_and_white_space_do_not_matter() -> None:
    one = run("decode", "--json", stdin=f"  {V3.text}  \r\n\t{UPDATE.text}\r\n\r\n")
    assert (one.exit_code, len(records(one.stdout))) == (0, 2)


# --- JSON -----------------------------------------------------------------------------------------


def test_json_keys_of_a_full_report_are_stable() -> None:
    (record,) = records(run("decode", "--json", V3.text).stdout)
    assert list(record) == FULL_REPORT_KEYS


def test_json_keys_of_an_update_are_stable() -> None:
    (record,) = records(run("decode", "--json", UPDATE.text).stdout)
    assert list(record) == UPDATE_KEYS
    assert [list(asset) for asset in record["assets"]] == [["asset_id", "value"]] * 4


def test_json_integers_of_wide_types_are_strings_and_all_others_numbers() -> None:
    (record,) = records(run("decode", "--json", V3.text).stdout)
    assert record["benchmark_price"] == V3.decoded["benchmarkPrice"] == "999953655830425800"
    assert record["native_fee"] == str(V3.decoded["nativeFee"]) == "37489007028710"
    assert record["expires_at"] == V3.decoded["expiresAt"]
    (update,) = records(run("decode", "--json", UPDATE.text).stdout)
    assert update["timestamp_ns"] == "1764608822324772939"
    assert update["taxonomy_id"] == 1


def test_json_without_signers_has_no_signers() -> None:
    (record,) = records(run("decode", "--json", "--no-signers", V3.text).stdout)
    assert list(record) == [key for key in FULL_REPORT_KEYS if key != "signers"]


def test_json_of_inspect_covers_the_payload() -> None:
    (view,) = records(run("inspect", "--json", V3.text).stdout)
    assert list(view) == ["form", "why", "size", "hex", "spans", "where"]
    assert b"".join(bytes.fromhex(span["raw"][2:]) for span in view["spans"]) == V3.raw
    prices = [span for span in view["spans"] if span["path"] == "report.benchmark_price"]
    assert [(one["type"], one["value"]) for one in prices] == [("int192", "999953655830425800")]


def test_json_of_recover_says_what_was_hashed() -> None:
    (record,) = records(run("recover", "--json", V3.text).stdout)
    assert list(record) == [
        *("system", "form", "config_digest", "report_hash", "signing_digest"),
        *("signed_bytes", "signers", "signatures", "hex", "where"),
    ]
    assert record["signing_digest"] == V3.decoded["abi"]["signing_digest"]
    hashed = payloads.chainlink.decode(V3.raw).signed_bytes
    assert record["signed_bytes"] == "0x" + hashed.hex()
    assert [one["v"] for one in record["signatures"]] == V3.decoded["abi"]["v"]


# --- for people -----------------------------------------------------------------------------------


def test_decode_shows_the_values_and_the_signers() -> None:
    out = run("decode", V3.text).stdout
    for shown in (
        "Chainlink fullReport, schema v3",
        "999953655830425800",
        "2025-02-10 21:36:00 UTC",
    ):
        assert shown in out
    assert all(address in out.lower() for address in V3.signers)


def test_decode_scales_prices_only_when_asked_to() -> None:
    assert "0.9999536558304258" not in run("decode", V3.text).stdout
    assert "0.9999536558304258" in run("decode", "--decimals", "18", V3.text).stdout


def test_inspect_opens_a_broken_payload_up_to_the_bad_byte() -> None:
    one = run("inspect", BROKEN.text)
    assert one.exit_code == 1
    lines = one.stdout.splitlines()
    (at,) = [i for i, line in enumerate(lines) if line.lstrip().startswith("^ ")]
    assert "report.price3" in lines[at - 1]
    assert lines[at - 1].split()[0] == "512"
    assert "the bytes end inside this field" in lines[at]


def test_inspect_shows_every_byte_when_asked_to() -> None:
    out = run("inspect", "--full-hex", UPDATE.text).stdout
    rows = [line.split() for line in out.splitlines() if re.match(r" *\d+ ", line)]
    assert "".join(row[1] for row in rows) == UPDATE.raw.hex()


@pytest.mark.parametrize("command", ["decode", "inspect", "recover"])
def test_colours_only_where_they_are_wanted(command: str) -> None:
    piped = shell(command, V3.text).stdout.decode()
    assert COLOUR not in piped
    coloured = shell(command, "--color", "always", V3.text).stdout.decode()
    assert COLOUR in coloured
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == piped
    assert COLOUR not in shell(command, "--color", "never", V3.text).stdout.decode()


def test_errors_in_a_pipe_have_no_colours_either() -> None:
    one = shell("decode", BROKEN.text)
    assert COLOUR.encode() not in one.stdout + one.stderr


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="needs a pseudo-terminal")
@pytest.mark.parametrize(("no_color", "coloured"), [("", True), ("1", False)])
def test_a_terminal_has_colours_unless_no_color_is_set(no_color: str, coloured: bool) -> None:
    primary, terminal = os.openpty()
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm", "NO_COLOR": no_color}
    command = [sys.executable, "-m", "payloads", "decode", UPDATE.text]
    subprocess.run(
        command, stdin=terminal, stdout=terminal, env=environment, check=True, timeout=60
    )
    os.close(terminal)
    shown = os.read(primary, 65_536).decode()
    os.close(primary)
    assert "timestamp_ns" in shown
    assert (COLOUR in shown) == coloured


def test_what_a_payload_says_cannot_drive_the_terminal() -> None:
    """Text from a frame reaches the screen escaped."""
    for frame in ({"\x1b[31mred": 1}, {"report": {"fullReport": V3.text, "feedID": "\x1b[31m"}}):
        one = run("decode", json.dumps(frame))
        assert "\x1b" not in one.stdout + one.stderr


# --- exit codes and misuse ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["decode", V3.text], 0),
        (["decode", BROKEN.text], 1),
        (["decode", "not hex"], 1),
        (["decode", ""], 1),
        (["decode", "--strictness", "canonical", V3.text + "00"], 1),
        (["recover", "--expect", "0x" + "11" * 20, V3.text], 1),
        (["inspect", BROKEN.text], 1),
        (["encode", BROKEN.text], 1),
        (["decode", "--no-such-option", V3.text], 2),
        (["decode", "--schema", "v99", V3.text], 2),
        (["decode", "--as", "nonsense", V3.text], 2),
        (["recover", "--expect", "0x12", V3.text], 2),
        (["encode", "--to", "nonsense", V3.text], 2),
        (["encode", "--pay", "0x12", "--to", "verify", V3.text], 2),
        (["encode", "--to", "report", UPDATE.text], 2),
        (["nonsense"], 2),
    ],
)
def test_exit_codes(arguments: list[str], code: int) -> None:
    one = shell(*arguments)
    assert one.returncode == code, one.stderr.decode()
    assert b"Traceback" not in one.stderr
    assert bool(one.stderr) == (code != 0)


def test_no_input_is_one_line() -> None:
    one = shell("decode", stdin=b" \n \n")
    assert one.returncode == 1
    assert one.stderr.decode().splitlines() == [
        "error: empty input, expected a payload, found nothing but white space"
    ]


def test_a_reader_that_goes_away_is_no_traceback() -> None:
    """`payloads decode … | head -1`"""
    many = "\n".join([V3.text] * 200).encode()
    with subprocess.Popen(
        [sys.executable, "-m", "payloads", "decode", "--json"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    ) as process:
        assert process.stdin
        assert process.stdout
        assert process.stderr
        process.stdout.close()
        try:
            process.stdin.write(many)
            process.stdin.close()
        except BrokenPipeError:
            pass
        said = process.stderr.read().decode()
        process.wait(timeout=60)
    assert said == ""


# --- help -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_teaches_by_example(command: str) -> None:
    one = run(*filter(None, [command]), "--help")
    assert one.exit_code == 0
    assert "Examples:" in one.stdout
    assert len(re.findall(rf"^ .*payloads {command}", one.stdout, re.M)) >= 3
    assert run(*filter(None, [command]), "-h").stdout == one.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_in_an_example_exists(command: str) -> None:
    text = run(command, "--help").stdout
    used = set(re.findall(r"(?<=\s)--[a-z-]+", text[text.index("Examples:") :]))
    found = main.get_command(click.Context(main), command)
    assert found is not None
    defined = {name for parameter in found.params for name in parameter.opts}
    defined |= {name for one in found.params for name in one.secondary_opts}
    assert used <= defined | {"--help"}


def test_every_command_is_tested_here() -> None:
    """`verify` and its like have files of their own."""
    assert set(COMMANDS) <= set(main.list_commands(click.Context(main)))


def test_version() -> None:
    one = run("--version")
    assert one.stdout.startswith(f"payloads {payloads.__version__} (")


# --- recover --------------------------------------------------------------------------------------


def test_recover_passes_when_every_signer_is_expected() -> None:
    expected = [word for address in V3.signers for word in ("--expect", address)]
    assert run("recover", *expected, V3.text).exit_code == 0
    one = run("recover", *expected[:2], V3.text)
    assert one.exit_code == 1
    # The second r.
    assert f"rs[1] at byte {544 + 64}: not signed by an expected signer" in one.stderr
    one = run("recover", "--expect", "0x12", V3.text)
    assert (one.exit_code, one.stdout) == (2, "")


def test_recover_says_that_nobody_signed_a_bare_report() -> None:
    one = run("recover", corpus.entry("cl-blob-v03").text)
    assert one.exit_code == 1
    assert "not signed" in one.stderr


# --- encode ---------------------------------------------------------------------------------------


def encoded(*arguments: str, stdin: str = "") -> bytes:
    one = run("encode", *arguments, stdin=stdin)
    assert (one.exit_code, one.stderr) == (0, "")
    (line,) = one.stdout.splitlines()
    return bytes.fromhex(line.removeprefix("0x"))


@pytest.mark.parametrize("one", [V3, OTHER, UPDATE, corpus.entry("cl-blob-v10")], ids=str)
def test_encode_gives_the_payload_back(one: corpus.Entry) -> None:
    assert encoded(one.text) == one.raw
    record = run("decode", "--json", one.text).stdout
    assert encoded(stdin=record) == one.raw
    assert encoded(stdin=json.dumps(json.loads(record), indent=2)) == one.raw


def test_encode_to_each_target_decodes_back() -> None:
    assert encoded("--to", "report", V3.text) == chainlink.decode(V3.raw).report_blob
    assert chainlink.decompress(encoded("--to", "snappy", V3.text)) == V3.raw
    verify = encoded("--to", "verify", "--pay", LINK, V3.text)
    assert verify == chainlink.encode_calldata(V3.raw, pay=LINK)
    bulk = encoded("--to", "verifyBulk", V3.text, OTHER.text)
    assert chainlink.decode_call(bulk).payloads == (V3.raw, OTHER.raw)
    for name in ("verifySignedECDSAPayload", "verifyAndDeserializeSignedECDSAPayload"):
        call = stork.decode_call(encoded("--to", name, UPDATE.text))
        assert (call.function.name, call.payloads) == (name, (UPDATE.raw,))


def test_what_encode_writes_decode_reads() -> None:
    for target in ("verify", "snappy"):
        text = run("encode", "--to", target, V3.text).stdout.strip()
        (record,) = records(run("decode", "--json", text).stdout)
        assert record["feed_id"] == V3.record["feed_id"]
    text = run("encode", "--to", "verifyBulk", V3.text, OTHER.text).stdout.strip()
    found = records(run("decode", "--json", text).stdout)
    assert [one["path"] for one in found] == ["payloads[0]", "payloads[1]"]
    assert {one["call"] for one in found} == {"verifyBulk"}


def test_an_edited_field_takes_effect_and_nothing_else_changes() -> None:
    (record,) = records(run("decode", "--json", V3.text).stdout)
    edited = {**record, "ask": "-1", "epoch": 7}
    payload = chainlink.decode(encoded(stdin=json.dumps(edited)))
    assert (payload.report.ask, payload.epoch) == (-1, 7)
    assert payload.report.bid == chainlink.decode(V3.raw).report.bid
    assert [one.address for one in chainlink.recover(payload)] != record["signers"]


def test_an_edited_asset_takes_effect() -> None:
    (record,) = records(run("decode", "--json", UPDATE.text).stdout)
    record["assets"][0]["value"] = "-5"
    record["assets"].append({"asset_id": 9, "value": 1})
    update = stork.decode(encoded(stdin=json.dumps(record)))
    assert update.assets[0].value == -5
    assert (len(update.assets), update.assets[-1].asset_id) == (5, 9)


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        ({"ask": "1.5"}, "ask"),
        ({"ask": 2**191}, "ask"),
        ({"expires_at": -1}, "expires_at"),
        ({"feed_id": "0x00"}, "feed_id"),
        ({"rs": "0x00"}, "rs"),
        ({"schema": "v99"}, "schema"),
    ],
)
def test_an_impossible_edit_is_misuse_that_names_the_field(edit: dict[str, Any], said: str) -> None:
    (record,) = records(run("decode", "--json", V3.text).stdout)
    one = run("encode", stdin=json.dumps(record | edit))
    assert (one.exit_code, one.stdout) == (2, "")
    (line,) = one.stderr.splitlines()
    assert line.startswith(f"error: {said}: ")


def test_insecure_test_sign_signs_with_the_seeds_keys() -> None:
    raw = encoded("--insecure-test-sign", "demo", V3.text)
    network = InsecureTestNetwork("demo")
    payload = chainlink.decode(raw)
    assert payload.report == chainlink.decode(V3.raw).report
    assert [one.address for one in chainlink.recover(payload)] == list(network.signers[:6])
    update = stork.decode(encoded("--insecure-test-sign", "demo", UPDATE.text))
    assert update.assets == stork.decode(UPDATE.raw).assets
    assert stork.recover(update)[0].address == InsecureTestStorkSigner("demo").address


def test_insecure_test_sign_signs_a_bare_and_an_edited_report() -> None:
    (record,) = records(run("decode", "--json", corpus.entry("cl-blob-v03").text).stdout)
    raw = encoded("--insecure-test-sign", "s", stdin=json.dumps(record | {"bid": 5}))
    payload = chainlink.decode(raw)
    assert payload.report.bid == 5
    assert chainlink.recover(payload)[0].address == InsecureTestNetwork("s").signers[0]


def test_encode_json() -> None:
    (record,) = records(run("encode", "--json", V3.text).stdout)
    assert record == {
        "target": "payload",
        "size": len(V3.raw),
        "hex": V3.text.lower(),
        "where": "argument 1",
    }
