"""What a user may rely on: the names, what importing costs, what values are; and how the house is
built, which is what keeps those true."""

from __future__ import annotations

import ast
import copy
import pickle
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec
import pytest
from hexbytes import HexBytes

import payloads
from payloads import chainlink, stork
from payloads.abi.fields import Record
from payloads.errors import Malformed, Misuse, PayloadError, Refused, elide, shown
from tests import corpus

PACKAGE = Path(payloads.__file__).parent
ROOT = PACKAGE.parent

SYSTEM_FOLDERS = ("chainlink", "stork")
VENUE_FOLDERS = tuple(
    sorted(path.parent.name for path in (PACKAGE / "venues").glob("*/__init__.py"))
)

# --- the names ------------------------------------------------------------------------------------

# Every name that is exported, and no other. Adding one is a decision, so it is made here too.
EXPORTS: dict[str, set[str]] = {
    "payloads": {
        *("AS_CONTRACT", "CANONICAL", "Decoded", "Embedded", "Malformed", "Misuse", "Note"),
        *("PayloadError", "Refused", "State", "Verdict", "chainlink", "decode", "embedded"),
        *("inspect", "judge", "judge_many", "judge_stream", "recover", "stork"),
    },
    "payloads.chainlink": {
        *(
            "SCHEMAS",
            "BareReport",
            "ChainlinkState",
            "Context",
            "FullReport",
            "Report",
            "ReportHead",
            "Schema",
        ),
        *("UnknownReport", "compress", "decode", "decode_call", "decode_envelope"),
        *("decode_report", "decompress", "encode_calldata", "expect_signers", "from_dict"),
        *("judge", "judge_bulk", "judge_calldata", "judge_many", "quote", "quote_bulk", "recover"),
        *("schema", "schema_named", "to_dict", "verify", "view"),
    },
    "payloads.capture": {
        *("BrokenLine", "CaptureWriter", "Frame", "Header", "Incident", "Summary", "Torn"),
        *("import_frames", "import_records", "paced", "part_paths", "read_frames"),
        *("read_records", "rerun", "session_of"),
    },
    "payloads.simulators": {
        *("CORRUPTIONS", "KINDS", "ChainlinkSimulator", "Counters", "EthgasSimulator"),
        *("FinerySimulator", "Made", "Plan", "QfexSimulator", "Rule", "Sent", "Simulator"),
        *("StorkSimulator", "chainlink", "class_of", "ethgas", "finery", "make", "names", "qfex"),
        *("start", "stork"),
    },
    "payloads.venues": {
        *("VENUES", "SessionConfig", "Authenticated", "Backfilled", "Binding", "Broken"),
        *("ChainlinkSession", "Channel", "Closed", "ChainlinkCredentials", "Data", "Degraded"),
        *("Duplicate", "EthgasLogin", "EthgasSession", "Event", "FinerySession"),
        *("HighAvailability", "HmacKey", "Missing", "NonceSequence", "Opened"),
        *("QfexMarketSession", "QfexTradeSession", "Rejected", "Retry", "Secret", "Session"),
        *("SessionGroup", "Stalled", "StorkSession", "Subscribed", "Subscription", "Unknown"),
        *("Unsubscribed", "Venue", "make", "session", "variable", "venue"),
    },
    "payloads.columns": {
        *("ERRORS", "FACTS", "PRICES", "SIGNATURES", "VERDICTS", "decode", "decode_table"),
        *(
            "digests",
            "encode",
            "facts",
            "judge",
            "narrow",
            "prices",
            "recover",
            "schema",
            "schemas",
        ),
    },
    "payloads.forensics": {
        *("TABLES", "TABLES_REVISION", "Cluster", "Findings", "Progress", "Scan", "find"),
        "scan",
    },
    "payloads.chain": {
        *("Explained", "ExplainedCall", "ExplainedPayload", "explain"),
        *("LiveState", "Node", "Policy", "PolicyRefusal", "Preflight", "Problem", "Sent"),
        *("StateChange", "States", "Unavailable", "build_transaction", "connect", "diff_states"),
        *("fetch_state", "judge_transaction", "preflight"),
        *("refuse_transaction", "save_state", "send_guarded"),
    },
    "payloads.strategies": {
        *("Arrival", "CaptureFile", "ConsumerCall", "Damage", "RestReply", "Submission"),
        *("VenueFrame", "assets", "calldata", "captures", "frames", "rest_replies"),
        *(
            "connection_machine",
            "chain_states",
            "consumer_calldata",
            "damages",
            "feed_ids",
            "full_reports",
        ),
        *("keeper_machine", "labels_of", "oracle_networks", "reports", "stork_signers"),
        *("stork_updates", "submissions"),
    },
    "payloads.testing": {
        *("LINK", "NATIVE", "SUBSCRIBER", "CallOutcome", "ClockNode", "Cost"),
        *("DeployedContract", "InsecureTestNetwork", "deployed"),
        *("InsecureTestStorkSigner", "SettableClock", "Submission", "Wrapped", "cost", "damaged"),
        *("signed_insecurely", "wrapped"),
    },
    "payloads.stork": {
        *(
            "Asset",
            "SignedUpdate",
            "StorkState",
            "UnsignedUpdate",
            "decode",
            "decode_call",
            "decode_unsigned",
        ),
        *("encode_calldata", "expect_signers", "from_dict", "judge", "judge_calldata"),
        *("judge_many", "recover", "to_dict", "verify", "view"),
    },
    "payloads.live": {
        *("Backoff", "Connection", "Delivery", "Dropped", "Frame", "GroupConnection", "Inbox"),
        *("Incident", "Recorder", "Retrying", "Secret", "Stats", "Unreachable"),
        *("connect", "merged", "stream"),
    },
}


