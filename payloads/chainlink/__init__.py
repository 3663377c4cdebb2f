"""Chainlink Data Streams: reports, their schemas and signers, and what a contract would do.

    from payloads import chainlink

    payload = chainlink.decode("0x0006…")
    payload.report                        # its fields, by the schema
    [signature.address for signature in chainlink.recover(payload)]
    chainlink.judge(payload, state).accepted

`state` is a record of what the chain knows: see `payloads.chainlink.state`.
"""

from typing import TYPE_CHECKING

from payloads._late import late
from payloads.chainlink.calldata import decode_call, encode_calldata
from payloads.chainlink.compressed import compress, decompress
from payloads.chainlink.report import (
    BareReport,
    Context,
    FullReport,
    UnknownReport,
    decode,
    decode_envelope,
    decode_report,
)
from payloads.chainlink.schemas import SCHEMAS, Report, ReportHead, Schema, schema, schema_named
from payloads.chainlink.signers import expect_signers, recover
from payloads.chainlink.to_json import from_dict, to_dict
from payloads.chainlink.views import view

if TYPE_CHECKING:
    from payloads.chainlink.quotes import quote, quote_bulk
    from payloads.chainlink.state import ChainlinkState
    from payloads.chainlink.verifier import (
        judge,
        judge_bulk,
        judge_calldata,
        judge_many,
        verify,
    )

__all__ = [
    "SCHEMAS", "BareReport", "ChainlinkState", "Context", "FullReport", "Report", "ReportHead",
    "Schema", "UnknownReport", "compress", "decode", "decode_call", "decode_envelope",
    "decode_report",
    "decompress", "encode_calldata", "expect_signers", "from_dict", "judge", "judge_bulk",
    "judge_calldata", "judge_many", "quote", "quote_bulk", "recover", "schema", "schema_named",
    "to_dict", "verify", "view",
]  # fmt: skip

# Imported when first asked for: decoding alone does not pay for the contracts' rules.
_LATER = {
    **dict.fromkeys(("judge", "judge_bulk", "judge_calldata", "judge_many", "verify"), "verifier"),
    **dict.fromkeys(("quote", "quote_bulk"), "quotes"),
    "ChainlinkState": "state",
}

__getattr__, __dir__ = late(__name__, _LATER)
