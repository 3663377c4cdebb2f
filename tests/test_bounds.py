"""The page of bounds says what the code does: its values are the constants, its tests are there."""

from __future__ import annotations

import ast
import asyncio
import importlib
import inspect
import io
import re
import socket
import ssl
import time
from collections.abc import Iterator
from functools import reduce
from types import SimpleNamespace
from typing import Any

import pytest

from payloads.capture.frames import Incident
from payloads.capture.importers import har, mitmproxy
from payloads.chain import rpc
from payloads.chain.rpc import Unavailable
from payloads.chainlink import explanation
from payloads.errors import Malformed
from payloads.live import sink
from payloads.simulators import StorkSimulator, host, peer, ports, streams
from payloads.simulators.options import Counters
from payloads.venues.common.http_words import wait_asked
from payloads.venues.common.json_text import MAX_MESSAGE_BYTES, MAX_MESSAGE_VALUES, parse_json
from payloads.venues.common.pending import Requests
from payloads.venues.common.redactor import Secret
from payloads.venues.common.session import SECOND, Data, Reply, Subscribed
from payloads.venues.ethgas.auth import EthgasLogin
from payloads.venues.ethgas.eip712 import typed_data_digest
from payloads.venues.finery.book import MOST_LEVELS, Book
from payloads.venues.qfex import market_session
from tests.docs_code import ROOT
from tests.simulators.kit import dial_of, run, until

PAGE = ROOT / "docs" / "bounds.md"
UNITS = {
    "": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "s": 1, "MB": 10**6, "ns": 10**-9,
}  # fmt: skip

Row = tuple[str, str, str, str, str]


def rows() -> list[Row]:
    lines = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line[:2] == "| "]
    cells = [tuple(cell.strip() for cell in line.strip("| ").split(" | ")) for line in lines]
    return [row for row in cells if row[0] != "bound"]  # type: ignore[misc]


ROWS = rows()


def value_of(name: str) -> Any:
    """A constant of a module, or with `(parameter)` behind it the default of a parameter."""
    path, _, parameter = name.rstrip(")").partition("(")
    parts = path.split(".")
    for cut in range(len(parts), 0, -1):
        try:
            module = importlib.import_module(".".join(parts[:cut]))
        except ModuleNotFoundError:
            continue
        found: Any = reduce(getattr, parts[cut:], module)
        return inspect.signature(found).parameters[parameter].default if parameter else found
    raise AssertionError(f"no module: {name}")


