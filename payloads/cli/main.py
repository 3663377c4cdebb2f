"""The `payloads` command."""

from __future__ import annotations

from importlib import import_module
from typing import cast

import click

from payloads._version import __version__
from payloads.cli import terminal
from payloads.errors import Misuse

COMMANDS = (
    "capture", "check", "conformance", "decode", "diff", "encode", "explain", "findings",
    "generate", "inspect", "quote", "recover", "replay", "report", "scan", "signers", "simulate",
    "state", "verify",
)  # fmt: skip


class Commands(terminal.PrintableGroup):
    """The commands. Each stands in the module of its name, which is imported when it is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = import_module(f"payloads.cli.{cmd_name}")
        return cast(click.Command, getattr(module, cmd_name))


def _print_version(context: click.Context, _parameter: click.Parameter, wanted: bool) -> None:
    if not wanted or context.resilient_parsing:
        return
    from payloads.crypto import BACKENDS, recover_many_by

    try:
        backends = {**BACKENDS, "recover_many": recover_many_by()}
    except Misuse as error:
        raise click.UsageError(str(error)) from None
    listed = ", ".join(f"{name}: {backend}" for name, backend in backends.items())
    terminal.line(f"payloads {__version__} ({listed})")
    context.exit()


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 all is well, 1 a payload was malformed or refused, 2 wrong usage.",
)
@click.option(
    "-V",
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_version,
    help="Show the version and what recovers signers, and exit.",
)
def main() -> None:
    """Decode signed oracle payloads offline, exactly as the chain would.

    A SOURCE is a payload (hex, or a JSON frame), the name of a file with one or many, or - for
    standard input, which is also the default. Chainlink Data Streams fullReports and reports, Stork
    Fast signed_ecdsa payloads, their JSON frames and their calldata are all recognised. A file may
    hold payloads, one a line, or be a capture, a HAR, a flow file of mitmproxy, a log of wscat,
    websocat or a logger of JSON lines, or what another command printed with --json; plain or
    compressed. Piped lines are answered as they come.

    \b
    Examples:
      payloads decode 0x0006f9b5…              what is in it, and who signed it
      payloads inspect 0x0006f9b5…             every byte of it, annotated
      payloads decode --json frames.jsonl      one JSON object a payload
      payloads recover --expect 0x3db9… FILE   fail unless that signer signed
      payloads encode --to verify 0x0006f9b5…  calldata for the verifier proxy
      payloads verify --state state.json FILE  what the contract would do, and why
      payloads quote --state state.json FILE   what it would cost
      payloads state fetch --rpc URL 0x478A…   what the chain knows, for the two above
      payloads explain --rpc URL 0x4f2a…       a transaction after the fact
      payloads capture stork BTCUSD -o FILE    keep what a venue sends
      payloads check FILE…                     whether it is whole and unchanged
      payloads replay FILE                     play it again
      payloads scan captures/ -o found         a folder of captures to tables
      payloads generate --count 1000           payloads, good and broken, with their verdicts
      payloads conformance --out corpus        test decoders in other languages
      payloads simulate stork                  a venue on loopback, to try all of this on
      payloads findings DIR                    what is odd in the tables of a scan
      payloads report DIR                      the figures and the page of a scan
    """
