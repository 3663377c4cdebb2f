"""What is this? Every form is recognised, with the evidence; what is ambiguous is labelled so."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

import payloads
from payloads import chainlink, stork, systems
from payloads.abi.calldata import Call
from payloads.chainlink import report, views
from payloads.chainlink.report import BareReport, FullReport, UnknownReport
from payloads.chainlink.schemas import SCHEMAS, schema_named
from payloads.errors import Malformed, Misuse, PayloadError
from payloads.recognise import to_dicts
from payloads.stork.update import Asset, SignedUpdate, UnsignedUpdate
from payloads.testing import InsecureTestNetwork, InsecureTestStorkSigner
from tests import corpus

NETWORK = InsecureTestNetwork("recognise", size=4, f=1)
STORK = InsecureTestStorkSigner("recognise")
V3 = corpus.entry("cl-001")
UPDATE = corpus.entry("st-001")
WITH_STATUS = STORK.sign([Asset(1, 2, 1)], timestamp_ns=10**18, mask=3).encode()
CODES = {"layout-inferred", "schema-unknown", "not-canonical", "frame-contradicts-payload"}


def codes(found: payloads.Decoded) -> list[str]:
    return [note.code for note in found.notes]


# --- every form -----------------------------------------------------------------------------------

FORMS_AND_WHY: list[tuple[Any, str, str, type]] = [
    (V3.raw, "full_report", "a head of 7 words whose first offset is 224", FullReport),
    (
        corpus.entry("cl-blob-v09").raw,
        "report",
        "exactly a report of schema v9, unsigned",
        BareReport,
    ),
    (UPDATE.raw, "signed_ecdsa", "a 65-byte signature, a 10-byte head, and 4 x 18", SignedUpdate),
    (WITH_STATUS, "signed_ecdsa", "a 65-byte signature, then 0xff02: the versioned", SignedUpdate),
    (chainlink.encode_calldata(V3.raw), "call", "the selector of verify(bytes,bytes)", Call),
    (chainlink.encode_calldata([V3.raw]), "call", "of verifyBulk(bytes[],bytes)", Call),
    (stork.encode_calldata(UPDATE.raw), "call", "of verifySignedECDSAPayload(bytes)", Call),
    (
        stork.encode_calldata(UPDATE.raw, "verifyAndDeserializeSignedECDSAPayload"),
        "call",
        "of verifyAndDeserializeSignedECDSAPayload(bytes)",
        Call,
    ),
    ({"report": {"fullReport": V3.text}}, "full_report", "a frame of Data Streams", FullReport),
    ({"fullReport": V3.text}, "full_report", "a report object of Data Streams", FullReport),
    (
        {"type": "signed_ecdsa", "p": UPDATE.text},
        "signed_ecdsa",
        "a signed_ecdsa frame of Stork",
        SignedUpdate,
    ),
    (
        {"type": "unsigned", "tax": 1, "ts": 2, "a": []},
        "unsigned",
        "an unsigned frame of Stork",
        UnsignedUpdate,
    ),
]


@pytest.mark.parametrize(("value", "form", "why", "kind"), FORMS_AND_WHY)
def test_each_form_is_recognised_and_says_why(value: Any, form: str, why: str, kind: type) -> None:
    found = payloads.decode(value)
    assert found.form == form
    assert why in found.why
    assert isinstance(found.value, kind)


def test_snappy_is_recognised_and_holds_its_payload() -> None:
    found = payloads.decode(chainlink.compress(V3.raw))
    assert (found.form, found.why) == ("snappy", f"raw snappy of {len(V3.raw)} bytes")
    (inner,) = found.inner
    assert inner.form == "full_report"
    assert inner.value == chainlink.decode(V3.raw)


def test_snappy_of_a_frame_holds_the_frames_payload() -> None:
    """What the Rust SDK's helper makes."""
    packed = chainlink.compress(json.dumps({"fullReport": V3.text}).encode())
    (leaf,) = payloads.decode(packed).leaves()
    assert leaf.value == chainlink.decode(V3.raw)


