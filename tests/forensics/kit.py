"""Captures for the tests of scans: traffic of all venues, by test keys, with faults in it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
import pytest

from payloads import State
from payloads.capture.format import frame_line, header_line, incident_line
from payloads.capture.frames import Frame, Incident
from payloads.chainlink.schemas import SCHEMAS
from payloads.forensics.scanning import shapes
from payloads.forensics.tables import TABLES
from payloads.stork import Asset
from payloads.testing import InsecureTestNetwork, InsecureTestStorkSigner
from tests.test_columns import worth

BEGAN = 1_700_000_000
SECOND = 10**9
NETWORK = InsecureTestNetwork("scan", size=4, f=1)
SIGNER = InsecureTestStorkSigner("scan")
FEED = b"\x00\x03" + b"\x07" * 30


def report(number: int, feed: bytes = FEED, by: Iterable[int] = (0, 1)) -> bytes:
    """A signed report of schema 3."""
    at = BEGAN + number
    record = SCHEMAS[feed[:2]].record
    value = record(feed, at - 1, at, 10**14, 10**16, at + 60, 10**20 + number, 10**20, 10**20 + 5)
    return bytes(NETWORK.sign(value, by=list(by)).encode())


def update(number: int, assets: int = 2) -> bytes:
    """A signed update."""
    values = [Asset(index + 1, 10**18 + number) for index in range(assets)]
    return SIGNER.sign(values, timestamp_ns=(BEGAN + number) * SECOND).encode()


def chainlink_frame(raw: bytes, number: int, **claims: Any) -> Frame:
    """A frame as Data Streams sends it."""
    inner = {
        "feedID": "0x" + raw[256:288].hex(), "fullReport": "0x" + raw.hex(),
        "validFromTimestamp": int.from_bytes(raw[288:320], "big"),
        "observationsTimestamp": int.from_bytes(raw[320:352], "big"),
    }  # fmt: skip
    return message("chainlink", {"report": inner | claims}, number)


def stork_frame(raw: bytes, number: int) -> Frame:
    return message("stork", {"type": "signed_ecdsa", "p": "0x" + raw.hex()}, number)


def message(venue: str, content: Any, number: int, connection: int = 1) -> Frame:
    """A text frame that was received some milliseconds after its second."""
    text = content if isinstance(content, str) else json.dumps(content, separators=(",", ":"))
    at = (BEGAN + number) * SECOND + 64_000_000
    return Frame(venue, connection, "in", "text", at, text)


def opened(venue: str, number: int, what: str = "opened") -> Incident:
    return Incident(venue, 1, (BEGAN + number) * SECOND, what, {"url": "wss://example"})


def line(record: Frame | Incident) -> bytes:
    if isinstance(record, Frame):
        return frame_line(record, record.data, record.redacted)
    return incident_line(record)


def content(records: Iterable[Frame | Incident | bytes], venue: str = "") -> bytes:
    """A capture's content: a header, and a line for each record; bytes are lines as they are."""
    lines = [each if isinstance(each, bytes) else line(each) for each in records]
    return b"\n".join([header_line(venue, {}), *lines, b""])


def write(path: Path, records: Iterable[Frame | Incident | bytes], venue: str = "") -> Path:
    path.write_bytes(content(records, venue))
    return path


def mixed(count: int, seed: int = 1) -> list[Frame | Incident | bytes]:
    """Traffic of all venues, with everything that may stand among it."""
    random = Random(seed)
    found: list[Frame | Incident | bytes] = [opened("chainlink", 0)]
    for number in range(count):
        found.append(random.choice(_KINDS)(number, random))
    return [*found, opened("chainlink", count, "end")]


def _damaged(raw: bytes, random: Random) -> bytes:
    at = random.randrange(len(raw))
    return raw[:at] + bytes([raw[at] ^ (1 << random.randrange(8))]) + raw[at + 1 :]


def _qfex(number: int, random: Random) -> Frame:
    levels = {"bid": [["1.5", "2"]], "ask": [["1.6", str(number)]]}
    return message(
        "qfex", {"type": "bbo", "symbol": "AAPL-USD", "sequence": number, **levels}, number
    )