@pytest.mark.parametrize("name", EXPORTS)
def test_exports_are_pinned(name: str) -> None:
    module = import_module(name)
    assert set(module.__all__) == EXPORTS[name]
    assert len(module.__all__) == len(set(module.__all__))
    assert all(getattr(module, one) is not None for one in module.__all__)
    assert set(module.__all__) <= set(dir(module)), "tab completion and help() show every name"


def modules() -> Iterator[str]:
    """Every module of the package, by its dotted name."""
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        yield ".".join(part for part in parts if part != "__init__")


def module_of(name: str) -> ModuleType:
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if str(error.name).startswith("payloads"):
            raise
        pytest.skip(f"an extra that is not installed: {error.name}")
    except Misuse as error:
        if not isinstance(error.__cause__, ImportError):
            raise
        pytest.skip(str(error))


@pytest.mark.parametrize("name", [one for one in modules() if not one.endswith("__main__")])
def test_every_module_says_what_it_is_and_what_it_exports(name: str) -> None:
    module = module_of(name)
    assert module.__doc__
    assert module.__doc__.strip()
    for exported in getattr(module, "__all__", ()):
        assert hasattr(module, exported), f"{name}.{exported} does not exist"


def test_the_package_is_typed() -> None:
    assert (PACKAGE / "py.typed").exists()


# --- what importing costs -------------------------------------------------------------------------

# Network, data frames and heavy toolkits; and what is needed rarely and loaded then.
HEAVY = {
    *("websockets", "aiohttp", "httpx", "requests", "urllib3", "asyncio", "ssl", "http.client"),
    *("pandas", "polars", "numpy", "pyarrow", "duckdb", "web3", "eth_abi", "eth_utils"),
    *(
        "eth_account",
        "eth_keys",
        "cramjam",
        "click",
        "hypothesis",
        "multiprocessing",
        "concurrent.futures",
    ),
}


def python(code: str) -> str:
    command = [sys.executable, "-c", code]
    environment = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"}
    run = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    return run.stdout.removesuffix("\n")


def test_importing_alone_imports_next_to_nothing() -> None:
    """The entry points for pytest and Hypothesis import the package in every project."""
    loaded = python("import sys, payloads; print(' '.join(sys.modules))").split()
    ours = {name for name in loaded if name.partition(".")[0] == "payloads"}
    assert ours == {"payloads", "payloads._late", "payloads._version", "payloads.errors"}
    assert {"hexbytes", "msgspec"} & set(loaded) == set()


def test_importing_pulls_in_nothing_heavy() -> None:
    code = "import sys; from payloads import chainlink, decode, inspect, recover, stork"
    loaded = python(code + "; print(' '.join(sys.modules))").split()
    assert "payloads.chainlink.report" in loaded
    assert HEAVY & set(loaded) == set()


def test_decoding_and_recovering_pull_in_nothing_heavy_either() -> None:
    update = corpus.entry("st-001").text
    code = f"import sys, payloads; d = payloads.decode('{update}'); payloads.stork.recover(d.value)"
    loaded = python(code + "; print(' '.join(sys.modules))").split()
    assert HEAVY & set(loaded) == set()


