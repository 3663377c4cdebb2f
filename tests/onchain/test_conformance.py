"""Everything that the conformance corpus promises is what solc and the real contracts do.

The corpus is written from the rules, without asking the library; here nothing is asked but an EVM.
"""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import pytest
from eth_abi.abi import encode

from payloads.conformance import ACCEPTED, RETURNS_FALSE, REVERTS, Call, Case, corpus
from payloads.testing.onchain.encoding import keccak256, selector
from payloads.testing.onchain.evm import Chain, Outcome
from tests.conformance.calldata import calldata
from tests.conformance.configs import origin_values
from tests.conformance.layouts import INFERRED, LAYOUTS
from tests.onchain.oracle import DecoderOracle
from tests.onchain.worlds import RealChainlink, StorkWorld

pytestmark = pytest.mark.onchain

CORPUS = corpus()
_ECRECOVER = "0x" + "00" * 19 + "01"


@cache
def _chainlink(state: str) -> RealChainlink:
    return RealChainlink(CORPUS.states[state] | {"now": 2_000_000_000})


@cache
def _stork(state: str) -> StorkWorld:
    return StorkWorld(CORPUS.states[state])


def _called(case: Case, call: Call) -> Outcome:
    raw, value = calldata(case, call), int(call.value)
    if call.generation.startswith("stork"):
        return _stork(call.state).raw(raw, value)
    built = _chainlink(call.state)
    built.chain.give(call.sender, 2**200)
    built.chain.now = call.now
    return built.chain.call(built.proxy, raw, sender=call.sender, value=value)


def _outcome(call: Call, found: Outcome) -> tuple[str, str | None]:
    if not found.ok:
        return REVERTS, "0x" + found.data.hex()
    if call.function.startswith("verifySigned") and not int.from_bytes(found.data, "big"):
        return RETURNS_FALSE, None
    return ACCEPTED, None


@pytest.mark.parametrize("name", CORPUS.index.files)
def test_the_contracts_do_what_the_corpus_says(name: str) -> None:
    wrong = []
    for case in CORPUS.cases_of(name):
        for call in case.calls:
            found = _outcome(call, _called(case, call))
            if found != (call.outcome, call.revert_data):
                wrong.append((case.id, case.comment, call.state, call.function, found))
    assert wrong == []


def test_solc_decodes_payloads_as_the_corpus_says() -> None:
    oracle, checked = DecoderOracle(), 0
    for case in CORPUS.cases:
        if case.form not in ("full_report", "envelope"):
            continue
        found, checked = oracle.decode("full", case.raw), checked + 1
        if case.decoded is None:
            assert (found.ok, "0x" + found.data.hex()) == (False, case.decode_error), case.id
            continue
        # The oracle answers with the canonical encoding of what it decoded.
        assert found.ok, case.id
        assert _parts(found.data) == {name: case.decoded[name] for name in _PARTS}, case.id
        beyond = ("SpareVs", "ReportTrailing", "MismatchedSignatures", "Signature33")
        if not set(beyond) & set(case.flags):
            assert (found.data == case.raw) is case.canonical, case.id
    assert checked > 300


_PARTS = ("context", "report_blob", "rs", "ss", "raw_vs")


def _parts(raw: bytes) -> dict[str, Any]:
    def word(at: int) -> int:
        return int.from_bytes(raw[at : at + 32], "big")

    def words(at: int, count: int) -> list[str]:
        return ["0x" + raw[at + 32 * i : at + 32 * i + 32].hex() for i in range(count)]

    report, rs, ss = word(96), word(128), word(160)
    return {
        "context": words(0, 3),
        "report_blob": "0x" + raw[report + 32 : report + 32 + word(report)].hex(),
        "rs": words(rs + 32, word(rs)), "ss": words(ss + 32, word(ss)),
        "raw_vs": words(192, 1)[0],
    }  # fmt: skip


def test_solc_decodes_arguments_as_the_corpus_says() -> None:
    oracle, checked = DecoderOracle(), 0
    for case in CORPUS.cases:
        if case.form != "calldata" or "View" in case.flags:
            continue  # the oracle has no views
        found, checked = oracle.raw(case.raw), checked + 1
        if case.decoded is None:
            assert (found.ok, "0x" + found.data.hex()) == (False, case.decode_error), case.id
            continue
        assert found.ok, case.id
        assert found.data == _echo(case.decoded), case.id
    assert checked > 150


def _echo(decoded: dict[str, Any]) -> bytes:
    """What the oracle answers: the arguments, encoded anew."""
    several: Any = decoded.get("payloads", decoded.get("payload"))
    many = isinstance(several, list)
    first: Any = [_raw(each) for each in several] if many else _raw(several)
    if "parameter" not in decoded:
        return bytes(encode(["bytes"], [first]))
    kinds = ["bytes[]" if many else "bytes", "bytes"]
    return bytes(encode(kinds, [first, _raw(decoded["parameter"])]))


def _raw(text: str) -> bytes:
    return bytes.fromhex(text[2:])


def _function(prefix: bytes) -> str:
    return "schemaHighFrequency" if prefix == b"\x10\x03" else f"schema{int(prefix.hex(), 16)}"


