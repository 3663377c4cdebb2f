"""The samples that the venues print in their documentation run against our simulators, unchanged
but for hosts and keys. See `samples` for where they come from."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path
from typing import Any

import pytest

from payloads import simulators
from payloads.simulators import Simulator
from payloads.venues.chainlink.auth import signed_headers
from payloads.venues.common.jwt import make_token
from payloads.venues.common.session import SECOND
from tests.interop.samples import (
    block,
    blocks,
    changed,
    go_program,
    needs,
    python_client,
    running,
)

# --- QFEX: Python, Node, Go -----------------------------------------------------------------------


@pytest.fixture
def qfex() -> Any:
    with simulators.start("qfex") as venue:
        yield venue


def for_qfex(language: str, venue: Any) -> str:
    return changed(
        block("qfex", language, "trade.qfex.com"),
        host=("wss://trade.qfex.com", venue.trade_base),
        key=("qfex_pub_xxxxx", venue.public_key),
        secret=("qfex_secret_yyyyyy", venue.secret),
    )


def check_authenticated(venue: Any) -> None:
    assert [desk.authenticated for _, desk in venue._traders()] == [True]
    assert not venue.counters.refused


def test_qfex_in_python(qfex: Any, tmp_path: Path) -> None:
    script = tmp_path / "sample.py"
    script.write_text(for_qfex("python", qfex))
    path = str(python_client())
    with running(sys.executable, "-u", str(script), cwd=tmp_path, PYTHONPATH=path) as program:
        program.until("Connected")
        program.until("Received:", '{"authenticated":true}')
        check_authenticated(qfex)


def test_qfex_in_node(qfex: Any, installed: Path, tmp_path: Path) -> None:
    modules(tmp_path, installed)
    script = tmp_path / "sample.mjs"
    script.write_text(for_qfex("javascript", qfex))
    with running(needs("node"), str(script), cwd=tmp_path) as program:
        program.until("Connected")
        program.until("Received:", '{"authenticated":true}')
        check_authenticated(qfex)


def test_qfex_in_go(qfex: Any, tmp_path: Path) -> None:
    program_path = go_program(for_qfex("go", qfex), tmp_path)
    with running(str(program_path), cwd=tmp_path) as program:
        program.until("recv:", '{"authenticated":true}')
        check_authenticated(qfex)


def modules(folder: Path, installed: Path) -> None:
    """Let scripts in a folder import the packages that are installed."""
    (folder / "node_modules").symlink_to(installed / "node_modules")


def message_in(line: str) -> Any:
    """The message that wscat shows in a line."""
    return json.loads(line[line.index("{") :])


# --- Stork: wscat ---------------------------------------------------------------------------------


def test_stork_in_wscat(installed: Path, tmp_path: Path) -> None:
    """The printed command with the printed token, then the printed messages, a line each."""
    with simulators.start("stork", token="gmork123") as venue:
        command = block("stork", "bash", "wscat")
        command = changed(command, host=("wss://fast.jp.stork-oracle.network", venue.base))
        wscat, *arguments = shlex.split(command)
        path = str(installed / "node_modules" / ".bin" / wscat)
        # What stands before each example has names of types in it, and is no JSON.
        described = ("int[]", ": int", ": string")
        examples = [
            json.loads(text)
            for text in blocks("stork", "json")
            if not any(kind in text for kind in described)
        ]
        messages = {one["type"]: one for one in examples}
        with running(needs("node"), path, *arguments, cwd=tmp_path) as program:
            venue.wait_connected(1)
            program.write(json.dumps(messages["subscribe"]))
            update = message_in(program.until('"type":"unsigned"'))
            printed = messages["unsigned"]
            assert update.keys() == printed.keys()
            assert [one["id"] for one in update["a"]] == [one["id"] for one in printed["a"]]
            for one in update["a"]:
                assert one.keys() == printed["a"][0].keys()
            program.write(json.dumps(messages["unsubscribe"]))
            program.until('"a":[{"id":34,')
        assert not venue.counters.refused


# --- Finery: Node ---------------------------------------------------------------------------------

# The names that the printed code leaves to its reader.
_FINERY = """
const CryptoJS = require("crypto-js");
const WebSocketClient = require("websocket").w3cwebsocket;
const fs = require("fs");
const [host, ...samples] = JSON.parse(fs.readFileSync(process.argv[2]));
const run = (code, scope, self) =>
  new Function(...Object.keys(scope), code).call(self, ...Object.values(scope));
