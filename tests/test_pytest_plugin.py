"""The fixtures for pytest, as a project uses them: in a run of its own, by the entry point."""

from __future__ import annotations

import re
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.docs_code import ROOT, blocks
from tests.test_strategies import LOADED, SMALL, installed, ran

pytest_plugins = ["pytester"]
__all__ = ["installed"]

TESTS = """
import payloads, pytest
from payloads import chain, chainlink, stork
from payloads.testing import wrapped
from payloads.live import connect, stream
from payloads.venues import Data

REPORT = chainlink.schema_named("v3").record


def report(clock):
    return REPORT(b"\\0\\3" + bytes(30), clock.now, clock.now, 1, 1, clock.now + 60, 7, 7, 7)


def test_the_clock_moves_the_state(oracle_network, chain_state, clock):
    payload = oracle_network.sign(report(clock))
    assert payloads.judge(payload, chain_state, pay="link")
    clock.advance(61)
    assert payloads.judge(payload, chain_state, pay="link").name == "ExpiredReport"
    clock.now -= 61
    assert payloads.judge(payload, chain_state, pay="link")


@pytest.mark.payloads_state("v0.5.0", allowed=["0x" + "33" * 20])
def test_the_clock_moves_the_guard(oracle_network, chain_state, chain_node, clock):
    payload = oracle_network.sign(report(clock))
    data = wrapped(payload, chain_state, pay="native").calldata
    call = {"from": "0x" + "33" * 20, "to": chain_state.proxy, "value": 1, "data": data}
    assert chain.judge_transaction(chain_node, call, chain_state)
    assert chain.send_guarded(chain_node, call, chain_state)
    clock.advance(61)
    with pytest.raises(payloads.Refused, match="ExpiredReport"):
        chain.send_guarded(chain_node, call, chain_state)
    assert len(chain_node.sent) == 1


@pytest.mark.payloads_state("stork-fast-1.0.0-multisigner", fee=7)
def test_stork(stork_signer, chain_state, clock):
    update = stork_signer.sign([stork.Asset(1, 5)], timestamp_ns=clock())
    assert payloads.judge(update, chain_state, pay="native")
    assert not payloads.judge(update, chain_state)


@pytest.mark.payloads_simulator("stork", faults="duplicate@1", rate=50)
def test_a_simulator_without_an_event_loop(simulator, stork_signer, clock):
    clock.set(1_700_000_000)
    found = []
    for delivery in stream(simulator.session(), proxy=False, clock=clock):
        found += [event for event in delivery.events if isinstance(event, Data)]
        if len(found) == 3:
            break
    assert simulator.counters.misbehaved["duplicate"] == 1
    update = stork.decode(found[0].payload)
    assert payloads.recover(update)[0].address == stork_signer.address
    assert 0 <= update.timestamp_ns // 10**9 - 1_700_000_000 < 60


def test_a_capture_has_the_frames(capture_file, stork_signer, clock):
    frame = wrapped(stork_signer.sign([], timestamp_ns=clock())).frame
    path = capture_file("stork", [frame, b"x"])
    assert [one.data for one in payloads_frames(path)] == [frame, b"x"]
    assert capture_file("stork", []) != path


def payloads_frames(path):
    from payloads.capture import read_frames
    return read_frames(path)
"""
ASYNC = """
import pytest
from payloads.live import connect
from payloads.venues import Data
from payloads import judge

pytestmark = pytest.mark.{mark}


@pytest.mark.payloads_simulator("chainlink", faults="drop/2", rate=50)
async def test_frames_arrive(simulator, chain_state, clock):
    async with connect(simulator.session(), proxy=False, clock=clock) as connection:
        async for delivery in connection:
            for event in delivery.events:
                if isinstance(event, Data):
                    assert judge(event.payload, chain_state, pay="link")
                    return
"""
PLAIN = ("-q", "-p", "no:cacheprovider")
# Warns about a setting that these runs do not have.
WITHOUT_ASYNCIO = ("-p", "no:asyncio")


@pytest.fixture
def project(pytester: pytest.Pytester, installed: dict[str, str], monkeypatch: pytest.MonkeyPatch
            ) -> pytest.Pytester:  # fmt: skip
    """A project where the library is installed."""
    for name in ("PYTHONPATH", "HYPOTHESIS_NO_PLUGINS"):
        monkeypatch.setenv(name, installed.get(name, ""))
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    return pytester


