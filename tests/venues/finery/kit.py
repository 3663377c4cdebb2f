"""What the tests of Finery's session share: a session that has come so far, and what it says."""

from __future__ import annotations

from typing import Any

from payloads.venues.common.redactor import Secret
from payloads.venues.common.session import Session
from payloads.venues.finery.auth import NonceSequence
from payloads.venues.finery.feeds import Binding, Selection
from payloads.venues.finery.session import FinerySession
from tests.venues import kit

# Both are published by the venue as samples.
KEY = "RlZ4sKsHSr5zmYKIzbtf772J9y9gx8nekd8COrawI5V"
SECRET = Secret("cZpZ1vwzOaXuiONfIQVg8h6za97FoHhrwwgoSCNwDAR")
MS = 10**6
NOW = 1_628_489_110_490 * MS
UP = '["X",0,"Z",0]'
DOWN = '["X",0,"Z",2]'


def make(*bindings: Binding, **options: Any) -> FinerySession:
    options.setdefault("nonces", NonceSequence())
    return FinerySession(KEY, SECRET, bindings, **options)


def opened(*bindings: Binding) -> FinerySession:
    session = make(*bindings)
    session.dial(NOW)
    session.opened(NOW)
    return session


def up(*bindings: Binding) -> FinerySession:
    """A session that has just been told that the link is up; its binds are taken."""
    session = opened(*bindings)
    session.received(UP, NOW)
    session.take()
    return session


def say(session: Session, message: Any, now: int = NOW) -> list[Any]:
    return kit.say(session, message, now)


def bids(session: FinerySession, feed: str, feed_id: Any) -> list[tuple[int, int]]:
    book = session.book(feed, feed_id)
    assert book
    return book.bids()


ORDER = ["BTC-EUR", 0, 0, 0, 5, 6, 7, 8, 9, 10, 0]


DEAL: list[Any] = [
    "BTC-USDT", 4, 0, 0, 48221507535, 0, 0, 100000000, 0, 1709716088000, 1709716088000, 1864944, 0,
    6674859047619, 85000000, 5673630190500, 0, 87, 0, 0, 1864943,
]  # fmt: skip


CLIENT = Selection("BTC-EUR", client_id=5)
MAKERS = Selection("BTC-USD", makers=(1, 2, 3))
