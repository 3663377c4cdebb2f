"""Stork Fast: signed updates in both layouts, the unsigned message, and the contract's calldata.

from payloads import stork

update = stork.decode("0x4357…")
{asset.asset_id: asset.value for asset in update.assets}
stork.recover(update)[0].address
"""

from payloads.stork.annotated import view_call, view_update
from payloads.stork.calldata import decode_call, encode_call
from payloads.stork.records import signed_from_dict, signed_to_dict, unsigned_to_dict
from payloads.stork.update import (
    Asset,
    SignedUpdate,
    UnsignedUpdate,
    decode,
    decode_unsigned,
    expect_signer,
    recover,
)

__all__ = [
    "Asset", "SignedUpdate", "UnsignedUpdate", "decode", "decode_call", "decode_unsigned",
    "encode_call", "expect_signer", "recover", "signed_from_dict", "signed_to_dict",
    "unsigned_to_dict", "view_call", "view_update",
]  # fmt: skip
