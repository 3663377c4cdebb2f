"""What is bound on a connection to Finery: how far each feed has come, and the books of those that
have one.

`Bindings` sends what it has to through the function it is given, and answers with events what came.
It binds only while it is told that the link is up, and starts anew whenever the link or the
connection was gone, because the venue has no sequence numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec

from payloads.abi.fields import Record
from payloads.errors import Malformed
from payloads.venues.common.pending import Timeouts
from payloads.venues.common.redactor import Message
from payloads.venues.common.session import SECOND, Event, Rejected, Subscribed, Unsubscribed
from payloads.venues.common.shared import (
    ASKED,
    ENDED,
    HELD,
    IN_FORCE,
    OVERDUE,
    Subscriptions,
    earliest,
)
from payloads.venues.finery.book import Book
from payloads.venues.finery.codes import TRANSIENT, meaning
from payloads.venues.finery.feeds import Binding, FeedId, Frame, Names

RETRY_AFTER = 5 * SECOND
# Nobody states a time.
ANSWER_WITHIN = 10 * SECOND


class Bindings:
    """The feeds of one session, over all its connections."""

    def __init__(
        self, wanted: Iterable[Binding], send: Callable[[Mapping[str, Any]], None]
    ) -> None:
        # In the order they were made.
        self._wanted = Subscriptions((Binding.of(*one.values), HELD) for one in wanted)
        self._send = send
        self._leaving: set[Binding] = set()
        # What is bound again after a pause, and what an answer is waited for.
        self._again = Timeouts[Binding](RETRY_AFTER)
        self._until = Timeouts[Binding](ANSWER_WITHIN)
        self._names = Names()
        self._books: dict[Binding, Book] = {}
        # The latest update of each feed, for what comes twice.
        self._latest: dict[Binding, Message] = {}
        self.repeated = 0
        # What was refused for good, and how.
        self.denied: dict[Binding, str] = {}

    @property
    def in_force(self) -> list[Binding]:
        return self._wanted.those(IN_FORCE)

    @property
    def hopeless(self) -> bool:
        """Whether all that was wanted is refused."""
        return bool(self.denied) and not self._wanted

    @property
    def deadline(self) -> int | None:
        return earliest(self._again.deadline, self._until.deadline)

    def book(self, binding: Binding) -> Book | None:
        return self._books.get(binding)

    # --- what is wanted ---------------------------------------------------------------------------

    def want(self, binding: Binding) -> None:
        """Bind it when that is possible, and again after every reconnect."""
        self.denied.pop(binding, None)
        if self._wanted.get(binding, ENDED) in (ENDED, OVERDUE):
            self._wanted[binding] = HELD

    def give_up(self, binding: Binding, up: bool) -> None:
        """Unbind it, if it is bound."""
        self.denied.pop(binding, None)
        asked = self._wanted.pop(binding, HELD) != HELD
        self._shed(binding)
        if asked and up:
            self._leave(binding)

    def ask(self) -> None:
        """Bind what is held: the link is up."""
        if HELD not in self._wanted.values():  # as it is for nearly every frame
            return
        # The venue may answer a name with a number and not say whose it is: one at a time.
        vague = {one.feed for one in self._wanted.those(ASKED) if self._names.vague(one)}
        for binding in self._wanted.those(HELD):
            if binding in self._again or (self._names.vague(binding) and binding.feed in vague):
                continue
            if self._names.vague(binding):
                vague.add(binding.feed)
            self._wanted[binding] = ASKED
            self._until.add(binding)
            self._send(binding.message("bind"))

    def told(self, now: int) -> None:
        """The time."""
        self._again.told(now)
        self._until.told(now)

    def late(self, now: int) -> list[Event]:
        """Those that nothing has answered; and those whose pause is over are held no longer."""
        late = self._until.ripe(now)
        self._wanted.update(dict.fromkeys(late, OVERDUE))
        self._again.ripe(now)
        return [Rejected("timeout", "", "no answer came", f"bind {one.label}") for one in late]

    def unlink(self) -> None:
        """Nothing is bound any more, and every book is old."""
        for known in (self._leaving, self._again, self._until, self._books, self._latest):
            known.clear()
        self._names.forget()
        self._wanted.hold()

    def _shed(self, binding: Binding) -> None:
        """Forget what goes with a binding that has come to an end."""
        self._again.discard(binding)
        self._until.discard(binding)
        self._books.pop(binding, None)
        self._latest.pop(binding, None)

    def _leave(self, binding: Binding) -> None:
        self._leaving.add(binding)
        self._send(binding.message("unbind"))

    def _later(self, binding: Binding) -> None:
        """Bind again after a pause."""
        self._shed(binding)
        self._wanted[binding] = HELD
        self._again.add(binding)

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
            self._later(binding)
        else:
            del self._wanted[binding]
            self._shed(binding)
            self.denied[binding] = f"{code}: {meaning(code)}"
        return [Rejected(str(code), "", meaning(code), f"bind {binding.label}")]

    def unbound(self, feed: str, feed_id: FeedId) -> list[Event]:
        """A feed is bound no more."""
        binding = self._names.answered(feed, feed_id, self._leaving)
        if binding:
            self._leaving.discard(binding)
        elif binding := self._owner(feed, feed_id):
            # By the server's own will: not asked for again before the next time the link is up.
            self._shed(binding)
            self._wanted[binding] = ENDED
        return [Unsubscribed(binding.label if binding else f"{feed}:{feed_id}")]

    def _bound(self, binding: Binding) -> list[Event]:
        self._until.discard(binding)
        self._wanted[binding] = IN_FORCE
        return [Subscribed(binding.label)]

    def _first_answer(self, feed: str, feed_id: FeedId) -> Binding | None:
        return self._names.answered(feed, feed_id, self._wanted.those(ASKED))

    def _owner(self, feed: str, feed_id: FeedId) -> Binding | None:
        return self._names.owner(feed, feed_id, self._wanted)

    # --- data -------------------------------------------------------------------------------------

    def arrived(self, frame: Frame) -> tuple[Binding | None, list[Event]]:
        """Whose a frame with data is, and what its coming says about the binding."""
        binding = self._owner(frame.feed, frame.feed_id)
        if binding is None and frame.snapshot:
            binding = self._first_answer(frame.feed, frame.feed_id)
        if binding and frame.snapshot and self._wanted[binding] in (ASKED, OVERDUE):
            return binding, self._bound(binding)
        return binding, []

    def learn(self, rows: Iterable[Record]) -> None:
        """Numbers that stand for names, where the rows are of feed I."""
        self._names.learn(rows)

    def again_the_same(self, binding: Binding, frame: Frame, raw: Message) -> bool:
        """Whether an update only repeats the one before it, which then changes nothing."""
        same = not frame.snapshot and self._latest.get(binding) == raw
        self._latest[binding] = raw
        self.repeated += same
        return same

    def keep(self, binding: Binding, frame: Frame) -> Frame:
        """The frame with what it changes in its book; `Malformed`, and the book begun anew, for
        one that is no update or snapshot."""
        if self._wanted[binding] not in (ASKED, IN_FORCE):
            return frame  # left: there is no book to keep
        try:
            return self._applied(binding, frame)
        except Malformed:
            # What was missed cannot be known. Once: the next bad frame finds the feed left already.
            if self._wanted[binding] == IN_FORCE:
                self._leave(binding)
                self._later(binding)
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
