"""Credentials: where they may come from, and that they are not shown."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from payloads.errors import Misuse
from payloads.transport import secrets
from payloads.transport.redact import reply_detail, secrets_in
from payloads.venues.session import Reply, Secret
from tests.transport.kit import SECRET, Numbered

posix = pytest.mark.skipif(os.name != "posix", reason="modes")


def file(path: Path, text: str, mode: int = 0o600) -> Path:
    path.write_text(text)
    path.chmod(mode)
    return path


def test_the_environment() -> None:
    environ = {"PAYLOADS_STORK_TOKEN": " gmork ", "EMPTY": " "}
    assert secrets.from_environment("PAYLOADS_STORK_TOKEN", environ) == Secret("gmork")
    for name in ("EMPTY", "MISSING"):
        with pytest.raises(Misuse, match="not set"):
            secrets.from_environment(name, environ)


@posix
@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660, 0o666, 0o601])
def test_a_file_that_others_can_read_is_refused(mode: int, tmp_path: Path) -> None:
    path = file(tmp_path / "token", "gmork", mode)
    with pytest.raises(Misuse, match=f"chmod 600.*found mode {mode:04o}") as caught:
        secrets.from_file(path)
    assert "gmork" not in str(caught.value)


@posix
@pytest.mark.parametrize("mode", [0o600, 0o400])
def test_a_file_that_only_its_owner_can_read(mode: int, tmp_path: Path) -> None:
    assert secrets.from_file(file(tmp_path / "token", "gmork\n", mode)) == Secret("gmork")


def test_files_that_hold_no_credential(tmp_path: Path) -> None:
    for text in ("", "  \n", "x" * 100_000):
        with pytest.raises(Misuse):
            secrets.from_file(file(tmp_path / "token", text))
    for path in (tmp_path, tmp_path / "missing"):
        with pytest.raises(Misuse):
            secrets.from_file(path)


def test_what_is_given_comes_before_the_environment_and_that_before_the_file(
    tmp_path: Path,
) -> None:
    path = file(tmp_path / "c.toml", '[v]\na = "file-a"\nb = "file-b"\nc = "file-c"\n')
    found = secrets.find(
        "v", ["a", "b", "c", "d"], given={"a": Secret("given-a")},
        environ={"PAYLOADS_V_A": "env-a", "PAYLOADS_V_B": "env-b"}, file=path,
    )  # fmt: skip
    assert {name: one.reveal() for name, one in found.items()} == {
        "a": "given-a", "b": "env-b", "c": "file-c",
    }  # fmt: skip
    assert secrets.variable("qfex-trade", "public_key") == "PAYLOADS_QFEX_TRADE_PUBLIC_KEY"


@posix
def test_a_token_s_file_gets_the_next_one_whole(tmp_path: Path) -> None:
    path = file(tmp_path / "token", "first-token\n")
    link = tmp_path / "link"
    link.symlink_to(path)
    tokens = secrets.TokenFile(link)
    assert tokens.read() == Secret("first-token")
    held = path.open()  # whoever reads meanwhile reads the old one to its end
    tokens.keep(Secret("second-token"))
    assert held.read() == "first-token\n"
    held.close()
    assert tokens.read() == Secret("second-token")
    assert path.stat().st_mode & 0o777 == 0o600
    assert (link.is_symlink(), len(list(tmp_path.iterdir()))) == (True, 2)


def test_a_token_that_cannot_be_kept_is_told(tmp_path: Path) -> None:
    tokens = secrets.TokenFile(tmp_path / "no" / "token")
    with pytest.raises(Misuse, match="cannot be written") as caught:
        tokens.keep(Secret("second-token"))
    assert "second-token" not in str(caught.value)
    with pytest.raises(Misuse, match="cannot be read"):
        tokens.read()


@pytest.mark.parametrize("text", ['v = "x"', "[v]\na = 1", 'token = gmork-secret"', "[v]\na = ''"])
def test_a_broken_file_is_told_without_what_is_in_it(text: str, tmp_path: Path) -> None:
    with pytest.raises(Misuse) as caught:
        secrets.find("v", ["a"], environ={}, file=file(tmp_path / "c.toml", text))
    assert "gmork" not in str(caught.value)


def test_every_secret_of_a_session_is_found() -> None:
    assert list(secrets_in(Numbered("ws://x"))) == [SECRET]


def kept(body: bytes, learnt: list[str] | None = None, *, secret: bool = False) -> str | None:
    """What a capture has of a reply's body."""
    learnt = [] if learnt is None else learnt
    detail = reply_detail(Reply("asked", 200, body), learnt.append, secret=secret)
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
        b'{"reports": [ {"fullReport":"0x',
    ],
)
def test_a_reply_with_nothing_to_hide_is_kept_to_the_byte(body: bytes) -> None:
    assert kept(body) == body.decode()
    assert kept(body, secret=True) is None


def test_a_reply_that_lets_one_in_is_not_kept() -> None:
    learnt: list[str] = []
    body = b'{"data":{"accessToken":{"token":"abcdefghijklmnopqrst"},"n":1.50},"user":"me"}'
    assert kept(body, learnt) is None
    assert learnt == ["abcdefghijklmnopqrst"]
    for body in (
        b'{"password":"short"}',
        b'{"token":"abcdefghijklmnopqrst"',  # cut off
        b"eyJhbGciOiJFUzI1NiJ9.e30.abcdefghij",
        b'"eyJhbGciOiJFUzI1NiJ9.e30.abcdefghij"',
        b"\xff\xfe{}",
    ):
        assert kept(body) is None, body
