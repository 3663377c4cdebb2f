"""Strategies of what venues send: each message is understood as what it says."""

from __future__ import annotations

import io
from typing import Any, get_args

import pytest
from hypothesis import HealthCheck, Phase, find, given, settings
from hypothesis import strategies as st
from hypothesis.errors import InvalidArgument

import payloads
from payloads.capture import read_records, rerun, session_of
from payloads.errors import Refused
from payloads.strategies import CaptureFile, RestReply, VenueFrame, captures, frames, rest_replies
from payloads.strategies.examples import batch
from payloads.strategies.venues.frames import FRAMES
from payloads.strategies.venues.rest_replies import KINDS
from payloads.testing import InsecureTestNetwork, InsecureTestStorkSigner
from payloads.venues import VENUES, Data
from payloads.venues.chainlink.auth import ChainlinkCredentials
from payloads.venues.chainlink.rest import Rest
from payloads.venues.common.dedupe import Duplicate
from payloads.venues.common.json_text import parse_json
from payloads.venues.ethgas.records import CHANNELS as ETHGAS
from payloads.venues.qfex.records import CHANNELS as QFEX
from payloads.venues.stork.rest import read_taxonomy

FAST = settings(deadline=None, max_examples=40, suppress_health_check=list(HealthCheck))
# To look for an example and not for the smallest.
ANY = settings(FAST, max_examples=1000, phases=[Phase.generate], database=None)
NETWORK = InsecureTestNetwork()


@pytest.mark.parametrize("venue", VENUES)
def test_the_messages_of_each_venue_are_understood_as_what_they_say(venue: str) -> None:
    @FAST
    @given(captures(venue=venue))
    def run(capture: CaptureFile) -> None:
        records = list(read_records(io.BytesIO(capture.raw)))
        assert records == list(capture.records)
        session = session_of(records[0], **capture.credentials)  # type: ignore[arg-type]
        deliveries = [one for one in rerun(session, records[1:]) if one.frame is not None]
        assert len(deliveries) == len(capture.frames)
        for frame, delivery in zip(capture.frames, deliveries, strict=True):
            said = [one for one in delivery.events if isinstance(one, Data | Duplicate)]
            assert len(said) >= 1, delivery.events
            if frame.payload is None:
                assert tuple(VENUES[venue].records(parse_json(frame.message))) == frame.records
            elif isinstance(said[0], Data):
                assert said[0].payload == frame.payload

    run()


@FAST
@given(frames(venue="chainlink") | frames(venue="stork"))
def test_a_signed_frame_is_decoded_without_a_note(frame: VenueFrame) -> None:
    found = payloads.decode(frame.message)
    assert bytes(payloads.decode(frame.payload).value.encode()) == found.value.encode()
    assert not [note for note in found.notes if note.code == "frame-contradicts-payload"]


def test_the_updates_in_frames_tell_their_layout() -> None:
    """A plain update with a taxonomy of 0xff00 or above is taken for a versioned one."""
    for frame in batch(frames(venue="stork"), 1, 400):
        raw = bytes(frame.payload or b"")
        assert payloads.decode(frame.message).value.encode() == raw
        assert raw[65] != 0xFF or raw[66] == 2


@pytest.mark.parametrize(("venue", "channels"), [("qfex", QFEX), ("ethgas", ETHGAS)])
def test_every_kind_of_message_is_drawn(venue: str, channels: dict[str, Any]) -> None:
    kinds = {get_args(kind)[0] if get_args(kind) else kind for kind in channels.values()}
    drawn = batch(frames(venue=venue), 1, 400)
    assert {type(record) for frame in drawn for record in frame.records} == kinds


@FAST
@given(frames(venue="chainlink", network=NETWORK), st.data())
def test_the_network_that_is_named_signs(frame: VenueFrame, data: st.DataObject) -> None:
    assert {one.address for one in payloads.recover(frame.payload)} <= set(NETWORK.signers)
    reply = data.draw(rest_replies(kind="report", network=NETWORK))
    assert {one.address for one in payloads.recover(reply.payloads[0])} <= set(NETWORK.signers)


@FAST
@given(rest_replies())
def test_a_reply_is_read_as_what_it_says(answer: RestReply) -> None:
    rest = Rest(ChainlinkCredentials.of("key", "secret"), "ws://localhost")
    reply, kind = answer.reply, answer.kind
    if kind == "refused":
        with pytest.raises(Refused):
            read_taxonomy(reply) if answer.venue == "stork" else rest.read_one(reply)
        return
    if kind == "taxonomy":
        assert read_taxonomy(reply).ids == answer.assets
        return
    if kind == "feeds":
        assert rest.read_feeds(reply) == answer.feeds
        return
    if kind == "report":
        reports: Any = (rest.read_one(reply),)
    elif kind == "page":
        reports = rest.read_page(reply).reports
    else:
        bulk = rest.read_bulk(reply, answer.feeds) if answer.feeds else None
        reports = bulk.reports if bulk else ()
        assert (bulk.missing if bulk else ()) == answer.missing
    assert tuple(report.full_report for report in reports) == answer.payloads


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_reply_is_drawn(kind: str) -> None:
    assert find(rest_replies(), lambda one: one.kind == kind, settings=ANY).kind == kind
    assert find(rest_replies(kind=kind), lambda one: True, settings=ANY).kind == kind


def test_a_capture_is_written(tmp_path: Any) -> None:
    found = find(captures(), lambda one: len(one.frames) == 2, settings=ANY)
    path = found.write(tmp_path / "one.jsonl")
    assert list(read_records(path)) == list(found.records)
    empty = find(captures(venue="qfex"), lambda one: True)
    assert (empty.frames, len(empty.records)) == ((), 2)


ANYTHING: Any = "mine"


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: frames(venue="kraken"), "frames: venue='kraken'"),
        (lambda: frames(network=ANYTHING), "frames: network='mine'"),
        (lambda: frames(venue="qfex", network=NETWORK), "frames: network="),
        (lambda: frames(venue="chainlink", network=InsecureTestStorkSigner()), "network="),
        (lambda: rest_replies(kind="order"), "rest_replies: kind='order'"),
        (lambda: rest_replies(network=InsecureTestStorkSigner()), "rest_replies: network="),
        (lambda: captures(venue="kraken"), "captures: venue='kraken'"),
        (lambda: captures(max_frames=-1), "captures: max_frames=-1"),
        (lambda: captures(network=NETWORK), "captures: venue=None"),
    ],
)
def test_a_wrong_argument_is_named(make: Any, words: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        make()
    assert words in str(caught.value)


def test_every_venue_has_frames() -> None:
    assert set(FRAMES) == set(VENUES)
