"""Cases of what the contracts of Data Streams do with payloads that decode, and with the terms."""

from __future__ import annotations

from typing import Any

from payloads.conformance import VALID
from payloads.testing import LINK, NATIVE
from tests.conformance import states
from tests.conformance.building import (
    BAD,
    CURVE_ORDER,
    EMPTY,
    EXPIRES,
    FEED,
    FEED_V1,
    NETWORK,
    NOW,
    OBSERVED,
    PANIC_ADD,
    PANIC_INDEX,
    PANIC_MEMORY,
    STRANGERS,
    V03,
    V04,
    V05,
    V051,
    VERIFY_VIEW,
    Calls,
    File,
    Signed,
    error,
    everywhere,
    hexed,
    report,
    several,
    signed,
    with_word,
)
from tests.conformance.envelopes import inactive_v3
from tests.conformance.layouts import word
from tests.conformance.memory import add_memory

OLD = (V03, V05, V051)
V5 = (V05, V051)
STRANGER = "0x" + "55" * 20
FORBIDDEN = error("AccessForbidden()")
EXPIRED, QUOTE, DEPOSIT = (
    error("ExpiredReport()"), error("InvalidQuote()"), error("InvalidDeposit()")
)  # fmt: skip
PAY_LINK, PAY_NATIVE = word(int(LINK, 16)), word(int(NATIVE, 16))
VERIFY_BULK, VERIFY_BULK_VIEW = "verifyBulk(bytes[],bytes)", "verifyBulkView(bytes[])"
NATIVE_FEE = 1_000_001


def _count(found: int, wanted: int = 2) -> bytes:
    return error("IncorrectSignatureCount(uint256,uint256)", found, wanted)


def _not_found(digest: bytes) -> bytes:
    return error("VerifierNotFound(bytes32)", digest)


def _inactive(digest: bytes) -> bytes:
    return error("DigestInactive(bytes32)", digest)


# --- who may call, and which config applies -------------------------------------------------------


def add_access(file: File) -> None:
    """The access controller comes first."""
    terms: dict[str, Any] = {"state": "access"}
    file.payload("AccessForbidden Good", "the sender is on the list", signed().raw,
                 everywhere(**terms))  # fmt: skip
    terms["sender"] = STRANGER
    for words, raw in (
        ("a good payload", signed().raw),
        ("no bytes at all", b""),
        ("a length that would be a panic", with_word(signed().raw, 224, 2**64)),
        ("an unknown digest", signed(digest=b"\xee" * 32).raw),
    ):
        flags = "LengthTooLarge AccessForbidden" if "panic" in words else "AccessForbidden"
        file.payload(flags, f"the sender is not on the list: {words}", raw,
                     everywhere(FORBIDDEN, **terms))  # fmt: skip


