"""A state that stays new: equal to one that is fetched at the same block, and with few requests."""

from __future__ import annotations

import itertools
import json
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from payloads.chain import LiveState, StateChange, States, fetch_state, refuse_transaction
from payloads.chain.reading.memory import MOST_MARKS
from payloads.chain.reading.states import contracts_of
from payloads.chain.rpc import Unavailable, connect
from payloads.chainlink.state import ChainlinkState
from payloads.errors import Misuse
from payloads.verdicts.state import State
from tests.chain import streams_chain as streams
from tests.chain.stork_chain import ADDRESS, StorkChain
from tests.chain.streams_chain import (
    DIGESTS,
    FEED,
    KEEPER,
    LINK,
    MANAGERS,
    LongChain,
    StreamsChain,
)
from tests.chain.test_fetch_stork import A, B, C, several, single
from tests.chain.test_guard import call, stork, update


def live_over(chain: StorkChain, **options: Any) -> LiveState:
    options = {"reread": 4, "max_age": None} | options
    return LiveState(connect(chain, pause=lambda _: None), ADDRESS, **options)


# --- the same as fetching -------------------------------------------------------------------------

SMALL = st.integers(0, 1)
DIGEST = st.integers(0, len(DIGESTS) - 1)
FEEDS = st.sampled_from([None, FEED, bytes(32)])
STEPS = (
    st.tuples(st.just("initialize_verifier"), SMALL),
    st.tuples(st.just("set_config"), SMALL, DIGEST, st.integers(4, 7), st.just(1)),
    st.tuples(st.just("set_config"), SMALL, DIGEST, st.integers(7, 9), st.just(2)),
    st.tuples(st.just("switch"), SMALL, DIGEST, st.booleans()),
    st.tuples(st.just("unset"), DIGEST),
    st.tuples(st.just("set_fee_manager"), st.sampled_from([*MANAGERS, streams.NOWHERE])),
    st.tuples(st.just("surcharge"), SMALL, st.integers(0, 9)),
    st.tuples(st.just("discount"), SMALL, st.sampled_from([KEEPER, streams.OTHER]), FEEDS,
              st.sampled_from([LINK, streams.NATIVE]), st.integers(0, 3)),
    st.tuples(st.just("set_access"), st.sampled_from([streams.BOOK, streams.NOWHERE])),
    st.tuples(st.just("guest"), st.sampled_from([KEEPER, streams.OTHER]), st.booleans()),
    st.tuples(st.just("check_access"), st.booleans()),
    st.tuples(st.just("mine"), st.integers(1, 6)),
)  # fmt: skip
STORK_STEPS = st.one_of(
    st.tuples(st.just("updateVerificationFeeInWei(uint256)"), st.integers(0, 3)),
    st.tuples(st.just("signer"), st.sampled_from([A, B, C])),
    st.tuples(st.just("mine"), st.integers(1, 6)),
)
# Between the steps: read, read with a live state that starts from the file, or take blocks back.
THEN = st.sampled_from(["go on", "go on", "refresh", "refresh", "restart", "back 2", "back 9"])


class Compared:
    """A live state that is held against fetching after every reading."""

    def __init__(self, chain: StorkChain, file: Path, subscriber: bytes | None) -> None:
        self.chain, self.file, self.subscriber = chain, file, subscriber
        self.live = self._made()

    def _made(self) -> LiveState:
        return live_over(self.chain, subscriber=self.subscriber, file=self.file)

    def then(self, what: str) -> None:
        if what.startswith("back"):
            # Not before the contract was initialised.
            floor = min(6, self.chain.head)
            self.chain.back_to(max(floor, self.chain.head - int(what[5:])))
        elif what == "restart":
            self.live = self._made()
        if what != "go on":
            self.compare()

    def compare(self) -> None:
        found = self.live.refresh()
        assert found == fetch_state(self.chain, ADDRESS, subscriber=self.subscriber)
        assert State.load(self.file) == found


def _stork_step(chain: StorkChain, name: str, value: Any) -> None:
    if name == "mine":
        chain.mine(value)
    elif name != "signer":
        chain.send(name, value)
    elif not chain.contract.several:
        chain.send("updateSignerAddress(address)", value)
    else:
        added = value not in [each.lower() for each in chain.contract.signers]
        if added or len(chain.contract.signers) > 1:
            chain.send(f"{'add' if added else 'remove'}SignerAddress(address)", value)


