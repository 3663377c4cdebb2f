"""From any input to a decoded payload, with the reason for its form.

`decode` takes hex, bytes, a JSON frame of any system (text, bytes or parsed), calldata, or a
payload that was decoded before. It recognises the form and decodes the payload. It raises
`Malformed` for an input that holds no payload, or a broken one. Inside a container (a bulk call, a
list of reports) a broken payload is kept with its error, and the other payloads are decoded.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from payloads import systems
from payloads.abi.calldata import Call, decode_call
from payloads.abi.fields import Record
from payloads.abi.strictness import AS_CONTRACT, Profile
from payloads.errors import Malformed, Misuse, PayloadError, elide, shown
from payloads.inputs import MAX_TEXT_CHARACTERS, hex_text, parse_json, to_bytes, unhex
from payloads.inputs import json_text as text_in
from payloads.signatures import Recovered
from payloads.system import Claims, Found, Note, Options, Several

# The shortest payload has 75 bytes, which are 150 digits. A list whose items are shorter on average
# holds none, and an error for each item would cost much more than its text.
MIN_ITEM_CHARACTERS = 64
# So many items a list may have, however short they are.
FEW_ITEMS = 100


class Decoded(Record, frozen=True):
    """A recognised input: its form, the evidence for the form (`why`), and the payload in it.

    `value` is the payload; None for a container of several (`inner`), and for a broken payload
    inside a container, whose `error` says what is wrong. `raw` is the payload's bytes, and `system`
    the name of the payload's system.
    """

    form: str
    why: str
    value: Any = None
    raw: bytes = b""
    inner: tuple[Decoded, ...] = ()
    error: PayloadError | None = None
    path: str = ""
    # The statements of a JSON frame about the payload.
    claims: Claims = ()
    system: str = ""

    def leaves(self) -> Iterator[Decoded]:
        """The payloads themselves, without the containers around them."""
        if not self.inner:
            yield self
        for item in self.inner:
            yield from item.leaves()

    @property
    def notes(self) -> tuple[Note, ...]:
        """Guesses, departures from what an encoder writes, and contradictions with the frame."""
        value = self.value
        if value is None:
            return ()
        if isinstance(value, Call):
            found = value.departures
            return tuple(Note("not-canonical", f"{each.kind}: {each}") for each in found)
        return tuple(systems.named(self.system).notes(value, self.claims))


def to_dict(decoded: Decoded, *, signers: bool = True) -> dict[str, Any]:
    """One payload as `payloads decode --json` prints it; keys are documented in docs/json.md."""
    if decoded.error is not None:
        return {"error": decoded.error.to_dict()}
    system = systems.of_value(decoded.value)
    record = {} if system is None else system.to_json(decoded.value, signers)
    if notes := decoded.notes:
        record["notes"] = [{"code": note.code, "message": note.message} for note in notes]
    return record


def json_text(value: str | bytes, *, signers: bool = True) -> str | None:
    """The record of `to_dicts` as JSON text, for an input with one usual payload without notes.

    It is made in one pass, some times as fast. None for any other input.
    """
    if (text := text_in(value)) is not None:
        return next(filter(None, (s.text_of_frame(text, signers) for s in systems.SYSTEMS)), None)
    try:
        raw = unhex(hex_text(value)) if isinstance(value, str) else to_bytes(hex_text(value))
        name, form, _ = form_of(raw)
    except (PayloadError, ValueError):
        return None
    system = systems.named(name) if name else None
    return None if system is None or form != system.forms[0] else system.text_of(raw, signers)


def to_dicts(decoded: Decoded, *, signers: bool = True) -> Iterator[tuple[Decoded, dict[str, Any]]]:
    """Every payload of an input with its record. A payload in a container has the path to it."""
    if not decoded.inner:
        yield decoded, to_dict(decoded, signers=signers)
    around: dict[str, Any] = {}
    if isinstance(call := decoded.value, Call):
        around = {"call": call.function.name}
        if call.parameter_payload is not None:
            around["parameter_payload"] = "0x" + call.parameter_payload.hex()
    for item in decoded.inner:
        for leaf, record in to_dicts(item, signers=signers):
            path = {"path": item.path} if item.path and "path" not in record else {}
            yield leaf, record | path | around


# --- finding the payload in an input --------------------------------------------------------------


def form_of(raw: bytes) -> tuple[str, str, str]:
    """System, form and evidence for a payload's bytes; `Malformed` if there is no evidence."""
    if (call := systems.called(raw)) is not None:
        return "", "call", f"starts with the selector of {call[1].signature}"
    for form, find, system, _ in systems.evidence():
        if why := find(raw):
            return system.name, form, why
    known = systems.SYSTEMS
    if error := next(filter(None, (system.revert(raw) for system in known)), ""):
        raise Malformed(
            f"revert data of a contract, not a payload: {error}",
            offset=0, field="payload", expected="a payload", found=f"{len(raw)} bytes",
        )  # fmt: skip
    short = len(raw) < min(system.shortest for system in known)
    raise Malformed(
        "too short for any payload" if short else "not recognised as a payload" + _hint(raw),
        offset=0,
        field="payload",
        expected=", ".join(system.payloads for system in known) + ", or a call of one",
        found=f"{len(raw)} bytes beginning 0x{elide(raw[:16].hex())}",
    )


