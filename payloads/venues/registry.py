"""The venues by name: what each is asked for, with which credentials, and how its session is made.

This is what a command line knows of a venue; a program calls the sessions' constructors. Venues are
imported when they are asked for. Everything that is wrong is `Misuse` and names what was expected.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any, Protocol

import msgspec

from payloads.errors import Misuse
from payloads.fields import Record
from payloads.venues.session import Event, Reply, Request, Secret, Session

__all__ = ["VENUES", "Asked", "Outside", "Venue", "make", "variable", "venue"]

SECOND = 10**9


def variable(venue: str, name: str) -> str:
    """The environment variable for a venue's credential."""
    return f"PAYLOADS_{venue}_{name}".upper().replace("-", "_")


class Asked(Record, frozen=True):
    """What somebody wants of a venue: subscriptions, where, how, and with which credentials."""

    what: tuple[str, ...] = ()
    endpoint: str = ""
    options: Mapping[str, str] = {}
    credentials: Mapping[str, Secret] = {}
    venue: str = ""
    # Who keeps a token that takes the place of one in `credentials`.
    keep: Callable[[Secret], None] | None = None

    def credential(self, name: str) -> Secret:
        """A credential that there must be."""
        if name not in self.credentials:
            raise self.missing(name)
        return self.credentials[name]

    def missing(self, *names: str, why: str = "a credential is missing") -> Misuse:
        """What to say where there is none of these credentials."""
        places = " or ".join(variable(self.venue, name) for name in names)
        field = " or ".join(names)
        expected = f"{places} in the environment, or {field} in a file of --credentials"
        return Misuse(why, field=field, expected=expected)

    def flag(self, name: str, default: bool = False) -> bool:
        """An option that is yes or no."""
        value = self.options.get(name, "yes" if default else "no").lower()
        if value not in ("yes", "true", "1", "no", "false", "0"):
            raise Misuse("neither yes nor no", field=name, expected="yes or no", found=value)
        return value in ("yes", "true", "1")

    def seconds(self, name: str) -> int | None:
        """An option in seconds, as nanoseconds."""
        if (value := self.options.get(name)) is None:
            return None
        if not value.isascii() or not value.isdigit():
            raise Misuse("not a number of seconds", field=name, expected="digits", found=value)
        return int(value) * SECOND


class Outside(Protocol):
    """What a venue may want done before there is a session."""

    def now(self) -> int:
        """Nanoseconds since 1970."""

    def ask(self, request: Request) -> Reply:
        """Make an HTTP request; status 0 for no answer."""

    def wait(self, nanoseconds: int) -> None:
        """Wait before the next."""

    def tell(self, event: Event) -> None:
        """Pass on what the venue said."""

    def warn(self, words: str) -> None:
        """Say what is not as it was asked for."""


Make = Callable[[Asked, Outside], Sequence[Session]]


class Venue(Record, frozen=True):
    """A venue as a command line shows it. `what` describes one subscription.

    `endpoints` are those that have a name, and `options` say what each of them takes and does.
    """

    name: str
    title: str
    what: str
    endpoints: tuple[str, ...]
    credentials: tuple[str, ...]
    options: Mapping[str, str]
    make: Make


def _module(name: str) -> Any:
    return import_module(f"payloads.venues.{name}")


def _chainlink(asked: Asked, outside: Outside) -> Sequence[Session]:
    module, auth = _module("chainlink"), _module("chainlink_auth")
    credentials = auth.Credentials(asked.credential("key"), asked.credential("secret"))
    endpoint = auth.ENDPOINTS.get(asked.endpoint or "mainnet")
    if endpoint is None:
        known = {name: one.ws for name, one in auth.ENDPOINTS.items()}
        where = _module("shared").address(asked.endpoint, known)
        rest = asked.options.get("rest") or "http" + where.removeprefix("ws")
        endpoint = auth.Endpoint(where, rest)
    options = {
        "endpoint": endpoint,
        "backfill": asked.flag("backfill", True),
        "silence": asked.seconds("silence"),
    }
    if not asked.flag("ha"):
        return [module.ChainlinkSession(credentials, asked.what, **options)]
    several = module.HighAvailability(credentials, asked.what, **options)
    _find_origins(several, outside)
    return tuple(several.sessions)


# Before the origins are asked for again; and how long a service may have us wait for that.
_PAUSES = (SECOND, 3 * SECOND, None)
_LONGEST_WAIT = 10 * SECOND


