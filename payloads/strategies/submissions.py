"""Submissions: a payload and the call that brings it to a contract, good or damaged by a label.

Each says which verdict it must get under its state, revert data included.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from typing import Any

from hypothesis import strategies as st

from payloads.strategies.arguments import check_names, check_type, wrong
from payloads.strategies.calls import choice
from payloads.strategies.states import generations_for
from payloads.strategies.systems import Network, system_of, trusts
from payloads.testing.damage import NONE
from payloads.testing.submission import Submission
from payloads.verdicts.state import State


def _check_state(function: str, state: State, network: Network | None) -> Network:
    """The network that signs for a state: the one given, if the state lists its signers."""
    signs: Network = system_of(state.contract).signs() if network is None else network
    if not trusts(state, signs):
        expected = "a state that lists the signers of network=, such as network.state()"
        raise wrong(function, "state", state.described(), expected)
    return signs


# A label, with the generations that it is drawn for.
_Choice = tuple[str, tuple[str, ...]]


@st.composite
def _submissions(
    draw: st.DrawFn,
    state: State | None,
    network: Network | None,
    labels: st.SearchStrategy[_Choice],
) -> Submission:
    # The label before the state: otherwise a label that few states show would be rare.
    name, generations = draw(labels)
    generation = draw(choice(generations))
    system = system_of(generation)
    signs: Any = network
    if state is None:
        signs = network or draw(system.networks())
        needs = system.labels.known[name].needs
        state = system.draw_state(draw, generation, signs, None, needs)
    return system.draw_submission(draw, state, signs, name)


def choices_for(state: State | None, generations: tuple[str, ...]) -> tuple[_Choice, ...]:
    """Every label that there is for a state, or for states of these generations."""
    if state is not None:
        names = system_of(state.contract).labels.fitting(state)
        return tuple((name, (state.contract,)) for name in names)
    # A label that two systems have is two choices.
    found: dict[tuple[str, str], list[str]] = {}
    for generation in generations:
        system = system_of(generation)
        for name in system.labels.of(generation):
            found.setdefault((name, system.name), []).append(generation)
    return tuple((name, tuple(several)) for (name, _), several in found.items())


def _strategy(
    function: str,
    state: State | None,
    network: Network | None,
    generation: str | None,
    only: Collection[str] | None,
    always: bool,
) -> st.SearchStrategy[Submission]:
    check_type(function, "state", state, State)
    generations = generations_for(function, network, generation)
    if state is not None:
        if generation not in (None, state.contract):
            raise wrong(function, "generation", generation, f"{state.contract}, as the state has")
        network = _check_state(function, state, network)
    choices = choices_for(state, generations)
    known = {name for name, _ in choices if not always or name != NONE}
    check_names(function, "only", only, sorted(known))
    if only is not None and not only:
        raise wrong(function, "only", only, "at least one label")
    chosen = [one for one in choices if one[0] in (known if only is None else only)]
    return _submissions(state, network, st.sampled_from(weighted(chosen)))


# Hypothesis makes up to five examples of one by changing some of its numbers, so that 200 examples
# have some 50 labels. A family of labels must be frequent enough to be among 50.
_SMALLEST_FAMILY = 12


def weighted(choices: Sequence[_Choice]) -> list[_Choice]:
    """The choices, as often as they are to be drawn: a third of them good, those first.

    Each label is as frequent as any other, but a family of few labels (the clock) is as frequent as
    one of twelve. A label that two systems have is half as frequent in each of them.
    """
    often = Counter(name for name, _ in choices)
    families: dict[str, list[_Choice]] = {}
    for name, generations in choices:
        label = system_of(generations[0]).labels.known[name]
        family = NONE if name == NONE else label.family
        families.setdefault(family, []).extend([(name, generations)] * (2 // often[name]))
    good = families.pop(NONE, [])
    bad = [
        one for family in families.values()
        for one in family * max(1, 2 * _SMALLEST_FAMILY // len(family))
    ]  # fmt: skip
    return good * max(1, len(bad) // (2 * len(good))) + bad if good else bad


def submissions(
    *,
    state: State | None = None,
    network: Network | None = None,
    generation: str | None = None,
    only: Collection[str] | None = None,
) -> st.SearchStrategy[Submission]:
    """Calls of a contract that bring a payload, a third of them good.

    `state` is the contract's: one that lists the signers of `network`, the default test network if
    none is given. Without it, states of the `generation`, or of any, are drawn. `only` are the
    labels to draw from.
    """
    return _strategy("submissions", state, network, generation, only, False)


def damages(
    *,
    generation: str | None = None,
    state: State | None = None,
    network: Network | None = None,
    only: Collection[str] | None = None,
) -> st.SearchStrategy[Submission]:
    """Submissions that are damaged, each with its label and the verdict that it must get."""
    return _strategy("damages", state, network, generation, only, True)
