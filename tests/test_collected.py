"""No record stays in memory for ever: those that can hold an exception are collected.

An exception holds its traceback, that holds the variables of the functions it came through, and
among those is the record. Only the garbage collector can take such a circle apart, and it does not
look at records that say `gc=False`.
"""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest

import payloads
from payloads import State, Verdict
from payloads.abi.fields import Record
from payloads.errors import PayloadError
from payloads.venues import VENUES, Broken, Session, session
from tests import corpus
from tests.test_surface import module_of, modules

EXAMPLES = Path(__file__).parents[1] / "fixtures" / "examples"


def kinds(base: type[Record] = Record) -> Iterator[type[Record]]:
    """Every record class of the package."""
    for kind in base.__subclasses__():
        if kind.__module__.startswith("payloads."):
            yield kind
        yield from kinds(kind)


def held(annotation: Any) -> Iterator[Any]:
    """The types in an annotation, whatever they stand in."""
    yield annotation
    for argument in get_args(annotation):
        yield from held(argument)


def can_hold_an_exception(kind: type[Record]) -> bool:
    """By its annotations: an exception, anything at all, or a record that can."""
    for annotation in get_type_hints(kind).values():
        for found in held(annotation):
            if found in (Any, object):
                return True
            if isinstance(found, type) and issubclass(found, BaseException):
                return True
            if isinstance(found, type) and issubclass(found, Record) and found is not kind:
                if found.__struct_config__.gc and can_hold_an_exception(found):
                    return True
    return False


def test_records_that_can_hold_an_exception_are_looked_at_by_the_collector() -> None:
    for name in modules():
        if not name.endswith("__main__"):
            try:
                module_of(name)
            except pytest.skip.Exception:
                continue
    looked_at = 0
    for kind in kinds():
        if kind.__struct_config__.gc:
            looked_at += 1
        else:
            assert not can_hold_an_exception(kind), kind
    assert looked_at > 50


def broken_by(opened: Session) -> weakref.ref[PayloadError]:
    """What a session keeps of a message that is no JSON, once the event is gone."""
    opened.opened(10**18)
    (event,) = [one for one in opened.received("[" * 40, 10**18) if isinstance(one, Broken)]
    assert isinstance(event.error, PayloadError)
    return weakref.ref(event.error)


FEED = "0x00030ab7d02fbba9c6304f98824524407b1f494741174320cfd17a2c22eec1de"
SUBSCRIPTIONS = {
    "chainlink": [FEED],
    "stork": ["1"],
    "finery": ["B:BTC-USD"],
    "ethgas": ["orderBookUpdate:inclusionPreconf"],
    "qfex": ["level2:AAPL-USD"],
}


@pytest.mark.parametrize("venue", VENUES)
def test_a_broken_message_leaves_nothing_behind(venue: str) -> None:
    # ETHGas' public channels are open to everyone; its key would have to be a real one.
    names = VENUES[venue].credentials if venue != "ethgas" else ()
    secrets = {name: "0" * 32 for name in names if name != "jwt"}
    opened = session(venue, SUBSCRIPTIONS.get(venue, []), **secrets)
    assert isinstance(opened, Session)
    error = broken_by(opened)
    gc.collect()
    assert error() is None


def test_a_view_of_a_broken_payload_leaves_nothing_behind() -> None:
    def view() -> weakref.ref[PayloadError]:
        shown = payloads.inspect(corpus.entry("cl-015").raw)
        assert shown.error is not None
        return weakref.ref(shown.error)

    error = view()
    gc.collect()
    assert error() is None


def test_a_broken_payload_in_a_list_leaves_nothing_behind() -> None:
    def decoded() -> weakref.ref[PayloadError]:
        (one,) = payloads.decode([{"fullReport": "0x0006"}]).inner
        assert one.error is not None
        return weakref.ref(one.error)

    error = decoded()
    gc.collect()
    assert error() is None


def test_a_verdict_leaves_nothing_behind() -> None:
    state = State.load(EXAMPLES / "state.json")

    def verdicts() -> int:
        gc.collect()
        return sum(isinstance(one, Verdict) for one in gc.get_objects())

    before = verdicts()
    for _ in range(10):
        verdict = payloads.judge(corpus.entry("cl-015").raw, state)
        assert verdict.problems
        del verdict
    assert verdicts() == before
