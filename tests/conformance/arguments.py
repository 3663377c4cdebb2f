"""Cases of damaged call arguments: how Solidity reads the calldata of the functions themselves.

The rules are those of `tests/onchain/README.md`, as `tests.onchain.rules` has them executable. What
a contract does with the payloads that it reads is given by each case.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from eth_abi.abi import encode

from payloads.conformance import ACCEPTABLE, INVALID, VALID, Call
from tests.conformance import stork_cases as stork
from tests.conformance.building import (
    ACCEPTS,
    BAD,
    EMPTY,
    GENERATIONS,
    NETWORK,
    STRANGERS,
    V03,
    V04,
    V05,
    V051,
    VERIFY,
    VERIFY_VIEW,
    File,
    Outcome,
    call,
    error,
    hexed,
    report,
    selector,
    signed,
)
from tests.conformance.contract_calls import (
    FORBIDDEN,
    PAY_LINK,
    QUOTE,
    STRANGER,
    VERIFY_BULK,
    VERIFY_BULK_VIEW,
)
from tests.conformance.layouts import word
from tests.conformance.states import STORK, STORK_MANY
from tests.onchain import rules

CHAINLINK = (VERIFY, VERIFY_BULK, VERIFY_VIEW, VERIFY_BULK_VIEW)
STORK_FUNCTIONS = (stork.VERIFY, stork.DESERIALIZE)
FUNCTIONS = {selector(function): function for function in (*CHAINLINK, *STORK_FUNCTIONS)}
OLD = (V03, V05, V051)
# Positions in the calldata: the words of the head, behind the selector.
FIRST, SECOND = 4, 36
BACK = 2**256


# --- reading --------------------------------------------------------------------------------------


def _types(function: str) -> list[str]:
    return function.partition("(")[2].rstrip(")").split(",")


def read(raw: bytes) -> dict[str, Any]:
    """The arguments of a call; `Refused` where a contract with this function would revert."""
    function = FUNCTIONS.get(raw[:4])
    if function is None or len(raw) < 4:
        raise rules.Refused
    types = _types(function)
    if types == ["bytes"]:
        return {"function": function, "payload": hexed(rules.stork_args(raw))}
    if types[0] == "bytes":
        payload, parameter = rules.verify_args(raw)
        return {"function": function, "payload": hexed(payload), "parameter": hexed(parameter)}
    found: dict[str, Any] = {"function": function}
    args = rules.bulk_args(raw) if len(types) == 2 else rules.bulk_view_args(raw)
    base, count = args[:2]
    found["payloads"] = [hexed(rules.element(raw, base, index)) for index in range(count)]
    if len(types) == 2:
        found["parameter"] = hexed(rules.bulk_args(raw)[2])
    return found


def honest(raw: bytes, found: dict[str, Any]) -> bool:
    """Whether an honest encoder writes this calldata."""
    function = found["function"]
    several = found.get("payloads")
    first: Any = [bytes.fromhex(one[2:]) for one in several] if several is not None else (
        bytes.fromhex(found["payload"][2:])
    )  # fmt: skip
    values = [first, bytes.fromhex(found.get("parameter", "0x")[2:])]
    types = _types(function)
    return raw[4:] == bytes(encode(types, values[: len(types)]))


Made = Callable[[str], Sequence[Call]]


def add(file: File, flags: str, comment: str, raw: bytes, calls: Made) -> None:
    """A case: how its arguments are read, and what the contracts do."""
    try:
        found = read(raw)
    except rules.Refused as refused:
        file.add(flags, comment, form="calldata", input=hexed(raw), result=INVALID,
                 decode_error=hexed(refused.data), calls=tuple(calls(INVALID)))  # fmt: skip
        return
    canonical = honest(raw, found)
    result = VALID if canonical else ACCEPTABLE
    file.add(flags, comment, form="calldata", input=hexed(raw), result=result, canonical=canonical,
             decoded=found, calls=tuple(calls(result)))  # fmt: skip


# --- calls ----------------------------------------------------------------------------------------

_SAME: Any = object()


def _proxies(
    answer: Outcome,
    function: str = VERIFY,
    *,
    v4: Any = _SAME,
    only: Sequence[str] = GENERATIONS,
    **terms: Any,
) -> Made:
    """Calls of the proxies, with the same answer but for v0.4.0 where it has its own."""

    def make(result: str) -> list[Call]:
        found = []
        for generation in only:
            mine = v4 if generation == V04 and v4 is not _SAME else answer
            found.append(call(generation, mine, result, function=function, **terms))
        return found

    return make


def _stork(answer: Outcome, function: str, **terms: Any) -> Made:
    """Calls of both contracts of Stork Fast."""
    return _proxies(answer, function, only=(STORK, STORK_MANY), **terms)


def _joined(*parts: Made) -> Made:
    return lambda result: [each for part in parts for each in part(result)]


def _read_as(payload: bytes, free: int = rules.FIRST_FREE) -> tuple[Outcome, Outcome]:
    """The answers to a payload of no known digest: v0.4.0 decodes it, the others look it up."""
    not_found = error("VerifierNotFound(bytes32)", payload[:32].ljust(32, b"\0"))
    try:
        rules.full(payload, free)
    except rules.Refused as refused:
        return not_found, refused.data
    raise AssertionError("it decodes")


def _with(raw: bytes, at: int, value: int) -> bytes:
    return raw[:at] + word(value % BACK) + raw[at + 32 :]


def _calldata(function: str, *values: Any) -> bytes:
    return selector(function) + bytes(encode(_types(function), values))


def _refusals(function: str) -> Made:
    """Bad arguments are refused before anything else: the sender, the fee, the payload."""
    if function in STORK_FUNCTIONS:
        return _joined(_stork(EMPTY, function), _stork(EMPTY, function, state="fee"))
    return _joined(
        _proxies(EMPTY, function),
        _proxies(EMPTY, function, state="access", sender=STRANGER),
        _proxies(EMPTY, function, state="fees", value=1),
    )


def _offsets(raw: bytes) -> Iterator[tuple[str, int]]:
    """Offsets of an argument that every contract refuses."""
    size = len(raw)
    yield "2^64", 2**64
    yield "2^64 + 64: its low eight bytes would do", 2**64 + 64
    yield "2^256 - 32, which is no offset back", BACK - 32
    yield "2^64 - 1", 2**64 - 1
    yield "the size", size - 4
    yield "one that leaves 31 bytes", size - 4 - 31


def _lengths(raw: bytes, at: int, unit: int = 1) -> Iterator[tuple[str, int]]:
    """Lengths of an argument that every contract refuses."""
    room = (len(raw) - at - 32) // unit
    yield "2^64", 2**64
    yield "2^256 - 1", BACK - 1
    yield "2^64 - 1", 2**64 - 1
    yield "2^63", 2**63
    yield "one more than there is room for", room + 1


def _heads(file: File, function: str, raw: bytes) -> None:
    """Calldata that ends before, or with, the words of the head."""
    head = 4 + 32 * len(_types(function))
    for size in sorted({4, 5, head - 32, head - 1, head}):
        flags = "ArgumentHead" if size < head else "ArgumentOffset"
        add(file, flags, f"{function}: the first {size} bytes of a good call", raw[:size],
            _refusals(function))  # fmt: skip


def _refused_arguments(file: File, function: str, raw: bytes) -> None:
    """Offsets and lengths of each argument that no contract takes."""
    for index, kind in enumerate(_types(function)):
        at = 4 + 32 * index
        name = ("first", "second")[index]
        for words, offset in _offsets(raw):
            add(file, "ArgumentOffset",
                        f"{function}: the offset of the {name} argument is {words}",
                        _with(raw, at, offset), _refusals(function))  # fmt: skip
        start = 4 + rules.word(raw, at)
        for words, length in _lengths(raw, start, 32 if kind == "bytes[]" else 1):
            add(file, "ArgumentLength",
                        f"{function}: the length of the {name} argument is {words}",
                        _with(raw, start, length), _refusals(function))  # fmt: skip


def _selectors(file: File, raw: bytes) -> None:
    """Calldata that calls no function of the proxies."""
    for words, data in (
        ("no calldata", b""),
        ("three bytes", raw[:3]),
        ("an unknown selector alone", b"\xde\xad\xbe\xef"),
        ("an unknown selector before good arguments", b"\xde\xad\xbe\xef" + raw[4:]),
        ("a selector with its last bit flipped", raw[:3] + bytes([raw[3] ^ 1]) + raw[4:]),
        ("zeros", bytes(100)),
    ):
        calls = _joined(
            _proxies(EMPTY, ""),
            _proxies(EMPTY, "", state="access", sender=STRANGER),
            _stork(EMPTY, ""),
        )
        add(file, "CallSelector", words, data, calls)
    for function in STORK_FUNCTIONS:
        data = _calldata(function, stork.update(stork.body(stork.ONE)))
        add(file, "CallSelector", f"{function} is no function of a verifier proxy", data,
            _proxies(EMPTY, function))  # fmt: skip
    add(file, "CallSelector", f"{VERIFY} is no function of Stork Fast", raw,
        _joined(_proxies(ACCEPTS), _stork(EMPTY, VERIFY)))  # fmt: skip


def _verify_layouts(file: File) -> None:
    """Arguments that stand elsewhere than an honest encoder puts them."""
    payload = signed().raw
    raw = _calldata(VERIFY, payload, b"")
    size, good = len(payload), _proxies(ACCEPTS)
    add(file, "CallGood", f"{VERIFY}: a good call", raw, good)
    add(file, "CallGood", f"{VERIFY}: a parameter of 20 bytes, which nothing reads without fees",
        _calldata(VERIFY, payload, b"\x11" * 20), good)  # fmt: skip
    for count in (1, 31, 32, 100):
        add(file, "ArgumentTrailing", f"{VERIFY}: {count} bytes behind the arguments",
            raw + b"\xee" * count, good)  # fmt: skip
    head, tail = raw[:4], raw[68:]
    add(file, "ArgumentGap", f"{VERIFY}: 32 bytes between head and arguments",
        head + word(96) + word(128 + size) + b"\xee" * 32 + tail, good)  # fmt: skip
    add(file, "ArgumentUnaligned", f"{VERIFY}: a byte between head and arguments",
        head + word(65) + word(97 + size) + b"\xee" + tail, good)  # fmt: skip
    swapped = head + word(96) + word(64) + word(0) + word(size) + payload
    add(file, "ArgumentOrder", f"{VERIFY}: the parameter stands before the payload", swapped, good)
    short = head + word(128) + word(64) + word(20) + b"\x11" * 32 + word(size) + payload
    add(file, "ArgumentOrder", f"{VERIFY}: a parameter of 20 bytes before the payload", short, good)
    add(file, "ArgumentPadding", f"{VERIFY}: dirty padding behind the parameter",
        _calldata(VERIFY, payload, b"\x11" * 20)[:-1] + b"\x01", good)  # fmt: skip
    add(file, "ArgumentPadding", f"{VERIFY}: no padding behind the parameter",
        _calldata(VERIFY, payload, b"\x11" * 20)[:-12], good)  # fmt: skip
    add(file, "ArgumentOverlap", f"{VERIFY}: both arguments are the same bytes",
        _with(raw, SECOND, 64), good)  # fmt: skip
    start = 4 + 64
    add(file, "ArgumentOverlap TrailingBytes", f"{VERIFY}: the payload goes on to the last byte",
        _with(raw, start, size + 32), good)  # fmt: skip
    for words, data in (
        ("the payload is the last word's, of length zero", _with(raw, FIRST, len(raw) - 36)),
        ("the payload's offset is 0, a length of zero", _with(raw, FIRST, 0)),
        (
            "the payload's offset is 32: the other offset is its length",
            _with(raw, FIRST, 32),
        ),
        ("the payload's offset leads into the payload", _with(raw, FIRST, 64 + 32 + 96)),
        ("the payload's length is zero", _with(raw, start, 0)),
        ("the payload's length is 31", _with(raw, start, 31)),
    ):
        try:
            old, v4 = _read_as(rules.verify_args(data)[0])
        except rules.Refused as refused:
            old = v4 = refused.data
        flags = "ArgumentOffsetInside" if "offset" in words or "last" in words else "ArgumentLength"
        add(file, flags, f"{VERIFY}: {words}", data, _proxies(old, v4=v4))


def _fee_layouts(file: File) -> None:
    """The parameter is read by the fee manager, from arguments that were encoded anew."""
    payload = signed().raw
    raw = _calldata(VERIFY, payload, PAY_LINK)
    good = _proxies(ACCEPTS, state="fees")
    add(file, "CallGood", f"{VERIFY}: a token is named", raw, good)
    add(file, "ArgumentTrailing", f"{VERIFY}: a token is named, 7 bytes behind the arguments",
        raw + bytes(7), good)  # fmt: skip
    swapped = raw[:4] + word(128) + word(64) + word(32) + PAY_LINK + word(len(payload)) + payload
    add(file, "ArgumentOrder", f"{VERIFY}: the token stands before the payload", swapped, good)
    # Behind the offset, which is its length, stand a zero and the payload's length.
    add(file, "ArgumentOffsetInside InvalidQuote", f"{VERIFY}: the parameter is in the head",
        _with(raw, SECOND, 0), _proxies(QUOTE, v4=BAD, state="fees"))  # fmt: skip


# --- bulk -----------------------------------------------------------------------------------------


def _elements(file: File) -> None:
    """The elements of `bytes[]`: their offsets are signed, and none is read before its turn."""
    one, other = signed().raw, signed(by=(2, 3)).raw
    strange = signed(network=STRANGERS, digest=NETWORK.config_digest).raw
    raw = _calldata(VERIFY_BULK, [one, other], b"")
    base, count, _ = rules.bulk_args(raw)
    assert count == 2
    good = _proxies(ACCEPTS, VERIFY_BULK)
    add(file, "CallGood", f"{VERIFY_BULK}: two good payloads", raw, good)
    add(file, "ElementOffset", f"{VERIFY_BULK}: both elements are the same bytes",
        _with(raw, base + 32, 64), good)  # fmt: skip
    add(file, "ElementOffset", f"{VERIFY_BULK}: the elements stand in the other order",
        _with(_with(raw, base, rules.word(raw, base + 32)), base + 32, 64), good)  # fmt: skip
    add(file, "ArgumentTrailing", f"{VERIFY_BULK}: 9 bytes behind the arguments", raw + bytes(9),
        good)  # fmt: skip
    # A single element, which stands before the array.
    moved = raw[:4] + word(96 + len(one)) + word(160 + len(one)) + word(len(one)) + one
    moved += word(1) + word(-(64 + len(one)) % BACK) + word(0)
    add(file, "ElementOffset", f"{VERIFY_BULK}: an element before the array", moved, good)
    _bad_elements(file, raw, base)
    _read_elements(file, raw, base)
    # Which failure is seen: each payload in its turn, or all elements first.
    for words, first, answer in (
        ("a good payload", one, EMPTY), ("strangers' signatures", strange, BAD)
    ):  # fmt: skip
        data = _with(_calldata(VERIFY_BULK, [first, other], b""), base + 32, BACK // 2 - 1)
        calls = _joined(
            _proxies(answer, VERIFY_BULK, v4=EMPTY),
            _proxies(EMPTY, VERIFY_BULK, only=OLD, state="fees"),
            _proxies(FORBIDDEN, VERIFY_BULK, v4=EMPTY, state="access", sender=STRANGER),
        )
        add(file, "ElementOrder", f"{VERIFY_BULK}: {words}, then an element that is none", data,
            calls)  # fmt: skip


def _bad_elements(file: File, raw: bytes, base: int) -> None:
    """The second of two elements is none: the call reverts, whatever the generation."""
    size, refused = len(raw), _proxies(EMPTY, VERIFY_BULK)
    for words, offset in (
        ("2^255 - 1", BACK // 2 - 1),
        ("2^64", 2**64),
        ("the first that leaves too little", size - base - 31),
    ):
        add(file, "ElementOffset", f"{VERIFY_BULK}: the offset of an element is {words}",
            _with(raw, base + 32, offset), refused)  # fmt: skip
    start = base + rules.word(raw, base + 32)
    for words, length in (
        ("2^64", 2**64),
        ("2^256 - 1", BACK - 1),
        ("2^64 - 1", 2**64 - 1),
        ("one more than there is room for", size - start - 32 + 1),
    ):
        add(file, "ElementLength", f"{VERIFY_BULK}: the length of an element is {words}",
            _with(raw, start, length), refused)  # fmt: skip


def _read_elements(file: File, raw: bytes, base: int) -> None:
    """Strange offsets at which there is an element, be it one of no bytes."""
    size = len(raw)
    for words, offset in (
        ("the last that leaves a length", size - base - 32),
        ("zero: an offset is its length", 0),
        ("-32: the count of elements is its length", -32),
        ("-2^255, long before the calldata, where nothing is", -(BACK // 2)),
        ("one to the selector: four bytes are no length", -base),
    ):
        data = _with(raw, base + 32, offset)
        try:
            found = rules.element(data, base, 1)
        except rules.Refused:
            add(file, "ElementOffset", f"{VERIFY_BULK}: the offset of an element is {words}", data,
                _proxies(EMPTY, VERIFY_BULK))  # fmt: skip
            continue
        # Where v0.4.0 begins to decode the second of two payloads.
        used = rules.used_by_v4(len(report()), 2)
        free = rules.free_in_verifier(V04, access_controller=False, bulk=2, earlier=(used,))
        old, v4 = _read_as(found, free)
        add(file, "ElementOffset", f"{VERIFY_BULK}: the offset of an element is {words}", data,
            _proxies(old, VERIFY_BULK, v4=v4))  # fmt: skip


def _views(file: File) -> None:
    """The views of v0.5.1 read their single argument in the same way."""
    payload = signed().raw
    for function, value in ((VERIFY_VIEW, payload), (VERIFY_BULK_VIEW, [payload])):
        raw = _calldata(function, value)
        good = _proxies(ACCEPTS, function, only=(V051,))
        refused = _proxies(EMPTY, function, only=(V051,))
        add(file, "CallGood View", f"{function}: a good call", raw, good)
        add(file, "ArgumentTrailing View", f"{function}: 5 bytes behind the argument",
            raw + bytes(5), good)  # fmt: skip
        add(file, "ArgumentHead View", f"{function}: 35 bytes", raw[:35], refused)
        add(file, "ArgumentOffset View", f"{function}: the offset is 2^64",
            _with(raw, FIRST, 2**64), refused)  # fmt: skip
        add(file, "ArgumentLength View", f"{function}: the length is 2^64",
            _with(raw, 36, 2**64), refused)  # fmt: skip


def chainlink_calldata() -> File:
    """Calldata of verifier proxies."""
    file = File("chainlink-calldata")
    payload, other = signed().raw, signed(by=(2, 3)).raw
    raws = {
        VERIFY: _calldata(VERIFY, payload, b"\x11" * 20),
        VERIFY_BULK: _calldata(VERIFY_BULK, [payload, other], b"\x11" * 20),
    }
    _selectors(file, _calldata(VERIFY, payload, b""))
    for function, raw in raws.items():
        _heads(file, function, raw)
        _refused_arguments(file, function, raw)
    _verify_layouts(file)
    _fee_layouts(file)
    _elements(file)
    _views(file)
    return file


# --- Stork Fast -----------------------------------------------------------------------------------


def _stork_layouts(file: File, function: str) -> None:
    payload = stork.update(stork.body(stork.ONE))
    raw, good = _calldata(function, payload), _stork(ACCEPTS, function)
    padding = -len(payload) % 32
    add(file, "CallGood", f"{function}: a good call", raw, good)
    for count in (1, 32):
        add(file, "ArgumentTrailing", f"{function}: {count} bytes behind the argument",
            raw + b"\xee" * count, good)  # fmt: skip
    add(file, "ArgumentGap", f"{function}: 32 bytes between head and argument",
        raw[:4] + word(64) + b"\xee" * 32 + raw[36:], good)  # fmt: skip
    add(file, "ArgumentUnaligned", f"{function}: a byte between head and argument",
        raw[:4] + word(33) + b"\xee" + raw[36:], good)  # fmt: skip
    add(file, "ArgumentPadding", f"{function}: dirty padding", raw[:-1] + b"\x01", good)
    add(file, "ArgumentPadding", f"{function}: no padding", raw[:-padding], good)
    add(file, "ArgumentLength", f"{function}: the last byte is missing", raw[: -padding - 1],
        _refusals(function))  # fmt: skip
    for words, data in (
        ("the offset is 0: it is the length, too", _with(raw, FIRST, 0)),
        ("the length is zero", _with(raw, 36, 0)),
        ("the length is one less", _with(raw, 36, len(payload) - 1)),
        ("the padding belongs to it", _with(raw, 36, len(payload) + 1)),
    ):
        flags = "ArgumentOffsetInside" if "offset" in words else "ArgumentLength"
        add(
            file,
            f"{flags} StorkSize",
            f"{function}: {words}",
            data,
            _stork(stork.INVALID_PAYLOAD, function),
        )
    add(file, "ArgumentsFirst StorkFee", f"{function}: a length of 2^64, and less than the fee",
        _with(raw, 36, 2**64), _stork(EMPTY, function, state="fee"))  # fmt: skip
    add(file, "ArgumentsFirst StorkFee", f"{function}: trailing bytes, and less than the fee",
        raw + bytes(3), _stork(stork.LESS, function, state="fee"))  # fmt: skip


def stork_calldata() -> File:
    """Calldata of the contracts of Stork Fast."""
    file = File("stork-calldata")
    for function in STORK_FUNCTIONS:
        raw = _calldata(function, stork.update(stork.body(stork.ONE)))
        _heads(file, function, raw)
        _refused_arguments(file, function, raw)
        _stork_layouts(file, function)
    return file
