"""Reading Stork's taxonomy while a connection is open: when to ask, and what came of it."""

from __future__ import annotations

from payloads.errors import Malformed, Refused
from payloads.venues.common.redactor import Redactor, Secret
from payloads.venues.common.session import SECOND, Broken, Event, Reply, Request
from payloads.venues.common.timers import RetryTimer, Timeout
from payloads.venues.stork.codes import PAUSE, refusal
from payloads.venues.stork.rest import Taxonomy, read_taxonomy, taxonomy_request

_ATTEMPTS = 5
_ANSWER_WITHIN = 60 * SECOND


class TaxonomyRead(Event, frozen=True):
    """The taxonomy was read; `changed` if it differs from the taxonomy before."""

    taxonomy: Taxonomy
    changed: bool = False


class TaxonomyReader:
    """The taxonomy as it was read last, and the request for the next taxonomy.

    A request that is refused for the moment, or never answered, is made again a few times.
    """

    def __init__(self, token: Secret, endpoint: str, redactor: Redactor) -> None:
        self.latest: Taxonomy | None = None
        # Why the taxonomy will not be read any more on this connection.
        self.gave_up = ""
        self._token, self._endpoint, self._redactor = token, endpoint, redactor
        self.due = RetryTimer(PAUSE, attempts=_ATTEMPTS)
        self.answer = Timeout(_ANSWER_WITHIN)

    @property
    def busy(self) -> bool:
        """Whether a request is planned or under way."""
        return self.due.deadline is not None or self.answer.deadline is not None

    def want(self) -> None:
        """Ask as soon as possible, unless an answer is on its way."""
        if self.answer.deadline is None:
            self.gave_up = ""
            self.due.at(0)

    def request(self, now: int) -> Request:
        """The request, to be made when `due` has expired."""
        self.answer.start(now)
        return taxonomy_request(self._token, self._endpoint)

    def expired(self, now: int) -> list[Event]:
        """The events for an answer that did not come in time."""
        return self._failed(Reply("taxonomy", 0, b""), now) if self.answer.expired(now) else []

    def replied(self, reply: Reply, now: int) -> list[Event]:
        self.answer.stop()
        try:
            taxonomy = read_taxonomy(reply, self._redactor)
        except Refused:
            return self._failed(reply, now)
        except Malformed as error:
            self.due.reset()
            self.gave_up = f"the taxonomy cannot be read: {error}"
            return [Broken(error, self._redactor.clean(reply.body))]
        self.due.reset()
        before, self.latest = self.latest, taxonomy
        return [TaxonomyRead(taxonomy, before is not None and before != taxonomy)]

    def _failed(self, reply: Reply, now: int) -> list[Event]:
        rejected, retry = refusal(
            reply.status, reply.headers, reply.body, self._redactor, now=now, about="taxonomy"
        )
        if not retry.again or not self.due.failed(now, retry.at_least):
            self.due.reset()
            self.gave_up = f"the taxonomy was refused, {rejected.code}: {rejected.meaning}"
        return [rejected]
