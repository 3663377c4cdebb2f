"""A venue as the rest of the package knows it: the record that its folder exports as `VENUE`.

The command line, the simulators and the importers read it; none of them names a venue. The module
of a venue's session is imported when the first session is made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from payloads.abi.fields import Record
from payloads.errors import Misuse
from payloads.venues.common.redactor import Secret
from payloads.venues.common.session import SECOND, Session
from payloads.venues.common.session_group import SessionGroup

_MOST_DIGITS = 20
# Help texts of options that more than one venue has.
SILENCE = "SECONDS without a message after which to dial again"
REST = "URL of the REST service, where the endpoint is a URL"


def is_number(text: str) -> bool:
    """Whether a text of a user is a whole number, in ASCII and of a sensible length."""
    return text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS


def variable(venue: str, name: str) -> str:
    """The environment variable for a venue's credential."""
    return f"PAYLOADS_{venue}_{name}".upper().replace("-", "_")


class SessionConfig(Record, frozen=True):
    """The configuration of a session, in the texts of the command line."""

    subscriptions: tuple[str, ...] = ()
    endpoint: str = ""
    options: Mapping[str, str] = {}
    credentials: Mapping[str, Secret] = {}
    venue: str = ""

    def credential(self, name: str) -> Secret:
        """A credential; `Misuse` if it is not given."""
        if name not in self.credentials:
            raise self.missing(name)
        return self.credentials[name]

    def missing(self, *names: str, why: str = "a credential is missing") -> Misuse:
        """The error for none of these credentials; it says where they may be given."""
        places = " or ".join(variable(self.venue, name) for name in names)
        field = " or ".join(names)
        elsewhere = f"{field} in a file of --credentials (in Python, an argument)"
        expected = f"{places} in the environment, or {elsewhere}"
        return Misuse(why, field=field, expected=expected)

    def flag(self, name: str, default: bool = False) -> bool:
        """An option that is yes or no."""
        value = self.options.get(name, "yes" if default else "no").lower()
        if value not in ("yes", "true", "1", "no", "false", "0"):
            raise Misuse("neither yes nor no", field=name, expected="yes or no", found=value)
        return value in ("yes", "true", "1")

    def number(self, name: str, of: str = "") -> int | None:
        """An option that is a whole number."""
        if (value := self.options.get(name)) is None:
            return None
        if not is_number(value):
            raise Misuse(f"not a number{of}", field=name, expected="digits", found=value)
        return int(value)

    def seconds(self, name: str) -> int | None:
        """An option in seconds, as nanoseconds."""
        found = self.number(name, " of seconds")
        return None if found is None else found * SECOND


class Venue(Record, frozen=True):
    """A venue. `subscription` says how a subscription is written.

    `endpoints` are the names of its endpoints. `options` has the words for the help of each option.
    """

    name: str
    title: str
    subscription: str
    endpoints: tuple[str, ...]
    credentials: tuple[str, ...]
    options: Mapping[str, str]
    # Makes the session; or a group, if the venue is asked first which sessions there are.
    make: Callable[[SessionConfig], Session | SessionGroup]
    # The ends of its hosts' names, by which the venue of recorded traffic is recognised.
    hosts: tuple[str, ...] = ()
    # Whether a session needs at least one subscription.
    needs_subscriptions: bool = True
    # The simulator's class, as "module:Class"; "" for none.
    simulator: str = ""
    # The records in a message (its JSON, as `json_text.parse_json` reads it), for venues that sign
    # nothing. `Malformed` for a message that is not what it should be.
    records: Callable[[Any], Iterable[Record]] = lambda content: ()
