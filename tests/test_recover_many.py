"""Many recoveries at once: every implementation gives the answers of `recover`.

payloads-simd takes part where it is installed (`make native`); its tests are skipped elsewhere.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from typing import Any

import pytest

from payloads import crypto
from payloads.crypto import CURVE_ORDER, keccak256, recover, recover_many, recover_packed, sign
from payloads.errors import Misuse
from payloads.verdicts import signers
from tests import recover_vectors, test_vectors
from tests.test_crypto import EDGES, word

Signature = tuple[bytes, bytes, bytes, int]

IMPLEMENTATIONS = [
    pytest.param(
        name,
        marks=pytest.mark.skipif(
            name == "simd" and find_spec("payloads_simd") is None,
            reason="payloads-simd is not installed (make native)",
        ),
    )
    for name in crypto.IMPLEMENTATIONS
]
every_implementation = pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
fast_implementations = pytest.mark.parametrize("implementation", IMPLEMENTATIONS[:2])


def signatures(count: int, seed: int) -> list[Signature]:
    """Good and damaged signatures, in a mixture."""
    random_ = random.Random(seed)
    made = []
    for _ in range(count):
        digest = random_.randbytes(32)
        r, s, v = sign(random_.randbytes(32), digest)
        match random_.randrange(8):
            case 0:
                r = word(random_.choice(EDGES))
            case 1:
                s = word(random_.choice(EDGES))
            case 2:
                digest = word(random_.choice(EDGES))
            case 3:
                v = random_.choice([2, 3, 4, 27, 28, 255])
            case 4:
                s = word(CURVE_ORDER - int.from_bytes(s, "big"))
            case 5:
                r = random_.randbytes(32)
        made.append((digest, r, s, v))
    return made


def columns(many: list[Signature]) -> tuple[list[bytes], list[bytes], list[bytes], list[int]]:
    digests, rs, ss, vs = ([one[place] for one in many] for place in range(4))
    return digests, rs, ss, vs  # type: ignore[return-value]


def wanted(many: list[Signature]) -> list[bytes | None]:
    return [recover(*one) for one in many]


@every_implementation
@pytest.mark.parametrize("count", [0, 1, 2, 7, 8, 9, 17])
def test_many_are_recovered_as_one_by_one(implementation: str, count: int) -> None:
    many = signatures(count, seed=count)
    assert recover_many(*columns(many), implementation=implementation) == wanted(many)


@fast_implementations
@pytest.mark.parametrize("workers", [None, 1, 3])
def test_a_large_batch(implementation: str, workers: int | None) -> None:
    many = signatures(1_025, seed=1)
    found = recover_many(*columns(many), implementation=implementation, workers=workers)
    assert found == wanted(many)


@fast_implementations
def test_every_pair_of_edges(implementation: str) -> None:
    many = [(keccak256(b""), word(r), word(s), v) for r in EDGES for s in EDGES for v in (0, 1)]
    assert recover_many(*columns(many), implementation=implementation) == wanted(many)


@every_implementation
def test_buffers_of_words(implementation: str) -> None:
    many = signatures(20, seed=3)
    digests, rs, ss, vs = columns(many)
    packed = (b"".join(digests), bytearray(b"".join(rs)), memoryview(b"".join(ss)), bytes(vs))
    addresses, found = recover_packed(*packed, implementation=implementation)
    expected = wanted(many)
    assert found == bytes(signer is not None for signer in expected)
    assert addresses == b"".join(signer or bytes(20) for signer in expected)


@fast_implementations
@pytest.mark.parametrize("v", [-1, 2**40, 2**64, 2**300])
def test_no_other_number_recovers(implementation: str, v: int) -> None:
    digest, r, s = (b"\x01" * 32,) * 3
    many = [(digest, r, s, 0), (digest, r, s, v), (digest, r, s, 1)]
    found = recover_many(*columns(many), implementation=implementation)
    assert found == [recover(*many[0]), None, recover(*many[2])]


@every_implementation
def test_vs_may_be_bytes(implementation: str) -> None:
    many = signatures(9, seed=4)
    digests, rs, ss, vs = columns(many)
    assert recover_many(digests, rs, ss, bytes(vs), implementation=implementation) == wanted(many)


@every_implementation
def test_another_length_is_misuse(implementation: str) -> None:
    good = [b"\x01" * 32] * 3
    for size in (0, 31, 33):
        bad = [b"\x01" * 32, b"\x01" * size, b"\x01" * 32]
        for columns_ in ((bad, good, good), (good, bad, good), (good, good, bad)):
            with pytest.raises(Misuse, match=f"expected 32 bytes, found {size}"):
                recover_many(*columns_, [0, 0, 0], implementation=implementation)
    for counts in ((good[:2], good, good), (good, good[:2], good), (good, good, good[:2])):
        with pytest.raises(Misuse, match="wrong number"):
            recover_many(*counts, [0, 0, 0], implementation=implementation)
    with pytest.raises(Misuse, match="ss: wrong length, expected 64, found 63"):
        recover_packed(bytes(64), bytes(64), bytes(63), bytes(2), implementation=implementation)


@pytest.mark.parametrize("size", [1, 32, 128, 135, 136, 137, 288, 1810])
@pytest.mark.parametrize("count", [0, 1, 7, 8, 9, 20, 2050])
@pytest.mark.parametrize("simd", [False, True])
def test_messages_of_one_size_are_hashed_as_one_by_one(
    simd: bool, count: int, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    if simd and find_spec("payloads_simd") is None:
        pytest.skip("payloads-simd is not installed (make native)")
    monkeypatch.setattr(crypto, "has_simd", lambda: simd)
    data = random.Random(size).randbytes(size * count)
    messages = [data[at : at + size] for at in range(0, len(data), size)]
    for buffer in (data, bytearray(data), memoryview(data)):
        assert crypto.keccak_many(buffer, size) == b"".join(map(keccak256, messages))


@pytest.mark.parametrize("size", [0, -1, 3])
def test_a_part_of_a_message_is_misuse(size: int) -> None:
    with pytest.raises(Misuse, match=f"data: wrong length, expected a multiple of {size}"):
        crypto.keccak_many(bytes(4), size)


# --- while the caller goes on ---------------------------------------------------------------------


@fast_implementations
@pytest.mark.parametrize("count", [None, 1, 3])
def test_what_was_begun_is_there_when_it_is_asked_for(
    implementation: str, count: int | None
) -> None:
    """In any order, more than once, and after the object that began it is gone."""
    workers = crypto.Workers(count, implementation=implementation)
    pieces = [signatures(size, seed=size) for size in (300, 1, 0, 129, 700)]
    begun = [workers.recover_many(*columns(many)) for many in pieces]
    packed = [
        workers.recover_packed(b"".join(digests), b"".join(rs), b"".join(ss), bytes(vs))
        for digests, rs, ss, vs in map(columns, pieces)
    ]
    workers.recover_many(*columns(pieces[0]))  # is never asked for
    del workers
    for many, found, both in [*zip(pieces, begun, packed, strict=True)][::-1]:
        assert found() == found() == wanted(many)
        addresses, valid = both()
        assert addresses == b"".join(signer or bytes(20) for signer in wanted(many))
        assert valid == bytes(signer is not None for signer in wanted(many))


@fast_implementations
def test_threads_share_workers(implementation: str) -> None:
    workers = crypto.Workers(3, implementation=implementation)
    pieces = [signatures(200, seed=seed) for seed in range(8)]
    with ThreadPoolExecutor(4) as pool:
        found = pool.map(lambda many: workers.recover_many(*columns(many))(), pieces)
        assert list(found) == [wanted(many) for many in pieces]


def test_workers_refuse_what_recover_many_refuses() -> None:
    words, short = [b"\x01" * 32] * 2, [b"\x01" * 32, b"\x01" * 31]
    with pytest.raises(Misuse, match="wrong number"):
        crypto.Workers().recover_many(words, words, words, [0])
    with pytest.raises(Misuse, match="s: wrong length, expected 32 bytes, found 31"):
        crypto.Workers().recover_many(words, words, short, [0, 0])()
    with pytest.raises(Misuse, match="rs: wrong length, expected 64, found 63"):
        crypto.Workers().recover_packed(bytes(64), bytes(63), bytes(64), bytes(2))


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no timers on this system")
@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("way", ["many", "packed"])
def test_signals_are_heard_while_many_are_recovered(way: str, workers: int) -> None:
    """Ctrl-C ends a long call soon. Without this, signals wait, and many are heard as one."""
    pytest.importorskip("payloads_simd", reason="not installed (make native)")
    (digest, r, s, v), count = signatures(40, seed=1)[0], 100_000
    begin = crypto.Workers(workers)
    if way == "many":
        found: Any = begin.recover_many([digest] * count, [r] * count, [s] * count, [v] * count)
    else:
        found = begin.recover_packed(digest * count, r * count, s * count, bytes([v]) * count)
    heard: list[int] = []
    before = signal.signal(signal.SIGALRM, lambda number, _: heard.append(number))
    signal.setitimer(signal.ITIMER_REAL, 0.005, 0.005)
    try:
        found()
        calls = len(heard)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert calls > 3


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_forked_process_recovers_without_the_threads_of_its_parent() -> None:
    many = signatures(1_000, seed=11)
    workers = crypto.Workers(3)
    assert workers.recover_many(*columns(many))() == wanted(many)
    context = multiprocessing.get_context("fork")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # newer Pythons know of the threads
        child = context.Process(target=_recovers, args=(workers, many))
        child.start()
    child.join(60)
    assert child.exitcode == 0


def _recovers(workers: crypto.Workers, many: list[Signature]) -> None:
    assert workers.recover_many(*columns(many))() == wanted(many)


# --- the choice -----------------------------------------------------------------------------------


def test_an_unknown_implementation_is_misuse(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Misuse, match="implementation: unknown implementation"):
        recover_many([], [], [], [], implementation="magic")
    monkeypatch.setenv("PAYLOADS_RECOVER", "magic")
    with pytest.raises(Misuse, match="PAYLOADS_RECOVER: unknown implementation"):
        recover_many([], [], [], [])


@pytest.mark.parametrize("name", crypto.IMPLEMENTATIONS)
def test_simd_without_its_wheel(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Chosen, it is Misuse; not chosen, libsecp256k1 does the work."""
    monkeypatch.setattr(crypto, "has_simd", lambda: False)
    monkeypatch.delenv("PAYLOADS_RECOVER", raising=False)
    many = signatures(3, seed=5)
    assert recover_many(*columns(many)) == wanted(many)
    if name == "simd":
        with pytest.raises(Misuse, match="payloads-simd is not installed"):
            recover_many(*columns(many), implementation=name)
    else:
        assert recover_many(*columns(many), implementation=name) == wanted(many)