def add_configs(file: File) -> None:
    """Digests, feeds and configs that are not, or no longer, known."""
    unset, retired = signed(digest=states.UNSET), signed(digest=states.RETIRED)
    file.payload("VerifierNotFound", "a digest whose verifier was unset", unset.raw,
                 everywhere(_not_found(states.UNSET), only=OLD, state="past"))  # fmt: skip
    unknown = b"\x00\x09" + b"unknown".ljust(30, b"\0")
    for words, raw in (
        ("32 bytes, no payload", unknown),
        ("an offset that would revert", with_word(signed(digest=unknown).raw, 96, 2**64)),
        ("a length that would be a panic", with_word(signed(digest=unknown).raw, 224, 2**64)),
    ):
        broken = PANIC_MEMORY if "panic" in words else EMPTY
        flags = "LengthTooLarge VerifierNotFound" if "panic" in words else "VerifierNotFound"
        file.payload(flags, f"an unknown digest before {words}", raw,
                     everywhere(_not_found(unknown), v4=broken))  # fmt: skip
    file.payload("DigestInactive", "signed under a config that was deactivated", retired.raw,
                 everywhere(_inactive(states.RETIRED), v3=inactive_v3(FEED, states.RETIRED),
                            only=OLD, state="past"))  # fmt: skip
    other = signed(report(states.OTHER_FEED))
    file.payload("ConfigOfFeed DigestInactive", "a feed that v0.3.0 has no config for", other.raw,
                 everywhere(v3=inactive_v3(states.OTHER_FEED)))  # fmt: skip
    gone = report(states.GONE_FEED)
    inactive = error("InactiveFeed(bytes32)", states.GONE_FEED)
    file.payload("FeedDeactivated", "a feed that was deactivated", signed(gone).raw,
                 everywhere(v3=inactive, only=OLD, state="past"))  # fmt: skip
    file.payload("FeedDeactivated DigestInactive", "a deactivated feed and a retired config",
                 signed(gone, digest=states.RETIRED).raw,
                 everywhere(_inactive(states.RETIRED), v3=inactive, only=OLD,
                            state="past"))  # fmt: skip
    for size in (1, 2, 31, 32):
        blob = report()[:size]
        feed = blob.ljust(32, b"\0")
        file.payload("FeedIdPadded ReportUninspected", f"a signed report of {size} bytes",
                     signed(blob).raw,
                     everywhere(v3=None if feed == FEED else inactive_v3(feed), v4=EMPTY,
                                odd="all"))  # fmt: skip
    file.payload("DigestInactive SignatureCount", "a retired config and no signature",
                 signed(digest=states.RETIRED, by=()).raw,
                 everywhere(_inactive(states.RETIRED), v3=inactive_v3(FEED, states.RETIRED),
                            only=OLD, state="past"))  # fmt: skip


# --- signatures -----------------------------------------------------------------------------------


def add_counts(file: File) -> None:
    """How many signatures there are, and whose."""
    file.payload("SignatureCount", "one signature of the two that are needed", signed(by=(0,)).raw,
                 everywhere(_count(1), v4=BAD))  # fmt: skip
    for by in ((0, 1, 2), (0, 1, 2, 3)):
        file.payload("SignatureCount AnyCountAboveF", f"{len(by)} signatures, where two are enough",
                     signed(by=by).raw, everywhere(_count(len(by)), v4=None))  # fmt: skip
    large = states.LARGE
    for count in (10, 12, 31):
        file.payload("SignatureCount AnyCountAboveF", f"{count} signatures of 31 oracles, f is 10",
                     signed(network=large, by=range(count)).raw,
                     everywhere(_count(count, 11), v4=BAD if count < 11 else None,
                                state="large"))  # fmt: skip
    file.payload("DoubledSigner", "32 signatures, the first oracle's twice",
                 signed(network=large, by=[*range(31), 0]).raw,
                 everywhere(_count(32, 11), v4=BAD, state="large"))  # fmt: skip
    for words, oracles in (("all of one oracle", [0] * 33), ("by 31", [*range(31), 0, 1])):
        raw = signed(network=large, by=oracles).raw
        file.payload("Signature33", f"33 signatures, {words}", raw,
                     everywhere(_count(33, 11), v4=PANIC_INDEX, state="large"))  # fmt: skip
    for oracle in (0, 2):
        file.payload("DoubledSigner", f"oracle {oracle} signed twice", signed(by=[oracle] * 2).raw,
                     everywhere(BAD))  # fmt: skip
    strange = signed(network=STRANGERS, digest=NETWORK.config_digest)
    file.payload("UnknownSigner", "signed by strangers under this digest", strange.raw,
                 everywhere(BAD))  # fmt: skip
    for at in (0, 1):
        made = signed()
        _replace(made, at, strange)
        file.payload("UnknownSigner SignatureByTurn", f"signature {at} is by a stranger", made.raw,
                     everywhere(BAD))  # fmt: skip


def _replace(made: Signed, at: int, other: Signed) -> None:
    made.rs[at], made.ss[at] = other.rs[at], other.ss[at]
    made.vs = made.vs[:at] + other.vs[at : at + 1] + made.vs[at + 1 :]


