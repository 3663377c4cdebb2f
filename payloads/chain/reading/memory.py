"""The memory of a reading: the next reading asks only for what is new.

Three kinds of things are kept. *Events* of each contract, up to a settled block. *Answers*, to
questions whose answer stays the same as long as the blocks before it stay. *Marks*: numbers and
hashes of blocks, which show how far back the chain is still the same.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any

import msgspec

from payloads.abi.fields import Record
from payloads.chain.rpc import Node
from payloads.errors import Misuse

_Natural = Annotated[int, msgspec.Meta(ge=0)]
_Word = str | int | bool | list[str]
# Block time, block, place in the block, name, transaction, and the arguments.
Row = tuple[_Natural, _Natural, _Natural, str, str, list[_Word]]
Answer = str | int | bool | tuple[int, int]
MOST_MARKS = 48


class Mark(Record, frozen=True):
    """A block as it was when it was read."""

    number: _Natural
    hash: str


class Memory(Record, frozen=True, kw_only=True):
    """The things that are kept.

    `events` are by contract and query, up to block `settled`. An answer has the block that it was
    asked at. `since` and `subscriber` are arguments of the reading. The last of the `marks` is the
    block read at.
    """

    since: int | None = None
    subscriber: str | None = None
    settled: Annotated[int, msgspec.Meta(ge=-1)] = -1
    marks: tuple[Mark, ...] = ()
    events: dict[str, list[Row]] = msgspec.field(default_factory=dict)
    answers: dict[str, tuple[Answer, _Natural]] = msgspec.field(default_factory=dict)

    @classmethod
    def from_json(cls, content: Any, path: str) -> Memory:
        """The memory in a file; `Misuse` for anything else."""
        try:
            return msgspec.convert(content, cls)
        except msgspec.ValidationError as error:
            problem = str(error)
        raise Misuse("not the memory of a live state", field=f"{path}: live", found=problem)

    def to_json(self) -> Any:
        return msgspec.to_builtins(self)

    def last_common(self, node: Node, head: int) -> Mark | None:
        """The newest mark that is still a block of the node's chain."""
        for mark in reversed(self.marks):
            if mark.number <= head and node.block_again(mark.number).hash == mark.hash:
                return mark
        return None

    def back_to(self, mark: Mark | None) -> Memory:
        """The memory without what later blocks than the mark said."""
        if mark is None:
            return Memory(since=self.since, subscriber=self.subscriber)
        if mark == self.marks[-1]:
            return self
        return Memory(
            since=self.since,
            subscriber=self.subscriber,
            settled=min(self.settled, mark.number),
            marks=tuple(each for each in self.marks if each.number <= mark.number),
            events={key: _until(rows, mark.number) for key, rows in self.events.items()},
            answers={
                key: answer for key, answer in self.answers.items() if answer[1] <= mark.number
            },
        )

    def after(
        self,
        settled: Mark | None,
        head: Mark,
        events: dict[str, list[Row]],
        answers: dict[str, tuple[Answer, int]],
    ) -> Memory:
        """The memory for the reading after this one. The settled events are kept."""
        last = -1 if settled is None else settled.number
        earlier = [mark for mark in self.marks if mark.number < last]
        marks = [*_thinned(earlier), *filter(None, [settled]), head]
        return Memory(
            since=self.since,
            subscriber=self.subscriber,
            settled=last,
            marks=tuple(dict.fromkeys(marks)),
            events={key: _until(rows, last) for key, rows in events.items()},
            answers=answers,
        )


def _until(rows: Iterable[Row], number: int) -> list[Row]:
    return [row for row in rows if row[1] <= number]


def _thinned(marks: list[Mark]) -> list[Mark]:
    """Few marks, close together at the end: of an old pair of neighbours one is enough."""
    while len(marks) > MOST_MARKS:
        newest = marks[-1].number
        gaps = [
            (later.number - earlier.number) / (newest - later.number + 1)
            for earlier, later in zip(marks, marks[2:], strict=False)
        ]
        del marks[1 + gaps.index(min(gaps))]
    return marks


def key_of(*parts: Any) -> str:
    """The text that names a question, or a query of events."""
    return " ".join("0x" + part.hex() if isinstance(part, bytes) else str(part) for part in parts)