def _hint(raw: bytes) -> str:
    """Where the first payload inside these bytes stands, in words; "" if there is none."""
    places = (place for system in systems.SYSTEMS for place in system.places(raw, ()))
    first = min((place.start for place in places), default=None)
    if first is None:
        return ""
    return f" (there is a signed payload at byte {first}: see payloads.embedded)"


def find(value: Any, options: Options) -> Found | Several:
    """Open whatever is around the payload's bytes, without decoding them."""
    if isinstance(value, dict | list):
        return _counted(_open(value), MAX_TEXT_CHARACTERS)
    if not isinstance(value, str | bytes | bytearray | memoryview):
        return _find_decoded(value)
    if options.form in (None, "frame") and (text := text_in(value)) is not None:
        return _counted(_open(parse_json(text)), len(text))
    raw = to_bytes(hex_text(value))
    form = options.form
    if form and form != "frame":
        system = "" if form == "call" else systems.of_form(form).name
        return Found(system, form, "named by the caller", raw)
    return Found(*form_of(raw), raw)


def _counted(found: Found | Several, size: int) -> Found | Several:
    """What was found, unless that is more items than a text of this size has payloads."""
    most = FEW_ITEMS + size // MIN_ITEM_CHARACTERS
    if isinstance(found, Several) and len(found.items) > most:
        raise Malformed(
            "a list with more items than payloads fit into it",
            field=found.path or "frame",
            expected=f"at most {most} items in {size} characters",
            found=str(len(found.items)),
        )
    return found


def find_inside(value: Any, options: Options) -> Found | Several:
    """`find` for the content of a container: a container in a container of its kind is refused.

    No sender makes lists of lists or compresses twice, and the rule bounds how deep inputs nest.
    """
    if not isinstance(value, str | bytes | dict | Decoded):
        raise _no_frame(f"a JSON {type(value).__name__}")
    found = find(value, options)
    if isinstance(found, Found) and _wraps(found):
        field = found.form
        raise Malformed("compressed inside something else", field=field, expected="a payload")
    return found


def _wraps(found: Found) -> bool:
    return bool(found.system) and found.form in systems.named(found.system).containers


def unwrapped(found: Found, options: Options) -> tuple[Found | Several, Options] | None:
    """What is inside a form that only wraps other bytes, and how to read it; None for others."""
    if not _wraps(found):
        return None
    unwrap = systems.named(found.system).containers[found.form]
    inside = msgspec.structs.replace(options, form=None)
    return find_inside(unwrap(found.raw), inside), inside


def _find_decoded(value: Any) -> Found | Several:
    """A payload that was decoded before, as it was found then."""
    if isinstance(value, Call):
        return Found("", "call", "a decoded call", value.raw, (), value)
    if isinstance(value, Decoded):
        return _find_again(value)
    if (system := systems.of_value(value)) is None:
        to_bytes(value)  # which says that nothing can be read from it
        raise Misuse("not a payload", found=type(value).__name__)
    raw = value.encode() if hasattr(value, "encode") else b""
    return Found(system.name, system.types[type(value)], "decoded before", raw, (), value)


def _find_again(decoded: Decoded) -> Found | Several:
    if decoded.error is not None:
        raise decoded.error
    if decoded.value is not None:
        return Found(decoded.system, decoded.form, decoded.why, decoded.raw, value=decoded.value)
    if decoded.raw and decoded.inner:  # a form that wraps one payload
        return _find_again(decoded.inner[0])
    return Several(decoded.why, "", decoded.inner)


def _open(message: Any) -> Found | Several:
    if isinstance(message, list):
        return Several("a JSON list", "", tuple(message))
    if not isinstance(message, dict):
        raise _no_frame(f"a JSON {type(message).__name__}")
    for system in systems.SYSTEMS:
        if (found := system.open_frame(message)) is not None:
            return found
    if (described := _open_record(message)) is not None:
        return described
    raise _no_frame("the keys " + elide(", ".join(sorted(map(shown, message))), 120))


_OURS = "an object that payloads printed"


def _open_record(record: dict[str, Any]) -> Found | Several | None:
    """The payload in an object of `--json`; None for other objects.

    `decode` describes a payload by its fields, the other commands have its bytes.
    """
    if isinstance(listed := record.get("payloads"), list) and "accepted" in record:
        return Several(_OURS, "payloads", tuple(listed))
    if isinstance(text := record.get("hex"), str):
        raw = to_bytes(text, name="hex")
        if (form := record.get("form")) in _payload_forms():
            return Found(systems.of_form(form).name, form, _OURS, raw)
        return Found(*form_of(raw)[:2], _OURS, raw)
    system_name = record.get("system")
    known = next((each for each in systems.SYSTEMS if each.name == system_name), None)
    if known is None:
        return None
    try:
        payload = known.from_json(record)
        if payload is None:
            return None
        form = record.get("form")
        if isinstance(form, str) and form in known.bare:
            return Found(known.name, form, _OURS, value=known.bare[form](payload))
        raw = payload.encode()
    except Misuse as error:
        raise Malformed(
            error.reason, field=error.field, expected=error.expected, found=error.found
        ) from None
    return Found(known.name, known.types[type(payload)], _OURS, raw, value=payload)


