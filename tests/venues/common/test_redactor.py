"""Credentials are taken out of messages, however these spell them; nothing else is changed."""

from __future__ import annotations

import json
import pickle
import re
from base64 import b64encode
from collections.abc import Iterator
from itertools import cycle
from urllib.parse import quote, quote_plus, unquote_to_bytes

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from payloads.venues.common import redactor as redactor_module
from payloads.venues.common.redactor import LARGE, LAYERS, MOST, REDACTED, Redactor, Secret

KEY = "KCn9rlqILiifROYfgpG+Rtvg/zSCJa"


def _jwt(parts: list[bytes]) -> str:
    return ".".join(b64encode(part).decode().rstrip("=") for part in parts)


_secrets = st.one_of(
    st.binary(min_size=12, max_size=40).map(lambda raw: b64encode(raw).decode()),
    st.binary(min_size=12, max_size=32).map(bytes.hex),
    st.binary(min_size=12, max_size=32).map(lambda raw: "0x" + raw.hex()),
    st.lists(st.binary(min_size=6, max_size=20), min_size=3, max_size=3).map(_jwt),
    st.uuids().map(str),
    st.text("%u0025Ff\\/\"'+ aAé€😀\U0010fffd\n", min_size=8, max_size=20),
)
# What stands around them: also what could be taken for a part of an escape.
_around = st.text('%\\u0025Fcf/"+{}: x', max_size=12) | st.text(max_size=12)


# --- how they may be spelled ----------------------------------------------------------------------


def _in_json(one: str) -> list[str]:
    """Three ways to write a character in a string of JSON."""
    units = one.encode("utf-16-be").hex()
    escaped = "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))
    upper = re.sub("[a-f]", lambda digit: digit[0].upper(), escaped)
    return [upper, "\\/" if one == "/" else escaped, json.dumps(one, ensure_ascii=False)[1:-1]]


def _in_url(one: str) -> list[str]:
    """The same in a URL."""
    percent = "".join(f"%{byte:02x}" for byte in one.encode())
    return [percent.upper(), percent, percent if one == "%" else one]


@st.composite
def _spelled(draw: st.DrawFn, text: str, layers: int = LAYERS) -> str:
    """A text with any characters of it escaped, in either way, up to so many times over."""
    for ways in draw(st.lists(st.sampled_from([_in_json, _in_url]), max_size=layers)):
        kinds = cycle(draw(st.lists(st.integers(0, 2), min_size=1, max_size=5)))
        text = "".join(ways(one)[kind] for one, kind in zip(text, kinds, strict=False))
    return text


def _json_undone(text: str) -> str:
    """JSON's escapes read one by one, wherever they stand."""
    read, at = "", 0
    while at < len(text):
        for size in (12, 6, 2):  # a pair of surrogates, any other, `\n`
            piece = text[at : at + size]
            try:
                value = json.loads(f'"{piece}"') if piece.startswith("\\") else ""
            except ValueError:
                continue
            if len(value) == 1:
                break
        else:
            size, value = 1, text[at]
        read, at = read + value, at + size
    return read


def _url_undone(text: str) -> str:
    return unquote_to_bytes(text.encode("utf-8", "surrogatepass")).decode(
        "utf-8", "surrogateescape"
    )


def _readings(text: str, layers: int = LAYERS) -> Iterator[str]:
    """What a text may be read as."""
    yield text
    for undone in (_json_undone, _url_undone) if layers else ():
        if (reading := undone(text)) != text:
            yield from _readings(reading, layers - 1)


# --- the properties -------------------------------------------------------------------------------


@given(st.data(), _secrets, _around, _around)
def test_no_reading_of_what_is_cleaned_holds_a_credential(
    data: st.DataObject, secret: str, before: str, behind: str
) -> None:
    message = before + data.draw(_spelled(secret)) + behind
    # `%0` before what begins with an A is a line's end, so that it is not there any more.
    assume(any(secret in reading for reading in _readings(message)))
    redactor = Redactor(Secret(secret))
    assert redactor.may_find([message, b"{}"])
    assert redactor.may_find([message.encode()])
    cleaned = redactor.clean(message)
    assert REDACTED in cleaned
    assert not [reading for reading in _readings(cleaned) if secret in reading]
    assert redactor.clean(message.encode()) == cleaned.encode()
    assert redactor.clean(cleaned) is cleaned, "there is nothing more to do"


