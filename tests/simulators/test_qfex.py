"""QFEX on loopback: market data, and the trade socket."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from payloads.errors import Refused
from payloads.simulators import QfexSimulator
from payloads.venues.ethgas_server import make_token
from payloads.venues.qfex import CHANNELS, HmacKey, QfexTradeSession, Subscription, auth_message
from payloads.venues.session import SECOND, Data, Event, Secret

from .kit import collect, dialled, driven, kinds, received, refusal, run, until

KEY = HmacKey("qfex_pub_payloads_insecure", Secret("payloads-insecure-test-secret"))
NONCE = "c0ffee" * 4


def auth(venue: QfexSimulator, *, late: int = 0, account: str | None = None, **wrong: Any) -> Any:
    message = auth_message(KEY, NONCE, venue.now() - late * SECOND, account)
    message["params"]["hmac"].update(wrong)
    return message


# --- market data ----------------------------------------------------------------------------------


def test_every_channel() -> None:
    async def test() -> None:
        async with QfexSimulator(rate=20) as venue:
            plain = Subscription.of([one for one in CHANNELS if one != "candle"], ["AAPL-USD"])
            candles = Subscription.of(["candle"], ["AAPL-USD"], ["1MIN", "1DAY"])

            def all_there(events: list[Event]) -> bool:
                return {e.channel for e in events if isinstance(e, Data)} == set(CHANNELS)

            async with driven(venue.session(plain, candles)) as connection:
                events = await collect(connection, all_there)
            assert not kinds(events)["Broken"]
            for event in events:
                if isinstance(event, Data):
                    assert isinstance(event.content, CHANNELS[event.channel])

    run(test())


def test_books_are_numbered_and_stars_are_all() -> None:
    async def test() -> None:
        async with QfexSimulator(rate=50) as venue:
            async with driven(venue.session(Subscription.of(["level2"], ["*"]))) as connection:
                events = await collect(connection, lambda all_: kinds(all_)["Data"] >= 40)
            books = [event.content for event in events if isinstance(event, Data)]
            assert {book.symbol for book in books} == set(venue.feeds)
            mine = [book for book in books if book.symbol == "AAPL-USD"]
            assert [book.sequence for book in mine] == [*range(1, len(mine) + 1)]
            assert all(book.bid[0][0] < book.ask[0][0] for book in mine)

    run(test())


def test_subscribe_and_unsubscribe_in_parts() -> None:
    async def test() -> None:
        async with QfexSimulator(rate=100) as venue, dialled(venue.url) as socket:

            async def say(kind: str, channels: list[str], symbols: list[str]) -> None:
                await socket.send(
                    json.dumps({"type": kind, "channels": channels, "symbols": symbols})
                )

            await say("subscribe", ["bbo", "trade"], ["AAPL-USD", "PLTR-USD"])
            seen = {(m["type"], m["symbol"]) for m in [await received(socket) for _ in range(20)]}
            assert seen == {(a, b) for a in ("bbo", "trade") for b in ("AAPL-USD", "PLTR-USD")}
            await say("unsubscribe", ["trade"], ["*"])
            await say("unsubscribe", ["bbo"], ["PLTR-USD"])
            await until(lambda: [*venue._streams] == ["bbo:AAPL-USD"])
            await say("subscribe", ["nonsense"], ["AAPL-USD"])
            await socket.send("not JSON")
            await until(lambda: venue.counters.refused["message"] == 2)

    run(test())


# --- authentication -------------------------------------------------------------------------------

WRONG: dict[str, tuple[str, dict[str, Any]]] = {
    "an unknown key": ("PermissionDenied", {"public_key": "nobody"}),
    "another signature": ("PermissionDenied", {"signature": "00" * 32}),
    "two minutes late": ("PermissionDenied", {"late": 120}),
    "two minutes early": ("PermissionDenied", {"late": -120}),
    "no time": ("InvalidParameter", {"unix_ts": None}),
    "no signature": ("InvalidParameter", {"signature": None}),
    "a nonce that is none": ("InvalidParameter", {"nonce": "xyz"}),
    "another account": ("PermissionDenied", {"account": "somebody-elses"}),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_refused_with_the_venues_code(wrong: str) -> None:
    code, options = WRONG[wrong]

    async def test() -> None:
        async with QfexSimulator() as venue, dialled(venue.trade_url) as socket:
            await socket.send(json.dumps(auth(venue, **options)))
            assert (await received(socket))["err"]["error_code"] == code
            await socket.wait_closed()
            assert socket.close_code == 1008
            assert venue.counters.refused == {code: 1}

    run(test())


def test_accepted_once_and_a_nonce_once() -> None:
    async def test() -> None:
        async with QfexSimulator() as venue:
            message = json.dumps(auth(venue, account=venue.account_id))
            async with dialled(venue.trade_url) as socket:
                await socket.send('{"type":"get_user_orders","params":{}}')
                assert (await received(socket))["err"]["error_code"] == "PermissionDenied"
                await socket.send(message)
                assert await received(socket) == {"authenticated": True}
                await socket.send(message)
                assert (await received(socket))["err"]["error_code"] == "AlreadyAuthenticated"
            async with dialled(venue.trade_url) as socket:
                await socket.send(message)
                assert (await received(socket))["err"]["message"] == "nonce used before"

    run(test())


def test_within_the_minute() -> None:
    async def test() -> None:
        async with QfexSimulator(auth_within=0.2) as venue, dialled(venue.trade_url) as socket:
            await socket.wait_closed()
            assert socket.close_code == 1008
            assert venue.counters.refused == {"not authenticated in time": 1}

    run(test())


@pytest.mark.parametrize("key_in", ["query", "headers", "none"])
def test_our_client_gets_in(key_in: str) -> None:
    async def test() -> None:
        async with QfexSimulator(rate=20) as venue:
            session = venue.trade_session(key_in=key_in, channels=["positions", "balances"])
            async with driven(session) as connection:
                events = await collect(connection, lambda all_: kinds(all_)["Data"] >= 4)
            assert kinds(events)["Authenticated"] == 1
            assert kinds(events)["Subscribed"] == 2

    run(test())


def test_headers_that_are_wrong_are_refused_at_the_upgrade() -> None:
    async def test() -> None:
        async with QfexSimulator() as venue:
            status, body = await refusal(venue.trade_url, [("Authorization", "Bearer a.b.c")])
            assert (status, body["error"]) == (401, "PermissionDenied")

    run(test())


def test_our_client_is_told_why() -> None:
    async def test() -> None:
        async with QfexSimulator() as venue:
            session = QfexTradeSession(
                HmacKey(KEY.public_key, Secret("another secret")),
                nonces=lambda: NONCE,
                endpoint=venue.trade_base,
            )
            async with driven(session) as connection:
                with pytest.raises(Refused, match="credentials"):
                    await collect(connection, lambda _: False)

    run(test())


def test_tokens() -> None:
    async def test() -> None:
        async with QfexSimulator() as venue:
            for token in (venue.jwt(-1), make_token(Secret("another key"), "x", venue.now())):
                async with dialled(venue.trade_base) as socket:
                    await socket.send(json.dumps({"type": "auth", "params": {"jwt": token}}))
                    assert (await received(socket))["err"]["error_code"] == "PermissionDenied"
            session = venue.trade_session(venue.jwt())
            async with driven(session) as connection:
                await collect(connection, lambda all_: kinds(all_)["Authenticated"] > 0)
                venue.expire()
                events = await collect(connection, lambda all_: kinds(all_)["Closed"] > 0)
            assert kinds(events)["Closed"] == 1

    run(test())


# --- orders ---------------------------------------------------------------------------------------

ORDER = {
    "symbol": "AAPL-USD", "side": "BUY", "order_type": "LIMIT", "order_time_in_force": "GTC",
    "quantity": Decimal("1.5"), "price": Decimal("100.25"), "client_order_id": "mine-1",
}  # fmt: skip


def test_orders() -> None:
    async def test() -> None:
        async with QfexSimulator() as venue:
            session = venue.trade_session(cancel_on_disconnect=True)
            async with driven(session) as connection:
                await collect(connection, lambda all_: kinds(all_)["Subscribed"] > 0)

                async def send(kind: str, **params: Any) -> Any:
                    session.send(kind, params, now=venue.now())
                    # Nothing else wakes the driver before its next timer does.
                    venue.peers[0].send('{"subscribed":"order_responses"}')
                    events = await collect(
                        connection, lambda all_: kinds(all_)["Data"] + kinds(all_)["Rejected"] > 0
                    )
                    return events[-1]

                added = (await send("add_order", **ORDER)).content
                assert (added.status, added.price, added.quantity) == (
                    "ACK", Decimal("100.25"), Decimal("1.5"),
                )  # fmt: skip
                named = {"symbol": "AAPL-USD", "order_id": "mine-1"}
                listed = (await send("get_user_orders")).content
                assert [one.client_order_id for one in listed.orders] == ["mine-1"]
                gone = {**named, "cancel_order_id_type": "client_order_id"}
                assert (await send("cancel_order", **gone)).content.status == "CANCELLED"
                assert (await send("cancel_order", **gone)).content.status == "NO_SUCH_ORDER"
                market = ORDER | {"order_type": "MARKET", "price": None}
                assert (await send("add_order", **market)).content.status == "ACK"
                filled = await collect(connection, lambda all_: kinds(all_)["Data"] > 0)
                assert filled[-1].content.complete
                other = ORDER | {"symbol": "NONE-USD"}
                assert (await send("add_order", **other)).content.status == "BAD_SYMBOL"
                await send("add_order", **ORDER)
                assert len(venue.account().orders) == 1
            await until(lambda: venue.account().orders == {})

    run(test())
