"""`payloads state fetch`, `show` and `diff`: what a chain knows, as a file."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from typing import Any

import click

from payloads import published
from payloads.chain.reading.changes import StateChange, diff_states
from payloads.chain.reading.state_files import load_state
from payloads.cli import terminal
from payloads.cli.chain_options import load_state_then
from payloads.cli.run import Run, guarded
from payloads.crypto import checksum
from payloads.errors import Misuse
from payloads.verdicts import words
from payloads.verdicts.state import State

_WIDTH = 22


@click.group()
def state() -> None:
    """Fetch, show and compare what a chain knows.

    \b
    Examples:
      payloads state fetch --rpc $RPC_URL 0x478Aa2aC9F6D65F84e09D9185d126c3a17c2a93C -o state.json
      payloads state show fixtures/examples/state.json
      payloads state diff yesterday.json today.json
    """


def _colour(function: Any) -> Any:
    return click.option(
        "--color", "colour", type=click.Choice(["auto", "always", "never"]), default="auto",
        help="When to colour (default: on a terminal, unless NO_COLOR is set).",
    )(function)  # fmt: skip


def _json(function: Any) -> Any:
    return click.option("--json", "as_json", is_flag=True, help="JSON for programs.")(function)


# --- fetch ----------------------------------------------------------------------------------------


@state.command()
@click.argument("proxy", metavar="ADDRESS")
@click.option(
    "--rpc", envvar="PAYLOADS_RPC_URL", required=True, metavar="URL",
    help="The node to ask; PAYLOADS_RPC_URL if not given, which keeps keys out of the history.",
)  # fmt: skip
@click.option("--block", type=click.IntRange(0), help="The block to read at (default: newest).")
@click.option("--subscriber", metavar="ADDRESS", help="Who will call: whose discounts to read.")
@click.option(
    "--since", type=click.IntRange(0), metavar="BLOCK",
    help="Read events from here; for nodes that cannot say when the proxy was deployed.",
)  # fmt: skip
@click.option("-o", "--output", metavar="FILE", help="Where to write (default: standard output).")
@guarded
def fetch(
    proxy: str,
    rpc: str,
    block: int | None,
    subscriber: str | None,
    since: int | None,
    output: str | None,
) -> None:
    """Read the state of a verifier proxy, or a Stork Fast contract, over RPC.

    Everything is read at one block: configs and their past from events, fees and access from
    getters. What comes out makes every later verify and quote work offline. Wants the extra:
    pip install '.[rpc]' in a clone.

    \b
    Examples:
      payloads state fetch --rpc $RPC_URL 0x478A… -o state.json
      payloads state fetch 0x478A… --block 250000000 --subscriber 0x… > then.json
    """
    from payloads.chain import fetch_state, save_state

    progress = ReadingProgress()
    found = fetch_state(
        rpc, proxy, block=block, subscriber=subscriber, since=since, progress=progress
    )
    progress.clear()
    if output is None:
        terminal.json_line(found.to_dict(), indent=1)
        return
    try:
        save_state(found, output)
    except OSError as error:
        raise Misuse(f"cannot write {output}: {error.strerror}") from None
    terminal.line(f"{output}: {found.described()}", err=True)


class ReadingProgress:
    """A line on the terminal that shows how far the reading is; nothing where there is none."""

    def __init__(self) -> None:
        self._watched = sys.stderr.isatty() and not os.environ.get("CI")

    def __call__(self, what: str, done: int, total: int, found: int) -> None:
        if self._watched:
            share = 100 * done // max(total, 1)
            terminal.status(f"{what}: {share}% of {total:,} blocks, {found:,} found")

    def clear(self) -> None:
        if self._watched:
            terminal.status()


# --- show -----------------------------------------------------------------------------------------


@state.command()
@click.argument("path", metavar="FILE")
@click.option("--at", metavar="TIME", help="As it was then: unix seconds, an ISO date, or now.")
@_json
@_colour
@guarded
def show(path: str, at: str | None, as_json: bool, colour: str) -> None:
    """Say what is in a state file: configs, fees, access, where it is from and how old it is.

    \b
    Examples:
      payloads state show fixtures/examples/state.json
      payloads state show --at 2024-07-30T14:16:00Z state.json
      payloads state show --json --at now state.json > now.json
    """
    run = Run(as_json, colour)
    found, _ = load_state_then(path, at, None)
    if as_json:
        run.record(found.to_dict())
    else:
        run.lines(_state_lines(found))


def _row(name: str, value: str) -> str:
    return f"  {terminal.style(name.ljust(_WIDTH), fg='cyan')} {value}"


def _state_lines(found: State) -> Iterator[str]:
    yield terminal.style(f"{found.contract}", bold=True)
    yield _row("from", found.source or "an unknown source")
    if found.network:
        yield _row("network", found.network)
    if found.chain_id is not None:
        yield _row("chain id", str(found.chain_id))
    if found.proxy is not None:
        yield _row("proxy", checksum(found.proxy) + _documented(found.proxy))
    if found.block_number is not None:
        yield _row("block", str(found.block_number))
    yield _row("block time", words.instant(found.now))
    for name, value in found.facts():
        yield _row(name, value)
    if found.history:
        yield _row("remembered changes", str(len(found.history)))


def _documented(address: bytes) -> str:
    labels = [known.label for known in published.proxies(bytes(address))]
    more = f" and {len(labels) - 3} more networks" if len(labels) > 3 else ""
    return f"  (documented for {', '.join(labels[:3])}{more}; unverified)" if labels else ""


# --- diff -----------------------------------------------------------------------------------------


@state.command()
@click.argument("before", metavar="FILE")
@click.argument("after", metavar="FILE")
@_json
@_colour
@guarded
def diff(before: str, after: str, as_json: bool, colour: str) -> None:
    """Say how two states differ in what decides verdicts. Exit code 0: they do not; 1: they do.

    The time and the place of reading do not count, nor does the past that a state remembers.

    \b
    Examples:
      payloads state diff yesterday.json today.json
      payloads state diff --json yesterday.json today.json | jq .path
    """
    run = Run(as_json, colour)
    changes = diff_states(load_state(before), load_state(after))
    for change in changes:
        if as_json:
            run.record({"path": change.path, "before": change.before, "after": change.after})
        else:
            run.lines(_change_lines(change))
    if not changes and not as_json:
        run.lines(["no difference that decides a verdict"])
    if changes:
        raise SystemExit(1)


def _change_lines(change: StateChange) -> Iterator[str]:
    yield terminal.style(change.path, bold=True)
    if change.before is not None:
        yield terminal.style(f"  - {_brief(change.before)}", fg="red")
    if change.after is not None:
        yield terminal.style(f"  + {_brief(change.after)}", fg="green")


def _brief(value: Any) -> str:
    if value is True:
        return "yes"
    if value is False:
        return "no"
    return value if isinstance(value, str) else json.dumps(value)
