"""Every published payload says what its entry says, or is refused where its entry says why."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from click.testing import CliRunner

import payloads
from payloads import CANONICAL, chainlink, stork
from payloads.chainlink.report import FullReport
from payloads.cli.main import main
from payloads.errors import Malformed, Refused
from tests import corpus
from tests.checks import assert_covers, assert_partitions, assert_sound
from tests.corpus import Entry
from tests.onchain import rules

FULL = corpus.of("fullReport")
BLOBS = corpus.of("reportBlob")
SNAPPY = corpus.of("snappy")
UPDATES = corpus.of("signed_ecdsa")
# Well-formed, and signed by nobody whom the vendor's test expects.
WRONGLY_SIGNED = ["st-005", "st-006"]
VENDORS_TEST_SIGNER = "0xC4A02e7D370402F4afC36032076B05e74FF81786"
BROKEN = [one for one in corpus.entries() if one.kind == "invalid" and one.id not in WRONGLY_SIGNED]

every = pytest.mark.parametrize


def test_the_corpus_is_whole() -> None:
    kinds = Counter(one.kind for one in corpus.entries())
    assert kinds == {"real": 70, "synthetic": 22, "invalid": 13}
    tested = [*FULL, *BLOBS, *SNAPPY, *UPDATES, *BROKEN, *map(corpus.entry, WRONGLY_SIGNED)]
    assert sorted(one.id for one in tested) == sorted(one.id for one in corpus.entries())


# --- what each key of an entry's `decoded` is held against ----------------------------------------


def _snake(name: str) -> str:
    return re.sub("([A-Z]+)", lambda found: "_" + found[1].lower(), name).replace("_i_d", "_id")


def _plain(value: Any) -> Any:
    """Values as entries write them: bytes as hex, and every integer as an integer."""
    return "0x" + value.hex() if isinstance(value, bytes) else value


def _integers(value: Any) -> Any:
    if isinstance(value, str) and value.removeprefix("-").isdecimal():
        return int(value)
    return value


def _assert_report(report: Any, said: dict[str, Any]) -> set[str]:
    """Each field of the report is what the entry says, and the entry says each field."""
    renamed = {"price": "benchmark_price"} if report.schema_version == 4 else {}
    names = {row.name for row in report.schema.table.fields}
    checked = {}
    for key, value in said.items():
        name = renamed.get(key, _snake(key))
        if name in names:
            assert _plain(getattr(report, name)) == _integers(value), key
            checked[key] = name
    assert set(checked.values()) == names
    return set(checked)


def _assert_facts(report: Any, guess: str, said: dict[str, Any]) -> set[str]:
    assert int.from_bytes(report.feed_id[:2], "big") == said["raw_version_u16"]
    assert bool(said.get("legacy_v1_feed_id")) == ("legacy v1" in guess)
    if "expiry_window" in said:
        assert report.expires_at - report.observations_timestamp == said["expiry_window"]
    return {"raw_version_u16", "legacy_v1_feed_id", "expiry_window"}


def _assert_context(payload: FullReport, said: dict[str, Any]) -> None:
    assert {
        "config_digest": "0x" + payload.config_digest.hex(),
        "epoch_round_or_seqnr": payload.sequence,
        "epoch": payload.epoch,
        "round": payload.round,
        "extra_hash": "0x" + payload.extra_hash.hex(),
        "don_id": payload.don_id,
        "plugin_version": None if payload.don_id is None else 1,
    } == said


def _assert_abi(payload: FullReport, raw: bytes, said: dict[str, Any]) -> None:
    pointers = {part.path: part.offset for part in payload.parts if part.role == "pointer"}
    starts = {part.path: part.offset for part in payload.parts if part.role == "length"}
    names = ("report_blob", "rs", "ss")
    words = [int.from_bytes(raw[pointers[name] :][:32], "big") for name in names]
    assert words == [starts[f"{name}.length"] for name in names] == said["offsets"]
    assert len(payload.report_blob) == said["blob_len"]
    assert "0x" + payload.raw_vs.hex() == said["raw_vs"]
    assert list(payload.raw_vs[: len(payload.rs)]) == said["v"]
    assert "0x" + payload.signing_digest.hex() == said["signing_digest"]
    assert "0x" + payload.report_hash.hex() == said["report_hash"]


def _lower(signatures: tuple[Any, ...]) -> list[str]:
    return [found.address.lower() for found in signatures]


# --- signed Chainlink payloads --------------------------------------------------------------------


@every("one", FULL, ids=str)
def test_full_report_says_what_its_entry_says(one: Entry) -> None:
    payload = chainlink.decode(one.text)
    checked = _assert_report(payload.report, one.decoded)
    checked |= _assert_facts(payload.report, payload.guess, one.decoded)
    _assert_context(payload, one.decoded["context"])
    _assert_abi(payload, one.raw, one.decoded["abi"])
    assert payload.schema_version == one.record["schema_version"]
    assert "0x" + payload.report.feed_id.hex() == one.record["feed_id"]
    assert "0x" + payload.config_digest.hex() == one.record["config_digest"]
    assert set(one.decoded) <= checked | {"context", "abi"}, "a key that nothing was held against"


@every("one", FULL, ids=str)
def test_signers_are_those_of_the_entry_in_order(one: Entry) -> None:
    signatures = chainlink.recover(chainlink.decode(one.raw))
    assert _lower(signatures) == one.signers
    assert len(signatures) == one.record["f_plus_1"]
    assert chainlink.expect_signers(chainlink.decode(one.raw), *one.signers) == signatures


@every("one", FULL, ids=str)
def test_full_report_encodes_back_byte_for_byte(one: Entry) -> None:
    payload = chainlink.decode(one.text)
    assert payload.encode() == one.raw
    assert payload.departures == []
    assert chainlink.decode(one.raw, profile=CANONICAL) == payload


@every("one", FULL, ids=str)
def test_full_report_survives_json(one: Entry) -> None:
    payload = chainlink.decode(one.text)
    record = json.loads(json.dumps(chainlink.to_dict(payload)))
    assert [address.lower() for address in record["signers"]] == one.signers
    assert record["feed_id"] == one.record["feed_id"]
    assert record["schema_version"] == one.record["schema_version"]
    assert chainlink.from_dict(record).encode() == one.raw


@every("one", [*FULL, *BLOBS, *UPDATES], ids=str)
def test_every_byte_is_shown_exactly_once(one: Entry) -> None:
    view = payloads.inspect(one.text)
    assert_partitions(view, one.raw)
    assert view.error is None
    assert not any(span.problem or span.path.startswith("(") for span in view.spans)


@every("one", FULL, ids=str)
def test_the_view_shows_the_decoded_values(one: Entry) -> None:
    payload = chainlink.decode(one.text)
    shown = {span.path: span.value for span in payloads.inspect(one.raw).spans}
    for row in payload.report.schema.table.fields:
        assert shown[f"report.{row.name}"] == getattr(payload.report, row.name)
    assert (shown["epoch"], shown["round"]) == (payload.epoch, payload.round)


# --- reports that nobody signed -------------------------------------------------------------------


@every("one", BLOBS, ids=str)
def test_bare_report_says_what_its_entry_says(one: Entry) -> None:
    bare = chainlink.decode_report(one.text)
    checked = _assert_report(bare.report, one.decoded)
    checked |= _assert_facts(bare.report, bare.guess, one.decoded)
    assert set(one.decoded) <= checked
    assert bare.schema_version == one.record["schema_version"]
    assert bare.encode() == one.raw
    assert bare.departures == []


@every("one", BLOBS, ids=str)
def test_bare_report_survives_json(one: Entry) -> None:
    bare = chainlink.decode_report(one.raw)
    record = json.loads(json.dumps(chainlink.to_dict(bare)))
    assert chainlink.from_dict(record).encode() == one.raw


# --- compressed ones ------------------------------------------------------------------------------


@every("one", SNAPPY, ids=str)
def test_snappy_opens_to_what_its_entry_says(one: Entry) -> None:
    inside = chainlink.decompress(one.raw)
    assert len(inside) == one.decoded["uncompressed_len"]
    for other in corpus.entries():
        # Entries that the corpus leaves out as duplicates are named all the same.
        assert (inside == other.raw) == (other.id in one.decoded["equals"])
    if one.decoded["uncompressed_is"] != "fullReport":
        assert inside.decode().startswith(one.decoded["uncompressed_is"])
    assert chainlink.decompress(chainlink.compress(inside)) == inside


@every("one", [one for one in SNAPPY if one.signers], ids=str)
def test_snappy_is_recognised_and_its_signers_recovered(one: Entry) -> None:
    found = payloads.decode(one.text)
    assert found.form == "snappy"
    (leaf,) = found.leaves()
    assert _lower(chainlink.recover(leaf.value)) == one.signers
    assert "0x" + leaf.value.report.feed_id.hex() == one.record["feed_id"]


def test_snappy_of_json_holds_a_payload_that_contradicts_the_json_around_it() -> None:
    """The Rust SDK's example: a real signed payload, in an object that speaks of another feed."""
    found = payloads.decode(corpus.entry("cl-snappy-03").text)
    (leaf,) = found.leaves()
    assert leaf.raw == corpus.entry("cl-003").raw
    assert [note.code for note in leaf.notes] == ["frame-contradicts-payload"] * 3
    said = " ".join(note.message for note in leaf.notes)
    assert all(key in said for key in ("feedID", "validFromTimestamp", "observationsTimestamp"))