@given(st.data(), _secrets, st.text() | _around)
def test_a_message_without_a_credential_is_left_alone(
    data: st.DataObject, secret: str, text: str
) -> None:
    message = data.draw(_spelled(text))
    if not any(secret in reading for reading in _readings(message)):
        redactor = Redactor(Secret(secret))
        raw = message.encode("utf-8", "surrogatepass")
        assert redactor.clean(message) is message
        assert redactor.clean(raw) is raw


@given(st.data(), _secrets, st.text(max_size=7))
def test_what_is_around_a_credential_stays_json(
    data: st.DataObject, secret: str, other: str
) -> None:
    inner = data.draw(_spelled(secret, LAYERS - 1))
    message = json.dumps({"other": other, "echo": [f"bad key: {inner} (x)", inner]})
    cleaned = json.loads(Redactor(Secret(secret)).clean(message))
    assert cleaned == {"other": other, "echo": [f"bad key: {REDACTED} (x)", REDACTED]}


@given(st.binary(), _secrets)
def test_bytes_that_are_no_text_are_searched_as_well(raw: bytes, secret: str) -> None:
    cleaned = Redactor(Secret(secret)).clean(raw + b"\xff" + quote(secret, safe="").encode())
    assert cleaned == raw + b"\xff" + REDACTED.encode()


# --- single cases ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "echo",
    [
        json.dumps(KEY).replace("/", "\\/"),
        json.dumps(KEY).replace("+", "\\u002B"),
        json.dumps({"error": json.dumps({"key": KEY}).replace("/", "\\/")}),
        quote(KEY, safe="").replace("%2F", "%2f"),
        quote(KEY, safe="").replace("%", "%25"),
        quote_plus(f"a {KEY}"),
        "".join(f"\\u{ord(one):04x}" for one in KEY),
    ],
)
def test_spellings_of_servers(echo: str) -> None:
    cleaned = Redactor(Secret(KEY)).clean(echo)
    assert REDACTED in cleaned
    assert "rlqIL" not in cleaned


def test_a_passphrase_in_a_form() -> None:
    redactor = Redactor(Secret("correct horse+battery"))
    assert redactor.clean("a=correct+horse%2Bbattery&b=1") == f"a={REDACTED}&b=1"


def test_credentials_that_overlap_are_one() -> None:
    redactor = Redactor(Secret("abcdefghij"), Secret("fghijklmno"), Secret("defghijk"))
    assert redactor.clean("<abcdefghijklmno>") == f"<{REDACTED}>"
    assert redactor.clean("<abcdefghijfghijklmno>") == f"<{REDACTED * 2}>"
    redactor.add("abcdefghijklmnopqrst")
    assert redactor.clean("<abcdefghijklmnopqrst>") == f"<{REDACTED}>"


def test_short_ones_are_words() -> None:
    redactor = Redactor("", None, "1234567", Secret("short"))
    assert redactor.clean("1234567 short \\u0031 %31") == "1234567 short \\u0031 %31"
    assert not redactor.may_find(["1234567", b"%31"])


def test_it_shows_nothing_itself() -> None:
    redactor = Redactor("one at first")
    redactor.add(Secret("added later on"))
    redactor.add("a server's cookie")
    shown = f"{redactor} {vars(redactor)!r}"
    assert not [one for one in ("at first", "later on", "cookie") if one in shown]
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(redactor)


# --- what is remembered ---------------------------------------------------------------------------