# Few kinds of steps in an example, so that they meet.
FEW = st.lists(st.sampled_from(range(len(STEPS))), min_size=1, max_size=4, unique=True).flatmap(
    lambda kinds: st.lists(
        st.tuples(st.one_of(*(STEPS[kind] for kind in kinds)), THEN), max_size=25
    )
)


@settings(max_examples=40, deadline=None)
@given(FEW, st.sampled_from([KEEPER, None]))
def test_refreshing_equals_fetching(tmp_path_factory: Any, steps: Any, subscriber: Any) -> None:
    """Over random events of all contracts, restarts and reorganisations of any depth."""
    chain = StreamsChain()
    chain.initialize_verifier(0)
    chain.set_config(0, 0, 4, 1)
    compared = Compared(chain, tmp_path_factory.mktemp("live") / "state.json", subscriber)
    compared.compare()
    known = 1
    for (name, *values), then in steps:
        if name == "initialize_verifier":
            if values[0] < known:
                continue
            known += 1
        elif name in ("set_config", "switch") and values[0] >= known:
            continue
        if name == "set_config" and chain.contract.verifiers.get(DIGESTS[values[1]]) not in (
            None, streams.VERIFIERS[values[0]],
        ):  # fmt: skip
            continue
        getattr(chain, name)(*values)
        compared.then(then)
        known = len(chain.contract.deployed & set(streams.VERIFIERS))
    compared.compare()


@settings(max_examples=20, deadline=None)
@given(st.booleans(), st.lists(st.tuples(STORK_STEPS, THEN), max_size=20))
def test_refreshing_stork_equals_fetching(tmp_path_factory: Any, many: bool, steps: Any) -> None:
    chain = several() if many else single()
    compared = Compared(chain, tmp_path_factory.mktemp("live") / "state.json", None)
    compared.compare()
    for (name, value), then in steps:
        _stork_step(chain, name, value)
        compared.then(then)
    compared.compare()


def streams_chain() -> StreamsChain:
    """Configs, fees and an access list, all of them long settled."""
    chain = StreamsChain()
    chain.initialize_verifier(0)
    for digest in range(3):
        chain.set_config(0, digest, 4 + digest, 1)
    chain.set_fee_manager(MANAGERS[0])
    chain.surcharge(0, 5)
    chain.discount(0, KEEPER, FEED, LINK, 7)
    chain.set_access(streams.BOOK)
    chain.guest(KEEPER, True)
    chain.mine(10)
    return chain


def requests(chain: StorkChain, live: LiveState) -> list[str]:
    """The requests of one step."""
    chain.asked.clear()
    live.refresh()
    return [method for method, _ in chain.asked]


def test_a_second_verifier_is_read_from_its_deployment() -> None:
    chain = streams_chain()
    live = live_over(chain)
    live.refresh()
    chain.initialize_verifier(1)
    chain.set_config(1, 3, 7, 2)
    chain.mine(3)
    requests(chain, live)
    asked = [params[0] for method, params in chain.asked if method == "eth_getLogs"]
    assert len(asked) == 5
    assert all(int(wanted["fromBlock"], 16) > 10 for wanted in asked)
    assert live.state == fetch_state(chain, ADDRESS)


def test_a_replaced_block_takes_its_answers_with_it() -> None:
    """The f of an update is asked from storage. After a reorganisation the block has another."""
    chain = streams_chain()
    live = live_over(chain)
    live.refresh()
    chain.set_config(0, 2, 7, 2)
    before = live.refresh()
    chain.back_to(chain.head - 1)
    chain.set_config(0, 2, 7, 1)
    after = live.refresh()
    assert isinstance(before, ChainlinkState)
    assert isinstance(after, ChainlinkState)
    assert (before.in_force[-1].f, after.in_force[-1].f) == (2, 1)
    assert after == fetch_state(chain, ADDRESS)


# --- requests -------------------------------------------------------------------------------------


