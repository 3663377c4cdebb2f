"""What a payload says beyond its fields: context, signers, departures of meaning, units."""

from __future__ import annotations

from random import Random
from typing import Any

import msgspec
import pytest

import payloads
from payloads import CANONICAL, chainlink, stork
from payloads.abi import units
from payloads.crypto import CURVE_ORDER
from payloads.errors import Malformed, Misuse, Refused
from payloads.signatures import recovered
from payloads.testing import InsecureTestNetwork, InsecureTestStorkSigner
from tests import corpus
from tests.checks import assert_partitions

NETWORK = InsecureTestNetwork("meaning", size=7, f=2)
BLOB = corpus.entry("cl-blob-v03").raw
SIGNED = NETWORK.sign(BLOB)


def changed(**values: Any) -> chainlink.FullReport:
    """The signed payload with other fields, encoded as anyone would and read again."""
    return chainlink.decode(msgspec.structs.replace(SIGNED, raw=b"", **values).encode())


# --- context --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("extra_hash", "don_id"),
    [
        (0, None),
        (1, 0),
        (3 << 32 | 1, 3),
        ((2**32 - 1) << 32 | 1, 2**32 - 1),
        (3 << 32, None),
        (3 << 32 | 2, None),
        (1 << 64 | 3 << 32 | 1, None),
        (1 << 255 | 1, None),
    ],
)
def test_a_don_id_is_read_only_where_the_extra_hash_has_its_form(
    extra_hash: int, don_id: int | None
) -> None:
    assert changed(extra_hash=extra_hash.to_bytes(32, "big")).don_id == don_id


def test_every_part_of_the_context_is_signed() -> None:
    for name in ("config_digest", "context_padding", "epoch", "round", "extra_hash", "report_blob"):
        value = getattr(SIGNED, name)
        other = value ^ 1 if isinstance(value, int) else bytes([value[0] ^ 1]) + value[1:]
        assert msgspec.structs.replace(SIGNED, **{name: other}).signing_digest != (
            SIGNED.signing_digest
        ), name


def test_what_is_not_signed_leaves_the_digest_alone() -> None:
    for name in ("rs", "ss", "raw_vs"):
        other = msgspec.structs.replace(SIGNED, **{name: type(getattr(SIGNED, name))()})
        assert other.signing_digest == SIGNED.signing_digest


# --- departures of meaning ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "field", "detail"),
    [
        ({"ss": SIGNED.ss[:2]}, "ss", "3 r values but 2 s values"),
        ({"ss": (*SIGNED.ss, bytes(32))}, "ss", "3 r values but 4 s values"),
        (
            {"rs": (b"\1" * 32,) * 33, "ss": (b"\1" * 32,) * 33},
            "rs",
            "33 signatures, but raw_vs has room for 32",
        ),
        (
            {"raw_vs": bytes(31) + b"\x07"},
            "raw_vs",
            "bytes for no signature, neither signed nor checked: 0x" + "00" * 28 + "07",
        ),
        ({"report_blob": BLOB + b"ab"}, "report", "2 bytes after the report's last field"),
    ],
)
def test_what_the_abi_allows_and_no_honest_encoder_would_do(
    values: dict[str, Any], field: str, detail: str
) -> None:
    payload = changed(**values)
    (departure,) = payload.departures
    assert (departure.field, departure.detail) == (field, detail)
    with pytest.raises(Malformed) as refused:
        chainlink.decode(payload.raw, profile=CANONICAL)
    assert refused.value.offset == departure.offset
    assert_partitions(payloads.inspect(payload.raw), payload.raw)


def test_departures_of_meaning_point_at_the_bytes() -> None:
    payload = changed(raw_vs=bytes(31) + b"\x07")
    (departure,) = payload.departures
    assert (departure.offset, departure.length) == (6 * 32 + 3, 29)
    trailing = changed(report_blob=BLOB + b"ab")
    assert trailing.raw[trailing.departures[0].offset :][:2] == b"ab"


def test_bytes_for_no_signature_are_pointed_out_in_the_view() -> None:
    (quiet,) = [one for one in payloads.inspect(SIGNED.raw).spans if one.path == "raw_vs.rest"]
    assert quiet.said == ""
    payload = changed(raw_vs=SIGNED.raw_vs[:-1] + b"\x01")
    (loud,) = [one for one in payloads.inspect(payload.raw).spans if one.path == "raw_vs.rest"]
    assert loud.said == "not zero: no signature protects these bytes"