def _with_v(at: int, v: int) -> Signed:
    made = signed()
    made.vs = made.vs[:at] + bytes([v]) + made.vs[at + 1 :]
    return made


def add_recoveries(file: File) -> None:
    """Signatures that recover nobody, or somebody else, or stop everything."""
    good = signed()
    for at in (0, 1):
        for v in (good.vs[at] + 27, 1 - good.vs[at], 2, 3, 4, 128, 228):
            file.payload("RecoveryId", f"v of signature {at} is {v}", _with_v(at, v).raw,
                         everywhere(BAD))  # fmt: skip
        for v in (229, 255):
            file.payload("VOverflow", f"v of signature {at} is {v}", _with_v(at, v).raw,
                         everywhere(PANIC_ADD))  # fmt: skip
        for name in ("rs", "ss"):
            for value in (0, CURVE_ORDER, CURVE_ORDER + 1, 2**256 - 1):
                made = signed()
                getattr(made, name)[at] = word(value)
                file.payload("SignatureRange", f"{name}[{at}] is {value:#x}", made.raw,
                             everywhere(BAD))  # fmt: skip
    strange = signed(network=STRANGERS, digest=NETWORK.config_digest)
    made = _with_v(1, 229)
    _replace(made, 0, strange)
    file.payload("SignatureByTurn AllRecovered VOverflow",
                 "a stranger's signature, then one with v of 229", made.raw,
                 everywhere(BAD, v4=PANIC_ADD))  # fmt: skip
    made = _with_v(0, 229)
    _replace(made, 1, strange)
    file.payload("SignatureByTurn VOverflow", "v of 229, then a stranger's signature", made.raw,
                 everywhere(PANIC_ADD))  # fmt: skip
    both = signed()
    both.rs = [bytes(32)] * 2
    file.payload("SignatureRange DoubledSigner", "no signature recovers anyone", both.raw,
                 everywhere(BAD))  # fmt: skip
    _add_high_s(file)


def _add_high_s(file: File) -> None:
    for which in ((0,), (1,), (0, 1)):
        for keeps_v in (False, True):
            made = signed()
            for at in which:
                made.ss[at] = word(CURVE_ORDER - int.from_bytes(made.ss[at], "big"))
            if not keeps_v:
                made.vs = bytes(v ^ (at in which) for at, v in enumerate(made.vs))
            words = "with the same v" if keeps_v else "with the other v"
            signatures = "both signatures" if len(which) == 2 else f"signature {which[0]}"
            file.payload("HighS" + (" UnknownSigner" if keeps_v else ""),
                         f"n - s in the place of s, {words}: {signatures}", made.raw,
                         everywhere(BAD if keeps_v else None, odd="all"))  # fmt: skip


def add_changes(file: File) -> None:
    """One bit changed after signing."""
    for words, part, at in (
        ("the price", "blob", 6 * 32 + 31),
        ("the fee", "blob", 3 * 32 + 31),
        ("the expiry", "blob", 5 * 32 + 31),
    ):
        made = signed()
        blob = getattr(made, part)
        made.blob = blob[:at] + bytes([blob[at] ^ 1]) + blob[at + 1 :]
        file.payload("ChangedAfterSigning", f"a bit of {words}", made.raw, everywhere(BAD))
    for words, index, at in (
        ("the round", 1, 31), ("the epoch", 1, 30), ("the padding", 1, 0), ("word 2", 2, 31)
    ):  # fmt: skip
        made = signed()
        old = made.context[index]
        made.context[index] = old[:at] + bytes([old[at] ^ 1]) + old[at + 1 :]
        file.payload("ChangedAfterSigning", f"a bit of {words}", made.raw, everywhere(BAD))
    made = signed()
    made.rs.reverse()
    file.payload("ChangedAfterSigning", "the rs of two signatures changed places", made.raw,
                 everywhere(BAD))  # fmt: skip