def _find_origins(several: Any, outside: Outside) -> None:
    """Ask more than once if need be: once the sessions run, nobody asks any more."""
    for pause in _PAUSES:
        for event in several.discovered(outside.ask(several.discover(outside.now()))):
            outside.tell(event)
        retry = several.retry
        if not pause or not retry or not retry.again or retry.at_least > _LONGEST_WAIT:
            break
        outside.wait(max(pause, retry.at_least))
    if len(several.origins) > 1:
        return
    named = "names one origin" if several.origins[0] else "names no origins"
    why = "does not say which origins there are" if several.retry else named
    outside.warn(f"the service {why}: one connection only")


def _stork(asked: Asked, outside: Outside) -> Sequence[Session]:
    module = _module("stork")
    assets = [int(one) if one.isdigit() else one for one in asked.what]
    given = {
        name: asked.options[name] for name in ("channel", "message_type") if name in asked.options
    }
    session = module.StorkSession(
        asked.credential("token"),
        assets,
        endpoint=asked.endpoint or "mainnet",
        market_status=asked.flag("market_status"),
        taxonomy=any(isinstance(one, str) for one in assets) or asked.flag("taxonomy"),
        silence=asked.seconds("silence"),
        **given,
    )
    return [session]


def _finery(asked: Asked, outside: Outside) -> Sequence[Session]:
    module = _module("finery")
    bindings = []
    for one in asked.what:
        letter, _, named = one.partition(":")
        number: int | str | None = int(named) if named.isdigit() else named or None
        bindings.append(module.Binding.of(letter, number))
    within = asked.seconds("status_within")
    options = {} if within is None else {"status_within": within}
    return [
        module.FinerySession(
            asked.credential("key").reveal(),
            asked.credential("secret"),
            bindings,
            nonces=module.NonceSequence(),
            endpoint=asked.endpoint or "mainnet",
            **options,
        )
    ]


def _ethgas(asked: Asked, outside: Outside) -> Sequence[Session]:
    module = _module("ethgas")
    channels = []
    for one in asked.what:
        name, _, market = one.partition(":")
        channels.append(module.Channel.of(name, market or None))
    endpoint = asked.endpoint or "mainnet"
    named = asked.options.get("dialect", module.OFFICIAL.name)
    dialect = module.DIALECTS.get(named)
    if dialect is None:
        expected = ", ".join(module.DIALECTS)
        raise Misuse("no such dialect", field="dialect", expected=expected, found=named)
    login, held = None, asked.credentials
    if "private_key" in held or "access_token" in held:
        login = _module("ethgas_login").EthgasLogin(
            private_key=held.get("private_key"),
            access_token=held.get("access_token"),
            refresh_token=held.get("refresh_token"),
            account_name=asked.options.get("account"),
            endpoint=asked.options.get("rest") or endpoint,
            dialect=dialect,
        )
    if login is None and (private := [one.name for one in channels if one.private]):
        why = f"{private[0]} is a private channel, and nothing says whose"
        raise asked.missing("private_key", "access_token", why=why)
    session = module.EthgasSession(
        channels,
        login=login,
        dialect=dialect,
        endpoint=endpoint,
        bearer=asked.flag("bearer"),
    )
    return [session]


def _qfex(asked: Asked, outside: Outside) -> Sequence[Session]:
    module = _module("qfex")
    subscriptions = []
    for one in asked.what:
        channel, _, named = one.partition(":")
        symbol, _, interval = named.partition("/")
        intervals = [interval] if interval else []
        subscriptions.append(module.Subscription.of([channel], [symbol or "*"], intervals))
    return [
        module.QfexMarketSession(
            subscriptions,
            endpoint=asked.endpoint or "mainnet",
            silence=asked.seconds("silence"),
        )
    ]


def _qfex_trade(asked: Asked, outside: Outside) -> Sequence[Session]:
    module = _module("qfex")
    if "refresh_token" in asked.credentials:
        credentials = _qfex_oauth(asked)
    elif "jwt" in asked.credentials:
        credentials = module.Jwt(asked.credentials["jwt"])
    elif "public_key" not in asked.credentials:
        raise asked.missing("public_key", "jwt")
    else:
        public = asked.credential("public_key").reveal()
        credentials = module.HmacKey(public, asked.credential("secret"))
    options: dict[str, Any] = {"channels": asked.what} if asked.what else {}
    if "key_in" in asked.options:
        options["key_in"] = asked.options["key_in"]
    if "cancel_on_disconnect" in asked.options:
        options["cancel_on_disconnect"] = asked.flag("cancel_on_disconnect")
    return [
        module.QfexTradeSession(
            credentials,
            nonces=lambda: secrets.token_hex(16),
            account_id=asked.options.get("account_id"),
            endpoint=asked.endpoint or "mainnet",
            **options,
        )
    ]


