"""Chainlink's payloads for people: a title, and a row for each field."""

from __future__ import annotations

from collections.abc import Iterator

from payloads.abi.rows import Row, field_rows
from payloads.chainlink.report import CONTEXT, AnyReport, BareReport, FullReport, UnknownReport
from payloads.chainlink.schemas import COMMON_HEAD


def title(value: FullReport | BareReport) -> str:
    """What the payload is, in a few words."""
    kind = "fullReport" if isinstance(value, FullReport) else "unsigned report"
    return f"Chainlink {kind}, {value.schema_label}"


def rows(value: FullReport | BareReport, decimals: int | None) -> Iterator[Row]:
    """The fields of a payload; prices at a scale of so many decimals, too."""
    yield from _report(value.report, decimals)
    if isinstance(value, BareReport):
        return
    yield from field_rows(CONTEXT, value, decimals)
    yield Row("sequence", str(value.sequence))
    if value.don_id is not None:
        yield Row("don_id", str(value.don_id))
    yield Row("signing_digest", "0x" + value.signing_digest.hex())


def _report(report: AnyReport, decimals: int | None) -> Iterator[Row]:
    if not isinstance(report, UnknownReport):
        yield from field_rows(report.schema.table, report, decimals)
        return
    if report.head is not None:
        yield Row("(if the usual head)", "")
        yield from field_rows(COMMON_HEAD, report.head, decimals)
    for index, word in enumerate(report.words):
        yield Row(f"words[{index}]", "0x" + word.hex())
    if report.tail:
        yield Row("tail", "0x" + report.tail.hex())
