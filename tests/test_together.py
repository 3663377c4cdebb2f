"""Many verdicts at once are those of `judge`, and each signature is recovered once."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count, islice
from time import monotonic
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import payloads
from payloads import chainlink, crypto, stork, systems
from payloads.chainlink import call
from payloads.chainlink.call import Item, hash_together
from payloads.crypto import CURVE_ORDER, Workers, recover
from payloads.errors import Malformed, Misuse
from payloads.stork import call as stork_call
from payloads.system import Terms
from payloads.verdicts import signers, together
from payloads.verdicts.pieces import pieces
from payloads.verdicts.signers import Signers
from payloads.verdicts.verdict import Verdict
from tests import test_vectors
from tests.test_limits import NETWORK, NOW, chainlink_state, full_report, stork_state, update

GENERATIONS = ("v0.3.0", "v0.4.0", "v0.5.0")
STATES = {name: chainlink_state(name, fee_manager=None) for name in GENERATIONS}
STORK = stork_state(now=NOW)


@pytest.fixture(params=["one by one", "in batches"])
def recovering(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both ways, on every machine: `recover_many` gives its answers without payloads-simd, too."""
    in_batches = request.param == "in batches"
    for module in (signers, together):
        monkeypatch.setattr(module, "recovers_in_batches", lambda: in_batches)
    return str(request.param)


@pytest.fixture
def recovered(monkeypatch: pytest.MonkeyPatch) -> Counter[Any]:
    """How often each signature is recovered."""
    seen: Counter[Any] = Counter()

    def one(*signature: Any) -> bytes | None:
        seen[signature] += 1
        return recover(*signature)

    monkeypatch.setattr(signers, "recover", one)
    _watch(monkeypatch, lambda *columns: seen.update(zip(*columns, strict=True)))
    return seen


def _watch(monkeypatch: pytest.MonkeyPatch, see: Callable[..., None]) -> None:
    """Show the columns of each batch that is recovered."""
    begin = Workers.recover_many

    def many(workers: Workers, *columns: Any, **how: Any) -> Any:
        see(*columns)
        return begin(workers, *columns, **how)

    monkeypatch.setattr(Workers, "recover_many", many)


# --- labelled damage ------------------------------------------------------------------------------


def _high(s: bytes) -> bytes:
    return (CURVE_ORDER - int.from_bytes(s, "big")).to_bytes(32, "big")


def _patched(raw: bytes, at: int, new: bytes) -> bytes:
    return raw[:at] + new + raw[at + len(new) :]


def _report_damage(raw: bytes) -> dict[str, bytes]:
    found = chainlink.decode(raw)
    rs, ss, vs = (found.offset_of(path) for path in ("rs[0]", "ss[0]", "raw_vs"))
    blob = raw.index(found.report_blob)
    return {
        "none": raw,
        "a bit of the report": _patched(raw, blob, bytes([raw[blob] ^ 1])),
        "another config": _patched(raw, 2, b"\xff"),
        "r is zero": _patched(raw, rs, bytes(32)),
        "r is the order": _patched(raw, rs, CURVE_ORDER.to_bytes(32, "big")),
        "s is high": _patched(raw, ss, _high(raw[ss : ss + 32])),
        "the last r is another": _patched(raw, rs + 160, b"\x01" * 32),
        "twice the same signature": _patched(
            _patched(raw, rs + 32, raw[rs : rs + 32]), ss + 32, raw[ss : ss + 32]
        ),
        "v is flipped": _patched(raw, vs, bytes([raw[vs] ^ 1])),
        "v is 27": _patched(raw, vs, b"\x1b"),
        "v overflows": _patched(raw, vs + 1, b"\xe5"),
        "cut": raw[:-5],
        "one r fewer": _patched(raw, rs - 32, (5).to_bytes(32, "big")),
        "nothing": b"",
        "calldata": chainlink.encode_calldata(raw),
        "bulk calldata": chainlink.encode_calldata([raw, raw, raw[:-1]]),
    }


