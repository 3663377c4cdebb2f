"""QFEX on loopback: market data, and the trade socket."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterable
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve

from payloads.errors import Refused
from payloads.simulators import QfexSimulator
from payloads.venues.common.jwt import make_token
from payloads.venues.common.redactor import Redactor, Secret
from payloads.venues.common.session import SECOND, Data, Event, Rejected
from payloads.venues.qfex.auth import HmacKey, Login
from payloads.venues.qfex.market_session import Subscription
from payloads.venues.qfex.records import CHANNELS, REPLIES, Balance, Position, StopOrder
from payloads.venues.qfex.requests import TRADE_CHANNELS, AddOrder, request_of
from payloads.venues.qfex.trade_session import QfexTradeSession
from tests.simulators.kit import collect, dialled, driven, kinds, received, refusal, run, until

KEY = HmacKey("qfex_pub_payloads_insecure", Secret("payloads-insecure-test-secret"))
NONCE = "c0ffee" * 4


def auth(
    venue: QfexSimulator, *, late: int = 0, account: str | None = None, leave_out: str = "",
    **wrong: Any,
) -> Any:  # fmt: skip
    login = Login(KEY, lambda: NONCE, account_id=account, key_in="none", redactor=Redactor())
    message = login.message(venue.now() - late * SECOND)
    assert message is not None
    message["params"]["hmac"].update(wrong)
    message["params"]["hmac"].pop(leave_out, None)
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

WRONG: dict[str, tuple[str, str, dict[str, Any]]] = {
    "an unknown key": ("PermissionDenied", "public_key", {"public_key": "nobody"}),
    "another signature": ("PermissionDenied", "signature", {"signature": "00" * 32}),
    "a signature of another nonce": ("PermissionDenied", "signature", {"nonce": "beef" * 8}),
    "a signature of another time": ("PermissionDenied", "signature", {"unix_ts": 1_760_545_414}),
    "two minutes late": ("PermissionDenied", "unix_ts", {"late": 120}),
    "two minutes early": ("PermissionDenied", "unix_ts", {"late": -120}),
    "another account": ("PermissionDenied", "account_id", {"account": "somebody-elses"}),
    "no key": ("InvalidParameter", "public_key", {"leave_out": "public_key"}),
    "no signature": ("InvalidParameter", "signature", {"leave_out": "signature"}),
    "no nonce": ("InvalidParameter", "nonce", {"leave_out": "nonce"}),
    "no time": ("InvalidParameter", "unix_ts", {"leave_out": "unix_ts"}),
    "a time in text": ("InvalidParameter", "unix_ts", {"unix_ts": "1760545414"}),
    "a nonce that is not hex": ("InvalidParameter", "nonce", {"nonce": "xyz"}),
    "a nonce too long": ("InvalidParameter", "nonce", {"nonce": "a" * 101}),
}
# Whole messages; `{now}` and `{token}` stand for what is only known then.
WRONG_MESSAGES: dict[str, tuple[str, str, Any]] = {
    "neither": ("InvalidParameter", "exactly one", {}),
    "both": ("InvalidParameter", "exactly one", {"hmac": {}, "jwt": "{good}"}),
    "a key that is none": ("InvalidParameter", "hmac", {"hmac": "qfex_pub"}),
    "a token that is none": ("PermissionDenied", "no token", {"jwt": "nonsense"}),
    "a token that is no text": ("PermissionDenied", "no token", {"jwt": 7}),
    "an expired token": ("PermissionDenied", "expired token", {"jwt": "{expired}"}),
    "a token of another key": ("PermissionDenied", "invalid token", {"jwt": "{forged}"}),
    "a token that was changed": ("PermissionDenied", "invalid token", {"jwt": "{changed}"}),
    "a token and another account": (
        "PermissionDenied", "account_id", {"jwt": "{good}", "account_id": "somebody-elses"},
    ),
}  # fmt: skip


def tokens(venue: QfexSimulator) -> dict[str, str]:
    good = venue.jwt()
    head, claims, signature = good.split(".")
    return {
        "{good}": good,
        "{expired}": venue.jwt(-1),
        "{forged}": make_token(Secret("another key"), "x", venue.now()),
        "{changed}": f"{head}.{claims[:-2]}xx.{signature}",
    }


async def refused_login(venue: QfexSimulator, message: Any, code: str, why: str) -> None:
    """The login gets the venue's code, and the connection is closed."""
    async with dialled(venue.trade_url) as socket:
        await socket.send(json.dumps(message))
        error = (await received(socket))["err"]
        assert (error["error_code"], why in error["message"]) == (code, True), error
        assert error["incoming_message"] == {"type": "auth"}, "nothing of the credentials"
        await socket.wait_closed()
        assert socket.close_code == 1008
        assert venue.counters.refused == {code: 1}


