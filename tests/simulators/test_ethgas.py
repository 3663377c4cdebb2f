"""ETHGas on loopback: logins over REST and on the socket, the end of tokens, channels, queries."""

from __future__ import annotations

import json
import time
from typing import Any, get_args, get_origin
from urllib.parse import urlencode

import pytest

from payloads.abi.fields import Record
from payloads.simulators import EthgasSimulator
from payloads.venues.common.jwt import make_token
from payloads.venues.common.redactor import Secret
from payloads.venues.common.session import SECOND, Data, Event, Opened, Rejected
from payloads.venues.ethgas.auth import EthgasLogin
from payloads.venues.ethgas.eip712 import signature_of, typed_data_digest
from payloads.venues.ethgas.protocol import PRIVATE, PRIVATE_QUERIES, PUBLIC, Channel
from payloads.venues.ethgas.records import CHANNELS, QUERIES, Book, Trade
from payloads.venues.ethgas.updates import Answered
from tests.simulators.kit import (
    ask,
    by_connection,
    collect,
    dialled,
    driven,
    in_order,
    kinds,
    received,
    refusal,
    run,
)

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
    found = body["data"]["accessToken"]
    token = found if isinstance(found, str) else found["token"]
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


def test_what_has_ended_is_refused() -> None:
    """A nonce after five minutes, a session after seven days, an access token after its lifetime:
    each with the venue's code."""
    offset = [0]

    async def test() -> None:
        began = time.time_ns()
        async with EthgasSimulator(clock=lambda: began + offset[0] * SECOND) as venue:
            _, body, _ = await post(venue, "login", addr=venue.address)
            data = body["data"]
            key = Secret(venue.credentials["private_key"])
            signed = signature_of(key, typed_data_digest(json.loads(data["eip712Message"])))
            form = {"addr": venue.address, "nonceHash": data["nonceHash"], "signature": signed}
            offset[0] = 301
            status, body, _ = await post(venue, "login/verify", **form)
            assert (status, body["errorCode"]) == (401, 1000)
            assert "nonceHash" in body["message"]
            status, body, cookie = await logged_in(venue)
            token = body["data"]["accessToken"]["token"]
            good = [("Authorization", f"Bearer {token}")]
            async with dialled(venue.url, good) as socket:
                offset[0] += 3601
                await socket.send(json.dumps({"op": "login", "args": [{"accessToken": token}]}))
                answer = await received(socket)
                assert (answer["event"], answer["code"]) == ("error", 1001)
                assert answer["msg"] == "expired token"
            assert (await refusal(venue.url, good))[0] == 401
            assert (await post(venue, "login/refresh", [("Cookie", cookie)]))[0] == 200
            offset[0] += 7 * 24 * 3600
            for wrong in (cookie, "x_auth_refresh_token=never-given"):
                status, body, _ = await post(venue, "login/refresh", [("Cookie", wrong)])
                assert (status, body["errorCode"]) == (401, 1000)
                assert "refreshToken" in body["message"]

    run(test())


@pytest.mark.parametrize("token", [None, 7, "", "a.b.c", "nonsense"])
@pytest.mark.parametrize("dialect", ["official", "draft"])
def test_logins_on_the_socket_that_are_refused(dialect: str, token: Any) -> None:
    async def test() -> None:
        async with EthgasSimulator(dialect=dialect) as venue, dialled(venue.url) as socket:
            given = {} if token is None else {"accessToken": token}
            if dialect == "official":
                await socket.send(json.dumps({"op": "login", "args": [given]}))
                answer = await received(socket)
                assert (answer["event"], answer["code"]) == ("error", 1001)
                await socket.send(json.dumps({"op": "subscribe", "args": [POSITIONS]}))
                answer = await received(socket)
                assert (answer["event"], answer["code"]) == ("error", 1000)
            else:
                await socket.send(json.dumps({"cmd": "login", "data": given}))
                answer = await received(socket)
                assert (answer["status"], answer["error"]["code"]) == ("error", 401)
                await socket.send(json.dumps({"cmd": "subscribe", **POSITIONS}))
                answer = await received(socket)
                assert (answer["cmd"], answer["error"]["code"]) == ("error", 403)
            assert sum(venue.counters.refused.values()) == 2

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


