"""What cases are made of: a test network, signed payloads, states, calls, and their expectations.

Expectations are written from the rules. The executable rules of the decoder (`tests.onchain.rules`)
and the layouts here share nothing with the library; the answers of the contracts are given by each
case. The on-chain lane holds all of it against solc and the real contracts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec
from eth_abi.abi import encode as abi_encode

from payloads.conformance import (
    ACCEPTABLE,
    ACCEPTED,
    INVALID,
    RETURNS_FALSE,
    REVERTS,
    VALID,
    Call,
    Case,
)
from payloads.crypto import keccak256, recover, sign
from payloads.testing import SUBSCRIBER, InsecureTestNetwork
from tests.conformance import layouts
from tests.conformance.flags import FLAGS
from tests.onchain import rules

FULL = ("bytes32[3]", "bytes", "bytes32[]", "bytes32[]", "bytes32")
NETWORK = InsecureTestNetwork("conformance", 4, 1)
STRANGERS = InsecureTestNetwork("conformance stranger", 4, 1)
FEED = b"\x00\x03" + b"conformance".ljust(30, b"\0")
FEED_V1 = b"\x00\x01" + b"conformance".ljust(30, b"\0")
OBSERVED = 1_700_000_000
EXPIRES = OBSERVED + 86_400
NOW = OBSERVED + 10
CURVE_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
DON = (1 << 32 | 1).to_bytes(32, "big")

V03, V04, V05, V051 = GENERATIONS = ("v0.3.0", "v0.4.0", "v0.5.0", "v0.5.1")

# What a contract does: accepts, returns false, or reverts with these bytes.
Outcome = bytes | Literal[False] | None
ACCEPTS: Outcome = None
EMPTY = b""


def selector(signature: str) -> bytes:
    """The first four bytes of the hash of a function or an error."""
    return keccak256(signature.encode())[:4]


_ERRORS: dict[bytes, str] = {}


def error(signature: str, *values: Any) -> bytes:
    """The revert data of a contract's error."""
    name, _, types = signature.rstrip(")").partition("(")
    _ERRORS[selector(signature)] = name
    return selector(signature) + abi_encode(types.split(",") if types else [], values)


def panic(code: int) -> bytes:
    """The revert data of a Panic of Solidity."""
    return error("Panic(uint256)", code)


BAD = error("BadVerification()")
PANIC_MEMORY, PANIC_ADD, PANIC_INDEX = panic(0x41), panic(0x11), panic(0x32)


def error_name(data: bytes) -> str:
    """The error's name; empty for empty revert data."""
    name = _ERRORS[data[:4]] if data else ""
    return f"Panic(0x{data[-1]:02x})" if name == "Panic" else name


def hexed(raw: bytes) -> str:
    """Bytes as the corpus has them."""
    return "0x" + raw.hex()


# --- payloads -------------------------------------------------------------------------------------


def report(feed: bytes = FEED, **values: Any) -> bytes:
    """A report of the feed's schema: small numbers, but for those that are given."""
    _, layout = layouts.LAYOUTS[feed[:2]]
    made: dict[str, Any] = {
        name: layouts.USUAL.get(name, 1000 + at) for at, (name, _) in enumerate(layout)
    }
    made |= {"feed_id": feed, "observations_timestamp": OBSERVED}
    for name, value in (("valid_from_timestamp", OBSERVED), ("expires_at", EXPIRES)):
        if name in made:
            made[name] = value
    return layouts.write(layout, {k: b"\x11" * 32 if k.endswith("hash") else v
                                  for k, v in made.items()} | values)  # fmt: skip


@dataclass
class Signed:
    """The five parts of a payload, to be damaged before they are encoded."""

    context: list[bytes]
    blob: bytes
    rs: list[bytes]
    ss: list[bytes]
    vs: bytes

    @property
    def raw(self) -> bytes:
        """The canonical encoding."""
        parts = (self.context, self.blob, self.rs, self.ss, self.vs[:32].ljust(32, b"\0"))
        return bytes(abi_encode(FULL, parts))


def signing_digest(context: Sequence[bytes], blob: bytes) -> bytes:
    """What oracles sign."""
    return keccak256(keccak256(blob) + b"".join(context))


