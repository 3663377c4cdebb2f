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
    from payloads.chain.changes import StateChange, diff_states
    from payloads.chain.explaining import Explained, ExplainedCall, ExplainedPayload, explain
    from payloads.chain.fetch import fetch_state, save_state
    from payloads.chain.guard import Sent, judge_transaction, refuse_transaction, send_guarded
    from payloads.chain.live_state import LiveState
    from payloads.chain.policy import Policy, PolicyRefusal
    from payloads.chain.preflights import Preflight, preflight
    from payloads.chain.problem import Problem
    from payloads.chain.rpc import Node, Unavailable, connect
    from payloads.chain.states import States
    from payloads.chain.transaction import build_transaction

__all__ = [
    "Explained", "ExplainedCall", "ExplainedPayload", "LiveState", "Node", "Policy",
    "PolicyRefusal", "Preflight", "Problem", "Sent", "StateChange", "States", "Unavailable",
    "build_transaction", "connect", "diff_states", "explain", "fetch_state", "judge_transaction",
    "preflight",
    "refuse_transaction", "save_state", "send_guarded",
]  # fmt: skip

# Imported when first asked for: a guard needs no reader of events.
_MODULES = {
    **dict.fromkeys(("StateChange", "diff_states"), "changes"),
    **dict.fromkeys(("Explained", "ExplainedCall", "ExplainedPayload", "explain"), "explaining"),
    **dict.fromkeys(("fetch_state", "save_state"), "fetch"),
    **dict.fromkeys(("Sent", "judge_transaction", "refuse_transaction", "send_guarded"), "guard"),
    **dict.fromkeys(("Policy", "PolicyRefusal"), "policy"),
    **dict.fromkeys(("Preflight", "preflight"), "preflights"),
    "Problem": "problem",
    **dict.fromkeys(("Node", "Unavailable", "connect"), "rpc"),
    "LiveState": "live_state",
    "States": "states",
    "build_transaction": "transaction",
}

__getattr__, __dir__ = late(__name__, _MODULES)