# How the name of a bound begins or ends; a class may have bounds, too.
BOUND = re.compile(
    r"_?(MAX|MOST|LONGEST|DEEPEST|WIDEST|FURTHEST|FEW)(_|$)"
    r"|.*(_WITHIN|_BYTES|ATTEMPTS|AT_ONCE|PATIENCE|TIMEOUT|TIMEOUT_SECONDS|GOODBYE|BACKLOG)$"
    r"|_?(LATEST|STREAMS|LAYERS|MOST|FEW)$"
)
# Constants with such a name that bound nothing which comes from outside.
NO_BOUNDS = {
    "payloads.chainlink.checks.MOST_V": "a rule of the contract",
    "payloads.chainlink.state.MAX_SIGNERS": "a rule of the contract",
    "payloads.stork.checks.MOST_V": "a rule of the contract",
    "payloads.stork.checks.MOST_ASSETS": "a rule of the contract",
    "payloads.stork.state.MAX_SIGNERS": "a rule of the contract",
    "payloads.chainlink.report._MOST_SHAPED": "chooses the faster of two ways",
    "payloads.crypto._AT_ONCE": "how many are hashed in the same memory",
    "payloads.arrays.records._AT_ONCE": "how many are hashed in the same memory",
    "payloads.forensics.scanning.native._AT_ONCE": "how many are hashed in the same memory",
    "payloads.chainlink.columns._MOST_SIGNATURES": "chooses the faster of two ways",
    "payloads.arrays.types._MOST_DIGITS": "a fact about decimal256",
    "payloads.venues.finery.session.MAX_CONNECTIONS_PER_IP": "a rule of the venue",
    "payloads.venues.common.venue._MOST_DIGITS": "for text that the user gives",
    "payloads.simulators.text_options._LONGEST": "for text that the user gives",
    "payloads.capture.inputs.MAX_NAME": "the system's own bound on names",
    "payloads.capture.seals._LONGEST": "a line with a hash is shorter",
    "payloads.capture.sharing.MOST": "how many replacements are listed; all are made",
    "payloads.chainlink.frames._MOST_HEX": "chooses the faster of two ways",
    "payloads.chainlink.json_text._MOST": "chooses the faster of two ways",
    "payloads.stork.frames._MOST_HEX": "chooses the faster of two ways",
    "payloads.strategies.registration._BYTES": "what strategies draw",
    "payloads.cli.findings._MOST_SHOWN": "how many are shown; all are counted",
    "payloads.forensics.showing.bins.ANNOTATED_BYTES": "how much is shown; forensics/test_page.py",
    "payloads.forensics.showing.bins.MOST_BYTES": "the size of the page; forensics/test_page.py",
    "payloads.forensics.showing.bins.MOST_LISTED": "how many are shown; all are counted",
    "payloads.forensics.showing.diff.MOST": "how many are shown; all are counted",
    "payloads.forensics.scanning.files.MOST_NOTED": "how many are noted; all are counted",
    "payloads.forensics.showing.folder._MOST_RECORD": "the memory of DuckDB's reader of JSON",
    "payloads.forensics.showing.page.MOST_BYTES": "the size of the page; forensics/test_page.py",
    "payloads.forensics.scanning.parts.PART_BYTES": "a size of work; forensics/test_memory.py",
    "payloads.forensics.scanning.reading.BLOCK_BYTES": "a size of work; forensics/test_memory.py",
    "payloads.forensics.examining.rules.MOST_BYTES": "for a file that the user gives",
    "payloads.forensics.examining.sentences._MOST": "how much is shown; the evidence has all",
    "payloads.forensics.scanning.team._MOST_ENDS": "tries of a process that dies",
    "payloads.forensics.cluster._MOST_RETRIES": "tries of a worker that dies",
    "payloads.forensics.examining.search.MOST_FINDINGS": "the rest is one finding",
    "payloads.forensics.examining.search.MOST_ROWS": "how many are shown; all are counted",
    "payloads.forensics.examining.shuffle._TASK_BYTES": "a size of work; forensics/test_shuffle.py",
    "payloads.forensics.scanning.shapes._FEW": "chooses the faster of two ways",
    "payloads.forensics.scanning.shapes._MOST_ALONE": "chooses the faster of two ways",
    "payloads.forensics.scanning.shapes._MOST_SHAPES": "chooses the faster of two ways",
    "payloads.forensics.scanning.work.MOST_BYTES": "a size of work; forensics/test_memory.py",
    "payloads.forensics.showing.summary.MOST": "how many are shown; all are counted",
    "payloads.forensics.tables.MOST_INPUTS": "a fact about the numbers of frames",
    "payloads.forensics.writing._MOST_BYTES": "a size of work; forensics/test_memory.py",
    "payloads.strategies.chainlink.signed._MOST_ORACLES": "a rule of the contract",
    "payloads.strategies.machines.connection.PATIENCE": "virtual time in a test",
    "payloads.strategies.machines.keeper._MAX_BLOCK": "for a number that the user gives",
    "payloads.strategies.machines.world.MOST_CONFIGS": "how many networks a test has",
}


def constants() -> Iterator[str]:
    """The constants of every module and class that are named as bounds are."""
    for file in sorted((ROOT / "payloads").rglob("*.py")):
        module = ".".join(file.relative_to(ROOT).with_suffix("").parts)
        tree = ast.parse(file.read_text(encoding="utf-8"))
        classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
        owners = [(module, tree.body), *((f"{module}.{each.name}", each.body) for each in classes)]
        for prefix, body in owners:
            for node in body:
                targets = node.targets if isinstance(node, ast.Assign) else []
                targets = [node.target] if isinstance(node, ast.AnnAssign) else targets
                is_text = isinstance(getattr(getattr(node, "value", None), "value", None), str)
                for target in () if is_text else targets:
                    if isinstance(target, ast.Name) and BOUND.match(target.id):
                        yield f"{prefix}.{target.id}"


