"""The rows of the tables, in the order they run, and the goals they are held to."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.kits import Cargo, Floor, Go, Import, Kit, Npm, Ours, Pip, cores
from benchmarks.runners.loop import MANY

CORES = cores()

SECTIONS = {
    "decode": "decode one v3 report with 6 signatures: 992 bytes of hex in, every field out",
    "recover": "recover the signers of that report",
    "keccak": "keccak-256 of the 128 bytes the oracles sign",
    "verdict": "judge that report: what a contract would do with it, accepted or not",
    "guard": "guard that report in a transaction, with a node whose answers take no time",
    "bulk": f"judge {MANY} different payloads of 6 signatures; cores to use: {CORES}",
    "import": "start a fresh interpreter, import the package, end",
}

ETH_ABI = ("eth-abi==6.0.0", "eth-utils==6.0.0")
STREAMS = ("py-chainlink-streams==0.3.4", *ETH_ABI)
FASTER = ("faster-eth-abi==5.2.32",)
PYCRYPTODOME = ("pycryptodome==3.24.1",)
COINCURVE = ("coincurve==21.0.0", *PYCRYPTODOME)
BTCLIB = ("btclib-secp256k1==0.8.0.13", *PYCRYPTODOME)
ETH_KEYS = ("eth-keys==0.8.0", *COINCURVE, *ETH_ABI)
ETH_ACCOUNT = ("eth-account==0.14.0", *ETH_KEYS)
WEB3 = ("web3==8.0.0", *ETH_ABI)
ETH_HASH = ("eth-hash==0.8.0", *PYCRYPTODOME)
TYPESCRIPT = "@chainlink/data-streams-sdk@1.2.1"
CRATE = ("chainlink-data-streams-report", "1.3.0")
GO_SDK = "github.com/smartcontractkit/data-streams-sdk/go"
GO_ETHEREUM = ("github.com/ethereum/go-ethereum", "v1.17.0")


@dataclass(frozen=True)
class Row:
    """One line of a table. `group` joins rows that do the same work; ratios are to the first."""

    key: str
    group: str
    label: str
    kit: Kit

    @property
    def section(self) -> str:
        return self.group.partition(":")[0]


def decode_rows(go_sdk: str | None) -> list[Row]:
    def pip(label: str, pins: tuple[str, ...], venv: str = "python") -> Row:
        return Row(label, "decode", label, Pip(pins, label, venv))

    geth = Go(*GO_ETHEREUM, "geth", "go-ethereum")
    vendor = Go(GO_SDK, go_sdk, "vendor", "data-streams-sdk/go")
    return [
        Row("ours", "decode", "payloads.chainlink.decode", Ours("decode")),
        Row("ours-any", "decode", "payloads.decode (recognises it first)", Ours("decode-any")),
        Row("rust-sdk", "decode", "vendor SDK, Rust", Cargo(*CRATE)),
        Row("go-sdk", "decode", "vendor SDK, Go", vendor),
        Row("geth", "decode", "go-ethereum abi, as the Go SDK calls it", geth),
        pip("faster-eth-abi", FASTER, "faster"),
        pip("eth-abi", ETH_ABI),
        pip("py-chainlink-streams", STREAMS),
        Row("ts-sdk", "decode", "vendor SDK, TypeScript", Npm(TYPESCRIPT)),
    ]


def recover_rows(count: str) -> list[Row]:
    group = f"recover:{count}"

    def pip(case: str, label: str, pins: tuple[str, ...]) -> Row:
        return Row(f"{case}:{count}", group, label, Pip(pins, f"{case}:{count}"))

    def floor(name: str, pins: tuple[str, ...]) -> Row:
        kit = Floor(Pip(pins, ""), name, count)
        return Row(f"floor:{name}:{count}", group, f"C loop over {name}'s own library", kit)

    return [
        Row(f"ours:{count}", group, "payloads.crypto", Ours(f"recover-{count}")),
        floor("btclib-secp256k1", BTCLIB),
        floor("coincurve", COINCURVE),
        pip("btclib", "btclib-secp256k1, public API", BTCLIB),
        pip("coincurve", "coincurve, public API", COINCURVE),
        pip("eth-keys", "eth-keys over coincurve", ETH_KEYS),
        pip("eth-account", "eth-account", ETH_ACCOUNT),
        pip("eth-keys-pure", "eth-keys, pure Python", ETH_KEYS),
    ]


def keccak_rows() -> list[Row]:
    def pip(label: str, pins: tuple[str, ...]) -> Row:
        return Row(label, "keccak", label, Pip(pins, label))

    return [
        Row("ours-keccak", "keccak", "payloads.crypto", Ours("keccak")),
        pip("tiny-keccak", ("tiny-keccak==0.4.0",)),
        pip("safe-pysha3", ("safe-pysha3==1.0.7",)),
        pip("pycryptodome", PYCRYPTODOME),
        pip("eth-hash", ETH_HASH),
    ]


def verdict_rows() -> list[Row]:
    def ours(case: str, label: str) -> Row:
        return Row(case, "verdict", f"chainlink.judge, {label}", Ours(case))

    return [
        # Both the floor and what the ratios refer to.
        Row("recoveries", "verdict", "payloads.crypto.recover, six times", Ours("recover-six")),
        ours("verdict-v05", "v0.5.0"),
        ours("verdict-v05-hex", "v0.5.0, hex in"),
        ours("verdict-v05-fees", "v0.5.0 with a fee manager"),
        ours("verdict-v04", "v0.4.0"),
        ours("verdict-v03", "v0.3.0"),
    ]


def guard_rows() -> list[Row]:
    return [
        Row("guard-judge", "guard", "payloads.judge, of its calldata", Ours("guard-judge")),
        Row("guard", "guard", "chain.refuse_transaction", Ours("guard")),
        Row("guard-preflight", "guard", "chain.preflight", Ours("guard-preflight")),
    ]


def bulk_rows() -> list[Row]:
    def ours(case: str, label: str) -> Row:
        return Row(case, "bulk", f"chainlink.{label}", Ours(case))

    return [
        ours("bulk-many", "judge_many"),
        ours("bulk-one-thread", "judge_many(workers=1)"),
        ours("bulk-loop", "judge, one at a time"),
        # What the cores had to give: without it, a busy neighbour looks like a slow library.
        ours("bulk-processes", "judge, in one process a core that is already there"),
    ]


def import_rows() -> list[Row]:
    def ours(key: str, statement: str, distribution: str = "payloads") -> Row:
        return Row(key, "import", statement, Import(statement, distribution))

    def pip(module: str, pins: tuple[str, ...]) -> Row:
        # Each in an environment of its own: what is installed beside it is what it asked for.
        name = pins[0].partition("==")[0]
        statement = f"import {module}"
        kit = Import(statement, name, Pip(pins, "", f"import-{name}"))
        return Row(f"import:{name}", "import", statement, kit)

    return [
        ours("import", "import payloads"),
        ours("import-judge", "from payloads.chainlink import judge"),
        ours("bare", "pass", ""),
        pip("eth_abi", ETH_ABI),
        pip("coincurve", COINCURVE[:1]),
        pip("py_chainlink_streams", STREAMS),
        pip("web3", WEB3),
    ]


def all_rows(go_sdk: str | None = None) -> list[Row]:
    recover = [*recover_rows("one"), *recover_rows("six")]
    others = [*verdict_rows(), *guard_rows(), *bulk_rows(), *import_rows()]
    return [*decode_rows(go_sdk), *recover, *keccak_rows(), *others]


@dataclass(frozen=True)
class Goal:
    """`ours` against `rival`: at least so many times as fast, at most so many times its time, or
    (an absolute figure, which depends on the machine) at most so many seconds longer.

    `{library}` in `rival` is the library that ours says it works over.
    """

    text: str
    ours: str
    rival: str
    at_least: float = 0.0
    at_most: float | None = None
    seconds_more: float | None = None
    # With fewer it decides nothing.
    cores: int = 1
    # The row to mention where the rival cannot be had. It decides nothing.
    stand_in: str | None = None


GOALS = [
    Goal("decode at least 18x as fast as eth-abi", "ours", "eth-abi", at_least=18.0),
    Goal(
        "decode at least 4x as fast as the Go SDK",
        "ours",
        "go-sdk",
        at_least=4.0,
        stand_in="geth",
    ),
    Goal(
        "recover one signature within 1.15x of the library's own C loop",
        "ours:one",
        "floor:{library}:one",
        at_most=1.15,
    ),
    *(
        Goal(
            f"one verdict within 1.15x of its six recoveries: {row.label}",
            row.key,
            "recoveries",
            at_most=1.15,
        )
        for row in verdict_rows()[1:]
    ),
    *(
        Goal(
            f"at most 1.3x a bare verdict, without the node's time: {row.label}",
            row.key,
            "guard-judge",
            at_most=1.3,
        )
        for row in guard_rows()[1:]
    ),
    Goal(
        f"judge_many on all cores ({CORES}) at least 1.7x as fast as one at a time",
        "bulk-many",
        "bulk-loop",
        at_least=1.7,
        cores=2,
    ),
    Goal(
        "import payloads in at most 150 ms above the bare interpreter (absolute, on this machine)",
        "import",
        "bare",
        seconds_more=0.150,
    ),
]
