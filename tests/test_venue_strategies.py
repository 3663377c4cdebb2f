"""Strategies of what venues send: each message is understood as what it says."""

from __future__ import annotations

import io
from collections.abc import Callable
from decimal import Decimal
from functools import cache
from typing import Any
from urllib.parse import parse_qsl

import pytest
from hypothesis import HealthCheck, Phase, find, given, settings
from hypothesis import strategies as st
from hypothesis.errors import InvalidArgument

import payloads
from payloads.capture import read_records, rerun, session_of
from payloads.errors import Malformed, Refused
from payloads.strategies import CaptureFile, RestReply, VenueFrame, captures, frames, rest_replies
from payloads.strategies.examples import batch
from payloads.strategies.venues.damaged_replies import DAMAGES, WANTED
from payloads.strategies.venues.frames import FRAMES, kinds
from payloads.strategies.venues.reply import NOW
from payloads.strategies.venues.rest_replies import KINDS
from payloads.testing import InsecureTestNetwork, InsecureTestStorkSigner
from payloads.venues import VENUES, Data
from payloads.venues.chainlink.auth import ChainlinkCredentials
from payloads.venues.chainlink.rest import Rest
from payloads.venues.common.dedupe import Duplicate
from payloads.venues.common.json_text import parse_json
from payloads.venues.common.jwt import make_token
from payloads.venues.common.redactor import Secret
from payloads.venues.common.session import Broken, Event, Rejected, Session, Unknown
from payloads.venues.ethgas.auth import EthgasLogin, TokenRenewed
from payloads.venues.ethgas.records import CHANNELS as ETHGAS
from payloads.venues.ethgas.records import QUERIES
from payloads.venues.ethgas.updates import Answered
from payloads.venues.finery.feeds import BOOKS, LETTERS
from payloads.venues.qfex.records import CHANNELS as QFEX
from payloads.venues.qfex.records import OLDER, REPLIES
from payloads.venues.stork.rest import read_taxonomy
from payloads.venues.stork.session import MESSAGE_TYPES

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
            check_events(frame, delivery.events)

    run()


def check_events(frame: VenueFrame, events: tuple[Event, ...]) -> None:
    said = [one for one in events if isinstance(one, Data | Duplicate)]
    # A book's update is Broken where no snapshot came before; that is no fault of the frame.
    broken = [one for one in events if isinstance(one, Broken)]
    assert all("before its snapshot" in str(one.error) for one in broken), events
    # An echo of a subscription that was not asked for; it is not documented.
    if not (frame.venue == "stork" and frame.kind in ("subscribe", "unsubscribe")):
        assert not [one for one in events if isinstance(one, Unknown)], events
    if frame.payload is not None:
        assert said, events
        assert isinstance(said[0], Duplicate) or said[0].payload == frame.payload
    elif frame.kind == "unsigned":
        assert [one.content for one in said] == list(frame.records)
    elif frame.kind not in ("ping", "pong"):
        found = tuple(VENUES[frame.venue].records(parse_json(frame.message)))
        assert found == frame.records
        assert said or broken or not found or of_query(events), events


def of_query(events: tuple[Event, ...]) -> bool:
    return any(isinstance(one, Answered) for one in events)


@FAST
@given(frames(venue="chainlink") | frames(venue="stork", kind="signed_ecdsa"))
def test_a_signed_frame_is_decoded_without_a_note(frame: VenueFrame) -> None:
    found = payloads.decode(frame.message)
    assert bytes(payloads.decode(frame.payload).value.encode()) == found.value.encode()
    assert not [note for note in found.notes if note.code == "frame-contradicts-payload"]


def test_the_updates_in_frames_tell_their_layout() -> None:
    """A plain update with a taxonomy of 0xff00 or above is taken for a versioned one."""
    for frame in batch(frames(venue="stork", kind="signed_ecdsa"), 1, 400):
        raw = bytes(frame.payload or b"")
        assert payloads.decode(frame.message).value.encode() == raw
        assert raw[65] != 0xFF or raw[66] == 2


# What the reader of each venue knows, by the tables that it reads with; `Z`, `login` and others are
# words of the protocols.
KNOWN: dict[str, set[str]] = {
    "chainlink": {"report"},
    "stork": {*MESSAGE_TYPES, "subscribe", "unsubscribe", "error"},
    "finery": {
        *(f"{feed} S" for feed in LETTERS), *(f"{feed} M" for feed in BOOKS),
        *(f"{feed} {action}" for feed in "CIKOSLM" for action in "+M-"), "G M",
        *(f"{feed} D" for feed in "OSN"), "R +", "R -", *(f"N {action}" for action in "+M-"),
        "X", "Z", "U", "reply", "error",
    },
    "ethgas": {
        *ETHGAS, *QUERIES, "login", "login refused", "error", "token_expired", "subscribe",
        "unsubscribe", "ping", "pong",
    },
    "qfex": {*QFEX, "err"},
    "qfex-trade": {
        *REPLIES, *OLDER, "user_trades", "authenticated", "auth", "subscribed", "unsubscribed",
        "ack", "err",
    },
}  # fmt: skip


