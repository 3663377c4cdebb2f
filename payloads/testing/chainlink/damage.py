"""The labels of damage to a payload of Data Streams, or to its call, and what they must give."""

from __future__ import annotations

from payloads.chainlink.checks import BAD, OVERFLOW
from payloads.chainlink.errors import (
    ACCESS_FORBIDDEN,
    DIGEST_INACTIVE_V3,
    DIGEST_INACTIVE_V5,
    EXPIRED_REPORT,
    INACTIVE_FEED,
    INCORRECT_SIGNATURE_COUNT,
    INVALID_DEPOSIT,
    INVALID_QUOTE,
    MISMATCHED_SIGNATURES,
    NO_SIGNERS,
    VERIFIER_NOT_FOUND,
)
from payloads.chainlink.state import GENERATIONS, V03, V04, V05, V051
from payloads.crypto import CURVE_ORDER, sign
from payloads.errors import panic
from payloads.testing.chainlink.draft import STRANGER, WORD, ChainlinkDraft
from payloads.testing.damage import NONE, Answer, Damage, Labels, Need, flipped
from payloads.testing.networks import InsecureTestNetwork, network_of, retired_digest

EMPTY = b""
_WITH_DIGESTS = (V03, V05, V051)
LABELS = Labels(
    GENERATIONS,
    fees=Need(GENERATIONS, lambda state: state.charges is not None),
    access=Need(GENERATIONS, lambda state: state.access_controller is not None),
    retired=Need(_WITH_DIGESTS, lambda state: any(not config.active for config in state.configs)),
    deactivated=Need((V03,), lambda state: bool(state.deactivated_feeds)),
    activation=Need(
        (V04,), lambda state: state.contract == V04 and state.in_force[0].activation_time
    ),
    views=Need((V051,), lambda state: state.contract == V051),
    old=Need(GENERATIONS[:-1], lambda state: state.contract != V051),
)
_label = LABELS.label


def _stranger(network: InsecureTestNetwork) -> InsecureTestNetwork:
    """A network of the same size whose keys are others."""
    return network_of(network.seed + " stranger", network.size, network.f, network.don_id)


def _count(draft: ChainlinkDraft) -> bytes:
    """The answer to a wrong number of signatures, where the number must be exact."""
    return INCORRECT_SIGNATURE_COUNT.data(len(draft.oracles), draft.network.f + 1)


def _word(value: int) -> bytes:
    return value.to_bytes(WORD, "big")


def _at(draft: ChainlinkDraft, damage: Damage) -> int:
    """The index of a signature."""
    return damage.at % len(draft.rs)


def _is_v4(draft: ChainlinkDraft) -> bool:
    return draft.state.contract == V04


def _set_word(draft: ChainlinkDraft, word: int, value: int) -> None:
    """Change a word of the payload."""
    start = WORD * word
    draft.raw = draft.raw[:start] + _word(value) + draft.raw[start + WORD :]


# --- nothing --------------------------------------------------------------------------------------


@_label(NONE, "report", "nothing: the payload and its call are good")
def _none(draft: ChainlinkDraft, damage: Damage) -> Answer:
    return None


# --- what is signed, and by whom ------------------------------------------------------------------


@_label("missing-signature", "report", "one signature fewer than are needed")
def _missing(draft: ChainlinkDraft, damage: Damage) -> Answer:
    del draft.oracles[damage.at % len(draft.oracles)]
    return BAD if _is_v4(draft) else _count(draft)


@_label("extra-signature", "report", "one signature more, by another oracle of the network")
def _extra(draft: ChainlinkDraft, damage: Damage) -> Answer:
    spare = [index for index in range(draft.network.size) if index not in draft.oracles]
    draft.oracles.append(spare[damage.at % len(spare)])
    return None if _is_v4(draft) else _count(draft)


@_label("no-signatures", "report", "no signature at all")
def _unsigned(draft: ChainlinkDraft, damage: Damage) -> Answer:
    draft.oracles.clear()
    return NO_SIGNERS.data() if _is_v4(draft) else _count(draft)


@_label("doubled-signer", "report", "an oracle signed twice, and another is missing")
def _doubled(draft: ChainlinkDraft, damage: Damage) -> Answer:
    at = 1 + damage.at % (len(draft.oracles) - 1)
    draft.oracles[at] = draft.oracles[0]
    return BAD


@_label("foreign-network", "report", "signed by the keys of another network, under this digest")
def _foreign_network(draft: ChainlinkDraft, damage: Damage) -> Answer:
    draft.network = _stranger(draft.network)
    return BAD


