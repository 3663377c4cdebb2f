"""The layer over pyrevm itself: every way a call can end is told apart exactly."""

from __future__ import annotations

import pytest

from payloads.testing.onchain.evm import Chain, Halted, Outcome

pytestmark = pytest.mark.onchain


def _creation(program: str) -> str:
    """Creation code that deploys a short program as it is."""
    size = len(program) // 2
    return f"60{size:02x}600c60003960{size:02x}6000f3{program}"


# PUSH0 is left out: the programs are of the same age as the contracts.
REVERT_EMPTY = "60006000fd"
REVERT_ARGUMENT = "6000356000526020" + "6000fd"
RETURN_NOTHING = "00"
LOOP = "5b600056"
INVALID = "fe"
COUNT_UP = "60005460010180600055" + "60005260206000f3"
TIMESTAMP = "4260005260206000f3"


@pytest.mark.parametrize("argument", [b"\0" * 32, b"\x12" * 32, b"\xff" * 32])
def test_revert_data_is_exact(argument: bytes) -> None:
    chain = Chain()
    reverter = chain.deploy(_creation(REVERT_ARGUMENT))
    assert chain.call(reverter, argument) == Outcome(False, argument)


def test_empty_revert_is_an_outcome_and_a_halt_is_not() -> None:
    chain = Chain(gas=100_000)
    assert chain.call(chain.deploy(_creation(REVERT_EMPTY)), b"") == Outcome(False, b"")
    assert chain.call(chain.deploy(_creation(RETURN_NOTHING)), b"") == Outcome(True, b"")
    with pytest.raises(Halted) as spent:
        chain.call(chain.deploy(_creation(LOOP)), b"")
    assert spent.value.out_of_gas
    with pytest.raises(Halted) as invalid:
        chain.call(chain.deploy(_creation(INVALID)), b"")
    assert not invalid.value.out_of_gas


def test_a_sender_without_the_ether_never_reaches_the_evm() -> None:
    chain = Chain()
    with pytest.raises(Halted):
        chain.call(chain.deploy(_creation(RETURN_NOTHING)), b"", sender="0x" + "01" * 20, value=1)


def test_a_call_leaves_no_trace_and_a_transaction_does() -> None:
    chain = Chain()
    counter = chain.deploy(_creation(COUNT_UP))
    assert [chain.call(counter, b"").data[-1] for _ in range(3)] == [1, 1, 1]
    chain.transact(counter, b"")
    assert chain.call(counter, b"").data[-1] == 2
    chain.store(counter, 0, 41)
    assert chain.call(counter, b"").data[-1] == 42
    assert chain.load(counter, 0) == 41


def test_the_clock_is_ours() -> None:
    chain = Chain(now=5)
    clock = chain.deploy(_creation(TIMESTAMP))
    assert int.from_bytes(chain.call(clock, b"").data, "big") == 5
    chain.now = 2**32
    assert int.from_bytes(chain.call(clock, b"").data, "big") == 2**32
