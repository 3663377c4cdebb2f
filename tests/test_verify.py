"""Beyond the answer: explanations, findings, quotes, states from files and from the past."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import payloads
from payloads.abi.solidity import Argument, encode
from payloads.chainlink import quotes, verifier
from payloads.chainlink.calldata import VERIFY_BULK, encode_calldata
from payloads.chainlink.findings import HAZARDS
from payloads.chainlink.report import FULL_REPORT, decode_envelope
from payloads.chainlink.state import SCALE, ChainlinkState
from payloads.cli.verify import verdict_lines
from payloads.crypto import CURVE_ORDER, address_of, checksum, keccak256, sign
from payloads.errors import Malformed, Misuse, Refused
from payloads.stork import verifier as stork
from payloads.stork.findings import HAZARDS as STORK_HAZARDS
from payloads.stork.state import StorkState
from payloads.verdicts.contract_errors import read_revert
from payloads.verdicts.state import State
from payloads.verdicts.verdict import ContractRefusal, Reverted, Verdict

NOW = 1_700_000_000
KEYS = [(index + 1).to_bytes(32, "big") for index in range(12)]
SIGNERS = [address_of(key) for key in KEYS]
DIGEST, OTHER = b"\x00\x06" + b"\x11" * 30, b"\x00\x09" + b"\x22" * 30
FEED = b"\x00\x03" + b"\x33" * 30
LINK, NATIVE, CALLER = "0x" + "1c" * 20, "0x" + "2d" * 20, "0x" + "bb" * 20
GENERATIONS = ["v0.3.0", "v0.4.0", "v0.5.0"]


def word(value: int) -> bytes:
    return (value % 2**256).to_bytes(32, "big")


def hexes(raws: list[bytes]) -> list[str]:
    return ["0x" + raw.hex() for raw in raws]


def world(generation: str = "v0.5.0", **changes: Any) -> dict[str, Any]:
    """Two configs of four signers each: the first is active, the second is not."""
    configs: list[dict[str, Any]] = [
        {"signers": hexes(SIGNERS[:4]), "f": 1, "active": True},
        {"signers": hexes(SIGNERS[4:8]), "f": 1, "active": False},
    ]
    for config, digest, activation in zip(configs, (DIGEST, OTHER), (0, NOW + 10), strict=True):
        if generation == "v0.4.0":
            config["activation_time"] = activation
        else:
            config["config_digest"] = "0x" + digest.hex()
        if generation == "v0.3.0":
            config["feed_id"] = "0x" + FEED.hex()
    return {
        "contract": generation,
        "now": NOW,
        "subscriber": CALLER,
        "configs": configs,
        "fee_manager": None,
    } | changes


def state(generation: str = "v0.5.0", **changes: Any) -> ChainlinkState:
    return ChainlinkState.from_dict(world(generation, **changes))


def fees(**changes: Any) -> dict[str, Any]:
    return {"link": LINK, "native": NATIVE, "native_surcharge": "0", "discounts": []} | changes


def report(
    feed: bytes = FEED,
    observed: int = NOW - 5,
    native: int = 10**15,
    link: int = 3 * 10**17,
    expires: int = NOW + 60,
    prices: tuple[int, int, int] = (100, 99, 101),
) -> bytes:
    head = (observed, observed, native, link, expires)
    return feed + b"".join(map(word, (*head, *prices)))


Damage = Callable[[list[bytes], list[bytes], list[int]], None]


def payload(
    blob: bytes | None = None,
    keys: tuple[int, ...] = (0, 1),
    digest: bytes = DIGEST,
    signed_under: bytes | None = None,
    damage: Damage = lambda rs, ss, vs: None,
    spare: bytes = b"",
) -> bytes:
    blob = report() if blob is None else blob
    rest = (word(7), bytes(32))
    hashed = keccak256(blob) + (signed_under or digest) + b"".join(rest)
    made = [sign(KEYS[key], keccak256(hashed)) for key in keys]
    rs, ss, vs = (list(column) for column in zip(*made, strict=True))
    damage(rs, ss, vs)
    raw_vs = (bytes(vs) + spare).ljust(32, b"\0")
    return encode(FULL_REPORT, ((digest, *rest), blob, rs, ss, raw_vs))


def codes(verdict: Verdict) -> set[str]:
    return {finding.code for finding in verdict.findings}


def failing(verdict: Verdict) -> dict[str, str]:
    return {check.name: check.detail for check in verdict.problems}


# --- verdicts -------------------------------------------------------------------------------------


@pytest.mark.parametrize("generation", GENERATIONS)
def test_accepted_returns_the_report(generation: str) -> None:
    raw = payload()
    verdict = verifier.judge(raw, state(generation))
    assert verdict.accepted
    assert verdict.returned == report()
    assert verdict.revert_data is None
    assert verdict.revert is None
    assert verdict.problems == ()
    assert verifier.verify(raw, state(generation)) == verdict
    for form in ("0x" + raw.hex(), raw.hex().upper(), bytearray(raw), decode_envelope(raw)):
        assert verifier.judge(form, state(generation)) == verdict


def test_reverted_has_the_contracts_own_error() -> None:
    verdict = verifier.judge(payload(keys=(0, 1, 2)), state())
    assert isinstance(verdict, Reverted)
    assert (verdict.error, verdict.args) == ("IncorrectSignatureCount", (3, 2))
    assert verdict.selector == bytes.fromhex("5348a282")
    assert verdict.revert_data == bytes.fromhex("5348a282") + word(3) + word(2)


def test_verify_raises_with_the_same_facts() -> None:
    with pytest.raises(Refused) as caught:
        verifier.verify(payload(digest=OTHER), state())
    error = caught.value
    assert isinstance(error, ContractRefusal)
    assert error.verdict is not None
    assert error.revert_data == error.verdict.revert_data
    assert error.field == "config"
    assert "DigestInactive" in str(error)
    assert error.to_dict()["verdict"]["revert"]["error"] == "DigestInactive"
    again = pickle.loads(pickle.dumps(error))
    assert again.verdict.revert_data == error.revert_data
    assert again.verdict.explanation == error.verdict.explanation


def test_bulk_fails_as_one() -> None:
    good, bad = payload(), payload(keys=(0, 9))
    verdict = verifier.judge_bulk([good, good], state())
    assert verdict.returned == (report(), report())
    verdict = verifier.judge_bulk([good, bad, payload(digest=OTHER)], state())
    assert verdict.name == "BadVerification"
    wrong = {(check.payload, check.name) for check in verdict.problems}
    assert wrong == {(1, "signatures"), (1, "signature 1"), (2, "config"), (2, "signatures")} | {
        (2, f"signature {index}") for index in range(2)
    }
    assert verifier.judge_bulk([], state()).returned == ()


def test_calldata_is_judged_with_its_own_decoder() -> None:
    raw = payload()
    assert verifier.judge_calldata(encode_calldata(raw), state()).returned == report()
    for bad in (b"", b"\0" * 4, encode_calldata(raw)[:-64]):
        verdict = verifier.judge_calldata(bad, state())
        assert (verdict.name, verdict.revert_data) == ("revert (empty)", b"")
        assert verdict.checks[0].decided
    # The second element lies outside: the first decides what v0.5.0 says, if it is bad too.
    calldata = bytearray(VERIFY_BULK.calldata([payload(digest=OTHER), raw], b""))
    second = 4 + 64 + 32 + 32
    calldata[second : second + 32] = word(2**40)
    assert verifier.judge_calldata(bytes(calldata), state()).error == "DigestInactive"
    assert verifier.judge_calldata(bytes(calldata), state("v0.4.0")).revert_data == b""


def test_access_controller() -> None:
    closed = state(access_controller={"allowed": []})
    assert verifier.judge(payload(), closed).error == "AccessForbidden"
    listed = state(access_controller={"allowed": [CALLER]})
    assert verifier.judge(payload(), listed).accepted
    assert not verifier.judge(payload(), listed, sender="0x" + "aa" * 20).accepted
    assert verifier.judge(payload(), state(access_controller={"allowed": None})).accepted


def test_an_access_controller_that_looks_at_the_origin() -> None:
    """SimpleReadAccessController: an account that signs and calls by itself needs no entry."""
    other = "0x" + "aa" * 20
    read = state(access_controller={"allowed": [other], "admits_origins": True})
    assert State.from_dict(read.to_dict()) == read
    assert "sign the transaction themselves" in dict(read.facts())["may call"]
    cases: list[tuple[dict[str, Any], bool]] = [
        ({}, True),  # the subscriber, as its own origin
        ({"origin": other}, False),  # the subscriber is a contract that `other` calls
        ({"sender": other, "origin": CALLER}, True),  # listed
        ({"sender": "0x" + "cc" * 20}, True),
        ({"sender": "0x" + "cc" * 20, "origin": CALLER}, False),
    ]
    for who, accepted in cases:
        for verdict in (
            verifier.judge(payload(), read, **who),
            verifier.judge_bulk([payload()], read, **who),
            verifier.judge_calldata(encode_calldata(payload()), read, **who),
            verifier.judge_many([payload()], read, **who)[0],
            payloads.judge(payload(), read, **who),
            payloads.judge(encode_calldata(payload()), read, **who),
            payloads.judge_many([payload()], read, **who)[0],
        ):
            assert verdict.accepted is accepted, who
            assert accepted or "did not sign the transaction itself" in verdict.explanation
    listed = state(access_controller={"allowed": [other]})
    assert not verifier.judge(payload(), listed, origin=other).accepted
    with pytest.raises(Misuse, match="origin"):
        verifier.judge(payload(), listed, origin="me")


def test_a_contract_is_never_the_origin_of_its_calls() -> None:
    controller = {"allowed": [], "admits_origins": True}
    contract = state(access_controller=controller, subscriber_is_contract=True)
    assert State.from_dict(contract.to_dict()) == contract
    assert "(a contract)" in dict(contract.facts())["subscriber"]
    assert verifier.judge(payload(), contract).error == "AccessForbidden"
    assert verifier.judge(payload(), contract, sender=CALLER).error == "AccessForbidden"
    assert verifier.judge(payload(), contract, sender="0x" + "aa" * 20).accepted
    assert verifier.judge(payload(), state(access_controller=controller)).accepted


def test_what_cannot_be_judged_is_misuse() -> None:
    nobody = State.from_dict({**world(access_controller={"allowed": []}), "subscriber": None})
    timeless = State.from_dict({**world(fee_manager=fees()), "now": None})
    signer = State.from_dict({"contract": "stork-fast-1.0.0", "signer": CALLER})
    for bad, key in ((nobody, "sender"), (timeless, "now"), (signer, "state")):
        with pytest.raises(Misuse) as caught:
            verifier.judge(payload(), bad)  # type: ignore[arg-type]
        assert caught.value.field == key
    with pytest.raises(Misuse):
        verifier.judge(payload(), state(), value=-1)
    with pytest.raises(Malformed):
        verifier.judge("0xzz", state())
    assert verifier.judge("0x", state()).error == "VerifierNotFound"


# --- explanations ---------------------------------------------------------------------------------


def _set_v(value: int) -> Damage:
    def change(rs: list[bytes], ss: list[bytes], vs: list[int]) -> None:
        vs[1] = value if value >= 0 else 1 - vs[1]

    return change


def _mangle_v(rs: list[bytes], ss: list[bytes], vs: list[int]) -> None:
    vs[1] += 27


def _negate_s(rs: list[bytes], ss: list[bytes], vs: list[int]) -> None:
    ss[1] = word(CURVE_ORDER - int.from_bytes(ss[1], "big"))


def _high_s(rs: list[bytes], ss: list[bytes], vs: list[int]) -> None:
    """The same signature's twin: as good to ecrecover."""
    _negate_s(rs, ss, vs)
    _set_v(-1)(rs, ss, vs)


