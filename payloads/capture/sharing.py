"""Records without credentials, for sharing: also those that other tools recorded in clear.

Two passes over the same records: `Credentials` learns from all of them, then `cleaned` takes out
what was learned, wherever it stands. What stands under a telling name is taken out in its place,
however short. Payloads stay as they are: in received frames, a signature is no credential.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import msgspec.structs

from payloads.capture.format import CaptureRecord, Header
from payloads.capture.frames import Frame, Incident
from payloads.capture.redaction import ALWAYS_SECRET, IN_REQUESTS, SHORTEST, TELLING
from payloads.errors import Malformed, Misuse
from payloads.venues.common.json_text import parse_json
from payloads.venues.common.redactor import REDACTED, Message, Redactor

# More of them are no credentials.
MOST = 1_000
_USER = re.compile(r"://([^/?#@\s]+)@")
_PARAMETER = re.compile(r"([?&#;]|^)([^=&#;?\s]+)=([^&#;\s]*)")
_BEARER = re.compile(r"(?:[\w.~+/-]+ +|[\w-]+=)")


class Credentials:
    """The credentials in records, and what takes them out."""

    def __init__(self) -> None:
        self._found: dict[str, None] = {}
        self._redactor: Redactor | None = None

    def learn(self, record: CaptureRecord) -> None:
        """Remember the credentials of a record."""
        self._redactor = None
        for text in _credentials(record):
            if len(text) >= SHORTEST and text != REDACTED:
                self._found[text] = None
        if len(self._found) > MOST:
            raise Misuse("too many credentials", expected=f"at most {MOST}", found="more")

    def cleaned(self, record: CaptureRecord) -> CaptureRecord:
        """The record without credentials; itself if there are none in it."""
        if isinstance(record, Frame):
            data = self._message(record)
            changed = data != record.data
            return msgspec.structs.replace(record, data=data, redacted=True) if changed else record
        if isinstance(record, Incident):
            detail = self._value(_hidden(record.detail))
            changed = detail != record.detail
            return (
                msgspec.structs.replace(record, detail=detail, redacted=True) if changed else record
            )
        if isinstance(record, Header):
            return msgspec.structs.replace(record, asked=self._value(_hidden(record.asked)))
        return record

    def _message(self, frame: Frame) -> Message:
        data = frame.data
        if frame.direction == "out" and IN_REQUESTS.search(_text(data)):
            content = _json(data)
            if isinstance(content, dict | list):
                data = _as(data, json.dumps(_hidden(content), ensure_ascii=False))
            elif TELLING.search(_text(data)):
                # A telling word outside JSON: which part is the credential is not known.
                return _as(data, REDACTED)
        cleaned: Message = self._clean(data)
        return cleaned

    def _value(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {self._clean(key): self._value(part) for key, part in value.items()}
        if isinstance(value, list | tuple):
            return [self._value(part) for part in value]
        return self._clean(value) if isinstance(value, str) else value

    def _clean(self, data: Any) -> Any:
        if self._redactor is None:
            # A part of a credential may be another: the longest is taken out first.
            self._redactor = Redactor(*sorted(self._found, key=len, reverse=True))
        return self._redactor.clean(data)


def _is_telling(name: Any) -> bool:
    return isinstance(name, str) and (
        name.lower() in ALWAYS_SECRET or IN_REQUESTS.search(name) is not None
    )


def _credentials(record: CaptureRecord) -> Iterator[str]:
    if isinstance(record, Incident):
        yield from _below(record.detail, _is_telling)
    elif isinstance(record, Header):
        yield from _below(record.asked, _is_telling)
    elif isinstance(record, Frame):
        sent = record.direction == "out"
        text = _text(record.data)
        if (IN_REQUESTS if sent else TELLING).search(text):
            named = _is_telling if sent else lambda name: TELLING.search(str(name)) is not None
            yield from _below(_json(record.data), named)


def _below(value: Any, named: Any, hidden: bool = False) -> Iterator[str]:
    """The texts under telling names, at any depth; those in URLs and in JSON that is text, too."""
    if isinstance(value, dict):
        name = value.get("name")
        pair = named(name) if isinstance(name, str) and "value" in value else False
        for key, part in value.items():
            yield from _below(part, named, hidden or named(key) or (pair and key == "value"))
    elif isinstance(value, list | tuple):
        if _is_pair(value):
            yield from _below(value[1], named, hidden or named(value[0]))
        else:
            for part in value:
                yield from _below(part, named, hidden)
    elif isinstance(value, str):
        yield from _in_text(value, named, hidden)


def _in_text(text: str, named: Any, hidden: bool) -> Iterator[str]:
    if hidden:
        yield text
        yield from _BEARER.split(text)  # `Bearer TOKEN`, `name=COOKIE`
    for match in _USER.finditer(text):
        yield match[1]
        yield match[1].partition(":")[2]
    if "=" in text and len(text) < 2**16:
        yield from (match[3] for match in _PARAMETER.finditer(text) if named(match[2]))
    if text.lstrip().startswith(("{", "[")):
        yield from _below(_json(text), named, hidden)


def _is_pair(value: Any) -> bool:
    """A header as captures have it: `[name, value]`."""
    return len(value) == 2 and all(isinstance(part, str) for part in value)


def _hidden(value: Any, hidden: bool = False) -> Any:
    """A value without the texts and numbers under telling names."""
    if isinstance(value, dict):
        pair = _is_telling(value.get("name")) and "value" in value
        return {
            key: _hidden(part, hidden or _is_telling(key) or (pair and key == "value"))
            for key, part in value.items()
        }
    if isinstance(value, list | tuple):
        if _is_pair(value) and _is_telling(value[0]):
            return [value[0], REDACTED]
        return [_hidden(part, hidden) for part in value]
    if hidden and isinstance(value, str | int | float) and not isinstance(value, bool):
        return REDACTED
    return _without_parameters(value) if isinstance(value, str) else value


def _without_parameters(text: str) -> str:
    if "://" not in text:
        return text
    text = _USER.sub(f"://{REDACTED}@", text)
    return _PARAMETER.sub(
        lambda match: f"{match[1]}{match[2]}={REDACTED}" if _is_telling(match[2]) else match[0],
        text,
    )


def _text(data: Message) -> str:
    return data if isinstance(data, str) else data.decode("latin-1")


def _as(data: Message, text: str) -> Message:
    """Text as the message was: text or bytes."""
    return text if isinstance(data, str) else text.encode("utf-8", "surrogatepass")


def _json(data: Message) -> Any:
    try:
        return parse_json(data)
    except Malformed:
        return None