_KINDS: list[Any] = [
    lambda number, random: chainlink_frame(report(number), number),
    lambda number, random: chainlink_frame(report(number), number),
    lambda number, random: chainlink_frame(report(number), number),
    lambda number, random: stork_frame(update(number), number),
    lambda number, random: stork_frame(update(number), number),
    lambda number, random: stork_frame(update(number, 5), number),
    lambda number, random: chainlink_frame(_damaged(report(number), random), number),
    lambda number, random: stork_frame(_damaged(update(number), random), number),
    lambda number, random: chainlink_frame(report(number, by=(2,)), number),
    lambda number, random: chainlink_frame(report(number), number, validFromTimestamp=5),
    lambda number, random: chainlink_frame(report(number), number, feedID="0xABC"),
    lambda number, random: chainlink_frame(report(number), number, extra="0x12"),
    lambda number, random: message("chainlink", {"report": {"fullReport": "0x12zz"}}, number),
    lambda number, random: message("stork", {"type": "signed_ecdsa"}, number),
    lambda number, random: message(
        "stork",
        {"type": "unsigned", "ti": 1, "t": BEGAN * SECOND, "a": [{"i": 1, "v": "7"}]},
        number,
    ),
    lambda number, random: message("", "0x" + report(number).hex(), number),
    lambda number, random: message(
        "", {"reports": [{"fullReport": report(number).hex()}, {}]}, number
    ),
    lambda number, random: message("stork", {"type": "subscribed", "channel": "1s"}, number),
    lambda number, random: message("stork", "pong", number),
    lambda number, random: message("stork", '{"broken', number),
    _qfex,
    lambda number, random: message(
        "qfex", {"type": "signed_ecdsa", "p": "0x" + update(number).hex()}, number
    ),
    lambda number, random: message(
        "finery", ["I", 0, "S", [[["BTC", 1, 1, 1]], [["BTC-USD", 2, "BTC", "USD"]]]], number
    ),
    lambda number, random: message(
        "ethgas", {"e": "blockBuilderUpdate", "P": {"s": number}}, number
    ),
    lambda number, random: Frame("stork", 2, "in", "ping", (BEGAN + number) * SECOND, b""),
    lambda number, random: Frame("stork", 2, "in", "binary", 0, update(number)),
    lambda number, random: opened("stork", number, "closed"),
    lambda number, random: b"{not a line",
    lambda number, random: b"",
]


def state(**more: Any) -> State:
    """The state of a verifier that knows the test network."""
    config = {
        "config_digest": "0x" + NETWORK.config_digest.hex(),
        "signers": list(NETWORK.signers),
        "f": NETWORK.f,
    }
    described = {"contract": "v0.5.0", "now": BEGAN, "configs": [config], **more}
    return State.from_dict(described)


def stork_state(**more: Any) -> State:
    described = {"contract": "stork-fast-1.0.0", "signer": SIGNER.address, "now": BEGAN, **more}
    return State.from_dict(described)


@contextmanager
def every_way_fast() -> Iterator[None]:
    """Whole columns from two rows on, so that few records reach the fast ways."""
    with worth(1), pytest.MonkeyPatch.context() as patch:
        patch.setattr(shapes, "_FEW", 1)
        yield


@contextmanager
def every_way_slow() -> Iterator[None]:
    with worth(10**9):
        yield


def rows(table: pa.Table | pa.RecordBatch) -> list[dict[str, Any]]:
    """The rows as Python has them, with times as nanoseconds."""
    columns = {}
    for name in table.schema.names:
        column = table[name]
        if pa.types.is_timestamp(column.type):
            column = column.cast(pa.int64())
        columns[name] = column.to_pylist()
    return [
        dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)
    ]


def same_tables(first: Any, second: Any) -> None:
    """Two scans have the same tables, row for row."""
    for name in TABLES:
        if name not in ("findings", "inputs"):
            assert first.table(name).equals(second.table(name)), name
