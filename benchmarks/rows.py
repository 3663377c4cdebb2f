"""The rows of the three tables, in the order they run, and the goals they are held to."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.kits import Cargo, Floor, Go, Kit, Npm, Ours, Pip

SECTIONS = {
    "decode": "decode one v3 report with 6 signatures: 992 bytes of hex in, every field out",
    "recover": "recover the signers of that report",
    "keccak": "keccak-256 of the 128 bytes the oracles sign",
}

ETH_ABI = ("eth-abi==6.0.0", "eth-utils==6.0.0")
STREAMS = ("py-chainlink-streams==0.3.4", *ETH_ABI)
FASTER = ("faster-eth-abi==5.2.32",)
PYCRYPTODOME = ("pycryptodome==3.24.1",)
COINCURVE = ("coincurve==21.0.0", *PYCRYPTODOME)
BTCLIB = ("btclib-secp256k1==0.8.0.13", *PYCRYPTODOME)
ETH_KEYS = ("eth-keys==0.8.0", *COINCURVE, *ETH_ABI)
ETH_ACCOUNT = ("eth-account==0.14.0", *ETH_KEYS)
ETH_HASH = ("eth-hash==0.8.0", *PYCRYPTODOME)
TYPESCRIPT = "@chainlink/data-streams-sdk@1.2.1"
CRATE = ("chainlink-data-streams-report", "1.3.0")
GO_SDK = "github.com/smartcontractkit/data-streams-sdk/go"
GO_ETHEREUM = ("github.com/ethereum/go-ethereum", "v1.17.0")


@dataclass(frozen=True)
class Row:
    """One line of a table. `group` joins rows that do the same work; the first is ours."""

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


def all_rows(go_sdk: str | None = None) -> list[Row]:
    recover = [*recover_rows("one"), *recover_rows("six")]
    return [*decode_rows(go_sdk), *recover, *keccak_rows()]


@dataclass(frozen=True)
class Goal:
    """`ours` against `rival`: at least so many times as fast, or at most so many times its time.

    `{library}` in `rival` is the library that ours says it works over.
    """

    text: str
    ours: str
    rival: str
    at_least: float = 0.0
    at_most: float | None = None
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
]