def _update_damage(raw: bytes) -> dict[str, bytes]:
    return {
        "none": raw,
        "a bit of the assets": _patched(raw, 80, bytes([raw[80] ^ 1])),
        "r is zero": bytes(32) + raw[32:],
        "s is high": _patched(raw, 32, _high(raw[32:64])),
        "v is flipped": _patched(raw, 64, bytes([raw[64] ^ 1])),
        "v is 27": _patched(raw, 64, b"\x1b"),
        "v overflows": _patched(raw, 64, b"\xe5"),
        "cut": raw[:-1],
        "calldata": stork.encode_calldata(raw),
    }


REPORTS = [_report_damage(full_report(native)) for native in (1, 2)]
UPDATES = [_update_damage(update(assets)) for assets in (1, 2)]
MADE = [
    (system, label, raw)
    for system, families in (("chainlink", REPORTS), ("stork", UPDATES))
    for family in families
    for label, raw in family.items()
]
SIMPLE = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@SIMPLE
@given(picks=st.lists(st.sampled_from(MADE), max_size=20), generation=st.sampled_from(GENERATIONS))
def test_labelled_damage_of_both_systems(recovering: str, picks: Any, generation: str) -> None:
    """Payloads and calls, in any order."""
    states = {"chainlink": STATES[generation], "stork": STORK}
    raws = [raw for _, _, raw in picks]
    wanted = [payloads.judge(raw, states[system]) for system, _, raw in picks]
    # Chainlink's state is the first: it judges the bytes that nothing tells apart.
    many = payloads.judge_many(raws, [*states.values()])
    streamed = list(payloads.judge_stream(iter(raws), [*states.values()], together=3))
    assert many == streamed == wanted
    assert [type(found) for found in many] == [type(found) for found in wanted]


@pytest.mark.parametrize("generation", GENERATIONS)
def test_every_damage_by_the_systems_own_doors(recovering: str, generation: str) -> None:
    reports = [raw for system, _, raw in MADE if system == "chainlink"]
    state = STATES[generation]
    wanted = [chainlink.judge(raw, state) for raw in reports]
    assert chainlink.judge_many(reports, state) == wanted
    assert len({verdict.name for verdict in wanted}) > 2
    assert [found.checks for found in chainlink.judge_many(reports, state)] == [
        verdict.checks for verdict in wanted
    ]
    updates = [raw for system, _, raw in MADE if system == "stork"]
    assert stork.judge_many(updates, STORK) == [stork.judge(raw, STORK) for raw in updates]


def test_recorded_outcomes_of_the_contracts(recovering: str) -> None:
    test_vectors.test_many_at_once_are_judged_as_one_by_one()


# --- once -----------------------------------------------------------------------------------------


def _subset(first: int) -> bytes:
    """One report, published by six of the sixteen oracles."""
    blob = chainlink.decode(full_report()).report_blob
    return NETWORK.sign(blob, by=[(first + step) % NETWORK.size for step in range(6)]).encode()


