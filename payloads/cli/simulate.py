"""`payloads simulate`: run a venue on loopback, for other programs to connect to."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import json
import shlex
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from payloads.cli import terminal
from payloads.cli.late_choice import LateChoice, LateHelpCommand
from payloads.cli.run import guarded
from payloads.cli.stop_signals import stoppable
from payloads.errors import Misuse
from payloads.loopback import is_loopback

if TYPE_CHECKING:
    import ssl

    from payloads.simulators import Simulator
    from payloads.simulators.options import Endpoint
    from payloads.simulators.text_options import TextOption

_SHOWN_EVERY = 0.5
_WIDTH = 14


def _venues() -> tuple[str, ...]:
    from payloads import simulators

    return simulators.names()


def _options_of_venues() -> str:
    """The options of --set, and what `expire` does, by venue."""
    from payloads import simulators
    from payloads.simulators.text_options import COMMON

    groups = [list(_about(name, simulators.class_of(name))) for name in simulators.names()]
    groups.append(["  all:", *_option_lines(COMMON)])
    described = ["\b\n" + "\n".join(lines) for lines in groups if len(lines) > 1]
    return "Options of --set, and the venues where something expires:\n\n" + "\n\n".join(described)


def _about(name: str, simulator: type[Simulator]) -> Iterator[str]:
    from payloads.simulators.text_options import COMMON

    yield f"  {name}:"
    own = {key: option for key, option in simulator.text_options.items() if key not in COMMON}
    yield from _option_lines(own)
    if simulator.expires:
        yield f"    {'expire@…':24} {simulator.expires}"


def _option_lines(options: Mapping[str, TextOption]) -> Iterator[str]:
    for name, option in options.items():
        expected = option.expected.replace(" or ", "|")
        yield f"    {name + '=' + expected:24} {option.meaning}"


@click.command(cls=LateHelpCommand, describe=_options_of_venues)
@click.argument("venue", type=LateChoice(_venues), metavar="VENUE")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--allow-remote", is_flag=True, help="Let --host be reached by other machines.")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="The port; 0: a free port.")
@click.option(
    "--rate", type=float, help="Messages a second for each stream (default: the venue's)."
)
@click.option(
    "--feeds",
    metavar="NAME,…",
    help="Feed IDs, assets, instruments or symbols; NAME=NUMBER for a new asset.",
)
@click.option(
    "--misbehave", default="", metavar="RULE,…", help="Faults and their times; see below."
)
@click.option("--bad-share", type=float, metavar="SHARE", help="Share of bad payloads, 0 to 1.")
@click.option("--seed", type=int, default=0, help="The same seed makes the same data.")
@click.option(
    "--set", "given", multiple=True, metavar="NAME=VALUE", help="An option of the venue; see below."
)
@click.option(
    "--certificate", metavar="FILE", help="Serve wss: a PEM file with a certificate and its key."
)
@click.option(
    "--state", "state_path", metavar="FILE", help="Write the state that verifies its payloads."
)
@click.option("--for", "seconds", type=float, metavar="SECONDS", help="Stop after this time.")
@click.option("--json", "as_json", is_flag=True, help="JSON for programs, a line each.")
@guarded
def simulate(
    venue: str,
    host: str,
    allow_remote: bool,
    port: int,
    rate: float | None,
    feeds: str | None,
    misbehave: str,
    bad_share: float | None,
    seed: int,
    given: tuple[str, ...],
    certificate: str | None,
    state_path: str | None,
    seconds: float | None,
    as_json: bool,
) -> None:
    """Run a venue on loopback: it checks credentials, streams synthetic data, and signs payloads.

    Its keys are public test keys, worth nothing. It prints where to connect, and ends with Ctrl-C.
    Chainlink and Stork payloads verify under the state that --state writes.

    \b
    Rules of --misbehave: a kind, a time, and perhaps an argument.
      drop/50          every 50th message is never sent
      duplicate%2      2 % of the messages are sent twice
      reorder@20       the 20th message comes after the 21st
      corrupt%1:utf8   damaged: flip, truncate, utf8, frame
      stall@100:3      silence for 3 seconds at the 100th message
      cut@5s           the connections end after 5 seconds; close@5s:1011 with a close frame
      refuse@5s:429    the next dial after that is refused
      expire@60s       tokens end, or the credential is withdrawn: see the venues below
      restart@10s:2    no server there for 2 seconds

    \b
    Examples:
      payloads simulate chainlink
      payloads simulate stork --rate 50 --bad-share 0.1 --state state.json
      payloads simulate finery --port 9000 --misbehave 'drop/50,restart@30s:2'
      payloads simulate ethgas --set dialect=draft --set lifetime=30
    """
    from payloads import simulators
    from payloads.simulators.text_options import read_options

    _check_host(host, allow_remote)
    kind = simulators.class_of(venue)
    options: dict[str, Any] = read_options(venue, kind.text_options, given) | {
        "host": host, "port": port, "rate": rate, "misbehave": misbehave, "seed": seed,
    }  # fmt: skip
    if feeds is not None:
        if "feeds" not in inspect.signature(kind).parameters:
            raise Misuse("has no feeds to choose from", field="--feeds", found=venue)
        options["feeds"] = [name.strip() for name in feeds.split(",") if name.strip()]
    if bad_share is not None:
        if not kind.BAD:
            raise Misuse("signs no payloads", field="--bad-share", found=venue)
        options["bad_share"] = bad_share
    if certificate is not None:
        options["tls"] = _serving(certificate)
    simulator = kind(**options)
    asyncio.run(_run(simulator, certificate, state_path, seconds, as_json))


def _check_host(host: str, allow_remote: bool) -> None:
    """The credentials of a simulator are known to everyone, so it stands on loopback if unasked."""
    if is_loopback(host):
        return
    if not allow_remote:
        expected = "an address of this machine alone, or --allow-remote"
        raise Misuse("other machines could connect", field="--host", expected=expected, found=host)
    words = "other machines can connect, with credentials known to everyone"
    terminal.line(f"{host}: {words}", err=True)


def _serving(certificate: str) -> ssl.SSLContext:
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(certificate)
    except OSError as error:  # ssl.SSLError is one
        raise Misuse(
            "cannot be served", field="--certificate", expected="a certificate and its key, in PEM",
            found=error.strerror or type(error).__name__,
        ) from None  # fmt: skip
    return context


async def _run(
    simulator: Simulator,
    certificate: str | None,
    state_path: str | None,
    seconds: float | None,
    as_json: bool,
) -> None:
    async with stoppable() as done, contextlib.AsyncExitStack() as stack:
        try:
            await stack.enter_async_context(simulator)
        except OSError as error:
            where = f"{simulator.host}:{simulator.port}"
            raise Misuse(f"cannot listen: {error.strerror}", field=where) from None
        if state_path is not None:
            _write_state(simulator, state_path)
        _say_hello(simulator, certificate, state_path, as_json)
        await _watch(simulator, done, seconds)
    if as_json:
        terminal.json_line({"counters": simulator.counters.to_dict()})
    else:
        terminal.line(f"{'in the end':{_WIDTH}}{_counted(simulator)}")


async def _watch(simulator: Simulator, done: asyncio.Event, seconds: float | None) -> None:
    """Wait for the end; on a terminal the counters are shown."""
    ends = None if seconds is None else time.monotonic() + seconds
    watched = sys.stderr.isatty()
    while not done.is_set() and (ends is None or time.monotonic() < ends):
        left = _SHOWN_EVERY if ends is None else min(_SHOWN_EVERY, ends - time.monotonic())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, left)):
                await done.wait()
        if watched:
            terminal.status(_counted(simulator))
    if watched:
        terminal.status()


def _counted(simulator: Simulator) -> str:
    counters = simulator.counters
    words = [
        f"{len(simulator.peers)} connected",
        f"{counters.dials:,} dials",
        f"{counters.frames:,} messages",
        f"{counters.bytes / 1e6:,.1f} MB",
    ]
    words += [f"{count:,} behind the rate" for count in [counters.late] if count]
    words += [f"{count:,} bad: {kind}" for kind, count in counters.bad.items()]
    words += [f"{count:,} refused: {code}" for code, count in counters.refused.items()]
    words += [f"{count:,} × {kind}" for kind, count in counters.misbehaved.items()]
    return ", ".join(words)


def _write_state(simulator: Simulator, path: str) -> None:
    make = getattr(simulator, "state", None)
    if make is None:
        raise Misuse("no contract verifies its data", field="--state", found=simulator.venue)
    try:
        Path(path).write_text(json.dumps(make().to_dict(), indent=2) + "\n")
    except OSError as error:
        raise Misuse(f"cannot be written: {error.strerror}", field=path) from None


def _example(endpoint: Endpoint, trusting: list[str]) -> tuple[str, str]:
    where = shlex.join(["--endpoint", endpoint.base, *trusting])
    return "for example", f"payloads capture {endpoint.venue} '{endpoint.example}' {where} -o FILE"


def _say_hello(
    simulator: Simulator, certificate: str | None, state_path: str | None, as_json: bool
) -> None:
    trusting = [] if certificate is None else ["--ca", certificate]

    if as_json:
        record = {
            "venue": simulator.venue, "url": simulator.url, "endpoint": simulator.base,
            "endpoints": {endpoint.venue: endpoint.base for endpoint in simulator.endpoints},
            "http": simulator.http_url, "credentials": simulator.credentials,
            "tokens": simulator.tokens,
            "environment": simulator.environment,
            "capture": [*simulator.capture("FILE"), *trusting],
        }  # fmt: skip
        terminal.json_line(record)
        return
    first, *others = simulator.endpoints
    rows = [(first.title, first.url), ("requests to", simulator.http_url)]
    rows += [(endpoint.title, endpoint.url) for endpoint in others]
    rows += [*simulator.credentials.items(), *simulator.tokens.items()]
    rows += [("export", f"{name}={value}") for name, value in simulator.environment.items()]
    rows += [_example(endpoint, trusting) for endpoint in simulator.endpoints]
    if state_path is not None:
        rows.append(("verify", f"payloads verify --state {state_path} SOURCE"))
    terminal.line(f"{simulator.venue} on loopback; its credentials and keys are worth nothing.")
    for name, value in rows:
        terminal.line(f"{name:{_WIDTH}}{value}")
    terminal.line("Ctrl-C ends it.")
    terminal.flush()
