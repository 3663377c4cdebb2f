"""Decode and verify signed oracle payloads offline, exactly as the chain would.

    import payloads

    found = payloads.decode("0x0006…")    # hex, bytes, calldata, or a JSON frame of any system
    found.form, found.why                 # its form, and the evidence for it
    found.value.report.benchmark_price    # the decoded payload
    payloads.recover("0x0006…")           # who signed it
    payloads.inspect("0x0006…").spans     # every byte of it
    payloads.judge("0x0006…", payloads.State.load("state.json")).accepted

`payloads.chainlink` and `payloads.stork` hold what is particular to each system. Errors are one
family, documented in `payloads.errors`; nothing here touches a network or a data-frame library.
"""

from typing import TYPE_CHECKING

from payloads._late import hand_down, late
from payloads.errors import Malformed, Misuse, PayloadError, Refused

if TYPE_CHECKING:
    from payloads import chainlink, stork
    from payloads.abi.strictness import AS_CONTRACT, CANONICAL
    from payloads.embedding import Embedded, embedded
    from payloads.inspection import inspect
    from payloads.judging import judge, judge_many, judge_stream
    from payloads.recognise import Decoded, decode, recover
    from payloads.system import Note
    from payloads.verdicts.state import State
    from payloads.verdicts.verdict import Verdict

from payloads._version import __version__ as __version__

__all__ = [
    "AS_CONTRACT", "CANONICAL", "Decoded", "Embedded", "Malformed", "Misuse", "Note",
    "PayloadError", "Refused", "State", "Verdict", "chainlink", "decode", "embedded", "inspect",
    "judge", "judge_many", "judge_stream", "recover", "stork",
]  # fmt: skip

# Imported when first asked for: decoding alone does not pay for the import of the verifiers, and a
# plugin of pytest or Hypothesis that nothing uses pays for neither.
_LATER = {
    **dict.fromkeys(("AS_CONTRACT", "CANONICAL"), "abi.strictness"),
    **dict.fromkeys(("Decoded", "decode", "recover"), "recognise"),
    "Note": "system",
    "inspect": "inspection",
    **dict.fromkeys(("Embedded", "embedded"), "embedding"),
    **dict.fromkeys(("judge", "judge_many", "judge_stream"), "judging"),
    "State": "verdicts.state",
    "Verdict": "verdicts.verdict",
}

# A description of a state names its contract, and only the list of the systems knows all contracts.
hand_down("state_class", "payloads.systems")

__getattr__, __dir__ = late(__name__, _LATER, packages=("chainlink", "stork"))
