"""Rules that are easy to break unseen: each is a sentence of the docs or of a contract."""

from __future__ import annotations

import json
from collections.abc import Generator
from pathlib import Path
from random import Random
from typing import Any

import msgspec.structs
import pytest
from hexbytes import HexBytes

import payloads
from payloads import State, chainlink, stork, systems
from payloads.abi import solidity
from payloads.abi.fields import WORDS, AbiType, Field, Record, Table, hexed, json_fields
from payloads.abi.solidity import MAX_ELEMENT_BYTES
from payloads.abi.strictness import CANONICAL
from payloads.abi.units import MILLISECONDS, PRICE
from payloads.chainlink import checks as chainlink_checks
from payloads.chainlink import places as chainlink_places
from payloads.chainlink import report as report_module
from payloads.chainlink import state as chainlink_states
from payloads.chainlink.call import split
from payloads.chainlink.calldata import FUNCTIONS, VERIFY_BULK
from payloads.chainlink.compressed import (
    begins_well,
    compress,
    decompress,
    uncompressed_size,
)
from payloads.chainlink.errors import DIGEST_INACTIVE_V5, INCORRECT_SIGNATURE_COUNT
from payloads.chainlink.findings import HAZARDS, OLD_SECONDS
from payloads.chainlink.findings import _looked_at as looked_at
from payloads.chainlink.frames import EVIDENCE, plain_report, snappy_evidence
from payloads.chainlink.report import BareReport, UnknownReport, unknown_report
from payloads.chainlink.rows import rows, title
from payloads.chainlink.schemas import PUBLISHED_TABLES, SCHEMAS, ReportV3HighFrequency
from payloads.chainlink.state import NO_OP
from payloads.crypto import CURVE_ORDER, address_of, checksum, keccak256, recover, sign
from payloads.embedding import embedded
from payloads.errors import Malformed, Misuse, panic
from payloads.stork import checks as stork_checks
from payloads.stork import places as stork_places
from payloads.stork import state as stork_states
from payloads.stork.frames import EVIDENCE as STORK_EVIDENCE
from payloads.stork.frames import plausible
from payloads.stork.rows import rows as stork_rows
from payloads.stork.update import Asset
from payloads.system import Terms
from payloads.verdicts import checks as verdict_checks
from payloads.verdicts import state as states
from payloads.verdicts.contract_errors import read_revert
from payloads.verdicts.signature_hints import signature_hints
from payloads.verdicts.signers import Signers
from payloads.verdicts.together import judge_together
from payloads.verdicts.words import duration
from tests import corpus
from tests.test_limits import (
    LINK,
    NATIVE,
    NETWORK,
    NOW,
    SIGNER,
    chainlink_state,
    full_report,
    stork_state,
    update,
)

CALLER, OTHER = "0x" + "bb" * 20, "0x" + "cc" * 20


# --- states ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("allowed", [None, [], [CALLER], [CALLER, OTHER]])
def test_who_may_call_is_written_and_told_as_it_was_read(allowed: Any) -> None:
    state = chainlink_state(access_controller={"allowed": allowed})
    assert State.from_dict(state.to_dict()) == state
    assert state.to_dict()["access_controller"]["allowed"] == allowed
    told = dict(state.facts())["may call"]
    if allowed:
        assert [word.lower() for word in told.split(", ")] == allowed
    else:
        assert told == ("any address" if allowed is None else "no address")


@pytest.mark.parametrize("state", [chainlink_state(), stork_state()], ids=["chainlink", "stork"])
@pytest.mark.parametrize("key", ["now", "proxy", "network", "chain_id", "contract"])
def test_what_a_contract_does_not_change_has_no_past(state: Any, key: str) -> None:
    record = state.to_dict()
    value = {"now": 1, "proxy": CALLER, "chain_id": 5}.get(key, "other")
    record["history"] = [{"until": 10, key: value}]
    with pytest.raises(Misuse, match="this key has no past") as caught:
        State.from_dict(record)
    assert caught.value.field.endswith(f"history[0].{key}")


@pytest.mark.parametrize("kind", NO_OP)
@pytest.mark.parametrize("name", ["link", "native"])
def test_no_token_is_named_where_billing_is_by_subscription(kind: str, name: str) -> None:
    fees: Any = chainlink_state(fee_manager={"type": kind, "link": LINK, "native": NATIVE})
    with pytest.raises(Misuse, match="nothing to pay"):
        fees.fee_manager.token(name)
    assert chainlink_state().fee_manager.token(name) == HexBytes(LINK if name == "link" else NATIVE)


def test_each_change_of_a_state_holds_from_its_own_second_on() -> None:
    digest, other = "0x" + "a1" * 32, "0x" + "b2" * 32
    config = {
        "config_digest": digest, "signers": list(NETWORK.signers), "f": NETWORK.f, "active": True,
        "feed_id": "0x" + "03" * 32, "set_at": 10, "removed_at": 20,
        "switched": [{"at": 12, "active": False}, {"at": 15, "active": True}],
    }  # fmt: skip
    state: Any = chainlink_state(
        "v0.3.0", configs=[config], fee_manager=None, now=30,
        unset_digests=[{"id": other, "at": 14}, {"id": digest}],
        deactivated_feeds=[{"id": other, "at": 16}],
        history=[{"until": 18, "access_controller": {"allowed": [CALLER]}},
                 {"until": 13, "access_controller": {"allowed": [OTHER]}}],
    )  # fmt: skip
    for time, active in (
        (9, []), (10, [True]), (11, [True]), (12, [False]), (14, [False]), (15, [True]),
        (19, [True]), (20, []),
    ):  # fmt: skip
        assert [each.active for each in state.at(time).configs] == active
    unset = {time: len(state.at(time).unset_digests) for time in (13, 14, 15)}
    assert unset == {13: 1, 14: 2, 15: 2}
    dead = {time: len(state.at(time).deactivated_feeds) for time in (15, 16, 17)}
    assert dead == {15: 0, 16: 1, 17: 1}
    for time, allowed in ((12, OTHER), (13, CALLER), (17, CALLER)):
        assert state.at(time).access_controller.allowed == (HexBytes(allowed),)
    assert state.at(18).access_controller is None


def test_what_ended_is_told_with_its_time() -> None:
    ended = [{"id": "0x" + "11" * 32}, {"id": "0x" + "22" * 32, "at": NOW}]
    state = chainlink_state("v0.3.0", deactivated_feeds=ended)
    told = [value for name, value in state.facts() if name == "deactivated feed"]
    assert told[0] == "0x" + "11" * 32
    assert told[1].startswith("0x" + "22" * 32 + "  since 2025-10-09")


def test_activation_times_may_be_one_second_apart_from_zero_on() -> None:
    config = chainlink_state("v0.4.0").to_dict()["configs"][0]
    others = [f"0x{index:040x}" for index in range(1, 17)]
    later = config | {"activation_time": 1, "signers": others}
    assert len(chainlink_state("v0.4.0", configs=[config, later]).configs) == 2
    with pytest.raises(Misuse, match="must rise"):
        chainlink_state("v0.4.0", configs=[config, later | {"activation_time": 0}])


def test_a_config_from_zero_on_applies_to_observations_at_zero() -> None:
    report: Any = chainlink.decode(full_report()).report
    report = msgspec.structs.replace(report, observations_timestamp=0)
    state = chainlink_state("v0.4.0", fee_manager=None)
    assert chainlink.judge(NETWORK.sign(report).encode(), state).accepted


def test_a_verdict_names_the_proxy_of_its_state() -> None:
    verdict = stork.judge(update(1), stork_state(proxy="0x" + "ab" * 20))
    assert "proxy 0x" + "ab" * 20 in verdict.sentence


# --- calls ----------------------------------------------------------------------------------------