@pytest.mark.parametrize(
    ("words", "commands"),
    [
        ("--version", set()),
        ("decode --help", {"decode"}),
        ("verify --help", {"verify"}),
        ("scan --help", {"scan", "findings"}),  # whose options it has, too
    ],
)
def test_a_command_pulls_in_no_other_and_nothing_heavy(words: str, commands: set[str]) -> None:
    code = "import sys; from payloads.cli.main import COMMANDS, main; "
    code += f"main({words.split()}, standalone_mode=False); "
    code += "print(' '.join(name for name in COMMANDS if 'payloads.cli.' + name in sys.modules)); "
    code += "print(' '.join(sys.modules))"
    *_, used, loaded = python(code).split("\n")
    assert set(used.split()) == commands
    assert set(loaded.split()) & HEAVY <= {"click", "concurrent.futures"}


def test_the_catalogue_of_the_venues_pulls_in_no_session() -> None:
    loaded = python("import sys, payloads.venues; print(' '.join(sys.modules))").split()
    assert HEAVY & set(loaded) == set()
    sessions = [
        name for name in loaded if re.fullmatch(r"payloads\.venues\.(?!common)\w+\..+", name)
    ]
    assert sessions == []


# --- the floors -----------------------------------------------------------------------------------

# From the ground up. An import points to a lower floor, or stays in its own unit: never up, and
# never sideways. `docs/architecture.md` has the same table.
FLOORS: tuple[tuple[str, ...], ...] = (
    ("backing_off", "deadline", "errors", "loopback", "_late", "_version"),
    ("crypto", "inputs"),
    ("abi",),
    ("signatures", "json_records"),
    ("arrays", "verdicts"),
    ("system",),
    ("chainlink", "stork"),
    ("systems", "published", "conformance", "reference", "venues.common"),
    ("recognise", *(f"venues.{name}" for name in VENUE_FOLDERS if name != "common")),
    ("embedding", "inspection", "judging", "venues"),
    ("chain", "capture", "columns"),
    ("live", "forensics", "testing"),
    ("simulators",),
    ("strategies",),
    # The surface itself, which nothing below the command line imports.
    ("",),
    ("cli", "_hypothesis", "pytest_plugin"),
    ("__main__",),
)
FLOOR_OF = {unit: floor for floor, units in enumerate(FLOORS) for unit in units}


def unit_of(name: str) -> str:
    """The unit that a module belongs to: what stands below `payloads`, or a folder of `venues`."""
    parts = name.split(".")[1:]
    in_venue = parts[:1] == ["venues"] and len(parts) > 1
    return ".".join(parts[: 2 if in_venue else 1])


@cache
def nodes_of(name: str) -> tuple[ast.AST, ...]:
    """Everything in the source of a module, which many tests look at."""
    path = ROOT.joinpath(*name.split("."))
    source = path.with_suffix(".py") if path.with_suffix(".py").exists() else path / "__init__.py"
    return tuple(ast.walk(ast.parse(source.read_text(encoding="utf-8"))))


KNOWN = frozenset(modules())


@cache
def imported_by(name: str) -> set[str]:
    """The modules of the package that a module imports, anywhere in it."""
    known, found = KNOWN, set()
    for node in nodes_of(name):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names if alias.name in known}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name}: a relative import"
            targets = {f"{node.module}.{alias.name}" for alias in node.names}
            inside = targets & known
            found |= inside
            if node.module in known and len(inside) < len(targets):
                found.add(node.module)
    return found


@pytest.mark.parametrize("name", list(modules()))
def test_imports_only_ever_point_down(name: str) -> None:
    unit = unit_of(name)
    assert unit in FLOOR_OF, f"{name}: say on which floor it stands, here and in the architecture"
    for target in imported_by(name):
        other = unit_of(target)
        below = FLOOR_OF[other] < FLOOR_OF[unit]
        assert below or other == unit, f"{name} imports {target}, which is not below it"


def test_the_chain_knows_no_venue_and_no_connection() -> None:
    for name in modules():
        if unit_of(name) == "chain":
            others = {unit_of(target).partition(".")[0] for target in imported_by(name)}
            assert not others & {"venues", "live", "capture", "simulators"}, name


# Loaded by name while the program runs, from a floor above: only these, and why.
BY_NAME = {
    # A venue names its simulator, which is not loaded unless it is started.
    **{
        f"payloads.venues.{name}": {f"payloads.simulators.venues.{name}"}
        for name in VENUE_FOLDERS
        if name != "common"
    },
}


def test_nothing_else_is_loaded_by_name_from_above() -> None:
    known = set(modules())
    for name in known:
        texts = {
            node.value.partition(":")[0]
            for node in nodes_of(name)
            if isinstance(node, ast.Constant) and isinstance(node.value, str)
        }
        above = {
            text
            for text in texts & known
            if unit_of(text) and FLOOR_OF[unit_of(text)] > FLOOR_OF[unit_of(name)]
        }
        assert above <= BY_NAME.get(name, set()), name


