"""Stork Fast: signed updates in both layouts, the unsigned message, and the contract's calldata.

    from payloads import stork

    update = stork.decode("0x4357…")
    {asset.asset_id: asset.value for asset in update.assets}
    stork.recover(update)[0].address
    stork.judge(update, state).accepted

`state` is a record of what the contract knows: see `payloads.stork.state`.
"""

from typing import TYPE_CHECKING

from payloads._late import late
from payloads.stork.calldata import decode_call, encode_calldata
from payloads.stork.signers import expect_signers, recover
from payloads.stork.to_json import from_dict, to_dict
from payloads.stork.update import Asset, SignedUpdate, UnsignedUpdate, decode, decode_unsigned
from payloads.stork.views import view

if TYPE_CHECKING:
    from payloads.stork.state import StorkState
    from payloads.stork.verifier import judge, judge_calldata, judge_many, verify

__all__ = [
    "Asset", "SignedUpdate", "StorkState", "UnsignedUpdate", "decode", "decode_call",
    "decode_unsigned",
    "encode_calldata", "expect_signers", "from_dict", "judge", "judge_calldata", "judge_many",
    "recover", "to_dict", "verify", "view",
]  # fmt: skip

# Imported when first asked for: decoding alone does not pay for the contract's rules.
_LATER = {
    **dict.fromkeys(("judge", "judge_calldata", "judge_many", "verify"), "verifier"),
    "StorkState": "state",
}

__getattr__, __dir__ = late(__name__, _LATER)