def test_s_of_half_the_order_is_the_largest_that_stork_takes() -> None:
    body = update(1)[65:]
    for s, taken in ((CURVE_ORDER // 2, True), (CURVE_ORDER // 2 + 1, False)):
        r, s_ = (1).to_bytes(32, "big"), s.to_bytes(32, "big")
        signer = recover(keccak256(body), r, s_, 0)
        assert signer is not None
        state = stork_state(signer="0x" + signer.hex())
        assert stork.judge(r + s_ + b"\0" + body, state).returned is taken


def test_stork_is_paid_in_native_only_by_any_door() -> None:
    raw, state = update(1), stork_state()
    for judge in (
        lambda: payloads.judge(raw, state, pay="link"),
        lambda: payloads.judge(stork.encode_calldata(raw), state, pay="link"),
        lambda: payloads.judge_many([raw], state, pay="link"),
    ):
        with pytest.raises(Misuse):
            judge()


def test_many_are_judged_at_a_past_time() -> None:
    """`at` is the time judged at, too, unless `now` says another."""
    raw, state = full_report(), chainlink_state(fee_manager=None)
    (verdict,) = chainlink.judge_many([raw], state, at=NOW - 5)
    assert verdict.now == NOW - 5
    (verdict,) = chainlink.judge_many([raw], state, at=NOW - 5, now=NOW - 3)
    assert verdict.now == NOW - 3


@pytest.mark.parametrize("count", [1, 31, 32, 33, 200])
@pytest.mark.parametrize("workers", [1, 2, 3])
def test_each_is_judged_once_and_in_its_place(count: int, workers: int) -> None:
    judged: list[bytes] = []

    def judge(raw: bytes) -> Generator[Any, None, Any]:
        judged.append(raw)
        yield ()
        return raw

    given = [bytes([index % 150]) for index in range(count)]
    assert judge_together(judge, given, Signers(), workers) == given
    assert sorted(judged) == sorted(set(given))


@pytest.mark.parametrize(
    ("given", "function", "expected"),
    [("one", "verifyBulk", "a list of payloads"), ("many", "verify", "one payload")],
)
def test_a_function_says_what_it_takes(given: str, function: str, expected: str) -> None:
    payload: Any = full_report() if given == "one" else [full_report()]
    with pytest.raises(Misuse) as caught:
        chainlink.encode_calldata(payload, function)
    assert caught.value.expected == expected


@pytest.mark.parametrize("of_another_feed", [True, False])
def test_a_missing_config_is_told_from_the_config_of_another_feed(of_another_feed: bool) -> None:
    (config,) = chainlink_state("v0.3.0").to_dict()["configs"]
    other = {"feed_id": "0x" + "00037e" * 10 + "0000"}
    # A proxy that knows no such digest stops earlier; the later check is explained all the same.
    if not of_another_feed:
        other["config_digest"] = "0x" + "77" * 32
    verdict = chainlink.judge(full_report(), chainlink_state("v0.3.0", configs=[config | other]))
    (detail,) = [check.detail for check in verdict.checks if check.name == "config"]
    if of_another_feed:
        assert detail == f"this digest belongs to another feed: {other['feed_id']}"
    else:
        assert detail == "no config has this digest"


def test_a_hint_names_only_changes_that_give_a_wanted_signer() -> None:
    """The order minus s is a change of its own: it may give a signer while another is wanted."""
    key = keccak256(b"a key for this test")
    signer, tried = address_of(key), 0
    for index in range(64):
        digest = keccak256(bytes([index]))
        r, s, v = sign(key, digest)
        low = (CURVE_ORDER - int.from_bytes(r, "big")).to_bytes(32, "big")
        if int.from_bytes(r, "big") <= CURVE_ORDER // 2 or recover(digest, s, low, v) is None:
            continue
        hints = signature_hints(
            digest, s, r, v, lambda address: "wanted" if address == signer else ""
        )
        (hint,) = hints
        assert hint.startswith(f"r and s exchanged, v {v} gives 0x")
        tried += 1
    assert tried


# --- payloads -------------------------------------------------------------------------------------


@pytest.mark.parametrize("spare", [1, 16, 31])
def test_a_payload_cut_anywhere_is_malformed(spare: int) -> None:
    """Also where the report's padding makes the cut size look like that of another payload."""
    blob = chainlink.decode(full_report()).report_blob + b"\xff" * spare
    raw = NETWORK.sign(blob, by=[0, 1]).encode()
    assert chainlink.decode(raw).report_blob == blob
    for size in range(len(raw) - 200, len(raw)):
        with pytest.raises(Malformed):
            chainlink.decode(raw[:size])


def test_an_empty_report_is_shown_unless_a_schema_is_named() -> None:
    raw = NETWORK.sign(b"", by=[0]).encode()
    assert payloads.inspect(raw).error is None
    error = payloads.inspect(raw, schema="v3").error
    assert isinstance(error, Malformed)
    # The first byte that is missing would stand behind the head and the length.
    assert error.offset == 256


def test_the_evidence_for_a_full_report_is_its_head() -> None:
    raw = full_report()
    snug = "a head of 7 words whose first offset is 224"
    # 224 bytes are the head and nothing else.
    for size in (len(raw), 225, 224):
        assert payloads.inspect(raw[:size]).why == snug
    loose = "words 3, 4 and 5 are offsets, as in a fullReport's head"
    assert payloads.inspect(raw[:223]).why == loose


def _that_matter(raw: bytes, known: Any) -> set[int]:
    """The bytes without whose highest bit, or with it, the evidence is gone."""
    assert known(raw)
    changed = [raw[:at] + bytes([raw[at] ^ 0x80]) + raw[at + 1 :] for at in range(len(raw))]
    return {at for at, each in enumerate(changed) if not known(each)}


UNSIGNED = [*range(2), *range(32, 60), *range(64, 92)]


@pytest.mark.parametrize(
    ("strength", "cut", "matter"),
    [
        (80, slice(None), [*range(96, 156), *range(160, 188)]),
        (70, slice(None), [*range(96, 124), *range(128, 156), *range(160, 188)]),
        (70, slice(193), [*range(96, 124), *range(128, 156), *range(160, 188)]),
        (10, slice(256, 256 + 288), UNSIGNED),
        (10, slice(256, 256 + 92), UNSIGNED),
    ],
)
def test_evidence_is_of_exactly_its_bytes(strength: int, cut: slice, matter: list[int]) -> None:
    (found,) = (each.find for each in EVIDENCE if each.strength == strength)
    assert _that_matter(full_report()[cut], found) == set(matter)


def test_the_evidence_for_an_update_is_of_exactly_its_bytes() -> None:
    """The first of s, the recovery id, and the first of the time."""
    raw = update(2)
    timely, sized = (each.find for each in STORK_EVIDENCE)
    assert _that_matter(raw, plausible) == {32, 64, 67}
    assert _that_matter(raw, timely) == {67}
    assert _that_matter(raw, sized) == {64}


@pytest.mark.parametrize("at", [*range(25), *range(32, 57)])
def test_eight_zeros_in_a_signature_are_implausible(at: int) -> None:
    good = b"\x11" * 64 + update(1)[64:]
    assert plausible(good)
    assert plausible(good[:at] + bytes(7) + good[at + 7 :])
    assert not plausible(good[:at] + bytes(8) + good[at + 8 :])


def test_the_times_of_updates_are_of_2001_to_2100_and_not_round_in_binary() -> None:
    good = b"\x11" * 64 + update(1)[64:]

    def timely(time: int) -> tuple[bool, bool]:
        raw = good[:67] + time.to_bytes(8, "big") + good[75:]
        return bool(STORK_EVIDENCE[0].find(raw)), plausible(raw)

    first, last = 10**18, 4_102_444_800 * 10**9
    for time in (first, first + 1, last - 1, 0x1800_0000_0000_0001, 0x1801_0000_0000_0000):
        assert timely(time) == (True, True)
    for time in (0, first - 1, last, last + 1, 2**64 - 1):
        assert timely(time) == (False, False)
    assert timely(0x1800_0000_0000_0000) == (True, False)


def test_a_payload_without_signatures_is_known_by_its_offset_and_its_length() -> None:
    payload = chainlink.decode(full_report())
    blob, context = payload.report_blob, b"".join(payload.context)

    def why(offset: int, length: int) -> str:
        head = context + offset.to_bytes(32, "big") + length.to_bytes(32, "big")
        try:
            return payloads.inspect(head + blob).why
        except Malformed:
            return ""

    told = "a context and a report, encoded without signatures"
    assert why(128, len(blob)) == told
    for offset, length in ((127, 288), (129, 288), (128, 287), (128, 288 + 2**255)):
        assert why(offset, length) != told


@pytest.mark.parametrize("index", [0, 1, 2])
def test_an_offset_of_four_bytes_is_evidence_and_one_of_five_is_none(index: int) -> None:
    def of(offset: int) -> bytes:
        offsets = [2**32 - 1] * 3
        offsets[index] = offset
        words = b"".join(each.to_bytes(32, "big") for each in offsets)
        return b"\xee" * 96 + words + b"\xee" * 40

    found = payloads.inspect(of(2**32 - 1))
    assert found.why == "words 3, 4 and 5 are offsets, as in a fullReport's head"
    with pytest.raises(Malformed):
        payloads.inspect(of(2**32))


def _versioned(v: int, assets: int = 1) -> bytes:
    """A versioned update whose time is read as another if it is read one byte too far."""
    taxonomy, time = b"\0\1", 0x1800_0000_0000_0001.to_bytes(8, "big")
    body = b"\xff\x02\0\1" + taxonomy + time + (b"\0\1" + bytes(15) + b"\1") * assets
    return b"\x11" * 64 + bytes([v]) + body


def test_a_versioned_update_is_known_by_its_time_whatever_its_v() -> None:
    for v in (0, 1, 27, 28):
        assert payloads.decode(_versioned(v)).form == "signed_ecdsa"


@pytest.mark.parametrize("assets", [0, 1, 3])
def test_a_versioned_update_is_found_in_calldata(assets: int) -> None:
    raw = _versioned(0, assets)
    padded = raw + bytes(-len(raw) % 32)
    data = b"\xab\xcd\xef\1" + (32).to_bytes(32, "big") + len(raw).to_bytes(32, "big") + padded
    (found,) = embedded(data)
    assert (found.offset, found.raw) == (4 + 64, raw)


def test_a_packed_update_of_many_assets_is_found_at_the_end() -> None:
    """Up to 200 assets it is found anywhere."""
    for assets, behind, expected in ((200, b"\7", 1), (201, b"\7", 0), (201, b"", 1)):
        raw = update(assets)
        found = embedded(b"\7" * 9 + raw + behind, signers=[SIGNER.address])
        assert [one.raw for one in found] == [raw] * expected


@pytest.mark.parametrize("name", ["chainlink", "stork"])
def test_no_payload_has_more_than_4_mib(name: str) -> None:
    state = chainlink_state() if name == "chainlink" else stork_state()
    judge: Any = getattr(payloads, name).judge
    most = 4 * 2**20
    assert not judge(bytes(most), state).accepted
    with pytest.raises(Malformed) as caught:
        judge(bytes(most + 1), state)
    assert caught.value.revert_data is None


def test_an_unknown_report_with_the_usual_head_shows_it_first() -> None:
    blob = chainlink.decode(full_report()).report_blob
    report = unknown_report(b"\0\x7f" + blob[2:], "for a test")
    names = [row.name for row in rows(BareReport(report), None)]
    assert names[:2] == ["(if the usual head)", "feed_id"]
    assert names[-1] == f"words[{len(blob) // 32 - 1}]"


def test_an_object_without_a_signature_gets_zeros() -> None:
    record = stork.to_dict(SIGNER.sign([Asset(1, 2)], timestamp_ns=NOW), signers=False)
    for key in ("r", "s", "v"):
        del record[key]
    found = stork.from_dict(record)
    assert (found.r, found.s, found.v) == (bytes(32), bytes(32), 0)


@pytest.mark.parametrize(
    ("blob", "version"), [(b"", None), (b"\xab", None), (b"\xab\xcd", 0xABCD), (b"\0\0\1", 0)]
)
def test_the_version_of_a_report_is_its_first_two_bytes(blob: bytes, version: int | None) -> None:
    assert unknown_report(blob, "for a test").schema_version == version


def test_an_unknown_report_is_named_and_shown_word_by_word() -> None:
    words = (hexed(b"\x01" * 32), hexed(b"\x02" * 32))
    for version, label in ((None, "unknown schema"), (0x7F, "unknown schema 0x007f")):
        report = UnknownReport(version, None, words, hexed(b"\xab"), "for a test")
        assert report.schema_label == label
        bare = BareReport(report)
        assert title(bare) == f"Chainlink unsigned report, {label}"
        shown = [(row.name, row.value) for row in rows(bare, None)]
        assert shown == [
            ("words[0]", "0x" + "01" * 32), ("words[1]", "0x" + "02" * 32), ("tail", "0xab"),
        ]  # fmt: skip


# --- limits of what is read -----------------------------------------------------------------------


def _high_frequency(**changes: int) -> bytes:
    """A signed report whose times are in milliseconds."""
    times = {"valid_from_timestamp": NOW * 1000 - 1, "observations_timestamp": NOW * 1000 - 1,
             "expires_at": NOW * 1000}  # fmt: skip
    feed = hexed(b"\x10\x03" + bytes(29) + b"\1")
    return NETWORK.sign(
        ReportV3HighFrequency(
            feed_id=feed, native_fee=0, link_fee=0, benchmark_price=2, bid=1, ask=3,
            **times | changes,
        )
    ).encode()  # fmt: skip


def _codes(verdict: payloads.Verdict) -> set[str]:
    return {finding.code for finding in verdict.findings}


def _clean(known: Any) -> dict[str, Any]:
    """Values of a schema that no finding is about."""
    values: dict[str, Any] = {}
    for row in known.table.fields:
        times = {"expires_at": NOW, "observations_timestamp": NOW, "valid_from_timestamp": NOW}
        time = times.get(row.name, 1) * (1000 if row.unit is MILLISECONDS else 1)
        values[row.name] = bytes(row.type.size) if row.type.kind == "bytes" else time
    values["feed_id"] = known.prefix + bytes(30)
    return values | ({"ripcord": 0} if "ripcord" in values else {})


@pytest.mark.parametrize("known", list(SCHEMAS.values()), ids=lambda known: known.key)
def test_a_finding_on_a_report_begins_with_the_first_value_beyond(known: Any) -> None:
    """The last value before it, and the first of it, for each field of each schema."""
    state, clean = chainlink_state(fee_manager=None), _clean(known)
    about = {"expired", "from-the-future", "not-yet-valid", "crossed", "price-not-positive",
             "no-such-month", "ripcord", "report-trailing-bytes"}  # fmt: skip

    def found(changes: dict[str, Any], more: bytes = b"") -> set[str]:
        report = known.record(**clean | changes).encode() + more
        return _codes(chainlink.judge(NETWORK.sign(report).encode(), state)) & about

    assert found({}) == set()
    assert found({}, bytes(32)) == {"report-trailing-bytes"}
    for row in known.table.fields:
        name, value = row.name, clean[row.name]
        if name == "expires_at":
            assert found({name: value - 1}) == {"expired"}
        elif name in ("observations_timestamp", "valid_from_timestamp"):
            code = "not-yet-valid" if name.startswith("valid") else "from-the-future"
            assert found({name: value + 1}) == {code}
        elif name == "contract_month":
            for month in (0, 13):
                assert found({name: month}) == {"no-such-month"}
            assert found({name: 12}) == set()
        elif name == "ripcord":
            assert found({name: 1}) == {"ripcord"}
        elif row.unit is PRICE:
            assert "price-not-positive" in found({name: 0})
            assert ("crossed" in found({name: 2})) == ("bid" in name and name != "bid_volume")
    for low, high in (("bid", "ask"), ("best_bid", "best_ask"), ("bid_price", "ask_price")):
        if low in clean and high in clean:
            assert found({low: 5, high: 5}) == set()
            assert found({low: 5, high: 4}) == {"crossed"}


def test_a_price_without_its_other_side_is_never_crossed() -> None:
    """No published schema has a bid alone; one that a caller adds may."""
    table = SCHEMAS[b"\x00\x03"].table
    assert looked_at(table).books == (("bid", "ask"),)
    for absent in ("bid", "ask"):
        fields = tuple(row for row in table.fields if row.name != absent)
        assert looked_at(Table("Alone", fields, WORDS)).books == ()


def test_a_state_is_old_after_a_day_and_newer_after_a_second() -> None:
    for age, expected in (
        (86_400, None), (86_401, ("state-old", "86401 s")), (0, None),
        (-1, ("state-newer", "1 s")),
    ):  # fmt: skip
        verdict = chainlink.judge(full_report(), chainlink_state(fetched_at=NOW - age), pay="link")
        ages = [(each.code, each.detail) for each in verdict.findings if each.code[:5] == "state"]
        assert ages == ([expected] if expected else [])


def test_milliseconds_are_compared_with_milliseconds() -> None:
    state = chainlink_state(fee_manager=None)
    timed = {"expired", "from-the-future", "not-yet-valid"}
    for changes, expected in (
        ({}, set()),
        ({"expires_at": NOW * 1000 - 1}, {"expired"}),
        ({"observations_timestamp": NOW * 1000 + 1}, {"from-the-future"}),
        ({"valid_from_timestamp": NOW * 1000 + 1}, {"not-yet-valid"}),
    ):
        verdict = chainlink.judge(_high_frequency(**changes), state)
        assert verdict.accepted
        assert _codes(verdict) & timed == expected


def test_a_view_needs_no_time_and_a_call_that_pays_does() -> None:
    record = chainlink_state("v0.5.1").to_dict()
    record.pop("now")
    state: Any = State.from_dict(record)
    assert chainlink.judge(full_report(), state, view=True).accepted
    with pytest.raises(Misuse, match="a time is needed"):
        chainlink.judge(full_report(), state, pay="link")


def test_what_is_short_of_the_fee_is_told() -> None:
    verdict = chainlink.judge(full_report(), chainlink_state(), pay="native", value=400)
    (deposit,) = [check for check in verdict.checks if check.name == "deposit"]
    assert (deposit.passed, deposit.detail) == (False, "600 wei short of the fee")
    (quote,) = [check for check in verdict.checks if check.name == "quote"]
    assert quote.inputs["token"].lower() == NATIVE


def test_a_quote_knows_the_surcharge_unless_nothing_is_paid() -> None:
    fees = chainlink_state().to_dict()["fee_manager"] | {"native_surcharge": "7"}
    assert chainlink.quote(full_report(), chainlink_state(fee_manager=fees)).surcharge == 7
    assert chainlink.quote(full_report(), chainlink_state(fee_manager=None)).surcharge == 0


def test_elements_of_more_than_16_mib_are_refused_at_the_element_that_is_too_much() -> None:
    """Elements of unequal size, most of them the same bytes."""
    most = MAX_ELEMENT_BYTES
    large, small = 2 * 2**20, 5
    elements = [*[large] * 8, small]
    offsets = [9 * 32] * 8 + [9 * 32 + 32 + large]
    body = b"".join(each.to_bytes(32, "big") for each in offsets)
    body += large.to_bytes(32, "big") + bytes(large) + small.to_bytes(32, "big") + bytes(32)
    array = len(elements).to_bytes(32, "big") + body
    head = [64, 64 + len(array)]
    data = VERIFY_BULK.selector + b"".join(each.to_bytes(32, "big") for each in head)
    data += array + bytes(32)
    assert sum(elements) == most + small
    with pytest.raises(Malformed) as caught:
        chainlink.judge_calldata(data, chainlink_state())
    # The selector, two words of head, the count; then the pointer of the ninth.
    assert caught.value.offset == 4 + 64 + 32 + 8 * 32
    assert caught.value.revert_data is None


@pytest.mark.parametrize("left", [0, 1, 30, 31])
def test_a_view_shows_each_byte_once_where_an_encoder_left_out_padding(left: int) -> None:
    """The report stands last: what is missing of its 31 bytes of padding is shown nowhere."""
    made = bytes(NETWORK.sign(bytes(2) + bytes(range(31))).encode())
    blob, lists = made[224 : 224 + 96], made[224 + 96 :]
    places = (224 + len(lists), 224, 224 + len(lists) // 2)
    offsets = b"".join(place.to_bytes(32, "big") for place in places)
    raw = made[:96] + offsets + made[192:224] + lists + blob[: 32 + 33 + left]
    view = payloads.inspect(raw)
    assert view.error is None
    shown = [
        (at, span.raw[at - span.offset])
        for span in view.spans
        for at in range(span.offset, span.end)
    ]
    assert shown == list(enumerate(raw))
    assert all(span.raw for span in view.spans)


@pytest.mark.parametrize("count", [0, 1, 2, 31, 32, 33])
def test_a_view_and_the_departures_tell_the_bytes_for_each_signature(count: int) -> None:
    """`raw_vs` has a byte for each of at most 32 signatures, and the rest is for none."""
    words = tuple(bytes([index + 1]) * 32 for index in range(count))
    report = chainlink.decode(full_report()).report
    made = msgspec.structs.replace(
        NETWORK.sign(report.encode(), by=[]), rs=words, ss=(*words, b"\7" * 32),
        raw_vs=b"\1" * 32, report_blob=report.encode() + b"\5" * 3, raw=b"",
    )  # fmt: skip
    raw = bytes(made.encode())
    view = payloads.inspect(raw)
    shown = [(at, span.raw[at - span.offset]) for span in view.spans
             for at in range(span.offset, span.end)]  # fmt: skip
    assert shown == list(enumerate(raw))
    ids = [(span.path, span.offset, span.end) for span in view.spans if "raw_vs" in span.path]
    expected = [(f"raw_vs[{index}]", 192 + index, 193 + index) for index in range(min(count, 32))]
    assert ids == expected + [("raw_vs.rest", 192 + count, 224)] * (count < 32)

    blob, rs = 224 + 32, 224 + 32 + len(made.report_blob) + 29
    found = [(each.kind, each.offset, each.length) for each in chainlink.decode(raw).departures]
    told = [("unsigned-bytes", 192 + count, 32 - count)] * (count < 32)
    told += [("report-trailing", blob + len(report.encode()), 3)]
    told += [("count-mismatch", rs, 32)] * (count > 32)
    assert found == [*told, ("count-mismatch", rs + 32 + 32 * count, 32)]


@pytest.mark.parametrize("generation", ["v0.3.0", "v0.4.0", "v0.5.0", "v0.5.1"])
@pytest.mark.parametrize("controlled", [False, True])
def test_each_check_shows_the_inputs_it_looked_at(generation: str, controlled: bool) -> None:
    raw = full_report(native=1000, link=500)
    payload, word = chainlink.decode(raw), "0x" + "2d" * 20
    access = {"access_controller": {"allowed": [CALLER]}} if controlled else {}
    fees = {"link": LINK, "native": NATIVE, "native_surcharge": str(10**17), "discounts": []}
    verdict = chainlink.judge(
        raw, chainlink_state(generation, fee_manager=fees, **access), pay="native", value=1101,
        sender=CALLER, origin=OTHER,
    )  # fmt: skip
    assert verdict.accepted
    signers = list(NETWORK.signers)[: len(payload.rs)]
    digest, feed = (f"0x{each.hex()}" for each in (payload.config_digest, payload.report.feed_id))
    signed = "0x" + payload.signing_digest.hex()
    count = len(payload.rs)
    assert count == NETWORK.f + 1
    fee = {
        "fee decoding": {"bytes": 992},
        "fee token": {"parameter_payload": "0x" + "00" * 12 + word[2:]},
        "quote": {"token": checksum(HexBytes(word))},
        "fee fields": {"report_bytes": 288},
        "expiry": {"expires_at": NOW + 60, "now": NOW},
        "fee": {"token": checksum(HexBytes(word)), "in": "native", "base": 1000,
                "surcharged": 1100, "discount": 0, "fee": 1100, "reward": 500},
        "deposit": {"value": 1101, "native_fees": 1100},
    }  # fmt: skip
    names = {
        "v0.3.0": {"feed_id": feed, "config_digest": digest}, "v0.5.0": {"config_digest": digest},
        "v0.5.1": {"config_digest": digest},
        "v0.4.0": {"observations_timestamp": NOW, "activation_times": [0]},
    }  # fmt: skip
    verify = {
        "access": {"sender": checksum(HexBytes(CALLER)), "origin": checksum(HexBytes(OTHER)),
                   "controlled": controlled},
        "decoding": {"bytes": 992},
        "config": names[generation],
        "rs and ss": {"rs": count, "ss": count},
        "signatures": {"digest": signed, "signatures": count},
        "distinct signers": {"signers": signers},
    }  # fmt: skip
    own: dict[str, Any] = {"verifier": {"config_digest": digest},
                           "signature count": {"rs": count, "f": NETWORK.f}}  # fmt: skip
    if generation == "v0.3.0":
        own["feed"] = {"feed_id": feed}
    elif generation == "v0.4.0":
        own = {
            "signature count": {"rs": count}, "timestamps": {"report_bytes": 288},
            "recovery": {"digest": signed, "raw_vs": "0x" + payload.raw_vs.hex()},
            "enough signatures": {"rs": count, "f": NETWORK.f},
        }  # fmt: skip
    each = {
        f"signature {index}": {"r": r, "s": s, "v": v, "recovered": signer}
        for index, (r, s, v, signer) in enumerate(
            zip(payload.rs, payload.ss, payload.raw_vs, signers, strict=False)
        )
    }
    assert {check.name: check.inputs for check in verdict.checks} == fee | verify | own | each


@pytest.mark.parametrize("several", [False, True])
def test_each_check_of_stork_shows_the_inputs_it_looked_at(several: bool) -> None:
    raw, address = update(2), HexBytes(SIGNER.address)
    contract: Any = (
        {"contract": "stork-fast-1.0.0-multisigner", "signer": None, "signers": [SIGNER.address]}
        if several else {}
    )  # fmt: skip
    record = stork_state(verification_fee=3).to_dict() | contract
    state: Any = State.from_dict({key: value for key, value in record.items() if value is not None})
    verdict = stork.judge(raw, state, value=4, call="verifyAndDeserializeSignedECDSAPayload")
    assert {check.name: check.inputs for check in verdict.checks} == {
        "fee": {"value": 4, "fee": 3},
        "size": {"bytes": 65 + 10 + 2 * 18},
        "recovery": {"r": raw[:32], "s": raw[32:64], "v": raw[64]},
        "signature": {
            "digest": keccak256(raw[65:]), "recovered": address,
            **({"signers": (address,)} if several else {"signer": address}),
        },
        "assets": {"assets": 2},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("message", "frame"),
    [
        ({"report": {}}, True), ({"reports": []}, True), ({"fullReport": "0x"}, True),
        ({"type": "signed_ecdsa"}, True), ({"type": "unsigned"}, True), ({"type": "other"}, False),
        ({"feedID": "0x"}, False), ({}, False),
    ],
)  # fmt: skip
def test_a_frame_is_known_by_its_keys_or_its_type(message: Any, frame: bool) -> None:
    assert any(system.is_frame(message) for system in systems.SYSTEMS) == frame


def test_288_clean_bytes_without_a_version_may_be_the_oldest_report() -> None:
    """The first feed IDs name no schema. Each word but the hashes has zeros in front."""
    known = SCHEMAS[b"\x00\x01"]
    cells = [b"\xee" * row.type.size if row.type.kind == "bytes" else 2 ** (4 * row.type.size)
             for row in known.table.fields]  # fmt: skip
    raw = known.record(*cells).encode()
    (legacy,) = (each.find for each in EVIDENCE if each.strength == 20)
    assert legacy(raw) == "288 bytes that read cleanly as schema v1"
    assert payloads.inspect(raw).why == legacy(raw)
    assert not any(legacy(other) for other in (raw[:-1], raw + b"\0", raw[:32] + b"\1" + raw[33:]))


# --- Stork's frames and views ---------------------------------------------------------------------


def _unrecognised(raw: bytes) -> bool:
    try:
        payloads.decode(raw)
    except Malformed as error:
        return "not recognised" in str(error)
    return False


def test_an_update_needs_a_time_or_a_recovery_id() -> None:
    good = update(1)
    no_id = good[:64] + b"\5" + good[65:]
    no_time = good[:67] + bytes(8) + good[75:]
    neither = good[:64] + b"\5" + good[65:67] + bytes(8) + good[75:]
    assert [_unrecognised(raw) for raw in (good, no_id, no_time, neither)] == [
        False, False, False, True,
    ]  # fmt: skip
    # Of another size than Stork's, it needs both.
    assert [_unrecognised(raw + b"\7") for raw in (good, no_id, no_time, neither)] == [
        False, True, True, True,
    ]  # fmt: skip


@pytest.mark.parametrize("at", [4, 36])
@pytest.mark.parametrize(("zeros", "calldata"), [(11, False), (12, True), (13, True)])
def test_calldata_has_twelve_zeros_where_a_signature_has_none(
    at: int, zeros: int, calldata: bool
) -> None:
    """An update of 65 + 10 + 18 * 11 + 3 bytes has a size that calldata has."""
    raw = bytearray(update(29))
    raw = raw[: len(raw) - (len(raw) - 4) % 32]
    raw[:64] = b"\x11" * 64
    raw[at : at + zeros] = bytes(zeros)
    assert _unrecognised(bytes(raw)) is calldata


def test_a_view_numbers_the_assets_and_names_the_signer_once() -> None:
    view = payloads.inspect(update(3))
    ids = [span.path for span in view.spans if span.path.endswith("asset_id")]
    assert ids == [f"assets[{index}].asset_id" for index in range(3)]
    assert [span.path for span in view.spans if SIGNER.address in span.said] == ["v"]


def test_a_broken_versioned_update_is_shown_by_its_own_layout() -> None:
    raw = SIGNER.sign([Asset(1, 2)], timestamp_ns=NOW * 10**9, mask=1).encode()
    for size in (len(raw) - 1, 70):
        view = payloads.inspect(raw[:size], form="signed_ecdsa")
        assert view.error is not None
        assert "mask" in {span.path for span in view.spans}
    with pytest.raises(Malformed) as caught:
        stork.decode(raw[:70])
    assert caught.value.revert_data is None, "no contract reads this layout"
    with pytest.raises(Malformed) as caught:
        stork.decode(update(1)[:70])
    assert caught.value.revert_data == bytes.fromhex("7c6953f9")


def test_a_status_is_shown_where_the_layout_has_one() -> None:
    def said(mask: int | None, status: int | None) -> str:
        value = SIGNER.sign([Asset(1, 2, status)], timestamp_ns=NOW * 10**9, mask=mask)
        return next(row.said for row in stork_rows(value, None) if row.name == "asset 1")

    assert said(None, None) == ""
    assert said(1, None) == ""
    assert said(3, 0).startswith("market: ")


def test_an_update_in_an_argument_has_zeros_behind_it() -> None:
    raw = update(1)
    for padding, found in ((bytes(-len(raw) % 32), 1), (b"\1" * (-len(raw) % 32), 0)):
        data = (32).to_bytes(32, "big") + len(raw).to_bytes(32, "big") + raw + padding
        assert len(embedded(data)) == found


@pytest.mark.parametrize("name", ["id", "v", "ms", "tax", "ts"])
def test_an_unsigned_message_has_numbers_of_their_sizes(name: str) -> None:
    low, high = {"v": (-(2**127), 2**127), "ms": (0, 2**8), "ts": (0, 2**64)}.get(name, (0, 2**16))

    def read(number: int) -> Any:
        asset = {"id": 1, "v": "1", "ms": 1}
        message: dict[str, Any] = {"tax": 1, "ts": 1, "a": [asset]}
        (asset if name in asset else message)[name] = number
        return stork.decode_unsigned(message)

    assert read(low)
    assert read(high - 1)
    for number in (low - 1, high):
        with pytest.raises(Malformed):
            read(number)


@pytest.mark.parametrize("change", ["ab", {"addSignerAddress": 1, "b": 2}, ["addSignerAddress"], 3])
def test_a_change_of_storks_signers_is_a_pair(change: Any) -> None:
    def read(change: Any) -> State:
        past = {"initial_signers": [], "then": [change]}
        return State.from_dict({"contract": "stork-fast-1.0.0-multisigner",
                                "signers": [SIGNER.address], "history": past})  # fmt: skip

    assert read(["addSignerAddress", SIGNER.address])
    with pytest.raises(Misuse, match="not a change of the signers"):
        read(change)


# --- words ----------------------------------------------------------------------------------------


def test_a_duration_is_in_its_two_largest_units() -> None:
    for seconds, said in (
        (0, "0 s"), (1, "1 s"), (61, "1 min 1 s"), (-3, "3 s"), (3600, "1 h"),
        (90_061, "1 d 1 h"), (86_401, "1 d 1 s"),
    ):  # fmt: skip
        assert duration(seconds) == said


@pytest.mark.parametrize("index", [0, 1, 2])
def test_a_signature_with_ethereums_v_is_hinted_at(index: int) -> None:
    digest = keccak256(bytes([index]))
    r, s, v = sign(keccak256(b"a key for this test"), digest)
    signer = address_of(keccak256(b"a key for this test"))

    def hints(v: int) -> list[str]:
        return signature_hints(
            digest, r, s, v, lambda address: "wanted" if address == signer else ""
        )

    assert any("the chain adds 27 itself" in hint for hint in hints(v + 27))
    assert [hint.split(" gives")[0] for hint in hints(28 - v)] == [f"v {v} instead of {28 - v}"]
    assert [hint.split(" gives")[0] for hint in hints(9)] == [f"v {v} instead of 9"]
    assert [hint.split(" gives")[0] for hint in hints(1 - v)] == [f"v flipped to {v}"]


def test_a_signature_beyond_the_order_may_be_one_written_backwards() -> None:
    """Its s is not taken from the order, which is less."""
    digest, s = keccak256(b"digest"), b"\1" * 16 + b"\xff" * 16
    r = next(r for r in (bytes([n]) * 32 for n in range(1, 99)) if recover(digest, r, s, 0))
    signer = recover(digest, r, s, 0)
    (hint,) = signature_hints(
        digest, r[::-1], s[::-1], 1, lambda address: "wanted" if address == signer else ""
    )
    assert hint.startswith("the bytes of r and s reversed, v 0 gives")


def test_half_the_order_is_not_high_where_a_signature_is_explained() -> None:
    """The order minus it is the next number, which has the same signer with the other v."""
    made = stork.decode(update(1))
    half = (CURVE_ORDER // 2).to_bytes(32, "big")
    signer = recover(made.signing_digest, made.r, half, 0)
    assert signer is not None
    state = stork_state(signer=checksum(signer))
    raw = bytes(msgspec.structs.replace(made, s=half, v=1).encode())
    verdict = stork.judge(raw, state)
    assert not verdict.accepted
    said = "; ".join(check.detail for check in verdict.why.checks)
    assert "v flipped to 0" in said
    assert "s is high" not in said


def test_a_type_has_a_width() -> None:
    for name in ("bytes", "uint", "int", "bytes0", "bytes33", "int9", "uint264", "string1"):
        with pytest.raises(ValueError, match=name):
            AbiType.parse(name)


@pytest.mark.parametrize(("first", "sign"), [(0x7F, 0), (0x80, 0xFF), (0xFF, 0xFF)])
@pytest.mark.parametrize("second", [0x00, 0xFF])
def test_the_sign_of_a_number_is_in_its_first_byte(first: int, sign: int, second: int) -> None:
    raw = bytes([first, second]) + bytes(22)
    assert AbiType.parse("int192").padding(raw) == bytes([sign]) * 8
    assert AbiType.parse("uint192").padding(raw) == bytes(8)


def test_hashes_of_a_payload_show_themselves_as_hex() -> None:
    payload = chainlink.decode(full_report())
    for value in (payload.config_digest, payload.report.feed_id):
        assert type(value) is HexBytes


@pytest.mark.parametrize(("at", "field"), [(0, "marker"), (1, "version"), (2, "mask")])
def test_an_unknown_versioned_layout_is_told_with_its_place(at: int, field: str) -> None:
    raw = bytearray(SIGNER.sign([Asset(1, 2)], timestamp_ns=NOW * 10**9, mask=1).encode())
    raw[65 + at] ^= 0x40
    with pytest.raises(Malformed) as caught:
        stork.decode(bytes(raw), layout="versioned")
    assert (caught.value.offset, caught.value.field) == (65 + at, field)


@pytest.mark.parametrize("behind", [0, 7])
def test_a_digest_with_zeros_is_found_where_the_length_fits_exactly(behind: int) -> None:
    payload = chainlink.decode(full_report())
    digest = hexed(b"\0\6" + bytes(12) + b"\1" * 18)
    zeros = msgspec.structs.replace(payload, config_digest=digest, raw=b"")
    raw = zeros.encode()
    data = b"\xab\xcd\xef\1" + (32).to_bytes(32, "big")
    data += (len(raw) + behind).to_bytes(32, "big") + raw + bytes(32)
    assert len(embedded(data)) == (behind == 0)


# --- memory, sizes, ends --------------------------------------------------------------------------


@pytest.mark.parametrize("generation", ["v0.3.0", "v0.5.0"])
@pytest.mark.parametrize("before", [0, 1, 2, 33])
@pytest.mark.parametrize("fee", [0, 1000])
def test_a_payload_leaves_800_bytes_in_the_fee_manager_and_128_more_with_a_fee(
    generation: str, before: int, fee: int
) -> None:
    """Nine words of report: the memory left decides whether a huge length is a panic."""
    good = full_report(native=fee, link=fee)
    state = chainlink_state(generation)
    count = before + 1
    free = 0x80 + 32 + 32 * count + 0x100 * count + 0x80 + (800 + (128 if fee else 0)) * before
    most = (2**64 - 1 - free - 96) // 32 * 32 - 32
    for length, data in ((most, b""), (most + 1, panic(0x41))):
        bad = good[:224] + length.to_bytes(32, "big") + good[256:]
        verdict = chainlink.judge_bulk([good] * before + [bad], state, pay="link")
        assert (verdict.accepted, verdict.revert_data) == (False, data)


def test_a_fee_check_tells_the_size_of_the_report() -> None:
    verdict = chainlink.judge(full_report(), chainlink_state(), pay="link")
    told = [check.inputs["report_bytes"] for check in verdict.checks if check.name == "fee fields"]
    assert told == [288]
    verdict = chainlink.judge(full_report(), chainlink_state("v0.4.0"))
    told = [check.inputs["report_bytes"] for check in verdict.checks if check.name == "timestamps"]
    assert told == [288]


def test_the_size_in_a_snappy_header_has_at_most_five_bytes() -> None:
    assert uncompressed_size(b"\xff\xff\xff\xff\x7f") == 2**35 - 1
    assert uncompressed_size(b"\x80\x01\x80") == 128
    with pytest.raises(Malformed, match="its size does not end") as caught:
        uncompressed_size(b"\x80\x81\x82\x83\x84\x05\x06")
    assert caught.value.found == "0x8081828384"


def test_a_discount_of_a_subscriber_is_told_with_its_address() -> None:
    fees = chainlink_state().to_dict()["fee_manager"]
    mine: dict[str, Any] = {"feed_id": None, "token": "link", "discount": str(10**17)}
    state = chainlink_state(fee_manager=fees | {"discounts": [mine, mine | {"subscriber": CALLER}]})
    told = [value.lower() for name, value in state.facts() if name == "  discount"]
    assert told == ["10% in link, all feeds", f"10% in link, all feeds, {CALLER}"]


def test_a_discount_by_name_holds_for_the_subscriber_of_the_state() -> None:
    """Before the discount that names no subscriber, which is the state's own, too."""
    fees = chainlink_state().to_dict()["fee_manager"]
    feed = "0x" + chainlink.decode(full_report()).report.feed_id.hex()
    mine: dict[str, Any] = {"feed_id": feed, "token": "link", "discount": str(3 * 10**17)}
    named = mine | {"subscriber": CALLER, "discount": str(2 * 10**17)}
    for discounts, fee in (([], 500), ([mine], 350), ([named], 400), ([mine, named], 400)):
        state = chainlink_state(fee_manager=fees | {"discounts": discounts})
        quote = chainlink.quote(full_report(), state)
        assert quote.link is not None
        assert quote.link.fee == fee


def test_the_value_sent_is_the_fee_of_the_sender() -> None:
    fees = chainlink_state().to_dict()["fee_manager"]
    feed = "0x" + chainlink.decode(full_report()).report.feed_id.hex()
    free = {"feed_id": feed, "token": "native", "discount": str(10**18), "subscriber": OTHER}
    state = chainlink_state(fee_manager=fees | {"discounts": [free]})
    sent = systems.named("chainlink").value_sent
    assert sent([full_report()], state, Terms(pay="native", sender=OTHER)) == 0
    assert sent([full_report()], state, Terms(pay="native", sender=CALLER)) > 0
    assert sent([full_report()], state, Terms(pay="native")) > 0


def test_the_report_of_a_bare_report_is_itself() -> None:
    whole = chainlink.decode(full_report())
    bare = payloads.decode(whole.report_blob, form="report").value
    report = systems.named("chainlink").encodings["report"]
    assert report(bare) == report(whole) == whole.report_blob


def test_an_update_may_end_with_the_calldata_it_stands_in() -> None:
    """Without the padding that an encoder would have added."""
    raw = update(1)
    data = (32).to_bytes(32, "big") + len(raw).to_bytes(32, "big") + raw
    assert [found.raw for found in embedded(data)] == [raw]
    assert not embedded(data[:-1])


def test_an_update_may_begin_where_the_last_ended() -> None:
    first, second = update(2), update(1)
    both = embedded(first + second, signers=[SIGNER.address])
    assert [found.raw for found in both] == [first, second]
    # The value of the last asset, read as the length of an argument.
    first = SIGNER.sign([Asset(0, 0), Asset(0, 0), Asset(0, len(second))],
                        timestamp_ns=NOW * 10**9).encode()  # fmt: skip
    data = (32).to_bytes(32, "big") + len(first).to_bytes(32, "big") + first + second
    assert [found.raw for found in embedded(data + bytes(64))] == [second]


@pytest.mark.parametrize(("contract", "count"), [("v0.4.0", 2), ("v0.5.0", 2), ("v0.5.1", 4)])
def test_a_call_of_no_function_is_told_the_functions_there_are(contract: str, count: int) -> None:
    verdict = chainlink.judge_calldata(b"\xab\xcd\xef\x01", chainlink_state(contract))
    (check,) = verdict.checks
    assert check.detail.count("verify") == count
    view = "verifyView" in check.detail
    assert view is (contract == "v0.5.1")
    assert check.detail.endswith("found 0xabcdef01")
    longer = chainlink.judge_calldata(b"\xab\xcd\xef\x01" + bytes(64), chainlink_state(contract))
    assert longer.checks[0].detail == check.detail


def test_a_record_in_a_record_is_shown_longer_than_a_text() -> None:
    class Inner(Record, frozen=True):
        texts: Any

    class Outer(Record, frozen=True):
        value: Any

    assert len(repr(Outer("a" * 500))) < 150
    inner = Inner(0)
    for _ in range(100):
        inner = Inner(inner)
    assert 600 < len(repr(inner)) < 630


@pytest.mark.parametrize("name", ["a.json", "a.toml"])
@pytest.mark.parametrize(("levels", "said"), [(500, "unknown key"), (501, "nested too deeply")])
def test_a_state_file_is_nested_at_most_500_levels(
    name: str, levels: int, said: str, tmp_path: Path
) -> None:
    lists = levels - (name == "a.json")  # which has the object around them
    deep = "[" * lists + "]" * lists
    path = tmp_path / name
    path.write_text(f'{{"odd": {deep}, "contract": "v0.5.0"}}' if name == "a.json" else
                    f'odd = {deep}\ncontract = "v0.5.0"')  # fmt: skip
    with pytest.raises(Misuse) as caught:
        State.load(path)
    assert ("nested too deeply" in str(caught.value)) == (said == "nested too deeply")


def test_a_state_file_has_at_most_a_million_values(tmp_path: Path) -> None:
    """More are refused before they are parsed."""
    path = tmp_path / "state.json"
    path.write_text('{"odd": [' + "0," * 1_000_000 + "0]}")
    with pytest.raises(Misuse, match="at most 1000000 values"):
        State.load(path)


def test_the_limits_are_these_numbers() -> None:
    """Other tests stand on both sides of a limit, wherever it is."""
    assert solidity.MAX_ELEMENT_BYTES == 16_777_216
    assert solidity.FREE_MEMORY == 128
    assert (chainlink_states.MAX_SIGNERS, stork_states.MAX_SIGNERS) == (31, 8)
    assert (chainlink_checks.MOST_V, stork_checks.MOST_V) == (228, 228)
    assert stork_checks.MOST_ASSETS == 65_535
    assert states.MAX_STATE_BYTES == 8_388_608
    assert (states.MAX_TOML_BYTES, states.MAX_TOML_DOTS) == (1_048_576, 32)
    assert verdict_checks.MOST_EXPLAINED == 1_000
    assert OLD_SECONDS == 24 * 60 * 60
    assert (chainlink_places._MOST_SIGNATURES, stork_places._MOST_ASSETS) == (64, 200)
    assert (stork_places._MOST_TRIES, stork_places._BYTES_A_TRY) == (2_000, 4_096)
    assert stork_checks.HALF_ORDER == CURVE_ORDER // 2


def test_a_line_of_toml_has_at_most_32_dots(tmp_path: Path) -> None:
    path = tmp_path / "state.toml"
    state = stork_state()
    text = "".join(f"{key} = {json.dumps(value)}\n" for key, value in state.to_dict().items())
    path.write_text("# " + "." * 32 + "\n" + text)
    assert State.load(path) == state
    path.write_text("# " + "." * 33 + "\n" + text)
    with pytest.raises(Misuse, match="too many dots"):
        State.load(path)


# --- sizes and forms ------------------------------------------------------------------------------


def test_a_tuple_of_four_is_shown_by_its_length() -> None:
    class Holder(Record, frozen=True):
        value: Any

    assert repr(Holder((1, 2, 3))) == "Holder(value=(1, 2, 3))"
    assert repr(Holder((1, 2, 3, 4))) == "Holder(value=<4 × int>)"


def test_an_absent_value_is_null_in_json() -> None:
    wide = Field("value", AbiType.parse("int128"))
    assert wide.json(None) is None
    assert wide.json(5) == "5"


def test_calldata_needs_a_word_for_each_argument() -> None:
    """Even where the words that are there are zeros, which point at themselves."""
    for name, words in (("verify", 2), ("verifyView", 1)):
        (function,) = (known for known in FUNCTIONS if known.name == name)
        for size in range(32 * words):
            call = function.selector + bytes(size)
            verdict = chainlink.judge_calldata(call, chainlink_state("v0.5.1"))
            assert verdict.revert_data == b""
            assert [check.name for check in verdict.checks] == ["calldata"]


@pytest.mark.parametrize("pay", [None, b""])
def test_a_call_names_no_token_where_nothing_is_charged(pay: bytes | None) -> None:
    raw = full_report()
    free = chainlink_state(fee_manager=None)
    call = chainlink.encode_calldata(raw, pay=pay, state=free)
    assert call == chainlink.encode_calldata(raw)
    assert chainlink.judge_calldata(call, free).accepted
    with pytest.raises(Misuse, match="the fee manager charges"):
        chainlink.encode_calldata(raw, pay=pay, state=chainlink_state())
    with pytest.raises(Misuse, match="a state of another system"):
        chainlink.encode_calldata(raw, pay=pay, state=stork_state())
    assert chainlink.encode_calldata(raw, "verifyView", state=chainlink_state("v0.5.1"))


def test_snappy_holds_at_most_a_payload() -> None:
    most = bytes(4 * 2**20)
    assert decompress(compress(most)) == most
    with pytest.raises(Malformed, match="would decompress to too much"):
        decompress(compress(most + b"\0"))


@pytest.mark.parametrize(("each", "evident"), [(1, False), (2, False), (3, False), (4, True)])
def test_snappy_of_short_pieces_is_no_evidence(each: int, evident: bool) -> None:
    """A literal has a byte in front: an encoder that found nothing to copy writes long ones."""
    raw = full_report()
    size = len(raw)
    data = bytes([size & 0x7F | 0x80, size >> 7])
    for at in range(0, size, each):
        piece = raw[at : at + each]
        data += bytes([(len(piece) - 1) << 2]) + piece
    assert decompress(data) == raw
    assert bool(snappy_evidence(data)) is evident


_LITERAL = b"\x0cabcd"
_LONG = 300


@pytest.mark.parametrize(
    ("elements", "well"),
    [
        (_LITERAL + bytes([0 << 2 | 1, 4]), True),
        (_LITERAL + bytes([0 << 2 | 1, 5]), False),
        (_LITERAL + bytes([1 << 5 | 1, 4]), False),
        (_LITERAL + bytes([63 << 2 | 2, 4, 0]), True),
        (_LITERAL + bytes([63 << 2 | 2, 4, 1]), False),
        (_LITERAL + bytes([63 << 2 | 2, 0, 0]), False),
        (_LITERAL + bytes([9 << 2 | 3, 4, 0, 0, 0]), True),
        (_LITERAL + bytes([9 << 2 | 3, 4, 0, 0, 1]), False),
        (bytes([0 << 2 | 1, 1]), False),
        (bytes([61 << 2]) + (_LONG - 1).to_bytes(2, "little") + bytes(_LONG), True),
        (bytes([61 << 2]) + (_LONG - 1).to_bytes(2, "little") + bytes(_LONG - 1), False),
        (bytes([61 << 2]) + b"\x2b\x01" + bytes(_LONG) + bytes([63 << 2 | 2, 44, 1]), True),
        (bytes([61 << 2]) + b"\x2b\x01" + bytes(_LONG) + bytes([63 << 2 | 2, 45, 1]), False),
    ],
)
def test_what_cannot_be_snappy_is_not_decompressed(elements: bytes, well: bool) -> None:
    import cramjam

    sizes = [*range(4, 15), 64, 68, _LONG, _LONG + 64]
    found = False
    for size in sizes:
        data = bytes([size & 0x7F | 0x80, size >> 7]) + elements
        assert begins_well(data) is well
        try:
            found = found or len(cramjam.snappy.decompress_raw(data)) == size
        except cramjam.DecompressionError:
            continue
    assert found is well


def test_snappy_begins_well_whatever_is_in_it() -> None:
    random = Random(8)
    for _ in range(300):
        alphabet = bytes(range(random.choice((1, 2, 4, 200))))
        raw = bytes(random.choices(alphabet, k=random.randrange(600)))
        assert begins_well(compress(raw))


def test_wrapped_native_is_paid_without_value() -> None:
    assert chainlink.judge(full_report(), chainlink_state(), pay="wrapped", value=0).accepted
    with pytest.raises(Misuse, match="no value is sent"):
        chainlink.judge(full_report(), chainlink_state(), pay="wrapped", value=1)


def test_a_payload_made_here_has_parts_and_may_get_other_sizes() -> None:
    payload = chainlink.decode(full_report())
    made = msgspec.structs.replace(payload, raw=b"")
    assert made.parts == payload.parts
    fewer = msgspec.structs.replace(payload, rs=payload.rs[:2], ss=payload.ss[:2])
    assert chainlink.decode(fewer.encode()).rs == payload.rs[:2]
    # In a layout of its own a payload keeps its sizes.
    odd = chainlink.decode(payload.raw + b"\1")
    more = msgspec.structs.replace(odd, rs=(*odd.rs, bytes(32)))
    with pytest.raises(Misuse, match="keeps its sizes") as caught:
        more.encode()
    assert (caught.value.field, caught.value.expected, caught.value.found) == (
        "rs[6]", "0 bytes", "32",
    )  # fmt: skip
    longer = msgspec.structs.replace(odd, report_blob=odd.report_blob + b"\1")
    with pytest.raises(Misuse, match="keeps its sizes") as caught:
        longer.encode()
    assert (caught.value.field, caught.value.expected) == ("report_blob", "288 bytes")


def test_a_schema_that_is_named_is_taken() -> None:
    raw = full_report()
    assert chainlink.decode(raw).report.schema.key == "v3"
    found = chainlink.decode(raw, schema="v2")
    assert (found.report.schema.key, found.guess) == ("v2", "named by the caller")
    with pytest.raises(Malformed):
        chainlink.decode(raw, schema="v8")


def test_an_unsigned_report_is_held_to_the_profile() -> None:
    blob = chainlink.decode(full_report()).report_blob
    assert chainlink.decode_report(blob + b"\1").departures
    with pytest.raises(Malformed):
        chainlink.decode_report(blob + b"\1", profile=CANONICAL)
    assert chainlink.decode_report(blob, profile=CANONICAL).report.schema.key == "v3"


def test_a_feed_is_the_first_word_of_the_report() -> None:
    (feed,) = systems.named("chainlink").feeds(full_report())
    assert feed == chainlink.decode(full_report()).report.feed_id
    (feed,) = systems.named("chainlink").feeds(NETWORK.sign(b"\0\x7f\7", by=[0]).encode())
    assert feed == b"\0\x7f\7" + bytes(29)


def test_an_unsigned_update_is_not_judged() -> None:
    unsigned = stork.decode_unsigned({"tax": 1, "ts": 2, "a": []})
    for judge in (stork.judge, stork.verify):
        with pytest.raises(Misuse, match="not signed"):
            judge(unsigned, stork_state())  # type: ignore[arg-type]


def test_a_time_to_judge_at_is_a_number() -> None:
    for how in ({"at": "now"}, {"at": True}, {"now": 1.5}):
        with pytest.raises(Misuse, match="not a time"):
            chainlink.judge(full_report(), chainlink_state(), **how)


# --- signatures -----------------------------------------------------------------------------------


@pytest.mark.parametrize("above", [0, 1])
def test_a_high_s_is_above_half_the_order(above: int) -> None:
    """Signers are those that come out, so any s can be signed with."""
    payload = chainlink.decode(full_report())
    s = (CURVE_ORDER // 2 + above).to_bytes(32, "big")
    rs = [r for r in payload.rs if recover(payload.signing_digest, r, s, 0) is not None][:2]
    other = msgspec.structs.replace(
        payload, rs=tuple(rs), ss=(s, s), raw_vs=bytes(32), raw=b""
    ).encode()
    signers = ["0x" + recover(payload.signing_digest, r, s, 0).hex() for r in rs]
    config = {"config_digest": "0x" + payload.config_digest.hex(), "f": 1,
              "signers": [*signers, CALLER, OTHER]}  # fmt: skip
    verdict = chainlink.judge(other, chainlink_state(fee_manager=None, configs=[config]))
    assert verdict.accepted
    assert ("high-s" in _codes(verdict)) is bool(above)


@pytest.mark.parametrize("size", [0, 3, 4, 5, 35, 36, 37])
def test_an_unknown_error_has_a_selector_if_it_is_long_enough(size: int) -> None:
    data = b"\xde\xad\xbe\xef".ljust(size, b"\1")[:size]
    found = read_revert(data)
    assert found.selector == (data[:4] if size >= 4 else None)
    assert (found.error, found.args) == (None, ())


def test_the_arguments_of_an_error_have_their_types() -> None:
    digest = b"\7" * 32
    for error, given in ((DIGEST_INACTIVE_V5, (digest,)), (INCORRECT_SIGNATURE_COUNT, (3, 2**255))):
        data = error.data(*given)
        found = read_revert(data)
        assert (found.error, found.args) == (error.name, given)
        assert error.read(data + b"\0") is None
        assert error.read(data[:-1]) is None
    assert type(read_revert(DIGEST_INACTIVE_V5.data(digest)).args[0]) is HexBytes


def test_a_verdict_is_equal_to_verdicts_only() -> None:
    verdict = stork.judge(update(1), stork_state())
    assert verdict == stork.judge(update(1), stork_state())
    assert verdict != stork.judge(update(2), stork_state(verification_fee=7))
    assert verdict not in (True, None, "accepted")


@pytest.mark.parametrize("generation", ["v0.3.0", "v0.4.0", "v0.5.0"])
def test_a_state_may_know_a_payload_by_its_digest(generation: str) -> None:
    state = chainlink_state(generation)
    assert state.may_know(full_report())
    assert state.may_know(b"\7" * 500) is (generation == "v0.4.0")


def test_further_findings_stand_behind_the_others() -> None:
    verdict = chainlink.judge(full_report(), chainlink_state(fee_manager=None))
    more = HAZARDS["crossed"].found("for a test")
    again = verdict.with_findings([more])
    assert again == verdict
    assert again.findings == (*verdict.findings, more)
    assert again.why.findings == (*verdict.why.findings, more)
    assert again.checks == verdict.checks


# --- long bulk calls ------------------------------------------------------------------------------


@pytest.mark.parametrize("bad", [None, 0, 1, 2, 3, 5])
@pytest.mark.parametrize("generation", ["v0.4.0", "v0.5.0"])
def test_only_the_first_payloads_of_a_bulk_call_are_explained(
    monkeypatch: pytest.MonkeyPatch, generation: str, bad: int | None
) -> None:
    """And the payload that the chain stops at, wherever it is."""
    monkeypatch.setattr("payloads.verdicts.checks.MOST_EXPLAINED", 2)
    good, wrong = full_report(), full_report()[:-40] + bytes(40)
    raws = [wrong if index == bad else good for index in range(6)]
    state = chainlink_state(generation, access_controller={"allowed": [CALLER]})
    verdict = chainlink.judge_bulk(raws, state, pay="link")
    assert verdict.accepted is (bad is None)
    assert verdict.payload == bad
    told = {check.payload for check in verdict.checks if check.payload is not None}
    assert told == {0, 1, *([] if bad is None else [bad])}
    skipped = [check for check in verdict.checks if "not asked: only" in check.detail]
    after_a_refusal = ["deposit"] if generation == "v0.4.0" and bad is not None else []
    assert [check.name for check in skipped] == after_a_refusal
    assert all(check.passed is None for check in skipped)
    assert sum(check.decided for check in verdict.checks) == (bad is not None)


def test_the_past_of_a_state_is_told_from_the_latest_change_back() -> None:
    past: list[dict[str, Any]] = [
        {"until": NOW - 20, "fee_manager": None},
        {"until": NOW - 10, "access_controller": None},
        {"until": NOW - 15, "access_controller": {"allowed": []}},
    ]
    for history in (past, past[::-1], past[1:] + past[:1]):
        state = chainlink_state(access_controller={"allowed": [OTHER]}, history=history)
        for time, allowed, free in (
            (NOW - 10, (HexBytes(OTHER),), False),
            (NOW - 11, None, False),
            (NOW - 15, None, False),
            (NOW - 16, (), False),
            (NOW - 20, (), False),
            (NOW - 21, (), True),
        ):
            then = state.at(time)
            access = then.access_controller
            assert (None if access is None else access.allowed) == allowed
            assert (then.fee_manager is None) is free
            assert [earlier.until for earlier in then.history] == [
                entry["until"] for entry in history if entry["until"] <= time
            ]


def test_the_age_of_a_state_is_counted_from_when_it_was_read() -> None:
    for fetched, own, now, age in (
        (None, NOW, None, 0), (None, NOW, NOW + 5, 5), (NOW - 7, NOW, None, 7),
        (NOW - 7, NOW, NOW + 1, 8), (NOW - 7, None, None, None), (None, None, NOW, None),
    ):  # fmt: skip
        changes: dict[str, Any] = {"now": own, "fetched_at": fetched}
        assert chainlink_state(fee_manager=None, **changes).age(now) == age


# --- the reader of whole payloads -----------------------------------------------------------------


@pytest.mark.parametrize("count", [0, 1, 6, 64])
def test_a_payload_of_a_published_schema_is_read_at_once(
    monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    """And as it is when it is taken apart first."""
    for prefix, table in PUBLISHED_TABLES.items():
        cells = [
            prefix.ljust(row.type.size, b"\7") if row.type.kind == "bytes" else number
            for number, row in enumerate(table.fields)
        ]
        payload = NETWORK.sign(SCHEMAS[prefix].record(*cells), by=[])
        words = tuple(bytes([index, 1]) * 16 for index in range(count))
        changes = {"rs": words, "ss": words[::-1], "raw": b"", "raw_vs": b"\3" * 32}
        raw = msgspec.structs.replace(payload, **changes).encode()
        apart = report_module.decode_in_parts(raw, None)
        with monkeypatch.context() as patch:
            patch.setattr(report_module, "decode_in_parts", None)
            assert chainlink.decode(raw) == apart
        assert chainlink.decode(raw, schema=prefix[1]).report == apart.report


@pytest.mark.parametrize("flipped", [0x01, 0x80])
def test_a_payload_with_a_wrong_byte_is_read_as_if_it_were_taken_apart(flipped: int) -> None:
    raw = full_report()
    for at in range(96, len(raw), 3):
        bad = raw[:at] + bytes([raw[at] ^ flipped]) + raw[at + 1 :]
        outcomes: list[Any] = []
        for read in (chainlink.decode, lambda raw: report_module.decode_in_parts(raw, None)):
            try:
                outcomes.append(read(bad))
            except Malformed as error:
                outcomes.append((str(error), error.offset, error.field, error.revert_data))
        assert outcomes[0] == outcomes[1], at


@pytest.mark.parametrize("key", ["observationsTimestamp", "validFromTimestamp"])
def test_a_frame_of_the_usual_members_is_read_in_one_pass(key: str) -> None:
    def read(time: int) -> Any:
        frame = {"feedID": "0x00", "fullReport": "0x01", "observationsTimestamp": 1,
                 "validFromTimestamp": 1}  # fmt: skip
        return plain_report(json.dumps({"report": frame | {key: time}}))

    for time in (0, 1, 2**63 - 1):
        assert getattr(read(time), key) == time
    assert read(-1) is read(2**63) is None


@pytest.mark.parametrize("at", [96, 128, 160])
def test_the_first_byte_of_an_offset_counts(at: int) -> None:
    raw = corpus.entry("cl-001").raw
    # A spare byte at the end, so that no encoder would have written it.
    odd = raw + b"\0"
    assert split(odd) is not None
    assert split(odd[:at] + b"\1" + odd[at + 1 :]) is None


@pytest.mark.parametrize("v", [0, 1])
def test_a_signature_with_a_high_s_is_told_the_low_one(v: int) -> None:
    """The order minus s, with the other v, has the same signer."""
    signed = (stork.decode(update(count)) for count in range(1, 50))
    made = next(each for each in signed if each.v == v)
    high = (CURVE_ORDER - int.from_bytes(made.s, "big")).to_bytes(32, "big")
    raw = bytes(msgspec.structs.replace(made, s=high, v=1 - v).encode())
    checks = stork.judge(raw, stork_state()).why.checks
    said = f"s is high, which this contract refuses: with v {v}, low s is good"
    assert any(said in check.detail for check in checks)


def test_a_field_that_is_absent_is_null_whatever_its_type() -> None:
    """A wide field has a string in JSON, and `None` would be one."""
    assert json_fields(Asset(1)) == {"asset_id": 1, "value": None, "market_status": None}
    assert json_fields(Asset(1, 2, 3)) == {"asset_id": 1, "value": "2", "market_status": 3}