def check_typed(kind: Any, payload: Any) -> None:
    """Of this kind, and complete."""
    several = get_origin(kind) is tuple
    for record in payload if several else [payload]:
        assert type(record) is (get_args(kind)[0] if several else kind)
        check_complete(record)


def check_complete(record: Record) -> None:
    """Every field is there, and nothing that has none, but for what the venue does not describe."""
    for name, value in zip(record.__struct_fields__, record.values, strict=True):
        if name == "rest":
            assert {*value} <= {"B", "o", "r"}
        else:
            assert value not in (None, "", ())
        for inner in value if isinstance(value, tuple) else ():
            if isinstance(inner, Record):
                check_complete(inner)


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
            for name, payload in payloads.items():
                check_typed(CHANNELS[name], payload)
            book = payloads["orderBookUpdate"]
            assert isinstance(book, Book)
            assert book.bids[0][0] < book.asks[0][0]
            assert isinstance(payloads["recentTradeUpdate"][0], Trade)

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
            asked = (*QUERIES,)
            async with driven(session) as connection:
                events: list[Event] = []
                async for event in connection.events():
                    events.append(event)
                    if isinstance(event, Opened):
                        for one in asked:
                            session.request(one)
                    if kinds(events)["Answered"] == len(asked):
                        break
            answers = {e.query_type: e.reply for e in events if isinstance(e, Answered)}
            # What is private waits for the login, and nothing waits for what is private.
            public = [one for one in asked if one not in PRIVATE_QUERIES]
            private = [one for one in asked if one in PRIVATE_QUERIES]
            assert [*answers] == public + private
            for name, reply in answers.items():
                check_typed(QUERIES[name], reply)

    run(test())