def test_imports_make_no_cycle() -> None:
    left = {name: imported_by(name) - {name} for name in modules()}
    while left:
        free = [name for name, targets in left.items() if not targets & set(left)]
        assert free, f"these import one another: {sorted(left)}"
        for name in free:
            del left[name]


def test_the_architecture_page_has_the_same_floors() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text()
    rows = re.findall(r"^\| (\d+) \| ((?:`[\w./]+`,? ?)+) \|", page, re.M)
    told = {int(row): {name.strip("`/") for name in names.split(", ")} for row, names in rows}
    venues = {f"venues.{name}" for name in VENUE_FOLDERS if name != "common"}
    floors = [{unit or "payloads" for unit in units} for units in FLOORS]
    # The page has one word for the folders of all venues.
    named = [units - venues | ({"venues.NAME"} if units & venues else set()) for units in floors]
    assert told == dict(enumerate(named))


def types_asked_for(name: str) -> set[str]:
    """The classes of systems that a module outside of their folders compares values with.

    Strategies of a system have a folder of their own, which is that system's, too.
    """
    folders = [f"payloads.{unit}.{system}" for unit in ("strategies", "testing")
               for system in SYSTEM_FOLDERS]  # fmt: skip
    if name.startswith(tuple(folders)):
        return set()
    nodes = nodes_of(name)
    systems = tuple(f"payloads.{system}" for system in SYSTEM_FOLDERS)
    known = {
        alias.asname or alias.name
        for node in nodes
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith(systems)
        for alias in node.names
    }
    compared: list[ast.expr] = [node.cls for node in nodes if isinstance(node, ast.MatchClass)] + [
        node.args[1]
        for node in nodes
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in ("isinstance", "issubclass")
    ]
    found = set()
    for part in (part for whole in compared for part in ast.walk(whole)):
        if isinstance(part, ast.Name) and part.id in known:
            found.add(part.id)
        elif isinstance(part, ast.Attribute) and ast.unparse(part.value) in SYSTEM_FOLDERS:
            found.add(part.attr)
    return found


@pytest.mark.parametrize("name", [one for one in modules() if unit_of(one) not in SYSTEM_FOLDERS])
def test_types_of_a_system_are_asked_for_in_its_own_folder_only(name: str) -> None:
    assert not types_asked_for(name)


def test_no_comment_has_a_subject_without_a_noun() -> None:
    """A reader who is not a native speaker looks for the noun."""
    vague = re.compile(r"\b(whoever|somebody|nobody)\b", re.I)
    for path in sorted((ROOT / "payloads").rglob("*.py")):
        source = path.read_text(encoding="utf-8")
        if not vague.search(source):
            continue
        comments = re.findall(r"^ *#.*|  # .*", source, re.M)
        documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
        nodes = [node for node in ast.walk(ast.parse(source)) if isinstance(node, documented)]
        for said in (*comments, *(ast.get_docstring(node) or "" for node in nodes)):
            assert not vague.search(said), f"{path.name}: {said}"


def test_only_the_command_line_prints() -> None:
    for name in modules():
        if unit_of(name) in ("cli", "__main__", "reference"):
            continue
        called = [node.func for node in nodes_of(name) if isinstance(node, ast.Call)]
        assert not [each for each in called if isinstance(each, ast.Name) and each.id == "print"]


# --- values ---------------------------------------------------------------------------------------

FULL = chainlink.decode(corpus.entry("cl-093").raw)
UPDATE = stork.decode(corpus.entry("st-001").raw)
VALUES: list[Any] = [
    FULL,
    FULL.report,
    UPDATE,
    UPDATE.assets[0],
    chainlink.decode_report(corpus.entry("cl-blob-v03").raw),
    chainlink.decode_report(b"\x77" * 100),
    chainlink.decode_report(b"\x77" * 100).report,
    chainlink.recover(FULL)[0],
    chainlink.decode_call(chainlink.encode_calldata(FULL.encode())),
    payloads.decode(corpus.entry("cl-snappy-01").raw),
    payloads.inspect(FULL.encode()),
    payloads.inspect(FULL.encode()).spans[0],
    chainlink.decode(FULL.encode() + b"\1").departures[0],
    FULL.parts[0],
]
named = pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)


@named
def test_values_are_frozen_hashable_and_equal_to_their_copies(value: Any) -> None:
    name = value.__struct_fields__[0]
    with pytest.raises(AttributeError):
        setattr(value, name, None)
    twin = copy.deepcopy(value)
    assert twin == value
    assert hash(twin) == hash(value)
    assert pickle.loads(pickle.dumps(value)) == value
    assert repr(twin) == repr(value)