# --- Stork ----------------------------------------------------------------------------------------


@every("one", [*UPDATES, *map(corpus.entry, WRONGLY_SIGNED)], ids=str)
def test_update_says_what_its_entry_says(one: Entry) -> None:
    update = stork.decode(one.text)
    (signature,) = stork.recover(update)
    assert {
        "v": update.v,
        "digest": "0x" + update.signing_digest.hex(),
        "taxonomy_id": update.taxonomy_id,
        "timestamp_ns": str(update.timestamp_ns),
        "assets": [{"asset_id": a.asset_id, "value": str(a.value)} for a in update.assets],
        "high_s": signature.high_s,
    } == one.decoded
    assert [signature.address.lower()] == one.signers
    assert update.encode() == one.raw


@every("one", [*UPDATES, *map(corpus.entry, WRONGLY_SIGNED)], ids=str)
def test_update_survives_json(one: Entry) -> None:
    record = json.loads(json.dumps(stork.to_dict(stork.decode(one.raw))))
    assert stork.from_dict(record).encode() == one.raw
    assert [address.lower() for address in record["signers"]] == one.signers


@every("name", WRONGLY_SIGNED)
def test_wrongly_signed_update_decodes_and_is_refused(name: str) -> None:
    one = corpus.entry(name)
    assert VENDORS_TEST_SIGNER.lower() in one.record["note"], "the entry names whom it expects"
    with pytest.raises(Refused) as refused:
        stork.expect_signers(stork.decode(one.text), VENDORS_TEST_SIGNER)
    assert refused.value.offset == 0
    assert refused.value.expected == VENDORS_TEST_SIGNER
    assert refused.value.found.lower() == one.signers[0]
    run = CliRunner().invoke(main, ["recover", "--expect", VENDORS_TEST_SIGNER, one.text])
    assert run.exit_code == 1
    assert "not signed by an expected signer" in run.stderr
    assert len(run.stderr.splitlines()) == 1