def test_a_chain_of_a_hundred_million_blocks_is_a_step_of_a_few_requests(tmp_path: Path) -> None:
    chain = LongChain(most=2_000_000)  # benchmarks/refresh.py has 10,000 blocks at a time
    options: dict[str, Any] = {"reread": 128, "subscriber": KEEPER, "file": tmp_path / "live.json"}
    live = live_over(chain, **options)
    first = len(requests(chain, live))
    assert first > 250
    chain.empty += 5
    assert len(requests(chain, live)) <= 18
    # Nothing new at all.
    assert requests(chain, live) == ["eth_chainId", "eth_blockNumber", "eth_getBlockByNumber"]
    # After a restart, from the file.
    chain.empty += 50
    assert len(requests(chain, live_over(chain, **options))) <= 18
    assert live.refresh() == fetch_state(chain, ADDRESS, subscriber=KEEPER)


def test_a_live_state_may_ask_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bound on requests is that of one reading."""
    monkeypatch.setattr("payloads.chain.rpc.MAX_REQUESTS", 80)
    chain = streams_chain()
    live = live_over(chain)
    for _ in range(10):
        chain.mine()
        live.refresh()
    assert live.node.calls > 160


# --- changes --------------------------------------------------------------------------------------


def test_each_change_is_told_once_with_its_block(tmp_path: Path) -> None:
    chain, told = streams_chain(), list[StateChange]()
    live = live_over(chain, on_change=told.append, file=tmp_path / "state.json")
    live.refresh()
    assert told == []

    def changes() -> list[tuple[str, int | None]]:
        told.clear()
        live.refresh()
        return list(dict.fromkeys((change.kind, change.block) for change in told))

    steps: list[tuple[str, tuple[Any, ...], str]] = [
        ("set_config", (0, 1, 7, 2), "config"),
        ("switch", (0, 0, False), "config"),
        ("unset", (2,), "config"),
        ("surcharge", (0, 9), "fees"),
        ("discount", (0, KEEPER, None, LINK, 3), "fees"),
        ("guest", (streams.OTHER, True), "access"),
    ]
    for name, values, kind in steps:
        getattr(chain, name)(*values)
        block = chain.head
        chain.mine(2)
        assert changes() == [(kind, block)], name
        assert changes() == []
    chain.set_fee_manager(MANAGERS[1])
    block = chain.head
    chain.mine()
    found = changes()
    assert ("fee_manager", block) in found
    assert {kind for kind, _ in found} == {"fee_manager", "fees"}
    # Two changes of a kind in one step: each has its own block, by the id in its path.
    chain.set_config(0, 0, 5, 1)
    chain.set_config(0, 1, 8, 2)
    assert {block for _, block in changes()} == {chain.head - 1, chain.head}
    # What happened while nothing ran is told after a restart.
    chain.guest(KEEPER, False)
    live = live_over(chain, on_change=told.append, file=tmp_path / "state.json")
    assert changes() == [("access", chain.head)]


def test_a_change_that_a_reorganisation_takes_back_is_told() -> None:
    chain, told = streams_chain(), list[StateChange]()
    live = live_over(chain, on_change=told.append)
    live.refresh()
    chain.surcharge(0, 9)
    live.refresh()
    assert [(each.before, each.after, each.undone) for each in told] == [("5", "9", False)]
    chain.back_to(chain.head - 1)
    chain.mine(3)
    live.refresh()
    assert [(each.before, each.after, each.undone) for each in told[1:]] == [("9", "5", True)]


def test_a_stork_signer_that_changes_is_told() -> None:
    chain, told = single(), list[StateChange]()
    live = live_over(chain, on_change=told.append)
    live.refresh()
    block = chain.send("updateSignerAddress(address)", A)
    chain.mine()
    live.refresh()
    assert [(each.kind, each.path, each.block) for each in told] == [("config", "signer", block)]


def test_a_callback_that_fails_leaves_the_state_new() -> None:
    chain = streams_chain()

    def fail(change: StateChange) -> None:
        raise RuntimeError(change.kind)

    live = live_over(chain, on_change=fail)
    live.refresh()
    chain.surcharge(0, 9)
    with pytest.raises(RuntimeError, match="fees"):
        live.refresh()
    assert live.state == fetch_state(chain, ADDRESS)


def test_each_change_is_told_even_if_a_callback_or_the_file_fails(tmp_path: Path) -> None:
    chain, told = streams_chain(), list[str]()

    def fail(change: StateChange) -> None:
        told.append(change.path)
        if len(told) == 1:
            raise RuntimeError(change.path)

    folder = tmp_path / "states"
    folder.mkdir()
    live = live_over(chain, on_change=fail, file=folder / "state.json")
    live.refresh()
    chain.surcharge(0, 9)
    chain.guest(streams.OTHER, True)
    with pytest.raises(RuntimeError):
        live.refresh()
    # The file has the state of before, so that a restart tells all that may not have been heard.
    assert State.load(folder / "state.json").block_number == chain.head - 2
    live.refresh()
    assert sorted(told) == ["access_controller.allowed", "fee_manager.native_surcharge"]
    assert State.load(folder / "state.json") == live.state
    chain.surcharge(0, 5)
    for file in folder.iterdir():
        file.unlink()
    folder.rmdir()
    with pytest.raises(Misuse, match="cannot write"):
        live.refresh()
    assert len(told) == 3
    folder.mkdir()
    live.refresh()
    assert State.load(folder / "state.json") == live.state
    assert len(told) == 3


# --- nodes that lag, lose logs or take blocks back ------------------------------------------------


def test_a_node_that_lags_takes_nothing_back() -> None:
    chain = streams_chain()

    class Lagging(StorkChain):
        behind = 0

        def make_request(self, method: str, params: list[Any]) -> dict[str, Any]:
            if method == "eth_blockNumber":
                return {"result": hex(chain.head - self.behind)}
            return chain.make_request(method, params)

    told, node = list[StateChange](), Lagging()
    live = live_over(node, on_change=told.append)
    live.refresh()
    chain.surcharge(0, 9)
    newest = live.refresh()
    node.behind = 2
    assert live.refresh() is newest
    assert [change.undone for change in told] == [False]


def test_logs_that_come_late_are_read_in_the_next_step() -> None:
    chain = streams_chain()
    live = live_over(chain)
    live.refresh()
    chain.guest(streams.OTHER, True)
    late = chain.log_of.pop()
    chain.mine()
    live.refresh()
    chain.log_of.append(late)
    chain.mine()
    assert live.refresh() == fetch_state(chain, ADDRESS)


def test_a_block_that_is_replaced_during_a_step_is_read_again() -> None:
    class Moving(StreamsChain):
        moves = 0

        def eth_getLogs(self, wanted: dict[str, Any]) -> dict[str, Any]:
            if self.moves:
                self.moves -= 1
                self.back_to(self.head - 1)
                self.mine()
            return super().eth_getLogs(wanted)

    chain = Moving()
    chain.initialize_verifier(0)
    chain.mine(5)
    live = live_over(chain)
    live.refresh()
    chain.mine()
    chain.moves = 2
    assert live.refresh() == fetch_state(chain, ADDRESS)
    chain.mine()
    chain.moves = 1000
    with pytest.raises(Unavailable, match="replaced while it was read"):
        live.refresh()
    assert live.state.block_number == chain.head - 1


def test_the_hashes_of_older_blocks_stay_few() -> None:
    """Close together at the end, so that a short reorganisation loses little; far apart before."""
    chain = streams_chain()
    live = live_over(chain)
    for _ in range(150):
        chain.mine(3)
        live.refresh()
    numbers = [mark.number for mark in live._memory.marks]
    assert len(numbers) <= MOST_MARKS + 2
    assert numbers == sorted(set(numbers))
    assert numbers[0] < 30
    assert all(numbers[-1] - number < 12 for number in numbers[-3:])
    chain.back_to(numbers[-10] + 1)
    chain.surcharge(0, 9)
    assert live.refresh() == fetch_state(chain, ADDRESS)
    assert numbers[-10] in [mark.number for mark in live._memory.marks]


# --- age ------------------------------------------------------------------------------------------


def test_an_old_state_is_refused() -> None:
    chain = streams_chain()
    now = [chain.time(chain.head)]
    live = live_over(chain, max_age=60, clock=lambda: now[0])
    with pytest.raises(Unavailable, match="no state was read yet"):
        live.state  # noqa: B018
    live.refresh()
    now[0] += 60
    assert live.state.block_number == chain.head
    now[0] += 1
    with pytest.raises(Unavailable, match=r"too old: its block [0-9]+ was 61 s ago.*at most 60 s"):
        live.state  # noqa: B018
    # A node that stands still is asked, and answers: the state is as old as it was.
    live.refresh()
    with pytest.raises(Unavailable, match="too old"):
        live.state  # noqa: B018
    chain.mine(6)
    live.refresh()
    assert live.age == 0.0
    assert live.state.block_number == chain.head


def test_a_step_that_fails_leaves_the_state_and_says_so() -> None:
    chain = streams_chain()
    now = [chain.time(chain.head)]
    live = live_over(chain, max_age=60, clock=lambda: now[0])
    state = live.refresh()
    chain.mine()
    broken = {"error": {"code": 1, "message": "out of order"}}
    chain.eth_getLogs = lambda wanted: broken  # type: ignore[method-assign]
    with pytest.raises(Unavailable, match="out of order"):
        live.refresh()
    assert live.state is state
    now[0] += 100
    with pytest.raises(Unavailable, match=r"too old.*out of order"):
        live.state  # noqa: B018
    del chain.eth_getLogs
    chain.mine(9)
    live.refresh()
    assert live.problem is None


# --- the file -------------------------------------------------------------------------------------


def test_the_file_of_another_contract_chain_or_subscriber_is_misuse(tmp_path: Path) -> None:
    path, chain = tmp_path / "state.json", streams_chain()
    live_over(chain, file=path, subscriber=KEEPER).refresh()
    with pytest.raises(Misuse, match="file of another proxy"):
        LiveState(chain, "0x" + "99" * 20, file=path)
    for other in (None, streams.OTHER):
        with pytest.raises(Misuse, match="file of another subscriber"):
            live_over(chain, file=path, subscriber=other)
    chain.chain_id = 7
    live = live_over(chain, file=path, subscriber=KEEPER)
    with pytest.raises(Misuse, match=r"another chain than the state, expected chain 1.*chain 7"):
        live.refresh()
    path.write_text("{")
    with pytest.raises(Misuse, match="not a state file"):
        live_over(chain, file=path, subscriber=KEEPER)
    with pytest.raises(Misuse, match="cannot write"):
        live_over(chain, file=tmp_path / "nowhere" / "state.json").refresh()
    with pytest.raises(Misuse, match="is JSON"):
        live_over(chain, file=tmp_path / "state.toml")
    with pytest.raises(Misuse, match="cannot read"):
        live_over(chain, file=tmp_path)


def test_a_state_file_without_a_memory_is_gone_on_from_by_reading_all(tmp_path: Path) -> None:
    path, chain = tmp_path / "state.json", streams_chain()
    live_over(chain, file=path).refresh()
    record = json.loads(path.read_text())
    del record["live"]
    path.write_text(json.dumps(record))
    live = live_over(chain, file=path)
    assert live.refresh() == fetch_state(chain, ADDRESS)
    # So is a file that was read from another first block.
    assert live_over(chain, file=path, since=1).refresh() == fetch_state(chain, ADDRESS, since=1)


def test_whatever_the_file_holds_is_misuse_or_read(tmp_path: Path) -> None:
    """Each value of the memory replaced by others: never an exception of another family."""
    path, chain = tmp_path / "state.json", streams_chain()
    live_over(chain, file=path, subscriber=KEEPER).refresh()
    chain.mine()
    record = json.loads(path.read_text())

    def places(value: Any) -> list[tuple[Any, Any]]:
        pairs = list(value.items() if isinstance(value, dict) else enumerate(value))
        below = [place for _, each in pairs if isinstance(each, dict | list)
                 for place in places(each)]  # fmt: skip
        return [(value, key) for key, _ in pairs] + below

    refused = 0
    bad = itertools.cycle((None, -5, 2**70, "0xzz", [], [1, 2], {"a": 1}, True, 1.5, -1, "ab"))
    for holder, key in places({"live": record["live"]}):
        kept = holder[key]
        for value in (next(bad), next(bad)):
            holder[key] = value
            path.write_text(json.dumps(record))
            try:
                live_over(chain, file=path, subscriber=KEEPER).refresh()
            except Misuse:
                refused += 1
        holder[key] = kept
    assert refused > 100


def test_a_file_that_would_be_too_large_keeps_the_state_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("payloads.chain.reading.live_state.MAX_STATE_BYTES", 3000)
    path, chain = tmp_path / "state.json", streams_chain()
    state = live_over(chain, file=path).refresh()
    assert "live" not in json.loads(path.read_text())
    assert State.load(path) == state


# --- in a thread ----------------------------------------------------------------------------------


def test_a_thread_keeps_the_state_new_and_ends(caplog: pytest.LogCaptureFixture) -> None:
    chain, told = streams_chain(), threading.Event()
    before = threading.active_count()
    live = live_over(chain, interval=0.001, on_change=lambda _: told.set())
    with live:
        first = live.state
        chain.surcharge(0, 9)
        assert told.wait(10)
        assert live.state is not first
        with pytest.raises(Misuse, match="it runs already"):
            live.__enter__()
    assert threading.active_count() == before
    assert not caplog.records
    # And once more.
    with live:
        assert live.state == fetch_state(chain, ADDRESS)


def test_failed_steps_are_made_again_ever_more_slowly(monkeypatch: pytest.MonkeyPatch) -> None:
    chain = streams_chain()
    live = live_over(chain, interval=2)
    pauses: list[float] = []

    class Stopping(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            pauses.append(timeout or 0.0)
            if len(pauses) == 8:
                chain.chain_id = 1
            return len(pauses) > 10

    chain.chain_id = 2
    live.refresh()
    chain.chain_id = 3  # a step is Misuse until this is mended
    live._stopping = Stopping()
    live.run()
    assert pauses == [2, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]


def test_a_callback_that_fails_in_the_thread_does_not_end_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    chain, told = streams_chain(), list[str]()
    twice = threading.Event()

    def fail(change: StateChange) -> None:
        told.append(change.after)
        if len(told) == 2:
            twice.set()
        raise RuntimeError("of the keeper's own")

    with live_over(chain, interval=0.001, on_change=fail):
        for surcharge in (8, 9):
            chain.surcharge(0, surcharge)
            while len(told) < surcharge - 7:
                assert not twice.wait(0.001) or len(told) == 2
    assert told == ["8", "9"]
    assert "on_change failed" in caplog.text


def test_stopping_does_not_wait_for_a_long_reading() -> None:
    """A busy node would be asked again for seconds; a first reading takes thousands of requests."""
    chain, busy = streams_chain(), threading.Event()
    live = LiveState(chain, ADDRESS, interval=0.001, max_age=None)

    def refuse() -> dict[str, Any]:
        busy.set()
        return {"error": {"code": 429, "message": "too many requests"}}

    with live:
        chain.eth_blockNumber = refuse  # type: ignore[method-assign]
        assert busy.wait(10)
    assert live.problem is None


def test_a_restart_without_a_node_has_the_state_of_the_file(tmp_path: Path) -> None:
    path, chain = tmp_path / "state.json", streams_chain()
    state = live_over(chain, file=path).refresh()
    down = {"error": {"code": 1, "message": "down"}}
    chain.eth_chainId = lambda: down  # type: ignore[method-assign]
    with live_over(chain, file=path) as live:
        assert live.state == state
        assert "down" in str(live.problem)
    with pytest.raises(Unavailable, match="down"), live_over(chain):
        pass


# --- in the place of a state ----------------------------------------------------------------------


def test_a_guard_takes_a_live_state_and_many_of_them() -> None:
    w3, state = stork()
    live = LiveState(w3, ADDRESS, max_age=None)
    with pytest.raises(Unavailable, match="no state was read yet"):
        refuse_transaction(w3, call(update()), live)
    live.refresh()
    assert refuse_transaction(w3, call(update()), live).state == state
    states = States([live])
    assert list(states) == [state]
    assert refuse_transaction(w3, call(update()), states).state == state
    w3.chain.send("updateVerificationFeeInWei(uint256)", 9)
    live.refresh()
    assert states[1, ADDRESS].flat_fee == 9
    assert "chain 1" in repr(live)
    assert contracts_of(live) == contracts_of(states) == {ADDRESS}


def test_an_async_node_is_misuse() -> None:
    class Async:
        async def make_request(self, method: str, params: Any) -> Any:
            raise AssertionError

    with pytest.raises(Misuse, match="an async node"):
        LiveState(Async(), ADDRESS)
    with pytest.raises(Misuse, match="not a node"):
        LiveState(5, ADDRESS)


@pytest.mark.parametrize(
    "bad",
    [{"max_age": "long"}, {"max_age": -1}, {"interval": float("nan")}, {"reread": -1},
     {"reread": 1.5}, {"interval": None}],
)  # fmt: skip
def test_wrong_arguments_are_misuse(bad: dict[str, Any]) -> None:
    with pytest.raises(Misuse, match=next(iter(bad))):
        live_over(streams_chain(), **bad)