def signed(
    blob: bytes | None = None,
    *,
    by: Sequence[int] = (0, 1),
    network: InsecureTestNetwork = NETWORK,
    digest: bytes | None = None,
    sequence: int = 257,
    padding: bytes = bytes(27),
    extra: bytes = DON,
    hashed: Callable[[bytes], bytes] = bytes,
) -> Signed:
    """A report signed by oracles. `hashed` changes the digest that is signed."""
    blob = report() if blob is None else blob
    context = [digest or network.config_digest, padding + sequence.to_bytes(5, "big"), extra]
    hash_ = hashed(signing_digest(context, blob))
    found = [sign(network.keys[index], hash_) for index in by]
    return Signed(
        context, blob, [r for r, _, _ in found], [s for _, s, _ in found],
        bytes(v for _, _, v in found),
    )  # fmt: skip


def with_word(raw: bytes, at: int, value: int) -> bytes:
    """The bytes with another word at a position."""
    return raw[:at] + layouts.word(value) + raw[at + 32 :]


def word_at(raw: bytes, at: int) -> int:
    """The word at a position."""
    return int.from_bytes(raw[at : at + 32], "big")


# --- expectations ---------------------------------------------------------------------------------


def words(raw: bytes) -> list[bytes]:
    """The 32-byte words of some bytes."""
    return [raw[at : at + 32] for at in range(0, len(raw), 32)]


def signers_of(context: bytes, blob: bytes, rs: bytes, ss: bytes, vs: bytes) -> list[str | None]:
    """The address that each signature recovers under the rules of ecrecover."""
    digest = signing_digest([context], blob)
    found: list[str | None] = []
    for r, s, v in zip(words(rs), words(ss), vs, strict=False):
        address = recover(digest, r, s, v) if v in (0, 1) else None
        found.append(hexed(address) if address is not None else None)
    return found


def read_report(blob: bytes) -> dict[str, Any] | None:
    """The fields of a report with a known schema, if Solidity can read them."""
    named = layouts.LAYOUTS.get(blob[:2])
    if named is None or blob[:2] in layouts.INFERRED:
        return None
    try:
        return layouts.read(named, blob)
    except rules.Refused:
        return None


def envelope_fields(context: bytes, blob: bytes, rs: bytes, ss: bytes, vs: bytes) -> dict[str, Any]:
    """A payload's parts as the corpus has them."""
    return {
        "context": [hexed(word) for word in words(context)],
        "epoch": str(int.from_bytes(context[59:63], "big")),
        "round": str(context[63]),
        "report_blob": hexed(blob),
        "rs": [hexed(word) for word in words(rs)],
        "ss": [hexed(word) for word in words(ss)],
        "raw_vs": hexed(vs),
    }


def is_canonical(raw: bytes, context: bytes, blob: bytes, rs: bytes, ss: bytes, vs: bytes) -> bool:
    """Whether an honest encoder would write these bytes."""
    count = len(rs) // 32
    if len(rs) != len(ss) or count > 32 or any(vs[count:]) or _trails(blob):
        return False
    return bool(abi_encode(FULL, [words(context), blob, words(rs), words(ss), vs]) == raw)


def _trails(blob: bytes) -> bool:
    """Whether bytes stand behind the last field of a report."""
    return read_report(blob) is not None and len(blob) > 32 * len(layouts.LAYOUTS[blob[:2]][1])


def question(case: Case) -> bytes:
    """Four bytes of the hash of a case without its answers: the input, and the terms of its calls.

    The same input may be called under other terms in another case.
    """
    asked: list[Any] = [case.form, case.input, case.repeated, case.layout]
    for each in case.calls:
        asked += [each.state, each.function, each.parameter, each.value, each.sender, each.now]
    return keccak256(msgspec.json.encode(asked))[:4]


# --- the corpus while it is made ------------------------------------------------------------------


