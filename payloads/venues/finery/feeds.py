"""Finery's feeds: their letters and ids, how a feed is bound, and to which feed a frame belongs.

A feed is bound by a number or by a name, and the venue answers some names with a number of its own
without saying whose it is. `Names` knows which number stands for which name: from feed I, or from
an answer that fits only one binding. Feeds F and MD are also bound by an object, a `Selection`.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable
from typing import Any

from payloads.abi.fields import Record
from payloads.errors import Malformed, Misuse, elide
from payloads.venues.common.venue import is_number
from payloads.venues.finery.book import Change
from payloads.venues.finery.records import Currency, Instrument

# Which feeds take which id. C comes with I, and X with every connection; neither can be bound.
WITHOUT_ID = frozenset("IPGLMRN")
BY_INSTRUMENT = frozenset("BFO")
BY_CURRENCY = frozenset("KS")
# What is bound by an object: MD always, F for a client of a master account.
BY_SELECTION = frozenset({"F", "MD"})
LETTERS = WITHOUT_ID | BY_INSTRUMENT | BY_CURRENCY | BY_SELECTION
BOOKS = frozenset({"B", "F", "MD"})
# Whose updates come under other letters: O and S are also feeds of their own, with an id.
_PARENTS = {"C": "I", "O": "P", "S": "P"}


_NAME = re.compile(r"[!-~]{1,64}")
_SELECTION = re.compile(
    r"([!-.0-?A-~]{1,64})(?:@([0-9]{1,20}))?(?:/([0-9]{1,20}(?:,[0-9]{1,20})*))?"
)


def _is_number(value: Any) -> bool:
    return type(value) is int and 0 < value < 2**64


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and _NAME.fullmatch(value) is not None


class Selection(Record, frozen=True):
    """Part of an instrument's market: that of a master account's client, or (MD) of some makers."""

    instrument: str
    client_id: int | None = None
    makers: tuple[int, ...] = ()

    @classmethod
    def of(cls, text: str) -> Selection:
        """From a text like `BTC-USD@5/1,2`: an instrument, a client, makers."""
        if not (match := _SELECTION.fullmatch(text)):
            expected = "an instrument, @ and a client, / and makers with commas between"
            raise Misuse("no such selection", field="feed_id", expected=expected)
        makers = tuple(map(int, match[3].split(","))) if match[3] else ()
        return cls(match[1], int(match[2]) if match[2] else None, makers)

    def __str__(self) -> str:
        client = "" if self.client_id is None else f"@{self.client_id}"
        makers = ",".join(map(str, self.makers))
        return f"{self.instrument}{client}" + (f"/{makers}" if makers else "")

    @property
    def fits(self) -> bool:
        """Whether the venue would take every part."""
        numbers = self.makers if self.client_id is None else (self.client_id, *self.makers)
        return _is_name(self.instrument) and all(map(_is_number, numbers))

    @property
    def argument(self) -> dict[str, Any]:
        client = {} if self.client_id is None else {"clientId": self.client_id}
        makers = {"makers": [*self.makers]} if self.makers else {}
        return {"instrument": self.instrument, **client, **makers}


FeedId = int | str | Selection


def sent_id(feed_id: FeedId) -> Any:
    """The id of a feed as a message has it."""
    return feed_id.argument if isinstance(feed_id, Selection) else feed_id


def feed_id_of(value: Any) -> FeedId:
    """The id of a feed in a message; `Malformed` if it is none."""
    if type(value) in (int, str):
        return value  # type: ignore[no-any-return]
    if isinstance(value, dict):
        makers = value.get("makers") or []
        if isinstance(makers, list):
            found = Selection(value.get("instrument", ""), value.get("clientId"), tuple(makers))
            if found.fits:
                return found
    expected = "a number, a name, or an object with an instrument"
    raise Malformed("not a frame", field="feedId", expected=expected)


class Binding(Record, frozen=True):
    """A feed to bind: its letter, and an instrument or currency where it takes one.

    O, K and S without one are of all instruments or currencies.
    """

    feed: str
    feed_id: FeedId | None = None

    @classmethod
    def of(cls, feed: str, feed_id: FeedId | None = None) -> Binding:
        """A binding that the venue would take; `Misuse` otherwise."""
        if not isinstance(feed, str) or feed not in LETTERS:
            raise Misuse("no such feed", field="feed", expected=", ".join(sorted(LETTERS)))
        if feed in WITHOUT_ID and feed_id is not None:
            raise Misuse(f"feed {feed} takes no id", field="feed_id", found=elide(repr(feed_id)))
        if isinstance(feed_id, str) and (feed == "MD" or (feed == "F" and "@" in feed_id)):
            feed_id = Selection.of(feed_id)
        if feed in BOOKS or feed_id is not None:
            _check_id(feed, feed_id)
        return cls(feed, feed_id)

    @classmethod
    def parse(cls, text: str) -> Binding:
        """A binding from its label, `FEED` or `FEED:ID`."""
        feed, _, named = text.partition(":")
        return cls.of(feed, int(named) if is_number(named) else named or None)

    @classmethod
    def checked(cls, given: Binding | str) -> Binding:
        """A binding that is given as such, or by its label."""
        return cls.parse(given) if isinstance(given, str) else cls.of(*given.values)

    @property
    def label(self) -> str:
        return self.feed if self.feed_id is None else f"{self.feed}:{self.feed_id}"

    def message(self, event: str) -> dict[str, Any]:
        """What binds or unbinds it."""
        named = {} if self.feed_id is None else {"feedId": sent_id(self.feed_id)}
        return {"event": event, "feed": self.feed, **named}


def _check_id(feed: str, feed_id: FeedId | None) -> None:
    if isinstance(feed_id, Selection):
        if feed not in BY_SELECTION or not feed_id.fits or (feed == "F" and feed_id.makers):
            expected = "for F of an instrument and a client, for MD of makers too"
            raise Misuse(f"feed {feed} and its selection", field="feed_id", expected=expected)
    elif feed == "MD" or not (_is_number(feed_id) or _is_name(feed_id)):
        what = "an instrument" if feed in BY_INSTRUMENT | BY_SELECTION else "a currency"
        raise Misuse(f"feed {feed} takes {what}", field="feed_id", expected="a number or a name")


class Frame(Record, frozen=True):
    """A frame of a feed. `rows` are its data as records, where its rows are known.

    `bids` and `asks` are the applied changes of an order book's update, and `odd` says how many of
    them did not fit the book, which is the only sign of a lost one.
    """

    feed: str
    feed_id: FeedId
    action: str
    data: Any
    rows: tuple[Record, ...] = ()
    bids: tuple[Change, ...] = ()
    asks: tuple[Change, ...] = ()
    odd: int = 0

    @property
    def snapshot(self) -> bool:
        return self.action == "S"


# --- whose frame it is ----------------------------------------------------------------------------


def _kind(feed: str) -> type[Record]:
    return Currency if feed in BY_CURRENCY else Instrument


class Names:
    """Which numbers stand for which names, for what is bound by name."""

    def __init__(self) -> None:
        self._told: dict[tuple[type[Record], FeedId], str] = {}
        self._known: set[tuple[type[Record], str]] = set()
        # Numbers known by answers, which hold for one connection.
        self._answered: dict[tuple[str, FeedId], Binding] = {}

    def learn(self, rows: Iterable[Record]) -> None:
        """What feed I says."""
        for row in rows:
            if isinstance(row, Currency | Instrument):
                self._told[type(row), row.id] = row.name
                self._known.add((type(row), row.name))

    def forget(self) -> None:
        """What the answers of a connection that is gone said."""
        self._answered.clear()

    def vague(self, binding: Binding) -> bool:
        """Whether the answer to a binding may come under a number of unknown meaning."""
        name = binding.feed_id
        # An instrument's number does not say whose market it is.
        unknown = isinstance(name, str) and (_kind(binding.feed), name) not in self._known
        return unknown or isinstance(name, Selection)

    def owner(self, feed: str, feed_id: FeedId, among: Container[Binding]) -> Binding | None:
        """The binding that a frame belongs to, as far as it is certain."""
        answered = self._answered.get((feed, feed_id))
        named = Binding(feed, self._told.get((_kind(feed), feed_id), feed_id) or None)
        own = Binding(feed, None if feed in WITHOUT_ID else feed_id or None)
        for binding in (answered, own, named):
            if binding is not None and binding in among:
                return binding
        # P's updates come as O and S, and I's as C, with the id 0.
        parent = Binding(_PARENTS.get(feed, ""))
        return parent if parent in among and not feed_id else None

    def answered(self, feed: str, feed_id: FeedId, among: Iterable[Binding]) -> Binding | None:
        """The binding that a first answer belongs to: the certain one, else the oldest by name.

        Only one binding by name is under way at a time, so the oldest is meant.
        """
        candidates = [binding for binding in among if binding.feed == feed]
        if found := self.owner(feed, feed_id, candidates):
            return found
        by_name = [
            binding for binding in candidates if isinstance(binding.feed_id, str | Selection)
        ]
        if not by_name:
            # A refused id may be answered as 0.
            return candidates[0] if candidates and feed_id == 0 else None
        if feed_id:
            self._answered[feed, feed_id] = by_name[0]
        return by_name[0]