def test_no_cookies_make_a_secret_forgotten() -> None:
    given, added = "given at first/=", "added later on/="
    redactor = Redactor(given)
    redactor.add(Secret(added))
    for number in range(100):
        redactor.add(f"cookie/of=number+{number}")
    text = f"{given} {added} cookie/of=number+99 cookie/of=number+{100 - Redactor.MOST}"
    assert redactor.clean(text) == " ".join([REDACTED] * 4)
    assert repr(redactor) == f"Redactor(<{2 + Redactor.MOST} credentials>)"


def test_yesterday_s_tokens_are_forgotten_but_not_the_one_in_use() -> None:
    redactor = Redactor()
    for number in range(100):
        redactor.add(Secret("the one in use"))
        redactor.add(Secret(f"token number {number}"))
    assert redactor.clean("the one in use") == REDACTED
    assert redactor.clean("token number 99") == REDACTED
    assert redactor.clean("token number 1") == "token number 1"


# --- what is too much -----------------------------------------------------------------------------


@pytest.mark.parametrize("unit", ["%25", "%2541", "\\u0025", "\\u0025\\u0032%35", "%%", KEY])
@pytest.mark.parametrize("times", [MOST + 1, 8 * MOST])
def test_more_escapes_than_are_read_hide_the_whole_message(unit: str, times: int) -> None:
    redactor, message = Redactor(Secret(KEY)), unit * times
    assert redactor.clean(message) == REDACTED
    assert redactor.clean(message.encode()) == REDACTED.encode()


def test_escapes_are_counted_again_in_each_layer() -> None:
    """A third of the most, with as many in the second layer and the third."""
    once, over = MOST // 3, MOST // 3 + 1
    redactor = Redactor(Secret(KEY))
    for spelled in ("%252541", "%25255A"):
        message = "x" + spelled * once
        assert redactor.clean(message) is message
        assert redactor.clean("x" + spelled * over) == REDACTED
    assert redactor.clean(KEY + "%252541" * (once - 9)).startswith(REDACTED + "%")


def test_as_many_escapes_as_there_may_be() -> None:
    redactor = Redactor(Secret(KEY))
    for unit in ("%41", "\\u0041"):
        message = unit * MOST
        assert redactor.clean(message) is message
        assert redactor.clean(message[len(unit) * 2 :] + KEY) == unit * (MOST - 2) + REDACTED


def test_escapes_that_hide_nothing_are_not_counted() -> None:
    """Line ends and quotes, of which credentials have none."""
    text = json.dumps(json.dumps({"a": "b\n"})) * MOST
    assert Redactor(Secret(KEY)).clean(text) is text
    assert Redactor().clean("%25" * 2 * MOST) == "%25" * 2 * MOST


def test_a_large_message_with_a_few_escapes_is_read() -> None:
    redactor, message = Redactor(Secret(KEY)), "x" * LARGE + "%41"
    assert redactor.clean(message) is message
    assert redactor.clean(message + quote(KEY, safe="")) == message + REDACTED


def test_a_credential_that_is_known_costs_nothing_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection adds all that its session holds at every dial, request and incident."""
    worked: list[str] = []
    of = redactor_module._Known.of

    def counted(text: str) -> redactor_module._Known:
        worked.append(text)
        return of(text)

    monkeypatch.setattr(redactor_module._Known, "of", counted)
    tokens = [f"token number {number} of a session" for number in range(20)]
    redactor = Redactor(Secret("the password"))
    for _ in range(10):
        for token in tokens:
            redactor.add(Secret(token))
    assert sorted(worked) == sorted({*tokens, *(token.replace(" ", "+") for token in tokens),
                                     "the password", "the+password"})  # fmt: skip
    assert redactor.clean(f"not {tokens[3]}!") == "not [redacted]!"


def test_a_credential_that_is_added_again_is_among_the_newest() -> None:
    redactor = Redactor()
    redactor.add(Secret("the first of many"))
    for number in range(Redactor.MOST - 1):
        redactor.add(Secret(f"one of many: {number}"))
    redactor.add(Secret("the first of many"))
    redactor.add(Secret("one too many"))
    assert redactor.clean("the first of many") == "[redacted]"
    assert redactor.clean("one of many: 0") == "one of many: 0"
