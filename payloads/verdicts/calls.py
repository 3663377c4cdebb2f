"""What the verifiers of all systems share: the state and the time of a call, its calldata."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial, wraps
from typing import ParamSpec, TypeVar

from payloads.abi.calldata import Function, function_of
from payloads.errors import Malformed, Misuse, shown
from payloads.verdicts.checks import Check, Explanation
from payloads.verdicts.state import State
from payloads.verdicts.verdict import Reverted, StateTime, Verdict

S = TypeVar("S", bound=State)
P = ParamSpec("P")


def state_and_time(
    state: S, kind: type[S], now: int | None, at: int | None
) -> tuple[S, int | None]:
    """The state to judge with (that of time `at`, if given), and the block's time.

    The time is `now`, or else `at`, or else the state's own, as a `StateTime`.
    """
    check_system(state, kind)
    state, now = state_then(state, now, at)
    if now is None and state.now is not None:
        now = StateTime(state.now)
    return state, now


def check_system(state: State, kind: type[State]) -> None:
    """Refuse a state of another system."""
    if not isinstance(state, kind):
        expected = " or ".join(kind.CONTRACTS)
        found = getattr(state, "contract", type(state).__name__)
        raise Misuse("a state of another system", field="state", expected=expected, found=found)


def state_then(state: S, now: int | None, at: int | None) -> tuple[S, int | None]:
    """The state of time `at`, if given, which is then also the time if no `now` is given."""
    check_time(now, "now")
    check_time(at, "at")
    if at is None:
        return state, now
    return state.at(at), at if now is None else now


def check_time(time: int | None, field: str) -> None:
    """Refuse what is no time in seconds: it would only be noticed where it is counted with."""
    if time is not None and (not isinstance(time, int) or isinstance(time, bool)):
        raise Misuse("not a time", field=field, expected="unix seconds", found=shown(time))


def check_value(value: int) -> None:
    """Refuse what cannot be sent."""
    if not isinstance(value, int) or not 0 <= value < 2**256:
        raise Misuse("not an amount of wei", field="value", found=shown(value))


def called_function(functions: Iterable[Function], calldata: bytes) -> Function:
    """The function that calldata calls; `Malformed` as the contract reverts where it has none."""
    function = function_of(functions, calldata)
    if function is None:
        raise no_function(functions, calldata)
    return function


def no_function(functions: Iterable[Function], calldata: bytes) -> Malformed:
    """The error for calldata that calls none of a contract's functions."""
    return Malformed(
        "no function of the contract that verifies",
        offset=0,
        field="selector",
        expected=" or ".join(known.signature for known in functions),
        found="0x" + calldata[:4].hex(),
        revert_data=b"",
    )


def undecodable_call(error: Malformed, state: State, now: int | None) -> Verdict:
    """The verdict on calldata that the contract's own decoder refuses."""
    if error.revert_data is None:
        raise error
    return Reverted(None, error.revert_data, state, now, partial(_explain_calldata, error))


def _explain_calldata(error: Malformed) -> Explanation:
    rule = "the calldata must decode as the arguments of a known function"
    check = Check("calldata", rule, {}, False, str(error), revert="revert (empty)", decided=True)
    return Explanation((check,))


def raising(judge: Callable[P, Verdict], doc: str) -> Callable[P, Verdict]:
    """A function that makes the same call as `judge`, and raises if the verdict is a refusal."""

    @wraps(judge)
    def verify(*args: P.args, **kwargs: P.kwargs) -> Verdict:
        return judge(*args, **kwargs).raise_if_refused()

    verify.__name__ = verify.__qualname__ = "verify"
    verify.__doc__ = doc
    return verify
