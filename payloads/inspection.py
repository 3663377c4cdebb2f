"""The annotated view of anything that `decode` takes, whole or broken."""

from __future__ import annotations

from typing import Any

from payloads import systems
from payloads.abi.annotate import View, complete
from payloads.abi.calldata import view_call
from payloads.errors import Malformed, Misuse
from payloads.recognise import checked_form, find, find_inside, unwrapped
from payloads.system import Found, Options, Several, System


def inspect(
    value: Any,
    *,
    form: str | None = None,
    schema: str | int | None = None,
    layout: str | None = None,
) -> View:
    """Every byte of one payload: offset, name, raw hex, value, unit and meaning.

    A broken payload is shown up to the first bad byte, and the view's `error` says what is wrong.
    `Malformed` is raised only where there is nothing to show: no payload was recognised at all.
    """
    views = inspect_each(value, form=form, schema=schema, layout=layout)
    if len(views) != 1:
        raise Misuse("not one payload", field="frame", expected="1", found=str(len(views)))
    return views[0]


def inspect_each(
    value: Any,
    *,
    form: str | None = None,
    schema: str | int | None = None,
    layout: str | None = None,
) -> list[View]:
    """The views of all payloads that a frame holds."""
    options = Options(form=checked_form(form), schema=schema, layout=layout)
    return _views(find(value, options), options)


def _views(found: Found | Several, options: Options) -> list[View]:
    if isinstance(found, Several):
        return [view for item in found.items for view in _views_of(item, options)]
    if not found.raw:
        raise Misuse(f"an {found.form} message is JSON: no bytes to annotate", field="frame")
    if (inside := unwrapped(found, options)) is not None:
        return _views(*inside)
    return [_view(found, options)]


def _views_of(item: Any, options: Options) -> list[View]:
    """The views of an item of a list. An item without bytes has an empty view with an error."""
    try:
        return _views(find_inside(item, options), options)
    except (Malformed, Misuse) as error:
        return [View("unknown", "one of a list", 0, complete([], b"", error), error)]


def _view(found: Found, options: Options) -> View:
    if found.form == "call":
        return _view_call(found.raw, found.why, options)
    return systems.named(found.system).view(found.raw, found.form, options, found.why)


def _view_call(raw: bytes, why: str, options: Options) -> View:
    call = systems.called(raw)
    if call is None:
        raise Misuse("not a call of a known contract", field="selector")
    system, function = call

    def inner(payload: bytes) -> View:
        return _view_inside(system, payload, options)

    return view_call(function, raw, inner, system.view_parameter, why)


def _view_inside(system: System, payload: bytes, options: Options) -> View:
    return system.view(payload, system.forms[0], options, "")
