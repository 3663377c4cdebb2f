"""The fixture `onchain` as a project uses it: runs of pytest of its own, by the entry point."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

from payloads.testing.onchain.building import VARIABLE
from tests.docs_code import ROOT, blocks
from tests.onchain.build import CACHE, ensure_artifacts
from tests.test_pytest_plugin import HERE, PLAIN, WITHOUT_ASYNCIO, project
from tests.test_strategies import installed

pytestmark = pytest.mark.onchain
pytest_plugins = ["pytester"]
__all__ = ["installed", "project"]

TESTS = """
import payloads, pytest
from hypothesis import HealthCheck, given, settings
from payloads import chainlink, stork
from payloads.strategies import submissions
from payloads.testing import deployed, wrapped

V3 = chainlink.schema_named("v3").record
FEED = b"\\0\\3" + bytes(30)
ALL = ["v0.3.0", "v0.4.0", "v0.5.0", "v0.5.1", "stork-fast-1.0.0", "stork-fast-1.0.0-multisigner"]
options = {"v0.3.0": {"feeds": [FEED]}}
of_all = [
    pytest.param(marks=pytest.mark.payloads_state(name, **options.get(name, {}))) for name in ALL
]
each_generation = pytest.mark.parametrize((), of_all, ids=ALL)


@each_generation
def test_each_generation(onchain, oracle_network, stork_signer, chain_state, clock):
    contract = onchain(chain_state)
    assert contract.address == "0x" + "44" * 20
    if "stork" in chain_state.contract:
        good = stork_signer.sign([stork.Asset(1, 5)], timestamp_ns=clock())
        bad = good.encode()[:-1] + b"x"
    else:
        report = V3(FEED, clock.now, clock.now, 1, 1, clock.now + 60, 7, 7, 7)
        good, bad = oracle_network.sign(report), oracle_network.sign(report, by=[0])
    for payload in (good, bad):
        outcome = contract.verify(payload, pay="native")
        assert outcome.accepted is (payload is good)
        assert outcome.agrees(payloads.judge(payload, chain_state, pay="native"))
    clock.advance(61)
    late = contract.verify(good, pay="native")
    assert late.accepted is ("stork" in chain_state.contract)
    assert late.agrees(payloads.judge(good, chain_state, pay="native"))
    # What a keeper sends.
    call = wrapped(good, chain_state, pay="native").calldata
    assert contract.call(call, value=1, now=clock.now - 61)


@settings(max_examples=30, deadline=None, database=None)
@given(submissions())
def test_submissions(onchain_artifacts, submission):
    contract = deployed(submission.state, compiled=onchain_artifacts)
    assert contract.submit(submission).agrees(submission)
"""
ASYNC = """
import pytest
from payloads import chainlink

V3 = chainlink.schema_named("v3").record


@pytest.mark.{mark}
async def test_in_an_event_loop(onchain, oracle_network, chain_state, clock):
    report = V3(b"\\0\\3" + bytes(30), clock.now, clock.now, 1, 1, clock.now + 60, 7, 7, 7)
    assert onchain(chain_state).verify(oracle_network.sign(report), pay="link")
"""


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch) -> None:
    ensure_artifacts()
    monkeypatch.setenv(VARIABLE, str(CACHE))


def test_every_generation_on_several_workers(project: pytest.Pytester) -> None:
    project.makepyfile(TESTS)
    options = ("-n2", "--strict-markers", "-Werror", "-p", "no:cacheprovider")
    run = project.runpytest_subprocess(*options, *WITHOUT_ASYNCIO)
    run.assert_outcomes(passed=7)


@pytest.mark.parametrize(("plugin", "mark"), [("anyio", "anyio"), ("pytest_asyncio", "asyncio")])
def test_in_an_event_loop(project: pytest.Pytester, plugin: str, mark: str) -> None:
    if find_spec(plugin) is None:
        pytest.skip(f"wants {plugin}")
    backend = "@pytest.fixture\ndef anyio_backend(): return 'asyncio'\n"
    project.makepyfile(ASYNC.format(mark=mark) + backend)
    loops = ("-o", "asyncio_default_fixture_loop_scope=function") if mark == "asyncio" else ()
    project.runpytest_subprocess(*PLAIN, *loops).assert_outcomes(passed=1)


def test_the_tests_on_the_page_pass(pytester: pytest.Pytester) -> None:
    (page,) = (block for block in blocks(ROOT / "docs/fuzzing.md", "python") if "onchain" in block)
    pytester.makepyfile(page)
    pytester.runpytest_subprocess(*HERE, "--strict-markers").assert_outcomes(passed=2)


def test_a_state_that_cannot_be_set_up_is_an_error_in_one_line(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("""
import payloads
def test_it(onchain, chain_state):
    record = {**chain_state.to_dict(), "subscriber_is_contract": True,
              "access_controller": {"allowed": [], "admits_origins": True}}
    onchain(payloads.State.from_dict(record))
""")
    run = pytester.runpytest_subprocess(*HERE)
    run.assert_outcomes(failed=1)
    run.stdout.fnmatch_lines(["*Misuse*every call here is a transaction*subscriber is a contract*"])