def _qfex_oauth(asked: Asked) -> Any:
    module = _module("qfex_oauth")
    endpoint = asked.endpoint or "mainnet"
    rest = asked.options.get("rest") or endpoint
    if rest not in module.OAUTH_ENDPOINTS and rest == endpoint:
        expected = "the URL of the token service of that endpoint"
        raise Misuse("not given", field="qfex-trade rest", expected=expected)
    if not (client_id := asked.options.get("client_id")):
        raise Misuse("not given", field="qfex-trade client_id", expected="that of the login")
    token = asked.credentials["refresh_token"]
    return module.OAuth(client_id, token, endpoint=rest, keep=asked.keep)


_SILENCE = "SECONDS without a message after which to dial again"
_REST = "URL of the REST service, where the endpoint is a URL"

VENUES: dict[str, Venue] = {
    one.name: one
    for one in (
        Venue(
            "chainlink", "Chainlink Data Streams", "a feed ID (0x and 64 hex digits)",
            ("mainnet", "testnet"), ("key", "secret"),
            {
                "backfill": "no: leave gaps as they are",
                "ha": "yes: a connection to each origin of the service",
                "rest": _REST,
                "silence": _SILENCE,
            },
            _chainlink,
        ),
        Venue(
            "stork", "Stork Fast", "an asset's number or name",
            ("mainnet", "dev"), ("token",),
            {
                "channel": "real_time, 10ms, 20ms, 50ms, 100ms, 500ms or 1s",
                "market_status": "yes: with every value, whether its market is open",
                "message_type": "signed_ecdsa or unsigned",
                "silence": _SILENCE,
                "taxonomy": "yes: read it, also where assets are numbers",
            },
            _stork,
        ),
        Venue(
            "finery", "Finery Markets", "FEED or FEED:ID, as B:BTC-USD",
            ("mainnet", "test"), ("key", "secret"),
            {"status_within": "SECONDS in which the gateway has to say whether it is up"},
            _finery,
        ),
        Venue(
            "ethgas", "ETHGas", "CHANNEL or CHANNEL:MARKET, as orderBookUpdate:inclusionPreconf",
            ("mainnet", "hoodi", "testchain"), ("private_key", "access_token", "refresh_token"),
            {
                "account": "NAME of the account to log in to",
                "bearer": "yes: the token in a header of the upgrade, too",
                "dialect": "official, or draft for the older protocol",
                "rest": _REST,
            },
            _ethgas,
        ),
        Venue(
            "qfex", "QFEX market data",
            "CHANNEL:SYMBOL, as level2:AAPL-USD, level2:* or candle:AAPL-USD/1MIN",
            ("mainnet", "uat"), (), {"silence": _SILENCE}, _qfex,
        ),
        Venue(
            "qfex-trade", "QFEX trade socket", "a channel, as order_responses",
            ("mainnet", "uat"), ("public_key", "secret", "jwt"),
            {
                "account_id": "ID of a subaccount",
                "cancel_on_disconnect": "yes or no: orders go when this connection does",
                "key_in": "query, headers or none: where the key goes besides the message",
                "token_file": "FILE (mode 0600) with a refresh token, and then with the next ones",
                "client_id": "ID of the login by OAuth that the token is of",
                "rest": "URL that gives tokens, where the endpoint is a URL",
            },
            _qfex_trade,
        ),
    )
}  # fmt: skip


def venue(name: str) -> Venue:
    """The venue of that name."""
    if name not in VENUES:
        raise Misuse("no such venue", field="venue", expected=", ".join(VENUES), found=name)
    return VENUES[name]


def make(name: str, asked: Asked, outside: Outside) -> Sequence[Session]:
    """The sessions for what is asked: one, or one for each of several origins.

    `outside` is for venues that have to be asked first where to connect.
    """
    found = venue(name)
    if unknown := sorted(set(asked.options) - set(found.options)):
        expected = ", ".join(found.options) or "none"
        raise Misuse("no such option", field=f"{name} {unknown[0]}", expected=expected)
    return found.make(msgspec.structs.replace(asked, venue=name), outside)