# --- the report -----------------------------------------------------------------------------------


def add_reports(file: File) -> None:
    """Reports whose fields the contracts look at, or do not."""
    short = report()
    for size in (33, 64, 95):
        file.payload("ObservedTime ReportUninspected", f"a signed report of {size} bytes",
                     signed(short[:size]).raw, everywhere(v4=EMPTY, odd="all"))  # fmt: skip
    for size in (96, 97, 128):
        file.payload("ObservedTime ReportUninspected", f"a signed report of {size} bytes",
                     signed(short[:size]).raw, everywhere(odd="all"))  # fmt: skip
    for index in (1, 2):
        dirty = with_word(short, 32 * index, 2**32)
        file.payload("ObservedTime ReportUninspected", f"word {index} of the report is 2^32",
                     signed(dirty).raw, everywhere(v4=EMPTY, odd="all"))  # fmt: skip
    for index in (3, 5, 6):
        dirty = with_word(short, 32 * index, 2**255)
        file.payload("ReportUninspected", f"word {index} of the report is dirty",
                     signed(dirty).raw, everywhere(odd="all"))  # fmt: skip
    doubled = signed(short[:95], by=(0, 0))
    file.payload("ObservedTime DoubledSigner", "a short report, and a signer twice", doubled.raw,
                 everywhere(BAD))  # fmt: skip
    file.payload("ReportUninspected LengthPastEnd", "a signed report of text", signed(
        FEED + b"\0" * 64 + b"no report at all").raw, everywhere(odd="all"))  # fmt: skip
    _add_activations(file)


def _add_activations(file: File) -> None:
    network, second = NETWORK, states.SECOND
    first, later, inactive = OBSERVED - 1_000, states.LATER, states.INACTIVE_FROM
    for signs, observed, answer in (
        (network, OBSERVED, None),
        (network, first, None),
        (network, first - 1, BAD),
        (network, later - 1, None),
        (network, later, BAD),
        (second, later, None),
        (second, later - 1, BAD),
        (second, inactive - 1, None),
        (second, inactive, BAD),
        (STRANGERS, inactive, BAD),
        (STRANGERS, 2**32 - 1, BAD),
    ):
        blob = report(observations_timestamp=observed)
        made = signed(blob, network=signs, by=range(signs.f + 1))
        file.payload("ActivationTime", f"{signs.seed}: observed {observed - OBSERVED:+} s",
                     made.raw, everywhere(answer, only=[V04], state="activation"))  # fmt: skip


# --- fees -----------------------------------------------------------------------------------------


def _fees(answer: bytes | None, *, state: str = "fees", **terms: Any) -> Calls:
    """The answer of a fee manager, of which v0.4.0 says no more than BadVerification."""
    return everywhere(answer, v4=None if answer is None else BAD, state=state, **terms)


def add_terms(file: File) -> None:
    """The token that a call names."""
    raw = signed(report(native_fee=NATIVE_FEE)).raw
    for words, parameter, answer in (
        ("LINK", PAY_LINK, None),
        ("wrapped native", PAY_NATIVE, None),
        ("LINK, with a word behind it", PAY_LINK + word(7), None),
    ):
        file.payload("ParameterPayload", f"the token is {words}", raw,
                     _fees(answer, parameter=parameter))  # fmt: skip
    for words, parameter in (
        ("empty", b""),
        ("31 bytes", PAY_LINK[:31]),
        ("20 bytes, the bare address", PAY_LINK[12:]),
        ("an address with a bit above its 160", word(2**160 | int(LINK, 16))),
        ("an address with the highest bit", word(2**255 | int(LINK, 16))),
    ):
        file.payload("ParameterPayload", f"the parameter payload is {words}", raw,
                     _fees(EMPTY, parameter=parameter))  # fmt: skip
    for words, parameter in (("zero", word(0)), ("another", word(int(STRANGER, 16)))):
        file.payload("InvalidQuote", f"the token is {words}", raw,
                     _fees(QUOTE, parameter=parameter))  # fmt: skip
    for value in (1, 10**18):
        file.payload("LinkKeepsValue", f"paid in LINK, with {value} wei", raw,
                     _fees(None, parameter=PAY_LINK, value=value))  # fmt: skip
    v1 = signed(report(FEED_V1)).raw
    for words, parameter in (("no token", b""), ("a token that is none", b"\xff" * 40)):
        file.payload("Version1Free", f"a report of schema 1, and {words}", v1,
                     _fees(None, parameter=parameter, now=2**32))  # fmt: skip