const venue = { host };
run(samples[0], { CryptoJS, WebSocketClient }, venue);
const ws_client = venue.client;
const side = "bid", False = false;
ws_client.onerror = () => console.log("error");
ws_client.onclose = (event) => console.log("closed", event.code);
ws_client.onmessage = ({ data: text }) => {
  console.log(text);
  const frame = JSON.parse(text);
  if (frame[0] === "X") run(samples[1], { ws_client });
  if (frame[0] === "B" && frame[2] === "M") run(samples[2], { ws_client });
  if (frame[2] === "U") run(samples[3], { ws_client, side, False });
};
"""


def test_finery_in_node(installed: Path, tmp_path: Path) -> None:
    sign = block("finery", "javascript", "HmacSHA384")
    bind, unbind = (block("finery", "javascript", f'"{word}"' if word == "bind" else word)
                    for word in ("bind", "unbind"))  # fmt: skip
    request = block("finery", "javascript", "reqId")
    key, secret = "payloads-insecure-test-key", "payloads-insecure-test-secret"
    with simulators.start("finery", key=key, secret=secret) as venue:
        lines = sign.splitlines()
        (old_key,) = [one.split('"')[1] for one in lines if one.startswith("const key")]
        (old_secret,) = [one.split('"')[1] for one in lines if one.startswith("const secret")]
        sign = changed(sign, key=(old_key, key), secret=(old_secret, secret))
        modules(tmp_path, installed)
        (tmp_path / "harness.cjs").write_text(_FINERY)
        (tmp_path / "samples.json").write_text(json.dumps([venue.url, sign, bind, unbind, request]))
        with running(needs("node"), "harness.cjs", "samples.json", cwd=tmp_path) as program:
            assert json.loads(program.until('["X"')) == ["X", 0, "Z", 0]
            assert json.loads(program.until('"S"'))[:3] == ["B", 42, "S"]
            assert json.loads(program.until('"M"'))[:3] == ["B", 42, "M"]
            assert json.loads(program.until('"U"'))[:2] == ["B", 42]
            reply = json.loads(program.until('"reqId":1234'))
            assert reply["reply"]["remainingSize"] == 100_000
        assert not venue.counters.refused


# --- ETHGas: JavaScript and Python ----------------------------------------------------------------

# Browsers have a WebSocket; the printed code leaves nothing else to its reader.
_BROWSER = 'globalThis.WebSocket = require("ws");\n'
# The printed class has no `get_new_token`.
_PYTHON_TOKENS = """
import json, sys, threading, time, urllib.request
source, http, refresh = sys.argv[1:]
names = {"__name__": "sample"}
threading.Thread(target=exec, args=(open(source).read(), names), daemon=True).start()

