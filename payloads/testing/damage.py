"""What was done to a payload or its call: a label with two numbers, so that it shrinks.

Each system has a table of its labels. A label's function damages a draft of a call, at the stage
where it belongs, and answers what the contract must do then: `None` where it accepts, `False` where
it returns false, or its revert data. The answer is written from the rules of the contracts, not
taken from this library's verdict; tests hold both against the contracts themselves.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from payloads.abi.fields import Record

# What the contract does: accepts, returns false, or reverts with these bytes.
Answer = bytes | Literal[False] | None
NONE = "none"
STAGES = ("report", "signatures", "encoding", "call")


class Damage(Record, frozen=True):
    """A label, and where and how much: any two numbers, which a label reads as it needs them."""

    name: str
    at: int = 0
    amount: int = 0


@dataclass(frozen=True)
class Label:
    """A kind of damage: what it is in words, when it is done, and what a state must have for it.

    `needs` is a key of the system's `Needs`; "" means that any state will do. `family` is what a
    receiver checks to see the damage: the stage, or the payment or the clock.
    """

    name: str
    meaning: str
    stage: str
    apply: Callable[[Any, Damage], Answer]
    needs: str
    family: str


@dataclass(frozen=True)
class Need:
    """What a label needs of a state: the generations that can have it, and how to see it."""

    generations: tuple[str, ...]
    met: Callable[[Any], bool]


class Labels:
    """The labels of a system, in the order in which they shrink."""

    def __init__(self, generations: tuple[str, ...], **needs: Need) -> None:
        self.needs = {"": Need(generations, lambda state: True)} | needs
        self.known: dict[str, Label] = {}

    def label(
        self, name: str, stage: str, meaning: str, needs: str = "", family: str = ""
    ) -> Callable[[Callable[[Any, Damage], Answer]], Callable[[Any, Damage], Answer]]:
        """Register a function as what the label of this name does."""

        def register(apply: Callable[[Any, Damage], Answer]) -> Callable[[Any, Damage], Answer]:
            self.known[name] = Label(name, meaning, stage, apply, needs, family or stage)
            return apply

        return register

    def fitting(self, state: Any) -> list[str]:
        """The names of the labels that a state can show."""
        return [name for name, label in self.known.items() if self.needs[label.needs].met(state)]

    def of(self, generation: str) -> list[str]:
        """The names of the labels that states of a generation can show."""
        return [
            name for name, label in self.known.items()
            if generation in self.needs[label.needs].generations
        ]  # fmt: skip


def flipped(raw: bytes, start: int, end: int, damage: Damage) -> bytes:
    """The bytes with one bit changed between two positions."""
    at = start + damage.at % (end - start)
    return raw[:at] + bytes([raw[at] ^ 1 << damage.amount % 8]) + raw[at + 1 :]