@pytest.mark.parametrize("venue", VENUES)
def test_every_kind_of_message_that_a_reader_knows_is_reachable(venue: str) -> None:
    assert set(kinds(venue)) == KNOWN[venue]
    unseen = set(KNOWN[venue])

    def completes(frame: VenueFrame) -> bool:
        unseen.discard(frame.kind)
        return not unseen

    find(frames(venue=venue), completes, settings=settings(ANY, max_examples=3000))


# Forms of a message beside its usual form: by venue, a kind, and a test of the message.
FORMS: list[tuple[str, str, Callable[[Any], bool]]] = [
    ("chainlink", "report", lambda it: "observationsTimestamp" not in it["report"]),
    ("stork", "unsigned", lambda it: any("ms" in asset for asset in it["a"])),
    ("stork", "unsigned", lambda it: any(asset.get("v", "")[:1] == "-" for asset in it["a"])),
    ("stork", "error", lambda it: isinstance(it.get("error"), dict)),
    ("finery", "X", lambda it: it[3] == 0),
    ("finery", "Z", lambda it: isinstance(it[3], list)),
    ("finery", "K S", lambda it: it[3] and type(it[3][0]) is int),
    ("finery", "S D", lambda it: any(isinstance(row, dict) for row in it[3])),
    ("finery", "B M", lambda it: ["~"] in it[3][0]),
    ("ethgas", "accountOrderUpdate", lambda it: isinstance(it["P"], dict)),
    ("ethgas", "login", lambda it: "cmd" in it),
    ("qfex", "bbo", lambda it: isinstance(it, list)),
    ("qfex", "candle", lambda it: "contents" in it),
    ("qfex", "trade", lambda it: isinstance(it, dict) and isinstance(it.get("price"), Decimal)),
    ("qfex", "trade", lambda it: isinstance(it, dict) and isinstance(it.get("price"), str)),
    ("qfex-trade", "err", lambda it: it.get("type") == "error"),
    ("qfex-trade", "v4_positions", lambda it: it["type"] == "subscribed"),
]


@pytest.mark.parametrize(("venue", "kind", "has"), FORMS)
def test_every_form_of_a_message_is_reachable(
    venue: str, kind: str, has: Callable[[Any], bool]
) -> None:
    find(frames(venue=venue, kind=kind), lambda one: has(parse_json(one.message)), settings=ANY)


@pytest.mark.parametrize("form", [str, bytes])
def test_reports_come_as_text_and_as_binary(form: type) -> None:
    find(frames(venue="chainlink"), lambda one: isinstance(one.message, form), settings=ANY)


@FAST
@given(frames(venue="chainlink", network=NETWORK), st.data())
def test_the_network_that_is_named_signs(frame: VenueFrame, data: st.DataObject) -> None:
    assert {one.address for one in payloads.recover(frame.payload)} <= set(NETWORK.signers)
    reply = data.draw(rest_replies(kind="report", network=NETWORK))
    assert {one.address for one in payloads.recover(reply.payloads[0])} <= set(NETWORK.signers)


# --- replies --------------------------------------------------------------------------------------

REST = Rest(ChainlinkCredentials.of("key", "secret"), "ws://localhost")
LOGIN_KEY = Secret("0x" + "11" * 32)


@cache
def a_good(kind: str) -> RestReply:
    return find(rest_replies(kind=kind), lambda _: True, settings=ANY)


def waiting(kind: str, now: int) -> EthgasLogin:
    """A login that waits for an answer of this kind."""
    if kind == "refresh":
        ending = Secret(make_token(Secret("key"), "me", now, 1))
        login = EthgasLogin(access_token=ending, refresh_token=Secret("refresh"))
    else:
        login = EthgasLogin(private_key=LOGIN_KEY)
    login.step(now)
    if kind == "verify":
        assert login.replied(a_good("login").reply, now) == []
    login.take_requests()
    return login


def a_session(venue: str) -> Session:
    capture = find(captures(venue=venue, max_frames=0), lambda _: True, settings=ANY)
    header: Any = capture.records[0]
    session = session_of(header, **capture.credentials)
    session.dial(NOW)
    return session


