"""Fixtures for pytest, in every project where the library is installed.

pytest imports this module at each start, so it imports nothing but pytest and the standard library:
each fixture imports what it needs when a test asks for it. `docs/fuzzing.md` has all of them.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from payloads.simulators.base import Simulator
    from payloads.testing.clock import ClockNode, SettableClock
    from payloads.testing.networks import InsecureTestNetwork, InsecureTestStorkSigner
    from payloads.testing.onchain.building import Artifact
    from payloads.testing.onchain.contract import DeployedContract
    from payloads.verdicts.state import State

SEED = "payloads_seed"
SIMULATOR, STATE = "payloads_simulator", "payloads_state"
_MARKERS = (
    f"{SIMULATOR}(venue, faults='', **options): the venue of the fixture `simulator`, its faults "
    "(such as 'drop/50,cut@100') and its other options",
    f"{STATE}(generation, **keys): the contract of the fixture `chain_state`, and keys of its "
    "state (such as fees=True)",
)


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("payloads")
    group.addoption(
        "--payloads-seed", dest=SEED, metavar="TEXT",
        help="the seed of the test keys and of the simulators; `random` for a new seed (test)",
    )  # fmt: skip


def pytest_configure(config: pytest.Config) -> None:
    for marker in _MARKERS:
        config.addinivalue_line("markers", marker)
    if (given := getattr(config, "workerinput", {}).get(SEED)) is not None:
        config.option.payloads_seed = given
    elif config.getoption(SEED) == "random":
        config.option.payloads_seed = secrets.token_hex(4)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a worker of pytest-xdist the seed that was drawn: it reads the options anew."""
    node.workerinput[SEED] = node.config.getoption(SEED)


def pytest_report_header(config: pytest.Config) -> str | None:
    seed = config.getoption(SEED)
    return None if seed is None else f"payloads: --payloads-seed={seed}"


@pytest.fixture(scope="session")
def payloads_seed(pytestconfig: pytest.Config) -> str:
    """The seed of everything that the other fixtures make."""
    return str(pytestconfig.getoption(SEED) or "test")


@pytest.fixture(scope="session")
def oracle_network(payloads_seed: str) -> InsecureTestNetwork:
    """A network of Chainlink oracles, whose keys everyone knows."""
    from payloads.testing.networks import InsecureTestNetwork

    return InsecureTestNetwork(payloads_seed)


@pytest.fixture(scope="session")
def stork_signer(payloads_seed: str) -> InsecureTestStorkSigner:
    """A Stork signer, whose key everyone knows."""
    from payloads.testing.networks import InsecureTestStorkSigner

    return InsecureTestStorkSigner(payloads_seed)


@pytest.fixture
def clock() -> SettableClock:
    """The time of `chain_state`, `simulator`, `chain_node` and `onchain`: set it, and all move."""
    from payloads.testing.clock import SettableClock

    return SettableClock()


@pytest.fixture
def chain_node(clock: SettableClock) -> ClockNode:
    """A node for the guard, whose newest block has the time of `clock`."""
    return clock.node


@pytest.fixture
def chain_state(request: pytest.FixtureRequest, clock: SettableClock) -> State:
    """The state of a contract that accepts what `oracle_network` or `stork_signer` signs.

    It is a v0.5.1 verifier that charges fees, or as the marker `payloads_state` says. Its time is
    that of `clock`, and its chain that of `chain_node`.
    """
    from payloads.chainlink.state import V051
    from payloads.stork.state import STORK, STORK_MULTISIGNER
    from payloads.testing.clock import CHAIN_ID

    arguments, marked = _marked(request, STATE)
    keys = {"chain_id": CHAIN_ID, "proxy": _CONTRACT} | marked
    generation = arguments[0] if arguments else V051
    if generation in (STORK, STORK_MULTISIGNER):
        signs: Any = request.getfixturevalue("stork_signer")
    else:
        signs, keys = request.getfixturevalue("oracle_network"), {"fees": True} | keys
    made: State = signs.state(generation, **keys)
    return clock.follow(made)


@pytest.fixture
def simulator(
    request: pytest.FixtureRequest, clock: SettableClock, payloads_seed: str
) -> Iterator[Simulator]:
    """A venue on loopback, in a thread of its own: for tests with and without an event loop.

    The marker `payloads_simulator` says which venue, its faults and its options. Its time is that
    of `clock`; Chainlink's reports are signed by `oracle_network`, and Stork's updates by
    `stork_signer`.
    """
    from payloads import simulators

    arguments, options = _marked(request, SIMULATOR)
    if len(arguments) != 1:
        known = ", ".join(simulators.names())
        pytest.fail(f"which venue? mark the test: @pytest.mark.{SIMULATOR}(VENUE), one of {known}",
                    pytrace=False)  # fmt: skip
    (venue,) = arguments
    if venue in _SIGN:
        name, option = _SIGN[venue]
        options.setdefault(option, request.getfixturevalue(name))
    options.setdefault("seed", int.from_bytes(payloads_seed.encode(), "big") % 2**32)
    options.setdefault("misbehave", options.pop("faults", ""))
    with simulators.start(venue, **{"clock": clock} | options) as running:
        yield running


# The address of the contract whose state `chain_state` is.
_CONTRACT = "0x" + "44" * 20
# The fixture that signs what a venue's simulator sends, and the simulator's option for it.
_SIGN = {"chainlink": ("oracle_network", "network"), "stork": ("stork_signer", "signer")}


@pytest.fixture
def capture_file(tmp_path: Path, clock: SettableClock) -> Callable[..., Path]:
    """A function that writes a capture of frames, and returns its path.

    `capture_file("stork", [frame, …])` has the frames as messages of one connection, a second
    apart from the time of `clock` on. `what` is what its session had subscribed to.
    """
    from payloads.testing.captures import write_capture

    written: list[Path] = []

    def write(venue: str, frames: Any = (), **how: Any) -> Path:
        path = tmp_path / f"{venue}-{len(written)}.jsonl"
        written.append(write_capture(path, venue, frames, at=clock(), **how))
        return written[-1]

    return write


@pytest.fixture(scope="session")
def onchain_artifacts() -> dict[str, Artifact]:
    """The contracts of `onchain` by name, compiled; fetched and compiled once for a user's machine.

    The test is skipped where pyrevm, Node.js or npm is missing.
    """
    from payloads.testing.onchain.building import BuildError, MissingTool, artifacts
    from payloads.testing.onchain.contract import check_installed

    try:
        check_installed()
        return artifacts()
    except MissingTool as missing:
        pytest.skip(f"onchain: {missing}")
    except BuildError as error:
        pytest.fail(f"onchain: {error}", pytrace=False)


@pytest.fixture
def onchain(
    onchain_artifacts: dict[str, Artifact], clock: SettableClock
) -> Callable[[State], DeployedContract]:
    """A function that sets up a state's contract in an EVM: `contract = onchain(chain_state)`.

    Chainlink's contracts are the published ones, and Stork's are models. Calls are made at the time
    of `clock`.
    """
    from payloads.testing.onchain.contract import deployed

    def deploy(state: State) -> DeployedContract:
        return deployed(state, clock=clock, compiled=onchain_artifacts)

    return deploy


def _marked(request: pytest.FixtureRequest, name: str) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The arguments of the closest marker with that name."""
    marker = request.node.get_closest_marker(name)
    return (marker.args, dict(marker.kwargs)) if marker else ((), {})