@_label("replayed-elsewhere", "report", "a good payload of another network, with its own digest")
def _elsewhere(draft: ChainlinkDraft, damage: Damage) -> Answer:
    draft.network = _stranger(draft.network)
    draft.digest = draft.network.config_digest
    return BAD if _is_v4(draft) else VERIFIER_NOT_FOUND.data(draft.digest)


@_label("foreign-digest", "report", "a digest that the proxy does not know, signed with the rest")
def _foreign_digest(draft: ChainlinkDraft, damage: Damage) -> Answer:
    draft.digest = b"\x00\x09" + (damage.amount % 2**16).to_bytes(30, "big")
    return None if _is_v4(draft) else VERIFIER_NOT_FOUND.data(draft.digest)


@_label(
    "retired-config", "report", "signed under a config that was deactivated",
    "retired",
)  # fmt: skip
def _retired(draft: ChainlinkDraft, damage: Damage) -> Answer:
    draft.digest = retired_digest(draft.network)
    if draft.state.contract == V03:
        return DIGEST_INACTIVE_V3.data(draft.feed, draft.digest)
    return DIGEST_INACTIVE_V5.data(draft.digest)


@_label(
    "deactivated-feed", "report", "a report of a feed that was deactivated",
    "deactivated",
)  # fmt: skip
def _deactivated(draft: ChainlinkDraft, damage: Damage) -> Answer:
    feed = bytes(draft.state.deactivated_feeds[0].id)
    draft.blob = feed + draft.blob[WORD:]
    return INACTIVE_FEED.data(feed)


@_label("other-feed", "report", "a signed report of a feed that the config is not for (v0.3.0)")
def _other_feed(draft: ChainlinkDraft, damage: Damage) -> Answer:
    feed = draft.feed[:2] + b"another feed".rjust(30, b"\xfe")
    draft.blob = feed + draft.blob[WORD:]
    if draft.state.contract != V03:
        return None
    return DIGEST_INACTIVE_V3.data(feed, draft.digest)


@_label(
    "before-activation", "report", "observed before the config applied",
    "activation", "clock",
)  # fmt: skip
def _too_early(draft: ChainlinkDraft, damage: Damage) -> Answer:
    before = int(draft.state.in_force[0].activation_time or 0) - 1
    draft.blob = draft.blob[: 2 * WORD] + _word(before) + draft.blob[3 * WORD :]
    return BAD


@_label("dirty-word", "report", "a number in the head of the signed report has a bit too high")
def _dirty(draft: ChainlinkDraft, damage: Damage) -> Answer:
    word = 1 + damage.at % 5
    at = WORD * word
    draft.blob = draft.blob[:at] + bytes([1 << damage.amount % 8]) + draft.blob[at + 1 :]
    if _is_v4(draft) and word <= 2:
        return EMPTY
    return draft.if_billed(EMPTY)


@_label("short-report", "report", "the signed report is cut within its head")
def _short(draft: ChainlinkDraft, damage: Damage) -> Answer:
    words = 1 + damage.at % 5
    draft.blob = draft.blob[: WORD * words]
    if _is_v4(draft) and words < 3:
        return EMPTY
    return draft.if_billed(EMPTY)


@_label("empty-report", "report", "the signed report has no bytes")
def _empty(draft: ChainlinkDraft, damage: Damage) -> Answer:
    draft.blob = b""
    if _is_v4(draft) or draft.is_billed:
        return EMPTY
    if draft.state.contract == V03:
        return DIGEST_INACTIVE_V3.data(bytes(WORD), draft.digest)
    return None


# --- the signatures -------------------------------------------------------------------------------


@_label("outsider", "signatures", "one signature is by a key of no oracle")
def _outsider(draft: ChainlinkDraft, damage: Damage) -> Answer:
    at, key = _at(draft, damage), _stranger(draft.network).keys[0]
    draft.rs[at], draft.ss[at], draft.vs[at] = sign(key, draft.signed_digest)
    return BAD


@_label("bit-flip", "signatures", "a bit of the report was changed after it was signed")
def _bit_flip(draft: ChainlinkDraft, damage: Damage) -> Answer:
    # The last four bytes of a word: the value stays within its type, and the fees as they are.
    word = 1 if len(draft.blob) <= 6 * WORD else 6
    end = WORD * (word + 1)
    draft.blob = flipped(draft.blob, end - 4, end, damage)
    return BAD


@_label("changed-context", "signatures", "the signed epoch and round were changed")
def _changed_context(draft: ChainlinkDraft, damage: Damage) -> Answer:
    draft.context[1] = flipped(draft.context[1], WORD - 5, WORD, damage)
    return BAD


