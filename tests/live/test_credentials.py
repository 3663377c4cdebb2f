"""Credentials: where they may come from, and that they are not shown."""

from __future__ import annotations

import asyncio
import json
import logging
import os
from pathlib import Path
from typing import Any

import pytest

from payloads.capture.redaction import reply_detail, secrets_in, secrets_of
from payloads.errors import Misuse
from payloads.live import connect, credentials
from payloads.venues.common.redactor import Secret
from payloads.venues.common.session import Data, Reply, Request
from payloads.venues.common.venue import variable
from tests.live.kit import QUICK, SECRET, Numbered, count, serving

posix = pytest.mark.skipif(os.name != "posix", reason="modes")


def file(path: Path, text: str, mode: int = 0o600) -> Path:
    path.write_text(text)
    path.chmod(mode)
    return path


def test_the_environment() -> None:
    environ = {"PAYLOADS_STORK_TOKEN": " gmork ", "EMPTY": " "}
    assert credentials.from_environment("PAYLOADS_STORK_TOKEN", environ) == Secret("gmork")
    for name in ("EMPTY", "MISSING"):
        with pytest.raises(Misuse, match="not set"):
            credentials.from_environment(name, environ)


@posix
@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660, 0o666, 0o601])
def test_a_file_that_others_can_read_is_refused(mode: int, tmp_path: Path) -> None:
    path = file(tmp_path / "token", "gmork", mode)
    with pytest.raises(Misuse, match=f"chmod 600.*found mode {mode:04o}") as caught:
        credentials.from_file(path)
    assert "gmork" not in str(caught.value)


@posix
@pytest.mark.parametrize("mode", [0o600, 0o400])
def test_a_file_that_only_its_owner_can_read(mode: int, tmp_path: Path) -> None:
    assert credentials.from_file(file(tmp_path / "token", "gmork\n", mode)) == Secret("gmork")


def test_files_that_hold_no_credential(tmp_path: Path) -> None:
    for text in ("", "  \n", "x" * 100_000):
        with pytest.raises(Misuse):
            credentials.from_file(file(tmp_path / "token", text))
    for path in (tmp_path, tmp_path / "missing"):
        with pytest.raises(Misuse):
            credentials.from_file(path)


def test_what_is_given_comes_before_the_environment_and_that_before_the_file(
    tmp_path: Path,
) -> None:
    path = file(tmp_path / "c.toml", '[v]\na = "file-a"\nb = "file-b"\nc = "file-c"\n')
    found = credentials.find(
        "v", ["a", "b", "c", "d"], given={"a": Secret("given-a")},
        environ={"PAYLOADS_V_A": "env-a", "PAYLOADS_V_B": "env-b"}, file=path,
    )  # fmt: skip
    assert {name: secret.reveal() for name, secret in found.items()} == {
        "a": "given-a", "b": "env-b", "c": "file-c",
    }  # fmt: skip
    assert variable("qfex-trade", "public_key") == "PAYLOADS_QFEX_TRADE_PUBLIC_KEY"


@pytest.mark.parametrize("text", ['v = "x"', "[v]\na = 1", 'token = gmork-secret"', "[v]\na = ''"])
def test_a_broken_file_is_told_without_what_is_in_it(text: str, tmp_path: Path) -> None:
    with pytest.raises(Misuse) as caught:
        credentials.find("v", ["a"], environ={}, file=file(tmp_path / "c.toml", text))
    assert "gmork" not in str(caught.value)


def test_every_secret_of_a_session_is_found() -> None:
    assert list(secrets_in(Numbered("ws://x"))) == [SECRET]


def test_no_log_holds_a_credential(caplog: pytest.LogCaptureFixture) -> None:
    async def work() -> None:
        server = serving(lambda socket: count(socket, 1))
        async with server as url, connect(Numbered(url), backoff=QUICK) as connection:
            async for event in connection.events():
                if isinstance(event, Data):
                    break

    with caplog.at_level(logging.DEBUG):
        asyncio.run(work())
    ours = [log.getMessage() for log in caplog.records if log.name != "websockets.server"]
    assert SECRET.reveal() not in "\n".join(ours)


