"""`payloads encode`: from payloads, or from what `decode --json` printed, to bytes."""

from __future__ import annotations

from typing import Any

import click
import msgspec

from payloads import chainlink, stork
from payloads.chainlink.report import BareReport, FullReport
from payloads.cli.run import Run, command_options, guarded
from payloads.cli.sources import Item
from payloads.errors import Malformed, Misuse
from payloads.recognise import decode as decode_any
from payloads.stork.update import SignedUpdate
from payloads.testing import InsecureTestNetwork, InsecureTestStorkSigner

_STORK_CALLS = ("verifySignedECDSAPayload", "verifyAndDeserializeSignedECDSAPayload")
TARGETS = ("payload", "report", "snappy", "verify", "verifyBulk", *_STORK_CALLS)

Encodable = FullReport | BareReport | SignedUpdate


@click.command()
@command_options
@click.option(
    "--to",
    "target",
    type=click.Choice(TARGETS),
    default="payload",
    show_default=True,
    help="What to write. The last four are calldata; verifyBulk takes all inputs in one call.",
)
@click.option("--fee-token", metavar="ADDRESS", help="Token to name in the parameter payload.")
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
    fee_token: str | None,
    seed: str | None,
) -> None:
    """Write payloads as bytes: re-encoded, compressed, or as calldata.

    Inputs are payloads in any form that `decode` takes, or the objects that `decode --json` prints,
    edited or not.

    \b
    Examples:
      payloads encode --to verify --fee-token 0x514910771AF9Ca656af840dff83E8264EcF986CA 0x0006…
      payloads encode --to verifyBulk reports.txt
      payloads encode --to snappy 0x0006f9b5…
      payloads decode --json 0x0006… | jq '.ask = "1"' | payloads encode
      payloads encode --insecure-test-sign demo report.json
    """
    run = Run(as_json, colour)
    gathered: list[bytes] = []

    def act(item: Item) -> None:
        for payload in _payloads(item.value):
            raw = _signed(payload, seed).encode() if seed is not None else payload.encode()
            if target == "verifyBulk":
                gathered.append(raw)
            else:
                _write(run, _as(target, payload, raw, fee_token), target)

    run.each(sources, act)
    if target == "verifyBulk" and not run.failed:
        _write(run, chainlink.encode_verify_bulk(gathered, fee_token), target)
    run.finish()


def _write(run: Run, raw: bytes, target: str) -> None:
    text = "0x" + raw.hex()
    if run.as_json:
        run.record({"target": target, "size": len(raw), "hex": text})
    else:
        run.lines([text])


def _as(target: str, payload: Encodable, raw: bytes, fee_token: str | None) -> bytes:
    if target == "payload":
        return raw
    if target in _STORK_CALLS:
        return stork.encode_call(raw, target)
    if target == "snappy":
        return chainlink.compress(raw)
    if target == "verify":
        return chainlink.encode_verify(raw, fee_token)
    if isinstance(payload, FullReport):
        return payload.report_blob
    if isinstance(payload, BareReport):
        return raw
    raise Misuse("a Stork payload holds no report", field="--to")


def _payloads(value: str | bytes) -> list[Encodable]:
    """The payloads of an item: described by an object of ours, or as they are."""
    if (record := _record(value)) is not None:
        return [_described(record)]
    found = []
    for leaf in decode_any(value).leaves():
        if leaf.error is not None:
            raise leaf.error
        if not isinstance(leaf.value, Encodable):
            raise Malformed("has no bytes to encode", field=leaf.form, expected="a payload")
        found.append(leaf.value)
    return found


def _record(value: str | bytes) -> dict[str, Any] | None:
    if not isinstance(value, str) or not value.lstrip().startswith("{"):
        return None
    try:
        record = msgspec.json.decode(value)
    except msgspec.DecodeError:
        return None  # `decode` says what is wrong with it
    ours = isinstance(record, dict) and ("schema" in record or "assets" in record)
    return record if ours else None


def _described(record: dict[str, Any]) -> Encodable:
    if "assets" in record:
        return stork.signed_from_dict({"r": _ZERO, "s": _ZERO, "v": 0} | record)
    if "rs" in record:
        return chainlink.full_report_from_dict(record)
    return chainlink.decode_report(
        chainlink.report_from_dict(record), schema=record.get("schema_version")
    )


_ZERO = "0x" + "00" * 32


def _signed(payload: Encodable, seed: str) -> FullReport | SignedUpdate:
    if isinstance(payload, SignedUpdate):
        mask = None if payload.layout == "plain" else payload.mask
        return InsecureTestStorkSigner(seed).sign(
            payload.assets,
            timestamp_ns=payload.timestamp_ns,
            taxonomy_id=payload.taxonomy_id,
            mask=mask,
        )
    blob = payload.report_blob if isinstance(payload, FullReport) else payload.encode()
    return InsecureTestNetwork(seed).sign(blob)