@pytest.mark.parametrize("wrong", WRONG)
def test_refused_with_the_venues_code(wrong: str) -> None:
    code, why, options = WRONG[wrong]

    async def test() -> None:
        async with QfexSimulator() as venue:
            await refused_login(venue, auth(venue, **options), code, why)

    run(test())


@pytest.mark.parametrize("wrong", WRONG_MESSAGES)
def test_messages_and_tokens_refused_with_the_venues_code(wrong: str) -> None:
    code, why, params = WRONG_MESSAGES[wrong]

    async def test() -> None:
        async with QfexSimulator() as venue:
            known = tokens(venue)
            given = {name: known.get(str(value), value) for name, value in params.items()}
            await refused_login(venue, {"type": "auth", "params": given}, code, why)

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
                error = (await received(socket))["err"]
                assert error["error_code"] == "PermissionDenied"
                assert error["message"] == "nonce used before"

    run(test())


def test_within_the_minute() -> None:
    async def test() -> None:
        async with QfexSimulator(auth_within=0.2) as venue, dialled(venue.trade_url) as socket:
            await socket.wait_closed()
            assert socket.close_code == 1008
            assert venue.counters.refused == {"not authenticated in time": 1}

    run(test())


@pytest.mark.parametrize("account", ["", "sub"])
@pytest.mark.parametrize("key_in", ["query", "headers", "none"])
@pytest.mark.parametrize("by", ["key", "token", "source"])
def test_our_client_gets_in(by: str, key_in: str, account: str) -> None:
    async def test() -> None:
        async with QfexSimulator(rate=20) as venue:
            options: dict[str, Any] = {"token": {"jwt": venue.jwt()}}.get(by, {})
            options |= {"credentials": venue.jwt} if by == "source" else {}
            options |= {"account_id": venue.account_id} if account else {}
            session = venue.trade_session(
                key_in=key_in, channels=["positions", "balances"], **options
            )
            async with driven(session) as connection:
                events = await collect(connection, lambda all_: kinds(all_)["Data"] >= 4)
            assert kinds(events)["Authenticated"] == 1
            assert kinds(events)["Subscribed"] == 2
            found = {type(event.content) for event in events if isinstance(event, Data)}
            assert found == {Position, Balance}
            assert not venue.counters.refused

    run(test())


HEADERS = ["x-qfex-public-key", "x-qfex-hmac-signature", "x-qfex-nonce", "x-qfex-timestamp"]


def test_headers_and_queries_that_are_wrong_are_refused_at_the_upgrade() -> None:
    async def test() -> None:
        async with QfexSimulator() as venue:

            def good() -> dict[str, str]:
                return dict(venue.trade_session(key_in="headers").dial(venue.now()).headers)

            async def code(headers: dict[str, str], query: str = "") -> str:
                url = f"{venue.trade_base}/{query}"
                status, body = await refusal(url, [*headers.items()])
                assert status == 401
                told: str = body["error"]
                return told

            once = good()
            async with dialled(venue.trade_base, [*once.items()]):
                pass
            assert await code(once) == "PermissionDenied", "a nonce is good once"
            for name in HEADERS:
                expected = "InvalidParameter"
                if name in ("x-qfex-public-key", "x-qfex-hmac-signature"):
                    expected = "PermissionDenied"
                left_out = {key: value for key, value in good().items() if key != name}
                assert await code(left_out) == expected, name
                assert await code(good() | {name: "00"}) == "PermissionDenied", name
            for skew in (-120, 120):
                session = venue.trade_session(key_in="headers")
                dial = session.dial(venue.now() + skew * SECOND)
                assert await code(dict(dial.headers)) == "PermissionDenied"
            for headers, query in (
                ({"Authorization": "Bearer a.b.c"}, ""), ({}, "?jwt=a.b.c"),
                ({"Authorization": f"Bearer {venue.jwt(-1)}"}, ""),
                ({}, f"?jwt={venue.jwt(-1)}"), ({}, "?api_key=nobody"),
            ):  # fmt: skip
                assert await code(headers, query) == "PermissionDenied"

    run(test())


