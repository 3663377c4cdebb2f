"""QFEX's own Python client (the package `qfex`) against our simulator: data, orders, a refusal.

It lands in `<repo>/.cache/interop/`, pinned, without anything that it depends on: websockets is
here already.
"""

from __future__ import annotations

import asyncio
import logging
import os
import subprocess
import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from payloads.simulators import QfexSimulator
from tests.interop.node import CACHE

PINNED = "qfex==0.1.0"
SYMBOLS = ["AAPL-USD", "PLTR-USD"]


@pytest.fixture(scope="module")
def vendor() -> Any:
    """The vendor's module, installed if it is not."""
    target: Path = CACHE / PINNED.replace("==", "-")
    if not (target / "qfex" / "client.py").exists():
        print("interop: installing", PINNED, file=sys.stderr, flush=True)
        # No dependencies, and nothing that would have to be built: nothing of it runs here.
        only = ["--no-deps", "--only-binary", ":all:", "--disable-pip-version-check", "--quiet"]
        command = [sys.executable, "-m", "pip", "install", *only, "--target", str(target), PINNED]
        subprocess.run(command, check=True, timeout=300)
    sys.path.insert(0, str(target))
    try:
        import qfex.client
        import qfex.config
        import qfex.models
        import qfex.strategy
    finally:
        sys.path.remove(str(target))
    return qfex


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy is not for loopback, and nothing else is ever talked to."""
    for name in [one for one in os.environ if one.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)


def client_of(vendor: Any, venue: QfexSimulator, secret: str = "") -> Any:
    """The vendor's client, sent to our simulator; `seen` is what its strategy is answers."""

    class Strategy(vendor.strategy.TakerStrategy):  # type: ignore[misc]
        def __init__(self) -> None:
            self.seen: dict[str, list[Any]] = {"bbo": [], "trade": [], "fill": []}

        async def on_bbo(self, bbo: Any) -> None:
            self.seen["bbo"].append(bbo)

        async def on_trade(self, trade_msg: dict[str, Any]) -> None:
            self.seen["trade"].append(trade_msg)

        async def on_fill(self, fill: dict[str, Any]) -> None:
            self.seen["fill"].append(fill)

    class Client(vendor.client.QFEXTakerClient):  # type: ignore[misc]
        def _mds_url(self) -> str:
            return venue.url

        def _trade_url(self) -> str:
            return venue.trade_url

    config = vendor.config.QFEXConfig(
        is_prod=False, symbol_list=SYMBOLS, public_key=venue.public_key,
        secret_key=secret or venue.secret, reconnect_base_delay_s=0.05,
    )  # fmt: skip
    return Client(config, Strategy())


async def until(condition: Callable[[], Any], seconds: float = 10) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)


def test_the_vendors_client_trades_on_our_simulator(vendor: Any) -> None:
    async def test() -> None:
        async with QfexSimulator(rate=20) as venue, client_of(vendor, venue) as client:
            seen = client.strategy.seen
            await until(lambda: client.bbo_by_symbol.keys() == {*SYMBOLS} and seen["trade"])
            for bbo in client.bbo_by_symbol.values():
                assert bbo.bid_px < bbo.ask_px
            await until(lambda: client.balance.deposit == 100_000 and client.positions)
            desks = [desk for _, desk in venue._traders()]
            assert [(d.authenticated, d.cancel_on_disconnect) for d in desks] == [(True, True)]
            side, one = vendor.models.Side.BUY, Decimal("1.5")
            ended = await client.send_ioc_limit("AAPL-USD", side, one, Decimal("230.25"))
            order = ended["final_order_response"]
            assert (order["status"], order["quantity"], order["price"]) == (
                "CANCELLED", 1.5, 230.25,
            )  # fmt: skip
            # An order of another of the account's clients, which is filled: it hears of that, too.
            market = {
                "symbol": "AAPL-USD", "side": "SELL", "order_type": "MARKET",
                "order_time_in_force": "IOC", "quantity": Decimal(2),
            }  # fmt: skip
            answers = venue.account().handle("add_order", market, venue.now())
            (trader,) = [peer for peer, _ in venue._traders()]
            venue._send_answers(trader, answers)
            await until(lambda: seen["fill"])
            assert seen["fill"][0]["filled_qty_delta"] == 2
            await until(lambda: client.get_position("AAPL-USD").position == -2)
            assert not venue.counters.refused
            venue.restart(0.2)
            await until(lambda: venue.counters.connections >= 4)
            count = len(seen["bbo"])
            await until(lambda: len(seen["bbo"]) > count)

    asyncio.run(test())


def test_the_vendors_client_is_refused_with_the_wrong_secret(
    vendor: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async def test() -> None:
        async with QfexSimulator(rate=20) as venue:
            with caplog.at_level(logging.ERROR, "qfex.taker"):
                async with client_of(vendor, venue, "another-secret"):
                    await until(lambda: venue.counters.refused["PermissionDenied"])
                    await until(lambda: "PermissionDenied" in caplog.text)
            assert not any(desk.authenticated for _, desk in venue._traders())

    asyncio.run(test())
