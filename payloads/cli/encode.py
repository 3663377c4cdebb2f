"""`payloads encode`: from payloads, or from the objects of `decode --json`, to bytes."""

from __future__ import annotations

from typing import Any

import click

from payloads import systems
from payloads.chain.reading.state_files import load_state
from payloads.cli.chain_options import pay_option
from payloads.cli.late_choice import LateChoice
from payloads.cli.run import Run, command_options, guarded
from payloads.cli.sources import Item
from payloads.errors import Malformed, Misuse
from payloads.inputs import parse_json
from payloads.recognise import decode as decode_any
from payloads.system import System
from payloads.testing import signed_insecurely


def _targets() -> tuple[str, ...]:
    """Everything that any system can write: itself, other encodings, and calldata last."""
    encodings = (name for system in systems.SYSTEMS for name in system.encodings)
    return ("payload", *encodings, *(function.name for function in systems.functions()))


@click.command()
@command_options
@click.option(
    "--to",
    "target",
    type=LateChoice(_targets),
    default="payload",
    show_default=True,
    help="What to write. Names of functions mean calldata; verifyBulk takes all inputs in one.",
)
@pay_option
@click.option(
    "--state", "state_path", metavar="FILE", help="The state, for calldata: it has the tokens."
)
@click.option(
    "--insecure-test-sign",
    "seed",
    metavar="SEED",
    help="Sign reports and updates with a test network's keys, which follow from SEED. Worthless "
    "anywhere but in tests.",
)
@guarded
def encode(
    sources: tuple[str, ...],
    as_json: bool,
    colour: str,
    target: str,
    pay: str | None,
    state_path: str | None,
    seed: str | None,
) -> None:
    """Write payloads as bytes: re-encoded, compressed, or as calldata.

    Inputs are payloads in any form that `decode` takes, or the objects that `decode --json` prints,
    edited or not.

    \b
    Examples:
      payloads encode --to verify --pay link --state state.json 0x0006…
      payloads encode --to verify --pay 0x514910771AF9Ca656af840dff83E8264EcF986CA 0x0006…
      payloads encode --to verifyBulk reports.txt
      payloads encode --to snappy 0x0006f9b5…
      payloads decode --json 0x0006… | jq '.ask = "1"' | payloads encode
      payloads encode --insecure-test-sign demo report.json
    """
    run = Run(as_json, colour)
    gathered: list[bytes] = []
    caller = _caller(target)
    if caller is None and (pay is not None or state_path is not None):
        raise Misuse("only calldata pays", field="--pay", expected="--to with a function's name")
    state = None if state_path is None else load_state(state_path)

    def act(item: Item) -> None:
        for system, payload in _payloads(item.value):
            if seed is not None:
                payload = signed_insecurely(system.name, payload, seed)
            if caller is None:
                _write(run, _as(target, system, payload), target, item)
            elif caller[1]:
                gathered.append(payload.encode())
            else:
                raw = caller[0].encode_calldata([payload.encode()], target, pay, state)
                _write(run, raw, target, item)

    run.each(sources, act)
    if caller is not None and caller[1] and not run.failed:
        _write(run, caller[0].encode_calldata(gathered, target, pay, state), target)
    run.finish()


def _caller(target: str) -> tuple[System, bool] | None:
    """The system of the function that a target names, and whether it takes many payloads."""
    for system in systems.SYSTEMS:
        for function in system.calldata_functions:
            if function.name == target:
                return system, function.takes_many
    return None


def _write(run: Run, raw: bytes, target: str, item: Item | None = None) -> None:
    text = "0x" + raw.hex()
    if run.as_json:
        record = {"target": target, "size": len(raw), "hex": text}
        run.record(record if item is None else record | item.origin)
    else:
        run.lines([text])


def _as(target: str, system: System, payload: Any) -> bytes:
    if target == "payload":
        raw: bytes = payload.encode()
        return raw
    if target not in system.encodings:
        raise Misuse(f"{system.name} has no {target}", field="--to")
    return system.encodings[target](payload)


def _payloads(value: str | bytes) -> list[tuple[System, Any]]:
    """The payloads of an item: described by an object of ours, or as they are."""
    if (described := _described(value)) is not None:
        return [described]
    found = []
    for leaf in decode_any(value).leaves():
        if leaf.error is not None:
            raise leaf.error
        system = systems.of_value(leaf.value)
        if system is None or not hasattr(leaf.value, "encode"):
            raise Malformed("has no bytes to encode", field=leaf.form, expected="a payload")
        found.append((system, leaf.value))
    return found


def _described(value: str | bytes) -> tuple[System, Any] | None:
    if not isinstance(value, str) or not value.lstrip().startswith("{"):
        return None
    try:
        record = parse_json(value)
    except Malformed:
        return None  # `decode` says what is wrong with it
    for system in systems.SYSTEMS if isinstance(record, dict) else ():
        if (payload := system.from_json(record)) is not None:
            return system, payload
    return None