# Every word that the quick way of reading has to look at, spoilt one at a time.
@pytest.mark.parametrize(
    ("name", "role"),
    [(name, role) for name in ("report_blob", "rs", "ss") for role in ("pointer", "length")],
)
def test_another_offset_or_length_is_never_read_as_canonical(name: str, role: str) -> None:
    path = name if role == "pointer" else f"{name}.length"
    (part,) = [one for one in SIGNED.parts if (one.path, one.role) == (path, role)]
    honest = int.from_bytes(SIGNED.raw[part.offset :][:32], "big")
    for value in (honest - 32, honest - 1, honest + 1, honest + 32, 0, 32):
        if value == honest or value < 0:
            continue
        word = value.to_bytes(32, "big")
        raw = SIGNED.raw[: part.offset] + word + SIGNED.raw[part.offset + 32 :]
        with pytest.raises(Malformed):
            chainlink.decode_envelope(raw, profile=CANONICAL)


@pytest.mark.parametrize("size", [33, 287, 289])
def test_a_report_of_an_odd_size_needs_clean_padding_to_be_canonical(size: int) -> None:
    raw = NETWORK.sign(b"\x77" * size).encode()
    assert chainlink.decode_envelope(raw, profile=CANONICAL).report_blob == b"\x77" * size
    at = 256 + size
    dirty = raw[:at] + b"\x01" + raw[at + 1 :]
    with pytest.raises(Malformed) as refused:
        chainlink.decode_envelope(dirty, profile=CANONICAL)
    assert (refused.value.offset, refused.value.reason) == (at, "not canonical: dirty-padding")
    assert chainlink.decode_envelope(dirty).report_blob == b"\x77" * size


@pytest.mark.parametrize("more", [b"", b"\x01"], ids=["canonical", "in a layout of its own"])
def test_an_error_inside_the_report_has_its_offset_in_the_whole_payload(more: bytes) -> None:
    """The report begins at byte 256, and its second word must be a clean uint32."""
    raw = SIGNED.raw[: 256 + 32] + b"\xff" + SIGNED.raw[256 + 33 :] + more
    with pytest.raises(Malformed) as refused:
        chainlink.decode(raw)
    where = (refused.value.field, refused.value.offset)
    assert where == ("report.valid_from_timestamp", 256 + 32)
    shown = payloads.inspect(raw).error
    assert shown is not None
    assert (shown.field, shown.offset) == where


# --- edited payloads ------------------------------------------------------------------------------


def test_an_edited_payload_in_a_layout_of_its_own_keeps_it() -> None:
    payload = chainlink.decode(SIGNED.raw + b"\xee" * 5)
    edited = msgspec.structs.replace(payload, epoch=77).encode()
    assert edited.endswith(b"\xee" * 5)
    assert chainlink.decode(edited).epoch == 77
    with pytest.raises(Misuse, match="keeps its sizes"):
        msgspec.structs.replace(payload, report_blob=BLOB + b"\0").encode()
    with pytest.raises(Misuse, match="keeps its sizes"):
        msgspec.structs.replace(payload, rs=(*payload.rs, bytes(32))).encode()


def test_a_field_is_found_where_it_stands() -> None:
    for index, r in enumerate(SIGNED.rs):
        at = SIGNED.offset_of(f"rs[{index}]")
        assert SIGNED.raw[at : at + 32] == r
    with pytest.raises(Misuse, match="no such field"):
        SIGNED.offset_of("rs[3]")


# --- signers --------------------------------------------------------------------------------------


def test_a_signer_who_signs_twice_is_refused() -> None:
    twice = NETWORK.sign(BLOB, by=[0, 1, 0])
    with pytest.raises(Refused, match="signed twice by the same signer") as refused:
        chainlink.expect_signers(twice, *NETWORK.signers)
    assert refused.value.field == "rs[2]"
    assert refused.value.offset == twice.offset_of("rs[2]")
    assert refused.value.found == NETWORK.signers[0]


def test_a_signature_by_nobody_is_refused_and_says_why() -> None:
    payload = changed(raw_vs=b"\x1b" + SIGNED.raw_vs[1:])
    with pytest.raises(Refused) as refused:
        chainlink.expect_signers(payload, *NETWORK.signers)
    assert "no signer (v is 27" in str(refused.value.found)


def test_signatures_without_an_s_or_a_v_recover_nothing_and_raise_nothing() -> None:
    assert len(chainlink.recover(changed(ss=SIGNED.ss[:1]))) == 1
    many = changed(rs=(SIGNED.rs[0],) * 40, ss=(SIGNED.ss[0],) * 40)
    assert len(chainlink.recover(many)) == 32


