"""The JSON text that is written in one pass is the text of the objects that `to_dicts` makes."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

import payloads
from payloads import chainlink
from payloads.abi.fields import field
from payloads.chainlink import json_text as json_text_of_reports
from payloads.chainlink.report import FullReport
from payloads.chainlink.schemas import PUBLISHED_TABLES, Report
from payloads.errors import PayloadError
from payloads.recognise import json_text, to_dicts
from payloads.stork.update import ASSETS, fits_plain
from payloads.strategies import Submission, full_reports, stork_updates, submissions
from payloads.testing import InsecureTestNetwork
from tests import corpus

V3 = corpus.entry("cl-001")
UPDATE = corpus.entry("st-001")


def slowly(value: Any, signers: bool) -> str | None:
    """The text of the only record of an input; None where there is none, or several."""
    try:
        records = [record for _, record in to_dicts(payloads.decode(value), signers=signers)]
    except PayloadError:
        return None
    return msgspec.json.encode(records[0], enc_hook=str).decode() if len(records) == 1 else None


def agree(value: str | bytes) -> bool:
    """Whether an input has a text, which must be right."""
    for signers in (False, True):
        if (found := json_text(value, signers=signers)) is not None:
            assert found == slowly(value, signers)
    return found is not None


@given(submissions())
def test_payloads_and_frames_good_and_damaged(submission: Submission) -> None:
    for value in (submission.payload, submission.payload.to_0x_hex(), submission.frame):
        agree(value)


def usual(payload: FullReport) -> bool:
    """Whether no number of a payload is negative, nor its schema a guess."""
    report = payload.report
    if not isinstance(report, Report) or report.schema.inferred:
        return False
    values = [value for value in report.values if isinstance(value, int)]
    return min(values) >= 0 and len(payload.rs) <= 32


@given(full_reports(min_signatures=1), st.sampled_from(["hex", "bytes"]))
def test_what_networks_sign(payload: FullReport, given_as: str) -> None:
    raw = payload.encode()
    found = agree("0x" + raw.hex() if given_as == "hex" else raw)
    assert found or not usual(payload) or payload.departures


def update_frame(raw: bytes) -> str:
    return json.dumps({"type": "signed_ecdsa", "p": "0x" + raw.hex()})


@given(stork_updates())
def test_updates(update: Any) -> None:
    raw = update.encode()
    found = agree(update_frame(raw))
    # Bytes that both layouts fit do not say which it is.
    assert found or update.guess or (raw[65] == 0xFF and fits_plain(raw))
    agree(raw)


def test_bytes_that_no_layout_fits_have_no_text() -> None:
    signature, rest = bytes(65), bytes(10)
    head = signature + b"\xff\x02\x00\x01" + rest
    for size in range(len(head)):
        assert not agree(head[:size])
    whole = head + bytes(ASSETS[1].size)
    assert agree(head)
    assert agree(whole)
    assert not agree(whole[:-1])
    assert not agree(whole + b"\0")
    assert not agree(signature + b"\xff\x03\x00\x01" + rest)
    assert 0x4000 not in ASSETS
    assert not agree(signature + b"\xff\x02\x40\x00" + rest)


def test_updates_of_another_version_or_of_both_layouts_have_no_text_in_a_frame() -> None:
    """A frame says that its bytes are an update, whatever they look like."""
    head, rest = bytes(65) + b"\xff", bytes(12)
    ids = bytes(14)  # with them the size is one of the plain layout, too
    assert fits_plain(head + b"\x02" + rest + ids)
    assert agree(update_frame(head + b"\x02" + rest))
    for raw in (head + b"\x01" + rest, head + b"\x03" + rest, head + b"\x02" + rest + ids):
        assert not agree(update_frame(raw))


@pytest.mark.parametrize("version", sorted(PUBLISHED_TABLES), ids=bytes.hex)
def test_each_published_schema_has_a_text(version: bytes) -> None:
    network, table = InsecureTestNetwork(), PUBLISHED_TABLES[version]
    values: dict[str, Any] = dict.fromkeys(table.absent)
    for row in table.fields:
        values[row.name] = bytes(row.type.size) if row.type.kind == "bytes" else 7
    values["feed_id"] = version + bytes(30)
    assert table.make is not None
    raw = network.sign(table.make(**values)).encode()
    assert agree(raw)


@pytest.mark.parametrize(("abi", "text"), [("uint32", "7"), ("uint64", '"7"')])
def test_a_field_that_may_be_absent(abi: str, text: str) -> None:
    """No schema of Data Streams has one today."""
    row = field(abi, none=0)
    piece = json_text_of_reports._value(row, "f0", "(None if f0 == 0 else f0)")
    scope = {"null": json_text_of_reports._null}
    assert eval(f"f'{piece}'", scope | {"f0": 0}) == "null"
    assert eval(f"f'{piece}'", scope | {"f0": 7}) == text


def frame(**changes: Any) -> str:
    report = chainlink.decode(V3.raw).report
    said = {
        "feedID": "0x" + report.feed_id.hex(),
        "fullReport": V3.text,
        "validFromTimestamp": report.valid_from_timestamp,
        "observationsTimestamp": report.observations_timestamp,
    }
    return json.dumps({"report": {k: v for k, v in (said | changes).items() if v is not None}})


def test_a_frame_that_agrees_with_its_payload_has_a_text() -> None:
    assert agree(frame())
    assert agree(frame().encode())
    assert agree(frame(feedID="0x" + chainlink.decode(V3.raw).report.feed_id.hex().upper()))
    assert agree(json.dumps({"p": UPDATE.text, "type": "signed_ecdsa"}))


@pytest.mark.parametrize(
    "changes",
    [
        {"feedID": "0x0003"},
        {"feedID": 5},
        {"validFromTimestamp": 1},
        {"observationsTimestamp": "1"},
        {"observationsTimestamp": None},
        {"fullReport": V3.text + "00"},
        {"fullReport": V3.text[:-1]},
        {"fullReport": "0x0x" + V3.text[2:]},
        {"fullReport": ""},
        {"more": 1},
    ],
    ids=str,
)
def test_any_other_frame_has_none(changes: dict[str, Any]) -> None:
    assert not agree(frame(**changes))


@pytest.mark.parametrize(
    "text",
    [
        "", "0x", "0xzz", "[]", "{}", "{", '{"type":"signed_ecdsa"}', '{"type":"unsigned","p":""}',
        json.dumps([json.loads(frame())]), frame()[:-1], frame() + "x",
        json.dumps({"type": "signed_ecdsa", "p": UPDATE.text, "reports": []}),
        json.dumps({"type": "signed_ecdsa", "p": UPDATE.text[:-2]}),
    ],
    ids=range(13),
)  # fmt: skip
def test_other_inputs_have_none(text: str) -> None:
    assert not agree(text)
    assert not agree(text.encode())


@given(st.binary(max_size=400))
def test_random_bytes(raw: bytes) -> None:
    agree(raw)


@given(st.integers(0, len(V3.raw) - 1), st.integers(1, 255), st.booleans())
def test_a_changed_byte(at: int, change: int, is_report: bool) -> None:
    raw = bytearray(V3.raw if is_report else UPDATE.raw)
    raw[at % len(raw)] ^= change
    agree(bytes(raw))
