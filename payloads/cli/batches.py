"""Items in batches: the signers that many of them ask for are recovered in one call."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from msgspec.structs import replace

from payloads.cli.sources import Item
from payloads.crypto import Workers
from payloads.errors import PayloadError
from payloads.verdicts.signers import Asked, Signers

# What is done with an item. It pauses with the signatures whose signers it is going to ask for, and
# once more when it has asked; it prints nothing before: so results keep the order of the items.
Act = Callable[[Item], Iterator[Iterable[Asked]]]

Begun = tuple[Item, Iterator[object]]

_MOST_ITEMS, _MOST_SIZE = 64, 2**22


class Batch:
    """Items that wait for the signers of others. `one` does something with an item, errors too."""

    def __init__(
        self, act: Act, one: Callable[[Item, Callable[[Item], None]], None], signers: Signers
    ) -> None:
        self._act, self._one, self._signers = act, one, signers
        self._workers = Workers(1)  # the cores are for processes (--jobs)
        self._begun: list[Begun] = []
        self._asked: list[Asked] = []
        self._size = 0

    def take(self, item: Item) -> None:
        """Begin with an item; go on with all if enough of them wait."""
        begun: Iterator[object] = iter(())
        if item.error is None and not item.other:
            begun = self._act(item)
            try:
                self._asked += next(begun, ())
            except PayloadError as error:  # to be told when it is this item's turn
                item = replace(item, error=error)
        self._begun.append((item, begun))
        self._size += len(item.value)
        if len(self._begun) >= _MOST_ITEMS or self._size >= _MOST_SIZE:
            self.work()

    def work(self) -> None:
        """Go on with all items that wait."""
        begun, asked = self._begun, self._asked
        self._begun, self._asked, self._size = [], [], 0
        self._signers.learn(asked, self._workers)
        # Recoveries drive all else out of the processor's caches, so they come one after the other.
        asked_all = [self._gone_on(item, rest) for item, rest in begun]
        for item, rest in asked_all:
            self._one(item, lambda _, rest=rest: _run(rest))  # type: ignore[misc]

    @staticmethod
    def _gone_on(item: Item, rest: Iterator[object]) -> Begun:
        """An item that has asked for its signers, or the error of that."""
        try:
            next(rest, None)
        except PayloadError as error:  # to be told when it is this item's turn
            return replace(item, error=error), rest
        return item, rest


def _run(rest: Iterable[object]) -> None:
    for _ in rest:
        pass