def add_expiry(file: File) -> None:
    """The block's time beside the report's expiry."""
    for left, expires in ((1, EXPIRES), (0, EXPIRES), (-1, EXPIRES), (-1, 0), (0, 2**32 - 1)):
        raw = signed(report(expires_at=expires)).raw
        now = expires - left
        terms: dict[str, Any] = {"now": now} if now > OBSERVED else {}
        answer = EXPIRED if left < 0 else None
        file.payload("Expired", f"expires_at is {expires}, {left} s after the block's time", raw,
                     several(_fees(answer, parameter=PAY_LINK, **terms),
                             everywhere(odd="all" if left < 0 else "", **terms)))  # fmt: skip


def add_heads(file: File) -> None:
    """The fields that a fee manager decodes, and the order in which it and the verifier fail."""
    whole = report()
    for size, answer in ((191, EMPTY), (192, None), (193, None), (96, EMPTY)):
        file.payload("CommonHead", f"a signed report of {size} bytes", signed(whole[:size]).raw,
                     _fees(answer, parameter=PAY_LINK, odd="all"))  # fmt: skip
    for index, value, answer in (
        (1, 2**32, EMPTY), (2, 2**32, EMPTY), (3, 2**192, EMPTY), (4, 2**255, EMPTY),
        (5, 2**32, EMPTY), (6, 2**255, None),
    ):  # fmt: skip
        v4: Any = answer if index < 3 or answer is None else BAD
        file.payload("CommonHead" + (" ObservedTime" if index < 3 else ""),
                     f"word {index} of the report is dirty",
                     signed(with_word(whole, 32 * index, value)).raw,
                     everywhere(answer, v4=v4, state="fees", parameter=PAY_LINK,
                                odd="all"))  # fmt: skip
    strange = signed(network=STRANGERS, digest=NETWORK.config_digest).raw
    unknown = signed(digest=b"\xee" * 32).raw
    late = EXPIRES + 1
    for words, raw, answer, terms in (
        ("strangers' signatures and a wrong token", strange, QUOTE, {"parameter": word(0)}),
        ("an unknown digest and a wrong token", unknown, QUOTE, {"parameter": word(0)}),
        ("an unknown digest, expired", unknown, EXPIRED, {"parameter": PAY_LINK, "now": late}),
    ):
        file.payload("FeesFirst", words, raw, _fees(answer, **terms))
    file.payload("FeesFirst FeesLast VOverflow", "v of 229, expired", _with_v(0, 229).raw,
                 everywhere(EXPIRED, v4=PANIC_ADD, state="fees", parameter=PAY_LINK,
                            now=late))  # fmt: skip
    file.payload("FeesFirst StubDigest", "31 bytes: the fee manager decodes first",
                 signed().raw[:31],
                 everywhere(EMPTY, state="fees", parameter=PAY_LINK))  # fmt: skip
    file.payload("ParameterPayload InvalidQuote CommonHead Expired",
                 "a wrong token and a short report: the token is looked at first",
                 signed(whole[:96]).raw, _fees(QUOTE, parameter=word(0)))  # fmt: skip