def _payload_forms() -> tuple[str, ...]:
    return tuple(form for system in systems.SYSTEMS for form in system.forms)


def _no_frame(found: str) -> Malformed:
    expected = ", or ".join(system.frames for system in systems.SYSTEMS)
    reason = "JSON, but no frame that is known"
    return Malformed(reason, field="frame", expected=expected, found=found)


def may_hold_payload(message: dict[str, Any]) -> bool:
    """Whether a JSON object may be a frame of any system, by its keys."""
    return any(system.is_frame(message) for system in systems.SYSTEMS)


# --- decoding -------------------------------------------------------------------------------------


def decode(
    value: Any,
    *,
    profile: Profile = AS_CONTRACT,
    form: str | None = None,
    schema: str | int | None = None,
    layout: str | None = None,
) -> Decoded:
    """Recognise and decode anything: hex, bytes, calldata, a JSON frame as text, bytes or a dict.

    `form` names the form instead of recognising it. `schema` and `layout` go to the decoders, for
    payloads that do not say which they have.
    """
    if isinstance(value, Decoded):
        return value
    options = Options(profile, checked_form(form), schema, layout)
    return _decode_found(find(value, options), options)


def checked_form(form: str | None) -> str | None:
    """The form, if there is such a form."""
    if form is not None and form not in systems.forms():
        expected = ", ".join(systems.forms())
        raise Misuse("no such form", field="form", expected=expected, found=shown(form))
    return form


def _decode_found(found: Found | Several, options: Options) -> Decoded:
    if isinstance(found, Several):
        pairs = enumerate(found.items)
        inner = tuple(_kept(item, f"{found.path}[{i}]", options) for i, item in pairs)
        return Decoded("frame", found.why, None, b"", inner)
    if found.form == "call":
        return _decode_call(found.raw, found.why, options)
    name, form, why, raw, claims, value = msgspec.structs.astuple(found)
    if value is not None:
        if hasattr(value, "departures"):
            options.profile.require(value)
    elif (inside := unwrapped(found, options)) is not None:
        return Decoded(form, why, None, raw, (_decode_found(*inside),), system=name)
    else:
        value = systems.named(name).decode(raw, form, options)
    return Decoded(form, why, value, raw, claims=claims, system=name)


def _decode_call(raw: bytes, why: str, options: Options) -> Decoded:
    system, _ = systems.called(raw) or (None, None)
    functions = systems.functions() if system is None else system.calldata_functions
    call = decode_call(functions, raw, options.profile)
    assert system is not None  # else the call was refused
    inside = msgspec.structs.replace(options, form=system.forms[0])
    starts = {part.path: part.offset for part in call.parts if part.role == "value"}
    inner = tuple(
        _kept(payload, path, inside, starts.get(path, 0))
        for path, payload in zip(call.paths, call.payloads, strict=True)
    )
    return Decoded("call", why, call, raw, inner, system=system.name)


def _kept(value: Any, path: str, options: Options, start: int = 0) -> Decoded:
    """A payload of a container: decoded, or kept with its error."""
    try:
        found = _decode_found(find_inside(value, options), options)
    except PayloadError as error:
        raw = value if isinstance(value, bytes) else b""
        why, error = f"inside {path}", error.shifted(start, path)
        return Decoded(options.form or "unknown", why, None, raw, error=error, path=path)
    return msgspec.structs.replace(found, path=path)


# --- who signed -----------------------------------------------------------------------------------


def recover(
    value: Any,
    *,
    form: str | None = None,
    schema: str | int | None = None,
    layout: str | None = None,
) -> tuple[Recovered, ...]:
    """The signatures of one payload with their signers, as ecrecover would say.

    Takes what `decode` takes. `Misuse` for what carries no signature and for several payloads.
    """
    leaves = list(decode(value, form=form, schema=schema, layout=layout).leaves())
    if len(leaves) != 1:
        raise Misuse("not one payload", field="payload", expected="1", found=str(len(leaves)))
    (leaf,) = leaves
    if leaf.error is not None:
        raise leaf.error
    if not is_signed(leaf.value):
        raise Misuse("not signed", field="payload", expected="a signed payload")
    return tuple(systems.named(leaf.system).recover(leaf.value))


def is_signed(value: Any) -> bool:
    """Whether a decoded payload carries signatures."""
    system = systems.of_value(value)
    return system is not None and isinstance(value, system.signed)
