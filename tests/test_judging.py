"""The keeper's door: any input gets the contract's answer, from the library and the terminal."""

from __future__ import annotations

import inspect
import json
from typing import Any

import pytest
from click.testing import CliRunner

import payloads
from payloads import chainlink, stork, systems
from payloads.chainlink.state import ChainlinkState
from payloads.cli.main import main
from payloads.errors import Malformed, Misuse
from payloads.stork.state import StorkState
from tests import corpus

EXAMPLES = corpus.FIXTURES / "examples"
CHAINLINK = ChainlinkState.load(EXAMPLES / "state.json")
STORK = StorkState.load(EXAMPLES / "stork-state.json")
REPORT = chainlink.decode((EXAMPLES / "report.hex").read_text())
UPDATE = stork.decode((EXAMPLES / "update.hex").read_text())
assert CHAINLINK.fee_manager is not None
PAYING: dict[str, Any] = {"pay": "link"}
VERIFY, BULK = (
    chainlink.encode_calldata(payload, pay=CHAINLINK.fee_manager.link)
    for payload in (REPORT, [REPORT])
)


def shapes(raw: bytes, value: Any, frame: Any) -> list[Any]:
    """The same payload in every form that the doors take."""
    text = "0x" + raw.hex()
    framed = frame(text)
    return [
        *(value, payloads.decode(value), raw, bytearray(raw), memoryview(raw), text, raw.hex()),
        *(f"  {text.upper().replace('0X', '0x')}\n", text.encode(), framed, [framed]),
        *(json.dumps(framed), json.dumps(framed).encode(), payloads.decode(framed)),
    ]


REPORTS = shapes(REPORT.encode(), REPORT, lambda text: {"report": {"fullReport": text}})
UPDATES = shapes(UPDATE.encode(), UPDATE, lambda text: {"type": "signed_ecdsa", "p": text})


# --- the same for both systems --------------------------------------------------------------------


@pytest.mark.parametrize("value", REPORTS, ids=lambda value: type(value).__name__)
def test_every_form_of_a_report(value: Any) -> None:
    verdict = payloads.judge(value, CHAINLINK, **PAYING)
    assert verdict == chainlink.judge(REPORT, CHAINLINK, **PAYING)
    assert verdict.accepted
    assert payloads.judge(value, CHAINLINK, **PAYING, now=1722435399).error == "ExpiredReport"
    assert payloads.recover(value) == chainlink.recover(REPORT)
    assert [leaf.value for leaf in payloads.decode(value).leaves()] == [REPORT]
    assert payloads.inspect(value).spans == payloads.inspect(REPORT.encode()).spans


@pytest.mark.parametrize("value", UPDATES, ids=lambda value: type(value).__name__)
def test_every_form_of_an_update(value: Any) -> None:
    paid: dict[str, Any] = {"value": STORK.verification_fee}
    assert payloads.judge(value, STORK, **paid) == stork.judge(UPDATE, STORK, **paid)
    assert payloads.judge(value, STORK).error == "InsufficientFee"
    function = "verifyAndDeserializeSignedECDSAPayload"
    read = payloads.judge(value, STORK, **paid, function=function)
    assert len(read.returned) == len(UPDATE.assets)
    assert payloads.recover(value) == stork.recover(UPDATE)
    assert [leaf.value for leaf in payloads.decode(value).leaves()] == [UPDATE]
    assert payloads.inspect(value).spans == payloads.inspect(UPDATE.encode()).spans


@pytest.mark.parametrize("calldata", [VERIFY, BULK], ids=["verify", "verifyBulk"])
def test_a_call_is_judged_as_a_call(calldata: bytes) -> None:
    for value in (calldata, "0x" + calldata.hex(), payloads.decode(calldata)):
        assert payloads.judge(value, CHAINLINK) == chainlink.judge_calldata(calldata, CHAINLINK)
        assert payloads.judge(value, CHAINLINK).accepted
        assert payloads.recover(value) == chainlink.recover(REPORT)
    with pytest.raises(Misuse, match="what it pays in"):
        payloads.judge(calldata, CHAINLINK, **PAYING)
    with pytest.raises(Misuse, match="names its function"):
        payloads.judge(calldata, CHAINLINK, function="verify")
    cut = calldata[:-64]
    assert payloads.judge(cut, CHAINLINK) == chainlink.judge_calldata(cut, CHAINLINK)


