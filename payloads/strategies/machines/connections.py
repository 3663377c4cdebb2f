"""`connection_machine`: a state machine in which a venue fails in any order.

TestConnection = connection_machine("stork").TestCase
TestGroup = connection_machine("chainlink", group=True).TestCase
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from payloads import simulators
from payloads.errors import Misuse
from payloads.strategies.arguments import check_choice, check_names, wrong
from payloads.strategies.machines.connection import CHECKS, ConnectionMachine
from payloads.strategies.machines.group import GroupMachine, venues_with_groups


def connection_machine(
    venue: str,
    *,
    group: bool = False,
    checks: Collection[str] = tuple(CHECKS),
    **options: Any,
) -> type[ConnectionMachine]:
    """A state machine for a client of a venue: run its `TestCase`, or make a subclass.

    A subclass may have its own session, connection or handler: see `ConnectionMachine`. With a
    `group` there are several connections for one subscription, each of which may fail by itself:
    see `GroupMachine`. `checks` are names of `ConnectionMachine.CHECKS`, and `options` are those of
    the venue's simulator.
    """
    name = "connection_machine"
    check_choice(name, "venue", venue, simulators.names())
    if venue is None:
        raise wrong(name, "venue", venue, "one of " + ", ".join(simulators.names()))
    check_names(name, "checks", checks, tuple(CHECKS))
    if not isinstance(group, bool):
        raise wrong(name, "group", group, "True or False")
    if group and venue not in venues_with_groups():
        raise wrong(name, "venue", venue, "with group, " + " or ".join(venues_with_groups()))
    try:
        simulators.make(venue, **options)
    except (Misuse, TypeError) as error:
        raise wrong(name, "options", options, f"options of the simulator: {error}") from None
    members = {"venue": venue, "options": options, "checks": frozenset(checks)}
    kind = GroupMachine if group else ConnectionMachine
    return type(kind.__name__, (kind,), members)
