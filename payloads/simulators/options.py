"""The options of simulators, and the records in which they report: plain data."""

from __future__ import annotations

import ssl
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, TypedDict

from payloads.abi.fields import Record
from payloads.simulators.faults import Rule


class Server(TypedDict, total=False):
    """The options of every server. `clock` returns nanoseconds since 1970."""

    host: str
    port: int
    clock: Callable[[], int]
    compress: bool
    tls: ssl.SSLContext | None
    ping_every: float


class Common(Server, total=False):
    """The options of every simulator.

    `rate` is in messages a second for each stream (None: the venue's own pace), `misbehave` is a
    plan as in `payloads.simulators.faults`, and `keep` is how many of the latest messages
    `sent` remembers.
    """

    rate: float | None
    seed: int
    misbehave: str | Iterable[Rule]
    keep: int


@dataclass
class Counters:
    """The counts of a simulator so far."""

    dials: int = 0
    connections: int = 0
    requests: int = 0
    received: int = 0
    frames: int = 0
    bytes: int = 0
    # Messages that were skipped, because the machine could not keep up with the rate.
    late: int = 0
    # Clients that were cut off because they did not read.
    too_slow: int = 0
    # By the venue's own code or status; by kind.
    refused: Counter[str] = field(default_factory=Counter)
    misbehaved: Counter[str] = field(default_factory=Counter)
    bad: Counter[str] = field(default_factory=Counter)

    def to_dict(self) -> dict[str, Any]:
        """The counters as the command line prints them with `--json`."""
        return {
            name: dict(value) if isinstance(value, Counter) else value
            for name, value in vars(self).items()
        }


class Endpoint(Record, frozen=True):
    """A websocket of a simulator: the session's venue in the catalogue, and where to connect.

    `url` is for any client and `base` for `payloads capture --endpoint`; `example` is something to
    subscribe to there.
    """

    venue: str
    title: str
    url: str
    base: str
    example: str


class Made(Record, frozen=True):
    """A message of a stream; `bad` is the kind of its bad payload, "" if the payload is good."""

    message: str | bytes
    bad: str = ""


class Sent(Record, frozen=True):
    """A message that was due to a client. `number` counts all of them. `fate` has the faults that
    it met, and `unsent` where a fault had ended the connection by then.
    """

    number: int
    peer: int
    stream: str
    message: str | bytes
    bad: str = ""
    fate: tuple[str, ...] = ()
