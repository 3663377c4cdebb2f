"""The keepers of docs/examples, against the simulators and a made-up chain on loopback.

The lane on chain runs their `main` against a real node with the real contracts.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from payloads import State, chainlink, simulators
from payloads.chain import States
from payloads.errors import Refused
from payloads.simulators import ChainlinkSimulator, StorkSimulator
from payloads.stork.calldata import decode_call
from tests.chain.loopback_node import over_http, over_websocket
from tests.chain.stork_chain import ADDRESS, SECONDS, StorkChain

web3 = pytest.importorskip("web3")

from docs.examples import pull, push, several_chains, stork, with_asyncio  # noqa: E402
from payloads.live import reports  # noqa: E402

EXAMPLES = Path(stork.__file__).parent
KEEPER = web3.Web3.to_checksum_address("0x" + "bb" * 20)
PROXY = "0x" + ADDRESS.hex()


class Chain(StorkChain):
    """A chain whose newest block is of this moment, and that says what gas costs."""

    def time(self, number: int) -> int:
        return int(time.time()) - SECONDS * (self.head - number)

    def eth_getBlockByNumber(self, block: str, full: bool) -> dict[str, Any]:
        found = super().eth_getBlockByNumber(block, full)
        if found["result"]:
            found["result"] |= {"baseFeePerGas": "0x1", "gasLimit": "0x1000000"}
        return found

    def eth_estimateGas(self, *_: Any) -> dict[str, Any]:
        return {"result": "0x10000"}

    def eth_maxPriorityFeePerGas(self) -> dict[str, Any]:
        return {"result": "0x1"}

    def calls(self) -> list[bytes]:
        """The calldata that was sent."""
        return [bytes.fromhex(sent["data"][2:]) for sent in self.sent]


@pytest.fixture
def venue(monkeypatch: pytest.MonkeyPatch) -> Iterator[ChainlinkSimulator]:
    with simulators.start("chainlink", rate=50) as running:
        for name, value in running.environment.items():
            monkeypatch.setenv(name, value)
        yield running


def known(venue: ChainlinkSimulator, **changes: Any) -> State:
    """The state of a proxy on the made-up chain that takes the simulator's reports for a fee."""
    record = venue.state(fees=True).to_dict()
    record |= {"chain_id": 1, "proxy": PROXY, "subscriber": KEEPER}
    return State.from_dict(record | changes)


def connected(url: str) -> Any:
    return web3.Web3(web3.HTTPProvider(url))


def test_pull(venue: ChainlinkSimulator) -> None:
    made, feed = Chain(), venue.feeds[0]
    with over_http(made.make_request) as url:
        sent = pull.keep(connected(url), known(venue), feed, venue.base)
        stranger = known(venue, configs=[])
        with pytest.raises(Refused, match="would revert"):
            pull.keep(connected(url), stranger, feed, venue.base)
    (call,) = made.calls()
    (payload,) = chainlink.decode_call(call).payloads
    assert chainlink.decode(payload).report.head.feed_id.hex() == feed[2:]
    assert sent.verdict.accepted
    assert int(made.sent[0]["value"], 16) > 0, "paid natively"


def test_push(venue: ChainlinkSimulator) -> None:
    made, feeds = Chain(), venue.feeds[:3]
    live: Any = SimpleNamespace(state=known(venue))
    batch = next(push.batches(live, venue.session(*feeds), 3))
    with over_http(made.make_request) as url:
        assert push.send(connected(url), live.state, batch)
        assert push.send(connected(url), known(venue, configs=[]), batch) is None
    (call,) = made.calls()
    sent = map(chainlink.decode, chainlink.decode_call(call).payloads)
    found = {each.report.head.feed_id.hex() for each in sent}
    assert found == {feed[2:] for feed in feeds}


def test_stork(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    made = Chain()
    with (
        simulators.start("stork", rate=50, bad_share=0.5, bad=["wrong_signer"]) as venue,
        over_http(made.make_request) as url,
    ):
        assert isinstance(venue, StorkSimulator)
        for name, value in venue.environment.items():
            monkeypatch.setenv(name, value)
        made.initialize([str(venue.state().to_dict()["signer"])], 5)
        stork.main(url, PROXY, KEEPER, "BTCUSD", venue.base, "3")
    told = capsys.readouterr().out.splitlines()
    assert len([line for line in told if line.startswith("sent 0x")]) == len(made.sent) == 3
    assert all("would return false" in line for line in told if not line.startswith("sent"))
    assert all(venue.judge(decode_call(call).payloads[0]).accepted for call in made.calls())


def test_several_chains(venue: ChainlinkSimulator) -> None:
    made = [Chain(chain_id=1), Chain(chain_id=5), Chain(chain_id=6)]
    states = States([
        known(venue),
        known(venue, chain_id=5, configs=[]),
        known(venue, chain_id=7),
    ])  # fmt: skip
    report = reports.latest(venue.feeds[0], endpoint=venue.base)
    with (
        over_http(made[0].make_request) as first,
        over_http(made[1].make_request) as second,
        over_http(made[2].make_request) as third,
    ):
        nodes = [connected(url) for url in (first, second, third)]
        told = several_chains.send(nodes, states, report)
    assert told[0].startswith("chain 1: sent 0x")
    assert "would revert" in told[1]
    assert told[2].startswith("chain 7: ")
    assert [len(each.sent) for each in made] == [1, 0, 0]


def test_with_asyncio(venue: ChainlinkSimulator, capsys: pytest.CaptureFixture[str]) -> None:
    made = Chain()

    async def main() -> None:
        live: Any = SimpleNamespace(state=known(venue))
        async with over_websocket(made.make_request) as url:
            await with_asyncio.keep(url, live, venue.session(venue.feeds[0]), "2")
            live.state = known(venue, configs=[])
            async with web3.AsyncWeb3(web3.WebSocketProvider(url)) as w3:
                report = bytes.fromhex(made.sent[0]["data"][2:])
                payload = chainlink.decode_call(report).payloads[0]
                assert await with_asyncio.send(w3, live, payload) is None

    asyncio.run(main())
    assert len(made.sent) == 2
    assert "would revert" in capsys.readouterr().out


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("[a-z]*.py")), ids=lambda path: path.name)
def test_each_is_short_and_says_how_it_is_run(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) < 60
    assert f"python -m docs.examples.{path.stem} " in text
    assert f"examples/{path.name}" in (EXAMPLES.parent / "keepers.md").read_text()
