"""`payloads explain`: a transaction after the fact, and why the contract decided as it did."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from payloads.chain.reading.state_files import load_state
from payloads.cli import terminal
from payloads.cli.run import Run, guarded, output_options
from payloads.cli.state import ReadingProgress
from payloads.cli.verify import verdict_lines

if TYPE_CHECKING:
    from payloads.chain.explaining.explained import Explained


@click.command(short_help="Say what a transaction verified, and why it failed.")
@click.argument("transaction", metavar="TXHASH")
@click.option(
    "--rpc", envvar="PAYLOADS_RPC_URL", required=True, metavar="URL",
    help="The node to ask; PAYLOADS_RPC_URL if not given, which keeps keys out of the history.",
)  # fmt: skip
@click.option(
    "--state", "state_path", metavar="FILE",
    help="Judge with this state (default: it is read, as it was before the transaction's block).",
)  # fmt: skip
@click.option(
    "--proxy", metavar="ADDRESS",
    help="The contract that verifies, where the transaction calls a contract in between.",
)  # fmt: skip
@output_options
@guarded
def explain(
    transaction: str,
    rpc: str,
    state_path: str | None,
    proxy: str | None,
    as_json: bool,
    colour: str,
) -> None:
    """Say what a transaction called, which payloads were in it, what the contract decided, and why.

    The first line is the conclusion. Then come the facts of the transaction, its payloads, and for
    each call of the contract every check in the contract's own order. The verdict follows from the
    state before the transaction's block (an archive node has it), and is compared with what the
    chain did. Exit code 0: it succeeded and was accepted; 1: it was refused or reverted, or the two
    disagree.

    \b
    Examples:
      payloads explain 0x4f2a… --rpc https://…
      payloads explain 0x4f2a… --state state.json --json | jq .conclusion
      payloads explain 0x4f2a… --proxy 0x478A…
    """
    from payloads.chain.explaining.explain import explain as explain_transaction

    run = Run(as_json, colour)
    state = None if state_path is None else load_state(state_path)
    progress = ReadingProgress()
    try:
        found = explain_transaction(rpc, transaction, proxy=proxy, state=state, progress=progress)
    finally:
        progress.clear()
    if as_json:
        run.record(found.to_dict())
    else:
        run.lines(_lines(found))
    if not found.accepted:
        run.failed += 1
    run.finish()


def _lines(found: Explained) -> Iterator[str]:
    conclusion, *facts = found.lines
    yield terminal.style(conclusion, fg="green" if found.accepted else "red", bold=True)
    yield from facts
    yield ""
    for call in found.calls:
        yield from verdict_lines(call.verdict, f"{call.function} of 0x{call.contract.hex()}")
