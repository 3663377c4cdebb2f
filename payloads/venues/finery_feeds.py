"""Finery's feeds: which there are, what binds one, what comes of it, and whose a frame is.

A feed is bound by a number or by a name, and the venue answers some names with a number of its own
without saying whose it is. `Names` knows which is which: told by feed I, or by an answer that could
only be meant for one binding.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable
from typing import Any

from payloads.errors import Misuse, elide
from payloads.fields import Record
from payloads.venues.finery_book import Change
from payloads.venues.finery_rows import Currency, Instrument

__all__ = ["BOOKS", "LETTERS", "Binding", "Frame", "Names"]

# Which feeds take which id. C comes with I, and X with every connection; neither can be bound.
WITHOUT_ID = frozenset("IPGLMRN")
BY_INSTRUMENT = frozenset("BFO")
BY_CURRENCY = frozenset("KS")
LETTERS = WITHOUT_ID | BY_INSTRUMENT | BY_CURRENCY
BOOKS = frozenset("BF")
# Whose updates come under other letters: O and S are also feeds of their own, with an id.
_PARENTS = {"C": "I", "O": "P", "S": "P"}


class Binding(Record, frozen=True):
    """A feed to bind: its letter, and an instrument or currency where it takes one.

    O, K and S without one are of all instruments or currencies.
    """

    feed: str
    feed_id: int | str | None = None

    @classmethod
    def of(cls, feed: str, feed_id: int | str | None = None) -> Binding:
        """A binding that the venue would take; `Misuse` otherwise."""
        if not isinstance(feed, str) or feed not in LETTERS:
            raise Misuse("no such feed", field="feed", expected=", ".join(sorted(LETTERS)))
        if feed in WITHOUT_ID and feed_id is not None:
            raise Misuse(f"feed {feed} takes no id", field="feed_id", found=elide(repr(feed_id)))
        if feed in BOOKS or feed_id is not None:
            _check_id(feed, feed_id)
        return cls(feed, feed_id)

    @property
    def label(self) -> str:
        return self.feed if self.feed_id is None else f"{self.feed}:{self.feed_id}"

    def message(self, event: str) -> dict[str, Any]:
        """What binds or unbinds it."""
        named = {} if self.feed_id is None else {"feedId": self.feed_id}
        return {"event": event, "feed": self.feed, **named}


def _check_id(feed: str, feed_id: int | str | None) -> None:
    if feed in WITHOUT_ID:
        return
    if type(feed_id) is int and 0 < feed_id < 2**64:
        return
    if isinstance(feed_id, str) and re.fullmatch(r"[!-~]{1,64}", feed_id):
        return
    what = "an instrument" if feed in BY_INSTRUMENT else "a currency"
    raise Misuse(f"feed {feed} takes {what}", field="feed_id", expected="a number or a name")


class Frame(Record, frozen=True):
    """A frame of a feed. `rows` are its data as records, where its rows are known.

    `bids` and `asks` are the applied changes of an order book's update, and `odd` says how many of
    them did not fit the book, which is the only sign of a lost one.
    """

    feed: str
    feed_id: int | str
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
        self._told: dict[tuple[type[Record], int | str], str] = {}
        self._known: set[tuple[type[Record], int | str]] = set()
        # By answers, which are those of one connection.
        self._answered: dict[tuple[str, int | str], Binding] = {}

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
        """Whether an answer to this one may come under a number that nobody can place."""
        name = binding.feed_id
        return isinstance(name, str) and (_kind(binding.feed), name) not in self._known

    def owner(self, feed: str, feed_id: int | str, among: Container[Binding]) -> Binding | None:
        """The binding that a frame belongs to, as far as it is certain."""
        answered = self._answered.get((feed, feed_id))
        named = Binding(feed, self._told.get((_kind(feed), feed_id), feed_id) or None)
        own = Binding(feed, None if feed in WITHOUT_ID else feed_id or None)
        for one in (answered, own, named):
            if one is not None and one in among:
                return one
        # P's updates come as O and S, and I's as C, with the id 0.
        parent = Binding(_PARENTS.get(feed, ""))
        return parent if parent in among and not feed_id else None

    def answered(self, feed: str, feed_id: int | str, among: Iterable[Binding]) -> Binding | None:
        """The binding that a first answer belongs to: the certain one, else the oldest by name.

        Only one that is bound by name is under way at a time, so the oldest is the one.
        """
        candidates = [binding for binding in among if binding.feed == feed]
        if found := self.owner(feed, feed_id, candidates):
            return found
        by_name = [one for one in candidates if isinstance(one.feed_id, str)]
        if not by_name:
            # A refused id may be answered as 0.
            return candidates[0] if candidates and feed_id == 0 else None
        if feed_id:
            self._answered[feed, feed_id] = by_name[0]
        return by_name[0]
