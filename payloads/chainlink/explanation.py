"""Why a call is accepted or refused: every check in order, and all that is wrong.

Where signatures fail, each is explained on its own: the address that it recovers to, whether that
signer belongs to another config, and what would have repaired it.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from hexbytes import HexBytes

from payloads.abi.fields import hexed
from payloads.chainlink.call import Call, Item
from payloads.chainlink.checks import MEMBERS, SIGNATURES, stages
from payloads.chainlink.findings import findings, good_until
from payloads.chainlink.state import ChainlinkState, Config
from payloads.crypto import checksum, keccak256
from payloads.signatures import recovered_as
from payloads.verdicts import checks
from payloads.verdicts.checks import Bill, Check, Explanation
from payloads.verdicts.signature_hints import signature_hints

# More configs than this are not tried as what a signature may have been made for.
_MOST_DIGESTS = 16


def explain(call: Call) -> Explanation:
    """All checks of a call, and the findings on it."""
    call = call.again()
    found = checks.explain(stages(call), call, _DETAILS)
    accepted = not any(check.decided for check in found)
    return Explanation(found, tuple(findings(call, accepted)), _bills(call), good_until(call))


def explain_accepted(call: Call) -> Explanation:
    """The same of a call whose checks all passed."""
    found = checks.explain_passed(stages(call), call, _DETAILS)
    return Explanation(found, tuple(findings(call, True)), _bills(call), good_until(call))


def brief(call: Call) -> Explanation:
    """The findings on a call whose checks all passed, and its bills."""
    return Explanation((), tuple(findings(call, True)), _bills(call), good_until(call))


def _bills(call: Call) -> tuple[Bill, ...]:
    amounts: dict[HexBytes, int] = {}
    for item in call.items:
        if item.charge is not None and item.charge.fee:
            token = item.charge.token
            amounts[token] = amounts.get(token, 0) + item.charge.fee
    return tuple(Bill(token, amount) for token, amount in amounts.items())


# --- signatures -----------------------------------------------------------------------------------


def _recover_each(item: Item) -> list[bytes | None]:
    signers, asked = item.call.signers, item.signatures()
    signers.learn([asked])
    digest, *signatures = asked
    return [signers.recover(digest, *each) for each in zip(*signatures, strict=True)]


def _with_each_signature(item: Item, check: Check) -> Iterator[Check]:
    yield check
    config = item.config
    assert config is not None
    if item.signers is None:  # so that later steps can be made, whatever is wrong with this one
        item.signers = _recover_each(item)
    signers, members = item.signers, config.members
    others = {} if any(signer in members for signer in signers) else _other_digests(item)
    twice = len(set(signers)) < len(signers)

    def member(address: bytes) -> str:
        return f"signer {members[address]} of this config" if address in members else ""

    words_of = zip(item.rs, item.ss, item.vs, signers, strict=False)
    for index, (r, s, v, signer) in enumerate(words_of):
        address: str | None
        passed = signer in members
        if passed and signer is not None:
            address, detail = _member(signer, members[signer])
        else:
            address = None if signer is None else checksum(signer)
            words = _named(item.call.state, config, signer)
            if not words:
                found = recovered_as(index, item.hash(), r, s, v, signer)
                words = found.why or "not a known signer"
            detail = f"{address or 'no signer'}: {words}"
        if twice and (first := signers.index(signer)) < index:
            detail += f"; signed already as signature {first}"
        if not passed:
            detail = "; ".join([detail, *signature_hints(item.hash(), r, s, v, member, others)])
        inputs = {"r": hexed(r), "s": hexed(s), "v": v, "recovered": address}
        name = f"signature {index}"
        yield Check(name, _BY_SIGNER, inputs, passed, detail, payload=item.index)


@lru_cache(maxsize=1024)
def _member(signer: bytes, number: int) -> tuple[str, str]:
    """The address of a signer of a config, and the words about it."""
    address = checksum(signer)
    return address, f"{address}: signer {number} of this config"


_BY_SIGNER = "must be by a signer of the config"
_DETAILS = dict.fromkeys((SIGNATURES.name, MEMBERS.name), _with_each_signature)


def _named(state: ChainlinkState, config: Config, signer: bytes | None) -> str:
    """Where a signer belongs: in this config, or in others."""
    if signer is None:
        return ""
    places = [
        f"signer {other.members[signer]} of {describe(state, other)}"
        for other in state.configs
        if signer in other.members
    ]
    return f"not in this config, but {' and '.join(places)}" if places else ""


def describe(state: ChainlinkState, config: Config) -> str:
    """A config in a few words."""
    if config.config_digest is not None:
        words = f"config 0x{config.config_digest.hex()}"
    else:
        words = f"the config activated at {config.activation_time}"
    notes = ["feed 0x" + config.feed_id.hex()] if config.feed_id is not None else []
    notes += [] if config.active else ["deactivated"]
    notes += [] if config.removed_at is None else ["no longer in force"]
    return f"{words} ({', '.join(notes)})" if notes else words


def _other_digests(item: Item) -> dict[str, bytes]:
    """The digests to sign under the other configs that the state knows, by what they are."""
    assert item.report is not None
    hashed, rest = keccak256(item.report), item.context[32:]
    digests = (config.config_digest for config in item.call.state.configs)
    known = {digest for digest in digests if digest is not None}
    return {
        f"this report under config 0x{digest.hex()}": keccak256(hashed + digest + rest)
        for digest in sorted(known)[:_MOST_DIGESTS]
    }