@pytest.mark.parametrize("schema", list(SCHEMAS.values()), ids=lambda schema: schema.key)
def test_a_payload_of_every_schema_is_recognised_signed_and_unsigned(schema: Any) -> None:
    values = {row.name: bytes(row.type.size) if row.type.kind == "bytes" else 1
              for row in schema.table.fields}  # fmt: skip
    report = schema.record(**{**values, "feed_id": schema.prefix + bytes(30)})
    signed = payloads.decode(NETWORK.sign(report).encode())
    assert (signed.form, signed.value.report) == ("full_report", report)
    bare = payloads.decode(report.encode())
    assert (bare.form, bare.value.report) == ("report", report)
    assert codes(signed) == codes(bare) == (["layout-inferred"] if schema.inferred else [])
    for other in (report.encode()[:-1], report.encode() + b"\0", report.encode() + bytes(32)):
        with pytest.raises(PayloadError):
            payloads.decode(other)


@given(st.binary(min_size=75, max_size=200))
def test_noise_is_not_taken_for_a_chainlink_payload(raw: bytes) -> None:
    try:
        found = payloads.decode(raw)
    except Malformed:
        return
    # Stork has no magic, so noise of a right size with a right v passes for it.
    assert found.form in ("signed_ecdsa", "snappy")


def test_what_is_nothing_says_what_would_have_been_something() -> None:
    with pytest.raises(Malformed) as refused:
        payloads.decode(b"\xee" * 200)
    error = refused.value
    assert (error.offset, error.reason) == (0, "not recognised as a payload")
    assert error.found == "200 bytes beginning 0x" + "ee" * 16
    with pytest.raises(Malformed, match="too short for any payload"):
        payloads.decode(b"\xee" * 74)


# --- naming the form ------------------------------------------------------------------------------


@pytest.mark.parametrize("form", [form for form in systems.forms() if form != "frame"])
def test_a_named_form_is_not_second_guessed(form: str) -> None:
    for raw in (V3.raw, UPDATE.raw, b"\xee" * 200):
        try:
            found = payloads.decode(raw, form=form)
        except Malformed:
            continue
        assert (found.form, found.why) == (form, "named by the caller")


def test_an_unknown_form_is_misuse() -> None:
    with pytest.raises(Misuse, match="no such form"):
        payloads.decode(V3.raw, form="parcel")


# --- frames ---------------------------------------------------------------------------------------

FRAME = {
    "report": {
        "feedID": V3.record["feed_id"],
        "fullReport": V3.text,
        "validFromTimestamp": V3.decoded["validFromTimestamp"],
        "observationsTimestamp": V3.decoded["observationsTimestamp"],
    }
}


@pytest.mark.parametrize(
    "shape",
    [
        lambda frame: frame,
        json.dumps,
        lambda frame: json.dumps(frame, indent=2),
        lambda frame: json.dumps(frame).encode(),
        lambda frame: bytearray(json.dumps(frame).encode()),
        lambda frame: "\n  " + json.dumps(frame) + "\n",
        lambda frame: frame["report"],
    ],
)
def test_a_frame_in_any_shape_gives_the_payload_and_agrees_with_it(shape: Any) -> None:
    found = payloads.decode(shape(FRAME))
    assert found.value == chainlink.decode(V3.raw)
    assert found.notes == ()


@pytest.mark.parametrize(
    ("claim", "value"),
    [
        ("feedID", corpus.entry("cl-006").record["feed_id"]),
        ("feedID", 3),
        ("validFromTimestamp", 1),
        ("observationsTimestamp", "1"),
        ("observationsTimestamp", None),
        ("observationsTimestamp", True),
    ],
)
def test_a_frame_that_contradicts_the_signed_bytes_is_reported(claim: str, value: Any) -> None:
    found = payloads.decode({"report": {**FRAME["report"], claim: value}})
    (note,) = found.notes
    assert note.code == "frame-contradicts-payload"
    assert claim in note.message
    assert found.value == chainlink.decode(V3.raw), "and the signed bytes are what is believed"


def test_true_is_not_1() -> None:
    report = chainlink.decode(V3.raw).report
    early = msgspec.structs.replace(report, valid_from_timestamp=1)
    for claim, agrees in ((1, True), ("1", True), (True, False)):
        frame = {
            "fullReport": NETWORK.sign(early.encode()).encode().hex(),
            "validFromTimestamp": claim,
        }
        assert (payloads.decode(frame).notes == ()) == agrees


@pytest.mark.parametrize(
    ("claim", "value"),
    [
        ("feedID", V3.record["feed_id"].upper().replace("0X", "0x")),
        ("observationsTimestamp", str(V3.decoded["observationsTimestamp"])),
    ],
)
def test_another_spelling_is_no_contradiction(claim: str, value: Any) -> None:
    assert payloads.decode({"report": {**FRAME["report"], claim: value}}).notes == ()