def _in_a_process(choice: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PAYLOADS_RECOVER": choice}
    command = [sys.executable, "-m", "payloads", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("choice", "said"),
    [
        ("libsecp256k1", "recover: btclib-secp256k1, recover_many: btclib-secp256k1"),
        ("reference", "recover: eth-keys, recover_many: eth-keys"),
    ],
)
def test_the_version_says_what_runs(choice: str, said: str) -> None:
    done = _in_a_process(choice, "--version")
    assert done.returncode == 0
    assert said in done.stdout


def test_a_wrong_choice_is_said_and_refused() -> None:
    done = _in_a_process("magic", "--version")
    assert done.returncode == 2
    assert "PAYLOADS_RECOVER: unknown implementation" in done.stderr


# --- vectors --------------------------------------------------------------------------------------

VECTORS = json.loads(recover_vectors.PAGE.read_text(encoding="utf-8"))["vectors"]


def _vector(record: dict[str, Any]) -> Signature:
    digest, r, s = (bytes.fromhex(record[name]) for name in ("digest", "r", "s"))
    return digest, r, s, record["v"]


def _addresses() -> list[bytes | None]:
    return [one["address"] and bytes.fromhex(one["address"]) for one in VECTORS]


@every_implementation
def test_ecrecover_vectors(implementation: str) -> None:
    many = [_vector(record) for record in VECTORS]
    assert recover_many(*columns(many), implementation=implementation) == _addresses()
    for record, address in zip(VECTORS, _addresses(), strict=True):
        assert (address is None) == (record["result"] == "invalid")


@pytest.mark.parametrize("lanes", ["portable", "vector"])
def test_ecrecover_vectors_by_both_kinds_of_lanes(lanes: str) -> None:
    module = pytest.importorskip("payloads_simd", reason="not installed (make native)")
    if lanes == "vector" and "want of" in module.instructions():
        pytest.skip("this machine lacks the instructions")
    many = [_vector(record) for record in VECTORS]
    # In every lane: with a row of others in front.
    for shift in range(8):
        shifted = [many[0]] * shift + many
        found = module.Workers(1).recover_many(*columns(shifted), lanes).get()
        assert found[shift:] == _addresses()


@fast_implementations
def test_flagged_signatures_are_left_if_wished(implementation: str) -> None:
    """Only payloads-simd flags any, and those that were made for it."""
    many = [_vector(one) for one in VECTORS]
    found = recover_many(*columns(many), implementation=implementation, leave_flagged=True)
    wanted = _addresses()
    left = [index for index, signer in enumerate(found) if signer is False]
    assert [found[index] for index in range(len(many)) if index not in left] == [
        wanted[index] for index in range(len(many)) if index not in left
    ]
    flags = {VECTORS[index]["flag"] for index in left}
    assert flags <= {"Infinity", "Doubling", "SmallFactors", "SmallPoint"}
    assert not left or implementation == "simd"


def test_the_vectors_are_those_of_their_script() -> None:
    made = [
        (flag, result, word(z), word(r), word(s), v)
        for flag, result, (z, r, s, v) in recover_vectors.cases()
    ]
    assert made == [(one["flag"], one["result"], *_vector(one)) for one in VECTORS]
    assert {one["flag"] for one in VECTORS} == set(recover_vectors.FLAGS)
    assert {one["result"] for one in VECTORS} == {"valid", "acceptable", "invalid"}


# --- recorded outcomes ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def recorded() -> list[Signature]:
    """Every signature that the recorded calls of the contracts ask about."""
    asked: dict[Signature, None] = {}

    def keep(digest: bytes, r: bytes, s: bytes, v: int) -> bytes | None:
        asked[digest, r, s, v] = None
        return recover(digest, r, s, v)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(signers, "recovers_in_batches", lambda: False)
        patch.setattr(signers, "recover", keep)
        for case in test_vectors.CASES:
            test_vectors._judge(case)
    return list(asked)


@fast_implementations
def test_recorded_outcomes(
    implementation: str, recorded: list[Signature], monkeypatch: pytest.MonkeyPatch
) -> None:
    """All signatures are recovered in one call, and each verdict then looks its own up."""
    assert len(recorded) > 1_000
    found = recover_many(*columns(recorded), implementation=implementation)
    signer_of = dict(zip(recorded, found, strict=True))
    monkeypatch.setattr(signers, "recovers_in_batches", lambda: False)
    monkeypatch.setattr(signers, "recover", lambda *signature: signer_of[signature])
    for case in test_vectors.CASES:
        assert test_vectors._outcome(test_vectors._judge(case)) == case["outcome"], case["id"]
