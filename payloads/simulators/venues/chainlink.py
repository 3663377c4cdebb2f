"""Chainlink Data Streams on loopback: signed reports over websocket and REST.

Every feed has one sequence of reports. All connections to it get the same reports, whatever their
origin, and REST answers from the reports made so far. A sequence begins when its feed is first
asked for, and goes on while no client is connected, so that a gap can be filled. The number of a
report in its feed's sequence is in its signed context, `epoch << 8 | round`, from 1.

Credentials and queries are checked by `payloads.venues.chainlink.server`.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, Unpack

import msgspec

from payloads import chainlink
from payloads.chainlink.report import FullReport
from payloads.chainlink.schemas import SCHEMAS, Report
from payloads.chainlink.state import V03, V04, V05, ChainlinkState
from payloads.chainlink.verifier import judge
from payloads.crypto import keccak256
from payloads.errors import Misuse
from payloads.simulators.bad_payloads import BadPayloads
from payloads.simulators.base import Simulator, seconds_of
from payloads.simulators.http import Request, Response
from payloads.simulators.market import E18, Walk, synthetic_report
from payloads.simulators.options import Common, Made
from payloads.simulators.peer import Peer
from payloads.simulators.text_options import (
    COMMON,
    KEY,
    SECRET,
    TextOption,
    count,
    names,
    whole_number,
    yes_or_no,
)
from payloads.testing import InsecureTestNetwork
from payloads.venues.chainlink import server as checks
from payloads.venues.chainlink.auth import ChainlinkCredentials, Endpoint, feed_ids
from payloads.venues.chainlink.group import HighAvailability
from payloads.venues.chainlink.session import ChainlinkSession
from payloads.venues.common.redactor import Message, Secret
from payloads.venues.common.session import Rejected
from payloads.verdicts.verdict import Verdict


def feed_id(version: int, name: str) -> str:
    """The ID of a made-up feed of a schema; it cannot be one of Chainlink's."""
    prefix = version.to_bytes(2, "big")
    return "0x" + (prefix + keccak256(f"payloads insecure test feed {name}".encode())[2:]).hex()


