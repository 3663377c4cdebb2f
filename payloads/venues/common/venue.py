"""What everybody else knows of a venue: the record that each venue's folder exports as `VENUE`.

The command line, the simulators and the importers read it; none of them names a venue. A venue's
session is imported when the first one is made.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from payloads.abi.fields import Record
from payloads.errors import Misuse
from payloads.venues.common.redactor import Secret
from payloads.venues.common.session import SECOND, Session
from payloads.venues.common.session_group import SessionGroup

_MOST_DIGITS = 18
# Help texts of options that more than one venue has.
SILENCE = "SECONDS without a message after which to dial again"
REST = "URL of the REST service, where the endpoint is a URL"


def is_number(text: str) -> bool:
    """Whether a text of a user is a whole number, in ASCII and of a sensible length."""
    return text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS


def variable(venue: str, name: str) -> str:
    """The environment variable for a venue's credential."""
    return f"PAYLOADS_{venue}_{name}".upper().replace("-", "_")


class Asked(Record, frozen=True):
    """What somebody wants of a venue: subscriptions, where, how, and with which credentials."""

    what: tuple[str, ...] = ()
    endpoint: str = ""
    options: Mapping[str, str] = {}
    credentials: Mapping[str, Secret] = {}
    venue: str = ""

    def credential(self, name: str) -> Secret:
        """A credential that there must be."""
        if name not in self.credentials:
            raise self.missing(name)
        return self.credentials[name]

    def missing(self, *names: str, why: str = "a credential is missing") -> Misuse:
        """What to say where there is none of these credentials."""
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

    def seconds(self, name: str) -> int | None:
        """An option in seconds, as nanoseconds."""
        if (value := self.options.get(name)) is None:
            return None
        if not is_number(value):
            raise Misuse("not a number of seconds", field=name, expected="digits", found=value)
        return int(value) * SECOND


class Venue(Record, frozen=True):
    """A venue as the rest of the package sees it. `what` describes one subscription.

    `endpoints` are those that have a name, and `options` say what each of them takes and does.
    """

    name: str
    title: str
    what: str
    endpoints: tuple[str, ...]
    credentials: tuple[str, ...]
    options: Mapping[str, str]
    # Makes the session; a group of sessions where the venue is asked first which there are.
    make: Callable[[Asked], Session | SessionGroup]
    # The ends of its hosts' names, by which recorded traffic is known as this venue's.
    hosts: tuple[str, ...] = ()
    # Whether a session has to be told what to subscribe to.
    needs_subscriptions: bool = True
    # The simulator's class, as "module:Class"; "" for none.
    simulator: str = ""
