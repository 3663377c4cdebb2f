"""`payloads generate`: labelled payloads, good and broken, for a program in any language."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

import click

from payloads.chain.reading.state_files import load_state
from payloads.cli import terminal
from payloads.cli.run import guarded
from payloads.errors import Misuse, not_installed
from payloads.testing import InsecureTestNetwork, InsecureTestStorkSigner

if TYPE_CHECKING:
    from payloads.verdicts.state import State


@click.command(short_help="Make payloads, good and broken, with their verdicts.")
@click.option(
    "--count", type=click.IntRange(1), default=100, show_default=True, help="How many payloads."
)
@click.option(
    "--damaged",
    type=click.FloatRange(0, 1),
    default=0.5,
    show_default=True,
    metavar="SHARE",
    help="The share of them that is damaged.",
)
@click.option("--state", "state_path", metavar="FILE", help="The state that all are judged under.")
@click.option(
    "--test-network",
    "seed",
    default="test",
    show_default=True,
    metavar="SEED",
    help="The test network, or Stork signer, that signs for the state.",
)
@click.option(
    "--generation", metavar="NAME", help="Without --state: v0.5.1, stork-fast-1.0.0, and so on."
)
@click.option(
    "--only", metavar="LABEL,…", help="These labels of damage alone, such as expired,bit-flip."
)
@click.option(
    "--number", type=int, default=0, show_default=True, help="The same number, the same payloads."
)
@guarded
def generate(
    count: int,
    damaged: float,
    state_path: str | None,
    seed: str,
    generation: str | None,
    only: str | None,
    number: int,
) -> None:
    """Make payloads, good and broken, each with the verdict that it must get: a JSON object a line.

    A line has the payload, the frame of the venue, the calldata and the terms of the call, the
    state, the label of what was done (`none` for a good one), and `accepted`, `verdict` and
    `revert_data`. All keys are test keys that everyone knows. docs/fuzzing.md says more.

    \b
    Examples:
      payloads generate --count 1000 --damaged 0.3 | ./my-decoder-test
      payloads generate --generation v0.5.1 --only expired,short-value
    """
    try:
        from hypothesis.errors import InvalidArgument

        from payloads.strategies.examples import stream
    except ImportError as error:
        raise not_installed("hypothesis", "hypothesis") from error
    state = None if state_path is None else load_state(state_path)
    labels = None if only is None else [label.strip() for label in only.split(",")]
    try:
        made = stream(
            damaged=damaged, number=number, state=state, generation=generation, only=labels,
            network=None if state is None else _signs(state, seed),
        )  # fmt: skip
        for submission in islice(made, count):
            terminal.json_line(submission.to_dict(), later=True)
    except InvalidArgument as error:
        raise Misuse(str(error)) from None


def _signs(state: State, seed: str) -> Any:
    """The test network whose signers the state lists, of any size; or the test signer."""
    from payloads.strategies.systems import system_of, trusts

    if system_of(state.contract).signs is InsecureTestStorkSigner:
        return InsecureTestStorkSigner(seed)
    configs: Any = getattr(state, "in_force", ())
    for config in configs:
        network = InsecureTestNetwork(
            seed, len(config.signers), config.f, config_digest=bytes(config.config_digest or b"")
        )
        if config.active and trusts(state, network):
            return network
    raise Misuse(
        "lists no test network's signers", field="state",
        expected=f"the signers of payloads.testing.InsecureTestNetwork({seed!r})",
    )  # fmt: skip
