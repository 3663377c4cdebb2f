"""ecrecover and keccak-256: two implementations each, which must agree also on what they refuse."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from payloads.crypto import (
    BACKENDS,
    CURVE_ORDER,
    address_of,
    checksum,
    keccak256,
    recover,
    reference_keccak256,
    reference_recover,
    reference_sign,
    sign,
)
from payloads.errors import Misuse
from payloads.signatures import recovered

# The field's prime: r is a coordinate, so it can lie between the order and this.
FIELD = 2**256 - 2**32 - 977
HALF = CURVE_ORDER // 2
EDGES = [0, 1, 2, HALF, HALF + 1, CURVE_ORDER - 1, CURVE_ORDER, CURVE_ORDER + 1]
EDGES += [FIELD - CURVE_ORDER - 1, FIELD - CURVE_ORDER, FIELD - 1, FIELD, FIELD + 1, 2**256 - 1]

KEY = keccak256(b"a test key")
NUMBERS = st.sampled_from(EDGES) | st.integers(0, 2**256 - 1)
DIGESTS = st.sampled_from([bytes(32), b"\xff" * 32, CURVE_ORDER.to_bytes(32, "big")]) | st.binary(
    min_size=32, max_size=32
)


def word(number: int) -> bytes:
    return number.to_bytes(32, "big")


def test_the_second_implementations_are_others() -> None:
    """Else the agreement below would say nothing."""
    assert BACKENDS["recover"] != "eth-keys"
    assert BACKENDS["keccak256"] != "pycryptodome"


# --- keccak-256 -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "digest"),
    [
        (b"", "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"),
        (b"abc", "4e03657aea45a94fc7d47ba826c8d667c0d1e6e33a64a036ec44f58fa12d6c45"),
        (b"testing", "5f16f4c7f149ac4f9510d9cf8cf384038ad348b3bcdc01915f95de12df9d1b02"),
        (
            b"The quick brown fox jumps over the lazy dog",
            "4d741b6f1eb29cb2a9b9911c82f56fa8d73b04959d3d9d222895df6c0b28aa15",
        ),
    ],
)
def test_published_digests(data: bytes, digest: str) -> None:
    assert keccak256(data).hex() == reference_keccak256(data).hex() == digest


def test_keccak_agrees_at_every_boundary_of_its_rate() -> None:
    """136 bytes are absorbed at a time, with the padding in the last block."""
    for blocks in range(9):
        for size in range(max(0, 136 * blocks - 2), 136 * blocks + 3):
            for filling in (b"\x00", b"\xff", b"\x80"):
                assert keccak256(filling * size) == reference_keccak256(filling * size)


@given(st.binary(max_size=1_000))
def test_keccak_agrees(data: bytes) -> None:
    assert keccak256(data) == reference_keccak256(data)


# --- ecrecover ------------------------------------------------------------------------------------

# From go-ethereum's tests of the precompile and of crypto.Ecrecover.
PUBLISHED = [
    (
        "18c547e4f7b0f325ad1e56f57e26c745b09a3e503d86e00e5255ff7f715d3d1c",
        1,
        "73b1693892219d736caba55bdb67216e485557ea6b6af75f37096c9aa6a5a75f",
        "eeb940b1d03b21e36b0e47e79769f095fe2ab855bd91e3a38756b7d75a9c4549",
        "a94f5374fce5edbc8e2a8697c15331677e6ebf0b",
    ),
    (
        "38d18acb67d25c8bb9942764b62f18e17054f66a817bd4295423adf9ed98873e",
        0,
        "38d18acb67d25c8bb9942764b62f18e17054f66a817bd4295423adf9ed98873e",
        "789d1dd423d25f0772d2748d60f7e4b81bb14d086eba8e8e8efb6dcff8a4ae02",
        "ceaccac640adf55b2028469bd36ba501f28b699d",
    ),
]


@pytest.mark.parametrize(("digest", "v", "r", "s", "address"), PUBLISHED)
def test_published_recoveries(digest: str, v: int, r: str, s: str, address: str) -> None:
    signature = (bytes.fromhex(digest), bytes.fromhex(r), bytes.fromhex(s), v)
    assert recover(*signature).hex() == reference_recover(*signature).hex() == address


def test_a_high_s_is_accepted() -> None:
    """The first published vector has one, and contracts take it."""
    digest, v, r, s, address = PUBLISHED[0]
    assert int(s, 16) > HALF
    found = recovered(0, bytes.fromhex(digest), bytes.fromhex(r), bytes.fromhex(s), v)
    assert found.high_s
    assert found.address.lower() == "0x" + address


@settings(max_examples=150)
@given(DIGESTS, NUMBERS, NUMBERS, st.integers(0, 3) | st.integers(0, 255))
@example(bytes(32), 1, 1, 0)
@example(b"\x01" * 32, FIELD - CURVE_ORDER - 1, 1, 2)
@example(b"\x01" * 32, FIELD - CURVE_ORDER - 1, 1, 3)
def test_both_agree_on_whatever_they_are_given(digest: bytes, r: int, s: int, v: int) -> None:
    assert recover(digest, word(r), word(s), v) == reference_recover(digest, word(r), word(s), v)


@pytest.mark.parametrize("r", EDGES)
@pytest.mark.parametrize("s", EDGES)
def test_both_agree_at_the_edges(r: int, s: int) -> None:
    for v in (0, 1, 2, 3, 27, 28, 228, 229, 255):
        found = recover(KEY, word(r), word(s), v)
        assert found == reference_recover(KEY, word(r), word(s), v)
        if v not in (0, 1) or not (0 < r < CURVE_ORDER and 0 < s < CURVE_ORDER):
            assert found is None


@settings(max_examples=60)
@given(DIGESTS, st.integers(1, CURVE_ORDER - 1))
@example(bytes(32), 1)
@example(b"\xff" * 32, CURVE_ORDER - 1)
def test_signatures_recover_to_their_signer_in_both(digest: bytes, key: int) -> None:
    r, s, v = sign(word(key), digest)
    address = recover(digest, r, s, v)
    assert address == reference_recover(digest, r, s, v) == address_of(word(key))
    assert int.from_bytes(s, "big") <= HALF
    # Its mirror image, which contracts take as well.
    high = word(CURVE_ORDER - int.from_bytes(s, "big"))
    assert recover(digest, r, high, 1 - v) == reference_recover(digest, r, high, 1 - v) == address
    assert recover(digest, r, s, 1 - v) != address


@settings(max_examples=20)
@given(DIGESTS, st.integers(1, CURVE_ORDER - 1))
def test_both_sign_alike(digest: bytes, key: int) -> None:
    """RFC 6979 leaves a signer no choice."""
    assert sign(word(key), digest) == reference_sign(word(key), digest)


@pytest.mark.parametrize("v", range(256))
def test_only_two_recovery_ids_recover(v: int) -> None:
    r, s, right = sign(KEY, KEY)
    assert (recover(KEY, r, s, v) is not None) == (v in (0, 1))
    found = recovered(0, KEY, r, s, v)
    assert (found.address == checksum(address_of(KEY))) == (v == right)
    assert bool(found.why) == (found.address is None)


@pytest.mark.parametrize(
    ("r", "s", "v", "why"),
    [
        (0, 1, 0, "r is zero"),
        (1, 0, 0, "s is zero"),
        (CURVE_ORDER, 1, 0, "r is not below the order of the curve"),
        (1, 2**256 - 1, 0, "s is not below the order of the curve"),
        (1, 1, 27, "v is 27, and only 0 and 1 recover (the chain adds 27 itself: 0 was meant?)"),
        (1, 1, 228, "v is 228, and only 0 and 1 recover"),
        (1, 1, 229, "v is 229: adding 27 overflows a uint8, which reverts"),
        (5, 1, 0, "no point of the curve fits r and v"),
    ],
)
def test_why_nobody_signed(r: int, s: int, v: int, why: str) -> None:
    found = recovered(3, KEY, word(r), word(s), v)
    assert (found.index, found.address, found.why) == (3, None, why)
    assert found.raw_address == bytes(20)


@pytest.mark.parametrize("size", [0, 31, 33, 64])
@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize("implementation", [recover, reference_recover])
def test_another_length_is_misuse(
    implementation: Callable[..., object], place: int, size: int
) -> None:
    """C would read 32 bytes of it whatever its length."""
    words = [b"\x01" * 32] * 3
    words[place] = b"\x01" * size
    with pytest.raises(Misuse):
        implementation(*words, 0)


@pytest.mark.parametrize("key", [0, CURVE_ORDER, 2**256 - 1])
def test_an_unusable_key_is_misuse(key: int) -> None:
    with pytest.raises(Misuse):
        sign(word(key), KEY)


# --- addresses ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "address",
    [  # EIP-55's own
        "0x52908400098527886E0F7030069857D2E4169EE7",
        "0x8617E340B3D01FA5F11F306F4090FD50E238070D",
        "0xde709f2102306220921060314715629080e2fb77",
        "0x27b1fdb04752bbc536007a920d24acb045561c26",
        "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
        "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
        "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB",
        "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
    ],
)
def test_checksums(address: str) -> None:
    assert checksum(bytes.fromhex(address[2:])) == address


# --- threads --------------------------------------------------------------------------------------


def test_threads_do_not_mix_up_keys() -> None:
    """No two threads share the C buffers: the GIL is let go of while they are filled."""
    keys = [keccak256(b"thread %d" % index) for index in range(8)]
    signed = [(keccak256(key), *sign(key, keccak256(key)), address_of(key)) for key in keys]
    together = threading.Barrier(len(signed))

    def hammer(item: tuple[bytes, bytes, bytes, int, bytes]) -> int:
        digest, r, s, v, address = item
        together.wait()
        return sum(recover(digest, r, s, v) != address for _ in range(2_000))

    with ThreadPoolExecutor(len(signed)) as pool:
        assert list(pool.map(hammer, signed)) == [0] * len(signed)