def _swap(rs: list[bytes], ss: list[bytes], vs: list[int]) -> None:
    rs[1], ss[1] = ss[1], rs[1]


@pytest.mark.parametrize("generation", GENERATIONS)
@pytest.mark.parametrize(
    ("damage", "hint"),
    [
        (_set_v(-1), "v flipped to"),
        (_mangle_v, "the chain adds 27 itself"),
        (_negate_s, "s replaced by the order minus s"),
        (_swap, "r and s exchanged"),
    ],
)
def test_bad_verification_says_what_would_repair_it(
    generation: str, damage: Damage, hint: str
) -> None:
    verdict = verifier.judge(payload(damage=damage), state(generation))
    assert verdict.name == "BadVerification"
    details = failing(verdict)
    assert "signature 0" not in details
    assert hint in details["signature 1"]
    assert f"{checksum(SIGNERS[1])}, signer 1 of this config" in details["signature 1"]


def test_signers_of_other_configs_are_named() -> None:
    details = failing(verifier.judge(payload(keys=(0, 5)), state()))
    expected = f"{checksum(SIGNERS[5])}: not in this config, but signer 1 of config 0x{OTHER.hex()}"
    assert details["signature 1"].startswith(expected + " (deactivated)")
    details = failing(verifier.judge(payload(keys=(0, 11)), state()))
    assert details["signature 1"] == f"{checksum(SIGNERS[11])}: not a known signer"


