"""Describe once, derive everything: a schema made up here has all that the real ones have."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Annotated, Any

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

import payloads
from payloads import CANONICAL, chainlink, reference
from payloads.abi.fields import field
from payloads.abi.units import NANOSECONDS, PRICE
from payloads.chainlink.schemas import PUBLISHED_TABLES, SCHEMAS, ReportHead, schema
from payloads.cli.main import main
from payloads.errors import Malformed, Misuse
from payloads.strategies import reports
from payloads.testing import InsecureTestNetwork
from tests.checks import assert_partitions

VERSION = 0x0F0F
NETWORK = InsecureTestNetwork("made up", size=4, f=1)


@pytest.fixture(scope="module", autouse=True)
def made_up() -> Iterator[Any]:
    """All that it takes to add a schema; and what it takes to be rid of it again."""

    @schema(VERSION, "lunar futures")
    class ReportLunar(ReportHead, frozen=True):
        tide: Annotated[int, field("int128", PRICE, "Price of a high tide")]
        moonrise_ns: Annotated[int, field("uint64", NANOSECONDS, "When the moon rises")]
        crater: Annotated[bytes, field("bytes8", meaning="Which crater")]

    yield ReportLunar
    del SCHEMAS[ReportLunar.schema.prefix], PUBLISHED_TABLES[ReportLunar.schema.prefix]


@pytest.fixture(name="report")
def lunar_report(made_up: Any) -> Any:
    feed = VERSION.to_bytes(2, "big") + b"\x07" * 30
    return made_up(feed, 1, 2, 3, 4, 5, -6, 1_700_000_000 * 10**9, b"Tycho   ")


def test_it_decodes_and_encodes(report: Any, made_up: Any) -> None:
    raw = NETWORK.sign(report).encode()
    payload = chainlink.decode(raw, profile=CANONICAL)
    assert isinstance(payload.report, made_up)
    assert payload.report == report
    assert payload.schema_version == VERSION
    assert payload.encode() == raw
    assert len(payload.report_blob) == 9 * 32
    assert chainlink.decode_report(report.encode()).report == report


def test_it_is_held_to_its_types(report: Any) -> None:
    blob = report.encode()
    with pytest.raises(Malformed) as dirty:
        # An int128 of -6 whose sign does not reach the top of its word.
        chainlink.decode_report(blob[: 6 * 32] + b"\x00" + blob[6 * 32 + 1 :])
    assert (dirty.value.field, dirty.value.offset) == ("tide", 6 * 32)
    with pytest.raises(Malformed) as short:
        chainlink.decode_report(blob[:-1])
    assert short.value.field == "crater"
    with pytest.raises(Misuse):
        type(report)(*report.values[:6], 2**127, *report.values[7:]).encode()


def test_it_is_recognised_without_a_signature(report: Any) -> None:
    found = payloads.decode(report.encode())
    assert found.form == "report"
    assert f"schema v{VERSION}" in found.why


def test_it_is_annotated(report: Any) -> None:
    raw = NETWORK.sign(report).encode()
    view = payloads.inspect(raw)
    assert_partitions(view, raw)
    spans = {span.path: span for span in view.spans}
    assert spans["report.tide"].value == -6
    assert spans["report.tide"].meaning == "Price of a high tide"
    assert spans["report.moonrise_ns"].said == "2023-11-14 22:13:20.000000000 UTC"


def test_it_goes_through_json_both_ways(report: Any) -> None:
    payload = NETWORK.sign(report)
    record = json.loads(json.dumps(chainlink.to_dict(payload)))
    assert (record["schema"], record["tide"]) == (f"v{VERSION}", "-6")
    assert record["moonrise_ns"] == "1700000000000000000"
    assert record["crater"] == "0x547963686f202020"
    assert chainlink.from_dict(record).encode() == payload.encode()


def test_the_command_line_knows_it(report: Any) -> None:
    raw = NETWORK.sign(report).encode().hex()
    shown = CliRunner().invoke(main, ["decode", "--decimals", "1", raw])
    assert shown.exit_code == 0
    assert "lunar futures" in shown.stdout
    assert any(line.split()[:3] == ["tide", "-6", "-0.6"] for line in shown.stdout.splitlines())
    inspected = CliRunner().invoke(main, ["inspect", raw])
    assert "Price of a high tide" in inspected.stdout
    blob = CliRunner().invoke(main, ["decode", "--json", report.encode().hex()]).stdout
    encoded = CliRunner().invoke(main, ["encode"], input=blob).stdout
    assert encoded.strip() == "0x" + report.encode().hex()


def test_the_reference_page_has_it(made_up: Any) -> None:
    rows = made_up.schema.table.markdown().splitlines()
    assert rows[-3] == "| 192 | `tide` | int128 | price | Price of a high tide |"
    assert len(rows) == 2 + 9
    assert rows[-3] in reference.page()


@given(data=st.data())
@settings(max_examples=30)
def test_tests_make_reports_of_it(made_up: Any, data: st.DataObject) -> None:
    report = data.draw(reports(schema=made_up))
    assert chainlink.decode_report(report.encode()).report == report
