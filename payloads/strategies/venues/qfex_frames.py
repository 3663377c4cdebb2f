"""Messages of QFEX's two sockets, in the forms that they have had."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from payloads.abi.fields import Record
from payloads.strategies.venues.message import VenueFrame, as_tuple, text_of
from payloads.strategies.venues.written import TEXTS, Style, Written, written
from payloads.venues.qfex.codes import ERRORS
from payloads.venues.qfex.records import CHANNELS, OLDER, REPLIES

Frames = st.SearchStrategy[VenueFrame]
# Numbers come as JSON numbers or as text, times as text or as seconds.
_STYLE = Style(lambda price, size: [price, size], numbers=True)


# --- market data ----------------------------------------------------------------------------------

# A message by itself, an array of messages, and an envelope around them.
_FORMS = st.sampled_from(("flat", "flat", "array", "contents"))


def _channel(name: str) -> Frames:
    def frame(form: str, one: Written, more: list[Written]) -> VenueFrame:
        pairs = [one] if form == "flat" else [one, *more]
        records = tuple(record for record, _ in pairs)
        contents = [content for _, content in pairs]
        if form == "contents":
            message: Any = {"type": name, "contents": contents}
        else:
            several = [{"type": name} | content for content in contents]
            message = several if form == "array" else several[0]
        return VenueFrame("qfex", name, text_of(message), None, records)

    messages = written(CHANNELS[name], _STYLE)
    return st.builds(frame, _FORMS, messages, st.lists(messages, max_size=1))


_CODES = st.sampled_from(sorted(ERRORS))


def _error(form: str, code: str, words: str) -> dict[str, Any]:
    """An error as it is now, or in the form of the older pages."""
    fields = {"error_code": code, "message": words}
    return {"err": fields} if form == "err" else {"type": "error", **fields}


def qfex_frames() -> dict[str, Frames]:
    """Messages by channel, and an error, for which the venue has no form here."""
    errors = st.builds(_error, st.sampled_from(("err", "error")), _CODES, TEXTS)
    return {
        **{name: _channel(name) for name in CHANNELS},
        "err": errors.map(lambda said: VenueFrame("qfex", "err", text_of(said))),
    }


# --- the trade socket -----------------------------------------------------------------------------

_TRADE = "qfex-trade"
_PRIVATE = ("order_responses", "stop_orders", "positions", "balances", "fills")
_REQUESTS: list[dict[str, Any]] = [
    {"type": "cancel_on_disconnect", "params": {"cancel_on_disconnect": True}},
    {"type": "subscribe", "params": {"channels": ["positions"]}},
    {"type": "get_order", "params": {"order_id": "1", "symbol": "AAPL-USD"}},
    {"type": "cancel_all_orders", "params": {}},
]


def _trade(kind: str, message: Any, records: tuple[Record, ...] = ()) -> VenueFrame:
    return VenueFrame(_TRADE, kind, text_of(message), None, records)


def _reply(key: str) -> Frames:
    def frame(pair: Written) -> VenueFrame:
        records, content = pair
        return _trade(key, {key: content}, as_tuple(records))

    return written(REPLIES[key], _STYLE).map(frame)


def _user_trades(pair: Written) -> VenueFrame:
    """The list of fills under the name that a page of the venue has for it."""
    records, content = pair
    return _trade("user_trades", {"user_trades": content}, as_tuple(records))


def _older(channel: str) -> Frames:
    """The envelope of 2025: a channel, and rows of its reply."""
    _, key = OLDER[channel]

    def frame(kind: str, pairs: list[Written]) -> VenueFrame:
        rows = [content for _, content in pairs]
        # The first message of a channel may have no rows.
        head = {"type": kind if rows else "subscribed", "connection_id": "1", "message_id": 1}
        message = {**head, "channel": channel, "contents": rows}
        return _trade(channel, message, tuple(record for record, _ in pairs))

    kinds = st.sampled_from(("subscribed", "channel_data"))
    return st.builds(frame, kinds, st.lists(written(REPLIES[key], _STYLE), max_size=2))


def _refusal(form: str, code: str, words: str, request: dict[str, Any] | None) -> VenueFrame:
    said = _error(form, code, words)
    if request is not None:
        fields = said.get("err", said)
        fields["incoming_message"] = text_of(request) if form == "error" else request
    return _trade("err", said)


_LOGIN = st.booleans()


def qfex_trade_frames() -> dict[str, Frames]:
    """Replies by their key, and what is said of logins, channels and requests."""
    channels, requests = st.sampled_from(_PRIVATE), st.sampled_from(_REQUESTS)
    forms = st.sampled_from(("err", "error"))
    return {
        **{key: _reply(key) for key in REPLIES},
        "user_trades": written(REPLIES["user_trades_response"], _STYLE).map(_user_trades),
        **{channel: _older(channel) for channel in OLDER},
        "authenticated": _LOGIN.map(lambda well: _trade("authenticated", {"authenticated": well})),
        "auth": _LOGIN.map(
            lambda well: _trade("auth", {"type": "auth", "result": "success" if well else "error"})
        ),
        "subscribed": channels.map(lambda name: _trade("subscribed", {"subscribed": name})),
        "unsubscribed": channels.map(lambda name: _trade("unsubscribed", {"unsubscribed": name})),
        "ack": requests.map(lambda sent: _trade("ack", {"ack": {"incoming_message": sent}})),
        "err": st.builds(_refusal, forms, _CODES, TEXTS, st.none() | requests),
    }