@named
def test_reprs_are_one_readable_line(value: Any) -> None:
    line = repr(value)
    assert len(line.splitlines()) == 1
    assert len(line) < 2_500
    assert line.startswith(type(value).__name__ + "(")


def test_a_repr_elides_what_is_long() -> None:
    many = msgspec.structs.replace(UPDATE, assets=UPDATE.assets * 10_000)
    assert f"<{len(UPDATE.assets) * 10_000} × Asset>" in repr(many)
    assert len(repr(many)) < 1_000
    call = chainlink.decode_call(chainlink.encode_calldata(bytes(100_000)))
    assert len(repr(call)) < 1_000


class Unprintable:
    def __repr__(self) -> str:
        raise RuntimeError("no")


def test_a_repr_never_raises() -> None:
    """Whatever was put into a value: a repr is for looking at what went wrong."""

    class Anything(Record, frozen=True):
        held: Any

    for held in (Unprintable(), 10**5_000, "\x1b[31m\n", b"\xff" * 999, (1,) * 99, [Unprintable()]):
        line = repr(Anything(held))
        assert len(line.splitlines()) == 1
        assert "\x1b" not in line
        assert len(line) < 300


def test_byte_strings_that_name_something_are_hexbytes() -> None:
    assert isinstance(FULL.config_digest, HexBytes)
    assert isinstance(FULL.report.feed_id, HexBytes)
    assert isinstance(FULL.report_hash, HexBytes)
    assert isinstance(FULL.signing_digest, HexBytes)
    (span, *_) = payloads.inspect(FULL.encode()).spans
    assert isinstance(span.raw, HexBytes)


def test_addresses_are_checksummed() -> None:
    found = chainlink.recover(FULL)
    assert all(one.address != one.address.lower() for one in found)
    assert [one.address.lower() for one in found] == corpus.entry("cl-093").signers


# --- errors ---------------------------------------------------------------------------------------

ERRORS = [
    kind("reason", offset=7, field="rs[0]", expected="this", found="that", revert_data=b"\x01")
    for kind in (Malformed, Refused, Misuse)
] + [Malformed("bare")]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.kind)
def test_errors_are_records_that_pickle(error: PayloadError) -> None:
    for again in (pickle.loads(pickle.dumps(error)), copy.deepcopy(error)):
        assert type(again) is type(error)
        assert vars(again) == vars(error)
        assert str(again) == str(error)
        assert again.to_dict() == error.to_dict()
    assert isinstance(error, ValueError)
    assert isinstance(error, payloads.PayloadError)
    assert repr(error).startswith(f"{type(error).__name__}('")


def test_an_error_says_where_what_and_why_in_that_order() -> None:
    assert str(ERRORS[0]) == "rs[0] at byte 7: reason, expected this, found that"
    assert str(ERRORS[-1]) == "bare"
    assert ERRORS[0].to_dict() == {
        "kind": "malformed",
        "reason": "reason",
        "message": "rs[0] at byte 7: reason, expected this, found that",
        "offset": 7,
        "field": "rs[0]",
        "expected": "this",
        "found": "that",
        "revert_data": "0x01",
    }


def test_an_error_inside_something_is_seen_from_outside() -> None:
    moved = ERRORS[0].shifted(100, "payloads[1]")
    assert (moved.offset, moved.field) == (107, "payloads[1].rs[0]")
    assert moved.revert_data == ERRORS[0].revert_data
    assert ERRORS[-1].shifted(100, "report").to_dict()["field"] == "report"


@pytest.mark.parametrize("size", [0, 1, 47, 48, 49, 10_000])
def test_eliding_cuts_the_middle(size: int) -> None:
    text = "ab" * (size // 2) + "c" * (size % 2)
    assert len(elide(text)) <= 48
    assert (elide(text) == text) == (size <= 48)
    assert elide(text)[:1] == text[:1]
    assert elide(text)[-1:] == text[-1:]


def test_showing_never_raises() -> None:
    assert shown(10**5_000) == "an unprintable int"
    assert shown(Unprintable()) == "an unprintable Unprintable"
    assert shown("\x1b\n") == r"'\x1b\n'"


def test_what_holds_the_same_parts_very_often_is_not_written_out() -> None:
    value: list[Any] = []
    for _ in range(60):
        value = [value, value]
    assert shown(value) == "a list, with more than 4000000 others in it"
    deep: list[Any] = []
    for _ in range(64):
        deep = [deep]
    assert shown(deep) == "a list, nested more than 64 levels deep"
    assert shown(deep[0]).startswith("[[[")
    assert shown([[], [[]]] * 10**5).startswith("[[], [[]], [], ")