class Skewed:
    """A clock that is wrong by so many seconds."""

    def __init__(self, venue: QfexSimulator, by: int) -> None:
        self._venue, self._by = venue, by * SECOND

    def __call__(self) -> int:
        return self._venue.now() + self._by


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ("secret", "signature"), ("account", "account_id"), ("late clock", "unix_ts"),
        ("early clock", "unix_ts"), ("nonce", "nonce used before"), ("key", "public_key"),
        ("expired token", "expired token"), ("forged token", "invalid token"),
    ],
)  # fmt: skip
def test_our_client_is_told_why_and_does_not_try_again(wrong: str, told: str) -> None:
    async def test() -> None:
        async with QfexSimulator() as venue:
            known, options = tokens(venue), dict[str, Any](key_in="none")
            if wrong == "nonce":
                options["nonces"] = lambda: NONCE
                async with driven(venue.trade_session(**options)) as connection:
                    await collect(connection, lambda all_: kinds(all_)["Authenticated"] > 0)
            if wrong == "secret":
                options["credentials"] = HmacKey(KEY.public_key, Secret("another secret"))
            if wrong == "key":
                options["credentials"] = HmacKey("nobody", KEY.secret)
            if wrong == "account":
                options["account_id"] = "somebody-elses"
            if "token" in wrong:
                options["jwt"] = known[f"{{{wrong.split()[0]}}}"]
            skew = {"late clock": -120, "early clock": 120}.get(wrong, 0)
            before, events = venue.counters.dials, list[Event]()
            session = venue.trade_session(**options)
            async with driven(session, clock=Skewed(venue, skew)) as connection:

                def never(all_: list[Event]) -> bool:
                    events[:] = all_
                    return False

                with pytest.raises(Refused, match=r"credentials|JWT"):
                    await collect(connection, never)
            (refused,) = [event for event in events if isinstance(event, Rejected)]
            assert (refused.code, refused.about) == ("PermissionDenied", "auth")
            assert told in refused.message
            assert venue.counters.dials == before + 1

    run(test())


# --- overlaps -------------------------------------------------------------------------------------


def books(events: Iterable[Event], symbol: str = "AAPL-USD") -> list[int]:
    """The numbers of a symbol's books, as they came."""
    contents = [event.content for event in events if isinstance(event, Data)]
    return [one.sequence for one in contents if one.symbol == symbol]


BOOKS = Subscription(("level2",), ("AAPL-USD",))


def test_overlapping_subscriptions_double_nothing() -> None:
    async def test() -> None:
        async with QfexSimulator(rate=50) as venue:
            session = venue.session(BOOKS, Subscription(("level2",), ("*",)))
            async with driven(session) as connection:
                events = await collect(connection, lambda all_: len(books(all_)) >= 20)
                session.unsubscribe(["level2"], ["*"])
                await until(lambda: not venue._streams)
            assert books(events) == [*range(1, 21)]

    run(test())


def has(events: Iterable[Event], channel: str) -> bool:
    return any(event.channel == channel for event in events if isinstance(event, Data))


# --- tokens ---------------------------------------------------------------------------------------


def test_a_token_that_ends_cannot_be_used_again() -> None:
    async def test() -> None:
        async with QfexSimulator() as venue:
            session = venue.trade_session(venue.jwt())
            async with driven(session) as connection:
                await collect(connection, lambda all_: kinds(all_)["Authenticated"] > 0)
                venue.expire()
                with pytest.raises(Refused, match=r"credentials|not authorised"):
                    await collect(connection, lambda _: False)

    run(test())


