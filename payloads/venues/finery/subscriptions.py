"""The feeds that a Finery session subscribes to, and the books of those that have one.

`FeedSubscriptions` sends through the function it is given, and answers with events what came. It
binds feeds only while the session says that the link is up, and starts anew when the link or the
connection was gone, because the venue has no sequence numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec

from payloads.abi.fields import Record
from payloads.errors import Malformed
from payloads.venues.common.dedupe import Repeats
from payloads.venues.common.pending import Timeouts
from payloads.venues.common.redactor import Message
from payloads.venues.common.session import (
    NO_ANSWER,
    SECOND,
    Event,
    Rejected,
    Subscribed,
    Unsubscribed,
)
from payloads.venues.common.subscriptions import (
    ASKED,
    HELD,
    IN_FORCE,
    OVERDUE,
    Subscriptions,
)
from payloads.venues.finery.book import Book
from payloads.venues.finery.codes import TRANSIENT, meaning
from payloads.venues.finery.feeds import Binding, FeedId, Frame, Names

RETRY_AFTER = 5 * SECOND
# The venue states no time.
ANSWER_WITHIN = 10 * SECOND


class FeedSubscriptions:
    """The feeds of one session, over all its connections."""

    def __init__(
        self, wanted: Iterable[Binding | str], send: Callable[[Mapping[str, Any]], None]
    ) -> None:
        self.wanted = Subscriptions[Binding](ANSWER_WITHIN, map(Binding.checked, wanted))
        self._send = send
        self._leaving: set[Binding] = set()
        # Feeds that are bound again after a pause.
        self.pauses = Timeouts[Binding](RETRY_AFTER)
        self._names = Names()
        self._books: dict[Binding, Book] = {}
        # Of each feed the latest update is remembered.
        self.repeats = Repeats(latest=1)

    def book(self, binding: Binding) -> Book | None:
        return self._books.get(binding)

    # --- what is wanted ---------------------------------------------------------------------------

    def remove(self, binding: Binding, up: bool) -> None:
        """Unbind a feed, if it is bound."""
        asked = self.wanted.remove(binding) not in (None, HELD)
        self._drop(binding)
        if asked and up:
            self._unbind(binding)

    def ask(self) -> None:
        """Bind what is held: the link is up."""
        if not self.wanted.any_in(HELD):  # as it is for nearly every frame
            return
        # The venue may answer a name with a number and not say whose it is: one at a time.
        vague = {each.feed for each in self.wanted.in_state(ASKED) if self._names.vague(each)}
        for binding in self.wanted.in_state(HELD):
            if binding in self.pauses or (self._names.vague(binding) and binding.feed in vague):
                continue
            if self._names.vague(binding):
                vague.add(binding.feed)
            self.wanted.asked(binding)
            self._send(binding.message("bind"))

    def expired(self, now: int) -> list[Event]:
        """The feeds without an answer in time. Feeds whose pause is over may be bound again."""
        self.pauses.expired(now)
        late = self.wanted.expired(now)
        return [Rejected(NO_ANSWER, "", "no answer came", f"bind {each.label}") for each in late]

    def reset(self) -> None:
        """The link or the connection is gone: nothing is bound any more, and every book is old."""
        self.wanted.reset()
        self.pauses.stop()
        self.repeats.forget()
        self._names.forget()
        self._leaving.clear()
        self._books.clear()

    def _drop(self, binding: Binding) -> None:
        """Forget what goes with a binding that has come to an end."""
        self.pauses.discard(binding)
        self._books.pop(binding, None)
        self.repeats.forget(binding.label)

    def _unbind(self, binding: Binding) -> None:
        self._leaving.add(binding)
        self._send(binding.message("unbind"))

    def _bind_later(self, binding: Binding) -> None:
        self._drop(binding)
        self.wanted.hold(binding)
        self.pauses.add(binding)

    # --- answers ----------------------------------------------------------------------------------

    def refused(self, feed: str, feed_id: FeedId, code: int) -> list[Event]:
        """The answer to a bind or an unbind is a code."""
        if leaving := self._names.answered(feed, feed_id, self._leaving):
            self._leaving.discard(leaving)
            if code in (0, 101):
                return [Unsubscribed(leaving.label)]
            return [Rejected(str(code), "", meaning(code), f"unbind {leaving.label}")]
        binding = self._first_answer(feed, feed_id) or self._owner(feed, feed_id)
        if binding is None:
            return [Rejected(str(code), "", meaning(code), f"{feed}:{feed_id}")]
        if code in (0, 100):  # bound already, which is what was asked for
            return self._bound(binding)
        if code in TRANSIENT:
            self._bind_later(binding)
        else:
            self._drop(binding)
            self.wanted.refuse(binding, f"{code}: {meaning(code)}")
        return [Rejected(str(code), "", meaning(code), f"bind {binding.label}")]

    def unbound(self, feed: str, feed_id: FeedId) -> list[Event]:
        """A feed is bound no more."""
        binding = self._names.answered(feed, feed_id, self._leaving)
        if binding:
            self._leaving.discard(binding)
        elif binding := self._owner(feed, feed_id):
            # By the server's own will: not bound again before the next time the link is up.
            self._drop(binding)
            self.wanted.end(binding)
        return [Unsubscribed(binding.label if binding else f"{feed}:{feed_id}")]

    def _bound(self, binding: Binding) -> list[Event]:
        self.wanted.in_force(binding)
        return [Subscribed(binding.label)]

    def _first_answer(self, feed: str, feed_id: FeedId) -> Binding | None:
        return self._names.answered(feed, feed_id, self.wanted.in_state(ASKED))

    def _owner(self, feed: str, feed_id: FeedId) -> Binding | None:
        return self._names.owner(feed, feed_id, self.wanted)

    # --- data -------------------------------------------------------------------------------------

    def arrived(self, frame: Frame) -> tuple[Binding | None, list[Event]]:
        """Whose a frame with data is, and what its coming says about the binding."""
        binding = self._owner(frame.feed, frame.feed_id)
        if binding is None and frame.snapshot:
            binding = self._first_answer(frame.feed, frame.feed_id)
        if binding:
            self.wanted.come(binding)
        if binding and frame.snapshot and self.wanted.state(binding) in (ASKED, OVERDUE):
            return binding, self._bound(binding)
        return binding, []

    def learn(self, rows: Iterable[Record]) -> None:
        """Numbers that stand for names, where the rows are of feed I."""
        self._names.learn(rows)

    def again_the_same(self, binding: Binding, frame: Frame, raw: Message) -> bool:
        """Whether an update only repeats the update before it, and changes nothing."""
        if frame.snapshot:
            self.repeats.forget(binding.label)
        return self.repeats.again(raw, binding.label)

    def keep(self, binding: Binding, frame: Frame) -> Frame:
        """The frame with what it changes in its book; `Malformed`, and the book begun anew, for
        a frame that is no update or snapshot."""
        if self.wanted.state(binding) not in (ASKED, IN_FORCE):
            return frame  # left: there is no book to keep
        try:
            return self._applied(binding, frame)
        except Malformed:
            # What was missed cannot be known. Once: the next bad frame finds the feed left already.
            if self.wanted.state(binding) is IN_FORCE:
                self._unbind(binding)
                self._bind_later(binding)
            raise

    def _applied(self, binding: Binding, frame: Frame) -> Frame:
        if frame.snapshot:
            book = Book()
            book.snapshot(frame.data)
            self._books[binding] = book
            return msgspec.structs.replace(frame, odd=book.odd)
        kept = self._books.get(binding)
        if kept is None:
            raise Malformed("an update before its snapshot", field=binding.label)
        before = kept.odd
        bids, asks = kept.update(frame.data)
        return msgspec.structs.replace(frame, bids=bids, asks=asks, odd=kept.odd - before)