def test_rest_lists_give_every_payload_and_keep_the_broken_ones() -> None:
    reports = [FRAME["report"], {"fullReport": "0x00"}, {}, FRAME["report"]]
    for value in ({"reports": reports}, reports):
        found = payloads.decode(value)
        assert (found.form, found.value) == ("frame", None)
        first, short, empty, last = found.leaves()
        assert first.value == last.value == chainlink.decode(V3.raw)
        assert isinstance(short.error, Malformed)
        assert isinstance(empty.error, Malformed)
        assert short.path.endswith("[1]")
        assert short.error.field.startswith(short.path)


def test_an_empty_list_holds_nothing() -> None:
    assert payloads.decode({"reports": []}).inner == ()
    assert payloads.decode("[]").inner == ()


# --- calls ----------------------------------------------------------------------------------------


def test_a_bulk_call_with_a_broken_payload_keeps_its_error_and_the_others() -> None:
    cut = V3.raw[:300]
    calldata = chainlink.encode_calldata([V3.raw, cut, corpus.entry("cl-006").raw])
    found = payloads.decode(calldata)
    first, broken, last = found.leaves()
    assert first.value == chainlink.decode(V3.raw)
    assert last.value == chainlink.decode(corpus.entry("cl-006").raw)
    with pytest.raises(Malformed) as alone:
        chainlink.decode(cut)
    # The same error, as seen from the whole calldata.
    assert broken.error.reason == alone.value.reason
    assert broken.error.field == f"payloads[1].{alone.value.field}"
    assert (
        broken.error.offset == calldata.index(cut, calldata.index(V3.raw) + 1) + alone.value.offset
    )


def test_records_of_a_call_say_where_they_were() -> None:
    calldata = chainlink.encode_calldata([V3.raw, V3.raw], pay=b"\x01" * 20)
    records = [record for _, record in to_dicts(payloads.decode(calldata))]
    assert [record["path"] for record in records] == ["payloads[0]", "payloads[1]"]
    assert {record["call"] for record in records} == {"verifyBulk"}
    assert {record["parameter_payload"] for record in records} == {"0x" + "00" * 12 + "01" * 20}
    (stork_record,) = [
        one for _, one in to_dicts(payloads.decode(stork.encode_calldata(UPDATE.raw)))
    ]
    assert (stork_record["path"], stork_record["call"]) == ("payload", "verifySignedECDSAPayload")


def test_a_call_of_something_else_is_not_taken_for_one_of_ours() -> None:
    for decode in (chainlink.decode_call, stork.decode_call):
        with pytest.raises(Malformed) as refused:
            decode(b"\xde\xad\xbe\xef" + bytes(96))
        assert (refused.value.offset, refused.value.field) == (0, "selector")
        assert refused.value.found == "0xdeadbeef"


# --- legacy v1 and high frequency -----------------------------------------------------------------

LEGACY = [one for one in corpus.of("fullReport") if one.decoded.get("legacy_v1_feed_id")]


@pytest.mark.parametrize("one", LEGACY, ids=str)
def test_a_legacy_feed_id_is_a_guess_that_says_so(one: corpus.Entry) -> None:
    found = payloads.decode(one.raw)
    assert codes(found) == ["layout-inferred"]
    assert "guessed from its shape" in found.value.guess
    record = chainlink.to_dict(found.value)
    assert record["guess"] == found.value.guess
    named = payloads.decode(one.raw, schema="v1")
    assert named.value.report == found.value.report
    assert named.value.guess == "named by the caller"


def test_288_bytes_without_a_version_that_do_not_read_as_v1_are_unknown() -> None:
    blob = bytes(range(256)) + bytes(32)
    report = chainlink.decode_report(b"\x69\x62" + blob[2:]).report
    assert isinstance(report, UnknownReport)
    assert "version 0x6962" in report.why


def _high_frequency(**changes: Any) -> bytes:
    high = schema_named("v3-hf")
    values = {row.name: 1_700_000_000_123 for row in high.table.fields}
    return high.record(**{**values, "feed_id": b"\x10\x03" + bytes(30), **changes}).encode()


def test_a_high_frequency_report_is_read_in_milliseconds_and_labelled_inferred() -> None:
    found = payloads.decode(NETWORK.sign(_high_frequency()).encode())
    assert found.value.report.observations_timestamp == 1_700_000_000_123
    assert found.value.schema_version == 3
    assert codes(found) == ["layout-inferred"]
    assert "one example is published" in found.value.guess
    (span,) = [one for one in payloads.inspect(found.raw).spans if one.path.endswith("expires_at")]
    assert span.said == "2023-11-14 22:13:20.123 UTC"


