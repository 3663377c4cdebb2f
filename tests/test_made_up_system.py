"""The doors are open: a system made up here gets from them all that the real ones get."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar

import pytest
from click.testing import CliRunner, Result

import payloads
from payloads import columns, systems
from payloads.abi.annotate import View, complete
from payloads.abi.calldata import Function
from payloads.abi.fields import PACKED, Record, Table, field, json_object
from payloads.abi.rows import Row, field_rows
from payloads.abi.solidity import Argument, decode_calldata
from payloads.cli.main import main
from payloads.crypto import address_of, checksum, keccak256, sign
from payloads.errors import Malformed, Misuse
from payloads.inputs import to_bytes
from payloads.json_records import EXACT, Reading
from payloads.signatures import Recovered, expect, recovered
from payloads.system import Evidence, Found, Options, System, Terms
from payloads.verdicts.checks import Explanation
from payloads.verdicts.signers import Signers
from payloads.verdicts.state import Address, State, plain
from payloads.verdicts.together import Judgement
from payloads.verdicts.verdict import Accepted, Reverted
from tests import corpus
from tests.checks import assert_partitions

# --- one folder's worth of code -------------------------------------------------------------------

MAGIC = b"NUMB"
CONTRACT = "counter-1"
CHECK = Function.of("checkNumber", Argument("payload", "bytes"))
READING = Reading(base=EXACT, error=Misuse)


class SignedNumber(Record, frozen=True):
    """A number that somebody signed."""

    magic: Annotated[bytes, field("bytes4", meaning="What it is")]
    number: Annotated[int, field("int64", meaning="The number")]
    r: Annotated[bytes, field("bytes32", meaning="r of the signature")]
    s: Annotated[bytes, field("bytes32", meaning="s of the signature")]
    v: Annotated[int, field("uint8", meaning="Recovery id")]

    @property
    def signed_bytes(self) -> bytes:
        return TABLE.pack(self)[:12]

    @property
    def signing_digest(self) -> bytes:
        return keccak256(self.signed_bytes)

    def encode(self) -> bytes:
        return TABLE.pack(self)


TABLE = Table.of(SignedNumber, PACKED)


class CounterState(State, frozen=True, kw_only=True, dict=True, gc=True):
    """A contract that takes numbers by one signer."""

    CONTRACTS: ClassVar[tuple[str, ...]] = (CONTRACT,)

    signer: Address

    def to_dict(self) -> dict[str, Any]:
        return super().to_dict() | plain(signer=self.signer)

    def facts(self) -> Iterator[tuple[str, str]]:
        yield "signer", checksum(self.signer)


def decode(raw: bytes, form: str, options: Options) -> SignedNumber:
    if len(raw) != TABLE.size or raw[:4] != MAGIC:
        raise Malformed("no number", offset=0, field="magic", revert_data=b"")
    number: SignedNumber = TABLE.read(raw)
    return number


def recover(value: SignedNumber) -> tuple[Recovered]:
    return (recovered(0, value.signing_digest, value.r, value.s, value.v),)


def expect_signers(value: SignedNumber, *signers: str | bytes) -> tuple[Recovered]:
    expect(recover(value), signers, lambda _: 12, "signature")
    return recover(value)


def open_frame(message: dict[str, Any]) -> Found | None:
    if "number" not in message:
        return None
    return Found("counter", "number", "a frame of the counter", to_bytes(message["number"]))


def view(raw: bytes, form: str, options: Options, why: str) -> View:
    error = None
    try:
        decode(raw, form, options)
    except Malformed as malformed:
        error = malformed
    return View("number", why, len(raw), complete(TABLE.spans(raw), raw, error), error)


def rows(value: SignedNumber, decimals: int | None) -> Iterator[Row]:
    yield from field_rows(TABLE, value, decimals)


def to_json(value: SignedNumber, signers: bool) -> dict[str, Any]:
    record = {"system": "counter", "form": "number"}
    record |= {row.name: getattr(value, row.name) for row in TABLE.fields}
    return json_object(record)


def from_json(record: dict[str, Any]) -> SignedNumber | None:
    if record.get("system") != "counter":
        return None
    return SignedNumber(**READING.fields(TABLE.fields, record))


def encode_calldata(
    raws: Sequence[bytes], function: str | None, pay: str | bytes | None, state: State | None
) -> bytes:
    (raw,) = raws
    return CHECK.calldata(raw)


def judging(raws: Sequence[bytes], state: State, terms: Terms, signers: Signers) -> Judgement:
    assert isinstance(state, CounterState)
    (raw,) = raws
    now = state.now if terms.now is None else terms.now
    try:
        number = decode(raw, "number", Options())
    except Malformed as error:
        return Reverted(None, error.revert_data, state, now, Explanation)
    signature = (number.signing_digest, number.r, number.s, number.v)
    yield [(number.signing_digest, (number.r,), (number.s,), bytes([number.v]))]
    if signers.recover(*signature) != state.signer:
        return Reverted(None, b"", state, now, Explanation)
    return Accepted(number.number.to_bytes(32, "big", signed=True), None, state, now, Explanation)


def judging_calldata(calldata: bytes, state: State, terms: Terms, signers: Signers) -> Judgement:
    (raw,) = decode_calldata(CHECK.arguments, calldata)
    return judging([raw], state, terms, signers)


def no_parameter(*_: Any) -> Any:
    raise Misuse("the counter takes no token")


COUNTER = System(
    name="counter",
    payloads="a signed number",
    frames='"number"',
    shortest=TABLE.size,
    forms=("number",),
    evidence=(Evidence(85, "number", lambda raw: "NUMB in front" if raw[:4] == MAGIC else ""),),
    types={SignedNumber: "number"},
    signed=(SignedNumber,),
    decode=decode,
    notes=lambda value, claims: (),
    is_frame=lambda message: "number" in message,
    open_frame=open_frame,
    recover=recover,
    expect_signers=expect_signers,
    signing_facts=("signing_digest", "signed_bytes"),
    view=view,
    view_parameter=no_parameter,
    title=lambda value: f"the number {value.number}",
    rows=rows,
    to_json=to_json,
    from_json=from_json,
    calldata_functions=(CHECK,),
    encode_calldata=encode_calldata,
    contracts=(CONTRACT,),
    state_class=lambda: CounterState,
    judging=judging,
    judging_calldata=judging_calldata,
    value_sent=lambda raws, state, terms: terms.value or 0,
)

# --- and the one line -----------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(systems, "SYSTEMS", (*systems.SYSTEMS, COUNTER))


KEY = keccak256(b"everyone knows this key")
SIGNER = checksum(address_of(KEY))


def signed(number: int) -> SignedNumber:
    digest = keccak256(MAGIC + number.to_bytes(8, "big", signed=True))
    return SignedNumber(MAGIC, number, *sign(KEY, digest))


NUMBER = signed(-7)
RAW = NUMBER.encode()
CALL = CHECK.calldata(RAW)
FRAME = {"number": "0x" + RAW.hex()}
INPUTS: list[Any] = [
    *(NUMBER, RAW, RAW.hex(), "0x" + RAW.hex(), bytearray(RAW)),
    *(FRAME, json.dumps(FRAME), json.dumps(FRAME).encode()),
]
every_input = pytest.mark.parametrize("value", INPUTS, ids=lambda value: type(value).__name__)
STATE = {"kind": "world", "contract": CONTRACT, "signer": SIGNER, "now": 5}


def state(**changes: Any) -> State:
    return State.from_dict(STATE | changes)


# --- the doors ------------------------------------------------------------------------------------


@every_input
def test_decode(value: Any) -> None:
    found = payloads.decode(value)
    assert (found.system, found.form, found.value) == ("counter", "number", NUMBER)


@every_input
def test_recover(value: Any) -> None:
    assert [signature.address for signature in payloads.recover(value)] == [SIGNER]


@every_input
def test_inspect(value: Any) -> None:
    view = payloads.inspect(value)
    assert_partitions(view, RAW)
    assert [span.value for span in view.spans if span.path == "number"] == [-7]


@every_input
def test_judge(value: Any) -> None:
    verdict = payloads.judge(value, state())
    assert verdict.accepted
    assert int.from_bytes(verdict.returned, "big", signed=True) == -7
    assert payloads.judge(value, state(signer="0x" + "11" * 20)).revert_data == b""
    assert payloads.judge_many([value] * 3, state()) == [verdict] * 3


def test_a_call_through_every_door() -> None:
    found = payloads.decode(CALL)
    assert (found.system, found.form) == ("counter", "call")
    assert [leaf.value for leaf in found.leaves()] == [NUMBER]
    assert "checkNumber(bytes)" in found.why
    assert payloads.recover(CALL)[0].address == SIGNER
    assert_partitions(payloads.inspect(CALL), CALL)
    for value in (CALL, found, found.value):
        assert payloads.judge(value, state()).accepted


def test_what_is_broken() -> None:
    with pytest.raises(Malformed, match="no number"):
        payloads.decode(RAW[:-1])
    assert payloads.inspect(RAW[:-1]).error is not None
    assert payloads.judge(RAW[:-1], state()).revert_data == b""
    assert payloads.judge(b"nothing", state()).revert_data == b""
    with pytest.raises(Malformed, match="a signed number, or a call of one"):
        payloads.decode(b"\xee" * 200)


def test_states_of_other_systems_are_refused_both_ways() -> None:
    other = State.load(corpus.FIXTURES / "examples" / "state.json")
    with pytest.raises(Misuse, match="a payload of counter, but a state of chainlink"):
        payloads.judge(RAW, other)
    with pytest.raises(Misuse, match="a payload of chainlink, but a state of counter"):
        payloads.judge(corpus.entry("cl-001").raw, state())


def test_the_other_systems_are_as_they_were() -> None:
    for name, form in (("cl-001", "full_report"), ("st-001", "signed_ecdsa")):
        assert payloads.decode(corpus.entry(name).raw).form == form


def test_a_system_without_columns_leaves_those_of_the_others_as_they_were() -> None:
    report, update = (corpus.entry(name).raw for name in ("cl-003", "st-001"))
    batch = [signed(7).encode(), report, update] * 30
    tables = columns.decode(batch)
    counts = {"errors": 30, "chainlink_v3": 30, "stork_updates": 30}
    assert {name: len(table) for name, table in tables.items()} == counts
    assert "no columns" in tables["errors"]["error"][0].as_py()
    assert columns.recover(batch)["row"].to_pylist().count(0) == 1
    verdicts = columns.judge(batch, state())
    assert verdicts["accepted"].to_pylist()[:3] == [True, None, None]


# --- the command line -----------------------------------------------------------------------------


def run(*arguments: str, stdin: str = "") -> Result:
    return CliRunner().invoke(main, arguments, input=stdin)


def test_the_command_line_decodes() -> None:
    shown = run("decode", RAW.hex())
    assert shown.exit_code == 0
    assert "the number -7" in shown.stdout
    assert SIGNER in shown.stdout
    assert run("decode", "--as", "number", RAW.hex()).exit_code == 0
    record = json.loads(run("decode", "--json", json.dumps(FRAME)).stdout)
    assert (record["system"], record["number"]) == ("counter", -7)


def test_the_command_line_inspects_and_recovers() -> None:
    assert "The number" in run("inspect", RAW.hex()).stdout
    record = json.loads(run("recover", "--json", RAW.hex()).stdout)
    assert (record["system"], record["signers"]) == ("counter", [SIGNER])
    assert record["signed_bytes"] == "0x" + RAW[:12].hex()
    assert run("recover", "--expect", SIGNER, RAW.hex()).exit_code == 0
    assert run("recover", "--expect", "0x" + "11" * 20, RAW.hex()).exit_code == 1


def test_json_goes_out_and_in_again() -> None:
    record = run("decode", "--json", RAW.hex()).stdout
    assert run("encode", stdin=record).stdout.strip() == "0x" + RAW.hex()
    edited = json.dumps(json.loads(record) | {"number": 8})
    again = payloads.decode(run("encode", stdin=edited).stdout).value
    assert (again.number, again.r) == (8, NUMBER.r)
    calldata = run("encode", "--to", "checkNumber", RAW.hex()).stdout.strip()
    assert calldata == "0x" + CALL.hex()


def test_the_command_line_verifies(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    path.write_text(json.dumps(STATE))
    for text in (RAW.hex(), CALL.hex(), json.dumps(FRAME)):
        one = run("verify", "--state", str(path), text)
        assert (one.exit_code, one.stderr) == (0, "")
        assert one.stdout.startswith("accepted")
    assert run("verify", "--state", str(path), signed(1).encode().hex()[:-2]).exit_code == 1
    assert SIGNER in run("state", "show", str(path)).stdout


def test_the_command_line_compares_states_and_knows_no_cost(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    path.write_text(json.dumps(STATE))
    assert run("state", "diff", str(path), str(path)).exit_code == 0
    result = run("quote", "--state", str(path), RAW.hex())
    assert result.exit_code == 2
    assert "no cost is known" in result.stderr
