"""Messages of the venues that sign: Chainlink, and Stork with its unsigned form."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

from payloads.abi.fields import hexed
from payloads.chainlink.report import FullReport
from payloads.stork.frames import SIGNED, UNSIGNED
from payloads.stork.update import PLAIN, SignedUpdate, UnsignedUpdate
from payloads.strategies.chainlink.signed import full_reports
from payloads.strategies.stork.signed import stork_updates
from payloads.strategies.venues.message import VenueFrame, text_of
from payloads.strategies.venues.written import TEXTS
from payloads.testing.chainlink.draft import claimed
from payloads.testing.chainlink.draft import frame_of as report_frame
from payloads.testing.stork.draft import frame_of as update_frame

Frames = st.SearchStrategy[VenueFrame]

# --- Chainlink ------------------------------------------------------------------------------------


def _of_report(payload: FullReport, is_binary: bool, has_times: bool) -> VenueFrame:
    raw = bytes(payload.raw)
    text = report_frame(raw, bytes(payload.report_blob[:32]), claimed(payload.report, 0))
    if not has_times:
        # The sample in the documentation has none, and a client reads them from the payload.
        content = json.loads(text)["report"]
        text = text_of({"report": {key: content[key] for key in ("feedID", "fullReport")}})
    return VenueFrame("chainlink", "report", text.encode() if is_binary else text, hexed(raw))


_WITH_TIMES = st.sampled_from((True, True, True, False))


def chainlink_frames(network: Any) -> dict[str, Frames]:
    """Reports, as binary or text, with the times beside the payload or without."""
    return {"report": st.builds(_of_report, full_reports(network=network), st.booleans(),
                                _WITH_TIMES)}  # fmt: skip


# --- Stork ----------------------------------------------------------------------------------------


def _of_update(update: SignedUpdate) -> VenueFrame:
    raw = update.encode()
    return VenueFrame("stork", SIGNED, update_frame(raw), hexed(raw))


def _tells_its_layout(update: SignedUpdate) -> bool:
    """A frame cannot name the layout, and such a plain update is taken for a versioned update."""
    return update.layout != PLAIN or update.taxonomy_id < 0xFF00


def _unsigned(update: SignedUpdate) -> VenueFrame:
    plain = UnsignedUpdate(update.taxonomy_id, update.timestamp_ns, update.assets)
    return VenueFrame("stork", UNSIGNED, text_of(plain.to_message()), None, (plain,))


def _echo(kind: str, ids: list[int]) -> VenueFrame:
    return VenueFrame("stork", kind, text_of({"type": kind, "assets": ids}))


def _error(form: str, words: str, code: int) -> VenueFrame:
    said: dict[str, dict[str, Any]] = {
        "error": {"error": words},
        "message": {"code": code, "message": words},
        "object": {"error": {"code": str(code), "message": words}},
    }
    return VenueFrame("stork", "error", text_of({"type": "error", **said[form]}))


_IDS = st.lists(st.integers(0, 2**16 - 1), max_size=4)
_CODES = st.integers(400, 503)
# The service publishes neither an answer to a subscription nor an error: a client in the field
# expects an echo, and these are the forms that its REST service and others have for an error.
_FORMS = st.sampled_from(("error", "message", "object"))


def stork_frames(signer: Any) -> dict[str, Frames]:
    """Updates, signed and not; echoes of subscriptions; errors."""
    signed = stork_updates(signer=signer).filter(_tells_its_layout).map(_of_update)
    if signer is not None:
        return {SIGNED: signed}
    return {
        SIGNED: signed,
        UNSIGNED: stork_updates().map(_unsigned),
        "subscribe": _IDS.map(lambda ids: _echo("subscribe", ids)),
        "unsubscribe": _IDS.map(lambda ids: _echo("unsubscribe", ids)),
        "error": st.builds(_error, _FORMS, TEXTS, _CODES),
    }