@_label("flipped-v", "signatures", "v is 0 for 1, or 1 for 0")
def _flipped_v(draft: ChainlinkDraft, damage: Damage) -> Answer:
    draft.vs[_at(draft, damage)] ^= 1
    return BAD


@_label("v-offset", "signatures", "v is 27 or 28, as Ethereum's own signatures have it")
def _v_offset(draft: ChainlinkDraft, damage: Damage) -> Answer:
    draft.vs[_at(draft, damage)] += 27
    return BAD


@_label("v-overflow", "signatures", "v is so large that 27 more is no uint8")
def _v_overflow(draft: ChainlinkDraft, damage: Damage) -> Answer:
    draft.vs[_at(draft, damage)] = 229 + damage.amount % 27
    return OVERFLOW


@_label("high-s", "signatures", "the other form of a signature: n - s, with the other v")
def _high_s(draft: ChainlinkDraft, damage: Damage) -> Answer:
    at = _at(draft, damage)
    draft.ss[at] = _word(CURVE_ORDER - int.from_bytes(draft.ss[at], "big"))
    draft.vs[at] ^= 1
    return None


@_label("negated-s", "signatures", "n - s in the place of s, with the same v")
def _negated_s(draft: ChainlinkDraft, damage: Damage) -> Answer:
    at = _at(draft, damage)
    draft.ss[at] = _word(CURVE_ORDER - int.from_bytes(draft.ss[at], "big"))
    return BAD


@_label("zero-r", "signatures", "r is zero, which no signature has")
def _zero_r(draft: ChainlinkDraft, damage: Damage) -> Answer:
    draft.rs[_at(draft, damage)] = bytes(WORD)
    return BAD


@_label("large-s", "signatures", "s is the order of the curve, or more")
def _large_s(draft: ChainlinkDraft, damage: Damage) -> Answer:
    draft.ss[_at(draft, damage)] = _word(min(CURVE_ORDER + damage.amount, 2**256 - 1))
    return BAD


@_label("swapped-r-s", "signatures", "r and s changed places")
def _swapped(draft: ChainlinkDraft, damage: Damage) -> Answer:
    at = _at(draft, damage)
    draft.rs[at], draft.ss[at] = draft.ss[at], draft.rs[at]
    return BAD


@_label("reordered-signatures", "signatures", "the signatures stand in another order")
def _reordered(draft: ChainlinkDraft, damage: Damage) -> Answer:
    for words in (draft.rs, draft.ss, draft.vs):
        words.reverse()
    return None


@_label("unequal-counts", "signatures", "an s is missing")
def _unequal(draft: ChainlinkDraft, damage: Damage) -> Answer:
    del draft.ss[_at(draft, damage)]
    return MISMATCHED_SIGNATURES.data(len(draft.rs), len(draft.ss))


@_label("spare-vs", "signatures", "bytes stand behind the last v, which nothing reads")
def _spare_vs(draft: ChainlinkDraft, damage: Damage) -> Answer:
    draft.spare = bytes([1 + damage.amount % 255]) * WORD
    return None


# --- the encoding ---------------------------------------------------------------------------------


@_label("truncated", "encoding", "the end of the payload is missing")
def _truncated(draft: ChainlinkDraft, damage: Damage) -> Answer:
    draft.raw = draft.raw[: WORD + damage.at % (len(draft.raw) - WORD)]
    return EMPTY


@_label("stub", "encoding", "fewer bytes than a digest")
def _stub(draft: ChainlinkDraft, damage: Damage) -> Answer:
    draft.raw = draft.raw[: damage.at % WORD]
    if _is_v4(draft) or draft.asks_fees:
        return EMPTY
    return VERIFIER_NOT_FOUND.data(draft.raw.ljust(WORD, b"\0"))


@_label("trailing-bytes", "encoding", "bytes stand behind the payload")
def _trailing(draft: ChainlinkDraft, damage: Damage) -> Answer:
    draft.raw += bytes([damage.amount % 256]) * (1 + damage.at % 64)
    return None


@_label("gap", "encoding", "bytes stand between head and tails, and the offsets lead past them")
def _gap(draft: ChainlinkDraft, damage: Damage) -> Answer:
    size = 1 + damage.at % 64
    for word in (3, 4, 5):
        _set_word(draft, word, _offset(draft, word) + size)
    draft.raw = draft.raw[: 7 * WORD] + bytes([damage.amount % 256]) * size + draft.raw[7 * WORD :]
    return None


