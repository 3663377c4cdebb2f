"""The strategies: usable values, promises that hold, arguments that are checked, small examples."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
import tomllib
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, find, given, settings
from hypothesis import strategies as st
from hypothesis.errors import InvalidArgument

import payloads
from payloads import CANONICAL, _hypothesis, chainlink, stork
from payloads.abi.fields import Record
from payloads.chainlink.schemas import SCHEMAS, ReportHead
from payloads.chainlink.state import (
    GENERATIONS,
    AccessController,
    ChainlinkState,
    Config,
    FeeManager,
)
from payloads.stork.state import STORK, STORK_MULTISIGNER, StorkState
from payloads.strategies import (
    ConsumerCall,
    Submission,
    assets,
    calldata,
    chain_states,
    consumer_calldata,
    damages,
    feed_ids,
    full_reports,
    labels_of,
    oracle_networks,
    reports,
    stork_signers,
    stork_updates,
    submissions,
)
from payloads.strategies.examples import batch
from payloads.strategies.real import real_payloads
from payloads.strategies.submissions import choices_for, weighted
from payloads.testing import InsecureTestNetwork, InsecureTestStorkSigner
from payloads.verdicts.state import State
from payloads.verdicts.verdict import Verdict
from tests import corpus

ALL_GENERATIONS = (*GENERATIONS, STORK, STORK_MULTISIGNER)
LABELS = [(system, name) for system in ("chainlink", "stork") for name in labels_of(system).known]
FAST = settings(deadline=None, max_examples=60, suppress_health_check=list(HealthCheck))
# To look for an example and not for the smallest.
ANY = settings(FAST, max_examples=2000, phases=[Phase.generate], database=None)
SMALLEST = settings(FAST, max_examples=2000, phases=[Phase.generate, Phase.shrink], database=None)


def _kept(submission: Submission) -> None:
    verdict = submission.judge()
    promised = submission.accepted, submission.verdict, submission.revert_data
    assert promised == (verdict.accepted, verdict.name, verdict.revert_data), submission.damage


# --- promises -------------------------------------------------------------------------------------


@settings(FAST, max_examples=250)
@given(submissions())
def test_the_verdict_of_a_submission_is_the_one_it_promises(submission: Submission) -> None:
    _kept(submission)
    names = {"value", "now", "sender"} & set(submission.terms)
    terms: Any = {name: submission.terms[name] for name in names}
    again = payloads.judge(bytes(submission.calldata), submission.state, **terms)
    assert again.revert_data == submission.revert_data


@pytest.mark.parametrize(("system", "name"), LABELS, ids=[f"{one}-{two}" for one, two in LABELS])
def test_every_label_can_be_drawn_and_shrinks_to_the_smallest(system: str, name: str) -> None:
    generations = labels_of(system).needs[labels_of(system).known[name].needs].generations
    made = submissions(only=[name], generation=generations[0])
    found = find(made, lambda one: True, settings=ANY)
    assert found.damage == name
    assert found.meaning
    _kept(found)


@pytest.mark.parametrize("generation", [None, *GENERATIONS, STORK, STORK_MULTISIGNER])
def test_no_label_is_rare_and_the_clock_and_the_payment_are_frequent(generation: Any) -> None:
    generations = (generation,) if generation else (*GENERATIONS, STORK, STORK_MULTISIGNER)
    drawn = weighted(choices_for(None, generations))
    shares = {name: often / len(drawn) for name, often in Counter(n for n, _ in drawn).items()}
    known = labels_of("chainlink").known | labels_of("stork").known
    assert 0.3 < shares["none"] < 0.36
    assert min(shares.values()) > 0.008
    assert {name for name in shares if known[name].family == "clock"} == (
        set() if generation in (STORK, STORK_MULTISIGNER)
        else {"expired", "before-activation"} if generation in (None, "v0.4.0")
        else {"expired"}
    )  # fmt: skip
    for family in {known[name].family for name in shares if name != "none"}:
        share = sum(shares[name] for name in shares if known[name].family == family)
        assert share > 0.08, family


def test_the_last_good_second_and_the_first_bad_one_are_drawn() -> None:
    network = InsecureTestNetwork()
    state = network.state("v0.5.0", fees=True)

    def late(made: Submission) -> int | None:
        report: Any = chainlink.decode(made.payload).report
        expires = getattr(report, "expires_at", None)
        return None if expires is None else made.now - expires

    for name, seconds in (("none", 0), ("expired", 1)):
        made = submissions(state=state, network=network, only=[name])
        assert sum(late(one) == seconds for one in batch(made, 1, 100)) > 1, name


def test_a_state_of_ones_own_is_taken() -> None:
    network = InsecureTestNetwork("mine", size=7, f=2)
    state = network.state("v0.5.1", fees=True)
    made = find(
        damages(state=state, network=network, only=["expired"]),
        lambda one: not one.accepted,
        settings=ANY,
    )
    assert made.state is state
    assert made.verdict == "ExpiredReport"
    signer = InsecureTestStorkSigner("mine").state(fee=7)
    with pytest.raises(InvalidArgument, match=r"state=.*network\.state"):
        submissions(state=signer)


def test_a_frame_contradicts_its_payload_where_the_label_says_so() -> None:
    made = find(submissions(only=["json-contradicts"]), lambda one: True, settings=ANY)
    decoded = payloads.decode(made.frame)
    assert {note.code for note in decoded.notes} >= {"frame-contradicts-payload"}, decoded.notes
    honest = find(submissions(only=["none"], generation="v0.5.0"), lambda one: True, settings=ANY)
    assert "frame-contradicts-payload" not in {
        note.code for note in payloads.decode(honest.frame).notes
    }


@FAST
@given(submissions())
def test_a_submission_is_json_for_other_languages(submission: Submission) -> None:
    record = submission.to_dict()
    state = State.from_dict(record["state"])
    assert state.to_dict() == submission.state.to_dict()
    assert bytes.fromhex(record["payload"][2:]) == submission.payload


# --- values ---------------------------------------------------------------------------------------


@FAST
@given(st.data())
def test_reports_have_the_schema_and_the_fields_that_are_asked_for(data: st.DataObject) -> None:
    schema = data.draw(st.sampled_from(list(SCHEMAS.values())))
    named: Any = data.draw(st.sampled_from([schema, schema.key, schema.record]))
    report: Any = data.draw(reports(schema=named))
    assert bytes(report.feed_id[:2]) == schema.prefix
    assert isinstance(report, schema.record)
    assert data.draw(feed_ids(schema=named))[:2] == schema.prefix
    crossed: Any = data.draw(reports(schema="v3", bid=5, ask=st.integers(0, 4)))
    assert (crossed.bid, crossed.ask in range(5)) == (5, True)
    assert hasattr(data.draw(reports(bid=1)), "ask")


@FAST
@given(full_reports())
def test_full_reports_are_canonical_and_signed(payload: Any) -> None:
    decoded = chainlink.decode(payload.encode(), profile=CANONICAL)
    assert all(one.address for one in chainlink.recover(decoded))


@FAST
@given(stork_updates())
def test_stork_updates_are_signed(update: Any) -> None:
    decoded = stork.decode(update.encode(), layout=update.layout)
    assert decoded.assets == update.assets
    assert stork.recover(decoded)[0].address


@FAST
@given(oracle_networks(), stork_signers(), chain_states(), st.data())
def test_networks_and_states_are_usable(
    network: Any, signer: Any, state: State, data: st.DataObject
) -> None:
    assert 3 * network.f < network.size
    assert signer.address
    assert State.from_dict(state.to_dict()) == state
    fees: Any = data.draw(chain_states(generation="v0.5.0", fees="charging"))
    assert fees.charges is not None


def test_published_payloads_are_mixed_in() -> None:
    real = {bytes(entry.raw) for entry in corpus.entries()}
    assert real >= set(real_payloads("full_report")) | set(real_payloads("signed_ecdsa"))
    assert find(full_reports(), lambda one: one.raw in real, settings=ANY)
    assert find(stork_updates(), lambda one: one.encode() in real, settings=ANY)


@FAST
@given(consumer_calldata(), calldata())
def test_payloads_in_a_consumer_call_are_where_it_says(call: ConsumerCall, plain: bytes) -> None:
    for submission, offset in zip(call.submissions, call.offsets, strict=True):
        assert call.data[offset:].startswith(submission.payload)
    signers = [signer for one in call.submissions for signer in getattr(one.state, "trusted", ())]
    found = payloads.embedded(call.data, signers=signers)
    assert set(call.offsets) <= {one.offset for one in found}
    assert len(plain) >= 4


# --- arguments ------------------------------------------------------------------------------------


NO_NETWORK: Any = "mine"
NO_STATE: Any = 3


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: reports(schema="v99"), "reports: schema="),
        (lambda: reports(schema="v3", bid="x"), "reports: bid="),
        (lambda: reports(schema="v3", nothing=1), "reports: nothing="),
        (lambda: reports(bid=1, nav_date=2, tide=3), "reports: "),
        (lambda: feed_ids(schema=True), "feed_ids: schema="),
        (lambda: oracle_networks(min_size=3), "oracle_networks: min_size=3"),
        (lambda: oracle_networks(min_size=8, max_size=7), "oracle_networks: max_size=7"),
        (lambda: full_reports(network=NO_NETWORK), "full_reports: network="),
        (lambda: full_reports(report=NO_STATE), "full_reports: report=3"),
        (lambda: full_reports(min_signatures=2, max_signatures=1), "max_signatures=1"),
        (lambda: full_reports(max_signatures=-1), "full_reports: max_signatures=-1"),
        (lambda: full_reports(schema=[]), "full_reports: schema=[]"),
        (lambda: feed_ids(schema=[]), "feed_ids: schema=[]"),
        (lambda: stork_updates(assets=NO_STATE), "stork_updates: assets=3"),
        (lambda: stork_updates(assets=[1]), "stork_updates: assets=[1]"),
        (lambda: submissions(only=[]), "submissions: only=[]"),
        (lambda: submissions(only=NO_STATE), "submissions: only=3"),
        (lambda: submissions(only="expired"), "submissions: only='expired'"),
        (lambda: stork_updates(layout="flat"), "stork_updates: layout='flat'"),
        (lambda: stork_updates(min_assets=-1), "stork_updates: min_assets=-1"),
        (lambda: stork_updates(timestamp_ns=2**64), "stork_updates: timestamp_ns="),
        (lambda: assets(mask=4), "assets: mask=4"),
        (lambda: chain_states(generation="v9"), "chain_states: generation='v9'"),
        (lambda: chain_states(generation=STORK, fees="charging"), "chain_states: fees="),
        (lambda: chain_states(fees="some"), "chain_states: fees='some'"),
        (lambda: submissions(only=["bitflip"]), "submissions: only='bitflip'"),
        (lambda: submissions(state=NO_STATE), "submissions: state=3"),
        (lambda: damages(generation="v0.3.0", only=["before-activation"]), "damages: only="),
        (lambda: damages(only=["none"]), "damages: only="),
        (lambda: damages(network=InsecureTestStorkSigner(), generation="v0.5.0"), "generation="),
        (lambda: consumer_calldata(max_payloads=0), "consumer_calldata: max_payloads=0"),
    ],
)  # fmt: skip
def test_a_wrong_argument_is_named(make: Any, words: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        make()
    assert words in str(caught.value)


# --- shrinking ------------------------------------------------------------------------------------


def test_only_an_upper_bound_of_signatures_is_one() -> None:
    for one in batch(
        full_reports(network=InsecureTestNetwork(), schema="v3", max_signatures=1), 1, 60
    ):
        assert len(one.rs) <= 1


def test_a_planted_decoder_bug_shrinks_to_one_signature_and_minimal_fields() -> None:
    def bug(payload: Any) -> bool:
        """A decoder that reads a price as unsigned, and only where it is signed."""
        decoded = chainlink.decode(payload.encode())
        return bool(decoded.rs) and getattr(decoded.report, "benchmark_price", 0) < 0

    network = InsecureTestNetwork("mine", size=4, f=1)
    made = full_reports(
        network=network, report=reports(schema="v3"), min_signatures=0, max_signatures=3
    )
    found = find(made, bug, settings=SMALLEST)
    report: Any = found.report
    assert len(found.rs) == 1
    assert report.benchmark_price == -1
    assert {value for value in report.values[1:] if not isinstance(value, bytes)} == {0, -1}
    assert not any(report.feed_id[2:])


# --- types ----------------------------------------------------------------------------------------

_hypothesis.register()
RECORDS = (
    *(schema.record for schema in SCHEMAS.values()), ReportHead, chainlink.Report,
    chainlink.FullReport, stork.SignedUpdate, stork.Asset, State, ChainlinkState, StorkState,
    Config, FeeManager, AccessController, InsecureTestNetwork, InsecureTestStorkSigner, Submission,
)  # fmt: skip


@pytest.mark.parametrize("kind", RECORDS, ids=lambda kind: kind.__name__)
def test_the_type_of_every_public_record_has_usable_values(kind: type) -> None:
    @settings(FAST, max_examples=10)
    @given(st.from_type(kind))
    def run(value: Any) -> None:
        assert isinstance(value, kind)
        if hasattr(value, "encode"):
            assert value.encode()
        if hasattr(value, "to_dict"):
            assert value.to_dict()
        assert repr(value)

    run()


PACKAGES = (
    "payloads", "payloads.chainlink", "payloads.stork", "payloads.venues", "payloads.live",
    "payloads.capture", "payloads.chain", "payloads.testing", "payloads.strategies",
    "payloads.simulators",
)  # fmt: skip


def exported_records() -> list[type]:
    """Every record that a package exports."""
    modules = map(importlib.import_module, PACKAGES)
    found = [getattr(module, name) for module in modules for name in module.__all__]
    kinds = [one for one in found if isinstance(one, type) and issubclass(one, Record | Verdict)]
    return list(dict.fromkeys(kinds))


def test_the_type_of_every_record_that_a_package_exports_is_resolved() -> None:
    kinds = exported_records()
    assert len(kinds) > 60
    for kind in kinds:
        found: list[Any] = batch(st.from_type(kind), 1, 3)
        assert found, kind
        assert all(isinstance(one, kind) and repr(one) for one in found), kind


def test_a_type_of_another_library_is_not_resolved_here() -> None:
    class Own(Record, frozen=True):
        number: int

    whole = settings(phases=list(Phase))  # also where a profile looks for no smaller example
    found = find(st.from_type(Own), lambda one: one.number > 3, settings=whole)
    assert found.number == 4
    assert find(st.from_type(dict[str, int]), lambda one: True) == {}


@pytest.mark.parametrize(
    "gone",
    [
        "types._global_extra_lookup = None",
        "del types._global_extra_lookup",
    ],
)
def test_types_are_registered_in_the_public_way_where_there_is_no_lazy_one(gone: str) -> None:
    script = f"""from hypothesis import strategies as st