def test_a_report_signed_under_another_digest_is_recognised() -> None:
    details = failing(verifier.judge(payload(signed_under=OTHER), state()))
    assert f"it signs this report under config 0x{OTHER.hex()}" in details["signature 0"]


def test_duplicates_are_named() -> None:
    for generation in GENERATIONS:
        verdict = verifier.judge(payload(keys=(2, 2)), state(generation))
        assert verdict.name == "BadVerification"
        assert "distinct signers" in failing(verdict)
        details = {check.name: check.detail for check in verdict.checks}
        assert "signed already as signature 0" in details["signature 1"]


def test_all_that_is_wrong_is_told_and_the_deciding_check_marked() -> None:
    verdict = verifier.judge(
        payload(report(expires=NOW - 1), keys=(0, 5, 5), digest=OTHER),
        state(fee_manager=fees()),
        pay="0x" + "99" * 20,
    )
    assert verdict.error == "InvalidQuote"
    assert [check.name for check in verdict.checks if check.decided] == ["quote"]
    assert {
        "quote",
        "expiry",
        "config",
        "signature count",
        "signatures",
        "distinct signers",
    } <= set(failing(verdict))


def test_v4_tells_what_the_verifier_hides() -> None:
    verdict = verifier.judge(
        payload(report(expires=NOW - 1)),
        state("v0.4.0", fee_manager=fees()),
        pay=LINK,
    )
    assert verdict.name == "BadVerification"
    assert "ExpiredReport, which the verifier hides" in failing(verdict)["expiry"]


def test_undecodable_payloads_are_explained_as_far_as_they_go() -> None:
    verdict = verifier.judge(payload()[:100], state())
    assert verdict.name == "revert (empty)"
    assert [check.passed for check in verdict.checks] == [True, True, False] + [None] * 5
    assert "shorter than its head" in failing(verdict)["decoding"]


