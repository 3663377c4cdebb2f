"""Simulators over TLS, as the venues are: with a certificate of an authority made for the test."""

from __future__ import annotations

import asyncio
import json
import os
import ssl
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import trustme

from payloads import simulators
from payloads.capture.reader import read_frames
from payloads.errors import Refused
from payloads.live.http import perform
from payloads.simulators import ChainlinkSimulator, EthgasSimulator, QfexSimulator, StorkSimulator
from payloads.venues.chainlink.backfill import Backfilled
from payloads.venues.common.session import Authenticated, Reply
from tests.simulators.kit import collect, driven, kinds, run

VENUES = [*simulators.names()]


class Authority:
    """Certificates for loopback, and who trusts them."""

    def __init__(self, folder: Path) -> None:
        authority = trustme.CA()
        issued = authority.issue_cert("127.0.0.1", "localhost")
        self.ca, self.certificate = folder / "ca.pem", folder / "server.pem"
        authority.cert_pem.write_to_path(self.ca)
        issued.private_key_and_cert_chain_pem.write_to_path(self.certificate)
        self.server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        issued.configure_cert(self.server)
        self.trusting = ssl.create_default_context(cafile=str(self.ca))


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.mark.parametrize("venue", VENUES)
def test_every_venue_over_tls(venue: str, authority: Authority) -> None:
    async def test() -> None:
        async with simulators.make(venue, rate=50, tls=authority.server) as simulator:
            assert simulator.url.startswith("wss://127.0.0.1:")
            assert simulator.http_url.startswith("https://127.0.0.1:")
            async with driven(simulator.session(), tls=authority.trusting) as connection:
                events = await collect(connection, lambda all_: kinds(all_)["Data"] >= 5)
            assert kinds(events)["Closed"] == 0

    run(test())


@pytest.mark.parametrize("venue", VENUES)
def test_a_certificate_of_nobody_we_know_is_refused_once(venue: str, authority: Authority) -> None:
    async def test() -> None:
        async with simulators.make(venue, tls=authority.server) as simulator:
            async with driven(simulator.session()) as connection:
                with pytest.raises(Refused, match="certificate is not trusted"):
                    await collect(connection, lambda _: False)
            assert connection.stats.dials == 1
            assert simulator.counters.dials == 0

    run(test())


def test_requests_over_tls(authority: Authority) -> None:
    """A taxonomy, a backfill, a login, and the list of origins: all by https."""

    async def test() -> None:
        tls: dict[str, Any] = {"rate": 50, "tls": authority.server}
        client = {"tls": authority.trusting}
        async with StorkSimulator(**tls) as stork:
            async with driven(stork.session("BTCUSD", taxonomy=True), **client) as connection:
                await collect(connection, lambda all_: kinds(all_)["Data"] >= 3)
            assert stork.counters.requests == 1
        async with EthgasSimulator(**tls) as ethgas:
            session = ethgas.session(login=ethgas.login())
            async with driven(session, **client) as connection:
                await collect(
                    connection, lambda all_: any(isinstance(e, Authenticated) for e in all_)
                )
        async with QfexSimulator(**tls) as qfex:
            assert qfex.trade_url.startswith("wss://")
            async with driven(qfex.trade_session(), **client) as connection:
                await collect(
                    connection, lambda all_: any(isinstance(e, Authenticated) for e in all_)
                )
        async with ChainlinkSimulator(misbehave="cut@20", **tls) as chainlink:
            both = chainlink.high_availability()
            both.tick(chainlink.now())
            (ask,) = both.take_requests()
            refused: Reply = await perform(ask, proxy=False)
            assert (refused.status, b"CERTIFICATE_VERIFY_FAILED" in refused.body) == (0, True)
            both.replied(await perform(ask, proxy=False, tls=authority.trusting), chainlink.now())
            assert both.origins == ("001", "002")
            async with driven(chainlink.session(), **client) as connection:
                await collect(
                    connection, lambda all_: any(isinstance(event, Backfilled) for event in all_)
                )

    run(test())


def test_the_commands_over_tls(authority: Authority, tmp_path: Path) -> None:
    """`simulate --certificate`, captured with the authority by option and by environment."""
    payloads = [sys.executable, "-m", "payloads"]
    server = subprocess.Popen(
        [*payloads, "simulate", "stork", "--json", "--rate", "20",
         "--certificate", str(authority.certificate)],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert server.stdout is not None
        hello = json.loads(server.stdout.readline())
        assert hello["endpoint"].startswith("wss://")
        *plain, option, certificate = hello["capture"]
        assert (option, certificate) == ("--ca", str(authority.certificate))
        environment = {**os.environ, **hello["environment"]}
        environment.pop("SSL_CERT_FILE", None)

        def capture(name: str, *more: str, **variables: str) -> subprocess.CompletedProcess[str]:
            arguments = [str(tmp_path / name) if one == "FILE" else one for one in plain]
            return subprocess.run(
                [*payloads, *arguments, "--frames", "3", "--for", "20s", *more],
                env=environment | variables, capture_output=True, text=True, check=False,
            )  # fmt: skip

        for ran in (
            capture("copied.jsonl", option, certificate),
            capture("option.jsonl", "--ca", str(authority.ca)),
            capture("environment.jsonl", SSL_CERT_FILE=str(authority.ca)),
        ):
            assert ran.returncode == 0, ran.stderr
        assert len([*read_frames(tmp_path / "option.jsonl")]) >= 3
        refused = capture("none.jsonl")
        assert refused.returncode == 1
        assert "the server's certificate is not trusted" in refused.stderr
        assert "again" not in refused.stderr
        assert "1 dialled" in refused.stdout
        nothing = capture("nothing.jsonl", "--ca", str(tmp_path / "missing.pem"))
        assert (nothing.returncode, (tmp_path / "nothing.jsonl").exists()) == (2, False)
        assert "--ca: cannot be used, expected a PEM file" in nothing.stderr
    finally:
        server.terminate()
        server.communicate(timeout=10)
    bad = subprocess.run(
        [*payloads, "simulate", "stork", "--certificate", str(authority.ca)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert bad.returncode == 2
    assert "a certificate and its key, in PEM" in bad.stderr


def test_a_client_that_speaks_no_tls_is_let_go(authority: Authority) -> None:
    async def test() -> None:
        async with StorkSimulator(tls=authority.server, rate=50) as simulator:
            reader, writer = await asyncio.open_connection("127.0.0.1", simulator.port)
            writer.write(b"GET /ws HTTP/1.1\r\nHost: x\r\n\r\n")
            assert b"HTTP/1.1 1" not in await reader.read()
            writer.close()
            async with driven(simulator.session(), tls=authority.trusting) as connection:
                await collect(connection, lambda all_: kinds(all_)["Data"] >= 1)

    run(test())
