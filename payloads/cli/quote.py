"""`payloads quote`: the cost of verifying payloads, before it is sent."""

from __future__ import annotations

from collections.abc import Iterator

import click

from payloads import systems
from payloads.abi.calldata import decode_call
from payloads.chainlink.fees import Charge
from payloads.chainlink.gas import PAID
from payloads.chainlink.quotes import BulkQuote, Quote
from payloads.chainlink.state import percent
from payloads.cli import terminal
from payloads.cli.chain_options import load_state_then, pay_option, state_options
from payloads.cli.run import Run, command_options, guarded
from payloads.cli.sources import Item
from payloads.errors import Misuse
from payloads.judging import given
from payloads.system import Terms
from payloads.verdicts.state import State
from payloads.verdicts.words import amount, duration, instant

_WIDTH = 22
_WAYS = {
    "link": "paid in LINK",
    "native": "paid in native",
    "native_with_link": "paid in native where the fee manager holds LINK",
    "wrapped": "paid in wrapped native",
    "wrapped_with_link": "paid in wrapped native where the fee manager holds LINK",
    "free": "nothing paid",
    "no-op": "billed by subscription",
    "view": "as a view, if it is paid for at all",
}


@click.command(short_help="Say what verifying payloads costs.")
@command_options
@state_options
@pay_option
@guarded
def quote(
    sources: tuple[str, ...],
    as_json: bool,
    colour: str,
    state_path: str,
    now: str | None,
    at: str | None,
    sender: str | None,
    pay: str | None,
) -> None:
    """Say what verifying payloads costs: fee, reward, value to send, gas, and time left.

    Exact to the wei, in LINK and in native (or as --pay says), under the state's surcharge and the
    sender's discounts. With several payloads the totals of one verifyBulk follow. Whether the
    contract would accept them is another question: payloads verify answers it.

    \b
    Examples:
      payloads quote --state fixtures/examples/state.json fixtures/examples/report.hex
      payloads quote --state state.json --pay wrapped report.hex
      payloads quote --state state.json --now now --sender 0x… report.hex
      cat frames.jsonl | payloads quote --state state.json --json | jq .value
    """
    run = Run(as_json, colour)
    state, time = load_state_then(state_path, at, now)
    system = systems.of_state(state)
    terms = Terms(pay=pay, sender=sender, now=time)
    if system.quote is None:
        system.value_sent((), state, terms)
        _show_flat_fee(run, state)
        return
    quote_payload, functions = system.quote, system.calldata_functions
    quotes: list[Quote] = []

    def act(item: Item) -> None:
        for found in given(item.value):
            if found.error is not None:
                run.fail_at(item, found.error)
                continue
            raws = decode_call(functions, found.raw).payloads if found.is_call else (found.raw,)
            for raw in raws:
                made = quote_payload(raw, state, terms)
                quotes.append(made)
                _show(run, made, item)

    run.each(sources, act)
    if len(quotes) > 1 and not as_json:
        run.lines(_bulk_lines(BulkQuote(tuple(quotes))))
    if not as_json:
        run.lines(_state_lines(state, time))
    run.finish()


def _show(run: Run, found: Quote, item: Item) -> None:
    if run.as_json:
        run.record(found.to_dict() | item.origin)
    else:
        run.lines(_quote_lines(found, item.place))


def _show_flat_fee(run: Run, state: State) -> None:
    """The fee of a contract that charges the same for every call."""
    if (fee := state.flat_fee) is None:
        raise Misuse("no cost is known for this contract", field="state", found=state.contract)
    if run.as_json:
        run.record({"contract": state.contract, "fee": str(fee), "value": str(fee)})
    else:
        run.lines([_row("value to send", f"{amount(fee, 'native')}, for any payload")])


# --- words for a person ---------------------------------------------------------------------------


def _row(name: str, value: str) -> str:
    return f"  {terminal.style(name.ljust(_WIDTH), fg='cyan')} {value}"


def _quote_lines(found: Quote, where: str) -> Iterator[str]:
    title = terminal.style(f"feed 0x{found.feed_id.hex()}", bold=True)
    yield f"{title}  {terminal.style(where, dim=True)}"
    if found.free:
        yield _row("fee", f"none: {found.free}")
    if found.link is not None and found.pay in (None, "link"):
        yield from _charge_lines("LINK", found.link)
    if found.native is not None and found.pay != "link":
        yield from _charge_lines("native", found.native)
    if found.native is not None:
        yield _row("value to send", _value(found.value, found.pay))
    if found.expires_at is not None:
        yield _row("expires", _expiry(found))
    yield _row("signatures", str(found.signatures))
    for index, words in enumerate(_gas(found.gas, found.pay)):
        yield _row("" if index else "gas to expect", words)
    yield ""


def _charge_lines(token: str, charge: Charge) -> Iterator[str]:
    yield _row(f"fee in {token}", amount(charge.fee, token))
    how = [f"{charge.base} in the report"]
    if charge.surcharged != charge.base:
        how.append(f"{charge.surcharged} with the surcharge")
    if charge.discount:
        how.append(f"{percent(charge.discount)} discount")
    yield _row("", terminal.style(", ".join(how), dim=True))
    yield _row("  reward", amount(charge.reward, "LINK"))


def _expiry(found: Quote) -> str:
    expiry, left = instant(found.expires_at), found.expires_in
    if left is None:
        return expiry
    if left < 0:
        return f"{expiry}: {terminal.style(f'expired {duration(left)} ago', fg='red')}"
    return f"{expiry}: {duration(left)} left"


def _value(wei: int, pay: str | None) -> str:
    said = amount(wei, "native")
    return said if pay is not None else f"{said}, or 0 to pay wrapped or LINK"


def _gas(gas: dict[str, int | None], pay: str | None) -> Iterator[str]:
    """A line for each way that was measured from cold state."""
    for way, count in gas.items():
        other = pay is not None and way in PAID and way.removesuffix("_with_link") != pay
        if count is not None and not other:
            yield f"{count:,} {_WAYS[way]}"


def _bulk_lines(bulk: BulkQuote) -> Iterator[str]:
    yield terminal.style(f"all {len(bulk.quotes)} in one verifyBulk", bold=True)
    pay = bulk.quotes[0].pay
    if pay in (None, "link"):
        yield _row("fee in LINK", amount(bulk.link, "LINK"))
        yield _row("  reward", amount(bulk.reward("link"), "LINK"))
    if pay != "link":
        yield _row("fee in native", amount(bulk.native, "native"))
        yield _row("  reward", amount(bulk.reward("native"), "LINK"))
    yield _row("value to send", _value(bulk.value, pay))
    if (left := bulk.expires_in) is not None:
        words = f"{duration(left)} left" if left >= 0 else f"expired {duration(left)} ago"
        yield _row("first to expire", words)
    yield ""


def _state_lines(state: State, time: int | None) -> Iterator[str]:
    yield "state used"
    yield f"  {state.described()}"
    age = state.age(time)
    age_words = "its age is not known" if age is None else f"{duration(age)} old at that time"
    yield f"  quoted at {instant(state.now if time is None else time)}; {age_words}"