@dataclass
class File:
    """A file of cases. An id follows from what is asked, so it stays where others are added."""

    name: str
    by_id: dict[str, Case] = field(default_factory=dict)

    @property
    def cases(self) -> list[Case]:
        return list(self.by_id.values())

    def add(self, flags: str, comment: str, **keys: Any) -> Case:
        """A case; `flags` are separated by spaces."""
        names = tuple(flags.split())
        unknown = set(names) - set(FLAGS)
        assert names, comment
        assert not unknown, unknown
        case = Case(id="", flags=names, comment=comment, **keys)
        case = msgspec.structs.replace(case, id=f"{self.name}-{question(case).hex()}")
        if (known := self.by_id.get(case.id)) is not None:
            # The same question for the sake of another rule: the answer has to be the same, too.
            both = tuple(dict.fromkeys(known.flags + names))
            assert case == msgspec.structs.replace(known, flags=names, comment=comment), comment
            case = msgspec.structs.replace(known, flags=both)
        self.by_id[case.id] = case
        return case

    def payload(
        self,
        flags: str,
        comment: str,
        raw: bytes,
        calls: Callable[[str], tuple[Call, ...]] | Outcome | Literal[True] = True,
    ) -> Case:
        """A payload of Data Streams with its calls.

        `calls` makes them of the result of decoding; or it is the answer of all generations.
        Without it, all accept what decodes, and revert as abi.decode does.
        """
        try:
            parts = rules.full(raw)
        except rules.Refused as refused:
            made = _calls(calls, INVALID, refused.data)
            return self.add(flags, comment, form="full_report", input=hexed(raw), result=INVALID,
                            decode_error=hexed(refused.data), calls=made)  # fmt: skip
        canonical = is_canonical(raw, *parts)
        result = VALID if canonical else ACCEPTABLE
        decoded, fields = envelope_fields(*parts), read_report(parts[1])
        if fields is not None:
            decoded["report"] = fields
        return self.add(
            flags, comment, form="envelope" if fields is None else "full_report", input=hexed(raw),
            result=result, canonical=canonical, decoded=decoded, signers=tuple(signers_of(*parts)),
            calls=_calls(calls, result, ACCEPTS),
        )  # fmt: skip


def _calls(given: Any, result: str, answer: Outcome) -> tuple[Call, ...]:
    if callable(given):
        return tuple(given(result))
    return everywhere(answer if given is True else given)(result)


VERIFY = "verify(bytes,bytes)"
VERIFY_VIEW = "verifyView(bytes)"


def call(
    generation: str,
    answer: Outcome,
    result: str = VALID,
    *,
    state: str = "",
    function: str = VERIFY,
    parameter: bytes = b"",
    value: int = 0,
    sender: str = SUBSCRIBER,
    now: int = NOW,
) -> Call:
    """A call and its answer. `result` is what an accepted call is: valid or acceptable."""
    outcome = {True: ACCEPTED, False: REVERTS}[answer is None]
    if answer is False:
        outcome = RETURNS_FALSE
    data = answer if isinstance(answer, bytes) else None
    return Call(
        generation=generation, state=f"{generation} {state}".strip(), function=function,
        parameter=hexed(parameter), value=str(value), sender=sender, now=now,
        result=result if answer is None else INVALID, outcome=outcome,
        error=None if data is None else error_name(data),
        revert_data=None if data is None else hexed(data),
    )  # fmt: skip


Calls = Callable[[str], tuple[Call, ...]]
_SAME: Any = object()


def everywhere(
    answer: Outcome = ACCEPTS,
    *,
    v3: Any = _SAME,
    v4: Any = _SAME,
    v5: Any = _SAME,
    v51: Any = _SAME,
    only: Sequence[str] = GENERATIONS,
    odd: str = "",
    **terms: Any,
) -> Calls:
    """A call of each generation, all with the same answer but for those that are named.

    `odd` names the generations that accept what a careful verifier might refuse, or is `all`.
    """
    v51 = v5 if v51 is _SAME else v51
    given = dict(zip(GENERATIONS, (v3, v4, v5, v51), strict=True))

    def make(result: str) -> tuple[Call, ...]:
        found = []
        for generation in only:
            mine = answer if given[generation] is _SAME else given[generation]
            strange = odd == "all" or generation in odd.split()
            found.append(call(generation, mine, ACCEPTABLE if strange else result, **terms))
        return tuple(found)

    return make


def several(*parts: Calls) -> Calls:
    """The calls of several groups."""
    return lambda result: tuple(each for part in parts for each in part(result))