def get_new_token(self):
    body = json.dumps({"refreshToken": refresh}).encode()
    asked = urllib.request.Request(
        http + "/api/v1/user/login/refresh", body, {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(asked) as answer:
        return json.load(answer)["data"]["accessToken"]

while "ETHGasWebSocket" not in names:
    time.sleep(0.01)
names["ETHGasWebSocket"].get_new_token = get_new_token
threading.Event().wait()
"""


@pytest.fixture
def ethgas() -> Any:
    with simulators.start("ethgas", dialect="draft") as venue:
        yield venue


def check_both_logins(program: Any, venue: Simulator, success: str, expired: str) -> None:
    """It logs in, is told that its token has ended, and logs in again on the same connection."""
    program.until(success)
    venue.expire()
    program.until(expired)
    program.until(success)
    assert venue.counters.connections == 1


def test_ethgas_in_javascript(ethgas: Any, installed: Path, tmp_path: Path) -> None:
    tokens = ethgas.tokens
    sample = changed(
        block("ethgas", "javascript", "class ETHGasWebSocket"),
        host=("wss://ws.ethgas.com", ethgas.url),
        rest=("https://api.ethgas.com", ethgas.http_url),
        token=("'your_access_token'", json.dumps(tokens["access_token"])),
        refresh=("'your_refresh_token'", json.dumps(tokens["refresh_token"])),
    )
    modules(tmp_path, installed)
    (tmp_path / "sample.cjs").write_text(_BROWSER + sample)
    with running(needs("node"), "sample.cjs", cwd=tmp_path) as program:
        check_both_logins(program, ethgas, "status: 'success'", "cmd: 'token_expired'")


def test_ethgas_in_python(ethgas: Any, tmp_path: Path) -> None:
    tokens = ethgas.tokens
    sample = changed(
        block("ethgas", "python", "class ETHGasWebSocket"),
        host=("wss://ws.ethgas.com", ethgas.url),
        token=('"your_access_token"', json.dumps(tokens["access_token"])),
    )
    (tmp_path / "sample.py").write_text(sample)
    (tmp_path / "harness.py").write_text(_PYTHON_TOKENS)
    path, arguments = str(python_client()), (ethgas.http_url, tokens["refresh_token"])
    command = (sys.executable, "-u", "harness.py", "sample.py", *arguments)
    with running(*command, cwd=tmp_path, PYTHONPATH=path) as program:
        program.until("Connected to WebSocket")
        check_both_logins(program, ethgas, "'status': 'success'", "'cmd': 'token_expired'")


@pytest.mark.parametrize("host", ["wss://ws.ethgas.com", "wss://testnet-ws.ethgas.com"])
def test_ethgas_s_pieces_in_javascript(
    ethgas: Any, host: str, installed: Path, tmp_path: Path
) -> None:
    """The short pieces one after the other: connect, log in, log in again, handle errors."""
    connect = changed(block("ethgas", "javascript", f"const ws = new WebSocket('{host}')"),
                      host=(host, ethgas.url))  # fmt: skip
    short = make_token(ethgas._key, "x", ethgas.now(), 2 * SECOND)
    login = changed(block("ethgas", "javascript", "your_access_token_here"),
                    token=("'your_access_token_here'", json.dumps(short)))  # fmt: skip
    again = changed(
        block("ethgas", "javascript", "ws.onmessage = function"),
        token=("'new_access_token_here'", json.dumps(ethgas.tokens["access_token"])),
    )
    errors = block("ethgas", "javascript", "ws.onerror = function")
    watch = "ws.on('message', (text) => console.log(text.toString()));\n"
    modules(tmp_path, installed)
    (tmp_path / "sample.cjs").write_text(_BROWSER + connect + watch + login + again + errors)
    with running(needs("node"), "sample.cjs", cwd=tmp_path) as program:
        printed = json.loads(block("ethgas", "json", '"success"'))
        said = json.loads(program.until('"status":"success"'))
        assert (said.keys(), said["data"].keys()) == (printed.keys(), printed["data"].keys())
        told = json.loads(program.until("token_expired"))
        assert told == json.loads(block("ethgas", "json", "token_expired"))
        program.until('"status":"success"')
        ethgas.close(1011)
        program.until("WebSocket closed: 1011")


def test_ethgas_s_error_is_as_printed(ethgas: Any, installed: Path, tmp_path: Path) -> None:
    """With the printed placeholder for a token."""
    connect = changed(
        block("ethgas", "javascript", "const ws = new WebSocket('wss://ws.ethgas.com')"),
        host=("wss://ws.ethgas.com", ethgas.url),
    )
    login = block("ethgas", "javascript", "your_access_token_here")
    watch = "ws.on('message', (text) => console.log(text.toString()));\n"
    modules(tmp_path, installed)
    (tmp_path / "sample.cjs").write_text(_BROWSER + connect + watch + login)
    with running(needs("node"), "sample.cjs", cwd=tmp_path) as program:
        said = json.loads(program.until('"error"'))
    assert said == json.loads(block("ethgas", "json", '"error"'))


# --- Chainlink: the request line ------------------------------------------------------------------


def test_chainlink_s_request(installed: Path, tmp_path: Path) -> None:
    """The printed request line with two feeds, by wscat; the answer has the printed members."""
    with simulators.start("chainlink") as venue:
        line = block("chainlink", "http", "feedIDs=").strip()
        feeds = venue.feeds[:2]
        line = changed(line, first=("<feedID1>", feeds[0]), second=("<feedID2>,...", feeds[1]))
        method, path = line.split()
        wscat = str(installed / "node_modules" / ".bin" / "wscat")
        command = [needs("node"), wscat, "-c", venue.base + path]
        for name, value in signed_headers(venue.session()._credentials, method, path, venue.now()):
            command += ["-H", f"{name}: {value}"]
        with running(*command, cwd=tmp_path) as program:
            for _ in feeds:
                report = message_in(program.until('{"report":'))["report"]
                printed = json.loads(block("chainlink", "json", "report"))["report"]
                assert printed.keys() <= report.keys()
                assert report["feedID"] in feeds
                assert venue.judge(bytes.fromhex(report["fullReport"][2:])).passed