def test_what_one_system_alone_takes_is_misuse_for_the_other() -> None:
    with pytest.raises(Misuse, match="paid in native only"):
        payloads.judge(UPDATE, STORK, **PAYING)
    with pytest.raises(Misuse, match="no such function"):
        payloads.judge(UPDATE, STORK, function="verify")


def test_many() -> None:
    values = [*REPORTS, b"nothing", REPORT.encode()[:-1]]
    verdicts = payloads.judge_many(values, CHAINLINK, **PAYING)
    assert verdicts == [payloads.judge(value, CHAINLINK, **PAYING) for value in values]
    assert [verdict.accepted for verdict in verdicts[-3:]] == [True, False, False]
    calls = [VERIFY, BULK, b"nothing"]
    assert [one.accepted for one in payloads.judge_many(calls, CHAINLINK)] == [True, True, False]
    with pytest.raises(Misuse, match="a payload of stork"):
        payloads.judge_many([REPORT, UPDATE], CHAINLINK)


# --- which system ---------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [*REPORTS, VERIFY], ids=lambda value: type(value).__name__)
def test_a_report_is_not_judged_by_storks_state(value: Any) -> None:
    with pytest.raises(Misuse, match="a payload of chainlink, but a state of stork") as refused:
        payloads.judge(value, STORK)
    assert refused.value.field == "state"


@pytest.mark.parametrize("value", UPDATES, ids=lambda value: type(value).__name__)
def test_an_update_is_not_judged_by_chainlinks_state(value: Any) -> None:
    with pytest.raises(Misuse, match="a payload of stork, but a state of chainlink"):
        payloads.judge(value, CHAINLINK)


def test_a_system_names_the_contracts_that_its_states_are_of() -> None:
    for system in systems.SYSTEMS:
        assert system.contracts == system.state_class().CONTRACTS
    names = [contract for system in systems.SYSTEMS for contract in system.contracts]
    assert len(names) == len(set(names))


def test_what_is_no_state_is_misuse() -> None:
    for value in (None, {}, {"contract": "v0.3.0"}, "state.json"):
        with pytest.raises(Misuse, match="not a state"):
            payloads.judge(REPORT, value)  # type: ignore[arg-type]


def test_a_payload_that_is_cut_anywhere_gets_the_contracts_answer() -> None:
    """However it looks by then: its own state decides whose it is."""
    raw = REPORT.encode()
    for size in range(len(raw)):
        cut = raw[:size]
        assert payloads.judge(cut, CHAINLINK) == chainlink.judge(cut, CHAINLINK), size
    raw, fee = UPDATE.encode(), STORK.verification_fee
    for size in range(len(raw)):
        cut = raw[:size]
        found = payloads.judge(cut, STORK, value=fee)
        assert found == stork.judge(cut, STORK, value=fee), size


@pytest.mark.parametrize("state", [CHAINLINK, STORK], ids=["chainlink", "stork"])
@pytest.mark.parametrize(
    "raw",
    [b"", b"\0", b"nothing", b"{", b"[1,2", b"{}", b'{"a":1}', b"0xzz", b"\xee" * 200, bytes(75)],
)
def test_what_no_system_knows_gets_the_answer_of_the_states_contract(
    state: payloads.State, raw: bytes
) -> None:
    judge: Any = chainlink.judge if state is CHAINLINK else stork.judge
    assert payloads.judge(raw, state) == judge(raw, state)
    assert not payloads.judge(raw, state).accepted


@pytest.mark.parametrize(
    "raw",
    [b"\xee" * 200, REPORT.encode()[:-1], REPORT.encode()[:165], bytes(75), b"\0" * 4],
    ids=len,
)
def test_the_terminal_says_the_same(raw: bytes) -> None:
    path = str(EXAMPLES / "state.json")
    one = CliRunner().invoke(main, ["verify", "--json", "--state", path, "0x" + raw.hex()])
    assert (one.exit_code, one.stderr) == (1, "")
    verdict = payloads.judge(raw, CHAINLINK)
    assert json.loads(one.stdout)["revert"] == verdict.to_dict()["revert"]