@pytest.mark.parametrize(
    "blob", [_high_frequency()[:-1], _high_frequency()[:64] + b"\x01" + _high_frequency()[65:]]
)
def test_an_inferred_layout_that_does_not_fit_is_shown_as_unknown_not_refused(blob: bytes) -> None:
    payload = chainlink.decode(NETWORK.sign(blob).encode())
    assert isinstance(payload.report, UnknownReport)
    assert "does not fit" in payload.report.why
    assert payload.report.encode() == blob
    with pytest.raises(Malformed):
        chainlink.decode(NETWORK.sign(blob).encode(), schema="v3-hf")


# --- unknown versions -----------------------------------------------------------------------------


def _with_version(version: int) -> bytes:
    return version.to_bytes(2, "big") + corpus.entry("cl-blob-v13").raw[2:]


@pytest.mark.parametrize("version", [0, 15, 0x00FF, 0x1004, 0xFFFF])
def test_an_unknown_version_keeps_the_common_head_and_its_words(version: int) -> None:
    blob = _with_version(version)
    known = chainlink.decode_report(corpus.entry("cl-blob-v13").raw).report
    found = payloads.decode(NETWORK.sign(blob).encode())
    report = found.value.report
    assert isinstance(report, UnknownReport)
    assert report.schema_version == version
    assert report.head.values[1:] == known.values[1:6]
    assert b"".join(report.words) == blob
    assert codes(found) == ["schema-unknown"]
    assert found.value.encode() == found.raw
    record = chainlink.to_dict(found.value)
    assert (record["schema"], record["schema_version"]) == ("unknown", version)
    assert record["head_if_usual"]["expires_at"] == known.expires_at
    assert len(record["words"]) == len(blob) // 32
    assert chainlink.from_dict(record).encode() == found.raw
    assert any("head?" in span.path for span in payloads.inspect(found.raw).spans)


def test_an_unknown_version_without_a_clean_head_has_only_its_words() -> None:
    blob = b"\x00\x63" + b"\xff" * 200
    report = chainlink.decode_report(blob).report
    assert report.head is None
    assert (len(report.words), len(report.tail)) == (6, 202 % 32)
    assert report.encode() == blob


@given(st.binary(max_size=300))
def test_a_signed_report_of_any_bytes_is_read_without_a_guess_passed_off_as_fact(
    blob: bytes,
) -> None:
    payload = chainlink.decode_envelope(NETWORK.sign(blob).encode())
    assert payload.report_blob == blob
    report = payload.report
    if isinstance(report, UnknownReport):
        assert report.why
        assert report.encode() == blob
    elif blob[:2] not in [one.prefix for one in SCHEMAS.values() if not one.inferred]:
        assert payload.guess


def test_the_signed_blob_chooses_its_schema_and_not_the_json() -> None:
    frame = {"report": {"feedID": "0x0002" + "00" * 30, "fullReport": V3.text}}
    found = payloads.decode(frame)
    assert found.value.schema_version == 3
    assert codes(found) == ["frame-contradicts-payload"]


def test_a_schema_may_be_named_by_key_or_number_in_any_case() -> None:
    blob = corpus.entry("cl-blob-v03").raw
    for name in (3, "3", "v3", "V3"):
        assert chainlink.decode_report(blob, schema=name).guess == "named by the caller"
    for name in (0, -3, "v0", "", "v03x", True, 2**70, 10**5_000):
        with pytest.raises(Misuse, match="no such report schema"):
            chainlink.decode_report(blob, schema=name)


# --- Stork's two layouts --------------------------------------------------------------------------

AMBIGUOUS = [0xFF00, 0xFF01, 0xFF02, 0xFF03, 0xFFFE, 0xFFFF]


@pytest.mark.parametrize("taxonomy", AMBIGUOUS)
def test_a_plain_payload_that_looks_versioned_is_read_when_the_layout_is_named(
    taxonomy: int,
) -> None:
    raw = STORK.sign([Asset(1, -5)], timestamp_ns=10**18, taxonomy_id=taxonomy).encode()
    for decode in (stork.decode, payloads.decode):
        found = decode(raw, layout="plain")
        update: Any = getattr(found, "value", found)
        assert (update.taxonomy_id, update.assets) == (taxonomy, (Asset(1, -5),))
        assert update.guess == "named by the caller"
        assert stork.recover(update)[0].address == STORK.address