def test_a_verdict_names_its_state_and_age() -> None:
    known = state(
        network="testnet", block_number=5, fetched_at=NOW - 90, source="written by hand", world="w"
    )
    verdict = verifier.judge(payload(), known)
    assert verdict.age == 90
    assert verdict.sentence == (
        "accepted (state: w, v0.5.0, block 5, written by hand; 90 s old, judged at its own time)"
    )
    details = verdict.to_dict()["state"]
    assert (details["source"], details["age"], details["judged_at"]) == ("written by hand", 90, NOW)
    assert json.loads(json.dumps(verdict.to_dict()))["returned"] == "0x" + report().hex()
    assert repr(verdict) == "Accepted(accepted)"


def test_nothing_is_explained_before_it_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    def explain(_: object) -> None:
        pytest.fail("explained")

    monkeypatch.setattr(verifier, "explain", explain)
    assert verifier.judge(payload(), state()).accepted


# --- findings -------------------------------------------------------------------------------------


def _finds(code: str, raw: bytes | None = None, generation: str = "v0.5.0", **how: Any) -> None:
    changes = how.pop("changes", {})
    verdict = verifier.judge(payload() if raw is None else raw, state(generation, **changes), **how)
    assert verdict.accepted
    assert code in codes(verdict)
    found = next(finding for finding in verdict.findings if finding.code == code)
    assert (found.sentence, found.reference) == (HAZARDS[code].sentence, HAZARDS[code].reference)
    assert verdict.to_dict()["findings"]


def test_findings_on_accepted_calls() -> None:
    pay = {"fee_manager": fees()}
    _finds("no-expiry-check")
    _finds("any-feed")
    _finds("digest-ignored", generation="v0.4.0")
    _finds("value-kept", value=1)
    _finds("refund", changes=pay, value=2, pay=LINK)
    _finds("expired", payload(report(expires=NOW - 1)))
    _finds("from-the-future", payload(report(observed=NOW + 1)))
    _finds("not-yet-valid", payload(report(observed=NOW + 1)))
    _finds("crossed", payload(report(prices=(100, 101, 100))))
    _finds("price-not-positive", payload(report(prices=(-1, -2, 0))))
    _finds("unreadable-report", payload(report(prices=(2**200, 0, 0))))
    _finds("unreadable-report", payload(FEED))
    _finds("unreadable-report", payload(b""))
    _finds("unknown-schema", payload(report(feed=b"\x7f" * 32) + word(1)))
    _finds("schema-guessed", payload(report(feed=b"\x7f" * 32)))
    _finds("report-trailing-bytes", payload(report() + word(1)))
    _finds("unsigned-bytes", payload(spare=b"\x01"))
    _finds("not-canonical", payload() + b"\x01")
    _finds("state-old", changes={"fetched_at": NOW - 90_000})
    _finds("state-newer", changes={"fetched_at": NOW + 1})
    _finds("state-age-unknown", changes={"now": None})
    _finds("high-s", payload(damage=_high_s))


def test_version_1_and_ripcord() -> None:
    first = b"\0\1" + bytes(30)
    blob = first + b"".join(map(word, (NOW, 1, 1, 1, 5, 6, 4, NOW)))
    _finds("version-1-unchecked", payload(blob), changes={"fee_manager": fees()})
    head = (NOW, NOW, 0, 0, NOW + 9)
    blob = b"\0\x09" + bytes(30) + b"".join(map(word, (*head, 1, 1, 1, 1)))
    _finds("ripcord", payload(blob))


def test_a_clean_call_has_no_report_findings() -> None:
    verdict = verifier.judge(payload(), state(fee_manager=fees()), pay=LINK)
    assert codes(verdict) == {"any-feed"}


# --- quotes ---------------------------------------------------------------------------------------


