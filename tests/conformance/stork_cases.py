"""Cases of Stork Fast: the signed update in both layouts, and what the contracts do with it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from payloads.conformance import ACCEPTABLE, INVALID, VALID, Call, Case
from payloads.crypto import keccak256, recover, sign
from payloads.testing import SUBSCRIBER
from tests.conformance import building as b
from tests.conformance.building import CURVE_ORDER, PANIC_ADD, PANIC_INDEX, File, Outcome, hexed
from tests.conformance.published import published
from tests.conformance.states import (
    STORK,
    STORK_FEE,
    STORK_MANY,
    STORK_OTHERS,
    STORK_SIGNER,
)

VERIFY = "verifySignedECDSAPayload(bytes)"
DESERIALIZE = "verifyAndDeserializeSignedECDSAPayload(bytes)"
INVALID_SIGNATURE, INVALID_PAYLOAD = b.error("InvalidSignature()"), b.error("InvalidPayload()")
LESS = b.error("InsufficientFee()")
TIME = b.OBSERVED * 10**9
ONE = (7, 10**18)
SIGNATURE, HEAD, ASSET = 65, 10, 18
# The answer of the function that verifies, and of the one that deserialises.
Answers = tuple[Outcome, Outcome]
GOOD: Answers = (None, None)
NOBODY: Answers = (False, INVALID_SIGNATURE)


def both(answer: Outcome) -> Answers:
    """The same answer of both functions."""
    return answer, answer


# --- updates --------------------------------------------------------------------------------------


def body(*assets: tuple[int, int], taxonomy: int = 1, time: int = TIME) -> bytes:
    """A plain body."""
    head = taxonomy.to_bytes(2, "big") + time.to_bytes(8, "big")
    return head + b"".join(_asset(1, *asset) for asset in assets)


def _asset(mask: int, asset: int, value: int | None = None, status: int | None = None) -> bytes:
    made = asset.to_bytes(2, "big")
    if mask & 1:
        made += int(value or 0).to_bytes(16, "big", signed=True)
    return made + (bytes([0xFF if status is None else status]) if mask & 2 else b"")


def versioned(
    mask: int, *assets: tuple[int, int | None, int | None], version: int = 2, taxonomy: int = 1
) -> bytes:
    """A versioned body."""
    head = bytes([0xFF, version]) + mask.to_bytes(2, "big")
    return head + body(taxonomy=taxonomy) + b"".join(_asset(mask, *asset) for asset in assets)


def update(content: bytes, signer: Any = STORK_SIGNER, digest: bytes | None = None) -> bytes:
    """A signed update."""
    r, s, v = sign(signer.key, keccak256(content) if digest is None else digest)
    return r + s + bytes([v]) + content


def fields(raw: bytes, layout: str) -> dict[str, Any] | None:
    """What an update says, or None where its size or its head is none of the layout's."""
    content, mask = raw[SIGNATURE:], 1
    if layout == "versioned":
        mask = int.from_bytes(content[2:4], "big")
        if content[:2] != b"\xff\x02" or mask > 3:
            return None
        content = content[4:]
    size = len(_asset(mask, 0))
    if len(content) < HEAD or (len(content) - HEAD) % size:
        return None
    return {
        "r": hexed(raw[:32]), "s": hexed(raw[32:64]), "v": str(raw[64]),
        "layout": layout, "mask": str(mask),
        "taxonomy_id": str(int.from_bytes(content[:2], "big")),
        "timestamp_ns": str(int.from_bytes(content[2:10], "big")),
        "assets": [
            _fields(mask, content[at : at + size]) for at in range(HEAD, len(content), size)
        ],
    }  # fmt: skip


def _fields(mask: int, raw: bytes) -> dict[str, Any]:
    value = str(int.from_bytes(raw[2:18], "big", signed=True)) if mask & 1 else None
    status = str(raw[-1]) if mask & 2 and raw[-1] != 0xFF else None
    return {"asset_id": str(int.from_bytes(raw[:2], "big")), "value": value,
            "market_status": status}  # fmt: skip