# The feeds that are streamed by default: name, schema and first price.
_MADE_UP = {
    "BTC/USD": (3, 65_000 * E18),
    "ETH/USD": (3, 3_200 * E18),
    "LINK/USD": (2, 14 * E18),
    "wstETH/ETH": (7, 12 * E18 // 10),
    "XAU/USD": (8, 2_400 * E18),
    "AAPL": (11, 230 * E18),
}
FEEDS = {name: feed_id(version, name) for name, (version, _) in _MADE_UP.items()}
# Feeds of the venue's documentation. They can be asked for, too, and are not among `feeds`.
DOCUMENTED = {
    "0x000359843a543ee2fe414dc14c7e7920ef10f4372990b79d6361cdc0dd1ba782": 3_200 * E18,
    "0x00037da06d56d083fe599397a4769a042d63aa73dc4ef57709d31e9971a5b439": 65_000 * E18,
    "0x00039d9e45394f473ab1f050a1b963e6b05351e52d71e507509ada0c95ed75b8": 65_000 * E18,
}
_FIRST_PRICES = {FEEDS[name]: price for name, (_, price) in _MADE_UP.items()} | DOCUMENTED

# Seconds after its observations until which a report is accepted: 30 days, as in published reports.
_LIFETIME = 30 * 86_400


def _network(text: str) -> InsecureTestNetwork:
    """A network of this many oracles, as many of which may be faulty as can be."""
    size = whole_number(text)
    return InsecureTestNetwork(f"simulator of {size}", size, (size - 1) // 3)


class ChainlinkSimulator(Simulator):
    """Data Streams on loopback.

    `feeds` are feed IDs, of any schema this library knows. Without them there are made-up feeds,
    and on request those of `DOCUMENTED`. `binary` chooses the frames' opcode.
    A report carries the second it is made in. With `rising` it is a second later than the report
    before, whatever the clock says, for clients that collapse the reports of a second. `bad_share`
    is the share of bad payloads, and `bad` says what may be wrong with them; only a state with fees
    refuses `expired`.
    """

    venue: ClassVar[str] = "chainlink"
    ws_path: ClassVar[str] = "/api/v1/ws"
    BAD: ClassVar[tuple[str, ...]] = ("wrong_signer", "expired", "truncated", "flipped")
    text_options: ClassVar[Mapping[str, TextOption]] = {
        "bad": names("of --bad-share: wrong_signer, expired, truncated, flipped (all)"),
        "binary": yes_or_no("binary messages; no: text (yes)"),
        "history": count("reports of each feed that REST still has (10000)"),
        "key": KEY,
        "network": TextOption(_network, "COUNT", "oracles, 4 to 31; a third of them signs (16)"),
        "origins": names("what HEAD / answers; nothing: no high availability (001,002)"),
        "rising": yes_or_no("each report a second later than the report before (no)"),
        "secret": SECRET,
        **COMMON,
    }

    def __init__(
        self,
        *,
        feeds: Iterable[str] | None = None,
        binary: bool = True,
        origins: Sequence[str] = ("001", "002"),
        rising: bool = False,
        bad_share: float = 0.0,
        bad: Sequence[str] = BAD,
        network: InsecureTestNetwork | None = None,
        key: str = "00000000-1111-4222-8333-444444444444",
        secret: str = "payloads-insecure-test-secret",
        history: int = 10_000,
        **common: Unpack[Common],
    ) -> None:
        super().__init__(**common)
        self.network = network or InsecureTestNetwork(f"simulator {self.seed}")
        self._stranger = InsecureTestNetwork(
            self.network.seed + " stranger", self.network.size, self.network.f,
            self.network.don_id, self.network.config_digest,
        )  # fmt: skip
        self.key, self.secret = key, secret
        self.origins, self.binary, self.rising = tuple(origins), binary, rising
        self.accounts = {key: checks.Account(Secret(secret))}
        self._bad_payloads = BadPayloads(bad_share, bad, self.BAD, self.seed)
        self._listed = feed_ids(FEEDS.values() if feeds is None else feeds)
        known = (*self._listed, *(DOCUMENTED if feeds is None else ()))
        self._feeds = {feed: _Feed(feed, self.seed, history) for feed in known}
        self._asked: dict[tuple[str, str], deque[int]] = {}

    # --- what to connect to ---

    @property
    def feeds(self) -> tuple[str, ...]:
        return self._listed

    @property
    def url(self) -> str:
        """The URL of a websocket with all feeds."""
        return f"{super().url}?feedIDs={','.join(self.feeds)}"

    @property
    def credentials(self) -> dict[str, str]:
        return {"key": self.key, "secret": self.secret}

    @property
    def subscriptions(self) -> tuple[str, ...]:
        return self.feeds

    @property
    def endpoint(self) -> Endpoint:
        return Endpoint(self.base, self.http_url)

    def session(self, *feeds: str, origin: str = "", **options: Any) -> ChainlinkSession:
        """A session for these feeds, or for all."""
        return ChainlinkSession(
            self._mine(), feeds or self.feeds, endpoint=self.endpoint, origin=origin, **options
        )

    def high_availability(self, *feeds: str, **options: Any) -> HighAvailability:
        """The same over all origins."""
        mine = self._mine()
        return HighAvailability(mine, feeds or self.feeds, endpoint=self.endpoint, **options)

    def _mine(self) -> ChainlinkCredentials:
        return ChainlinkCredentials.of(self.key, self.secret)

    # --- verification ---

    def state(
        self, contract: str = V05, *, fees: bool = False, now: int | None = None
    ) -> ChainlinkState:
        """The state of a verifier that accepts the reports of this simulator.

        With `fees` it has a fee manager, which also refuses expired reports. `now` is the time to
        judge at; by default the simulator's own.
        """
        known = (V03, V04, V05)
        if contract not in known:
            expected = ", ".join(known)
            raise Misuse("no such contract", field="contract", expected=expected, found=contract)
        return self.network.state(
            contract,
            feeds=self.feeds,
            fees=fees,
            now=seconds_of(self.now()) if now is None else now,
            world=f"simulator, seed {self.seed}",
            source="payloads.simulators: keys that everyone knows",
        )

    def judge(self, payload: bytes) -> Verdict:
        """What the contract would do with a payload now, fees and expiry included."""
        return judge(payload, self.state(fees=True), pay="link")

    # --- dials and requests ---

    def admit(self, request: Request, memory: dict[str, Any]) -> Response | None:
        rejected = checks.check_upgrade(
            request.target,
            request.headers,
            self.now(),
            self.accounts,
            feeds=tuple(self._feeds),
            origins=self.origins,
            open_connections=len(self.peers),
        )
        if rejected is not None:
            return _refusal(rejected)
        memory["feeds"] = checks.read_query(request.target).feeds
        return None

    async def answer_http(self, request: Request) -> Response:
        now = self.now()
        asked = self._asked.setdefault(
            (request.header("Authorization"), request.path), deque(maxlen=20)
        )
        rejected = checks.check_request(
            request.method, request.target, request.headers, now, self.accounts,
            body=request.body, feeds=tuple(self._feeds), recent=asked,
        )  # fmt: skip
        asked.append(now)
        if rejected is not None:
            return _refusal(rejected)
        query = checks.read_query(request.target)
        if query.kind == "origins":
            return Response(200, b"", checks.origins_headers(self.origins))
        for name in query.feeds:
            self._begin(name)
        names = dict.fromkeys((*self.feeds, *query.feeds))
        archive = {name: self._feeds[name].archive for name in names}
        status, body = checks.answer(self._whole_seconds(query), archive)
        return Response(status, body, _JSON)

    def _whole_seconds(self, query: checks.Query) -> checks.Query:
        """The same page, extended to the end of its last second.

        The next page starts a second later, and would miss the rest.
        """
        if query.kind != "page":
            return query
        archive = self._feeds[query.feeds[0]].archive
        times = [report["observationsTimestamp"] for report in archive]
        later = [time for time in times if time >= query.timestamp]
        limit = max(1, query.limit)
        while 0 < limit < len(later) and later[limit] == later[limit - 1]:
            limit += 1
        return msgspec.structs.replace(query, limit=limit)

    # --- the streams ---

    def joined(self, peer: Peer) -> None:
        for feed in peer.memory["feeds"]:
            self.join(peer, self._begin(feed))

    def received(self, peer: Peer, message: Message) -> None:
        """The service ignores what it is sent."""

    def _begin(self, name: str) -> Any:
        feed = self._feeds[name]
        stream = self.stream(name, lambda: (self._report(feed),), lasts=True)
        if not feed.archive:
            # The first client finds a report already there.
            self._report(feed)
        self.run(stream)
        return stream

    def _report(self, feed: _Feed) -> Made:
        """Make, sign and keep the next report of a feed."""
        bad = self._bad_payloads.choose()
        report = feed.next_report(seconds_of(self.now()), self.rising, bad == "expired")
        payload = self._signed(report, feed.number, bad)
        message = {
            "feedID": feed.name,
            "fullReport": "0x" + payload.hex(),
            "validFromTimestamp": feed.valid_from,
            "observationsTimestamp": feed.observed,
        }
        feed.archive.append(message)
        text = json.dumps({"report": message}, separators=(",", ":"))
        return Made(text.encode() if self.binary else text, bad)

    def _signed(self, report: Report, number: int, bad: str) -> bytes:
        network = self._stranger if bad == "wrong_signer" else self.network
        signed = network.sign(report, epoch=number >> 8, round=number & 0xFF)
        raw = bytes(signed.raw)
        if bad == "truncated":
            return self._bad_payloads.truncate(raw)
        if bad == "flipped":
            # The seventh word is a value in every schema, so nothing but the signatures is wrong.
            end = raw.index(bytes(signed.report_blob)) + 7 * 32
            return self._bad_payloads.flip(raw, end - 4, end)
        return raw


_JSON = (("Content-Type", "application/json"),)


def _refusal(rejected: Rejected) -> Response:
    return Response(int(rejected.code), checks.body_of(rejected), _JSON)


class _Feed:
    """A feed's sequence of reports."""

    def __init__(self, name: str, seed: int, history: int) -> None:
        self.name, self.raw = name, bytes.fromhex(name[2:])
        schema = SCHEMAS.get(self.raw[:2])
        if schema is None:
            known = ", ".join("0x" + prefix.hex() for prefix in SCHEMAS)
            raise Misuse("a feed of no known schema", field="feeds", expected=known, found=name)
        self.schema = schema
        self.walk = Walk(f"{seed} {name}", _FIRST_PRICES.get(name, 100 * E18))
        self.number = self.observed = self.valid_from = 0
        self.archive: deque[dict[str, Any]] = deque(maxlen=history)

    def next_report(self, now: int, rising: bool, expired: bool) -> Report:
        """The next report, observed at `now`, valid since the report before."""
        before, self.number = self.observed, self.number + 1
        # A feed does not go back when the clock is set back.
        self.observed = max(now, before + 1 if rising else before)
        self.valid_from = min(before + 1, self.observed) if before else self.observed
        expires = self.observed - 60 if expired else self.observed + _LIFETIME
        return synthetic_report(
            self.schema, self.raw, self.walk,
            valid_from=self.valid_from, observed=self.observed, expires=expires,
        )  # fmt: skip


def sequence_of(payload: bytes | FullReport) -> int:
    """The number of a report in its feed's sequence, from 1."""
    found = chainlink.decode_envelope(payload) if isinstance(payload, bytes) else payload
    return found.epoch << 8 | found.round
