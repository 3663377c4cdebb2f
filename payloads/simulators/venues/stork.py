"""Stork Fast on loopback: signed and unsigned updates on every channel, and the taxonomy.

Each client gets messages of its own, at the pace of its channel, for the assets it subscribed to;
on `real_time` only for assets that changed. The last nine digits of every value are the number of
the message on its connection, from 1.

Tokens, queries and commands are checked by `payloads.venues.stork.server`. The service publishes no
answer to a command that it does not take; here it is `{"type":"error","error":…}`. There are no
acknowledgements.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any, ClassVar, Unpack

from payloads.errors import Malformed, Misuse
from payloads.simulators.bad_payloads import BadPayloads
from payloads.simulators.base import Simulator, seconds_of
from payloads.simulators.http import Request, Response
from payloads.simulators.market import E18, Walk
from payloads.simulators.options import Common, Made
from payloads.simulators.peer import Peer
from payloads.simulators.text_options import COMMON, TextOption, names, word, yes_or_no
from payloads.stork.calldata import DESERIALIZE
from payloads.stork.frames import SIGNED
from payloads.stork.state import StorkState
from payloads.stork.update import STATUS_BIT, VALUE_BIT, Asset, UnsignedUpdate, decode
from payloads.stork.verifier import judge
from payloads.testing import InsecureTestStorkSigner
from payloads.venues.common.redactor import Message, Secret
from payloads.venues.common.session import SECOND, Rejected
from payloads.venues.common.venue import is_number
from payloads.venues.stork import server as checks
from payloads.venues.stork.session import CHANNELS, StorkSession
from payloads.verdicts.verdict import Verdict

# Name: id and first price. The ids are those of the public taxonomy 1, as clients have them, and
# those of the venue's own examples, which do not name them.
ASSETS: dict[str, tuple[int, int]] = {
    "USDTUSD": (1, E18),
    "ASSET2": (2, E18),
    "BTCUSD": (3, 65_000 * E18),
    "ETHUSD": (4, 3_200 * E18),
    "ASSET10": (10, 12 * E18),
    "DOGEUSD": (14, E18 // 8),
    "LINKUSD": (21, 14 * E18),
    "ASSET34": (34, 2_700 * E18),
    "SOLUSD": (40, 150 * E18),
    "AAPLUSD": (12_001, 230 * E18),
}
# Assets that do not trade around the clock have a market status; these are open.
_WITH_HOURS = frozenset({"AAPLUSD"})
_OPEN = 1
TAXONOMY_ID = 1
_SEQUENCE = 10**9
# "On change": how often that is, a second, where no rate is asked for.
_CHANGES = 20.0


class StorkSimulator(Simulator):
    """Stork Fast on loopback.

    `feeds` are names of assets (see `ASSETS`) or further names with an id: `{"XYZUSD": 500}`, or
    `"XYZUSD=500"`.
    `bad_share` of the signed payloads are bad, each of a kind of `bad`. Of the assets in `silent`
    nothing is sent, as of an asset whose market is closed. `needs_deflate`
    refuses clients that do not offer permessage-deflate, as the gateway is said to.
    """

    venue: ClassVar[str] = "stork"
    ws_path: ClassVar[str] = "/ws"
    BAD: ClassVar[tuple[str, ...]] = ("wrong_signer", "truncated", "flipped")
    expires: ClassVar[str] = "the token is withdrawn"
    text_options: ClassVar[Mapping[str, TextOption]] = {
        "bad": names("of --bad-share: wrong_signer, truncated, flipped (all)"),
        "silent": names("assets of which it sends nothing"),
        "needs_deflate": yes_or_no("refuses clients that offer no compression (no)"),
        "token": word("the token that it takes"),
        **COMMON,
    }

    def __init__(
        self,
        *,
        feeds: Iterable[str] | Mapping[str, int] = tuple(ASSETS),
        bad_share: float = 0.0,
        bad: Sequence[str] = BAD,
        signer: InsecureTestStorkSigner | None = None,
        token: str = "payloads-insecure-test-token",
        needs_deflate: bool = False,
        silent: Iterable[str] = (),
        **common: Unpack[Common],
    ) -> None:
        if needs_deflate:
            common["compress"] = True
        super().__init__(**common)
        self.signer = signer or InsecureTestStorkSigner(f"simulator {self.seed}")
        self._stranger = InsecureTestStorkSigner(self.signer.seed + " stranger")
        self.token, self.needs_deflate = token, needs_deflate
        self._withdrawn = False
        self.ids = _ids(feeds)
        self._silent = {self.ids.get(name) for name in silent}
        self._names = {asset_id: name for name, asset_id in self.ids.items()}
        self._walks = {
            asset_id: Walk(f"{self.seed} {name}", ASSETS.get(name, (0, 100 * E18))[1])
            for name, asset_id in self.ids.items()
        }
        self._bad_payloads = BadPayloads(bad_share, bad, self.BAD, self.seed)
        self._asked: deque[int] = deque(maxlen=20)

    # --- what to connect to ---

    @property
    def feeds(self) -> tuple[str, ...]:
        return tuple(self.ids)

    @property
    def url(self) -> str:
        """Where to connect for signed updates, ten a second."""
        return super().url + f"?channel=100ms&message_type={SIGNED}"

    @property
    def credentials(self) -> dict[str, str]:
        return {"token": self.token}

    @property
    def subscriptions(self) -> tuple[str, ...]:
        return self.feeds

    def session(self, *assets: int | str, **options: Any) -> StorkSession:
        """A session for these assets (ids or names), or for all."""
        wanted = assets or tuple(self._names)
        options = {"channel": "100ms", "endpoint": self.base} | options
        return StorkSession(Secret(self.token), wanted, **options)

    # --- what verifies ---

    def state(self, *, fee: int = 0, now: int | None = None) -> StorkState:
        """The state of a contract that accepts what is signed here."""
        return self.signer.state(
            fee=fee,
            now=seconds_of(self.now()) if now is None else now,
            world=f"simulator, seed {self.seed}",
            source="payloads.simulators: a key that everyone knows",
        )

    def judge(self, payload: bytes) -> Verdict:
        """What the contract would do with a payload that it is to verify and take apart."""
        return judge(payload, self.state(), call=DESERIALIZE)

    # --- dials and requests ---

    def admit(self, request: Request, memory: dict[str, Any]) -> Response | None:
        rejected = checks.check_upgrade(
            request.target, request.headers, self._tokens(), needs_deflate=self.needs_deflate
        )
        if rejected is not None:
            return _refusal(rejected)
        memory |= {"asked": checks.read_upgrade(request.target), "assets": {}, "number": 0}
        return None

    def _tokens(self) -> tuple[Secret, ...]:
        return () if self._withdrawn else (Secret(self.token),)

    def expire_tokens(self) -> None:
        """The token is withdrawn: what is open goes on, and nothing new is let in."""
        self._withdrawn = True

    async def answer_http(self, request: Request) -> Response:
        now = self.now()
        rejected = checks.check_request(
            request.method, request.target, request.headers, now, self._tokens(),
            recent=self._asked,
        )  # fmt: skip
        self._asked.append(now)
        if rejected is not None:
            return _refusal(rejected)
        return Response(200, checks.taxonomy_body(TAXONOMY_ID, self.ids), _JSON)

    # --- messages ---

    def received(self, peer: Peer, message: Message) -> None:
        try:
            command = checks.read_command(message, self._names)
        except Malformed as error:
            self.counters.refused["message"] += 1
            peer.send(_compact({"type": "error", "error": str(error)}))
            return
        wanted: dict[int, None] = peer.memory["assets"]
        for asset_id in command.assets:
            if command.kind == "subscribe":
                wanted[asset_id] = None
            else:
                wanted.pop(asset_id, None)
        self._adjust(peer, bool(wanted))

    def _adjust(self, peer: Peer, wanted: bool) -> None:
        period = CHANNELS[peer.memory["asked"].channel]
        pace = SECOND / period if period else _CHANGES
        stream = self.stream(f"client {peer.number}", partial(self._update, peer), pace=pace)
        if wanted:
            self.join(peer, stream)
        else:
            self.leave(peer, stream)

    # --- the streams ---

    def _update(self, peer: Peer) -> Iterable[Made]:
        memory = peer.memory
        memory["number"] += 1
        asked = memory["asked"]
        audible = [asset for asset in memory["assets"] if asset not in self._silent]
        if not audible:
            return
        chosen = self._changed(memory, audible, asked.channel == "real_time")
        status = asked.market_status
        assets = tuple(self._asset(asset, memory["number"], status) for asset in chosen)
        # Two messages never have the same time, whatever the clock says.
        now = memory["time"] = max(self.now(), memory.get("time", 0) + 1)
        if asked.message_type != SIGNED:
            yield Made(_compact(UnsignedUpdate(TAXONOMY_ID, now, assets).to_message()))
            return
        bad = self._bad_payloads.choose()
        payload = self._signed(assets, now, status, bad)
        yield Made(_compact({"type": SIGNED, "p": "0x" + payload.hex()}), bad)

    def _changed(self, memory: dict[str, Any], ids: list[int], only_changed: bool) -> list[int]:
        if not only_changed or memory["number"] == 1:
            return ids
        dice = self._walks[ids[0]].dice
        return dice.sample(ids, dice.randint(1, len(ids)))

    def _asset(self, asset_id: int, number: int, status: bool) -> Asset:
        price = self._walks[asset_id].step()
        value = price - price % _SEQUENCE + number % _SEQUENCE
        with_hours = status and self._names[asset_id] in _WITH_HOURS
        return Asset(asset_id, value, _OPEN if with_hours else None)

    def _signed(self, assets: tuple[Asset, ...], now: int, status: bool, bad: str) -> bytes:
        signer = self._stranger if bad == "wrong_signer" else self.signer
        # A client that asks for more than values gets the versioned layout.
        mask = VALUE_BIT | STATUS_BIT if status else None
        update = signer.sign(assets, timestamp_ns=now, taxonomy_id=TAXONOMY_ID, mask=mask)
        raw = update.encode()
        if bad == "truncated":
            return self._bad_payloads.truncate(raw)
        if bad == "flipped":
            # In the time: what is signed, and what any reader takes.
            end = len(raw) - len(update.signed_bytes) + (14 if status else 10)
            return self._bad_payloads.flip(raw, end - 4, end)
        return raw


_JSON = (("Content-Type", "application/json"),)


def _refusal(rejected: Rejected) -> Response:
    return Response(int(rejected.code), checks.body_of(rejected), _JSON)


def _compact(message: Any) -> str:
    return json.dumps(message, separators=(",", ":"))


def _ids(feeds: Iterable[str] | Mapping[str, int]) -> dict[str, int]:
    given = dict(feeds) if isinstance(feeds, Mapping) else dict(map(_named, feeds))
    found: dict[str, int] = {}
    for name, asset_id in given.items():
        asset_id = ASSETS[name][0] if asset_id is None and name in ASSETS else asset_id
        if asset_id is None or not 0 <= asset_id < 2**16 or asset_id in found.values():
            known = f"of {', '.join(ASSETS)}, or with an id of its own"
            raise Misuse("no such asset", field="feeds", expected=known, found=name)
        found[name] = asset_id
    if not found:
        raise Misuse("no asset to stream", field="feeds", expected="at least one")
    return found


def _named(feed: str) -> tuple[str, int | None]:
    """A name, and the id that is given with it."""
    name, _, number = feed.partition("=")
    return name, int(number) if is_number(number) else None


def sequence_of(payload: bytes) -> int:
    """The number of a message on its connection, from 1."""
    value = decode(payload).assets[0].value
    return (value or 0) % _SEQUENCE