def test_a_venue_that_refuses_and_does_not_close_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("payloads.venues.qfex.trade_session._TO_CLOSE", SECOND // 10)

    async def refuse(socket: ServerConnection) -> None:
        await socket.recv()
        await socket.send('{"authenticated":false}')
        await socket.wait_closed()

    async def test() -> None:
        async with serve(refuse, "127.0.0.1", 0) as server:
            port = next(iter(server.sockets)).getsockname()[1]
            nonces = partial(secrets.token_hex, 16)
            session = QfexTradeSession(KEY, nonces=nonces, endpoint=f"ws://127.0.0.1:{port}")
            async with driven(session) as connection:
                with pytest.raises(Refused, match="does not accept the credentials"):
                    await collect(connection, lambda _: False)

    run(test())


def test_each_connection_has_a_token_of_its_own() -> None:
    """The source is asked at each dial; a token that has ended meanwhile does no harm."""

    async def test() -> None:
        async with QfexSimulator(rate=50) as venue:
            tokens: list[str] = []

            def source() -> str:
                tokens.append(venue.jwt())
                return tokens[-1]

            session = venue.trade_session(credentials=source, channels=["balances"])
            async with driven(session) as connection:
                await collect(connection, lambda all_: kinds(all_)["Data"] > 0)
                venue.cut()
                events = await collect(connection, lambda all_: kinds(all_)["Authenticated"] > 0)
                venue.expire()
                events = await collect(connection, lambda all_: kinds(all_)["Data"] > 0)
            assert kinds(events)["Authenticated"] == 1
            assert len(tokens) == 3
            assert not venue.counters.refused

    run(test())


def test_a_token_source_that_fails_is_reported_and_called_again() -> None:
    async def test() -> None:
        async with QfexSimulator(rate=50) as venue:
            calls = iter([None, venue.jwt(-1), venue.jwt()])
            session = venue.trade_session(credentials=lambda: next(calls), channels=["balances"])
            async with driven(session) as connection:
                events = await collect(connection, lambda all_: kinds(all_)["Data"] > 0)
            refused = [event for event in events if isinstance(event, Rejected)]
            assert [(event.code, event.about) for event in refused] == [("no token", "auth")] * 2
            assert [event.meaning for event in refused] == [
                "the token source failed: Misuse", "the token source returned an expired token",
            ]  # fmt: skip
            assert not venue.counters.refused

    run(test())


# --- orders ---------------------------------------------------------------------------------------

ORDER: dict[str, Any] = {
    "symbol": "AAPL-USD", "side": "BUY", "order_type": "LIMIT", "order_time_in_force": "GTC",
    "quantity": Decimal("1.5"), "price": Decimal("100.25"), "client_order_id": "mine-1",
}  # fmt: skip
MARKET = {key: value for key, value in ORDER.items() if key != "price"} | {"order_type": "MARKET"}


def test_orders() -> None:
    async def test() -> None:
        async with QfexSimulator() as venue:
            session = venue.trade_session(cancel_on_disconnect=True)
            async with driven(session) as connection:
                await collect(connection, lambda all_: kinds(all_)["Subscribed"] > 0)

                async def send(kind: str, **params: Any) -> Any:
                    session.request(request_of(kind, params))
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
                assert isinstance(filled[-1], Data)
                assert filled[-1].content.complete
                other = ORDER | {"symbol": "NONE-USD"}
                assert (await send("add_order", **other)).content.status == "BAD_SYMBOL"
                await send("add_order", **ORDER)
                assert len(venue.account().orders) == 1
            await until(lambda: venue.account().orders == {})

    run(test())


TWAP = {
    "symbol": "AAPL-USD", "side": "BUY", "total_quantity": 10, "num_orders": 5,
    "order_interval_secs": 30, "reduce_only": False, "client_twap_id": "twap-1",
}  # fmt: skip
EXITS = {"take_profit": Decimal(200), "stop_loss": Decimal(90)}


def test_every_message_is_answered_as_our_session_expects() -> None:
    """Each message of the table, in an order in which each has something to be about."""

    async def test() -> None:
        async with QfexSimulator(rate=20) as venue, dialled(venue.trade_url) as socket:
            session = venue.trade_session(channels=TRADE_CHANNELS)
            now = venue.now()

            async def pump(enough: Callable[[list[Event]], bool]) -> list[Event]:
                events: list[Event] = []
                while not enough(events):
                    for message in session.take():
                        await socket.send(message)
                    events += session.received(await socket.recv(), now)
                return events

            async def ask_for(kind: str, **params: Any) -> list[Event]:
                """What comes until the session waits for nothing."""
                session.request(request_of(kind, params))
                session.tick(now)
                return await pump(lambda all_: bool(all_) and session.deadline is None)

            session.dial(now)
            session.opened(now)
            await pump(lambda all_: kinds(all_)["Subscribed"] == len(TRADE_CHANNELS))
            seen: list[Event] = []
            for kind, params in (
                ("add_order", ORDER | EXITS), ("add_order", MARKET), ("get_user_orders", {}),
                ("get_order", {"symbol": "AAPL-USD", "order_id": "mine-1"}),
                ("get_user_trades", {"limit": 5}), ("set_user_leverage", LEVERAGE),
                ("get_user_leverage", {}), ("get_available_leverage_levels", {}),
                ("add_twap", TWAP), ("close_position", {"symbol": "AAPL-USD"}),
                ("cancel_on_disconnect", {"cancel_on_disconnect": True}),
            ):  # fmt: skip
                seen += await ask_for(kind, **params)
            seen += await pump(lambda all_: has([*seen, *all_], "fill_response"))
            found = {event.channel: event.content for event in seen if isinstance(event, Data)}
            order = next(iter(venue.account().orders))
            ids = {"symbol": "AAPL-USD", "order_id": order}
            stop = {"stop_order_id": found["stop_order_response"].stop_order_id}
            for kind, params in (
                ("modify_order", ids | {"side": "BUY", "order_type": "LIMIT", "price": 101}),
                ("modify_stop_order", stop | {"symbol": "AAPL-USD", "price": 1, "quantity": 2}),
                ("cancel_stop_order", stop), ("cancel_stop_order", stop),
                ("cancel_order", ids | {"cancel_order_id_type": "order_id"}),
                ("cancel_all_orders", {}),
            ):  # fmt: skip
                seen += await ask_for(kind, **params)
            seen += await pump(lambda all_: has(all_, "balance_response"))
            channels = {event.channel for event in seen if isinstance(event, Data)}
            assert channels == {*REPLIES}
            (refused,) = [event for event in seen if isinstance(event, Rejected)]
            assert (refused.code, refused.about) == (
                "InvalidOrder", f"cancel_stop_order {stop['stop_order_id']}",
            )  # fmt: skip
            assert not kinds(seen)["Broken"]
            assert not kinds(seen)["Unknown"]
            statuses = [
                event.content.status
                for event in seen if isinstance(event, Data) and event.channel == "order_response"
            ]  # fmt: skip
            assert statuses == [
                *("ACK", "ACK", "FILLED", "ACK", "ACK", "FILLED", "MODIFIED", "CANCELLED"),
            ]
            (leverage,) = found["user_leverage_response"]
            assert leverage.leverage == 10
            assert [one.stop_order_type for one in stops(seen)][:2] == ["TAKE_PROFIT", "STOP_LOSS"]
            assert {one.type for one in found["all_orders_response"].orders} == {
                "LIMIT", "TAKE_PROFIT", "STOP_LOSS",
            }  # fmt: skip

    run(test())


LEVERAGE = {"symbol": "AAPL-USD", "leverage": 10}


def stops(events: Iterable[Event]) -> list[Any]:
    contents = [event.content for event in events if isinstance(event, Data)]
    return [one for one in contents if isinstance(one, StopOrder)]


def test_all_of_an_account_is_told_and_cancelled() -> None:
    """Orders are the account's: its other connections hear of them, other accounts do not."""

    async def test() -> None:
        async with QfexSimulator() as venue:
            first, second = (venue.trade_session(cancel_on_disconnect=True) for _ in range(2))
            other = venue.trade_session(account_id=venue.account_id)
            async with driven(second) as listening, driven(other) as elsewhere:
                for connection in (listening, elsewhere):
                    await collect(connection, lambda all_: kinds(all_)["Subscribed"] > 0)
                async with driven(first) as connection:
                    await collect(connection, lambda all_: kinds(all_)["Acknowledged"] > 0)
                    first.request(AddOrder(**ORDER))
                    venue.peers[-1].send('{"subscribed":"order_responses"}')
                    await collect(connection, lambda all_: kinds(all_)["Data"] > 0)
                told = await collect(listening, lambda all_: kinds(all_)["Data"] == 2)
                statuses = [event.content.status for event in told if isinstance(event, Data)]
                assert statuses == ["ACK", "CANCELLED"]
                assert venue.account().orders == {}
                venue.close(1012)
                untold = await collect(elsewhere, lambda all_: kinds(all_)["Closed"] > 0)
                assert not kinds(untold)["Data"]

    run(test())