@pytest.mark.parametrize("taxonomy", [one for one in AMBIGUOUS if one != 0xFF02])
def test_a_plain_payload_that_looks_versioned_is_refused_with_a_hint(taxonomy: int) -> None:
    raw = STORK.sign([Asset(1, -5)], timestamp_ns=10**18, taxonomy_id=taxonomy).encode()
    with pytest.raises(Malformed, match="name the layout") as refused:
        stork.decode(raw)
    assert (refused.value.field, refused.value.offset) == ("version", 66)


@pytest.mark.parametrize("mask", [0, 1, 2, 3])
def test_a_versioned_payload_whose_size_also_fits_the_plain_layout_says_so(mask: int) -> None:
    width = 2 + 16 * (mask & 1) + (mask >> 1)
    ambiguous = set()
    for count in range(20):
        asset = Asset(1, 2 if mask & 1 else None, 1 if mask & 2 else None)
        raw = STORK.sign([asset] * count, timestamp_ns=10**18, mask=mask).encode()
        assert len(raw) == 79 + width * count
        if "also fits the plain layout" in stork.decode(raw).guess:
            ambiguous.add(count)
    # The versioned head is 4 bytes longer than the plain one, whose records have 18.
    assert ambiguous == {count for count in range(20) if (4 + width * count) % 18 == 0}
    assert bool(ambiguous) == (mask in (0, 3))


@pytest.mark.parametrize(
    ("at", "byte", "field"), [(66, 0x03, "version"), (67, 0x80, "mask"), (68, 0x07, "mask")]
)
def test_an_unknown_version_or_mask_of_the_versioned_layout_is_refused(
    at: int, byte: int, field: str
) -> None:
    raw = WITH_STATUS[:at] + bytes([byte]) + WITH_STATUS[at + 1 :]
    with pytest.raises(Malformed) as refused:
        stork.decode(raw)
    assert refused.value.field == field
    assert at - 1 <= refused.value.offset <= at


def test_a_market_status_of_255_is_none_and_a_status_that_was_not_sent_too() -> None:
    raw = STORK.sign([Asset(1, 2, None), Asset(2, 3, 0)], timestamp_ns=10**18, mask=3).encode()
    assert [one.market_status for one in stork.decode(raw).assets] == [None, 0]
    assert raw.endswith(b"\x00")
    with pytest.raises(Misuse):
        msgspec.structs.replace(stork.decode(raw), layout="plain").encode()


def test_an_unknown_layout_is_misuse() -> None:
    with pytest.raises(Misuse, match="no such layout"):
        stork.decode(UPDATE.raw, layout="sideways")


# --- notes ----------------------------------------------------------------------------------------


def test_notes_of_a_payload_that_no_encoder_writes() -> None:
    found = payloads.decode(V3.raw + b"\x01")
    (note,) = found.notes
    assert note.code == "not-canonical"
    assert note.message.startswith(f"trailing: trailing at byte {len(V3.raw)}: 1 bytes")
    (record,) = [one for _, one in to_dicts(found)]
    assert record["notes"] == [{"code": note.code, "message": note.message}]


def test_every_note_has_a_documented_code() -> None:
    page = (corpus.FIXTURES.parent / "docs" / "json.md").read_text()
    assert all(f"`{code}`" in page for code in CODES)


# --- views ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("spoil", [lambda raw: raw, lambda raw: raw + b"\1", lambda raw: raw[:-1]])
def test_a_view_decodes_once(monkeypatch: pytest.MonkeyPatch, spoil: Any) -> None:
    """Whole, in a layout of its own, or broken: the view is made of what the decoder recorded."""
    calls: list[str] = []

    def counted(module: Any, name: str) -> None:
        original = getattr(module, name)

        def count(*args: Any, **options: Any) -> Any:
            calls.append(name)
            return original(*args, **options)

        monkeypatch.setattr(module, name, count)

    counted(views, "decode")
    counted(views, "read_report")
    counted(report, "abi_decode")
    counted(report, "split_canonical")
    counted(report, "read_report")
    counted(stork.views, "decode")
    raw = spoil(V3.raw)
    view = payloads.inspect(raw)
    assert sorted(calls) == ["decode", "read_report"]
    calls.clear()
    call = payloads.inspect(chainlink.encode_calldata([raw, V3.raw]))
    assert sorted(calls) == ["decode"] * 2 + ["read_report"] * 2
    assert call.size > 2 * view.size
    calls.clear()
    payloads.inspect(spoil(UPDATE.raw), form="signed_ecdsa")
    assert calls == ["decode"]
