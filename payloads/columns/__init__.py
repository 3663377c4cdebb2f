"""Many payloads at once, in Arrow's columns and back: decoded, recovered, judged.

    from payloads import columns

    tables = columns.decode(records)             # hex or bytes: a table for each layout
    tables["chainlink_v3"].column("benchmark_price")
    columns.recover(records)                     # a row for each signature
    columns.judge(records, state, now=today)     # a row for each payload

Everything is checked as `payloads.decode` and `payloads.judge` check it, and gives the same values,
errors and verdicts. Whole groups of payloads are proven at once; a payload that is not proven goes
to the single decoder. The functions keep nothing between calls. It needs the extra `arrow`.
"""

from payloads.errors import not_installed

try:
    import numpy  # noqa: F401
    import pyarrow  # noqa: F401
except ImportError as error:
    raise not_installed("pyarrow or numpy", "arrow") from error

from payloads.arrays.reader import FACTS
from payloads.arrays.types import PRICES
from payloads.columns.decoding import decode, decode_table, encode, facts, prices
from payloads.columns.narrow import narrow
from payloads.columns.recovery import digests, recover
from payloads.columns.schemas import ERRORS, SIGNATURES, VERDICTS, schema, schemas
from payloads.columns.verdicts import judge

__all__ = [
    "ERRORS", "FACTS", "PRICES", "SIGNATURES", "VERDICTS", "decode", "decode_table", "digests",
    "encode", "facts", "judge", "narrow", "prices", "recover", "schema", "schemas",
]  # fmt: skip
