"""What a chain knows, asked over JSON-RPC, and a guard in front of a transaction (extra `rpc`).

    from payloads import chain

    state = chain.fetch_state("https://…", proxy, subscriber=account)
    chain.save_state(state, "state.json")
    chain.send_guarded(w3, transaction, state)     # `Sent`; or `Refused`, and nothing is sent

A `LiveState` is a state that stays new, and `States` holds those of many contracts: a guard takes
either in the place of a state. `diff_states` compares two.

`connect` makes the `Node` that everything is asked through; a URL, a `Web3` or a provider of
web3.py is taken wherever a node is wanted. `Unavailable` says what a node does not answer.
`payloads.chain.aio` has the same functions for an `AsyncWeb3`, and `payloads.chain.middleware` the
guard as a middleware of web3.py.
"""

from typing import TYPE_CHECKING

from payloads._late import late

if TYPE_CHECKING:
    from payloads.chain.explaining.explain import explain
    from payloads.chain.explaining.explained import Explained, ExplainedCall, ExplainedPayload
    from payloads.chain.guarding.guard import (
        Sent,
        judge_transaction,
        refuse_transaction,
        send_guarded,
    )
    from payloads.chain.guarding.policy import Policy, PolicyRefusal
    from payloads.chain.guarding.preflights import Preflight, preflight
    from payloads.chain.guarding.problem import Problem
    from payloads.chain.guarding.transaction import build_transaction
    from payloads.chain.reading.changes import StateChange, diff_states
    from payloads.chain.reading.fetch import fetch_state, save_state
    from payloads.chain.reading.live_state import LiveState
    from payloads.chain.reading.states import States
    from payloads.chain.rpc import Node, Unavailable, connect

__all__ = [
    "Explained", "ExplainedCall", "ExplainedPayload", "LiveState", "Node", "Policy",
    "PolicyRefusal", "Preflight", "Problem", "Sent", "StateChange", "States", "Unavailable",
    "build_transaction", "connect", "diff_states", "explain", "fetch_state", "judge_transaction",
    "preflight", "refuse_transaction", "save_state", "send_guarded",
]  # fmt: skip

# Imported when first asked for: a guard needs no reader of events.
_MODULES = {
    **dict.fromkeys(("StateChange", "diff_states"), "reading.changes"),
    **dict.fromkeys(("Explained", "ExplainedCall", "ExplainedPayload"), "explaining.explained"),
    **dict.fromkeys(("fetch_state", "save_state"), "reading.fetch"),
    **dict.fromkeys(
        ("Sent", "judge_transaction", "refuse_transaction", "send_guarded"), "guarding.guard"
    ),
    **dict.fromkeys(("Policy", "PolicyRefusal"), "guarding.policy"),
    **dict.fromkeys(("Preflight", "preflight"), "guarding.preflights"),
    "explain": "explaining.explain",
    "Problem": "guarding.problem",
    **dict.fromkeys(("Node", "Unavailable", "connect"), "rpc"),
    "LiveState": "reading.live_state",
    "States": "reading.states",
    "build_transaction": "guarding.transaction",
}

__getattr__, __dir__ = late(__name__, _MODULES)
