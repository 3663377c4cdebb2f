"""What is this? From anything a person may have in hand to a decoded payload, saying why.

`decode` takes hex, bytes, or a JSON frame of either system (text, bytes or parsed), recognises the
form and decodes it. It raises `Malformed` when the input is no payload, or a broken one; inside a
container (a bulk call, a list of reports) a broken payload is kept with its error and the others
still come out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from payloads import chainlink, stork
from payloads.abi.calldata import Call, function_of
from payloads.abi.fields import WORD, Record
from payloads.abi.strictness import AS_CONTRACT, Profile
from payloads.chainlink.calldata import FUNCTIONS as PROXY_FUNCTIONS
from payloads.chainlink.compressed import uncompressed_size
from payloads.chainlink.report import BareReport, FullReport, UnknownReport
from payloads.chainlink.schemas import REGISTRY
from payloads.errors import Malformed, Misuse, PayloadError, elide, shown
from payloads.inputs import MAX_PAYLOAD_BYTES, MAX_TEXT_CHARACTERS, check_nesting, to_bytes
from payloads.stork.calldata import FUNCTIONS as STORK_FUNCTIONS
from payloads.stork.update import SignedUpdate, UnsignedUpdate, fits_plain

Payload = FullReport | BareReport | SignedUpdate | UnsignedUpdate | Call
FORMS = ("full_report", "report", "snappy", "signed_ecdsa", "call", "frame")


class Options(Record, frozen=True):
    """How to read: the strictness, and what the caller knows better than the bytes say."""

    profile: Profile = AS_CONTRACT
    form: str | None = None
    schema: str | int | None = None
    layout: str | None = None


class Note(Record, frozen=True):
    """Something worth hearing about a payload that was decoded all the same."""

    code: str
    message: str

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"


class Decoded(Record, frozen=True):
    """A recognised input: its form, why it was taken for that, and what was in it.

    `value` is the payload; None for a container of several (`inner`), and for a broken payload
    inside a container, whose `error` says what is wrong. `raw` is the payload's bytes.
    """

    form: str
    why: str
    value: Payload | None = None
    raw: bytes = b""
    inner: tuple[Decoded, ...] = ()
    error: PayloadError | None = None
    path: str = ""
    # What a JSON frame said beside the payload about the payload.
    claims: tuple[tuple[str, Any], ...] = ()

    def leaves(self) -> Iterator[Decoded]:
        """The payloads themselves, without the containers around them."""
        if not self.inner:
            yield self
        for one in self.inner:
            yield from one.leaves()

    @property
    def notes(self) -> tuple[Note, ...]:
        """Guesses, departures from what an encoder writes, and contradictions with the frame."""
        return tuple(_notes(self))


def to_dict(decoded: Decoded, *, signers: bool = True) -> dict[str, Any]:
    """One payload as `payloads decode --json` prints it; keys are documented in docs/json.md."""
    if decoded.error is not None:
        return {"error": decoded.error.to_dict()}
    record = _value_dict(decoded.value, signers)
    if decoded.notes:
        record["notes"] = [{"code": note.code, "message": note.message} for note in decoded.notes]
    return record


def _value_dict(value: Payload | None, signers: bool) -> dict[str, Any]:
    if isinstance(value, FullReport):
        return chainlink.full_report_to_dict(value, signers)
    if isinstance(value, BareReport):
        return chainlink.report_to_dict(value)
    if isinstance(value, SignedUpdate):
        return stork.signed_to_dict(value, signers)
    if isinstance(value, UnsignedUpdate):
        return stork.unsigned_to_dict(value)
    return {}


def to_dicts(decoded: Decoded, *, signers: bool = True) -> Iterator[tuple[Decoded, dict[str, Any]]]:
    """Every payload of an input with its record; those inside something say inside what."""
    if not decoded.inner:
        yield decoded, to_dict(decoded, signers=signers)
    around: dict[str, Any] = {}
    if isinstance(call := decoded.value, Call):
        around = {"call": call.function.name}
        if call.parameter_payload is not None:
            around["parameter_payload"] = "0x" + call.parameter_payload.hex()
    for one in decoded.inner:
        for leaf, record in to_dicts(one, signers=signers):
            path = {"path": one.path} if one.path and "path" not in record else {}
            yield leaf, record | path | around


# --- what bytes are -------------------------------------------------------------------------------

# 2001 to 2100: a signed body with such a nanosecond timestamp in the right place is Stork's.
_PLAUSIBLE_NS = range(10**18, 4_102_444_800 * 10**9)
_SMALL = bytes(WORD - 4)
# A Stork payload with no assets in it.
_SHORTEST = 75


def form_of(raw: bytes) -> tuple[str, str]:
    """The form of a payload's bytes and the evidence; `Malformed` if there is none."""
    for form, evidence in _EVIDENCE:
        if why := evidence(raw):
            return form, why
    short = "too short for any payload" if len(raw) < _SHORTEST else "not recognised as a payload"
    raise Malformed(
        short,
        offset=0,
        field="payload",
        expected="a Chainlink fullReport or report, a Stork signed_ecdsa payload, or a call of one",
        found=f"{len(raw)} bytes beginning 0x{elide(raw[:16].hex())}",
    )