@every("name", ["st-002", "st-003", "st-004"])
def test_rightly_signed_update_passes_the_same_check(name: str) -> None:
    one = corpus.entry(name)
    (signature,) = stork.expect_signers(stork.decode(one.text), VENDORS_TEST_SIGNER)
    assert signature.address == VENDORS_TEST_SIGNER
    run = CliRunner().invoke(main, ["recover", "--expect", VENDORS_TEST_SIGNER, one.text])
    assert (run.exit_code, run.stderr) == (0, "")


# --- the broken ones ------------------------------------------------------------------------------


def _decoder(one: Entry) -> Callable[[str], Any]:
    return chainlink.decode if one.system == "chainlink" else stork.decode


@every("one", BROKEN, ids=str)
def test_broken_payload_is_refused_with_offset_and_reason(one: Entry) -> None:
    for decode in (_decoder(one), payloads.decode):
        with pytest.raises(Malformed) as refused:
            decode(one.text)
        error = refused.value
        assert_sound(error)
        assert error.field
        assert 0 <= error.offset <= len(one.raw)
        assert error.reason


@every("one", BROKEN, ids=str)
def test_broken_payload_is_shown_up_to_the_first_bad_byte(one: Entry) -> None:
    view = payloads.inspect(one.text, form=_form(one))
    assert_covers(view, one.raw)
    assert view.error is not None
    (problem,) = [span for span in view.spans if span.problem]
    assert problem.offset <= view.error.offset <= max(problem.end, problem.offset)