def signer_of(raw: bytes) -> str | None:
    """The address that the signature recovers. Contracts of Stork refuse a high s."""
    if raw[64] > 1:
        return None
    address = recover(keccak256(raw[SIGNATURE:]), raw[:32], raw[32:64], raw[64])
    return None if address is None else hexed(address)


# --- calls ----------------------------------------------------------------------------------------


def calls(
    answers: Answers = GOOD,
    *,
    state: str = "",
    only: Sequence[str] = (STORK, STORK_MANY),
    value: int = 0,
    odd: bool = False,
) -> Callable[[str], tuple[Call, ...]]:
    """Both functions of each generation."""

    def make(result: str) -> tuple[Call, ...]:
        return tuple(
            Call(**_terms(answer, function), generation=generation,
                 state=f"{generation} {state}".strip(), value=str(value), sender=SUBSCRIBER,
                 now=b.NOW, result=INVALID if answer is not None else
                 ACCEPTABLE if odd else result)
            for generation in only
            for function, answer in zip((VERIFY, DESERIALIZE), answers, strict=True)
        )  # fmt: skip

    return make


def _terms(answer: Outcome, function: str) -> dict[str, Any]:
    made = b.call("v0.5.0", answer, function=function)
    return {name: getattr(made, name) for name in ("function", "outcome", "error", "revert_data")}


def add(
    file: File,
    flags: str,
    comment: str,
    raw: bytes,
    made: Callable[[str], tuple[Call, ...]] | None,
    layout: str | None = None,
    form_result: str = VALID,
) -> Case:
    read = layout or ("versioned" if raw[SIGNATURE : SIGNATURE + 1] == b"\xff" else "plain")
    decoded = fields(raw, read)
    keys: dict[str, Any] = {"calls": made(VALID) if made else ()}
    if decoded is None:
        keys |= {"result": INVALID}
        if read == "plain":
            keys["decode_error"] = hexed(INVALID_PAYLOAD)
    else:
        keys |= {"result": form_result, "canonical": True, "decoded": decoded,
                 "signers": (signer_of(raw),)}  # fmt: skip
    return file.add(flags, comment, form="signed_ecdsa", input=hexed(raw), layout=layout, **keys)


def _plain_cases(file: File) -> None:
    for count in (1, 2, 5):
        assets = [(at + 1, (at + 1) * 10**18) for at in range(count)]
        add(file, "StorkPlain StorkGood", f"{count} assets", update(body(*assets)), calls())
    add(file, "StorkNoAssets StorkSize", "no assets: 75 bytes", update(body()), calls())
    for taxonomy, time in ((0, 0), (0xFEFF, 2**64 - 1), (1, 2**63)):
        add(file, "StorkPlain", f"taxonomy {taxonomy}, time {time}",
             update(body(ONE, taxonomy=taxonomy, time=time)), calls())  # fmt: skip
    for value in (0, 1, -1, 2**127 - 1, -(2**127), -(10**18)):
        add(file, "StorkSignedValue", f"a value of {value}", update(body((1, value))), calls())
    for assets in ([(7, 1), (7, 2)], [(7, 1), (7, 1)], [(9, 1), (3, 2), (65_535, 3), (0, 4)]):
        add(file, "StorkDuplicates", f"assets {', '.join(str(a) for a, _ in assets)}",
             update(body(*assets)), calls())  # fmt: skip
    for words, digest in (
        ("with the prefix of EIP-191",
         keccak256(b"\x19Ethereum Signed Message:\n32" + keccak256(body(ONE)))),
        ("over the hash of the hash", keccak256(keccak256(body(ONE)))),
    ):  # fmt: skip
        add(file, "StorkDigest StorkSigner", f"signed {words}",
             update(body(ONE), digest=digest), calls(NOBODY))  # fmt: skip
    for source, raw in published("signed_ecdsa"):
        add(file, "StorkPublished", f"published: {source}", raw, None)