def test_every_bound_of_the_code_is_on_the_page() -> None:
    """A bound that is new wants a line of docs/bounds.md, with the test that holds it."""
    found, listed = set(constants()), {row[2].strip("`") for row in ROWS}
    assert found - listed == set(NO_BOUNDS)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_the_page_has_the_values_of_the_code(row: Row) -> None:
    assert len(row) == 5
    _, value, name, why, _ = row
    number, _, unit = value.partition(" ")
    found = value_of(name.strip("`"))
    # Times are in nanoseconds where a session has them.
    found = found / 10**9 if unit == "s" and found > 10**6 else found
    assert found == float(number.replace(",", "")) * UNITS[unit]
    assert why


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_the_page_names_tests_that_there_are(row: Row) -> None:
    file, _, test = row[4].strip("`").partition("::")
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    found = {node.name for node in ast.walk(tree)
             if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}  # fmt: skip
    assert test in found


def test_messages_are_bounded_in_bytes_and_values() -> None:
    for most, text in (
        (MAX_MESSAGE_BYTES, '"' + "x" * (MAX_MESSAGE_BYTES - 1) + '"'),
        (MAX_MESSAGE_VALUES, "[" + "1," * MAX_MESSAGE_VALUES + "1]"),
        (MAX_MESSAGE_VALUES, "[" + '{"a":[1]},' * (MAX_MESSAGE_VALUES // 4) + "1]"),
    ):
        for message in (text, text.encode()):
            with pytest.raises(Malformed, match=f"at most {most}"):
                parse_json(message)
    fits = "[" + "1," * (MAX_MESSAGE_VALUES - 2) + "1]"
    assert len(parse_json(fits)) == MAX_MESSAGE_VALUES - 1


# --- small bounds that are held by no test of their part ------------------------------------------


def test_few_other_configs_are_tried_for_a_signature() -> None:
    configs = [SimpleNamespace(config_digest=bytes([number]) * 32) for number in range(40)]
    state = SimpleNamespace(configs=configs)
    call = SimpleNamespace(state=state)
    item: Any = SimpleNamespace(report=b"report", context=bytes(96), call=call)
    assert len(explanation._other_digests(item)) == explanation._MOST_DIGESTS


def test_a_line_of_the_log_is_bounded() -> None:
    line = sink._line(Incident("stork", 1, 0, "refused", {"body": "x" * 10**6}))
    assert len(line) < sink._LONGEST + 100


def test_no_server_makes_a_client_wait_for_more_than_a_day() -> None:
    assert wait_asked([("Retry-After", "999999999")]) == 86_400 * SECOND


def test_the_latest_lost_requests_are_remembered() -> None:
    requests = Requests(10, "{name}")
    for number in range(150):
        requests.sent(f"request {number}")
    requests.lost()
    assert list(requests.missing) == [f"request {number}" for number in range(50, 150)]


def test_a_book_has_so_many_levels_and_no_more() -> None:
    levels = [[price, 1] for price in range(1, MOST_LEVELS + 2)]
    book = Book()
    book.snapshot([[], levels[:-1]])
    assert len(book.asks()) == MOST_LEVELS
    with pytest.raises(Malformed, match="10000"):
        book.snapshot([[], levels])
    with pytest.raises(Malformed, match="10000"):
        book.update([[], [["+", MOST_LEVELS + 1, 1]]])


def test_so_many_cookies_are_kept_and_no_more() -> None:
    login = EthgasLogin(private_key=Secret("0x" + "11" * 32))
    cookies = tuple(("Set-Cookie", f"name{number}=value{number}") for number in range(40))
    login._keep_cookies(Reply("ethgas login", 200, b"", cookies))
    assert len(login._cookies) == 16


@pytest.mark.parametrize(
    ("types", "message"),
    [
        ({"Login": [{"name": f"x{n}", "type": "bool"} for n in range(65)]}, {}),
        ({f"Type{n}": [] for n in range(64)} | {"Login": []}, {}),
        ({"Login": [{"name": "x", "type": "bool[]"}]}, {"x": [True] * 4097}),
    ],
    ids=["fields", "types", "items"],
)
def test_no_server_has_much_hashed(types: dict[str, Any], message: dict[str, Any]) -> None:
    data = {"types": {"EIP712Domain": [], **types}, "primaryType": "Login", "domain": {}}
    with pytest.raises(Malformed, match=r"types|message"):
        typed_data_digest({**data, "message": message})


def test_no_server_makes_a_session_remember_any_number_of_streams(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(market_session, "_MOST_LABELS", 3)
    session = market_session.QfexMarketSession(["bbo:*"])
    session.opened(0)
    events = [
        event
        for number in range(9)
        for event in session.received(f'{{"type":"bbo","symbol":"S{number}"}}', 1)
    ]
    assert sum(isinstance(event, Subscribed) for event in events) == 3
    assert sum(isinstance(event, Data) for event in events) == 9


def test_a_node_has_so_long_for_a_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rpc, "TIMEOUT_SECONDS", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        asked = rpc.connect(f"http://127.0.0.1:{silent.getsockname()[1]}", pause=lambda _: None)
        with pytest.raises(Unavailable):
            asked.head()


def test_a_har_s_large_request_has_no_url() -> None:
    raw = b'{"url":"wss://x","pad":"%s"}' % (b"x" * har._MOST_REQUEST)
    assert har._part(har._read_request, raw) is None
    found = har._part(har._read_request, b'{"url":"wss://x"}')
    assert found is not None
    assert found.url == "wss://x"


def test_a_har_s_message_of_many_values_is_none() -> None:
    raw = b'{"data":"","all":[%s1]}' % (b"1," * har._MOST_VALUES)
    with pytest.raises(Malformed, match="at most 1000"):
        har._message(memoryview(raw))


def test_a_length_in_a_flow_has_few_digits() -> None:
    with pytest.raises(Malformed, match="not a flow file"):
        list(mitmproxy.flows(io.BytesIO(b"0" * 13 + b":")))


def test_a_simulator_leaves_few_clients_to_the_system(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    create = socket.create_server

    def noted(*arguments: Any, **options: Any) -> socket.socket:
        asked.append(options["backlog"])
        return create(*arguments, **options)

    monkeypatch.setattr(socket, "create_server", noted)

    async def test() -> None:
        async with StorkSimulator():
            assert set(asked) == {100}

    run(test())


def test_a_handshake_that_never_ends_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "_PATIENCE", 0.1)

    async def test() -> None:
        async with StorkSimulator(tls=ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)) as venue:
            reader, writer = await asyncio.open_connection("127.0.0.1", venue.port)
            assert await reader.read() == b""
            writer.close()

    run(test())


async def deaf(venue: StorkSimulator) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A client that asks for a websocket, and answers nothing."""
    dial = dial_of(venue.session(), venue)
    lines = [f"GET {dial.url.partition(venue.base)[2]} HTTP/1.1", f"Host: 127.0.0.1:{venue.port}"]
    lines += ["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13"]
    lines += ["Sec-WebSocket-Key: " + "A" * 22 + "=="]
    lines += [f"{name}: {value}" for name, value in dial.headers]
    reader, writer = await asyncio.open_connection("127.0.0.1", venue.port)
    writer.write("\r\n".join([*lines, "", ""]).encode())
    await venue.connected(1)
    return reader, writer


def test_a_client_that_does_not_close_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peer, "_CLOSE_TIMEOUT", 0.05)

    async def test() -> None:
        async with StorkSimulator() as venue:
            _, writer = await deaf(venue)
            venue.peers[0].close()
            await until(lambda: not venue.peers)
            writer.close()

    run(test())


def test_a_simulator_stops_without_its_clients(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "_GOODBYE", 0.05)
    monkeypatch.setattr(peer, "_CLOSE_TIMEOUT", 60.0)

    async def test() -> None:
        async with StorkSimulator() as venue:
            _, writer = await deaf(venue)
        assert not venue.peers
        writer.close()

    run(test())


def test_a_stream_that_is_late_leaves_messages_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "_PATIENCE", 0.0)
    counters = Counters()

    def slowly() -> list[Any]:
        time.sleep(0.01)
        return []

    async def test() -> None:
        stream = streams.Stream("slow", 0.0001, slowly)
        stream.task = asyncio.ensure_future(stream.flow(lambda *_: None, counters))
        await until(lambda: counters.late > 100)
        stream.task.cancel()

    run(test())