from hypothesis.strategies._internal import types
from payloads import _hypothesis, chainlink
{gone}
_hypothesis.register()
types._global_extra_lookup = {{}}
report = chainlink.schema_named("v3").record
assert report in types._global_type_lookup
assert st.from_type(report).wrapped_strategy"""
    subprocess.run([sys.executable, "-c", script], check=True)


def test_hypothesis_can_be_imported_where_its_inner_modules_have_other_names() -> None:
    script = """import sys
from hypothesis.strategies import _internal
from payloads import _hypothesis
from payloads.strategies import registration
registration.register_all = lambda: print("in the public way")
vars(_internal).pop("types", None)
sys.modules["hypothesis.strategies._internal.types"] = None
_hypothesis.register()"""
    ended = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True)
    assert ended.stdout == b"in the public way\n"


# --- what an import costs -------------------------------------------------------------------------

PROJECT = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text("utf-8"))[
    "project"
]


@pytest.fixture
def installed(tmp_path: Path) -> dict[str, str]:
    """The environment of a Python where the library is installed with its entry points."""
    about = tmp_path / "installed-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: installed\nVersion: 1.0\n")
    lines = []
    for group, names in PROJECT["entry-points"].items():
        lines += [f"[{group}]", *(f"{name} = {value}" for name, value in names.items())]
    (about / "entry_points.txt").write_text("\n".join(lines) + "\n")
    root = str(Path(payloads.__file__).parents[1])
    paths = [str(tmp_path), root, *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    return os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))}


LOADED = "' '.join(sorted(name for name in sys.modules if name.partition('.')[0] == 'payloads'))"
SMALL = {"payloads", "payloads._late", "payloads._version", "payloads.errors"}


def ran(script: str, environment: dict[str, str], *arguments: str) -> str:
    command = [sys.executable, "-c", script, *arguments]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return run.stdout


def test_an_import_of_hypothesis_imports_no_record(installed: dict[str, str]) -> None:
    loaded = ran(f"import sys, hypothesis; print({LOADED})", installed)
    assert set(loaded.split()) == SMALL | {"payloads._hypothesis"}


def test_a_type_is_resolved_where_hypothesis_was_imported_first(installed: dict[str, str]) -> None:
    script = """from hypothesis import find, strategies as st
from payloads import chainlink
report = chainlink.schema_named("v3").record
print(find(st.from_type(report), lambda one: one.bid > 5).bid, st.from_type(int | report))"""
    assert ran(script, installed).startswith("6 ")


def test_an_import_of_the_library_loads_no_hypothesis() -> None:
    check = "import sys, payloads, payloads.testing; sys.exit('hypothesis' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0