def read_answer(answer: RestReply) -> None:
    """Read an answer with the reader that it is for, and compare what it says."""
    reply, kind = answer.reply, answer.kind
    if answer.venue == "ethgas":
        read_by_login(answer)
    elif kind == "taxonomy":
        assert read_taxonomy(reply).ids == answer.assets
    elif kind == "feeds":
        assert REST.read_feeds(reply) == answer.feeds
    elif kind == "origins":
        assert REST.read_origins(reply) == answer.origins
    else:
        read_reports(answer)


def read_reports(answer: RestReply) -> None:
    if answer.kind == "report":
        reports: Any = (REST.read_one(answer.reply),)
    elif answer.kind == "page":
        reports = REST.read_page(answer.reply).reports
    else:
        # At least one feed has been asked for.
        bulk = REST.read_bulk(answer.reply, answer.feeds or ("0x" + "00" * 32,))
        assert not answer.feeds or bulk.missing == answer.missing
        reports = bulk.reports
    assert tuple(report.full_report for report in reports) == answer.payloads


def read_by_login(answer: RestReply) -> None:
    login = waiting(answer.kind, answer.now)
    events = login.replied(answer.reply, answer.now)
    if any(isinstance(event, Broken) for event in events):
        raise Malformed("broken", found=str(events))
    if answer.kind == "login":
        assert events == []
        (request,) = login.take_requests()
        assert dict(parse_qsl(request.body.decode()))["nonceHash"] == answer.nonce
        return
    (renewed,) = events
    assert isinstance(renewed, TokenRenewed)
    token = login.token(answer.now)
    assert token is not None
    assert token.reveal() == answer.token


def refused_by_reader(answer: RestReply) -> str:
    """The code by which a refusal is reported."""
    if answer.kind == "upgrade":
        session = a_session(answer.venue)
        rejected, _ = session.rejected(answer.reply.status, answer.reply.headers, answer.reply.body)
        return rejected.code
    if answer.venue == "ethgas":
        (event,) = waiting("login", answer.now).replied(answer.reply, answer.now)
        assert isinstance(event, Rejected)
        return event.code
    with pytest.raises(Refused) as caught:
        read_taxonomy(answer.reply) if answer.venue == "stork" else REST.read_one(answer.reply)
    return " ".join((caught.value.found or "").split()[:2])


@FAST
@given(rest_replies())
def test_a_reply_is_read_as_what_it_says(answer: RestReply) -> None:
    if answer.kind in ("refused", "upgrade"):
        assert refused_by_reader(answer) == answer.code
    else:
        read_answer(answer)


@FAST
@given(rest_replies(damaged=True))
def test_a_damaged_reply_is_malformed_to_its_reader(answer: RestReply) -> None:
    with pytest.raises(Malformed):
        read_answer(answer)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_reply_is_drawn(kind: str) -> None:
    assert find(rest_replies(), lambda one: one.kind == kind, settings=ANY).kind == kind
    assert find(rest_replies(kind=kind), lambda one: True, settings=ANY).kind == kind


@pytest.mark.parametrize("venue", VENUES)
def test_every_venue_has_replies(venue: str) -> None:
    assert find(rest_replies(), lambda one: one.venue == venue, settings=ANY).venue == venue
    assert find(rest_replies(venue=venue), lambda one: True, settings=ANY).venue == venue


@pytest.mark.parametrize("damage", DAMAGES)
def test_every_damage_of_a_reply_is_drawn(damage: str) -> None:
    damaged = rest_replies(damaged=True)
    assert find(damaged, lambda one: one.damage == damage, settings=ANY).damage == damage


@pytest.mark.parametrize("kind", WANTED)
def test_every_kind_that_has_a_body_can_be_damaged(kind: str) -> None:
    assert find(rest_replies(kind=kind, damaged=True), lambda _: True, settings=ANY).damage


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
        (lambda: frames(kind="bbo"), "frames: venue=None"),
        (lambda: frames(venue="qfex", kind="bob"), "frames: kind='bob'"),
        (
            lambda: frames(venue="stork", kind="error", network=InsecureTestStorkSigner()),
            "frames: kind='error'",
        ),
        (lambda: rest_replies(venue="kraken"), "rest_replies: venue='kraken'"),
        (lambda: rest_replies(venue="qfex", kind="login"), "rest_replies: venue='qfex'"),
        (lambda: rest_replies(venue="qfex", damaged=True), "rest_replies: venue='qfex'"),
        (lambda: rest_replies(kind="refused", damaged=True), "rest_replies: kind='refused'"),
        (lambda: rest_replies(damaged=ANYTHING), "rest_replies: damaged='mine'"),
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
