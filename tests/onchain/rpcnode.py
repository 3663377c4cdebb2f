"""A real JSON-RPC node on loopback (Hardhat), with the published contracts deployed on it.

    with HardhatNode() as node:
        deployment = Deployment.v5(node)

Only `eth_sendTransaction` from the node's own accounts is used to change anything, so what a test
sees is what a chain would have done. The package is installed at test time into the cache.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import msgspec
from eth_abi.abi import decode, encode

from payloads.testing.onchain.building import install
from payloads.testing.onchain.encoding import calldata
from tests.onchain.build import CACHE, ensure_artifacts

HERE: Final = Path(__file__).resolve().parent / "node"
STARTED_IN_SECONDS: Final = 60
GAS: Final = 15_000_000
# Files of tests run side by side, in workers.
_WORKER: Final = os.environ.get("PYTEST_XDIST_WORKER", "main")


def ensure_hardhat() -> Path:
    """The folder that Hardhat is installed in."""
    folder = CACHE / "node"
    install(HERE / "package.json", folder)
    config, scratch = folder / "hardhat.config.cjs", folder / f"{_WORKER}.cjs"
    # Renamed into place: a node that starts for another worker never sees half of it.
    shutil.copy(HERE / config.name, scratch)
    scratch.replace(config)
    return folder


class Failed(RuntimeError):
    """The node answered with an error."""

    def __init__(self, error: Any) -> None:
        super().__init__(str(error)[:500])
        self.error = error


class HardhatNode:
    """A node process; `url` is where it listens."""

    def __init__(self, chain_id: int = 31337) -> None:
        self.chain_id = chain_id

    def __enter__(self) -> HardhatNode:
        folder = ensure_hardhat()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        script = folder / "node_modules" / "hardhat" / "internal" / "cli" / "bootstrap.js"
        command = ("node", str(script), "node", "--hostname", "127.0.0.1", "--port", str(port))
        quiet = {"HARDHAT_DISABLE_TELEMETRY_PROMPT": "true", "CI": "true", "DO_NOT_TRACK": "1"}
        self._log = (folder / f"node {self.chain_id} {_WORKER}.log").open("w")
        self._process = subprocess.Popen(
            command,
            cwd=folder,
            env={**os.environ, **quiet, "PAYLOADS_CHAIN_ID": str(self.chain_id)},
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
        )
        self._wait()
        self.accounts: list[str] = self.ask("eth_accounts")
        self.owner = self.accounts[0]
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()

    def _wait(self) -> None:
        until = time.monotonic() + STARTED_IN_SECONDS
        while True:
            try:
                self.ask("eth_chainId")
                return
            except OSError:
                if self._process.poll() is not None or time.monotonic() > until:
                    raise
                time.sleep(0.1)

    def ask(self, method: str, *params: Any) -> Any:
        body = msgspec.json.encode(
            {"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)}
        )
        request = urllib.request.Request(
            self.url, body, {"Content-Type": "application/json", "Connection": "close"}
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            found = msgspec.json.decode(answer.read())
        if "error" in found:
            raise Failed(found["error"])
        return found["result"]

    # --- transactions -----------------------------------------------------------------------------

    def transact(self, call: dict[str, Any]) -> dict[str, Any]:
        """Send a transaction from an account of the node's; its receipt."""
        hash_ = self.ask("eth_sendTransaction", {"from": self.owner, "gas": hex(GAS), **call})
        receipt: dict[str, Any] = self.ask("eth_getTransactionReceipt", hash_)
        if receipt["status"] != "0x1":
            raise Failed("the transaction reverted")
        return receipt

    def deploy(self, name: str, types: Iterable[str] = (), *args: object) -> str:
        code = bytes.fromhex(ensure_artifacts()[name]["bytecode"]) + encode(list(types), args)
        found: str = self.transact({"data": "0x" + code.hex()})["contractAddress"]
        return found

    def send(self, to: str, signature: str, *args: object) -> dict[str, Any]:
        return self.transact({"to": to, "data": "0x" + calldata(signature, *args).hex()})

    def call(self, to: str, data: bytes, **options: Any) -> tuple[bool, bytes]:
        """Whether a call succeeds, and what it returns or reverts with."""
        block = options.pop("block", "latest")
        call = {"to": to, "data": "0x" + data.hex(), "gas": hex(GAS), **options}
        try:
            found = self.ask("eth_call", call, block)
        except Failed as failed:
            said = failed.error["data"]
            return False, bytes.fromhex((said["data"] if isinstance(said, dict) else said)[2:])
        return True, bytes.fromhex(found[2:])

    @property
    def number(self) -> int:
        return int(self.ask("eth_blockNumber"), 16)

    def time(self, block: int | None = None) -> int:
        number = self.number if block is None else block
        return int(self.ask("eth_getBlockByNumber", hex(number), False)["timestamp"], 16)

    def pass_time(self, seconds: int) -> None:
        """The next block, mined at once, is so much later."""
        self.ask("evm_increaseTime", seconds)
        self.ask("evm_mine")

    def mine(self, blocks: int) -> None:
        self.ask("hardhat_mine", hex(blocks))

    def place(self, address: str, runtime: str) -> None:
        self.ask("hardhat_setCode", address, "0x" + runtime)


def returned(types: list[str], data: bytes) -> Any:
    return decode(types, data)


if __name__ == "__main__":
    ensure_hardhat()
