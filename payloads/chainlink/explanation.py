"""Why a call is accepted or refused: every check in order, and all that is wrong.

The very steps that gave the verdict are run again, each of them regardless of the others; one whose
inputs are missing is reported as not asked. Where signatures fail, each is explained on its own:
who it recovers to, whether that signer belongs to another config, and what would have repaired it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec.structs

from payloads.chainlink.call import Call, Item
from payloads.chainlink.checks import BAD, MEMBERS, SIGNATURES, Stage, Step, stages
from payloads.chainlink.findings import findings
from payloads.chainlink.state import ChainlinkState, Config
from payloads.crypto import keccak256
from payloads.errors import Malformed
from payloads.signatures import recovered
from payloads.verdicts.signature_hints import repairs
from payloads.verdicts.verdict import Check, Explanation, Stop, read_revert

# More configs than this are not tried as what a signature may have been made for.
_MOST_DIGESTS = 16


def explain(call: Call) -> Explanation:
    """All checks of a call, and the findings on it."""
    call = call.again()
    checks = tuple(_decided(_checks(call)))
    accepted = not any(check.decided for check in checks)
    return Explanation(checks, tuple(findings(call, accepted)))


def _decided(checks: Iterator[Check]) -> Iterator[Check]:
    """The chain stops at the first check that would revert."""
    stopped = False
    for check in checks:
        if check.revert and not stopped:
            stopped = True
            check = msgspec.structs.replace(check, decided=True)
        yield check


def _checks(call: Call) -> Iterator[Check]:
    for stage in stages(call):
        for subject in call.items if stage.each else (call,):
            for step in stage.steps:
                yield from _check(stage, step, subject)


def _check(stage: Stage, step: Step, subject: Any) -> Iterator[Check]:
    index = subject.index if stage.each else None
    missing = [name for name in step.needs if getattr(subject, name) is None]
    if missing:
        detail = f"not asked: there is no {' and no '.join(missing)}"
        yield Check(step.name, step.rule, {}, None, detail, payload=index)
        return
    passed, detail, revert = _outcome(stage, step, subject)
    if step is SIGNATURES:  # so that what comes behind can be asked, whoever signed
        subject.signers = _recover_each(subject)
    yield Check(step.name, step.rule, step.inputs(subject), passed, detail, revert, payload=index)
    if step in (SIGNATURES, MEMBERS):
        yield from _each_signature(subject)


def _outcome(stage: Stage, step: Step, subject: Any) -> tuple[bool, str, str]:
    try:
        step.run(subject)
    except Stop as stop:
        data, why = stop.data, stop.why
    except Malformed as error:
        data, why = error.revert_data or b"", str(error)
    else:
        return True, "", ""
    name = read_revert(data).name
    if stage.hidden:
        return False, f"{why} ({name}, which the verifier hides)", read_revert(BAD).name
    return False, why, name


# --- signatures -----------------------------------------------------------------------------------


def _recover_each(item: Item) -> list[bytes | None]:
    digest, recover = item.hash(), item.call.recover
    triples = zip(item.rs, item.ss, item.vs, strict=False)
    return [recover(digest, r, s, v) for r, s, v in triples]


def _each_signature(item: Item) -> Iterator[Check]:
    config = item.config
    assert config is not None
    signers = item.signers or []
    others = {} if any(one in config.members for one in signers) else _other_digests(item)
    triples = zip(item.rs, item.ss, item.vs, strict=False)
    members = config.members

    def member(one: bytes) -> str:
        return f"signer {members[one]} of this config" if one in members else ""

    for index, (r, s, v) in enumerate(triples):
        found = recovered(index, item.hash(), r, s, v)
        signer = None if found.address is None else found.raw_address
        passed = signer in members
        words = _named(item.call.state, config, signer) or found.why or "not a known signer"
        said = [f"{found.address or 'nobody'}: {words}"]
        if signer in signers[:index]:
            said.append(f"signed already as signature {signers.index(signer)}")
        if not passed:
            said += repairs(item.hash(), r, s, v, member, others)
        inputs = {"r": found.r, "s": found.s, "v": v, "recovered": found.address}
        rule = "must be by a signer of the config"
        name = f"signature {index}"
        yield Check(name, rule, inputs, passed, "; ".join(said), payload=item.index)


def _named(state: ChainlinkState, config: Config, signer: bytes | None) -> str:
    """Who that is, here or in another config."""
    if signer is None:
        return ""
    if signer in config.members:
        return f"signer {config.members[signer]} of this config"
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
    """What would be signed under the digests of the other configs that the state knows."""
    assert item.report is not None
    hashed, rest = keccak256(item.report), item.context[32:]
    known = {one.config_digest for one in item.call.state.configs if one.config_digest is not None}
    return {
        f"this report under config 0x{digest.hex()}": keccak256(hashed + digest + rest)
        for digest in sorted(known)[:_MOST_DIGESTS]
    }
