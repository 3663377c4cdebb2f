"""A call to a verifier proxy as it is judged: its arguments, and what the checks find out.

A `Call` has an `Item` for each payload. The steps (see `checks`) read from them and keep what they
find in them, in the contract's order. Nothing else is kept between steps.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from payloads.abi.solidity import FREE_MEMORY, Argument, decode
from payloads.chainlink.report import FULL_REPORT, canonical_parts
from payloads.chainlink.state import V04, ChainlinkState, Config
from payloads.crypto import keccak256, keccak_many
from payloads.errors import Malformed
from payloads.verdicts.signers import Asked, Signers

# What a fee manager decodes of a payload.
PAIR = FULL_REPORT[:2]
QUOTE = (Argument("fee_token", "uint160"),)
WORD = 32
# Payloads of a bulk call whose signatures are asked for together: a call that reverts at the first
# of them then wastes no more than their recoveries.
AHEAD = 32
_from_bytes = int.from_bytes


class Item:
    """A payload of a call. An attribute that is None was not found (yet)."""

    __slots__ = (
        "bare", "call", "charge", "config", "context", "digest", "fault", "feed_id", "head",
        "index", "listed", "observed", "quote", "raw", "report", "rs", "signers", "ss", "token",
        "vs", "whole",
    )  # fmt: skip

    call: Call
    raw: bytes
    index: int | None
    # The error in it as an element of a `bytes[]` in calldata.
    fault: Malformed | None
    # The decoded tuple; `whole` once all five are known, the fee manager looks at two.
    context: bytes
    report: bytes | None
    rs: Sequence[bytes]
    ss: Sequence[bytes]
    vs: bytes
    whole: bool | None
    config: Config | None
    digest: bytes | None
    # The signatures, once they were asked for.
    listed: Asked | None
    signers: Sequence[bytes | None] | None
    observed: int | None
    feed_id: bytes | None
    # The token that the parameter payload names, and the same once the fee manager takes it.
    quote: bytes | None
    token: bytes | None
    head: tuple[Any, ...] | None
    charge: Any
    # The report as findings read it.
    bare: Any

    def __init__(
        self, call: Call, raw: bytes, index: int | None = None, fault: Malformed | None = None
    ) -> None:
        self.call, self.raw, self.index, self.fault = call, raw, index, fault
        self.whole = self.token = self.listed = None
        self.report = self.config = self.digest = self.signers = self.observed = None
        self.feed_id = self.quote = self.head = self.charge = self.bare = None
        self.rs = self.ss = ()

    @property
    def config_digest(self) -> bytes:
        """The first word, as the proxy reads it: zeros stand for what is missing."""
        first = self.raw[:WORD]
        return first if len(first) == WORD else first.ljust(WORD, b"\0")

    def decode(self, free: int) -> None:
        """Decode all five parts as `abi.decode` would with this free memory pointer."""
        if not self.splits():
            self.context, self.report, self.rs, self.ss, self.vs = _decode_slowly(self.raw, free)
            self.whole = True

    def decode_pair(self, free: int) -> None:
        """Decode the context and the report as the fee manager does."""
        if not self.splits():
            context, self.report = decode(PAIR, self.raw, free=free)
            self.context = b"".join(context)

    def hash(self) -> bytes:
        """The digest that is signed."""
        if self.digest is None:
            assert self.report is not None
            self.digest = keccak256(keccak256(self.report) + self.context)
        return self.digest

    def signatures(self) -> Asked:
        """The signatures that have an r, an s and a recovery id."""
        if self.listed is None:
            rs, ss, vs = self.rs, self.ss, self.vs
            count = min(len(rs), len(ss), len(vs))
            if not count == len(rs) == len(ss):
                rs, ss = rs[:count], ss[:count]
            self.listed = (self.digest or self.hash(), rs, ss, vs[:count])
        return self.listed

    def asked(self) -> Sequence[Asked]:
        """These, and in a bulk call those of the payloads behind it, some at a time."""
        if self.index is None or self.index % AHEAD:
            return (self.signatures(),)
        ahead = self.call.items[self.index : self.index + AHEAD]
        hash_together(ahead)
        return [item.signatures() for item in ahead if item.whole]

    def splits(self) -> bool:
        """Take the five parts already, if it is certain that the contract will find them."""
        if self.fault is not None or (found := split(self.raw)) is None:
            return False
        self.context, self.report, self.rs, self.ss, self.vs = found
        self.whole = True
        return True


def hash_together(items: Iterable[Item]) -> None:
    """The digests of items that certainly decode, those with reports of one size at once."""
    by_size: dict[int, list[Item]] = {}
    for item in items:
        if (item.whole or item.splits()) and item.digest is None:
            by_size.setdefault(len(item.report or b""), []).append(item)
    for size, same in by_size.items():
        if size and len(same) > 1:
            _hash_reports(same, size)


def _hash_reports(items: Sequence[Item], size: int) -> None:
    hashes = keccak_many(b"".join([item.report or b"" for item in items]), size)
    places = range(0, WORD * len(items), WORD)
    signed = [hashes[at : at + WORD] + item.context for at, item in zip(places, items, strict=True)]
    digests = keccak_many(b"".join(signed), len(signed[0]))
    for at, item in zip(places, items, strict=True):
        item.digest = digests[at : at + WORD]


class Call:
    """A call of `verify` (one item) or `verifyBulk`, or of their views.

    `sender`, `origin` and `now` are resolved already.
    """

    __slots__ = (
        "bulk", "earlier", "free", "is_view", "items", "native_total", "now", "origin",
        "parameter_payload", "sender", "signers", "state", "value",
    )  # fmt: skip

    def __init__(
        self,
        state: ChainlinkState,
        payloads: Sequence[bytes | Malformed],
        parameter_payload: bytes,
        value: int,
        sender: bytes | None,
        origin: bytes | None,
        now: int | None,
        bulk: bool,
        signers: Signers,
        is_view: bool = False,
    ) -> None:
        self.state, self.parameter_payload = state, parameter_payload
        self.value, self.sender, self.origin = value, sender, origin
        self.now, self.bulk = now, bulk
        self.signers, self.is_view = signers, is_view
        if bulk:
            self.items = [
                Item(self, payload, index)
                if isinstance(payload, bytes)
                else Item(self, b"", index, payload)
                for index, payload in enumerate(payloads)
            ]
        else:
            (payload,) = payloads
            assert isinstance(payload, bytes)
            self.items = [Item(self, payload)]
        # What earlier payloads of a bulk call leave in memory: v0.4.0's verifier, fee managers.
        self.free = FREE_MEMORY if state.contract != V04 else self._free_in_verifier()
        self.earlier = self.native_total = 0

    def again(self) -> Call:
        """The same call, of which nothing is known yet."""
        payloads = [item.fault or item.raw for item in self.items]
        who = (self.value, self.sender, self.origin, self.now, self.bulk)
        how = (self.parameter_payload, *who, self.signers, self.is_view)
        return Call(self.state, payloads, *how)

    def _free_in_verifier(self) -> int:
        """Where free memory starts when v0.4.0's verifier decodes. The others are called anew for
        each payload, so that theirs is the usual start."""
        answer = WORD if self.state.access_controller is not None else 0
        # Two arrays are laid out before the first payload is looked at.
        arrays = 2 * (WORD + WORD * len(self.items)) if self.bulk else 0
        return FREE_MEMORY + answer + arrays

    @property
    def free_in_fee_manager(self) -> int:
        """Where it starts when the fee manager decodes its next payload (v0.3.0 and v0.5.0)."""
        assets = 0x80
        if not self.bulk:
            return FREE_MEMORY + assets + self.earlier
        count = len(self.items)
        return FREE_MEMORY + WORD + WORD * count + 0x100 * count + assets + self.earlier


def split(raw: bytes) -> tuple[bytes, bytes, Sequence[bytes], Sequence[bytes], bytes] | None:
    """The five parts of any payload that solc decodes; None where it reverts.

    A payload that decodes has its parts inside its bytes, so no length in it is too large for
    memory. Acceptance does not depend on the free memory pointer; only the kind of refusal does.
    """
    if (canonical := canonical_parts(raw)) is not None:
        return canonical
    size = len(raw)
    if size < 224:
        return None
    last = size - WORD
    blob = _from_bytes(raw[96:128])
    rs = _from_bytes(raw[128:160])
    ss = _from_bytes(raw[160:192])
    if blob > last or rs > last or ss > last:
        return None
    blob_end = blob + WORD + _from_bytes(raw[blob : blob + WORD])
    rs_end = rs + WORD + WORD * _from_bytes(raw[rs : rs + WORD])
    ss_end = ss + WORD + WORD * _from_bytes(raw[ss : ss + WORD])
    if blob_end > size or rs_end > size or ss_end > size:
        return None
    return (
        raw[:96],
        raw[blob + WORD : blob_end],
        [raw[at : at + WORD] for at in range(rs + WORD, rs_end, WORD)],
        [raw[at : at + WORD] for at in range(ss + WORD, ss_end, WORD)],
        raw[192:224],
    )


def split_arguments(raw: bytes, count: int) -> list[bytes] | None:
    """The `bytes` arguments of any calldata that solc decodes; None where it reverts."""
    size = len(raw)
    if size < 4 + WORD * count:
        return None
    found = []
    for head in range(4, 4 + WORD * count, WORD):
        at = 4 + WORD + _from_bytes(raw[head : head + WORD])
        if at > size:
            return None
        end = at + _from_bytes(raw[at - WORD : at])
        if end > size:
            return None
        found.append(raw[at:end])
    return found


def _decode_slowly(
    raw: bytes, free: int
) -> tuple[bytes, bytes, Sequence[bytes], Sequence[bytes], bytes]:
    context, report, rs, ss, vs = decode(FULL_REPORT, raw, free=free)
    return b"".join(context), report, rs, ss, vs
