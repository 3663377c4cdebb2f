"""A made-up chain with one Stork contract on it, as a provider of JSON-RPC: no node is needed."""

from __future__ import annotations

import copy
from typing import Any

from eth_abi.abi import encode

from tests.stork_contract import StorkContract, selector

OWNER = "0x" + "aa" * 20
ADDRESS = bytes.fromhex("11" * 20)
GENESIS, SECONDS = 1_700_000_000, 12


class StorkChain:
    """Each call of the owner is a block; what the contract was is kept for every block."""

    def __init__(self, several: bool = False, chain_id: int = 1) -> None:
        self.contract, self.chain_id = StorkContract(several), chain_id
        self.blocks: list[StorkContract | None] = [None, None, copy.deepcopy(self.contract)]
        self.log_of: list[tuple[int, list[bytes], bytes]] = []
        self.sent: list[dict[str, Any]] = []
        self.asked: list[tuple[str, list[Any]]] = []
        # Counted up by a reorganisation: the same number has another hash then.
        self.branch = 0
        self.branches: dict[int, int] = {}

    # --- changing it ------------------------------------------------------------------------------

    def mine(self, blocks: int = 1) -> None:
        self.blocks += [copy.deepcopy(self.contract) for _ in range(blocks)]

    def send(self, signature: str, *values: Any) -> int:
        """A call of the owner; the block that has it."""
        types = [part for part in signature[signature.index("(") + 1 : -1].split(",") if part]
        before = len(self.contract.logs)
        ok, data = self.contract.call(selector(signature) + encode(types, values), OWNER)
        assert ok, data
        number = len(self.blocks)
        self.log_of += [(number, *log) for log in self.contract.logs[before:]]
        self.mine()
        return number

    def initialize(self, signers: list[str], fee: int) -> int:
        if self.contract.several:
            return self.send("initialize(address,address[],uint256)", OWNER, signers, fee)
        return self.send("initialize(address,address,uint256)", OWNER, signers[0], fee)

    def back_to(self, number: int) -> None:
        """Take all later blocks back."""
        known = self.blocks[number]
        assert known is not None
        self.contract = copy.deepcopy(known)
        del self.blocks[number + 1 :]
        self.log_of = [entry for entry in self.log_of if entry[0] <= number]
        self.branches = {block: n for block, n in self.branches.items() if block <= number}
        self.branch += 1

    @property
    def head(self) -> int:
        return len(self.blocks) - 1

    def time(self, number: int) -> int:
        return GENESIS + SECONDS * number

    # --- asking -----------------------------------------------------------------------------------

    def make_request(self, method: str, params: list[Any]) -> dict[str, Any]:
        self.asked.append((method, params))
        return getattr(self, method)(*params)  # type: ignore[no-any-return]

    def eth_chainId(self) -> dict[str, Any]:
        return {"result": hex(self.chain_id)}

    def eth_blockNumber(self) -> dict[str, Any]:
        return {"result": hex(self.head)}

    def eth_getBlockByNumber(self, block: str, _: bool) -> dict[str, Any]:
        number = self.head if block == "latest" else int(block, 16)
        if number > self.head:
            return {"result": None}
        branch = self.branches.setdefault(number, self.branch)
        timestamp, hash_ = hex(self.time(number)), "0x" + f"{branch:032x}{number:032x}"
        return {"result": {"number": hex(number), "timestamp": timestamp, "hash": hash_}}

    def _at(self, address: str, block: str) -> StorkContract | None:
        return self.blocks[int(block, 16)] if bytes.fromhex(address[2:]) == ADDRESS else None

    def eth_getCode(self, address: str, block: str) -> dict[str, Any]:
        return {"result": "0x" if self._at(address, block) is None else "0x60"}

    def eth_call(self, call: dict[str, str], block: str) -> dict[str, Any]:
        contract = self._at(call["to"], block)
        if contract is None:
            return {"result": "0x"}
        contract = copy.deepcopy(contract)
        ok, data = contract.call(bytes.fromhex(call["data"][2:]), call.get("from", OWNER))
        if ok:
            return {"result": "0x" + data.hex()}
        return {"error": {"code": 3, "message": "execution reverted", "data": "0x" + data.hex()}}

    def eth_getLogs(self, wanted: dict[str, Any]) -> dict[str, Any]:
        first, last = int(wanted["fromBlock"], 16), int(wanted["toBlock"], 16)
        return {
            "result": [
                self._log(index, *entry)
                for index, entry in enumerate(self.log_of)
                if first <= entry[0] <= last and "0x" + entry[1][0].hex() in wanted["topics"][0]
            ]
        }

    def _log(self, index: int, number: int, topics: list[bytes], data: bytes) -> dict[str, Any]:
        return {
            "blockNumber": hex(number),
            "logIndex": hex(index),
            "address": "0x" + ADDRESS.hex(),
            "topics": ["0x" + topic.hex() for topic in topics],
            "data": "0x" + data.hex(),
            "transactionHash": "0x" + "00" * 32,
        }

    def eth_sendTransaction(self, transaction: dict[str, Any]) -> dict[str, Any]:
        self.sent.append(transaction)
        return {"result": "0x" + f"{len(self.sent):064x}"}
