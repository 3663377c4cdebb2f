"""`payloads simulate --set`: every option that text can set, and no other."""

from __future__ import annotations

import inspect
import json
from typing import Any

import pytest
from click.testing import CliRunner, Result

from payloads import simulators
from payloads.cli.main import main
from payloads.errors import Misuse
from payloads.simulators import ChainlinkSimulator, EthgasSimulator
from payloads.simulators.options import Common
from payloads.simulators.text_options import read_options

# These have options of their own, and the others are for programs.
ELSEWHERE = {"bad_share", "feeds", "host", "misbehave", "port", "rate", "seed", "tls"}
FOR_PROGRAMS = {"keep", "signer"}
OPTIONS = {name: simulators.class_of(name).text_options for name in simulators.names()}
ALL = [(venue, name) for venue, some in OPTIONS.items() for name in some]
SAMPLES = {
    "COUNT": "7", "NAME,…": "one, two", "NUMBER,…": "5,6", "SECONDS": "30", "TEXT": "text",
    "yes or no": "No",
}  # fmt: skip


def command(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["simulate", *arguments])


def options(venue: str, given: list[str]) -> dict[str, Any]:
    return read_options(venue, OPTIONS[venue], given)


def sample(venue: str, name: str) -> str:
    if name == "bad":
        return "truncated,flipped"
    return "draft" if name == "dialect" else SAMPLES[OPTIONS[venue][name].expected]


def hello(*arguments: str) -> dict[str, Any]:
    ran = command(*arguments, "--json", "--for", "0.1")
    assert ran.exit_code == 0, ran.stderr
    found: dict[str, Any] = json.loads(ran.stdout.splitlines()[0])
    return found


@pytest.mark.parametrize("venue", OPTIONS)
def test_none_is_missing(venue: str) -> None:
    own = inspect.signature(simulators.class_of(venue).__init__).parameters.values()
    named = {one.name for one in own if one.kind is one.KEYWORD_ONLY}
    common = Common.__annotations__.keys()
    assert {*OPTIONS[venue]} == (named | common) - ELSEWHERE - FOR_PROGRAMS


@pytest.mark.parametrize(("venue", "name"), ALL)
def test_each_is_taken(venue: str, name: str) -> None:
    text = sample(venue, name)
    given = options(venue, [f"{name.replace('_', '-')}= {text} "])
    assert given.keys() == {name}
    simulators.make(venue, **given)
    if name not in ("unanswered", "origins", "bad", "clients", "silent"):  # nothing is a list, too
        with pytest.raises(Misuse, match=f"{venue} {name}: cannot be set to that, expected "):
            options(venue, [f"{name}="])


def test_what_they_do() -> None:
    chainlink = simulators.make("chainlink", **options("chainlink", [
        "binary=no", "rising=yes", "origins=", "network=4", "clock=-90",
    ]))  # fmt: skip
    assert isinstance(chainlink, ChainlinkSimulator)
    assert (chainlink.binary, chainlink.rising, chainlink.origins) == (False, True, ())
    assert (chainlink.network.size, chainlink.network.f) == (4, 1)
    behind = simulators.make("chainlink").now() - chainlink.now()
    assert 89 * 10**9 < behind < 91 * 10**9
    ethgas = simulators.make("ethgas", **options("ethgas", ["lifetime=1.5"]))
    assert isinstance(ethgas, EthgasSimulator)
    assert ethgas.lifetime == 1_500_000_000


def test_they_reach_the_simulator() -> None:
    assert hello("ethgas")["url"].endswith("/ws")
    assert not hello("ethgas", "--set", "dialect=draft")["url"].endswith("/ws")
    changed = hello("finery", "--set", "key=mine", "--set", "secret=as-well")
    assert changed["credentials"] == {"key": "mine", "secret": "as-well"}
    assert changed["environment"]["PAYLOADS_FINERY_KEY"] == "mine"


@pytest.mark.parametrize(
    ("venue", "given", "words"),
    [
        ("finery", "dialect=draft", "finery dialect: no such option, expected clients, clock, "),
        ("ethgas", "dialect", "--set: not an option, expected NAME=VALUE, found dialect"),
        ("ethgas", "dialect=old", "dialect: no such dialect, expected official or draft"),
        ("ethgas", "lifetime=0", "ethgas lifetime: cannot be set to that, expected SECONDS: "),
        ("ethgas", "lifetime=1e9", "expected SECONDS: that a token lasts (3600), found 1e9"),
        ("ethgas", "flat=perhaps", "expected yes or no: "),
        ("finery", "clients=5,six", "expected NUMBER,…: "),
        ("chainlink", "network=2", "expected COUNT: oracles, 4 to 31"),
        ("chainlink", "bad=rotten", "bad: no such kind, expected wrong_signer, expired"),
        ("chainlink", "host=0.0.0.0", "chainlink host: no such option, expected bad, "),
    ],
)
def test_wrong_ones_are_refused(venue: str, given: str, words: str) -> None:
    ran = command(venue, "--set", given, "--for", "0.1")
    assert ran.exit_code == 2
    assert words in ran.stderr


def test_ports_that_there_are_not_are_refused() -> None:
    for venue, port, last in (("qfex", "65535", 65534), ("stork", "65536", 65535)):
        ran = command(venue, "--port", port, "--for", "0")
        assert ran.exit_code == 2, ran.exception
        assert str(last) in ran.stderr


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.0.1", "example.test"])
def test_other_machines_are_let_in_only_when_asked(host: str) -> None:
    ran = command("stork", "--host", host, "--for", "0.1")
    assert ran.exit_code == 2
    assert "other machines could connect" in ran.stderr
    assert "--allow-remote" in ran.stderr


def test_letting_other_machines_in_is_said() -> None:
    ran = command("stork", "--host", "0.0.0.0", "--allow-remote", "--for", "0.1")
    assert ran.exit_code == 0
    assert "credentials known to everyone" in ran.stderr
    assert "credentials known to everyone" not in command("stork", "--for", "0.1").stderr


def test_help_lists_them() -> None:
    said = command("--help").stdout
    for venue, name in ALL:
        assert f"\n    {venue}:\n" in said
        assert f"\n      {name}=" in said
