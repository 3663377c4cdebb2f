"""The annotated view of anything that `decode` takes, whole or broken."""

from __future__ import annotations

from typing import Any

import msgspec

from payloads import chainlink, stork
from payloads.abi.annotate import View, complete
from payloads.abi.calldata import function_of
from payloads.chainlink.calldata import FUNCTIONS as PROXY_FUNCTIONS
from payloads.errors import Malformed, Misuse
from payloads.recognise import Found, Options, Several, find, find_inside


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
    options = Options(form=form, schema=schema, layout=layout)
    return _views(find(value, options), options)


def _views(found: Found | Several, options: Options) -> list[View]:
    if isinstance(found, Several):
        return [view for item in found.items for view in _views_of(item, options)]
    if found.message is not None:
        raise Misuse("an unsigned message is JSON and has no bytes to annotate", field="frame")
    if found.form == "snappy":
        inside = msgspec.structs.replace(options, form=None)
        return _views(find_inside(chainlink.decompress(found.raw), inside), inside)
    return [_view(found, options)]


def _views_of(item: Any, options: Options) -> list[View]:
    """The views of one item of a list; one that holds no bytes still shows that it is there."""
    try:
        return _views(find_inside(item, options), options)
    except (Malformed, Misuse) as error:
        return [View("unknown", "one of a list", 0, complete([], b"", error), error)]


def _view(found: Found, options: Options) -> View:
    raw, why = found.raw, found.why
    if found.form == "full_report":
        return chainlink.view_full_report(raw, options.schema, why)
    if found.form == "report":
        return chainlink.view_report(raw, options.schema, why)
    if found.form == "signed_ecdsa":
        return stork.view_update(raw, options.layout, why)
    if function_of(PROXY_FUNCTIONS, raw):
        return chainlink.view_call(raw, options.schema, why)
    return stork.view_call(raw, why)