def _is_call(raw: bytes) -> str:
    function = function_of((*PROXY_FUNCTIONS, *STORK_FUNCTIONS), raw)
    return f"starts with the selector of {function.signature}" if function else ""


def _is_snug_full_report(raw: bytes) -> str:
    head = int.from_bytes(raw[96:128], "big") == 7 * WORD and raw[128:156] == raw[160:188] == _SMALL
    return "a head of 7 words whose first offset is 224" if head and len(raw) >= 224 else ""


def _is_report(raw: bytes) -> str:
    schema = REGISTRY.get(raw[:2])
    if schema is None or len(raw) != schema.size:
        return ""
    try:
        schema.table.read(raw)
    except Malformed:
        return ""
    return f"exactly a report of schema {schema.key}, unsigned"


def _is_full_report(raw: bytes) -> str:
    """Any head with three offsets that point somewhere near, whatever layout they make."""
    offsets = (raw[start : start + WORD] for start in (96, 128, 160))
    near = all(word[: WORD - 4] == _SMALL for word in offsets)
    return "words 3, 4 and 5 are offsets, as in a fullReport's head" if near and raw[192:] else ""


def _is_without_signatures(raw: bytes) -> str:
    """Some SDKs' mocks encode the context and the report alone, which no contract accepts."""
    start = int.from_bytes(raw[96:128], "big")
    length = int.from_bytes(raw[128:160], "big")
    fits = start == 4 * WORD and length == len(raw) - 5 * WORD
    return "a context and a report, encoded without signatures" if fits else ""


def _is_snappy(raw: bytes) -> str:
    try:
        size = uncompressed_size(raw)
        # Raw snappy makes at most 64 bytes out of 3, and never more than a sixth longer.
        if not len(raw) * 3 // 4 < size <= min(MAX_PAYLOAD_BYTES, 22 * len(raw)):
            return ""
        chainlink.decompress(raw)
    except Malformed:
        return ""
    return f"raw snappy of {size} bytes"


def _is_stork(raw: bytes) -> str:
    at = 69 if raw[65:67] == b"\xff\x02" else 65
    timely = int.from_bytes(raw[at + 2 : at + 10], "big") in _PLAUSIBLE_NS
    recoverable = raw[64:65] in (b"\x00", b"\x01")
    if at == 69 and (timely or recoverable):
        return "a 65-byte signature, then 0xff02: the versioned layout"
    if fits_plain(raw) and (timely or recoverable):
        count = (len(raw) - 75) // 18
        return f"a 65-byte signature, a 10-byte head, and {count} x 18 bytes of assets"
    if timely and recoverable:
        return "a 65-byte signature and a nanosecond timestamp where Stork has it"
    return ""


def _is_legacy_report(raw: bytes) -> str:
    if len(raw) != REGISTRY[b"\x00\x01"].size:
        return ""
    report = chainlink.decode_report(raw).report
    known = not isinstance(report, UnknownReport)
    return "288 bytes that read cleanly as schema v1" if known else ""


def _is_broken_report(raw: bytes) -> str:
    schema = REGISTRY.get(raw[:2])
    if schema is None or raw[32:60] != bytes(28) or raw[64:92] != bytes(28):
        return ""
    return f"a feed ID of schema {schema.key} and two timestamps"


# Strongest evidence first: a form further down is only thought of when none above fits.
_EVIDENCE: tuple[tuple[str, Callable[[bytes], str]], ...] = (
    ("call", _is_call),
    ("full_report", _is_snug_full_report),
    ("report", _is_report),
    ("full_report", _is_full_report),
    ("full_report", _is_without_signatures),
    ("snappy", _is_snappy),
    ("signed_ecdsa", _is_stork),
    ("report", _is_legacy_report),
    ("report", _is_broken_report),
)


# --- decoding -------------------------------------------------------------------------------------


