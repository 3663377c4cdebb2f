"""The tables of a part say what the single functions say of each frame, by the fast way as well."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import payloads
from payloads import recognise, systems
from payloads.capture.format import record_of
from payloads.capture.frames import Frame
from payloads.errors import PayloadError
from payloads.forensics import tables
from payloads.forensics.scanning import mapping, reading
from payloads.forensics.scanning.items import items_of
from payloads.forensics.scanning.reading import Origin, Selection
from payloads.inputs import hex_text
from tests import corpus
from tests.checks import outcome
from tests.forensics import kit
from tests.forensics.kit import BEGAN, SECOND


def read(content: bytes, **options: Any) -> reading.Read:
    return reading.read_block(content, Origin(0), 0, 1, **options)


def all_tables(content: bytes, states: Any = None) -> dict[str, pa.RecordBatch]:
    found = read(content)
    whole = mapping.tables(found.items, states)
    return {"frames": found.frames, "events": found.events, **whole}


def both_ways(content: bytes, states: Any = None) -> dict[str, pa.RecordBatch]:
    """The tables, which do not depend on the way; every batch is sound."""
    with kit.every_way_fast():
        fast = all_tables(content, states)
    with kit.every_way_slow():
        slow = all_tables(content, states)
    for name, batch in fast.items():
        batch.validate(full=True)
        assert batch.schema.equals(tables.TABLES[name], check_metadata=True)
        assert kit.rows(batch) == kit.rows(slow[name]), name
    return fast


STATES = [kit.state(), kit.stork_state()]


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 2**32))
def test_every_way_gives_the_same_tables(seed: int) -> None:
    both_ways(kit.content(kit.mixed(25, seed)), STATES)


def test_each_row_is_what_the_single_functions_say() -> None:
    content = kit.content(kit.mixed(110))
    found = both_ways(content, STATES)
    payload_rows = {(row["frame"], row["index"]): row for row in kit.rows(found["payloads"])}
    by_frame = {row["frame"]: row for row in kit.rows(found["frames"])}
    offset, seen = 0, 0
    for number, line in enumerate(content.split(b"\n"), 1):
        if number > 1 and line.strip():
            row = by_frame[offset]
            assert (row["line"], row["offset"], row["input"]) == (number, offset, 0)
            record = record_of(line, number, True)
            if not isinstance(record, Frame):
                assert row["kind"] in ("incident", "unread")
            elif not record.is_message:
                assert row["kind"] == "control"
            else:
                seen += check_message(record, row, payload_rows, found)
        offset += len(line) + 1
    assert seen == len(payload_rows) > 60


def check_message(
    frame: Frame, row: dict[str, Any], payload_rows: dict[Any, Any], found: dict[str, Any]
) -> int:
    """The rows of a message against `decode`, `recover` and `judge`; returns its payloads."""
    mine = [each for key, each in payload_rows.items() if key[0] == row["frame"]]
    assert row["payloads"] == len(mine)
    if frame.venue in ("qfex", "finery", "ethgas") or not mine:
        assert row["kind"] == "message"
        return len(mine)
    assert row["kind"] == "signed"
    decoded = outcome(payloads.decode, frame.data)
    if isinstance(decoded, PayloadError):
        assert [each["error"] for each in mine] == [str(decoded)]
        place = (mine[0]["error_offset"], mine[0]["error_field"])
        assert place == (decoded.offset, decoded.field)
        return 1
    leaves = list(decoded.leaves())
    for leaf, each in zip(leaves, mine, strict=True):
        check_payload(leaf, each, frame, found)
    return len(mine)


def check_payload(leaf: Any, row: dict[str, Any], frame: Frame, found: dict[str, Any]) -> None:
    assert row["path"] == leaf.path
    assert row["at"] == (frame.at or None)
    assert row["raw"] == (leaf.raw or None)
    if leaf.error is not None:
        assert row["error"] == str(leaf.error)
        return
    assert row["error"] is None
    assert (row["system"], row["form"], row["provenance"]) == (leaf.system, leaf.form, leaf.why)
    value = leaf.value
    notes = [each.message for each in leaf.notes if each.code == "frame-contradicts-payload"]
    assert row["contradiction"] == ("; ".join(notes) or None)
    if not recognise.is_signed(value):
        return
    departures = list(dict.fromkeys(each.kind for each in value.departures))
    assert row["departures"] == (",".join(departures) or None)
    assert row["canonical"] == (not departures)
    assert row["signed_hash"] == "0x" + value.signing_digest.hex()
    assert row["payload_hash"] == "0x" + sha256(leaf.raw).hexdigest()
    assert row["size"] == len(leaf.raw)
    key = (row["frame"], row["index"])
    check_signatures(leaf, key, row, found)
    check_verdict(leaf, key, frame, found)
    if leaf.system == "chainlink":
        check_report(value, row, found, key)


def check_signatures(leaf: Any, key: Any, row: dict[str, Any], found: dict[str, Any]) -> None:
    single = systems.named(leaf.system).recover(leaf.value)
    mine = of(found["signatures"], key)
    assert [each["signer"] for each in mine] == [
        None if each.address is None else each.address.lower() for each in single
    ]
    assert [(each["position"], each["v"], each["high_s"], each["why"]) for each in mine] == [
        (each.index, each.v, each.high_s, each.why or None) for each in single
    ]
    assert row["signatures"] == len(single)
    trusted = {*map(str.lower, kit.NETWORK.signers), kit.SIGNER.address.lower()}
    for each in mine:
        assert (each["member"] is not None) == (each["signer"] in trusted)


def check_verdict(leaf: Any, key: Any, frame: Frame, found: dict[str, Any]) -> None:
    (mine,) = of(found["verdicts"], key)
    state = STATES[leaf.system == "stork"]
    now = frame.at // SECOND if frame.at else None
    single = payloads.judge(leaf, state, now=now)
    assert mine["verdict"] == single.name
    assert (mine["accepted"], mine["passed"]) == (single.accepted, single.passed)
    assert (mine["error"], mine["revert_data"]) == (single.error, single.revert_data)
    assert mine["now"] == (single.now or 0) * SECOND
    for each in of(found["prices"], key):
        assert each["passed"] == single.passed


def check_report(value: Any, row: dict[str, Any], found: dict[str, Any], key: Any) -> None:
    head = value.report.head
    prices = {each["field"]: each for each in of(found["prices"], key)}
    if head is None or not prices:
        return
    assert row["feed"] == "0x" + head.feed_id.hex()
    assert row["observed"] == head.observations_timestamp * SECOND
    assert row["network"] == "0x" + value.config_digest.hex()
    assert row["sequence"] == value.epoch << 8 | value.round
    assert prices["bid"]["value"] == value.report.bid
    assert prices["ask"]["expires"] == head.expires_at * SECOND
    if row["at"] is not None:
        assert prices["bid"]["latency_ns"] == row["at"] - row["observed"]


def of(batch: pa.RecordBatch, key: Any) -> list[dict[str, Any]]:
    return [row for row in kit.rows(batch) if (row["frame"], row["index"]) == key]


def test_published_payloads_as_items() -> None:
    entries = [each for each in corpus.entries() if each.payload in ("fullReport", "signed_ecdsa")]
    found = mapping.decode(items_of([each.raw for each in entries]))
    for entry, row in zip(entries, kit.rows(found), strict=True):
        decoded = outcome(payloads.decode, entry.raw)
        if isinstance(decoded, PayloadError):
            assert row["error"] == str(decoded)
        else:
            assert row["error"] is None
            (leaf,) = decoded.leaves()
            assert row["signed_hash"] == "0x" + leaf.value.signing_digest.hex()


def test_the_other_functions_of_batches() -> None:
    items = items_of([kit.report(1), "0x" + kit.update(2).hex()], at=BEGAN * SECOND)
    assert mapping.recover(items)["signer"].to_pylist() == [
        *map(str.lower, kit.NETWORK.signers[:2]), kit.SIGNER.address.lower(),
    ]  # fmt: skip
    assert mapping.prices(items)["value"].to_pylist()[0] == 10**20 + 1
    verdicts = mapping.judge(items, STATES)
    assert verdicts["accepted"].to_pylist() == [True, True]
    assert [row["now"] for row in kit.rows(verdicts)] == [BEGAN * SECOND] * 2


def test_prices_of_more_than_38_digits_are_text() -> None:
    record = payloads.chainlink.SCHEMAS[b"\x00\x03"].record
    value = record(kit.FEED, 1, 2, 3, 4, 5, 10**50, -(10**38), 10**38 - 1)
    raw = bytes(kit.NETWORK.sign(value).encode())
    found = kit.rows(mapping.prices(items_of([raw])))
    assert [(row["value"], row["wide"]) for row in found] == [
        (None, str(10**50)), (None, str(-(10**38))), (10**38 - 1, None),
    ]  # fmt: skip


def test_bytes_that_look_like_hex_are_bytes() -> None:
    raw = b"0x" + b"ab" * 40
    frame = kit.message("stork", {"type": "signed_ecdsa", "p": "0x" + raw.hex()}, 1)
    found = both_ways(kit.content([frame] * 3), kit.stork_state())
    decoded = outcome(payloads.decode, frame.data)
    error = str(decoded) if isinstance(decoded, PayloadError) else None
    assert found["payloads"]["error"].to_pylist() == [error] * 3
    single = payloads.judge(frame.data, kit.stork_state(), now=frame.at // SECOND)
    assert found["verdicts"]["verdict"].to_pylist() == [single.name] * 3


def test_every_payload_that_hex_could_be_read_from_is_handed_on_as_hex() -> None:
    begins = [bytes([first, second]) for first in b"0 \n\fz" for second in b"0xX \v1\x80"]
    for begin in begins:
        for rest in (b"ab", b"0x12", b"x12", b"\xff"):
            raws = [b"\x01", begin + rest, b""]
            hexed = hex_text(raws[1]) is not raws[1]
            found = mapping._as_bytes(pa.array(raws, pa.large_binary()))
            wanted = ["0x" + raw.hex() for raw in raws] if hexed else raws
            assert (found if isinstance(found, list) else found.to_pylist()) == wanted


@pytest.mark.parametrize("form", ["signed_ecdsa", None])
def test_digests_are_known_only_where_the_systems_agree(form: str | None) -> None:
    raws = [kit.update(number) for number in range(3)]
    for system, agree in (("stork", True), ("chainlink", False), (None, True)):
        items = items_of(raws, system=system, form=form, at=BEGAN * SECOND)
        found = mapping._Found(items)
        assert found.agree(found.payloads(found.recovered())) is agree


def test_a_frame_of_one_system_is_judged_as_that() -> None:
    """The bytes alone would be taken for a payload of the other system."""
    frame = kit.message("stork", {"type": "signed_ecdsa", "p": "0x" + kit.report(1).hex()}, 1)
    found = both_ways(kit.content([frame] * 2), STATES)
    single = payloads.judge(frame.data, kit.stork_state(), now=frame.at // SECOND)
    assert found["verdicts"]["verdict"].to_pylist() == [single.name] * 2
    assert found["verdicts"]["state"].to_pylist() == ["stork-fast-1.0.0"] * 2


def test_events_of_the_venues_that_sign_nothing() -> None:
    frames = [
        kit._qfex(7, None),  # type: ignore[arg-type]
        kit.message("finery", ["O", 0, "S", [["BTC-USD", 0, 1, 0, 5, 6, 7, 8, 9, 10]]], 1),
        kit.message("finery", ["B", 3, "M", [[[1, 2]], []]], 1),
        kit.message("ethgas", {"e": "recentTradeUpdate", "P": [{"i": "ETH", "p": 0.1, "q": 2}]}, 2),
        kit.message("qfex-trade", {"fill_response": {"symbol": "X", "price": "1.50"}}, 3),
        kit.message("qfex", {"type": "bbo", "symbol": 5}, 4),
    ]
    found = both_ways(kit.content(frames))
    rows = kit.rows(found["events"])
    assert [row["type"] for row in rows] == ["Bbo", "Order", "Frame", "Trade", "Fill"]
    assert rows[0]["sequence"] == 7
    assert (rows[1]["instrument"], rows[1]["side"], rows[1]["size"]) == ("BTC-USD", "ask", "8")
    assert (rows[3]["price"], rows[3]["size"], rows[4]["price"]) == ("0.1", "2", "1.50")
    assert "error" not in rows[0]
    assert found["frames"]["error"].to_pylist()[-1] is not None
    assert found["payloads"].num_rows == 0


def test_nothing_that_cannot_be_read_is_lost() -> None:
    lines = [
        b"{not a line",
        b'{"at":1}',
        b"\xff\xfe",
        b'{"capture":9}',
        kit.line(kit.opened("x", 1)),
    ]
    content = kit.content(lines) + b'{"at":17,"venue":"sto'
    found = both_ways(content)
    rows = kit.rows(found["frames"])
    assert [row["kind"] for row in rows] == [*["unread"] * 4, "incident", "unread"]
    assert [row["line"] for row in rows] == [2, 3, 4, 5, 6, 7]
    for row in rows:
        assert content[row["offset"] :].startswith((*lines, b'{"at":17'))
        assert (row["error"] is None) == (row["kind"] == "incident")


def test_records_that_are_not_wanted() -> None:
    content = kit.content(kit.mixed(60))
    wanted = Selection(("stork",), (BEGAN + 20) * SECOND, (BEGAN + 40) * SECOND)
    with kit.every_way_fast():
        fast = read(content, wanted=wanted)
    with kit.every_way_slow():
        slow = read(content, wanted=wanted)
    assert kit.rows(fast.frames) == kit.rows(slow.frames)
    assert kit.rows(fast.items) == kit.rows(slow.items)
    for row in kit.rows(fast.frames):
        assert row["kind"] == "unread" or row["venue"] == "stork"
        assert row["at"] is None or BEGAN + 20 <= row["at"] / SECOND < BEGAN + 40
    assert fast.records == slow.records == read(content).records


@pytest.mark.parametrize("change", ["digits", "hex", "outside", "length"])
def test_lines_of_one_shape_with_something_else_in_one(change: str) -> None:
    lines = [kit.line(kit.chainlink_frame(kit.report(n), n)) for n in range(30)]
    victim = lines[17]
    at = victim.index(b"fullReport") + 40
    lines[17] = {
        "digits": victim.replace(b'{"at":1', b'{"at":x', 1),
        "hex": victim[:at] + b"g" + victim[at + 1 :],
        "outside": victim.replace(b'\\"feedID\\"', b'\\"feedId\\"', 1),
        "length": victim.replace(b'"conn":1', b'"conn": 1', 1),
    }[change]
    found = both_ways(kit.content(lines), STATES)
    assert found["frames"].num_rows == 30
