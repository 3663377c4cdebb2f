"""What a keeper lets through: a `Policy`, and `PolicyRefusal` for what it stops."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from payloads.abi.fields import Record
from payloads.errors import Misuse, shown
from payloads.signatures import address_bytes
from payloads.verdicts.checks import Finding
from payloads.verdicts.verdict import VerdictRefusal

SEVERITIES = ("danger", "warning", "note")


class Policy(Record, frozen=True, kw_only=True):
    """The rules of a guard beside the contract's own. `docs/keepers.md` has them as a table.

    `margin`: seconds by which the block that takes the transaction may be later than the newest
    one; None is two blocks of that chain. `max_age`: seconds that the state may be old; None is any
    age. `refuse`: severities and codes of the findings that stop a transaction. `feeds`: the feed
    ids (Stork: asset ids) that payloads may be of. `recipients`: the contracts that transactions
    may go to. `max_fee`: the most that a call may cost, in the smallest unit of what it pays in.
    None in these three allows all. `consumers`: contracts of your own that hand payloads on to the
    contract that verifies; a transaction to any other contract is not judged.
    """

    margin: int | None = None
    max_age: int | None = 600
    refuse: tuple[str, ...] = ("danger",)
    feeds: tuple[str | bytes | int, ...] | None = None
    recipients: tuple[str | bytes, ...] | None = None
    max_fee: int | None = None
    consumers: tuple[str | bytes, ...] = ()

    def __post_init__(self) -> None:
        for name in ("margin", "max_age", "max_fee"):
            value = getattr(self, name)
            if value is not None and (type(value) is not int or value < 0):
                expected = "an integer that is not negative, or None"
                raise Misuse("not a limit", field=name, expected=expected, found=shown(value))
        for name in ("refuse", "feeds", "recipients", "consumers"):
            value = getattr(self, name)
            if value is not None and not isinstance(value, tuple):
                raise Misuse("not a tuple", field=name, found=type(value).__name__)
        self.wanted_feeds()
        self.wanted_recipients()
        self.known_consumers()

    def wanted_feeds(self) -> frozenset[bytes | int] | None:
        """The feeds as payloads have them: ids of 32 bytes, or numbers of assets."""
        return None if self.feeds is None else frozenset(map(_feed, self.feeds))

    def wanted_recipients(self) -> frozenset[bytes] | None:
        """The recipients as addresses."""
        if self.recipients is None:
            return None
        return frozenset(address_bytes(each, "recipients") for each in self.recipients)

    def known_consumers(self) -> frozenset[bytes]:
        """The consumers as addresses."""
        if not self.consumers:
            return frozenset()
        return frozenset(address_bytes(each, "consumers") for each in self.consumers)

    def stops(self, findings: Iterable[Finding]) -> list[Finding]:
        """The findings that stop a transaction."""
        refuse = self.refuse
        return [each for each in findings if each.severity in refuse or each.code in refuse]


def _feed(feed: Any) -> bytes | int:
    if type(feed) is int or (isinstance(feed, bytes) and len(feed) == 32):
        return feed
    try:
        raw = bytes.fromhex(feed.removeprefix("0x"))
    except (AttributeError, TypeError, ValueError):
        raw = b""
    if len(raw) != 32:
        raise Misuse("not a feed", field="feeds", expected="32 bytes, or a number of an asset",
                     found=shown(feed))  # fmt: skip
    return raw


class PolicyRefusal(VerdictRefusal):
    """`Refused`, by a `Policy`: the contract would take the call."""
