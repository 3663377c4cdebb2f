"""Answers of ETHGas' REST service: the two steps of a login, and a token that is renewed."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from payloads.strategies.venues.reply import JSON, NOW, RestReply, body
from payloads.venues.common.jwt import make_token
from payloads.venues.common.redactor import Secret
from payloads.venues.common.session import SECOND, Reply
from payloads.venues.ethgas.server import login_data

Replies = st.SearchStrategy[RestReply]
_KEY = Secret("payloads insecure test key of a token desk")
_ADDRESS = "0x" + "44" * 20
_NONCES = st.integers(0, 2**64 - 1).map(lambda number: f"{number:016x}")
# From longer than any client renews ahead of the end.
_LIFETIMES = st.sampled_from((3600, 900, 7 * 86_400))


def _login(nonce: str, chain_id: int, is_text: bool) -> RestReply:
    data: Any = login_data(nonce, chain_id)
    message = body(data).decode() if is_text else data
    content = {"status": "verify", "eip712Message": message, "nonceHash": nonce}
    reply = Reply("ethgas login", 200, body({"success": True, "data": content}), JSON)
    return RestReply("ethgas", "login", reply, nonce=nonce)


def _given(kind: str, nonce: str, lifetime: int, form: str) -> RestReply:
    """A token in the forms of the venue's pages: below `token`, as text, or without `data`."""
    token = make_token(_KEY, _ADDRESS, NOW, lifetime * SECOND)
    cookie = f"x_auth_refresh_token={nonce}; Path=/; HttpOnly; Secure"
    headers = JSON if form == "flat" else (*JSON, ("Set-Cookie", cookie))
    if form == "flat":
        content: Any = {"accessToken": token, "refreshToken": nonce, "expiresIn": lifetime}
    else:
        access: Any = {"data": {}, "token": token} if form == "object" else token
        user = {"user": {"address": _ADDRESS}} if kind == "verify" else {}
        content = {"success": True, "data": {**user, "accessToken": access}}
    purpose = "ethgas login/" + kind
    return RestReply("ethgas", kind, Reply(purpose, 200, body(content), headers), token=token)


def ethgas_replies() -> dict[str, Replies]:
    """What a login is to sign (typed data as text, or as an object), and the tokens."""
    forms = st.sampled_from(("object", "text", "flat"))
    return {
        "login": st.builds(_login, _NONCES, st.integers(1, 2**32), st.booleans()),
        **{
            kind: st.builds(_given, st.just(kind), _NONCES, _LIFETIMES, forms)
            for kind in ("verify", "refresh")
        },
    }
