"""ETHGas on loopback: logins over REST and on the socket, the end of tokens, channels, queries."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

import pytest

from payloads.simulators import EthgasSimulator
from payloads.venues.eip712 import signature_of, typed_data_digest
from payloads.venues.ethgas import PRIVATE, PUBLIC, Answered, Book, Channel, Trade
from payloads.venues.session import Data, Event, Opened, Rejected, Secret

from .kit import ask, collect, dialled, driven, kinds, received, refusal, run

MARKET = "inclusionPreconf"
FORM = [("Content-Type", "application/x-www-form-urlencoded")]
BOOK = {"channel": "orderBookUpdate", "marketType": MARKET}
POSITIONS = {"channel": "accountPositionUpdate", "marketType": MARKET}


async def post(
    venue: EthgasSimulator, step: str, headers: list[tuple[str, str]] | None = None, **form: str
) -> tuple[int, Any, str]:
    url = f"{venue.http_url}/api/v1/user/{step}"
    reply = await ask("POST", url, [*FORM, *(headers or [])], urlencode(form).encode())
    cookie = next((value for name, value in reply.headers if name == "Set-Cookie"), "")
    return reply.status, json.loads(reply.body), cookie.partition(";")[0]


async def logged_in(venue: EthgasSimulator, **wrong: str) -> tuple[int, Any, str]:
    _, body, _ = await post(venue, "login", addr=venue.address)
    data = body["data"]
    key = Secret(venue.credentials["private_key"])
    signature = signature_of(key, typed_data_digest(json.loads(data["eip712Message"])))
    given = {"addr": venue.address, "nonceHash": data["nonceHash"], "signature": signature}
    return await post(venue, "login/verify", **(given | wrong))


async def token_of(venue: EthgasSimulator) -> str:
    _, body, _ = await logged_in(venue)
    token = body["data"]["accessToken"]["token"]
    assert isinstance(token, str)
    return token


# --- REST -----------------------------------------------------------------------------------------


def test_login_refresh_logout() -> None:
    async def test() -> None:
        async with EthgasSimulator() as venue:
            status, body, cookie = await logged_in(venue)
            assert status == 200
            assert body["success"] is True
            assert cookie.startswith("x_auth_refresh_token=")
            status, again, _ = await post(venue, "login/refresh", [("Cookie", cookie)])
            assert status == 200
            assert again["data"]["accessToken"]["token"].count(".") == 2
            assert (await post(venue, "login/refresh"))[0] == 401
            assert (await post(venue, "logout", [("Cookie", cookie)]))[0] == 200
            assert (await post(venue, "login/refresh", [("Cookie", cookie)]))[0] == 401

    run(test())


@pytest.mark.parametrize(
    ("wrong", "about"),
    [
        ({"signature": "0x" + "11" * 65}, "signature"),
        ({"signature": "0x"}, "signature"),
        ({"nonceHash": "other"}, "nonceHash"),
        ({"addr": "0x" + "22" * 20}, "addr"),
    ],
)
def test_logins_that_are_refused(wrong: dict[str, str], about: str) -> None:
    async def test() -> None:
        async with EthgasSimulator() as venue:
            status, body, cookie = await logged_in(venue, **wrong)
            assert (status, body["success"], body["errorCode"]) == (401, False, 1000)
            assert about in body["message"]
            assert cookie == ""
            assert venue.counters.refused == {"401": 1}

    run(test())


def test_a_nonce_is_good_once_and_paths_are_few() -> None:
    async def test() -> None:
        async with EthgasSimulator() as venue:
            _, body, _ = await post(venue, "login", addr=venue.address)
            data = body["data"]
            key = Secret(venue.credentials["private_key"])
            signed = signature_of(key, typed_data_digest(json.loads(data["eip712Message"])))
            form = {"addr": venue.address, "nonceHash": data["nonceHash"], "signature": signed}
            assert (await post(venue, "login/verify", **form))[0] == 200
            assert (await post(venue, "login/verify", **form))[0] == 401
            assert (await post(venue, "login", addr="nobody"))[0] == 400
            assert (await post(venue, "other"))[0] == 404
            assert (await ask("GET", venue.http_url + "/api/v1/user/login")).status == 405
            assert (await refusal(venue.base + "/other"))[0] == 404
            wrong = [("Authorization", "Bearer a.b.c")]
            assert (await refusal(venue.url, wrong))[0] == 401
            good = [("Authorization", f"Bearer {await token_of(venue)}")]
            async with dialled(venue.url, good):
                pass

    run(test())


# --- the socket -----------------------------------------------------------------------------------


def test_words_on_the_socket() -> None:
    async def test() -> None:
        async with EthgasSimulator(rate=50) as venue, dialled(venue.url) as socket:

            async def say(op: str, *arguments: Any) -> Any:
                await socket.send(json.dumps({"op": op, "args": [*arguments]}))
                while "e" in (answer := await received(socket)):
                    pass
                return answer

            await socket.send("ping")
            assert await socket.recv() == "pong"
            denied = await say("subscribe", POSITIONS)
            assert (denied["event"], denied["code"]) == ("error", 1000)
            failed = await say("login", {"accessToken": "a.b.c"})
            assert (failed["event"], failed["code"]) == ("error", 1001)
            entered = await say("login", {"accessToken": await token_of(venue)})
            assert (entered["event"], entered["code"]) == ("login", 0)
            assert (await say("subscribe", {"channel": "nothing"}))["code"] == 1002
            assert (await say("subscribe", BOOK))["arg"] == BOOK
            update = await received(socket)
            assert (update["e"], [*update["P"]]) == ("orderBookUpdate", ["a", "b", "I", "t"])
            assert (await say("subscribe", POSITIONS))["arg"] == POSITIONS
            assert (await say("unsubscribe", BOOK))["event"] == "unsubscribe"
            assert {(await received(socket))["e"] for _ in range(5)} == {"accountPositionUpdate"}
            slot = await say("query", {"queryType": "currentSlot"})
            assert (slot["q"], slot["P"]["s"]) == ("currentSlot", venue.slot)
            assert (await say("query", {"queryType": "nothing"}))["code"] == 1001
            assert (await say("logout"))["event"] == "error"  # an empty list of arguments
            await socket.send('{"op":"logout"}')
            told = [""]
            while told[-1] != "error":
                told.append((await received(socket)).get("event", ""))
            assert [one for one in told if one] == ["logout", "error"], "private channels end too"

    run(test())


@pytest.mark.parametrize("dialect", ["official", "draft"])
def test_every_channel_through_the_session(dialect: str) -> None:
    async def test() -> None:
        async with EthgasSimulator(rate=20, dialect=dialect) as venue:
            channels = [
                Channel.of(name, MARKET if "marketType" in takes else None)
                for name, takes in (PUBLIC | PRIVATE).items()
            ]

            def all_there(events: list[Event]) -> bool:
                found = {event.channel for event in events if isinstance(event, Data)}
                return found == {*PUBLIC, *PRIVATE}

            async with driven(venue.session(*channels)) as connection:
                events = await collect(connection, all_there)
            assert kinds(events)["Subscribed"] == len(channels)
            assert kinds(events)["Authenticated"] == 1
            assert not kinds(events)["Broken"]
            payloads = {e.channel: e.content.payload for e in events if isinstance(e, Data)}
            assert isinstance(payloads["orderBookUpdate"], Book)
            assert isinstance(payloads["recentTradeUpdate"][0], Trade)
            book = payloads["orderBookUpdate"]
            assert book.bids[0][0] < book.asks[0][0]

    run(test())


def test_trades_are_numbered_by_connection() -> None:
    async def test() -> None:
        async with EthgasSimulator(rate=100, feeds=["recentTradeUpdate"]) as venue:
            for _ in range(2):
                async with driven(venue.session()) as connection:
                    events = await collect(connection, lambda all_: kinds(all_)["Data"] >= 5)
                trades = [event.content.payload[0] for event in events if isinstance(event, Data)]
                assert [trade.index for trade in trades] == [1, 2, 3, 4, 5]

    run(test())


def test_queries_through_the_session() -> None:
    async def test() -> None:
        async with EthgasSimulator() as venue:
            session = venue.session(login=venue.login())
            asked = ("currentSlot", "orderBook", "recentTrades", "openOrders", "preconfMarkets")
            async with driven(session) as connection:
                events: list[Event] = []
                async for event in connection.events():
                    events.append(event)
                    if isinstance(event, Opened):
                        for one in asked:
                            session.query(one)
                    if kinds(events)["Answered"] == len(asked):
                        break
            answered = [e.query_type for e in events if isinstance(e, Answered)]
            # What is private waits for the login, and nothing waits for what is private.
            assert answered == [*(one for one in asked if one != "openOrders"), "openOrders"]

    run(test())


@pytest.mark.parametrize(
    ("dialect", "how"), [("official", "expire"), ("draft", "plan"), ("official", "lifetime")]
)
def test_an_expired_token_is_renewed_and_nothing_stops(dialect: str, how: str) -> None:
    """The session logs in again, and private channels go on."""

    async def test() -> None:
        options: dict[str, Any] = {"dialect": dialect, "rate": 20}
        options |= {"plan": {"misbehave": "expire@10"}, "lifetime": {"lifetime": 2.0}}.get(how, {})
        async with EthgasSimulator(**options) as venue:
            login = venue.login(margin=0)
            channel = Channel.of("accountPositionUpdate", MARKET)
            async with driven(venue.session(channel, login=login)) as connection:
                first = await collect(connection, lambda all_: kinds(all_)["Data"] >= 5)
                if how == "expire":
                    venue.expire()

                def back(events: list[Event]) -> bool:
                    renewed = kinds(events)["TokenRenewed"] > 0
                    return renewed and all(isinstance(one, Data) for one in events[-5:])

                events = await collect(connection, back)
            assert kinds([*first, *events])["Opened"] == 1, "on the same connection"
            assert venue.counters.dials == 1
            if how != "lifetime":
                codes = [event.code for event in events if isinstance(event, Rejected)]
                assert codes[0] in ("401", "token_expired")

    run(test())