@pytest.mark.parametrize(
    ("s", "high"),
    [(1, False), (CURVE_ORDER // 2, False), (CURVE_ORDER // 2 + 1, True), (CURVE_ORDER - 1, True)],
)
def test_a_high_s_is_one_above_half_the_order(s: int, high: bool) -> None:
    assert recovered(0, bytes(32), b"\x01" * 32, s.to_bytes(32, "big"), 0).high_s is high


def test_a_stork_signer_is_one_of_those_expected() -> None:
    signer = InsecureTestStorkSigner("meaning")
    update = signer.sign([], timestamp_ns=1)
    (found,) = stork.expect_signers(update, "0x" + "11" * 20, signer.address)
    assert found.address == signer.address
    with pytest.raises(Refused) as refused:
        stork.expect_signers(update, "0x" + "11" * 20)
    assert refused.value.expected == "0x" + "11" * 20


# --- test networks --------------------------------------------------------------------------------


@pytest.mark.parametrize(("size", "f"), [(3, 1), (32, 1), (4, 0), (6, 2)])
def test_a_network_that_no_contract_would_configure_is_misuse(size: int, f: int) -> None:
    with pytest.raises(Misuse, match="no such network"):
        InsecureTestNetwork(size=size, f=f)


def test_test_keys_follow_from_their_seed_alone() -> None:
    assert InsecureTestNetwork("a").signers == InsecureTestNetwork("a").signers
    assert not set(InsecureTestNetwork("a").signers) & set(InsecureTestNetwork("b").signers)
    assert len(set(InsecureTestNetwork("a", size=31).signers)) == 31


# --- values in words ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("unit", "value", "said"),
    [
        (units.MARKET_STATUS, 0, "unknown"),
        (units.MARKET_STATUS, 1, "closed"),
        (units.MARKET_STATUS, 2, "open"),
        (units.MARKET_STATUS, 3, "not a documented code"),
        (units.MARKET_STATUS_V11, 0, "unknown"),
        (units.MARKET_STATUS_V11, 1, "pre-market"),
        (units.MARKET_STATUS_V11, 2, "regular hours"),
        (units.MARKET_STATUS_V11, 3, "post-market"),
        (units.MARKET_STATUS_V11, 4, "overnight"),
        (units.MARKET_STATUS_V11, 5, "closed"),
        (units.MARKET_STATUS_V11, 258, "not a documented code"),
        (units.STORK_MARKET_STATUS, 0, "closed"),
        (units.STORK_MARKET_STATUS, 1, "regular"),
        (units.STORK_MARKET_STATUS, 2, "extended"),
        (units.STORK_MARKET_STATUS, 3, "after hours"),
        (units.RIPCORD, 0, "normal"),
        (units.SECONDS, 0, "1970-01-01 00:00:00 UTC"),
        (units.SECONDS, 253_402_300_799, "9999-12-31 23:59:59 UTC"),
        (units.SECONDS, 253_402_300_800, "beyond the year 9999"),
        (units.MILLISECONDS, 1_700_000_000_123, "2023-11-14 22:13:20.123 UTC"),
        (units.NANOSECONDS, 1_764_608_822_324_772_939, "2025-12-01 17:07:02.324772939 UTC"),
        (units.NANOSECONDS, 2**64 - 1, "2554-07-21 23:34:33.709551615 UTC"),
        (units.NAV_DATE, 1_718_885_772, "2024-06-20 12:16:12 UTC if these are seconds"),
        (
            units.NAV_DATE,
            1_718_885_772_000,
            "2024-06-20 12:16:12.000 UTC if these are milliseconds",
        ),
        (units.WEI, 96_211_668_557_200, "0.0000962116685572 native"),
        (units.JUELS, 10**18, "1 LINK"),
        (units.STORK_VALUE, -700 * 10**18, "-700"),
        (units.STORK_VALUE, -1, "-0.000000000000000001"),
        (units.PRICE, 5, ""),
    ],
)
def test_values_are_said_in_words(unit: units.Unit, value: int, said: str) -> None:
    assert unit.say(value) == said


def test_a_pulled_ripcord_is_a_warning() -> None:
    assert "do not use" in units.RIPCORD.say(1)


@pytest.mark.parametrize("seed", range(20))
def test_scaling_is_exact(seed: int) -> None:
    rng = Random(seed)
    value, decimals = rng.randrange(-(2**255), 2**255), rng.randrange(78)
    text = units.scaled(value, decimals)
    whole, _, fraction = text.partition(".")
    assert int(whole + fraction) * 10 ** (decimals - len(fraction)) == value
    assert "e" not in text.lower()
    assert not fraction.endswith("0")