def decode(
    value: Any,
    *,
    profile: Profile = AS_CONTRACT,
    form: str | None = None,
    schema: str | int | None = None,
    layout: str | None = None,
) -> Decoded:
    """Recognise and decode anything: hex, bytes, or a JSON frame as text, bytes or a dict.

    `form` skips the recognition and takes the input for what it names; `schema` and `layout` are
    handed to the decoders, for payloads that do not say what they are.
    """
    options = Options(profile, form, schema, layout)
    if form is not None and form not in FORMS:
        raise Misuse("no such form", field="form", expected=", ".join(FORMS), found=repr(form))
    return _decode_found(find(value, options), options)


def _decode_found(found: Found | Several, options: Options) -> Decoded:
    if isinstance(found, Several):
        pairs = enumerate(found.items)
        inner = tuple(_kept(item, f"{found.path}[{i}]", options) for i, item in pairs)
        return Decoded("frame", found.why, None, b"", inner)
    if found.message is not None:
        return Decoded("unsigned", found.why, stork.decode_unsigned(found.message))
    decoded = _DECODERS[found.form](found.raw, found.why, options)
    return msgspec.structs.replace(decoded, claims=found.claims) if found.claims else decoded


def _full_report(raw: bytes, why: str, options: Options) -> Decoded:
    try:
        payload = chainlink.decode(raw, profile=options.profile, schema=options.schema)
    except Malformed as error:
        if hint := _is_without_signatures(raw):
            error.reason += f" ({hint})"
        raise
    return Decoded("full_report", why, payload, raw)


def _report(raw: bytes, why: str, options: Options) -> Decoded:
    bare = chainlink.decode_report(raw, profile=options.profile, schema=options.schema)
    return Decoded("report", why, bare, raw)


def _signed(raw: bytes, why: str, options: Options) -> Decoded:
    update = stork.decode(raw, profile=options.profile, layout=options.layout)
    return Decoded("signed_ecdsa", why, update, raw)


def _snappy(raw: bytes, why: str, options: Options) -> Decoded:
    inside = msgspec.structs.replace(options, form=None)
    found = find_inside(chainlink.decompress(raw), inside)
    return Decoded("snappy", why, None, raw, (_decode_found(found, inside),))


def _call(raw: bytes, why: str, options: Options) -> Decoded:
    if function_of(PROXY_FUNCTIONS, raw):
        call, form = chainlink.decode_call(raw, profile=options.profile), "full_report"
    else:
        call, form = stork.decode_call(raw, profile=options.profile), "signed_ecdsa"
    inside = msgspec.structs.replace(options, form=form)
    starts = {part.path: part.offset for part in call.parts if part.role == "value"}
    paths = (
        [f"payloads[{index}]" for index in range(len(call.payloads))]
        if call.function.name == "verifyBulk"
        else ["payload"]
    )
    inner = tuple(
        _kept(payload, path, inside, starts.get(path, 0))
        for path, payload in zip(paths, call.payloads, strict=True)
    )
    return Decoded("call", why, call, raw, inner)


def _kept(value: Any, path: str, options: Options, start: int = 0) -> Decoded:
    """One payload of a container: decoded, or kept with what is wrong with it."""
    try:
        found = _decode_found(find_inside(value, options), options)
    except PayloadError as error:
        raw = value if isinstance(value, bytes) else b""
        why, error = f"inside {path}", error.shifted(start, path)
        return Decoded(options.form or "unknown", why, None, raw, error=error, path=path)
    return msgspec.structs.replace(found, path=path)


_DECODERS: dict[str, Callable[[bytes, str, Options], Decoded]] = {
    "full_report": _full_report,
    "report": _report,
    "snappy": _snappy,
    "signed_ecdsa": _signed,
    "call": _call,
}


# --- JSON frames ----------------------------------------------------------------------------------


def _json_text(value: Any) -> str | bytes | None:
    """The input if it is JSON text, which no payload's bytes can be mistaken for."""
    if isinstance(value, str):
        return value if value.lstrip()[:1] in ("{", "[") else None
    if isinstance(value, bytes | bytearray) and value.lstrip()[:1] in (b"{", b"["):
        text = bytes(value)
        return text if text.isascii() or _is_text(text) else None
    return None


def _is_text(raw: bytes) -> bool:
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True


def _hex_text(value: Any) -> Any:
    """Hex that arrived as bytes, as it does from a file or a socket."""
    if isinstance(value, bytes) and value.lstrip()[:2] in (b"0x", b"0X") and value.isascii():
        return value.decode()
    return value


def _parse(text: str | bytes) -> Any:
    if len(text) > MAX_TEXT_CHARACTERS:
        limit = f"at most {MAX_TEXT_CHARACTERS} characters"
        raise Malformed("frame too large", field="frame", expected=limit, found=str(len(text)))
    check_nesting(text)
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed("not JSON", field="frame", found=elide(str(error), 160)) from None


