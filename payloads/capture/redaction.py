"""Credentials: how a capture or a log finds them, and what it keeps instead.

A credential is known in one of four ways. It is a `Secret` of the session. It is a header or a
parameter that a `Dial` or `Request` names as secret, or that always is a secret. The session's
`redact` took it out of a sent message. Or it stands in an HTTP request or reply under a telling
name, like `accessToken`. The recorder learns the values and takes them out wherever they appear.
Nothing else in a frame is changed.
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

ALWAYS_SECRET = frozenset(
    {"authorization", "cookie", "proxy-authorization", "set-cookie", "x-api-key"}
)
# Names under which a reply, a form or a query carries a credential. A signature is one only in
# requests: in replies, signatures are the subject of this package.
TELLING = re.compile(
    r"token|secret|passw|passphrase|jwt|private.?key|api.?key|cookie|bearer|credential|session"
    r"|auth(?!or(?!i[sz]))|(?<![a-z])sid(?![a-z])",
    re.I,
)
IN_REQUESTS = re.compile(TELLING.pattern + "|sign", re.I)
# Such a name within a text, as in a URL or in JSON that is cut off, and not in a sentence.
_NAMED = re.compile(rf"""({TELLING.pattern})[\w.-]*(=|["']\s*:)""", re.I)
# Shorter values than these are words, not credentials.
SHORTEST = 16
# The names of subprotocols are shorter.
_PROTOCOL_CHARACTERS = 64
_DEEPEST = 4
_FEW = 64


def secrets_of(asking: Dial | Request) -> Iterator[str]:
    """The values of the headers and parameters that are secret."""
    names = {name.lower() for name in asking.secret_headers} | ALWAYS_SECRET
    for name, value in asking.headers:
        if name.lower() in names:
            yield value
            # `Bearer <token>`, `name=<cookie>; …`: the credential also stands alone in it.
            yield from value.split()[1:]
            yield from (_cookie(pair) for pair in value.split(";") if "=" in pair)
    parameters = set(asking.secret_parameters) if isinstance(asking, Dial) else set()
    for name, value in _query(asking.url):
        if name in parameters or (isinstance(asking, Request) and IN_REQUESTS.search(name)):
            yield value
            yield unquote_plus(value)
            yield unquote(value)


def secrets_in(holder: Any, depth: int = 0) -> Iterator[Secret]:
    """Every `Secret` in the attributes of an object, and in what these contain."""
    if isinstance(holder, Secret):
        yield holder
    elif depth < _DEEPEST:
        for part in _contents(holder):
            yield from secrets_in(part, depth + 1)


def _contents(holder: Any) -> Iterable[Any]:
    """The parts of an object of this package, or of a small container: credentials are few."""
    if isinstance(holder, dict):
        holder = tuple(holder.values()) if len(holder) <= _FEW else ()
    if isinstance(holder, list | tuple | set | frozenset):
        return holder if len(holder) <= _FEW else ()
    if isinstance(holder, msgspec.Struct):
        return [getattr(holder, name) for name in holder.__struct_fields__]
    return getattr(holder, "__dict__", {}).values()


def removed(message: Message, clean: Message) -> Iterator[str]:
    """The texts of a JSON message that its redacted form lacks."""
    if message == clean:
        return
    kept = set(_texts(_json(clean)))
    for text in _texts(_json(message)):
        if text not in kept and len(text) >= SHORTEST:
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


def handshake_detail(url: str, headers: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """A dial out of another tool's file: names alone show where a credential may be."""
    before, at, after = url.partition("://")
    user, mark, _ = after.partition("/")[0].rpartition("@")
    if mark:
        url = before + at + REDACTED + after[len(user) :]
    telling = [name for name, _ in _query(url) if _may_be_secret(name)]
    return {"url": _url(url, telling), "headers": handshake_headers(headers)}


def handshake_headers(headers: Iterable[tuple[str, str]]) -> list[list[str]]:
    """Headers of such a dial, or of the answer."""
    return [[name, REDACTED if _may_be_secret(name, value) else value] for name, value in headers]


# Names of the protocol that only look like those of credentials.
_HARMLESS = frozenset({
    "sec-websocket-key", "sec-websocket-accept", "sec-websocket-version",
    "sec-websocket-extensions",
})  # fmt: skip


def _may_be_secret(name: str, value: str = "") -> bool:
    lowered = name.lower()
    if lowered in _HARMLESS:
        return False
    if lowered == "sec-websocket-protocol":  # browsers can send a token nowhere else
        return TELLING.search(value) is not None or len(value) > _PROTOCOL_CHARACTERS
    return lowered in ALWAYS_SECRET or "key" in lowered or bool(IN_REQUESTS.search(lowered))


def request_detail(request: Request) -> dict[str, Any]:
    """A request as a capture keeps it: with the size of its body, and without the body."""
    telling = [name for name, _ in _query(request.url) if IN_REQUESTS.search(name)]
    return {
        "purpose": request.purpose,
        "method": request.method,
        "url": _url(request.url, telling),
        "headers": _headers(request),
        "body_bytes": len(request.body),
    }


def reply_detail(request: Request, reply: Reply, learn: Callable[[str], None]) -> dict[str, Any]:
    """A reply as a capture keeps it; `learn` is called with each credential in it.

    Its body is kept as it is, or not at all. It is not kept where the request says that it is
    secret, where a credential was found in it, and where none could have been found.
    """
    for name, value in reply.headers:
        if name.lower() == "set-cookie":
            learn(_cookie(value.partition(";")[0]))
    content = _json(reply.body)
    credentials = list(_credentials_in(content))
    for text in credentials:
        if len(text) >= SHORTEST:
            learn(text)
    size = len(reply.body)
    detail = {"purpose": reply.purpose, "status": reply.status, "body_bytes": size}
    secret = request.secret_reply or credentials
    if not secret and (body := _harmless(reply.body, content)) is not None:
        detail["body"] = body
    return detail


def _harmless(body: bytes, content: Any) -> str | None:
    """A body as text; None where a credential in it would not be recognised."""
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return None
    if isinstance(content, dict | list):
        return text
    # A sentence, a page, broken JSON: a telling name does not show which part is the credential.
    # NUL hides names (UTF-16). One long word may be a token.
    word = text.strip()
    if TELLING.search(word) or "\0" in word:
        return None
    return text if _starts_json(word) or " " in word or len(word) < SHORTEST else None


def _cookie(pair: str) -> str:
    """The value of a cookie."""
    return pair.partition("=")[2].strip(' "')


def _credentials_in(value: Any, is_named: bool = False) -> Iterator[str]:
    """Texts under a telling name, at any depth below it; also in JSON that is a text in JSON."""
    if isinstance(value, dict):
        for key, part in value.items():
            yield from _credentials_in(part, is_named or TELLING.search(str(key)) is not None)
    elif isinstance(value, list):
        for part in value:
            yield from _credentials_in(part, is_named)
    elif isinstance(value, str) and value:
        inner = _json(value) if _starts_json(value.strip()) else None
        if is_named or (inner is None and _NAMED.search(value)):
            yield value
        yield from _credentials_in(inner, is_named)


def _starts_json(text: str) -> bool:
    return text.startswith(("{", "["))


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for part in value:
            yield from _texts(part)
    elif isinstance(value, str):
        yield value


def _json(data: Message) -> Any:
    try:
        return parse_json(data)
    except Malformed:
        return None


def _headers(asking: Dial | Request) -> list[list[str]]:
    names = {name.lower() for name in asking.secret_headers} | ALWAYS_SECRET
    return [
        [name, REDACTED if name.lower() in names else value] for name, value in asking.headers
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