def test_a_query_without_a_reply() -> None:
    async def test() -> None:
        async with EthgasSimulator(rate=0.1, unanswered=["currentSlot"]) as venue:
            session = venue.session(reply_within=SECOND // 5)
            async with driven(session) as connection:
                events: list[Event] = []
                async for event in connection.events():
                    events.append(event)
                    if isinstance(event, Opened):
                        session.request("currentSlot")
                    if kinds(events)["RequestFailed"]:
                        break
            (told,) = [event for event in events if isinstance(event, Rejected)]
            assert (told.code, told.about) == ("no answer", "query currentSlot")

    run(test())


@pytest.mark.parametrize("dialect", ["official", "draft"])
def test_a_token_that_runs_out_is_renewed_and_nothing_stops(dialect: str) -> None:
    """The session logs in again, and private channels go on."""
    # Both sides ten times as fast.
    began = time.time_ns()
    fast = lambda: began + 10 * (time.time_ns() - began)  # noqa: E731

    async def test() -> None:
        async with EthgasSimulator(dialect=dialect, rate=50, lifetime=8, clock=fast) as venue:
            login = venue.login(margin=0)
            channel = Channel.of("accountPositionUpdate", MARKET)
            async with driven(venue.session(channel, login=login), clock=fast) as connection:
                await collect(connection, lambda all_: kinds(all_)["Data"] >= 5)

                def back(events: list[Event]) -> bool:
                    renewed = kinds(events)["TokenRenewed"] > 0
                    return renewed and all(isinstance(one, Data) for one in events[-5:])

                events = await collect(connection, back)
            assert kinds(events)["Opened"] == 0, "on the same connection"
            assert venue.counters.dials == 1

    run(test())


# --- trouble, through the session -----------------------------------------------------------------

POSITION = Channel.of("accountPositionUpdate", MARKET)
TRADES = Channel.of("recentTradeUpdate", MARKET)


def index_of(data: Data) -> int:
    index = data.content.payload[0].index
    assert isinstance(index, int)
    return index


def rejections(events: list[Event]) -> list[Rejected]:
    return [event for event in events if isinstance(event, Rejected)]


@pytest.mark.parametrize("dialect", ["official", "draft"])
@pytest.mark.parametrize("wrong", ["another key", "expired", "changed"])
def test_our_client_is_told_why_its_token_is_not_taken(dialect: str, wrong: str) -> None:
    """With the venue's code and words; what is public streams all the same."""

    async def test() -> None:
        async with EthgasSimulator(rate=50, dialect=dialect) as venue:
            good = await token_of(venue)
            token = {
                "another key": make_token(Secret("another"), "x", venue.now()),
                "expired": make_token(venue._key, "x", venue.now() - 7200 * SECOND),
                "changed": good[:-4] + ("AAAA" if good[-4:] != "AAAA" else "BBBB"),
            }[wrong]
            login = EthgasLogin(access_token=Secret(token), endpoint=venue.http_url)
            if wrong == "expired":  # it knows that itself, and does not send it
                login._expires = 2**63
            session = venue.session(POSITION, TRADES, login=login)
            async with driven(session) as connection:
                events = await collect(connection, lambda all_: kinds(all_)["Data"] >= 5)
            told = rejections(events)
            assert told[0].about == "login"
            assert told[0].code == ("1001" if dialect == "official" else "401")
            if dialect == "official":
                words = "expired token" if wrong == "expired" else "invalid token"
                assert told[0].message == words
                assert "authentication failed" in told[0].meaning
            assert told[1].code == "no token", "and nothing can renew it"
            assert {event.channel for event in events if isinstance(event, Data)} == {TRADES.name}
            assert not session.authenticated

    run(test())


@pytest.mark.parametrize(
    ("status", "words"),
    [(401, "not valid"), (403, "permission denied"), (400, "refused")],
)
def test_a_login_that_the_rest_api_refuses(status: int, words: str) -> None:
    async def test() -> None:
        async with EthgasSimulator(rate=50) as venue:
            venue.refuse(status, requests=True)
            session = venue.session(POSITION, TRADES)
            async with driven(session) as connection:
                events = await collect(connection, lambda all_: kinds(all_)["Rejected"] >= 2)
                events += await collect(connection, lambda all_: kinds(all_)["Data"] >= 5)
            told = rejections(events)
            assert (told[0].code, told[0].about) == (f"HTTP {status}", "ethgas login")
            assert words in told[0].meaning
            assert told[1].code == "no token"
            assert venue.counters.requests == 1, "not tried again"

    run(test())


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_rest_api_that_is_down_does_not_hold_up_what_is_public(status: int) -> None:
    async def test() -> None:
        async with EthgasSimulator(rate=50) as venue:
            venue.refuse(status, requests=True, headers=(("Retry-After", "1"),))
            session = venue.session(POSITION, TRADES)
            # A clock that runs ten times as fast, for the pause of five seconds.
            began = venue.now()
            async with driven(session, clock=lambda: began + 10 * (venue.now() - began)) as both:
                events = await collect(
                    both, lambda all_: kinds(all_)["Data"] >= 5 and kinds(all_)["Rejected"] > 0
                )
                told = rejections(events)
                assert [one.code for one in told] == [f"HTTP {status}"]
                assert not kinds(events)["Authenticated"]

                def private(events: list[Event]) -> bool:
                    return isinstance(events[-1], Data) and events[-1].channel == POSITION.name

                events += await collect(both, private)
            assert kinds(events)["Authenticated"] == 1
            (numbers,) = by_connection(
                [e for e in events if not isinstance(e, Data) or e.channel == TRADES.name], index_of
            )
            assert in_order(numbers), "and it streamed on while the login came"

    run(test())


def test_what_needs_a_login_is_refused_without_one() -> None:
    async def test() -> None:
        async with EthgasSimulator() as venue, dialled(venue.url) as socket:
            for message in (
                {"op": "subscribe", "args": [POSITIONS]},
                {"op": "query", "args": [{"queryType": "openOrders"}]},
            ):
                await socket.send(json.dumps(message))
                answer = await received(socket)
                assert (answer["event"], answer["code"]) == ("error", 1000)

    run(test())


def test_a_bearer_that_is_not_taken_is_replaced() -> None:
    """The header is an option; a 401 for it is answered with a dial without and a new token."""

    async def test() -> None:
        async with EthgasSimulator(rate=50) as venue:
            stranger = Secret(make_token(Secret("another"), "x", venue.now()))
            key = Secret(venue.credentials["private_key"])
            login = venue.login()
            login = EthgasLogin(private_key=key, access_token=stranger, endpoint=venue.http_url)
            session = venue.session(POSITION, login=login, bearer=True)
            async with driven(session) as connection:
                events = await collect(connection, lambda all_: kinds(all_)["Data"] >= 3)
            (told,) = rejections(events)
            assert (told.code, told.message) == ("HTTP 401", "invalid token")
            assert venue.counters.dials == 2

    run(test())


def test_subscribe_receive_unsubscribe() -> None:
    async def test() -> None:
        async with EthgasSimulator(rate=100) as venue:
            session = venue.session(TRADES)
            async with driven(session) as connection:
                await collect(connection, lambda all_: kinds(all_)["Data"] >= 5)
                session.subscribe(Channel("blockBuilderUpdate"))
                events = await collect(connection, lambda all_: kinds(all_)["Subscribed"] == 1)
                session.unsubscribe(TRADES)
                events = await collect(connection, lambda all_: kinds(all_)["Unsubscribed"] == 1)
                assert session.subscribed == ["blockBuilderUpdate"]
                events = await collect(connection, lambda all_: kinds(all_)["Data"] >= 5)
                channels = {event.channel for event in events if isinstance(event, Data)}
                assert channels == {"blockBuilderUpdate"}

    run(test())


# --- the end of tokens, for other clients ---------------------------------------------------------


async def login_with(socket: Any, dialect: str, token: str) -> Any:
    draft = {"cmd": "login", "data": {"accessToken": token}}
    official = {"op": "login", "args": [{"accessToken": token}]}
    await socket.send(json.dumps(draft if dialect == "draft" else official))
    return await received(socket)


async def refreshed(venue: EthgasSimulator, refresh: str) -> Any:
    """The access token that the draft's refresh answers, which takes JSON."""
    url = f"{venue.http_url}/api/v1/user/login/refresh"
    body = json.dumps({"refreshToken": refresh}).encode()
    reply = await ask("POST", url, [("Content-Type", "application/json")], body)
    assert reply.status == 200
    return json.loads(reply.body)["data"]["accessToken"]


@pytest.mark.parametrize("dialect", ["draft", "official"])
def test_every_client_whose_token_ends_is_told_and_can_log_in_again(dialect: str) -> None:
    """Also a client that has subscribed to nothing; the refresh token goes on."""

    async def test() -> None:
        async with EthgasSimulator(dialect=dialect) as venue:
            tokens = venue.tokens
            async with dialled(venue.url) as first, dialled(venue.url) as second:
                for socket in (first, second):
                    said = await login_with(socket, dialect, tokens["access_token"])
                    assert said.get("status", "success") == "success"
                    assert said.get("code", 0) == 0
                venue.expire()
                for socket in (first, second):
                    told = await received(socket)
                    assert told.get("cmd", told.get("code")) in ("token_expired", 401)
                    refused = await login_with(socket, dialect, tokens["access_token"])
                    assert refused.get("error", refused)["code"] in (401, 1001)
                    given = await refreshed(venue, tokens["refresh_token"])
                    assert isinstance(given, str if dialect == "draft" else dict)
                    token = given if isinstance(given, str) else given["token"]
                    said = await login_with(socket, dialect, token)
                    assert said.get("status", "success") == "success"

    run(test())


def test_a_client_is_told_when_its_token_s_time_is_over() -> None:
    async def test() -> None:
        venue = EthgasSimulator(dialect="draft", lifetime=1)
        async with venue, dialled(venue.url) as socket:
            await login_with(socket, "draft", venue.tokens["access_token"])
            told = await received(socket)
            assert told["cmd"] == "token_expired"

    run(test())


def test_a_session_with_a_refresh_token_goes_on_after_expire() -> None:
    """The session has no key: only the refresh token can help."""

    async def test() -> None:
        async with EthgasSimulator(dialect="draft", rate=50) as venue:
            tokens: Any = {name: Secret(value) for name, value in venue.tokens.items()}
            login = EthgasLogin(**tokens, endpoint=venue.http_url, dialect=venue.dialect)
            channel = Channel.of("accountPositionUpdate", MARKET)
            async with driven(venue.session(channel, login=login)) as connection:
                await collect(connection, lambda all_: kinds(all_)["Data"] >= 3)
                venue.expire()

                def back(events: list[Event]) -> bool:
                    return kinds(events)["TokenRenewed"] > 0 and isinstance(events[-1], Data)

                events = await collect(connection, back)
            assert "token_expired" in [e.code for e in events if isinstance(e, Rejected)]
            assert venue.counters.dials == 1

    run(test())
