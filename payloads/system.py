"""The record that describes a system of signed payloads: functions and tables from its own folder.

`payloads.chainlink.system` and `payloads.stork.system` each export such a record as `SYSTEM`, and
`payloads.systems` lists them. The recogniser, the views, the judging and the command line loop over
that list and know no system by name. So a third system is one folder and one line.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from payloads.abi.annotate import Expander, View
from payloads.abi.calldata import Function
from payloads.abi.fields import Record
from payloads.abi.rows import Row
from payloads.abi.strictness import AS_CONTRACT, Profile
from payloads.errors import Malformed, Misuse, shown
from payloads.inputs import json_text, parse_json, to_bytes
from payloads.signatures import Recovered

if TYPE_CHECKING:
    from payloads.arrays.reader import Columns
    from payloads.verdicts.signers import Signers
    from payloads.verdicts.state import State
    from payloads.verdicts.together import Asking, Judgement
    from payloads.verdicts.verdict import Verdict

Claims = tuple[tuple[str, Any], ...]


class Options(Record, frozen=True):
    """The options of reading: the strictness, and facts about the payload that the caller knows."""

    profile: Profile = AS_CONTRACT
    form: str | None = None
    schema: str | int | None = None
    layout: str | None = None


class Terms(Record, frozen=True):
    """The terms of a call: the function by its name, the payment, the sender and the block's time.

    `function` None means the system's first function, and `now` None the state's own time. `value`
    None is the native fee where `pay` is `native`, and 0 elsewhere. `origin`
    is the account that signed the transaction; None is the sender itself. Calls with the same
    `signers` recover each signature once.
    """

    function: str | None = None
    pay: str | bytes | None = None
    value: int | None = None
    sender: str | bytes | None = None
    now: int | None = None
    origin: str | bytes | None = None
    signers: Signers | None = None


class Evidence(Record, frozen=True):
    """A test of bytes for a form: `find` returns the evidence in words, or "" if there is none.

    The tests of all systems run in order of `strength`, strongest first. Evidence is `doubtful` if
    random bytes may have it, too. Then a state of another system outweighs it.
    """

    strength: int
    form: str
    find: Callable[[bytes], str]
    doubtful: bool = False


class Note(Record, frozen=True):
    """A remark on a payload that was decoded all the same."""

    code: str
    message: str

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"


class Found(Record, frozen=True):
    """A payload as an input held it, before its bytes are decoded.

    `value` is the payload itself where no bytes need decoding. `system` is "" for a call, because
    its selector names the system. `claims` are the frame's own statements about the payload.
    """

    system: str
    form: str
    why: str
    raw: bytes = b""
    claims: Claims = ()
    value: Any = None


class Place(Record, frozen=True):
    """A payload inside other bytes: where it stands, its form, and the evidence in words."""

    start: int
    end: int
    form: str
    why: str


class Several(Record, frozen=True):
    """An input that holds a list of payloads."""

    why: str
    path: str
    items: tuple[Any, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class System:
    """One system of signed payloads.

    Functions that take a `value` get a decoded payload of one of `types`. Those that take a `form`
    get one of `forms`. All raise errors of the `payloads.errors` family only.
    """

    name: str
    # Payloads and frames of the system, in the words of an error message.
    payloads: str
    frames: str
    # No payload has fewer bytes.
    shortest: int
    # The first form is the one that the contract's functions take.
    forms: tuple[str, ...]
    evidence: tuple[Evidence, ...]
    # Classes of decoded payloads with their forms; and those among them that carry signatures.
    types: dict[type, str]
    signed: tuple[type, ...]

    decode: Callable[[bytes, str, Options], Any]
    # The payloads inside other bytes, left to right. Of packed payloads, perhaps only those of
    # these signers are found.
    places: Callable[[bytes, Collection[bytes]], Iterable[Place]] = lambda data, signers: ()
    # The error that revert data of the system's contracts spells, in words; "" for other bytes.
    revert: Callable[[bytes], str] = lambda data: ""
    # The names of the errors for a caller that does not take a refund.
    refund_errors: tuple[str, ...] = ()
    # The bytes inside a form that only wraps other bytes.
    containers: dict[str, Callable[[bytes], bytes]] = field(default_factory=dict)
    notes: Callable[[Any, Claims], Iterable[Note]]
    # Whether a JSON object may be a frame, by its keys. The payload in it; None for other objects.
    is_frame: Callable[[dict[str, Any]], bool]
    open_frame: Callable[[dict[str, Any]], Found | Several | None]

    recover: Callable[[Any], Sequence[Recovered]]
    expect_signers: Callable[..., Any]
    # Attributes of a signed payload to show beside its signers: the digest and the like.
    signing_facts: tuple[str, ...]

    view: Callable[[bytes, str, Options, str], View]
    view_parameter: Expander
    # For people: the payload in a few words, and its fields (prices with so many decimals).
    title: Callable[[Any], str]
    rows: Callable[[Any, int | None], Iterable[Row]]

    to_json: Callable[[Any, bool], dict[str, Any]]
    # The payload's bytes out of the text of a usual frame, in one pass; None for any other text.
    plain: Callable[[str | bytes], bytes | None] = lambda frame: None
    # The JSON text of the same object in one pass, for usual payloads without notes: out of a
    # frame's text, or out of the payload's bytes. None for any other.
    text_of_frame: Callable[[str | bytes, bool], str | None] = lambda frame, signers: None
    text_of: Callable[[bytes, bool], str | None] = lambda raw, signers: None
    # The payload that such an object describes; None if the object is not of this system.
    from_json: Callable[[dict[str, Any]], Any]
    # For the forms without a signature: how to make them of the payload that an object describes.
    bare: dict[str, Callable[[Any], Any]] = field(default_factory=dict)
    # Other encodings of a payload by name, beside its own bytes and calldata.
    encodings: dict[str, Callable[[Any], bytes]] = field(default_factory=dict)
    calldata_functions: tuple[Function, ...]
    # From payloads, a function's name, the way of paying, and a state if one is known.
    encode_calldata: Callable[
        [Sequence[bytes], str | None, str | bytes | None, State | None], bytes
    ]

    # The system's part of `payloads.columns`, imported when it is asked for; None without columns.
    columns: Callable[[], Columns | None] = lambda: None
    # The feed ids, or the numbers of the assets, of a payload as the contract reads it.
    feeds: Callable[[bytes], tuple[bytes | int, ...]] = lambda raw: ()
    # Names of contracts, as states have them; the class of states, imported when it is asked for.
    contracts: tuple[str, ...]
    state_class: Callable[[], type[State]]
    # A judgement of one call of a function with these payloads, or with whole calldata.
    judging: Callable[[Sequence[bytes], State, Terms, Signers], Judgement]
    judging_calldata: Callable[[bytes, State, Terms, Signers], Judgement]
    # A judgement of many calls with a payload each, where that is faster than one for each.
    judging_batch: (
        Callable[[Sequence[bytes], State, Terms, Signers], Asking[Sequence[Verdict]]] | None
    ) = None
    # A function that makes judgements of one payload each, on terms that it looks at once; None
    # where `judging` looks at them each time.
    judging_each: Callable[[State, Terms, Signers], Callable[[bytes], Judgement]] | None = None
    # The words for paying. A payload whose payment is not known is judged by the first.
    ways_to_pay: tuple[str, ...] = ("native",)
    # The wei that a call of these payloads sends on these terms.
    value_sent: Callable[[Sequence[bytes], State, Terms], int]
    # The cost of verifying a payload; None where every call costs the same.
    quote: Callable[[bytes, State, Terms], Any] | None = None

    def judging_many(
        self, payloads: Sequence[bytes], state: State, terms: Terms, signers: Signers
    ) -> Asking[Sequence[Verdict]]:
        """A judgement of each payload as a call of its own."""
        from payloads.verdicts.together import side_by_side

        if self.judging_batch is not None:
            return self.judging_batch(payloads, state, terms, signers)
        return side_by_side([self.judging([raw], state, terms, signers) for raw in payloads])

    def judge(self, payloads: Sequence[bytes], state: State, terms: Terms) -> Verdict:
        """The verdict on one call of a function with these payloads."""
        return _finished(self.judging, payloads, state, terms)

    def judge_calldata(self, calldata: bytes, state: State, terms: Terms) -> Verdict:
        """The verdict on whole calldata."""
        return _finished(self.judging_calldata, calldata, state, terms)


def _finished(judging: Callable[..., Judgement], given: Any, state: State, terms: Terms) -> Verdict:
    from payloads.verdicts.signers import Signers
    from payloads.verdicts.together import finish

    signers = Signers() if terms.signers is None else terms.signers
    return finish(judging(given, state, terms, signers), signers)


# --- inputs of a system's own functions -----------------------------------------------------------


def framed(
    value: Any, open_frame: Callable[[dict[str, Any]], Found | Several | None]
) -> Found | None:
    """The payload in a frame, given as a dict or as text; None for any other input."""
    if isinstance(value, str) and json_text(value) is not None:
        value = parse_json(value)
    elif not isinstance(value, dict):
        return None
    found = open_frame(value) if isinstance(value, dict) else None
    if found is None:
        raise Malformed("JSON, but no frame of this system", field="frame", found=shown(value))
    if isinstance(found, Several):
        count = str(len(found.items))
        raise Misuse("several payloads in one input", field=found.path, expected="1", found=count)
    return found


def undecoded(value: Any, name: str = "payload") -> bytes:
    """The bytes of hex text or bytes, for a contract: no bytes at all are a payload, too."""
    if isinstance(value, str):
        return b"" if value.strip() in ("", "0x", "0X") else to_bytes(value, name=name)
    if isinstance(value, bytes | bytearray | memoryview) and not len(value):
        return b""
    return to_bytes(value, name=name)