def _form(one: Entry) -> str:
    return "full_report" if one.system == "chainlink" else "signed_ecdsa"


@every("one", BROKEN, ids=str)
def test_broken_payload_is_one_line_and_exit_code_1_on_the_command_line(one: Entry) -> None:
    run = CliRunner().invoke(main, ["decode", one.text])
    assert run.exit_code == 1
    assert run.stdout == ""
    (line,) = run.stderr.splitlines()
    assert line.startswith("error: argument 1: ")


def test_report_of_another_schema_ends_where_its_entry_says() -> None:
    one = corpus.entry("cl-015")
    assert "truncated at price3" in one.record["note"]
    with pytest.raises(Malformed) as refused:
        chainlink.decode(one.text)
    blob = one.decoded["abi"]["offsets"][0] + 32
    assert refused.value.offset == blob + one.decoded["abi"]["blob_len"]
    assert refused.value.field == "report.price3"
    # No contract looks into the report, so the envelope decodes and has its signers.
    envelope = chainlink.decode_envelope(one.text)
    _assert_abi(envelope, one.raw, one.decoded["abi"])
    assert _lower(chainlink.recover(envelope)) == one.signers
    assert envelope.encode() == one.raw


def test_truncated_payload_names_the_offset_that_points_past_its_end() -> None:
    one = corpus.entry("cl-bad-02")
    assert one.decoded["error"] == "offset 640 out of range (640)"
    with pytest.raises(Malformed) as refused:
        chainlink.decode(one.text)
    error = refused.value
    # The offset of ss is the head's sixth word.
    assert (error.field, error.offset, error.found) == ("ss", 5 * 32, "640")
    assert error.revert_data == b""


@every("one", [one for one in BROKEN if one.payload == "fullReport-2tuple"], ids=str)
def test_payload_without_signatures_is_refused_as_the_contract_refuses_it(one: Entry) -> None:
    with pytest.raises(rules.Refused) as contract:
        rules.full(one.raw)
    with pytest.raises(Malformed) as refused:
        chainlink.decode(one.text)
    assert refused.value.revert_data == contract.value.data
    with pytest.raises(Malformed, match="a context and a report, encoded without signatures"):
        payloads.decode(one.text)


@every("name", ["st-007", "st-008"])
def test_short_update_is_refused_as_the_contract_refuses_it(name: str) -> None:
    one = corpus.entry(name)
    assert one.decoded["error"] == f"{len(one.raw)} bytes < 75"
    with pytest.raises(Malformed) as refused:
        stork.decode(one.text)
    assert refused.value.revert_data.hex() == "7c6953f9"
    assert refused.value.found == f"{len(one.raw)} bytes"


@every(("name", "of"), [("report", "cl-003"), ("update", "st-001"), ("broken", "cl-015")])
def test_examples_are_payloads_of_the_corpus(name: str, of: str) -> None:
    text = (corpus.FIXTURES / "examples" / f"{name}.hex").read_text()
    assert bytes.fromhex(text.strip().removeprefix("0x")) == corpus.entry(of).raw


def test_verifier_proxies_are_addresses() -> None:
    proxies = json.loads((corpus.FIXTURES / "verifier_proxies.json").read_text())
    assert len(proxies) == 107
    assert all(one["address"] and one["network"] for one in proxies)