def test_solc_decodes_reports_as_the_corpus_says() -> None:
    oracle, checked = DecoderOracle(), 0
    for case in CORPUS.cases:
        prefix = case.raw[:2] if case.form == "report" else b""
        if "LegacyFeedId" in case.flags:
            prefix = b"\0\1"
        if prefix not in LAYOUTS or prefix == INFERRED[1]:
            continue  # schema 14 is in no source in Solidity
        found, checked = oracle.decode(_function(prefix), case.raw), checked + 1
        assert found.ok is (case.decoded is not None), case.id
        if case.decoded is not None:
            values = list(case.decoded.values())[1:]
            assert _static(found.data, LAYOUTS[prefix][1]) == values, case.id
    assert checked > 250


def _static(raw: bytes, layout: tuple[tuple[str, str], ...]) -> list[str]:
    found = []
    for index, (_, kind) in enumerate(layout):
        word = raw[32 * index : 32 * index + 32]
        signed = kind.startswith("int")
        number = str(int.from_bytes(word, "big", signed=signed))
        found.append("0x" + word.hex() if kind == "bytes32" else number)
    return found


def test_ecrecover_recovers_the_signers_that_the_corpus_says() -> None:
    chain, checked = Chain(), 0
    for case in CORPUS.cases:
        if case.signers is None or case.form in ("text", "frame", "snappy"):
            continue
        for (digest, r, s, v), expected in zip(_signatures(case), case.signers, strict=True):
            checked += 1
            if expected is None and case.form == "signed_ecdsa" and s > b"\x7f" + b"\xff" * 31:
                continue  # OpenZeppelin's recovery refuses what the precompile takes
            raw = digest + (v + 27).to_bytes(32, "big") + r + s
            found = chain.call(_ECRECOVER, raw).data if v < 2 else b""
            assert ("0x" + found[12:].hex() if found else None) == expected, case.id
    assert checked > 700


def _signatures(case: Case) -> list[tuple[bytes, bytes, bytes, int]]:
    if case.form == "signed_ecdsa":
        raw = case.raw
        return [(keccak256(raw[65:]), raw[:32], raw[32:64], raw[64])]
    parts: dict[str, Any] = case.decoded or {}
    context = b"".join(map(_bytes, parts["context"]))
    digest = keccak256(keccak256(_bytes(parts["report_blob"])) + context)
    triples = zip(parts["rs"], parts["ss"], _bytes(parts["raw_vs"]), strict=False)
    return [(digest, _bytes(r), _bytes(s), v) for r, s, v in triples]


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text[2:])


# --- configs --------------------------------------------------------------------------------------

_SET = {
    "v0.4.0": "setConfig(address[],uint8,(address,uint64)[])",
    "v0.5.0": "setConfig(bytes32,address[],uint8,(address,uint64)[])",
    "v0.5.1": "setConfig(bytes32,address[],uint8,(address,uint64)[])",
}
_SET_FROM_SOURCE = (
    "setConfigFromSource(bytes32,uint256,address,uint32,address[],bytes32[],uint8,bytes,uint64,"
    "bytes,(address,uint64)[])"
)


def _bare(generation: str) -> RealChainlink:
    """A verifier without any config."""
    subscriber = "0x" + "33" * 20
    return RealChainlink({"contract": generation, "now": 1, "subscriber": subscriber,
                          "configs": [], "fee_manager": None})  # fmt: skip


def _setting(signature: str, *values: Any) -> bytes:
    types = signature[signature.index("(") :]
    # The tuple of all arguments without the offset that stands before it.
    return selector(signature) + encode([types], [values])[32:]


def _of_form(form: str) -> list[tuple[Case, dict[str, Any]]]:
    return [(case, json.loads(str(case.input))) for case in CORPUS.cases if case.form == form]


@pytest.mark.parametrize("generation", _SET)
def test_the_verifiers_take_and_refuse_the_configs(generation: str) -> None:
    built, cases = _bare(generation), _of_form("config")
    first = [] if generation == "v0.4.0" else [b"\x00\x09" + bytes(30)]
    for case, config in cases:
        setting = _setting(_SET[generation], *first, config["signers"], config["f"], [])
        found = built.chain.call(built.verifier, setting)
        assert found == Outcome(case.decode_error is None, _bytes(case.decode_error or "0x")), (
            case.id
        )
    assert len(cases) > 20


def test_the_names_of_configs_are_those_of_v4() -> None:
    """A config that is set twice is refused by its name."""
    for case, config in _of_form("config"):
        if case.decoded is None:
            continue
        built = _bare("v0.4.0")
        setting = _setting(_SET["v0.4.0"], config["signers"], config["f"], [])
        built.chain.transact(built.verifier, setting)
        built.chain.now += 1  # activation times must differ
        found = built.chain.call(built.verifier, setting)
        again = selector("DonConfigAlreadyExists(bytes24)")
        name = _bytes(case.decoded["don_config_id"]).ljust(32, b"\0")
        assert found == Outcome(False, again + name), case.id


def test_the_digests_of_configs_are_those_of_v3() -> None:
    for case, config in _of_form("config_with_origin"):
        built, values = _bare("v0.3.0"), origin_values(config)
        built.chain.transact(built.verifier, _setting(_SET_FROM_SOURCE, *values, []))
        asked = selector("latestConfigDetails(bytes32)") + values[0]
        # The count of configs, the block's number, the digest.
        digest = "0x" + built.chain.call(built.verifier, asked).data[64:96].hex()
        assert case.decoded == {"config_digest": digest}, case.id