def add_amounts(file: File) -> None:
    """Native fees to the wei: what is enough, and one wei less."""
    surcharged = 1_100_002  # ceil(1,000,001 x 1.1)
    mine = signed(report(native_fee=NATIVE_FEE)).raw
    others = signed(report(states.OTHER_FEED, native_fee=NATIVE_FEE)).raw
    discounted = 550_001  # half of it
    everyones = 733_335  # ceil(1,100,002 x (1 - 0.333333333333333333))
    v4_up = (V04, *V5)
    for flags, words, raw, fee, terms in (
        ("Surcharge", "10 % more", mine, surcharged, {}),
        ("Discount DiscountOfFeed Surcharge", "10 % more, half off for the feed", mine, discounted,
         {"state": "discounts"}),
        ("Discount GlobalDiscount Surcharge", "10 % more, a third off for all feeds", others,
         everyones, {"state": "discounts", "only": v4_up}),
    ):  # fmt: skip
        for more, answer in ((0, None), (1, None), (-1, DEPOSIT)):
            comment = f"{words}: {fee} wei are due, {fee + more} sent"
            file.payload(f"InvalidDeposit {flags}", comment, raw,
                         _fees(answer, parameter=PAY_NATIVE, value=fee + more,
                                    **terms))  # fmt: skip
    file.payload("WrappedNative", "no value is sent", mine, _fees(None, parameter=PAY_NATIVE))
    file.payload("InvalidDeposit", "one wei is sent", mine,
                 _fees(DEPOSIT, parameter=PAY_NATIVE, value=1))  # fmt: skip
    free = signed(report(native_fee=0)).raw
    file.payload("InvalidDeposit Surcharge", "nothing is due, one wei is sent", free,
                 _fees(None, parameter=PAY_NATIVE, value=1))  # fmt: skip
    least = signed(report(native_fee=1)).raw
    for value, answer in ((2, None), (1, DEPOSIT)):
        file.payload("InvalidDeposit Surcharge",
                     f"a fee of 1 wei is 2 with the surcharge, {value} sent", least,
                     _fees(answer, parameter=PAY_NATIVE, value=value))  # fmt: skip


# --- several payloads, views, no-op fee managers --------------------------------------------------


def _bulk(file: File, flags: str, words: str, raws: list[bytes], calls: Calls) -> None:
    file.add(flags, words, form="bulk", input=tuple(map(hexed, raws)), result=VALID,
             calls=calls(VALID))  # fmt: skip


def add_bulk(file: File) -> None:
    """Several payloads in one call."""
    one, other = signed().raw, signed(report(FEED_V1), by=(2, 3)).raw
    strange = signed(network=STRANGERS, digest=NETWORK.config_digest).raw
    unknown = signed(digest=b"\xee" * 32).raw
    bulk: dict[str, Any] = {"function": VERIFY_BULK}
    found = _not_found(b"\xee" * 32)
    _bulk(file, "Bulk Good", "two good payloads", [one, other], everywhere(**bulk))
    _bulk(file, "Bulk Good", "the same payload twice", [one, one], everywhere(**bulk))
    _bulk(file, "Bulk", "no payload", [], everywhere(odd="all", **bulk))
    for words, raws in (("second", [one, strange]), ("first", [strange, one])):
        _bulk(file, "Bulk UnknownSigner", f"the {words} is signed by strangers", raws,
              everywhere(BAD, **bulk))  # fmt: skip
    _bulk(file, "Bulk VerifierNotFound UnknownSigner", "an unknown digest, then strangers",
          [unknown, strange], everywhere(found, v4=BAD, **bulk))  # fmt: skip
    _bulk(file, "Bulk VerifierNotFound UnknownSigner", "strangers, then an unknown digest",
          [strange, unknown], everywhere(BAD, **bulk))  # fmt: skip
    late = signed(report(expires_at=NOW - 1)).raw
    _bulk(file, "Bulk FeesFirst Expired", "strangers, then an expired report",
          [strange, late], _fees(EXPIRED, parameter=PAY_LINK, **bulk))  # fmt: skip
    priced = signed(report(native_fee=NATIVE_FEE)).raw
    for more, answer in ((0, None), (-1, DEPOSIT)):
        _bulk(file, "Bulk InvalidDeposit", f"two fees of 1,100,002 wei, {more:+} sent",
              [priced, priced],
              _fees(answer, parameter=PAY_NATIVE, value=2_200_004 + more, **bulk))  # fmt: skip
    view: dict[str, Any] = {"function": VERIFY_BULK_VIEW}
    _bulk(file, "Bulk View NoSuchView", "two good payloads, to the view", [one, other],
          everywhere(EMPTY, v51=None, **view))  # fmt: skip
    _bulk(file, "Bulk View UnknownSigner", "a stranger's, to the view", [one, strange],
          everywhere(BAD, only=[V051], **view))  # fmt: skip


