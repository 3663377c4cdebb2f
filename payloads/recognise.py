"""What is this? From anything a person may have in hand to a decoded payload, saying why.

`decode` takes hex, bytes, or a JSON frame of either system (text, bytes or parsed), recognises the
form and decodes it. It raises `Malformed` when the input is no payload, or a broken one; inside a
container (a bulk call, a list of reports) a broken payload is kept with its error and the others
still come out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec

from payloads import chainlink, stork
from payloads.calls import Call, function_of
from payloads.chainlink.compressed import decompress, uncompressed_size
from payloads.chainlink.report import BareReport, FullReport, UnknownReport
from payloads.errors import Malformed, Misuse, PayloadError, elide
from payloads.fields import Record
from payloads.inputs import MAX_TEXT_CHARACTERS, to_bytes
from payloads.strictness import AS_CONTRACT, Profile
from payloads.stork.update import SignedUpdate, UnsignedUpdate

__all__ = ["FORMS", "Decoded", "Note", "Options", "Payload", "decode", "recognise"]

Payload = FullReport | BareReport | SignedUpdate | UnsignedUpdate | Call
