"""The messages of the five venues, each with what it says."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from hexbytes import HexBytes
from hypothesis import strategies as st

from payloads.abi.fields import Record, hexed
from payloads.chainlink.report import FullReport
from payloads.stork.update import PLAIN, SignedUpdate
from payloads.strategies.arguments import check_choice, check_type, wrong
from payloads.strategies.chainlink.signed import full_reports
from payloads.strategies.stork.signed import stork_updates
from payloads.strategies.systems import Network
from payloads.strategies.venues.finery_rows import finery_frames
from payloads.strategies.venues.written import TEXTS, Written, written
from payloads.testing.chainlink.draft import claimed
from payloads.testing.chainlink.draft import frame_of as report_frame
from payloads.testing.networks import InsecureTestNetwork, InsecureTestStorkSigner
from payloads.testing.stork.draft import frame_of as update_frame
from payloads.venues.ethgas.records import CHANNELS as ETHGAS_CHANNELS
from payloads.venues.qfex.records import CHANNELS as QFEX_CHANNELS
from payloads.venues.qfex.records import REPLIES


class VenueFrame(Record, frozen=True):
    """A message of a venue, and what it says: the signed payload in it, or its records."""

    venue: str
    message: str | bytes
    payload: HexBytes | None = None
    records: tuple[Record, ...] = ()


def text_of(content: Any) -> str:
    """JSON as the venues write it."""
    return json.dumps(content, separators=(",", ":"))


# --- venues that sign -----------------------------------------------------------------------------


def _of_report(payload: FullReport, is_binary: bool) -> VenueFrame:
    raw = bytes(payload.raw)
    text = report_frame(raw, bytes(payload.report_blob[:32]), claimed(payload.report, 0))
    return VenueFrame("chainlink", text.encode() if is_binary else text, hexed(raw))


def _chainlink(network: Any) -> st.SearchStrategy[VenueFrame]:
    return st.builds(_of_report, full_reports(network=network), st.booleans())


def _of_update(update: SignedUpdate) -> VenueFrame:
    raw = update.encode()
    return VenueFrame("stork", update_frame(raw), hexed(raw))


def _tells_its_layout(update: SignedUpdate) -> bool:
    """A frame cannot name the layout, and such a plain update is taken for a versioned one."""
    return update.layout != PLAIN or update.taxonomy_id < 0xFF00


def _stork(signer: Any) -> st.SearchStrategy[VenueFrame]:
    return stork_updates(signer=signer).filter(_tells_its_layout).map(_of_update)


# --- venues that sign nothing ---------------------------------------------------------------------


def _row_level(price: str, size: str) -> list[str]:
    return [price, size]


def _keyed_level(price: str, size: str) -> dict[str, str]:
    return {"p": price, "q": size}


def _tuple_of(value: Any) -> tuple[Record, ...]:
    return value if isinstance(value, tuple) else (value,)


def _qfex(_: Any) -> st.SearchStrategy[VenueFrame]:
    def channel(name: str) -> st.SearchStrategy[VenueFrame]:
        def frame(pair: Written) -> VenueFrame:
            record, content = pair
            return VenueFrame("qfex", text_of({"type": name} | content), None, (record,))

        return written(QFEX_CHANNELS[name], _row_level).map(frame)

    return st.one_of([channel(name) for name in sorted(QFEX_CHANNELS)])


def _qfex_trade(_: Any) -> st.SearchStrategy[VenueFrame]:
    def reply(name: str) -> st.SearchStrategy[VenueFrame]:
        def frame(pair: Written) -> VenueFrame:
            records, content = pair
            return VenueFrame("qfex-trade", text_of({name: content}), None, _tuple_of(records))

        return written(REPLIES[name], _row_level).map(frame)

    return st.one_of([reply(name) for name in sorted(REPLIES)])


_MILLISECONDS = st.integers(0, 4_102_444_800_000 - 1)


def _ethgas(_: Any) -> st.SearchStrategy[VenueFrame]:
    def channel(name: str) -> st.SearchStrategy[VenueFrame]:
        def frame(drawn: tuple[Written, int, str]) -> VenueFrame:
            (records, content), time, symbol = drawn
            message = {"e": name, "E": time, "s": symbol, "a": "update", "P": content}
            return VenueFrame("ethgas", text_of(message), None, _tuple_of(records))

        return st.tuples(written(ETHGAS_CHANNELS[name], _keyed_level), _MILLISECONDS, TEXTS).map(
            frame
        )

    return st.one_of([channel(name) for name in sorted(ETHGAS_CHANNELS)])


def _finery(_: Any) -> st.SearchStrategy[VenueFrame]:
    return finery_frames().map(
        lambda pair: VenueFrame("finery", text_of(pair[1]), None, tuple(pair[0]))
    )


FRAMES: dict[str, Callable[[Any], st.SearchStrategy[VenueFrame]]] = {
    "chainlink": _chainlink,
    "stork": _stork,
    "finery": _finery,
    "ethgas": _ethgas,
    "qfex": _qfex,
    "qfex-trade": _qfex_trade,
}
_SIGN: dict[str, type[Any]] = {"chainlink": InsecureTestNetwork, "stork": InsecureTestStorkSigner}


def frames(
    *, venue: str | None = None, network: Network | None = None
) -> st.SearchStrategy[VenueFrame]:
    """Messages of a venue's streams, or of any venue's; each says what is in it.

    Those of Chainlink and Stork carry a signed payload, by `network` (a Stork signer for Stork) or
    by any. Those of the others are written from the records that their sessions read.
    """
    check_choice("frames", "venue", venue, FRAMES)
    check_type("frames", "network", network, InsecureTestNetwork, InsecureTestStorkSigner)
    names = [name for name in FRAMES if network is None or _signs(name, network)]
    if venue is not None and venue not in names:
        raise wrong("frames", "network", network, f"none, or what signs for {venue}")
    chosen = names if venue is None else [venue]
    return st.one_of([FRAMES[name](network) for name in chosen])


def _signs(venue: str, network: Network) -> bool:
    return venue in _SIGN and isinstance(network, _SIGN[venue])