def test_the_fixtures_work_together_on_several_workers(project: pytest.Pytester) -> None:
    pytest.importorskip("xdist")
    project.makepyfile(TESTS)
    project.makepyfile(test_seed="""
import os, pathlib, pytest
@pytest.mark.parametrize("number", range(6))
def test_seed(number, oracle_network, payloads_seed):
    name = os.environ["PYTEST_XDIST_WORKER"]
    pathlib.Path(f"seed-{name}").write_text(payloads_seed + oracle_network.signers[0])
""")  # fmt: skip
    options = ("-n2", "--dist=loadscope", "--payloads-seed=random", "--strict-markers", "-Werror")
    run = project.runpytest_subprocess("-p", "no:cacheprovider", *WITHOUT_ASYNCIO, *options)
    run.assert_outcomes(passed=11)
    (line,) = (line for line in run.outlines if "payloads-seed=" in line)
    seed = line.partition("payloads-seed=")[2]
    assert len(seed) == 8
    assert all(path.read_text().startswith(seed) for path in project.path.glob("seed-*"))


# Not by its entry point, where the library is installed: two names for one plugin are an error.
HERE = ("-p", "no:payloads", "-p", "payloads.pytest_plugin", *WITHOUT_ASYNCIO, *PLAIN)


def test_the_tests_on_the_page_pass(pytester: pytest.Pytester) -> None:
    (page,) = (block for block in blocks(ROOT / "docs/fuzzing.md", "python")
               if "payloads_simulator" in block)  # fmt: skip
    pytester.makepyfile(page)
    # In a process of its own, as all that starts a simulator: a run in this one forgets the modules
    # that it imports, and when they are imported again their classes are others.
    pytester.runpytest_subprocess(*HERE, "--strict-markers").assert_outcomes(passed=2)


def test_the_seed_decides_the_keys(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("""
def test_seed(oracle_network, stork_signer):
    assert (oracle_network.seed, stork_signer.seed) == ("mine", "mine")
""")
    run = pytester.runpytest_inprocess(*HERE, "-v", "--payloads-seed=mine")
    run.assert_outcomes(passed=1)
    run.stdout.fnmatch_lines(["payloads: --payloads-seed=mine"])


@pytest.mark.parametrize(
    ("plugin", "mark", "options"),
    [
        ("anyio", "anyio", ()),
        ("pytest_asyncio", "asyncio", ("-o", "asyncio_default_fixture_loop_scope=function")),
    ],
)  # fmt: skip
def test_a_simulator_serves_tests_with_an_event_loop(
    project: pytest.Pytester, plugin: str, mark: str, options: tuple[str, ...]
) -> None:
    if find_spec(plugin) is None:
        pytest.skip(f"wants {plugin}")
    backend = "@pytest.fixture\ndef anyio_backend(): return 'asyncio'\n"
    project.makepyfile(ASYNC.format(mark=mark) + backend)
    run = project.runpytest_subprocess(*PLAIN, *options)
    run.assert_outcomes(passed=1)


def test_what_is_wrong_is_said_in_one_line(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("""
import pytest
def test_no_venue(simulator): pass
@pytest.mark.payloads_simulator("kraken")
def test_other_venue(simulator): pass
@pytest.mark.payloads_simulator("stork", faults="fall@2")
def test_other_fault(simulator): pass
@pytest.mark.payloads_state("v9")
def test_other_state(chain_state): pass
""")
    run = pytester.runpytest_subprocess(*HERE)
    run.assert_outcomes(errors=4)
    run.stdout.fnmatch_lines_random(
        [
            "which venue? mark the test: @pytest.mark.payloads_simulator(VENUE), one of chainlink*",
            "*no such venue*kraken*",
            "*no such fault*fall*",
            "*no such contract*v9*",
        ]
    )


def test_a_run_that_uses_nothing_imports_next_to_nothing(
    project: pytest.Pytester, installed: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    project.makepyfile("def test_nothing(): pass")
    monkeypatch.chdir(project.path)
    # Hypothesis's own plugin imports Hypothesis.
    script = f"""import pytest, sys
pytest.main(["-q", "-p", "no:hypothesispytest"])
print("loaded", {LOADED}, *({{"hypothesis", "msgspec", "websockets"}} & set(sys.modules)))"""
    said = ran(script, installed)
    assert "1 passed" in said
    assert set(said.partition("loaded ")[2].split()) == SMALL | {"payloads.pytest_plugin"}


def test_every_fixture_and_marker_is_listed(pytester: pytest.Pytester) -> None:
    names = pytester.runpytest_inprocess("--fixtures", *HERE).stdout.str()
    source = Path(sys.modules["payloads"].__path__[0], "pytest_plugin.py").read_text("utf-8")
    fixtures = re.findall(r"^@pytest\.fixture.*\ndef (\w+)", source, re.M)
    assert len(fixtures) >= 8
    for name in fixtures:
        assert re.search(rf"^{name} .*pytest_plugin", names, re.M), name
    markers = pytester.runpytest_inprocess("--markers", *HERE).stdout.str()
    assert "payloads_simulator(venue" in markers
    assert "payloads_state(generation" in markers
