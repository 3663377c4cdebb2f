"""The guard as a middleware of web3.py: what would be refused does not reach the node.

    w3.middleware_onion.inject(GuardMiddlewareBuilder.build(state), "guard", layer=0)
    w3.eth.send_transaction(transaction)     # raises `Refused` instead of sending

The same line is for a `Web3` and for an `AsyncWeb3`, also over a websocket. Guarded is each
transaction to a contract that the state is of, and each to a consumer of the policy that carries a
payload, sent with `eth_sendTransaction` or signed (`eth_sendRawTransaction`: its signer is the
sender). Other transactions, and all other methods, pass untouched. The guard asks the node
directly, not through the onion.

Layer 0 is next to the provider: there the guard sees what goes out, whatever other middleware made
of it, signed transactions of `SignAndSendRawMiddlewareBuilder` included. On the outside
(`middleware_onion.add`) it sees transactions first: before they are signed, and before web3.py asks
the node for the gas of a call that reverts.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from inspect import isawaitable, iscoroutinefunction
from typing import TYPE_CHECKING, Any, TypeAlias

from payloads.chain import aio
from payloads.chain.guarding import guard
from payloads.chain.guarding.guard import CAREFUL
from payloads.chain.guarding.policy import Policy
from payloads.chain.guarding.signed_transactions import read_signed
from payloads.chain.reading.states import Source, contracts_of
from payloads.errors import Misuse, not_installed, shown
from payloads.inputs import to_bytes
from payloads.signatures import address_bytes

try:
    from web3.middleware.base import Web3MiddlewareBuilder
except ImportError as error:
    raise not_installed("web3", "rpc") from error

if TYPE_CHECKING:
    from web3.middleware.base import Middleware

# A state, or a function that gives it: it is called for each transaction, and may be awaited.
Given: TypeAlias = "Source | Callable[[], Source | Awaitable[Source]]"

_SENDS = ("eth_sendTransaction",)
_SENDS_RAW = ("eth_sendRawTransaction", "eth_sendRawTransactionSync")


class GuardMiddlewareBuilder(Web3MiddlewareBuilder):
    """Refuses transactions as `refuse_transaction` does."""

    _state: Given
    _policy: Policy

    @staticmethod
    def build(  # type: ignore[override]
        state: Given, policy: Policy = CAREFUL
    ) -> Middleware:
        """The middleware to put into an onion: one of a state, of `States`, or of a function."""
        if not callable(state):
            contracts_of(state)
        made: Any = partial(_made, state, policy)
        return made  # type: ignore[no-any-return]

    def request_processor(self, method: Any, params: Any) -> Any:
        if (transaction := _transaction(method, params)) is not None:
            if iscoroutinefunction(self._state):
                raise Misuse("a state that is awaited", field="state", expected="an AsyncWeb3")
            source = self._source()
            if _is_guarded(transaction, source, self._policy):
                guard.refuse_transaction(self._w3, transaction, source, self._policy)
        return method, params

    async def async_request_processor(self, method: Any, params: Any) -> Any:
        if (transaction := _transaction(method, params)) is not None:
            source = self._source()
            if isawaitable(source):
                source = await source
            if _is_guarded(transaction, source, self._policy):
                await aio.refuse_transaction(self._w3, transaction, source, self._policy)
        return method, params

    def _source(self) -> Any:
        return self._state() if callable(self._state) else self._state


def _made(state: Given, policy: Policy, w3: Any) -> GuardMiddlewareBuilder:
    middleware = GuardMiddlewareBuilder(w3)
    middleware._state, middleware._policy = state, policy
    return middleware


def _transaction(method: str, params: Any) -> Mapping[str, Any] | None:
    """The transaction that a request sends to a contract."""
    if method in _SENDS:
        transaction = params[0]
    elif method in _SENDS_RAW:
        transaction = read_signed(to_bytes(params[0], name="raw"))
    else:
        return None
    return transaction if transaction.get("to") else None


def _is_guarded(transaction: Mapping[str, Any], source: Source, policy: Policy) -> bool:
    to = transaction["to"]
    if isinstance(to, str) and "." in to:
        raise Misuse(
            "the guard is asked before the name is looked up",
            field="to", expected='middleware_onion.inject(guard, "guard", layer=0)',
            found=shown(to),
        )  # fmt: skip
    contract = address_bytes(to, "to")
    if contract in policy.known_consumers():
        # Other calls of one's own contract, and ether for it, are not the guard's business.
        return guard.carries_payload(transaction)
    return contract in contracts_of(source)
