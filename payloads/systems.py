"""The systems of signed payloads in one tuple, and the look-ups in it.

Code that must know the system of a payload, a call or a state asks here.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from payloads.abi.calldata import Function
from payloads.chainlink.system import SYSTEM as CHAINLINK
from payloads.errors import Misuse, shown
from payloads.stork.system import SYSTEM as STORK
from payloads.system import System

if TYPE_CHECKING:
    from payloads.verdicts.state import State

SYSTEMS: tuple[System, ...] = (CHAINLINK, STORK)

Test = tuple[str, Callable[[bytes], str], System, bool]


def evidence() -> tuple[Test, ...]:
    """The tests of all systems for a form, strongest first: form, test, system, doubtful or not."""
    return _evidence(SYSTEMS)


@lru_cache(8)
def _evidence(systems: tuple[System, ...]) -> tuple[Test, ...]:
    pairs = [(system, item) for system in systems for item in system.evidence]
    pairs.sort(key=lambda pair: -pair[1].strength)
    return tuple((item.form, item.find, system, item.doubtful) for system, item in pairs)


def forms() -> tuple[str, ...]:
    """Every form that an input can be taken for."""
    return (*(form for system in SYSTEMS for form in system.forms), "call", "frame")


def named(name: str) -> System:
    """The system of that name."""
    for system in SYSTEMS:
        if system.name == name:
            return system
    names = ", ".join(system.name for system in SYSTEMS)
    raise Misuse("no such system", field="system", expected=names, found=shown(name))


def of_form(form: str) -> System:
    """The system that a form belongs to."""
    return next(system for system in SYSTEMS if form in system.forms)


def of_value(value: Any) -> System | None:
    """The system that a decoded payload is of; None for anything else."""
    return next((system for system in SYSTEMS if type(value) in system.types), None)


def functions() -> tuple[Function, ...]:
    """The contract functions of all systems."""
    return tuple(function for system in SYSTEMS for function in system.calldata_functions)


def called(calldata: bytes) -> tuple[System, Function] | None:
    """The system and its function whose selector the calldata starts with."""
    return _by_selector(SYSTEMS).get(calldata[:4])


@lru_cache(8)
def _by_selector(systems: tuple[System, ...]) -> dict[bytes, tuple[System, Function]]:
    found: dict[bytes, tuple[System, Function]] = {}
    for system in systems:
        for function in system.calldata_functions:
            found.setdefault(function.selector, (system, function))
    return found


# --- states ---------------------------------------------------------------------------------------


def of_state(state: Any) -> System:
    """The system whose contract a state is of."""
    contract = getattr(state, "contract", None)
    for system in SYSTEMS:
        if contract in system.contracts:
            return system
    raise Misuse("not a state", field="state", expected=_contracts(), found=type(state).__name__)


def state_class(record: Any) -> type[State]:
    """The class of the state that a JSON object describes; its `contract` says of which system."""
    if not isinstance(record, dict):
        raise Misuse("not an object", field="state", found=type(record).__name__)
    contract = record.get("contract")
    for system in SYSTEMS:
        if isinstance(contract, str) and contract in system.contracts:
            return system.state_class()
    problem = "missing" if contract is None else "no such contract"
    raise Misuse(problem, field="contract", expected=_contracts(), found=shown(contract))


def _contracts() -> str:
    return ", ".join(contract for system in SYSTEMS for contract in system.contracts)