def test_a_signature_under_several_subsets_is_recovered_once(
    recovering: str, recovered: Counter[Any]
) -> None:
    many = [_subset(first) for first in range(NETWORK.size)] * 2
    assert all(chainlink.judge_many(many, STATES["v0.5.0"], workers=1))
    assert set(recovered.values()) == {1}
    assert len(recovered) == NETWORK.size


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_the_next_batch_asks_for_no_signature_that_is_being_recovered(
    recovered: Counter[Any], monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    for module in (signers, together):
        monkeypatch.setattr(module, "recovers_in_batches", lambda: True)
    monkeypatch.setattr(together, "_FEWEST", 4)
    batches: list[int] = []
    _watch(monkeypatch, lambda digests, *_: batches.append(len(digests)))
    many = [_subset(first) for first in range(NETWORK.size)] + [full_report(9)] * 3
    many = many + [payload + b"\0" for payload in many]  # other payloads, the same signatures
    wanted = [chainlink.judge(payload, STATES["v0.5.0"]) for payload in many]
    recovered.clear()
    monkeypatch.setattr(together, "_WORTH_A_THREAD", 1)
    assert chainlink.judge_many(many, STATES["v0.5.0"], workers=workers) == wanted
    assert set(recovered.values()) == {1}
    assert workers == 1 or len(batches) > 1


@pytest.mark.parametrize(
    ("workers", "order"),
    [(1, ["begin", "end"] * 3), (2, ["begin", "begin", "end", "begin", "end", "end"])],
)
def test_several_workers_recover_for_the_next_batch_meanwhile(
    monkeypatch: pytest.MonkeyPatch, workers: int, order: list[str]
) -> None:
    for module in (signers, together):
        monkeypatch.setattr(module, "recovers_in_batches", lambda: True)
    monkeypatch.setattr(together, "_together", lambda *_: 2)
    monkeypatch.setattr(together, "_WORTH_A_THREAD", 1)
    seen: list[str] = []
    begin = Workers.recover_many

    def many(workers: Workers, *columns: Any, **how: Any) -> Any:
        seen.append("begin")
        begun = begin(workers, *columns, **how)

        def end() -> Any:
            seen.append("end")
            return begun()

        return end

    monkeypatch.setattr(Workers, "recover_many", many)
    reports = [full_report(native) for native in range(6)]
    assert all(chainlink.judge_many(reports, STATES["v0.5.0"], workers=workers))
    assert seen == order


@pytest.mark.parametrize("generation", GENERATIONS)
def test_a_bulk_call_that_repeats_a_payload_recovers_once(
    recovering: str, recovered: Counter[Any], generation: str
) -> None:
    verdict = chainlink.judge_bulk([full_report()] * 70, STATES[generation])
    assert verdict.accepted
    assert all(check.passed for check in verdict.checks)
    assert set(recovered.values()) == {1}
    assert len(recovered) == 6


def test_flagged_signatures_are_recovered_only_as_far_as_a_verdict_asks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """So that a hostile payload costs no more in a batch than alone."""
    for module in (signers, together):
        monkeypatch.setattr(module, "recovers_in_batches", lambda: True)
    asked: list[Any] = []

    def one(*signature: Any) -> bytes | None:
        asked.append(signature)
        return recover(*signature)

    def none(_: Workers, digests: Any, *columns: Any, leave_flagged: bool) -> Any:
        assert leave_flagged
        return lambda: [False] * len(digests)

    monkeypatch.setattr(signers, "recover", one)
    monkeypatch.setattr(Workers, "recover_many", none)
    good, bad = full_report(1), REPORTS[1]["v is flipped"]
    verdicts = chainlink.judge_many([good, bad], STATES["v0.5.0"])
    assert [verdict.accepted for verdict in verdicts] == [True, False]
    assert len(asked) == 6 + 1


@pytest.mark.parametrize("has_simd", [crypto.has_simd(), False])
def test_reports_of_one_size_are_hashed_together(
    monkeypatch: pytest.MonkeyPatch, has_simd: bool
) -> None:
    """Their digests are those of one by one; others wait for their turn."""
    monkeypatch.setattr(crypto, "has_simd", lambda: has_simd)
    raws = [full_report(native) for native in range(5)]
    raws += [*REPORTS[0].values(), b"", raws[0][:-1], raws[0][:200]]
    no_call: Any = None
    items, others = ([Item(no_call, raw, None, None) for raw in raws] for _ in range(2))
    hash_together(items)
    for item, alone in zip(items, others, strict=True):
        if alone.splits():
            assert item.whole
            assert item.hash() == alone.hash()
        else:
            assert item.digest is None
    assert sum(item.digest is not None for item in items) > 5


def test_judge_many_hashes_together(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (signers, together):
        monkeypatch.setattr(module, "recovers_in_batches", lambda: True)
    monkeypatch.delattr(call, "keccak256")  # by which one report is hashed
    verdicts = chainlink.judge_many([full_report(native) for native in (1, 2)], STATES["v0.5.0"])
    assert all(verdict.accepted for verdict in verdicts)


_ALIKE = [UPDATES[1]["none"], UPDATES[1]["a bit of the assets"], UPDATES[1]["s is high"]]


@pytest.mark.parametrize(
    "judged",
    [
        lambda raws, states: payloads.judge_many(raws, states),
        lambda raws, states: list(payloads.judge_stream(raws, states)),
        lambda raws, states: list(payloads.judge_stream(raws, states, now=lambda: NOW)),
        lambda raws, states: (
            chainlink.judge_many(raws[::2], states[0]),
            stork.judge_many(raws[1::2], states[1]),
        ),
    ],
)
def test_payloads_of_both_systems_are_hashed_together(
    monkeypatch: pytest.MonkeyPatch, judged: Callable[[Any, Any], Any]
) -> None:
    reports = [full_report(native) for native in range(3)]
    mixed = [raw for pair in zip(reports, _ALIKE, strict=True) for raw in pair]
    for module in (signers, together):
        monkeypatch.setattr(module, "recovers_in_batches", lambda: False)
    alone = judged(mixed, [STATES["v0.5.0"], STORK])
    for module in (signers, together):
        monkeypatch.setattr(module, "recovers_in_batches", lambda: True)
    for one_by_one in (call, stork_call):
        monkeypatch.delattr(one_by_one, "keccak256")
    assert judged(mixed, [STATES["v0.5.0"], STORK]) == alone


def test_updates_of_one_size_are_hashed_together() -> None:
    raws = [*_ALIKE, *UPDATES[0].values(), b""]
    none: Any = None
    calls, others = (
        [stork_call.Call(raw, STORK, none, 0, None, none) for raw in raws] for _ in range(2)
    )
    stork_call.hash_together(calls)
    assert [made.hash() for made in calls] == [alone.hash() for alone in others]
    assert sum(made.hashed is not None for made in calls) >= 3 + 6
    assert all(made.fits for made in calls if made.hashed is not None)


def test_a_payload_that_cannot_begin_is_an_error_in_its_place(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for module in (signers, together):
        monkeypatch.setattr(module, "recovers_in_batches", lambda: True)
    chainlinks, storks = systems.SYSTEMS

    def none(*_: Any) -> Any:
        raise Malformed("one of them")

    changed = (chainlinks, replace(storks, judging_batch=none))
    monkeypatch.setattr(systems, "SYSTEMS", changed)
    found = list(payloads.judge_stream([update(1), b"", full_report()], [STORK, STATES["v0.5.0"]]))
    assert found == [stork.judge(update(1), STORK), stork.judge(b"", STORK), found[2]]
    assert found[2] == chainlink.judge(full_report(), STATES["v0.5.0"])


def test_a_bulk_call_asks_for_some_payloads_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """All at once would recover in vain what stands behind a payload that reverts."""
    for module in (signers, together):
        monkeypatch.setattr(module, "recovers_in_batches", lambda: True)
    sizes: list[int] = []
    _watch(monkeypatch, lambda digests, *_: sizes.append(len(digests)))
    good = [full_report(native) for native in range(40)]
    assert chainlink.judge_bulk(good, STATES["v0.5.0"]).accepted
    assert sizes == [32 * 6, 8 * 6]
    sizes.clear()
    assert not chainlink.judge_bulk([REPORTS[0]["another config"], *good], STATES["v0.5.0"])
    assert sizes == []


def test_one_call_at_two_times_recovers_once(recovering: str, recovered: Counter[Any]) -> None:
    system = systems.named("chainlink")
    data, shared = chainlink.encode_calldata([full_report()] * 3), Signers()
    for now in (NOW, NOW + 30):
        terms = Terms(now=now, signers=shared)
        assert system.judge_calldata(data, STATES["v0.5.0"], terms).accepted
    assert set(recovered.values()) == {1}
    assert len(recovered) == 6


def test_the_signers_are_not_asked_for_where_a_check_before_them_fails(
    recovering: str, recovered: Counter[Any]
) -> None:
    other = chainlink_state(fee_manager=None, configs=[])
    assert not any(chainlink.judge_many([full_report(1), full_report(2)], other))
    assert not recovered


def test_the_oldest_signers_are_forgotten(recovering: str, recovered: Counter[Any]) -> None:
    kept = Signers(most=4)
    signatures = [(bytes([i]) * 32, b"\x01" * 32, b"\x02" * 32, 0) for i in range(6)]
    for _ in range(2):
        kept.learn([(digest, [r], [s], bytes([v])) for digest, r, s, v in signatures])
        assert [kept.recover(*one) for one in signatures] == [recover(*one) for one in signatures]
        assert len(kept) == len(kept._known) == 4
    assert Signers()._most == signers.MOST_KEPT
    kept = Signers()
    for ids in ((27, 28), (2, 255), (2, 27, 28, 255)):
        kept.learn(
            [(b"\x01" * 32, [b"\x01" * 32] * len(ids), [b"\x02" * 32] * len(ids), bytes(ids))]
        )
    assert kept.recover(b"\x01" * 32, b"\x01" * 32, b"\x02" * 32, 27) is None
    assert len(kept) == len(kept._known) == 0


# --- states ---------------------------------------------------------------------------------------


def test_states_are_one_of_each_system() -> None:
    state = STATES["v0.5.0"]
    for wrong in ([], [state, state], [state, STATES["v0.4.0"], STORK]):
        with pytest.raises(Misuse, match="one state for each system"):
            payloads.judge_many([full_report()], wrong)
    with pytest.raises(Misuse, match="a payload of stork, but a state of chainlink"):
        payloads.judge_many([update(1)], [state])
    with pytest.raises(Misuse, match="not a state"):
        payloads.judge_many([update(1)], [None])  # type: ignore[list-item]
    (found,) = payloads.judge_many([b"bytes of nobody"], [STORK, state])
    assert found == stork.judge(b"bytes of nobody", STORK)


# --- streams --------------------------------------------------------------------------------------


def test_an_error_stands_in_its_place(recovering: str) -> None:
    given = [full_report(), "no hex", update(1), [full_report()] * 2, full_report()]
    found = list(payloads.judge_stream(given, STATES["v0.5.0"]))
    assert [isinstance(one, Verdict) and one.accepted for one in found] == [
        True,
        *[False] * 3,
        True,
    ]
    assert [type(one) for one in found[1:4]] == [Malformed, Misuse, Misuse]


@pytest.mark.parametrize("max_wait", [None, 2.0])
def test_an_endless_stream_is_read_a_little_ahead(recovering: str, max_wait: float | None) -> None:
    taken = 0

    def endless() -> Iterator[bytes]:
        nonlocal taken
        for assets in count():
            taken += 1
            yield _updates[assets % 5]

    _updates = [update(assets) for assets in range(5)]
    stream = payloads.judge_stream(endless(), STORK, together=10, max_wait=max_wait)
    found: list[Any] = list(islice(stream, 45))
    assert all(found)
    assert found == [stork.judge(_updates[i % 5], STORK) for i in range(45)]
    assert taken <= 50 + 12
    stream.close()  # type: ignore[attr-defined]


def test_a_full_piece_does_not_wait_for_its_time() -> None:
    seen = threading.Event()

    def source() -> Iterator[int]:
        yield 1
        time.sleep(0.05)  # until the second is waited for
        yield 2
        if not seen.wait(5):
            raise OSError("two were wanted, and two were not handed over")
        yield 3

    found = pieces(source(), 2, max_wait=3600)
    assert next(found) == [1, 2]
    seen.set()
    assert list(found) == [[3]]


def test_the_first_item_of_a_slow_source_is_handed_over_when_it_comes() -> None:
    seen = threading.Event()

    def slow() -> Iterator[int]:
        time.sleep(0.1)  # until somebody waits
        yield 1
        if not seen.wait(5):
            raise OSError("the item was not handed over")

    found = pieces(slow(), 100, max_wait=0.01)
    assert next(found) == [1]
    seen.set()
    assert list(found) == []


def test_an_item_waits_for_another_also_less_than_a_second() -> None:
    def slow() -> Iterator[int]:
        yield 1
        time.sleep(0.02)
        yield 2

    # A busy machine may sleep too long, but not each time.
    assert any(next(pieces(slow(), 100, max_wait=0.9)) == [1, 2] for _ in range(5))


def test_a_stream_ends_with_its_source() -> None:
    found: list[list[int]] = []
    reading = threading.Thread(
        target=lambda: found.extend(pieces([1, 2, 3], 2, max_wait=0.01)), daemon=True
    )
    reading.start()
    reading.join(30)
    assert not reading.is_alive()
    assert [each for piece in found for each in piece] == [1, 2, 3]


def test_a_quiet_source_does_not_hold_verdicts_back() -> None:
    more = threading.Event()

    def quiet() -> Iterator[bytes]:
        yield from [update(1), update(2)]
        more.wait(60)
        yield update(3)

    begun = monotonic()
    stream = payloads.judge_stream(quiet(), STORK, max_wait=0.02)
    assert list(map(bool, islice(stream, 2))) == [True, True]
    assert monotonic() - begun < 30
    more.set()
    assert list(map(bool, stream)) == [True]


@pytest.mark.parametrize("max_wait", [None, 0.01])
def test_what_the_source_raises_comes_after_the_verdicts_before_it(max_wait: float | None) -> None:
    def broken() -> Iterator[bytes]:
        yield update(1)
        raise OSError("the disk is gone")

    stream = payloads.judge_stream(broken(), STORK, together=1, max_wait=max_wait)
    assert next(stream)
    with pytest.raises(OSError, match="the disk is gone"):
        next(stream)


def test_a_stream_that_is_closed_ends_its_thread() -> None:
    def endless() -> Iterator[bytes]:
        while True:
            yield b""

    stream = payloads.judge_stream(endless(), STORK, max_wait=0.01)
    next(stream)
    stream.close()  # type: ignore[attr-defined]
    for thread in threading.enumerate():
        if thread.name == "payloads-pieces":
            thread.join(30)
            assert not thread.is_alive()


def test_the_clock_of_a_stream() -> None:
    times = iter([NOW, NOW + 5])
    stream = payloads.judge_stream(
        [update(1), update(2)], STORK, now=lambda: next(times), together=1
    )
    assert [isinstance(found, Verdict) and found.now for found in stream] == [NOW, NOW + 5]


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: payloads.judge_stream(5, STORK),  # type: ignore[arg-type]
        lambda: payloads.judge_stream("0x00", STORK),
        lambda: payloads.judge_stream([], STORK, together=0),
        lambda: payloads.judge_stream([], STORK, now="noon"),  # type: ignore[arg-type]
        lambda: payloads.judge_stream([], None),  # type: ignore[arg-type]
    ],
)
def test_a_wrong_call_is_refused_at_once(wrong: Callable[[], Any]) -> None:
    with pytest.raises(Misuse):
        wrong()


def test_terms_that_nothing_can_be_judged_by_end_a_stream() -> None:
    with pytest.raises(Misuse, match="not an amount of wei"):
        list(payloads.judge_stream([update(1)], STORK, value=-1))


def test_whether_batches_are_faster_follows_the_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PAYLOADS_RECOVER", raising=False)
    monkeypatch.setattr(crypto, "has_simd", lambda: True)
    assert crypto.recovers_in_batches()
    monkeypatch.setenv("PAYLOADS_RECOVER", "libsecp256k1")
    assert not crypto.recovers_in_batches()
    monkeypatch.delenv("PAYLOADS_RECOVER")
    monkeypatch.setattr(crypto, "has_simd", lambda: False)
    assert not crypto.recovers_in_batches()
