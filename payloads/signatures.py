"""Signatures and their signers, as `ecrecover` returns them.

Shared by both systems. A recovered address is no sign of trust: any well-formed signature has one.
Where there is no address, `why` says what is wrong with the signature.
"""

from __future__ import annotations

from binascii import unhexlify
from collections.abc import Callable, Iterable, Sequence

from hexbytes import HexBytes

from payloads.abi.fields import Record, hexed
from payloads.crypto import CURVE_ORDER, checksum, recover, recover_many
from payloads.errors import Misuse, Refused, shown

_HALF_ORDER = CURVE_ORDER // 2


class Recovered(Record, frozen=True, gc=False):
    """A signature and its signer; `address` is None where ecrecover returns nothing."""

    index: int
    address: str | None
    r: HexBytes
    s: HexBytes
    v: int
    digest: HexBytes
    high_s: bool
    why: str = ""

    @property
    def raw_address(self) -> bytes:
        """The address as the contract sees it: zero where there is none."""
        return bytes(20) if self.address is None else bytes.fromhex(self.address[2:])


def recovered(index: int, digest: bytes, r: bytes, s: bytes, v: int) -> Recovered:
    """The signer of a signature, with `v` as the payload has it: 0 or 1."""
    return recovered_as(index, digest, r, s, v, recover(digest, r, s, v))


def recovered_all(
    digest: bytes, rs: Sequence[bytes], ss: Sequence[bytes], vs: bytes
) -> tuple[Recovered, ...]:
    """The signers of all signatures of a digest that have an r, an s and a v, in one call."""
    count = min(len(rs), len(ss), len(vs))
    rs, ss, vs = rs[:count], ss[:count], vs[:count]
    signers = recover_many([digest] * count, rs, ss, vs)
    words = zip(rs, ss, vs, signers, strict=True)
    return tuple(recovered_as(index, digest, *each) for index, each in enumerate(words))


def recovered_as(
    index: int, digest: bytes, r: bytes, s: bytes, v: int, address: bytes | None
) -> Recovered:
    """The record of a signature whose signer is known."""
    return Recovered(
        index,
        None if address is None else checksum(address),
        hexed(r),
        hexed(s),
        v,
        hexed(digest),
        int.from_bytes(s, "big") > _HALF_ORDER,
        "" if address is not None else _why_no_signer(r, s, v),
    )


def _why_no_signer(r: bytes, s: bytes, v: int) -> str:
    for name, raw in (("r", r), ("s", s)):
        number = int.from_bytes(raw, "big")
        if not 0 < number < CURVE_ORDER:
            return f"{name} is {'zero' if number == 0 else 'not below the order of the curve'}"
    if v > 228:
        return f"v is {v}: adding 27 overflows a uint8, which reverts"
    if v not in (0, 1):
        hint = f" (the chain adds 27 itself: {v - 27} was meant?)" if v in (27, 28) else ""
        return f"v is {v}, and only 0 and 1 recover{hint}"
    return "no point of the curve fits r and v"


def address_bytes(address: str | bytes, name: str = "address") -> bytes:
    """20 bytes from an address in any spelling. In mixed case its checksum must be right."""
    raw = bytes(address) if isinstance(address, bytes) else _digits(address)
    if len(raw) != 20:
        found = shown(address)
        raise Misuse("not an address", field=name, expected="0x and 40 hex digits", found=found)
    if isinstance(address, str) and not _fair_case(address[2:], raw):
        raise Misuse(
            "checksum of the address is wrong", field=name, expected=checksum(raw), found=address
        )
    return raw


def _digits(address: object) -> bytes:
    """The bytes of 0x and 40 hex digits; none for anything else."""
    if not isinstance(address, str) or len(address) != 42 or address[:2] not in ("0x", "0X"):
        return b""
    try:
        return unhexlify(address[2:])
    except ValueError:
        return b""


def _fair_case(digits: str, raw: bytes) -> bool:
    return digits == digits.lower() or digits == digits.upper() or "0x" + digits == checksum(raw)


def expect(
    found: Iterable[Recovered],
    allowed: Iterable[str | bytes],
    offset_of: Callable[[int], int],
    path: str,
) -> None:
    """Refuse signatures whose signer is not one of `allowed`, saying where they stand."""
    wanted = {address_bytes(address) for address in allowed}
    for signature in found:
        if signature.address is None or signature.raw_address not in wanted:
            raise Refused(
                "not signed by an expected signer",
                offset=offset_of(signature.index),
                field=path.format(index=signature.index),
                expected=" or ".join(sorted(checksum(address) for address in wanted)),
                found=signature.address or f"no signer ({signature.why})",
            )