def test_the_terminal_refuses_the_state_of_another_system() -> None:
    path, update = str(EXAMPLES / "state.json"), str(EXAMPLES / "update.hex")
    for more in ([], ["--call", "verifyBulk"]):
        one = CliRunner().invoke(main, ["verify", "--state", path, *more, update])
        assert (one.exit_code, one.stdout) == (2, "")
        assert "a payload of stork, but a state of chainlink" in one.stderr


# --- what cannot be judged ------------------------------------------------------------------------


def test_several_payloads_in_one_input_are_misuse() -> None:
    two = [{"fullReport": "0x" + REPORT.encode().hex()}] * 2
    for value in (two, {"reports": two}, json.dumps(two), payloads.decode(two)):
        for door in (lambda value: payloads.judge(value, CHAINLINK), payloads.recover):
            with pytest.raises(Misuse):
                door(value)
    with pytest.raises(Misuse, match="no payload in this input"):
        payloads.judge([], CHAINLINK)
    twice = chainlink.encode_calldata([REPORT, REPORT])
    assert not payloads.judge(twice, CHAINLINK).accepted, "one call of several is one verdict"


def test_what_nobody_signed() -> None:
    message = {"type": "unsigned", "tax": 1, "ts": 2, "a": []}
    with pytest.raises(Malformed, match="not signed"):
        payloads.judge(message, STORK)
    for value in (message, corpus.entry("cl-blob-v03").raw):
        with pytest.raises(Misuse, match="not signed"):
            payloads.recover(value)
    with pytest.raises(Misuse):
        payloads.inspect(message)


@pytest.mark.parametrize("value", ["not hex", "0x123", "{", '{"a": 1}', {"a": 1}])
def test_text_that_holds_no_payload_is_malformed(value: Any) -> None:
    with pytest.raises(Malformed):
        payloads.judge(value, CHAINLINK)


@pytest.mark.parametrize("hex_", ["", "0x"])
def test_a_frame_without_bytes_says_where_they_are_missing(hex_: str) -> None:
    """A frame with nothing beside them is read in one pass, and refused as any other."""
    times = {"validFromTimestamp": 1, "observationsTimestamp": 1}
    usual = {"report": {"feedID": "0x00", "fullReport": hex_, **times}}
    for frame, field, known in (
        (usual, "report.fullReport", CHAINLINK),
        ({"type": "signed_ecdsa", "p": hex_}, "p", STORK),
    ):
        for value in (frame, json.dumps(frame)):
            with pytest.raises(Malformed, match="empty input") as refused:
                payloads.judge(value, known)
            assert refused.value.field == field


@pytest.mark.parametrize("value", [None, 1, 1.5, object()])
def test_what_cannot_be_a_payload_is_misuse(value: Any) -> None:
    for door in (payloads.decode, payloads.inspect, payloads.recover):
        with pytest.raises(Misuse):
            door(value)
    with pytest.raises(Misuse):
        payloads.judge(value, CHAINLINK)


# --- the same through each system's own functions -------------------------------------------------


def test_recover_takes_what_judge_takes() -> None:
    text = REPORT.encode().hex()
    for value in (
        REPORT,
        REPORT.encode(),
        text,
        {"fullReport": text},
        f'{{"fullReport":"{text}"}}',
    ):
        assert chainlink.recover(value) == chainlink.recover(REPORT)
        assert chainlink.judge(value, CHAINLINK, **PAYING).accepted
        signers = [str(signature.address) for signature in chainlink.recover(REPORT)]
        assert chainlink.expect_signers(value, *signers)
    text = UPDATE.encode().hex()
    frame = {"type": "signed_ecdsa", "p": text}
    for form in (UPDATE, UPDATE.encode(), text, frame, json.dumps(frame)):
        assert stork.recover(form) == stork.recover(UPDATE)
        assert stork.judge(form, STORK) == stork.judge(UPDATE, STORK)
    with pytest.raises(Misuse, match="is not signed"):
        chainlink.recover(chainlink.decode_report(REPORT.report_blob))
    with pytest.raises(Malformed, match="no frame of this system"):
        chainlink.judge(frame, CHAINLINK)


@pytest.mark.parametrize("system", [chainlink, stork], ids=["chainlink", "stork"])
def test_verify_takes_what_judge_takes(system: Any) -> None:
    assert inspect.signature(system.verify) == inspect.signature(system.judge)
    assert system.verify.__name__ == "verify"
    assert "raises `ContractRefusal`" in system.verify.__doc__