def test_quotes_are_exact_to_the_wei() -> None:
    surcharge, share = 3 * 10**17 + 1, 10**17 + 3
    discounts = [
        {"feed_id": "0x" + FEED.hex(), "token": "native", "discount": str(share)},
        {"feed_id": None, "token": "link", "discount": str(share)},
    ]
    paid = state(fee_manager=fees(native_surcharge=str(surcharge), discounts=discounts))
    found = quotes.quote(payload(report(native=10**15 + 1, link=7)), paid)
    more = -(-(10**15 + 1) * (SCALE + surcharge) // SCALE)
    assert found.native is not None
    assert found.link is not None
    assert (found.native.surcharged, found.native.discount) == (more, share)
    assert found.native.fee == -(-more * (SCALE - share) // SCALE) == found.value
    assert found.link.fee == found.link.reward == -(-7 * (SCALE - share) // SCALE)
    assert found.native.reward == found.link.reward  # the native discount covers the reward too
    assert (found.expires_at, found.expires_in) == (NOW + 60, 60)
    assert found.to_dict()["value"] == str(found.value)
    stranger = quotes.quote(payload(report(link=7)), paid, sender="0x" + "aa" * 20)
    assert stranger.charge("link").fee == 7


def test_the_quoted_value_is_the_least_that_passes() -> None:
    paid = state(fee_manager=fees(native_surcharge=str(10**17)))
    raw = payload()
    found = quotes.quote(raw, paid)
    assert verifier.judge(raw, paid, pay="native", value=found.value).accepted
    short = verifier.judge(raw, paid, pay="native", value=found.value - 1)
    assert short.error == "InvalidDeposit"
    many = quotes.quote_bulk([raw, raw], paid)
    assert (many.native, many.link, many.expires_in) == (2 * found.value, 6 * 10**17, 60)
    assert many.to_dict()["value"] == str(2 * found.value)


def test_free_reports_say_why() -> None:
    assert quotes.quote(payload(), state()).free == "no fee manager is set"
    assert quotes.quote(payload(b""), state()).expires_at is None
    first = payload(b"\0\1" + bytes(300))
    found = quotes.quote(first, state(fee_manager=fees()))
    assert (found.value, found.free) == (0, "version 1 reports pay nothing")
    with pytest.raises(Malformed):
        quotes.quote(payload(b""), state(fee_manager=fees()))


# --- states ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "change"),
    [
        ("contract", {"contract": "v0.6.0"}),
        ("contract", {"contract": None}),
        ("now", {"now": -1}),
        ("now", {"now": "soon"}),
        ("surprise", {"surprise": 1}),
        ("kind", {"kind": "case"}),
        ("subscriber", {"subscriber": "0x12"}),
        ("configs", {"configs": "none"}),
        ("configs[0].f", {"configs": [{"signers": [], "f": 0}]}),
        ("configs[0].f", {"configs": [{"signers": [], "f": "one"}]}),
        ("configs[0].signers", {"configs": [{"signers": hexes(SIGNERS[:3]), "f": 1}]}),
        (
            "configs[0].signers[3]",
            {"configs": [{"signers": hexes(SIGNERS[:3] + SIGNERS[:1]), "f": 1}]},
        ),
        (
            "configs[0].signers[3]",
            {"configs": [{"signers": hexes([*SIGNERS[:3], bytes(20)]), "f": 1}]},
        ),
        ("configs[0].config_digest", {"configs": [{"signers": hexes(SIGNERS[:4]), "f": 1}]}),
        ("configs[0].active", {"configs": [{"signers": [], "f": 1, "active": 1}]}),
        ("configs", {"configs": [world()["configs"][0]] * 2}),
        ("deactivated_feeds", {"deactivated_feeds": ["0x" + FEED.hex()]}),
        ("unset_digests[0]", {"unset_digests": ["0x12"]}),
        ("fee_manager.link", {"fee_manager": {"native": NATIVE}}),
        ("fee_manager.link", {"fee_manager": fees(link="0x" + "00" * 20)}),
        ("fee_manager.native_surcharge", {"fee_manager": fees(native_surcharge=str(SCALE + 1))}),
        (
            "fee_manager.discounts[0].token",
            {"fee_manager": fees(discounts=[{"token": "usd", "discount": 1}])},
        ),
        ("access_controller.allowed[0]", {"access_controller": {"allowed": ["me"]}}),
        ("history[0].now", {"history": [{"until": 5, "now": 4}]}),
        ("configs[0]", {"history": [{"until": 5, "configs": [3]}]}),
    ],
)
def test_a_bad_state_names_the_key(key: str, change: dict[str, Any]) -> None:
    with pytest.raises(Misuse) as caught:
        State.from_dict({**world(), **change})
    assert caught.value.field == key


def test_a_state_is_read_as_the_system_that_is_asked_for() -> None:
    signer = {"contract": "stork-fast-1.0.0", "signer": CALLER}
    assert isinstance(State.from_dict(signer), StorkState)
    assert isinstance(State.from_dict(world()), ChainlinkState)
    for kind, other in ((ChainlinkState, signer), (StorkState, world())):
        with pytest.raises(Misuse, match="another system") as caught:
            kind.from_dict(other)
        assert caught.value.field == "contract"
    record: Any
    for record in ([], "", None):
        with pytest.raises(Misuse):
            State.from_dict(record)


def test_generations_know_what_they_know() -> None:
    with pytest.raises(Misuse, match="activation times must rise"):
        State.from_dict(world("v0.4.0", configs=[world("v0.4.0")["configs"][0]] * 2))
    everywhere = fees(discounts=[{"token": "link", "discount": 1, "feed_id": None}])
    with pytest.raises(Misuse, match="no global discounts"):
        State.from_dict(world("v0.3.0", fee_manager=everywhere))
    with pytest.raises(Misuse) as caught:
        State.from_dict(world("v0.4.0", unset_digests=["0x" + DIGEST.hex()]))
    assert caught.value.field == "unset_digests"


def test_states_are_read_from_files(tmp_path: Path) -> None:
    record = world(network="n", chain_id=1, proxy=NATIVE, source="by hand")
    (tmp_path / "state.json").write_text(json.dumps(record))
    toml = f"""
        contract = "v0.5.0"
        now = {NOW}
        subscriber = "{CALLER}"
        network = "n"
        chain_id = 1
        proxy = "{NATIVE}"
        source = "by hand"
    """ + "".join(
        f"""
        [[configs]]
        signers = {json.dumps(config["signers"])}
        f = 1
        active = {json.dumps(config["active"])}
        config_digest = "{config["config_digest"]}"
        """
        for config in record["configs"]
    )
    (tmp_path / "state.toml").write_text(toml)
    assert State.load(tmp_path / "state.json") == State.load(tmp_path / "state.toml")
    (tmp_path / "bad.json").write_text("{")
    with pytest.raises(Misuse, match="not a state file"):
        State.load(tmp_path / "bad.json")


def test_the_state_of_then_is_one_argument_away() -> None:
    first, second = world()["configs"]
    first |= {"set_at": NOW - 500, "removed_at": NOW - 100}
    first["switched"] = [{"at": NOW - 300, "active": False}, {"at": NOW - 200, "active": True}]
    second |= {"set_at": NOW - 100, "active": True, "config_digest": "0x" + DIGEST.hex()}
    record = world(
        configs=[first, second],
        fee_manager=fees(),
        unset_digests=[{"id": "0x" + DIGEST.hex(), "at": NOW - 10}],
        history=[{"until": NOW - 50, "fee_manager": None}],
    )
    known = State.from_dict(record)
    assert isinstance(known, ChainlinkState)
    assert State.from_dict(known.to_dict()) == known
    assert known.to_dict()["unset_digests"] == record["unset_digests"]
    old, new = payload(), payload(keys=(4, 5))

    def names(raw: bytes, time: int) -> str:
        return verifier.judge(raw, known, at=time, pay=LINK).name

    assert names(old, NOW - 501) == "VerifierNotFound"
    assert names(old, NOW - 500) == "accepted"
    assert names(old, NOW - 250) == "DigestInactive"
    assert names(old, NOW - 150) == "accepted"
    assert names(old, NOW - 100) == "BadVerification"
    assert names(new, NOW - 60) == "accepted"
    assert known.at(NOW - 51).fee_manager is None
    assert known.at(NOW - 50).fee_manager is not None
    assert names(new, NOW) == "VerifierNotFound"
    assert known.at(NOW - 60).now == NOW - 60


def test_don_config_id() -> None:
    config = state("v0.4.0").configs[0]
    words = b"".join(bytes(12) + signer for signer in sorted(SIGNERS[:4]))
    assert config.don_config_id == keccak256(words + b"\x01")[:24]


# --- Stork ----------------------------------------------------------------------------------------


def stork_state(signer: bytes = SIGNERS[0], **changes: Any) -> StorkState:
    record = {"contract": "stork-fast-1.0.0", "signer": "0x" + signer.hex(), **changes}
    return StorkState.from_dict(record)


def update(key: int = 0, ids: tuple[int, ...] = (1, 2), taxonomy: int = 1) -> bytes:
    body = taxonomy.to_bytes(2, "big") + (NOW * 10**9).to_bytes(8, "big")
    for id_ in ids:
        body += id_.to_bytes(2, "big") + (-5 * id_).to_bytes(16, "big", signed=True)
    r, s, v = sign(KEYS[key], keccak256(body))
    return r + s + bytes([v]) + body


def test_stork_verdicts() -> None:
    known = stork_state(verification_fee="2")
    name = "verifyAndDeserializeSignedECDSAPayload"
    assert stork.judge(update(), known, value=2).returned is True
    assets = stork.judge(update(), known, call=name, value=2).returned
    assert [asset.values for asset in assets] == [(1, NOW * 10**9, -5), (2, NOW * 10**9, -10)]
    assert stork.judge(update(), known, value=1).error == "InsufficientFee"
    assert stork.judge(update(3), known, value=2).returned is False
    assert stork.judge(update(3), known, call=name, value=2).error == "InvalidSignature"
    with pytest.raises(ContractRefusal, match="return false"):
        stork.verify(update(3), known, value=2)
    with pytest.raises(ContractRefusal, match="InsufficientFee"):
        stork.verify(update(), known)
    with pytest.raises(Misuse):
        stork.judge(update(), known, call="verify everything")
    many = stork.judge_many([update(), update(3), update()], known, value=2)
    assert [verdict.returned for verdict in many] == [True, False, True]
    assert many[0] is many[2]


def test_a_signature_of_a_stranger_is_nowhere_called_accepted() -> None:
    verdict = stork.judge(update(3), stork_state(now=NOW))
    assert verdict.returned is False
    assert not verdict
    assert (verdict.accepted, verdict.passed, verdict.revert_data) == (False, False, None)
    record = verdict.to_dict()
    assert (record["accepted"], record["verdict"]) == (False, "returns false")
    assert record["returned"] is False
    assert "revert" not in record
    for words in (repr(verdict), verdict.sentence, verdict.explanation):
        assert "ccepted" not in words
        assert "returns false" in words
    good = stork.judge(update(), stork_state(now=NOW))
    assert good
    assert repr(good) == "Accepted(accepted)"
    assert not stork.judge(b"", stork_state(now=NOW))
    assert pickle.loads(pickle.dumps(verdict)) == verdict


def test_a_verdict_says_that_no_time_was_given() -> None:
    known = stork_state(now=NOW)
    (many,) = stork.judge_many([update()], known)
    for verdict in (stork.judge(update(), known), many, verifier.judge(b"", state())):
        assert verdict.at_state_time
        assert "judged at its own time" in verdict.sentence
        assert verdict.to_dict()["state"]["judged_at_its_own_time"] is True
    for verdict in (stork.judge(update(), known, now=NOW), stork.judge(update(), known, at=NOW)):
        assert not verdict.at_state_time
        assert "own time" not in verdict.sentence
        assert verdict.to_dict()["state"]["judged_at_its_own_time"] is False
    assert not stork.judge(update(), stork_state()).at_state_time  # no time at all


def test_stork_explains() -> None:
    raw = update()
    flipped = raw[:64] + bytes([1 - raw[64]]) + raw[65:]
    verdict = stork.judge(flipped, stork_state())
    assert verdict.returned is False
    assert f"gives {checksum(SIGNERS[0])}, the signer" in failing(verdict)["signature"]
    high = word(CURVE_ORDER - int.from_bytes(raw[32:64], "big"))
    verdict = stork.judge(raw[:32] + high + bytes([1 - raw[64]]) + raw[65:], stork_state())
    assert "s is high, which this contract refuses" in failing(verdict)["signature"]
    assert failing(stork.judge(b"", stork_state()))["size"].startswith("not 75 bytes")


def test_stork_findings() -> None:
    broken = stork.judge(bytes(75), stork_state(bytes(20)))
    assert broken.returned is True
    assert "stork-uninitialised" in codes(broken)
    assert "stork-false-is-not-a-revert" in codes(stork.judge(update(3), stork_state()))
    assert "stork-overpaid" in codes(stork.judge(update(), stork_state(), value=1))
    assert "stork-duplicate-asset" in codes(stork.judge(update(ids=(4, 4)), stork_state()))
    assert "stork-versioned-body" in codes(stork.judge(update(taxonomy=0xFF02), stork_state()))
    late = stork.judge(update(), stork_state(now=NOW - 1))
    assert {"stork-no-clock", "stork-from-the-future"} <= codes(late)
    # The time judged at decides, not that of the state.
    future = "stork-from-the-future"
    assert future in codes(stork.judge(update(), stork_state(now=NOW + 1), now=NOW - 1))
    assert future not in codes(stork.judge(update(), stork_state(now=NOW - 1), now=NOW + 1))
    (again,) = stork.judge_many([update()], stork_state(now=NOW + 1), now=NOW - 1)
    assert future in codes(again)
    assert set(STORK_HAZARDS) == {
        "stork-uninitialised", "stork-false-is-not-a-revert", "stork-overpaid",
        "stork-duplicate-asset", "stork-versioned-body", "stork-no-clock", "stork-from-the-future",
    }  # fmt: skip


# --- revert data ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "name"),
    [
        ("", "revert (empty)"),
        ("4df18f07", "BadVerification"),
        ("4df18f0700", "unknown error"),
        ("12345678", "unknown error"),
        ("4e487b71" + "0" * 62 + "51", "Panic(0x51)"),
        ("b151802b" + "11" * 32, "VerifierNotFound"),
    ],
)
def test_revert_data_is_read(data: str, name: str) -> None:
    assert read_revert(bytes.fromhex(data)).name == name


def test_the_scale_is_one_ether() -> None:
    assert SCALE == 10**18


# --- a mock's errors, months, and which payload of a bulk call is refused -------------------------


def mock_error(name: str, text: bytes = b"enable billing") -> bytes:
    return keccak256(f"{name}(string)".encode())[:4] + encode([Argument("text", "bytes")], [text])


@pytest.mark.parametrize("name", ["FeeManagerRequired", "FeeManagerNotExpected"])
def test_errors_of_the_vendors_mock_say_that_it_is_the_mock(name: str) -> None:
    read = read_revert(mock_error(name))
    assert (read.error, read.args) == (name, ("enable billing",))
    assert read.name.startswith(f"{name} (only chainlink-local's mock has this error")
    assert read_revert(mock_error(name)[:-32]).error is None  # the text is cut off
    with pytest.raises(Malformed, match=f"not a payload: {name} .*this proxy is the mock"):
        payloads.decode("0x" + mock_error(name).hex())


def test_the_mock_has_a_verifier_not_found_of_its_own() -> None:
    assert "the mock" in read_revert(keccak256(b"VerifierNotFound()")[:4]).name
    assert read_revert(keccak256(b"VerifierNotFound(bytes32)")[:4] + bytes(32)).note == ""
    with pytest.raises(
        Malformed, match="revert data of a contract, not a payload: BadVerification"
    ):
        payloads.decode("0x4df18f07")


@pytest.mark.parametrize(("month", "found"), [(0, True), (1, False), (12, False), (13, True)])
def test_a_month_that_is_none_is_a_finding_and_no_verdict(month: int, found: bool) -> None:
    head = bytes.fromhex("000e" + "01" * 30) + b"".join(map(word, (NOW, NOW, 1, 1, NOW + 9)))
    body = b"".join(map(word, (5, 4, 6, NOW, NOW, NOW * 10**9, 2, month, 5, 3, 5)))
    verdict = verifier.judge(payload(head + body), state())
    assert verdict.accepted
    details = {finding.code: finding.detail for finding in verdict.findings}
    assert ("no-such-month" in details) == found
    assert details.get("no-such-month") in (None, f"contract_month is {month}")
    assert "unreadable-report" not in details


@pytest.mark.parametrize("generation", GENERATIONS)
def test_a_refused_bulk_call_names_the_payload_at_the_top(generation: str) -> None:
    raws = [payload(), payload(keys=(0, 11)), payload(keys=(2, 2))]
    verdict = verifier.judge_bulk(raws, state(generation))
    assert (verdict.name, verdict.payload) == ("BadVerification", 1)
    assert verdict.sentence.startswith("payload 1: BadVerification (state: ")
    assert verdict.explanation.startswith("payload 1: BadVerification")
    assert list(verdict.to_dict())[:3] == ["accepted", "verdict", "payload"]
    assert verdict.to_dict()["payload"] == 1
    with pytest.raises(ContractRefusal, match="would revert: payload 1: BadVerification"):
        verdict.raise_if_refused()
    first = next(iter(verdict_lines(verdict, "")))
    assert "refused: payload 1: BadVerification" in first
    accepted = verifier.judge_bulk(raws[:1], state(generation))
    assert accepted.payload is None
    assert accepted.sentence.startswith("accepted (")
    assert "payload" not in accepted.to_dict()
    alone = verifier.judge(raws[1], state(generation))
    assert alone.payload is None
    assert alone.sentence.startswith("BadVerification (")


def test_a_refusal_of_the_whole_bulk_call_names_no_payload() -> None:
    kept_out = state(access_controller={"allowed": []})
    verdict = verifier.judge_bulk([payload()], kept_out, sender="0x" + "11" * 20)
    assert (verdict.name, verdict.payload) == ("AccessForbidden", None)
    short = state(fee_manager=fees())
    how: dict[str, Any] = {"pay": NATIVE, "value": 1}
    verdict = verifier.judge_bulk([payload(), payload()], short, **how)
    assert (verdict.name, verdict.payload) == ("InvalidDeposit", None)


@pytest.mark.parametrize("fee_manager", [None, fees()])
def test_an_element_outside_of_the_calldata_is_named_by_its_index(fee_manager: Any) -> None:
    data = bytearray(encode_calldata([payload(), payload()], pay=LINK))
    second = 4 + 64 + 32 + 32  # the offset of the second element
    data[second : second + 32] = word(10**6)
    verdict = verifier.judge_calldata(bytes(data), state(fee_manager=fee_manager))
    assert (verdict.name, verdict.payload) == ("revert (empty)", 1)
    assert verdict.sentence.startswith("payload 1: revert (empty)")


def test_another_network_with_the_same_envelope_is_another_signer_set() -> None:
    theirs = keccak256(b"the digest of another network")
    config = {"config_digest": "0x" + theirs.hex(), "f": 1, "active": True}
    signers = ["0x" + signer.hex() for signer in SIGNERS[8:12]]
    other = state(configs=[config | {"signers": signers}], network="APRO, an example")
    signed = payload(keys=(9, 11), digest=theirs)
    assert verifier.judge(signed, other).accepted
    assert verifier.judge(signed, state()).error == "VerifierNotFound"
    assert "APRO, an example" in verifier.judge(signed, other).sentence


# --- gas ------------------------------------------------------------------------------------------


def _quoted_gas(generation: str, fee_manager: Any) -> dict[str, int | None]:
    made = state(generation, fee_manager=fee_manager)
    return quotes.quote(payload(), made).gas


@pytest.mark.parametrize("generation", [*GENERATIONS, "v0.5.1"])
def test_gas_is_quoted_for_every_way_of_paying(generation: str) -> None:
    gas = _quoted_gas(generation, fees())
    ways = {"link", "native", "native_with_link", "wrapped", "wrapped_with_link"}
    assert set(gas) - {"view"} == ways
    assert all(gas.values())
    for way in ("native", "wrapped"):  # the reward is paid on where there is LINK for it
        without, with_link = gas[way], gas[f"{way}_with_link"]
        assert without is not None
        assert with_link is not None
        assert without < with_link
    views = {"view"} if generation == "v0.5.1" else set()
    assert set(_quoted_gas(generation, None)) == {"free"} | views


def test_gas_is_quoted_for_verification_by_subscription() -> None:
    no_op = {"type": "NoOpFeeManager 0.5.1", "link": LINK, "native": NATIVE}
    for generation, ways in (("v0.5.0", {"no-op"}), ("v0.5.1", {"no-op", "view"})):
        gas = _quoted_gas(generation, no_op)
        assert set(gas) == ways
        assert all(gas.values())