class Found(Record, frozen=True):
    """A payload's bytes as an input held them, before they are decoded."""

    form: str
    why: str
    raw: bytes = b""
    claims: tuple[tuple[str, Any], ...] = ()
    # The message itself, where it is not a wrapping of bytes.
    message: dict[str, Any] | None = None


class Several(Record, frozen=True):
    """An input that holds more than one."""

    why: str
    path: str
    items: tuple[Any, ...]


def find(value: Any, options: Options) -> Found | Several:
    """Open whatever is around the payload's bytes, without decoding them."""
    if isinstance(value, dict | list):
        return _open(value)
    if options.form in (None, "frame") and (text := _json_text(value)) is not None:
        return _open(_parse(text))
    raw = to_bytes(_hex_text(value))
    if options.form and options.form != "frame":
        return Found(options.form, "named by the caller", raw)
    return Found(*form_of(raw), raw)


def find_inside(value: Any, options: Options) -> Found | Several:
    """`find` for what was inside something: a container in a container of its kind is refused.

    Nobody sends lists of lists or compresses twice, and it bounds how deep anything can nest.
    """
    if not isinstance(value, str | bytes | dict):
        raise _no_frame(f"a JSON {type(value).__name__}")
    found = find(value, options)
    if isinstance(found, Found) and found.form == "snappy":
        raise Malformed("compressed inside something else", field="snappy", expected="a payload")
    return found


def _open(message: Any) -> Found | Several:
    if isinstance(message, list):
        return Several("a JSON list", "", tuple(message))
    if not isinstance(message, dict):
        raise _no_frame(f"a JSON {type(message).__name__}")
    if isinstance(message.get("report"), dict):
        return _open_report(message["report"], "report.", "a frame of Data Streams")
    if "fullReport" in message:
        return _open_report(message, "", "a report object of Data Streams")
    if isinstance(message.get("reports"), list):
        return Several("a reply of Data Streams' REST", "reports", tuple(message["reports"]))
    if message.get("type") == "signed_ecdsa":
        return Found("signed_ecdsa", "a signed_ecdsa frame of Stork", _text(message, "p", ""))
    if message.get("type") == "unsigned":
        return Found("unsigned", "an unsigned frame of Stork", message=message)
    raise _no_frame("the keys " + elide(", ".join(sorted(map(shown, message))), 120))


def _no_frame(found: str) -> Malformed:
    return Malformed(
        "JSON, but no frame of either system",
        field="frame",
        expected='"report", "reports", "fullReport", or a "type" of signed_ecdsa or unsigned',
        found=found,
    )


_CLAIMS = {
    "feedID": "feed_id",
    "validFromTimestamp": "valid_from_timestamp",
    "observationsTimestamp": "observations_timestamp",
}


def _open_report(message: dict[str, Any], path: str, why: str) -> Found:
    claims = tuple((name, message[name]) for name in _CLAIMS if name in message)
    return Found("full_report", why, _text(message, "fullReport", path), claims)


def _text(message: dict[str, Any], key: str, path: str) -> bytes:
    text = message.get(key)
    if not isinstance(text, str):
        found = shown(text) if key in message else "nothing"
        raise Malformed("no payload", field=path + key, expected="a hex string", found=found)
    return to_bytes(text, name=path + key)


# --- notes ----------------------------------------------------------------------------------------


def _notes(decoded: Decoded) -> Iterator[Note]:
    value = decoded.value
    if value is None:
        return
    if guess := getattr(value, "guess", ""):
        yield Note("layout-inferred", guess)
    report = getattr(value, "report", None)
    if isinstance(report, UnknownReport):
        yield Note("schema-unknown", report.why)
    for departure in getattr(value, "departures", ()):
        yield Note("not-canonical", f"{departure.kind}: {departure}")
    if isinstance(value, FullReport):
        yield from _contradictions(decoded.claims, value)


def _contradictions(claims: tuple[tuple[str, Any], ...], payload: FullReport) -> Iterator[Note]:
    """Where a frame says something else about its payload than the signed bytes do."""
    head = payload.report.head if isinstance(payload.report, UnknownReport) else payload.report
    for name, claimed in claims:
        signed = getattr(head, _CLAIMS[name], None)
        if isinstance(signed, bytes):
            signed = "0x" + signed.hex()
            agrees = isinstance(claimed, str) and claimed.lower() == signed
        else:
            agrees = claimed in (signed, str(signed)) and not isinstance(claimed, bool)
        if signed is not None and not agrees:
            message = f"the frame says {name} {shown(claimed, 80)}, the signed bytes {signed}"
            yield Note("frame-contradicts-payload", message)
