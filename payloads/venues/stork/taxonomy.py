"""Reading Stork's taxonomy while a connection is open: when to ask, and what came of it.

`TaxonomyReader` keeps the one request that may be under way. What the REST service says no to for
the moment, and what it never answers, is asked again with growing pauses, a few times.
"""

from __future__ import annotations

from payloads.errors import Malformed, Refused
from payloads.venues.common.redactor import Redactor, Secret
from payloads.venues.common.session import SECOND, Broken, Event, Reply, Request
from payloads.venues.stork.rest import PAUSE, Taxonomy, read_taxonomy, refusal, taxonomy_request

_ATTEMPTS = 5
# When an answer is not thought to come any more.
_PATIENCE = 60 * SECOND


class TaxonomyRead(Event, frozen=True):
    """The taxonomy was read; `changed` if it is another one than before, or says something else."""

    taxonomy: Taxonomy
    changed: bool = False


class TaxonomyReader:
    """The taxonomy as it was read last, and how far the request for the next has come."""

    def __init__(self, token: Secret, endpoint: str, redactor: Redactor) -> None:
        self.latest: Taxonomy | None = None
        # Why it will not be read any more on this connection.
        self.gave_up = ""
        self._token, self._endpoint, self._redactor = token, endpoint, redactor
        self.stop()

    def stop(self) -> None:
        """Nothing is asked, and nothing waited for."""
        self._attempts, self._asked = 0, False
        # When to ask, or, once that is done, when to give the answer up.
        self.deadline: int | None = None

    def want(self, now: int) -> None:
        """Ask, unless an answer is on its way."""
        if not self._asked:
            self.deadline, self.gave_up = now, ""

    def due(self, now: int) -> list[Request]:
        """The request, when its time has come."""
        if self._asked or self.deadline is None or now < self.deadline:
            return []
        self._asked, self.deadline = True, now + _PATIENCE
        return [taxonomy_request(self._token, self._endpoint)]

    def check(self, now: int) -> list[Event]:
        """What there is to say of an answer that does not come."""
        if not self._asked or self.deadline is None or now < self.deadline:
            return []
        return self._failed(Reply("taxonomy", 0, b""), now)

    def replied(self, reply: Reply, now: int) -> list[Event]:
        try:
            taxonomy = read_taxonomy(reply, self._redactor)
        except Refused:
            return self._failed(reply, now)
        except Malformed as error:
            self.stop()
            self.gave_up = f"the taxonomy cannot be read: {error}"
            return [Broken(error, self._redactor.clean(reply.body))]
        self.stop()
        before, self.latest = self.latest, taxonomy
        return [TaxonomyRead(taxonomy, before is not None and before != taxonomy)]

    def _failed(self, reply: Reply, now: int) -> list[Event]:
        """The taxonomy was refused, or its answer never came: ask again, if that may help."""
        rejected, retry = refusal(
            reply.status, reply.headers, reply.body, self._redactor, now=now, about="taxonomy"
        )
        pause, attempts = PAUSE << self._attempts, self._attempts + 1
        self.stop()
        if retry.again and attempts < _ATTEMPTS:
            self._attempts, self.deadline = attempts, now + max(retry.at_least, pause)
        else:
            self.gave_up = f"the taxonomy was refused, {rejected.code}: {rejected.meaning}"
        return [rejected]