def add_views(file: File) -> None:
    """The views of v0.5.1."""
    view: dict[str, Any] = {"function": VERIFY_VIEW}
    only: dict[str, Any] = view | {"only": [V051]}
    raw = signed().raw
    file.payload("View NoSuchView", "a good payload, to the view", raw,
                 everywhere(EMPTY, v51=None, **view))  # fmt: skip
    file.payload("ValueOnView", "one wei is sent to the view", raw,
                 everywhere(EMPTY, value=1, **only))  # fmt: skip
    file.payload("View Expired", "expired, under a fee manager that charges: a view does not bill",
                 raw, everywhere(state="fees", now=EXPIRES + 1, odd="all", **only))  # fmt: skip
    file.payload("View AccessForbidden", "the view asks the access controller, too", raw,
                 everywhere(FORBIDDEN, state="access", sender=STRANGER, **only))  # fmt: skip
    for words, damaged, answer in (
        ("a stranger's signatures", signed(network=STRANGERS, digest=NETWORK.config_digest).raw,
         BAD),
        ("an unknown digest", signed(digest=b"\xee" * 32).raw, _not_found(b"\xee" * 32)),
        ("v of 229", _with_v(0, 229).raw, PANIC_ADD),
        ("nothing", b"", _not_found(bytes(32))),
    ):  # fmt: skip
        file.payload("View", f"{words}, to the view", damaged, everywhere(answer, **only))


def add_no_op(file: File) -> None:
    """Fee managers that do nothing: billing by subscription."""
    whole = report()
    for words, raw, terms in (
        ("no token", signed().raw, {}),
        ("a token that is none", signed().raw, {"parameter": b"\xff" * 31}),
        ("value that comes back", signed().raw, {"value": 10**9}),
        ("an expired report", signed().raw, {"now": EXPIRES + 1}),
        ("a report that is cut", signed(whole[:40]).raw, {}),
        ("a report with a dirty fee", signed(with_word(whole, 96, 2**255)).raw, {}),
    ):
        calls = [
            everywhere(only=V5, state=f"no-op {version}", odd="all" if "report" in words else "",
                       **terms)
            for version in ("0.5.0", "0.5.1")
        ]  # fmt: skip
        file.payload("NoOpFeeManager", words, raw, several(*calls))
    strange = signed(network=STRANGERS, digest=NETWORK.config_digest).raw
    file.payload("NoOpFeeManager UnknownSigner", "a stranger's signatures", strange,
                 everywhere(BAD, only=V5, state="no-op 0.5.1"))  # fmt: skip
    file.payload("NoOpFeeManager StubDigest", "31 bytes: nothing decodes before the proxy looks",
                 signed().raw[:31],
                 everywhere(_not_found(signed().raw[:31].ljust(32, b"\0")), only=V5,
                            state="no-op 0.5.1"))  # fmt: skip


def contract_calls() -> File:
    """The cases of calls."""
    file = File("chainlink-call")
    for add in (add_access, add_configs, add_counts, add_recoveries, add_changes, add_reports,
                add_terms, add_expiry, add_heads, add_amounts, add_bulk, add_views,
                add_no_op):  # fmt: skip
        add(file)
    add_memory(file, PAY_LINK)
    return file