def _size_cases(file: File) -> None:
    whole = update(body(ONE, (8, 5)))
    for size in (0, 1, 64, 65, 74, 76, 92, 94, len(whole) - 1):
        add(file, "StorkLength StorkSize", f"the first {size} bytes of an update", whole[:size],
             calls(both(INVALID_PAYLOAD)))  # fmt: skip
    add(file, "StorkLength StorkSize", "a byte behind the last asset", whole + b"\0",
         calls(both(INVALID_PAYLOAD)))  # fmt: skip
    for size in (75, 93):
        add(file, "StorkSize StorkSigner", f"whole assets are missing: the first {size} bytes",
             whole[:size], calls(NOBODY))  # fmt: skip
    add(file, "StorkSize StorkSigner", "an asset was added behind the last", whole + bytes(18),
         calls(NOBODY))  # fmt: skip
    bad_v = bytearray(whole[:74])
    bad_v[64] = 229
    add(file, "StorkSize StorkVOverflow", "74 bytes, v of 229: the size is looked at first",
         bytes(bad_v), calls(both(INVALID_PAYLOAD)))  # fmt: skip


def _versioned_cases(file: File) -> None:
    for mask in range(4):
        for count in (0, 1, 3):
            content = versioned(mask, *[(at, at * 5 - 3, at) for at in range(count)])
            _versioned(file, f"mask {mask}, {count} assets", content)
    # Four more bytes of head: with these assets the whole is as long as a plain body.
    for mask, count in ((0, 7), (3, 14)):
        content = versioned(mask, *[(at, 1, 1) for at in range(count)])
        assert _fits(content), mask
        _versioned(file, f"mask {mask}, {count} assets: as long as a plain body", content)
    for status in (0, 1, 2, 3, 4, 0xFE, 0xFF):
        add(file, "StorkVersioned StorkStatus", f"a market status of 0x{status:02x}",
            update(versioned(3, (7, 5, status))), None)  # fmt: skip
    for taxonomy in (0xFF00, 0xFF02, 0xFFFF):
        add(file, "StorkTaxonomy StorkPlain", f"a plain body with taxonomy 0x{taxonomy:04x}",
            update(body(ONE, taxonomy=taxonomy)), calls(), layout="plain")  # fmt: skip
    _refused_cases(file)


def _fits(content: bytes) -> bool:
    """Whether a body has a size that the contracts take."""
    return (len(content) - HEAD) % ASSET == 0


def _versioned(file: File, comment: str, content: bytes) -> None:
    """A versioned body, which the contracts read as a plain one if its size allows that."""
    answers = GOOD if _fits(content) else both(INVALID_PAYLOAD)
    add(file, "StorkVersioned StorkMask StorkVersionedCall", comment, update(content),
        calls(answers, odd=True))  # fmt: skip


def _refused_cases(file: File) -> None:
    """Versioned bodies that are none."""
    for version in (0, 1, 3, 0xFF):
        add(file, "StorkVersioned StorkUnknownVersion", f"version {version}",
            update(versioned(1, (7, 5, None), version=version)), None)  # fmt: skip
    for mask in (4, 5, 0x8001, 0xFFFF):
        raw = update(b"\xff\x02" + mask.to_bytes(2, "big") + body(ONE))
        add(file, "StorkVersioned StorkUnknownVersion", f"mask 0x{mask:04x}", raw, None)
    whole = update(versioned(3, (7, 5, 1)))
    for words, raw in (("a byte less", whole[:-1]), ("a byte more", whole + b"\0")):
        add(file, "StorkVersioned StorkLength", words, raw, None)
    for size in (66, 69, 78):
        add(file, "StorkVersioned StorkLength", f"the first {size} bytes of a versioned update",
            update(versioned(3))[:size], None)  # fmt: skip


# --- the contracts --------------------------------------------------------------------------------


def _changed(raw: bytes, at: int, value: bytes) -> bytes:
    return raw[:at] + value + raw[at + len(value) :]