@_label("far-pointer", "encoding", "an offset leads past the end")
def _far_pointer(draft: ChainlinkDraft, damage: Damage) -> Answer:
    _set_word(draft, 3 + damage.at % 3, len(draft.raw) - 31 + damage.amount)
    return EMPTY


@_label("huge-pointer", "encoding", "an offset is 2^64 or more")
def _huge_pointer(draft: ChainlinkDraft, damage: Damage) -> Answer:
    _set_word(draft, 3 + damage.at % 3, 2**64 + damage.amount)
    return EMPTY


@_label("shared-pointer", "encoding", "the offset of the s is that of the r")
def _shared_pointer(draft: ChainlinkDraft, damage: Damage) -> Answer:
    _set_word(draft, 5, _offset(draft, 4))
    return BAD


@_label("long-length", "encoding", "a length reaches past the end")
def _long_length(draft: ChainlinkDraft, damage: Damage) -> Answer:
    start = _offset(draft, 3 + damage.at % 3)
    _set_word_at(draft, start, len(draft.raw) + damage.amount)
    return EMPTY


@_label("huge-length", "encoding", "a length is more than any memory")
def _huge_length(draft: ChainlinkDraft, damage: Damage) -> Answer:
    _set_word_at(draft, _offset(draft, 3 + damage.at % 3), 2**64 + damage.amount)
    return panic(0x41)


def _offset(draft: ChainlinkDraft, word: int) -> int:
    return int.from_bytes(draft.raw[WORD * word : WORD * (word + 1)], "big")


def _set_word_at(draft: ChainlinkDraft, start: int, value: int) -> None:
    draft.raw = draft.raw[:start] + _word(value) + draft.raw[start + WORD :]


# --- the call -------------------------------------------------------------------------------------


@_label("expired", "call", "the block comes after the report expires", family="clock")
def _expired(draft: ChainlinkDraft, damage: Damage) -> Answer:
    expires = int.from_bytes(draft.blob[5 * WORD : 6 * WORD], "big")
    if draft.is_billed:
        draft.now = expires + 1 + damage.amount
    return draft.if_billed(EXPIRED_REPORT.data())


@_label(
    "wrong-token", "call", "the call names a token that is neither LINK nor wrapped native",
    "fees", "payment",
)  # fmt: skip
def _wrong_token(draft: ChainlinkDraft, damage: Damage) -> Answer:
    draft.asked(pay=(damage.amount % 2**16).to_bytes(20, "big"))
    return draft.if_billed(INVALID_QUOTE.data())


@_label("no-token", "call", "the call names no token", "fees", "payment")
def _no_token(draft: ChainlinkDraft, damage: Damage) -> Answer:
    draft.asked()
    return draft.if_billed(EMPTY)


@_label("dirty-token", "call", "the word with the token is no address", "fees", "payment")
def _dirty_token(draft: ChainlinkDraft, damage: Damage) -> Answer:
    fees = draft.state.charges
    assert fees is not None
    clean = bytes(12) + bytes(fees.token("link"))
    draft.asked(pay=flipped(clean, 0, 12, damage))
    return draft.if_billed(EMPTY)


@_label("short-value", "call", "one wei less than the native fee", "fees", "payment")
def _short_value(draft: ChainlinkDraft, damage: Damage) -> Answer:
    if (fee := draft.fee) > 1:
        draft.asked(pay="native", value=fee - 1)
        return draft.fee_error(INVALID_DEPOSIT.data())
    # A fee of one wei is not left short by sending none: that is paying in wrapped native.
    draft.asked(pay="wrapped")
    return None


@_label(
    "stranger", "call", "the caller is not on the list of the access controller",
    "access",
)  # fmt: skip
def _unlisted(draft: ChainlinkDraft, damage: Damage) -> Answer:
    draft.sender = STRANGER
    return ACCESS_FORBIDDEN.data()


@_label(
    "value-on-view", "call", "value is sent to a view, which takes none",
    "views",
)  # fmt: skip
def _value_on_view(draft: ChainlinkDraft, damage: Damage) -> Answer:
    draft.asked(value=1 + damage.amount, is_view=True)
    return EMPTY


@_label(
    "unknown-view", "call", "a view is called that older proxies do not have",
    "old",
)  # fmt: skip
def _unknown_view(draft: ChainlinkDraft, damage: Damage) -> Answer:
    draft.asked(is_view=True)
    return EMPTY


@_label("json-contradicts", "call", "the frame says other times than the signed report")
def _contradicts(draft: ChainlinkDraft, damage: Damage) -> Answer:
    draft.times = [(time + 1 + damage.amount) % 2**32 for time in draft.times]
    return None
