"""What must not reach a capture, and how what surrounds it is kept.

Credentials are known in four ways: a session's `Secret`s, the headers and parameters that a `Dial`
or `Request` names as secret (and those that always are), what a session's own `redact` took out of
a sent message, and what stands in an HTTP reply or request under a name that says what it is. The
recorder learns the values, and takes them out wherever they appear; no frame is changed otherwise.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from urllib.parse import unquote, unquote_plus

import msgspec

from payloads.capture.frames import Incident
from payloads.errors import Malformed
from payloads.venues.common.json_text import parse_json
from payloads.venues.common.redactor import REDACTED, Message, Redactor, Secret
from payloads.venues.common.session import Dial, Reply, Request

_ALWAYS_SECRET = frozenset(
    {"authorization", "cookie", "proxy-authorization", "set-cookie", "x-api-key"}
)
# Names under which a reply, a form or a query carries something that lets one in. A signature does
# only where it is asked with: in replies it is what this package is about.
_TELLING = re.compile(
    r"token|secret|passw|passphrase|jwt|private.?key|api.?key|cookie|bearer|credential|session"
    r"|auth(?!or(?!i[sz]))|(?<![a-z])sid(?![a-z])",
    re.I,
)
_ASKING = re.compile(_TELLING.pattern + "|sign", re.I)
# Such a name within a text, as in a URL or in JSON that is cut off, and not in a sentence.
_NAMED = re.compile(rf"""({_TELLING.pattern})[\w.-]*(=|["']\s*:)""", re.I)
# Shorter values than these are words, not credentials.
_SHORTEST = 16
_DEEPEST = 4
_FEW = 64


def secrets_of(one: Dial | Request) -> Iterator[str]:
    """The values of the headers and parameters that are secret."""
    names = {name.lower() for name in one.secret_headers} | _ALWAYS_SECRET
    for name, value in one.headers:
        if name.lower() in names:
            yield value
            # `Bearer <token>`, `name=<cookie>; …`: what is in it by itself is the credential.
            yield from value.split()[1:]
            yield from (_cookie(one) for one in value.split(";") if "=" in one)
    parameters = set(one.secret_parameters) if isinstance(one, Dial) else set()
    for name, value in _query(one.url):
        if name in parameters or (isinstance(one, Request) and _ASKING.search(name)):
            yield value
            yield unquote_plus(value)
            yield unquote(value)


def secrets_in(holder: Any, depth: int = 0) -> Iterator[Secret]:
    """Every `Secret` that an object holds, in its attributes and what they contain."""
    if isinstance(holder, Secret):
        yield holder
    elif depth < _DEEPEST:
        for part in _contents(holder):
            yield from secrets_in(part, depth + 1)


def _contents(holder: Any) -> Iterable[Any]:
    """What is in an object of this package, or in a small container: credentials come in few."""
    if isinstance(holder, dict):
        holder = tuple(holder.values()) if len(holder) <= _FEW else ()
    if isinstance(holder, list | tuple | set | frozenset):
        return holder if len(holder) <= _FEW else ()
    if isinstance(holder, msgspec.Struct):
        return [getattr(holder, name) for name in holder.__struct_fields__]
    return getattr(holder, "__dict__", {}).values()


def removed(message: Message, clean: Message) -> Iterator[str]:
    """The texts of a JSON message that its redacted form does not have any more."""
    if message == clean:
        return
    kept = set(_texts(_json(clean)))
    for text in _texts(_json(message)):
        if text not in kept and len(text) >= _SHORTEST:
            yield text


def clean_incident(incident: Incident, redactor: Redactor) -> Incident:
    """An incident without any credential that the redactor knows."""
    detail = _cleaned(incident.detail, redactor)
    if detail == incident.detail:
        return incident
    venue, connection = incident.venue, incident.connection
    return Incident(venue, connection, incident.at, incident.what, detail, True)


def _cleaned(value: Any, redactor: Redactor) -> Any:
    if isinstance(value, dict):
        return {key: _cleaned(part, redactor) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_cleaned(part, redactor) for part in value]
    return redactor.clean(value) if isinstance(value, str) else value


def dial_detail(dial: Dial) -> dict[str, Any]:
    """A dial as a capture keeps it."""
    return {"url": _url(dial.url, dial.secret_parameters), "headers": _headers(dial)}


def request_detail(request: Request) -> dict[str, Any]:
    """A request as a capture keeps it: its body is not kept, only its size."""
    telling = [name for name, _ in _query(request.url) if _ASKING.search(name)]
    return {
        "purpose": request.purpose,
        "method": request.method,
        "url": _url(request.url, telling),
        "headers": _headers(request),
        "body_bytes": len(request.body),
    }


def reply_detail(request: Request, reply: Reply, learn: Callable[[str], None]) -> dict[str, Any]:
    """A reply as a capture keeps it; what in it lets one in is learnt.

    Its body is kept as it is, or not at all: not where the request says that it is secret, where it
    has anything in it that lets one in, or is no text, in which that could not be seen.
    """
    for name, value in reply.headers:
        if name.lower() == "set-cookie":
            learn(_cookie(value.partition(";")[0]))
    content = _json(reply.body)
    told = list(_telling(content))
    for text in told:
        if len(text) >= _SHORTEST:
            learn(text)
    size = len(reply.body)
    detail = {"purpose": reply.purpose, "status": reply.status, "body_bytes": size}
    secret = request.secret_reply or told
    if not secret and (body := _harmless(reply.body, content)) is not None:
        detail["body"] = body
    return detail


def _harmless(body: bytes, content: Any) -> str | None:
    """A body as text, unless nobody can tell what is in it."""
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return None
    if isinstance(content, dict | list):
        return text
    # A sentence, a page, broken JSON: there is no telling which of it goes with such a name, nor
    # in what is not spelled in the open. One long word may be a token.
    word = text.strip()
    if _TELLING.search(word) or "\0" in word:
        return None
    return text if _starts_json(word) or " " in word or len(word) < _SHORTEST else None


def _cookie(pair: str) -> str:
    """The value of a cookie."""
    return pair.partition("=")[2].strip(' "')


def _telling(value: Any, told: bool = False) -> Iterator[str]:
    """Texts under a telling name, at any depth below it; also in JSON that is a text in JSON."""
    if isinstance(value, dict):
        for key, one in value.items():
            yield from _telling(one, told or _TELLING.search(str(key)) is not None)
    elif isinstance(value, list):
        for one in value:
            yield from _telling(one, told)
    elif isinstance(value, str) and value:
        inner = _json(value) if _starts_json(value.strip()) else None
        if told or (inner is None and _NAMED.search(value)):
            yield value
        yield from _telling(inner, told)


def _starts_json(text: str) -> bool:
    return text.startswith(("{", "["))


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for one in value:
            yield from _texts(one)
    elif isinstance(value, str):
        yield value


def _json(data: Message) -> Any:
    try:
        return parse_json(data)
    except Malformed:
        return None


def _headers(one: Dial | Request) -> list[list[str]]:
    names = {name.lower() for name in one.secret_headers} | _ALWAYS_SECRET
    return [
        [name, REDACTED if name.lower() in names else value] for name, value in one.headers
    ]  # fmt: skip


def _query(url: str) -> list[tuple[str, str]]:
    """Names and values as they stand in the URL, not unquoted."""
    query = url.partition("#")[0].partition("?")[2]
    return [(name, value) for name, _, value in (part.partition("=") for part in query.split("&"))]


def _url(url: str, secret: Any) -> str:
    before, mark, query = url.partition("?")
    names = set(secret)
    shown = [
        f"{name}={REDACTED}" if name in names else part
        for part, (name, _) in zip(query.split("&"), _query(url), strict=False)
    ]
    return before + mark + "&".join(shown)