def _recovery_cases(file: File) -> None:
    raw = update(body(ONE))
    v = raw[64]
    for changed in (v + 27, 2, 3, 26, 228):
        add(file, "StorkRecovery", f"v is {changed}", _changed(raw, 64, bytes([changed])),
             calls(NOBODY))  # fmt: skip
    add(file, "StorkRecovery StorkSigner", "the other v", _changed(raw, 64, bytes([v ^ 1])),
         calls(NOBODY))  # fmt: skip
    for changed in (229, 255):
        add(file, "StorkVOverflow", f"v is {changed}", _changed(raw, 64, bytes([changed])),
             calls(both(PANIC_ADD)))  # fmt: skip
    for name, at in (("r", 0), ("s", 32)):
        for value in (0, CURVE_ORDER, 2**256 - 1):
            add(file, "StorkRecovery", f"{name} is {value:#x}",
                 _changed(raw, at, value.to_bytes(32, "big")), calls(NOBODY))  # fmt: skip
    high = (CURVE_ORDER - int.from_bytes(raw[32:64], "big")).to_bytes(32, "big")
    add(file, "StorkRecovery", "n - s in the place of s, with the other v",
         _changed(_changed(raw, 32, high), 64, bytes([v ^ 1])), calls(NOBODY))  # fmt: skip
    for words, at in (("the taxonomy", 66), ("the time", 74), ("an id", 76), ("a value", 92)):
        add(file, "StorkSigner", f"a bit of {words} was changed after signing",
             _changed(raw, at, bytes([raw[at] ^ 1])), calls(NOBODY))  # fmt: skip


def _signer_cases(file: File) -> None:
    for at, signer in enumerate(STORK_OTHERS):
        add(file, "StorkAnySigner StorkSigner", f"signed by the contract's signer {at} of 8",
             update(body(ONE), signer),
             _joined(calls(NOBODY, only=[STORK]), calls(only=[STORK_MANY])))  # fmt: skip
    add(file, "StorkSigner", "signed by a stranger", update(body(ONE), _Stranger), calls(NOBODY))
    raw = update(body(ONE))
    nobody = _changed(raw, 64, b"\x02")
    for words, content, one in (
        ("a good update", raw, NOBODY),
        ("an update that recovers nobody", nobody, GOOD),
        ("a high s", _changed(raw, 32, b"\xff" * 32), GOOD),
    ):
        add(file, "StorkUninitialised", f"{words}, to a contract without signers", content,
             _joined(calls(one, only=[STORK], state="uninitialised", odd=True),
                     calls(NOBODY, only=[STORK_MANY], state="uninitialised")))  # fmt: skip
    add(file, "StorkUninitialised StorkVOverflow", "v of 229, to a contract without signers",
         _changed(raw, 64, b"\xe5"), calls(both(PANIC_ADD), state="uninitialised"))  # fmt: skip


class _Stranger:
    key = b.STRANGERS.keys[0]


def _joined(*parts: Callable[[str], tuple[Call, ...]]) -> Callable[[str], tuple[Call, ...]]:
    return lambda result: tuple(each for part in parts for each in part(result))


def _fee_cases(file: File) -> None:
    raw = update(body(ONE))
    for value, answers in (
        (0, both(LESS)), (STORK_FEE - 1, both(LESS)), (STORK_FEE, GOOD), (STORK_FEE + 1, GOOD),
    ):  # fmt: skip
        add(file, "StorkFee", f"a fee of {STORK_FEE} wei, {value} sent", raw,
             calls(answers, state="fee", value=value))  # fmt: skip
    for words, content in (("no bytes", b""), ("v of 229", _changed(raw, 64, b"\xe5"))):
        add(file, "StorkFee", f"no fee and {words}: the fee is looked at first", content,
             calls(both(LESS), state="fee"))  # fmt: skip


def _large_cases(file: File) -> None:
    for count in (65_535, 65_536):
        head, tail = body(), bytes(ASSET)
        raw = update(head + tail * count)
        start = raw[: len(raw) - ASSET * count]
        answers: Answers = (None, None if count < 65_536 else PANIC_INDEX)
        file.add("StorkManyAssets", f"{count:,} assets of zeros", form="signed_ecdsa",
                 input=hexed(start), repeated=(hexed(tail), count), result=VALID, canonical=True,
                 decoded={"taxonomy_id": "1", "timestamp_ns": str(TIME)},
                 signers=(signer_of(raw),), calls=calls(answers)(VALID))  # fmt: skip


def stork_cases() -> File:
    """The cases of Stork Fast."""
    file = File("stork")
    for add in (_plain_cases, _size_cases, _versioned_cases, _recovery_cases, _signer_cases,
                _fee_cases, _large_cases):  # fmt: skip
        add(file)
    return file
