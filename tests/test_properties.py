"""What holds for every input: nothing escapes, nothing is lost, nothing goes unshown."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import product
from typing import Any

import msgspec
import pytest
from hexbytes import HexBytes
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

import payloads
from payloads import AS_CONTRACT, CANONICAL, PayloadError, chainlink, stork, systems
from payloads.abi.fields import PACKED, WORDS, AbiType, Field, Table
from payloads.chainlink.report import FullReport, decode_in_parts
from payloads.chainlink.schemas import SCHEMAS, Schema
from payloads.crypto import reference_keccak256
from payloads.errors import Malformed, Misuse
from payloads.inspection import inspect_each
from payloads.recognise import to_dicts
from payloads.stork.update import ASSETS, VERSIONED, Asset
from payloads.strategies import assets, reports
from payloads.strategies.values import values_of
from payloads.testing import InsecureTestNetwork, InsecureTestStorkSigner
from tests import corpus
from tests.checks import assert_covers, assert_partitions, outcome
from tests.strategies import FRAMES, JSON, damaged, honest_blobs

NETWORK = InsecureTestNetwork("properties", size=7, f=2)
STORK = InsecureTestStorkSigner("properties")
FULL = [one.raw for one in corpus.some_of_each_schema()]
UPDATES = [one.raw for one in corpus.of("signed_ecdsa")] + [
    STORK.sign([Asset(1, 2, 1), Asset(7, -3)], timestamp_ns=10**18, mask=3).encode()
]
CALLS = [
    chainlink.encode_calldata(FULL[0]),
    chainlink.encode_calldata([FULL[0], FULL[1]], pay=b"\x01" * 20),
    stork.encode_calldata(UPDATES[0]),
    stork.encode_calldata(UPDATES[1], "verifyAndDeserializeSignedECDSAPayload"),
]
BLOBS = [*honest_blobs(), *UPDATES, *CALLS]
FORM = st.none() | st.sampled_from(systems.forms())
SCHEMA = st.none() | st.sampled_from([schema.key for schema in SCHEMAS.values()])
LAYOUT = st.sampled_from([None, None, "plain", "versioned"])

DECODERS: list[Callable[..., Any]] = [
    chainlink.decode,
    chainlink.decode_envelope,
    chainlink.decode_report,
    chainlink.decode_call,
    chainlink.decompress,
    stork.decode,
    stork.decode_call,
    payloads.decode,
]


# --- nothing but the documented family escapes ----------------------------------------------------


def _use(found: Any) -> None:
    """Everything that a caller does with what was decoded, which must not raise either."""
    for leaf, record in to_dicts(found):
        json.dumps(record)
        assert isinstance(repr(leaf), str)
        assert isinstance([str(note) for note in leaf.notes], list)
        if isinstance(leaf.value, FullReport):
            chainlink.recover(leaf.value)
        if leaf.value is not None:
            assert payloads.decode(leaf).value == leaf.value
            assert payloads.decode(leaf.value).value == leaf.value
        if leaf.value is not None and leaf.raw:
            assert leaf.value.encode() == leaf.raw


def _try_everything(value: Any, **options: Any) -> None:
    found = outcome(payloads.decode, value, **options)
    if not isinstance(found, PayloadError):
        _use(found)
    views = outcome(inspect_each, value, **options)
    for view in [] if isinstance(views, PayloadError) else views:
        json.dumps(view.to_dict())
        assert isinstance(repr(view), str)


@given(st.binary(max_size=600))
@example(b"")
def test_arbitrary_bytes(raw: bytes) -> None:
    for decode in DECODERS:
        outcome(decode, raw)
    _try_everything(raw)


@given(st.text(max_size=200) | st.from_regex(r"\s*0?[xX]?[0-9a-fA-F]*\s*", fullmatch=True))
@example("0x0x00")
@example("\x00")
@example("\ud800")
@example("{")
@example("[" * 5_000)
@example('{"a":' * 5_000)
@example('{"fullReport": 1e999}')
@example('[{"type":"unsigned","tax":1,"ts":1,"a":[{"id":1,"v":"' + "9" * 5_000 + '"}]}]')
@example('{"type":"unsigned","tax":' + "9" * 5_000 + ',"ts":1,"a":[]}')
def test_arbitrary_text(text: str) -> None:
    for decode in DECODERS:
        if decode is not chainlink.decompress:  # takes bytes
            outcome(decode, text)
    _try_everything(text)
    if text.isascii():
        _try_everything(text.encode())


@given(JSON | FRAMES)
def test_arbitrary_json(message: Any) -> None:
    _try_everything(json.dumps(message))
    _try_everything(json.dumps(message).encode())
    if isinstance(message, dict | list):
        _try_everything(message)


@given(FRAMES)
def test_records_that_describe_no_payload_are_misuse(record: Any) -> None:
    readers = (chainlink.from_dict, stork.from_dict)
    for read in readers:
        if isinstance(record, dict):
            found = outcome(lambda read=read: getattr(read(record), "encode", bytes)())
            assert isinstance(found, bytes | Misuse), found


@settings(max_examples=500)
@given(damaged(BLOBS), FORM, SCHEMA, LAYOUT)
def test_damaged_payloads(raw: bytes, form: str | None, schema: Any, layout: Any) -> None:
    for decode in DECODERS:
        outcome(decode, raw)
        if decode is not chainlink.decompress:
            outcome(decode, raw, profile=CANONICAL)
    _try_everything(raw)
    _try_everything(raw, form=form, schema=schema, layout=layout)


@given(st.one_of(st.none(), st.integers(), st.floats(), st.tuples(), st.sets(st.integers())))
def test_what_cannot_be_a_payload_is_misuse(value: Any) -> None:
    for decode in DECODERS[:-1]:
        if decode is not chainlink.decompress:
            assert isinstance(outcome(decode, value), Misuse)
    assert isinstance(outcome(payloads.decode, value), Misuse)
    assert isinstance(outcome(payloads.inspect, value), Misuse)


# --- decode and encode are inverse, whatever the layout -------------------------------------------


@settings(max_examples=400)
@given(damaged(FULL))
def test_what_is_accepted_encodes_to_the_very_same_bytes(raw: bytes) -> None:
    """And the canonical profile refuses exactly what departs from the one encoding."""
    payload = outcome(chainlink.decode_envelope, raw)
    assume(isinstance(payload, FullReport))
    assert payload.encode() == raw
    record = json.loads(json.dumps(chainlink.to_dict(payload)))
    again = chainlink.from_dict(record)
    assert isinstance(again, FullReport)
    assert again.encode() == raw
    assert again.signing_digest == payload.signing_digest

    kinds = {departure.kind for departure in payload.departures}
    # Two departures are of the tuple's meaning, and any encoder would keep them.
    of_meaning = {"count-mismatch", "unsigned-bytes", "report-trailing"}
    canonical = msgspec.structs.replace(payload, raw=b"").encode()
    assert (canonical == raw) == (not kinds - of_meaning), kinds
    refused = outcome(chainlink.decode_envelope, raw, profile=CANONICAL)
    assert isinstance(refused, Malformed) == bool(kinds)
    if kinds:
        assert refused.offset == payload.departures[0].offset
    assert all(0 <= one.offset <= len(raw) for one in payload.departures)


@given(damaged(CALLS))
def test_canonical_calldata_is_what_an_honest_caller_sends(raw: bytes) -> None:
    for system in (chainlink, stork):
        call = outcome(system.decode_call, raw)
        if isinstance(call, PayloadError):
            continue
        first: Any = call.payloads if call.function.name == "verifyBulk" else call.payloads[0]
        rest = [] if call.parameter_payload is None else [call.parameter_payload]
        honest = call.function.calldata(first, *rest)
        assert (honest == raw) == (not call.departures), call.departures
        assert call.encode() == raw
        canonical = outcome(system.decode_call, raw, profile=CANONICAL)
        assert isinstance(canonical, Malformed) == bool(call.departures)


@given(damaged([one.raw for one in corpus.of("reportBlob")]))
def test_bare_reports_encode_to_the_very_same_bytes(raw: bytes) -> None:
    bare = outcome(chainlink.decode_report, raw)
    assume(not isinstance(bare, PayloadError))
    assert bare.encode() == raw
    record = json.loads(json.dumps(chainlink.to_dict(bare)))
    assert chainlink.from_dict(record).encode() == raw


@given(damaged(UPDATES))
def test_updates_encode_to_the_very_same_bytes(raw: bytes) -> None:
    update = outcome(stork.decode, raw)
    assume(not isinstance(update, PayloadError))
    assert update.encode() == raw
    record = json.loads(json.dumps(stork.to_dict(update)))
    assert stork.from_dict(record).encode() == raw


# --- every byte is shown --------------------------------------------------------------------------


def _inside(raw: bytes, view: Any) -> bytes:
    """The bytes that a view is of: what is inside, when they were compressed."""
    return raw if view.size == len(raw) else chainlink.decompress(raw)


@settings(max_examples=500)
@given(damaged([blob for blob in BLOBS if blob not in [one.raw for one in corpus.of("snappy")]]))
def test_every_byte_of_a_broken_payload_is_shown(raw: bytes) -> None:
    for form in ("full_report", "report", "signed_ecdsa"):
        view = outcome(payloads.inspect, raw, form=form)
        if not isinstance(view, PayloadError):
            assert_covers(view, raw)
            _assert_error_is_the_decoders(view, raw, form)
    views = outcome(inspect_each, raw)
    for view in [] if isinstance(views, PayloadError) else views:
        if view.form in ("full_report", "report", "signed_ecdsa") and view.size == len(raw):
            assert_covers(view, raw)


def _assert_error_is_the_decoders(view: Any, raw: bytes, form: str) -> None:
    """The view and the decoder agree on whether something is wrong, and on where."""
    found = outcome(payloads.decode, raw, form=form)
    wrong = found if isinstance(found, PayloadError) else None
    assert (view.error is None) == (wrong is None)
    if wrong is not None:
        assert (view.error.offset, view.error.field) == (wrong.offset, wrong.field)
        assert any(span.problem for span in view.spans)


@given(damaged(CALLS))
def test_every_byte_of_a_broken_call_is_shown(raw: bytes) -> None:
    view = outcome(payloads.inspect, raw, form="call")
    if not isinstance(view, PayloadError):
        assert_covers(view, raw)


# --- signed test payloads of every schema ---------------------------------------------------------


@pytest.mark.parametrize("schema", list(SCHEMAS.values()), ids=lambda schema: schema.key)
@given(data=st.data())
@settings(max_examples=25)
def test_signed_reports_round_trip(schema: Schema, data: st.DataObject) -> None:
    report = data.draw(reports(schema=schema))
    epoch, round_ = data.draw(st.integers(0, 2**32 - 1)), data.draw(st.integers(0, 255))
    signed = NETWORK.sign(report, epoch=epoch, round=round_)
    raw = signed.encode()
    payload = chainlink.decode(raw, profile=CANONICAL)
    assert payload.report == report
    assert (payload.epoch, payload.round, payload.don_id) == (epoch, round_, NETWORK.don_id)
    assert payload.sequence == epoch * 256 + round_
    assert payload.encode() == raw
    assert [one.address for one in chainlink.recover(payload)] == list(NETWORK.signers[:3])
    assert_partitions(payloads.inspect(raw), raw)
    record = json.loads(json.dumps(chainlink.to_dict(payload)))
    assert record["schema"] == schema.key
    assert chainlink.from_dict(record).encode() == raw
    assert chainlink.from_dict(record).report == report


@pytest.mark.parametrize("schema", list(SCHEMAS.values()), ids=lambda schema: schema.key)
def test_every_field_holds_the_extremes_of_its_type(schema: Schema) -> None:
    middle = {
        row.name: b"\x01" * 32 if row.type.kind == "bytes" else 1 for row in schema.table.fields
    }
    middle["feed_id"] = schema.prefix + b"\x01" * 30
    for row in schema.table.fields:
        if row.type.kind == "bytes":
            continue
        bits = 8 * row.type.size
        low = -(2 ** (bits - 1)) if row.type.signed else 0
        high = 2**bits + low - 1 if row.type.signed else 2**bits - 1
        for value in (low, high, 0, -1 if row.type.signed else 1):
            report = schema.record(**{**middle, row.name: value})
            assert getattr(chainlink.decode_report(report.encode()).report, row.name) == value
        for value in (low - 1, high + 1, None, "x"):
            with pytest.raises(Misuse) as misuse:
                schema.record(**{**middle, row.name: value}).encode()
            assert misuse.value.field == row.name


ABI_TYPES = [f"{kind}{bits}" for kind in ("uint", "int") for bits in range(8, 257, 8)]
ABI_TYPES += [f"bytes{size}" for size in range(1, 33)]


@pytest.mark.parametrize("packing", [WORDS, PACKED], ids=lambda packing: packing.name)
@pytest.mark.parametrize("name", ABI_TYPES)
@given(data=st.data())
@settings(max_examples=10)
def test_every_static_type_round_trips(name: str, packing: Any, data: st.DataObject) -> None:
    """Also those that no schema has yet, and the generated reader against the plain one."""
    table = Table(
        "probe",
        [Field("before", AbiType.parse("uint8")), Field("it", AbiType.parse(name))],
        packing,
    )
    values = (7, data.draw(values_of(AbiType.parse(name))))
    record = type("Probe", (), dict(zip(("before", "it"), values, strict=True)))
    raw = table.pack(record)
    assert table.read(raw) == table.read_slowly(raw) == values
    assert len(raw) == table.size
    assert b"".join(bytes(span.raw) for span in table.spans(raw)) == raw


@given(damaged(FULL))
def test_a_payload_with_its_report_is_read_as_one_after_the_other(raw: bytes) -> None:
    assume(raw)  # an empty input is refused before it is read
    at_once, in_parts = outcome(chainlink.decode, raw), outcome(decode_in_parts, raw, None)
    if isinstance(in_parts, Malformed):
        assert at_once.to_dict() == in_parts.to_dict()
    else:
        assert at_once == in_parts
        assert type(at_once.config_digest) is HexBytes


@pytest.mark.parametrize("name", ABI_TYPES)
@given(word=st.binary(min_size=32, max_size=32) | st.integers(-(2**20), 2**20).map(
    lambda number: (number % 2**256).to_bytes(32, "big")
))  # fmt: skip
@settings(max_examples=20)
def test_the_generated_reader_agrees_with_the_plain_one(name: str, word: bytes) -> None:
    table = Table("probe", [Field("it", AbiType.parse(name))], WORDS)
    quickly, slowly = outcome(table.read, word), outcome(table.read_slowly, word)
    if isinstance(slowly, Malformed):
        assert quickly.to_dict() == slowly.to_dict()
    else:
        assert quickly == slowly
        assert table.pack(type("Probe", (), {"it": slowly[0]})) == word


# --- Stork ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("mask", [None, 0, 1, 2, 3])
@given(data=st.data())
@settings(max_examples=40)
def test_signed_updates_round_trip(mask: int | None, data: st.DataObject) -> None:
    items = data.draw(st.lists(assets(mask=1 if mask is None else mask), max_size=6))
    timestamp = data.draw(st.integers(0, 2**64 - 1))
    taxonomy = data.draw(st.integers(0, 2**16 - 1))
    signed = STORK.sign(items, timestamp_ns=timestamp, taxonomy_id=taxonomy, mask=mask)
    raw = signed.encode()
    # A plain payload of such a taxonomy looks versioned, so the caller has to say what it is.
    layout = "plain" if mask is None and taxonomy >= 0xFF00 else None
    update = stork.decode(raw, layout=layout)
    assert (update.taxonomy_id, update.timestamp_ns) == (taxonomy, timestamp)
    assert update.assets == tuple(items)
    assert update.encode() == raw
    assert stork.recover(update)[0].address == STORK.address
    record = json.loads(json.dumps(stork.to_dict(update)))
    assert stork.from_dict(record).encode() == raw
    assert_partitions(payloads.inspect(raw, form="signed_ecdsa", layout=layout), raw)


@pytest.mark.parametrize(
    ("mask", "count"),
    [*product((None, *ASSETS), (0, 1, 300)), (None, 70_000), (max(ASSETS), 70_000)],
)
def test_none_and_very_many_assets(mask: int | None, count: int) -> None:
    carried = 1 if mask is None else mask
    items = [
        Asset(
            index % 65_536,
            -index * 10**18 if carried & 1 else None,
            index % 4 if carried & 2 else None,
        )
        for index in range(count)
    ]
    raw = STORK.sign(items, timestamp_ns=10**18, mask=mask).encode()
    update = stork.decode(raw)
    assert update.assets == tuple(items)
    assert update.encode() == raw
    assert stork.expect_signers(update, STORK.address)
    assert update.layout == ("plain" if mask is None else VERSIONED)


@given(st.lists(assets(mask=3), max_size=5), st.integers(0, 2**16 - 1), st.integers(0, 2**64 - 1))
def test_unsigned_messages_round_trip(items: list[Asset], taxonomy: int, timestamp: int) -> None:
    message = {
        "type": "unsigned",
        "tax": taxonomy,
        "ts": timestamp,
        "a": [
            {"id": one.asset_id, "v": str(one.value)}
            | ({} if one.market_status is None else {"ms": one.market_status})
            for one in items
        ],
    }
    for given_as in (message, json.dumps(message), json.dumps(message).encode()):
        found = payloads.decode(given_as)
        assert found.form == "unsigned"
        assert found.value.assets == tuple(items)
        assert found.value.to_message() == message


# --- wrappers, both ways --------------------------------------------------------------------------

TOKEN = st.none() | st.binary(min_size=20, max_size=20)


@given(st.binary(min_size=1, max_size=200), TOKEN)
def test_verify_calldata_both_ways(payload: bytes, token: bytes | None) -> None:
    call = chainlink.decode_call(chainlink.encode_calldata(payload, pay=token), profile=CANONICAL)
    assert call.function.signature == "verify(bytes,bytes)"
    assert call.payloads == (payload,)
    assert call.parameter_payload == (b"" if not token else bytes(12) + token)


@given(st.lists(st.binary(min_size=1, max_size=100), max_size=6), TOKEN)
def test_verify_bulk_calldata_both_ways(inner: list[bytes], token: bytes | None) -> None:
    call = chainlink.decode_call(chainlink.encode_calldata(inner, pay=token), profile=CANONICAL)
    assert call.function.signature == "verifyBulk(bytes[],bytes)"
    assert call.payloads == tuple(inner)
    assert call.parameter_payload == (b"" if not token else bytes(12) + token)


@pytest.mark.parametrize(
    "name", ["verifySignedECDSAPayload", "verifyAndDeserializeSignedECDSAPayload"]
)
@given(payload=st.binary(min_size=1, max_size=200))
def test_stork_calldata_both_ways(name: str, payload: bytes) -> None:
    calldata = stork.encode_calldata(payload, name)
    call = stork.decode_call(calldata, profile=CANONICAL)
    assert calldata[:4] == reference_keccak256(f"{name}(bytes)".encode())[:4]
    assert call.function.signature == f"{name}(bytes)"
    assert call.payloads == (payload,)
    assert call.parameter_payload is None


@given(st.binary(max_size=2_000))
def test_snappy_both_ways(data: bytes) -> None:
    assert chainlink.decompress(chainlink.compress(data)) == data


@given(st.binary(max_size=300))
def test_what_is_not_snappy_is_malformed(data: bytes) -> None:
    found = outcome(chainlink.decompress, data)
    assert isinstance(found, bytes | Malformed)


# --- JSON -----------------------------------------------------------------------------------------


@given(damaged(FULL))
def test_strictness_never_changes_what_is_read(raw: bytes) -> None:
    strict = outcome(chainlink.decode, raw, profile=CANONICAL)
    if not isinstance(strict, PayloadError):
        assert chainlink.decode(raw, profile=AS_CONTRACT) == strict
