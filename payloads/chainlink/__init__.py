"""Chainlink Data Streams: signed reports, their schemas, their signers and their calldata.

from payloads import chainlink

payload = chainlink.decode("0x0006…")
payload.report.benchmark_price
[signature.address for signature in chainlink.recover(payload)]
"""

from payloads.chainlink.annotated import view_call, view_full_report, view_report
from payloads.chainlink.calldata import decode_call, encode_verify, encode_verify_bulk
from payloads.chainlink.compressed import compress, decompress
from payloads.chainlink.records import (
    full_report_from_dict,
    full_report_to_dict,
    report_from_dict,
    report_to_dict,
)
from payloads.chainlink.report import (
    BareReport,
    Context,
    FullReport,
    UnknownReport,
    decode,
    decode_envelope,
    decode_report,
)
from payloads.chainlink.schemas import REGISTRY, Report, ReportHead, Schema, schema, schema_named
from payloads.chainlink.signers import expect_signers, recover

__all__ = [
    "REGISTRY", "BareReport", "Context", "FullReport", "Report", "ReportHead", "Schema",
    "UnknownReport", "compress", "decode", "decode_call", "decode_envelope", "decode_report",
    "decompress", "encode_verify", "encode_verify_bulk", "expect_signers",
    "full_report_from_dict", "full_report_to_dict", "recover", "report_from_dict",
    "report_to_dict", "schema", "schema_named", "view_call", "view_full_report", "view_report",
]  # fmt: skip