def kept(body: bytes, learnt: list[str] | None = None, *, secret: bool = False) -> str | None:
    """What a capture has of a reply's body."""
    learnt = [] if learnt is None else learnt
    request = Request("GET", "https://venue.example/asked", secret_reply=secret)
    detail = reply_detail(request, Reply("asked", 200, body), learnt.append)
    assert (detail["purpose"], detail["status"], detail["body_bytes"]) == ("asked", 200, len(body))
    found: str | None = detail.get("body")
    return found


@pytest.mark.parametrize(
    "body",
    [
        b'{"reports": [ {"fullReport":"0x00", "price": 1.50} ]}\n',
        '{"name":"Zürich"}'.encode(),
        b"[]",
        b"",
        b"OK",
        b"the service is not available",
        b"<html> the service is not available </html>",
        b'{"reports": [ {"fullReport":"0x',
        b'{"author":"somebody", "authority":"some", "side":"buy", "query":"a=b", "list":"[1]"}',
        b'{"message":"Unauthorized: no such token"}',
        b'{"number":1e400, "whole":%s}' % (b"9" * 5000),
    ],
)
def test_a_reply_with_nothing_to_hide_is_kept_to_the_byte(body: bytes) -> None:
    assert kept(body) == body.decode()
    assert kept(body, secret=True) is None


TOKEN = "abcdefghijklmnopqrst"


@pytest.mark.parametrize(
    "body",
    [
        {"data": {"accessToken": {"token": TOKEN}, "n": 1.5}, "user": "me"},
        {"bearer": TOKEN},
        {"session_id": TOKEN},
        {"credential": [TOKEN]},
        {"x_auth": TOKEN},
        {"authorization": TOKEN},
        {"sid": TOKEN},
        {"data": json.dumps({"data": json.dumps([{"accessToken": TOKEN}])}, indent=1)},
        {"token": json.dumps({"value": TOKEN})},
    ],
)
def test_a_reply_that_lets_one_in_is_not_kept_but_learnt(body: dict[str, Any]) -> None:
    for text in (json.dumps(body), json.dumps(body | {"n": 0}).replace("0", "9" * 5000)):
        learnt: list[str] = []
        assert kept(text.encode(), learnt) is None
        assert TOKEN in learnt


def test_cookies_are_learnt_and_not_what_a_browser_does_with_them() -> None:
    learnt: list[str] = []
    cookies = ('a="first-value"; Path=/; HttpOnly', "b=second=value", "nothing")
    headers = tuple(("Set-Cookie", cookie) for cookie in cookies)
    asked = Request("GET", "https://venue.example/asked")
    reply_detail(asked, Reply("asked", 200, b"", headers), learnt.append)
    assert learnt == ["first-value", "second=value", ""]


def test_what_a_request_is_made_with_is_secret() -> None:
    headers = (
        ("Authorization", "Bearer the-token"), ("Cookie", "a=first-value; b=second=value"),
        ("X-Key", "the-key"), ("Accept", "anything"),
    )  # fmt: skip
    request = Request("GET", "http://h/?a=1&sign=x%2Fy", headers, secret_headers=("x-key",))
    found = set(secrets_of(request))
    assert {"the-token", "first-value", "second=value", "the-key", "x/y", "x%2Fy"} <= found
    assert not {"a", "1", "anything", "Bearer"} & found


def test_a_reply_in_which_nobody_can_tell_is_not_kept() -> None:
    for body in (
        b'{"password":"short"}',
        b'{"token":"abcdefghijklmnopqrst"',  # cut off
        b"eyJhbGciOiJFUzI1NiJ9.e30.abcdefghij",
        b'"eyJhbGciOiJFUzI1NiJ9.e30.abcdefghij"',
        b"\xff\xfe{}",
        b"<html> your token is abcdefghijklmnopqrst </html>",
        b'{"data":"{\\"accessToken\\": \\"abcdefghijklmnop"}',  # cut off, and then put into JSON
        b'{"goto":"https://example.org/?access_token=abcdefghijklmnop"}',
        '{"token":"abcdefghijklmnopqrst"}'.encode("utf-16-le"),
        b"\xef\xbb\xbf" + b'{"token":"abcdefghijklmnopqrst"}',
    ):
        assert kept(body) is None, body
