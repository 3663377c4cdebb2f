"""States of several contracts, and two states compared."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec.structs
import pytest

from payloads.chain import (
    States,
    diff_states,
    judge_transaction,
    refuse_transaction,
    save_state,
    send_guarded,
)
from payloads.chain.reading.states import state_for
from payloads.chainlink.state import ChainlinkState
from payloads.errors import Misuse
from payloads.stork.state import StorkState
from payloads.verdicts.state import State
from tests.chain.stork_chain import ADDRESS
from tests.chain.test_guard import call, stork, update

HERE, THERE = "0x" + "11" * 20, "0x" + "22" * 20
DIGEST, OTHER = "0x0006" + "11" * 30, "0x0006" + "22" * 30
SIGNERS = ["0x" + f"{index:040x}" for index in range(1, 9)]
LINK, NATIVE = "0x" + "1c" * 20, "0x" + "2d" * 20


def fast(chain_id: int | None = 1, proxy: str | None = HERE, **keys: Any) -> State:
    known = {"contract": "stork-fast-1.0.0", "signer": SIGNERS[0], "now": 1_700_000_000}
    return StorkState.from_dict(known | {"chain_id": chain_id, "proxy": proxy} | keys)


def streams(chain_id: int = 1, proxy: str = HERE, digest: str = DIGEST, **keys: Any) -> State:
    config: dict[str, Any] = {"signers": SIGNERS[:4], "f": 1}
    config |= {"activation_time": 0} if "contract" in keys else {"config_digest": digest}
    known = {"contract": "v0.5.0", "now": 1_700_000_000, "configs": [config]}
    return ChainlinkState.from_dict(known | {"chain_id": chain_id, "proxy": proxy} | keys)


# --- by chain and contract ------------------------------------------------------------------------


def test_a_state_is_found_by_its_chain_and_contract() -> None:
    first, second, third = fast(1, HERE), fast(2, HERE), fast(1, THERE)
    states = States([first, second, third])
    assert (len(states), list(states)) == (3, [first, second, third])
    assert states[2, HERE] is second
    assert states.pick(1, bytes.fromhex("22" * 20)) is third
    assert "chain 2: 0x1111" in repr(states)


@pytest.mark.parametrize("key", [(3, HERE), (2, THERE)])
def test_an_unknown_contract_is_told_with_those_that_are_known(key: tuple[int, str]) -> None:
    states = States([fast(1, HERE), fast(2, HERE), *(fast(n, THERE) for n in range(10, 20))])
    with pytest.raises(Misuse, match="no state of this contract on this chain") as caught:
        states[key]
    assert "chain 1: 0x1111" in str(caught.value.expected)
    assert "and 6 more" in str(caught.value.expected)
    assert str(caught.value.found).startswith(f"chain {key[0]}: 0x")


def test_states_that_cannot_be_told_apart_are_misuse() -> None:
    with pytest.raises(Misuse, match=r"states\[1\]: a second state of the same contract"):
        States([fast(), fast(verification_fee="7")])
    with pytest.raises(Misuse, match="no chain_id"):
        States([fast(None)])
    with pytest.raises(Misuse, match="no proxy"):
        States([fast(1, None)])
    bad: Any = ["state.json"]
    with pytest.raises(Misuse, match="not a state"):
        States(bad)
    with pytest.raises(Misuse, match="goes to no contract"):
        States([fast()]).pick(1, None)
    with pytest.raises(Misuse, match="not a state"):
        state_for(bad, {"to": HERE}, lambda: 1)


# --- folders --------------------------------------------------------------------------------------


def test_a_folder_of_state_files(tmp_path: Path) -> None:
    save_state(fast(1), tmp_path / "one.json")
    (tmp_path / "two.toml").write_text(
        f'contract = "stork-fast-1.0.0"\nsigner = "{SIGNERS[0]}"\nchain_id = 2\nproxy = "{HERE}"\n'
    )
    (tmp_path / "README.md").write_text("about them")
    (tmp_path / ".one.json.x7").write_text("{")
    (tmp_path / "old.json").mkdir()
    states = States.load(tmp_path)
    assert [state.chain_id for state in states] == [1, 2]
    assert states.ignored == (tmp_path / "README.md",)


@pytest.mark.parametrize(
    ("content", "match"),
    [
        ("{", "not a state file"),
        ('{"contract": "stork-fast-1.0.0"}', "signer: missing"),
        ('{"contract": "stork-fast-1.0.0", "signer": 5}', "signer"),
        (f'{{"contract": "stork-fast-1.0.0", "signer": "{HERE}"}}', "no chain_id"),
    ],
)
def test_a_broken_file_is_named(tmp_path: Path, content: str, match: str) -> None:
    (tmp_path / "broken.json").write_text(content)
    with pytest.raises(Misuse, match=match) as caught:
        States.load(tmp_path)
    assert "broken.json" in str(caught.value)


def test_a_folder_without_states_is_misuse(tmp_path: Path) -> None:
    with pytest.raises(Misuse, match="no state files here"):
        States.load(tmp_path)
    with pytest.raises(Misuse, match="cannot read the folder"):
        States.load(tmp_path / "nowhere")


def test_two_files_of_a_contract_are_misuse(tmp_path: Path) -> None:
    for name in ("a.json", "b.json"):
        save_state(fast(), tmp_path / name)
    with pytest.raises(Misuse, match=r"b\.json: a second state of the same contract"):
        States.load(tmp_path)


# --- guards ---------------------------------------------------------------------------------------


def test_the_guard_picks_by_the_chain_and_the_recipient() -> None:
    w3, state = stork()
    elsewhere = msgspec.structs.replace(state, chain_id=5)
    states = States([fast(1, THERE), elsewhere, state])
    transaction = call(update())
    assert judge_transaction(w3, transaction, states).state is state
    assert refuse_transaction(w3, transaction, states).state is state
    assert send_guarded(w3, transaction, states).verdict.accepted
    with pytest.raises(Misuse, match="no state of this contract"):
        judge_transaction(w3, transaction | {"to": "0x" + "99" * 20}, states)
    w3.chain.chain_id = 7
    with pytest.raises(Misuse, match="no state of this contract") as caught:
        send_guarded(w3, transaction, states)
    assert "chain 7" in str(caught.value.found)
    assert len(w3.sent) == 1
    assert bytes(state.proxy or b"") == ADDRESS


# --- payloads -------------------------------------------------------------------------------------


def test_a_payload_picks_by_its_system_and_its_digest() -> None:
    first, second, third = streams(1), streams(2, digest=OTHER), fast(3)
    states = States([first, second, third])
    payload = bytes.fromhex(OTHER[2:]) + bytes(300)
    assert states.for_payload(payload, "chainlink") is second
    assert states.for_payload(payload, "stork") is third
    with pytest.raises(Misuse, match="several states may judge the payload") as caught:
        states.for_payload(payload)
    assert "chain 3" in str(caught.value.found)
    with pytest.raises(Misuse, match="no state knows the payload") as caught:
        states.for_payload(b"\x77" * 300, "chainlink")
    assert "chain 1" in str(caught.value.expected)
    # v0.4.0 finds the signers by time, whatever the digest is.
    old = streams(4, contract="v0.4.0")
    assert States([first, old]).for_payload(b"\x77" * 300, "chainlink") is old


# --- two states compared --------------------------------------------------------------------------


def test_every_kind_of_change_is_told() -> None:
    fees = {"link": LINK, "native": NATIVE, "native_surcharge": "5", "address": HERE}
    before = streams(fee_manager=fees, access_controller={"allowed": [HERE]})
    assert diff_states(before, before) == ()
    changes = {
        "config": streams(digest=OTHER, fee_manager=fees, access_controller={"allowed": [HERE]}),
        "fees": streams(fee_manager=fees | {"native_surcharge": "6"},
                        access_controller={"allowed": [HERE]}),
        "fee_manager": streams(fee_manager=fees | {"address": THERE},
                               access_controller={"allowed": [HERE]}),
        "access": streams(fee_manager=fees, access_controller={"allowed": [THERE]}),
        "contract": streams(2, fee_manager=fees, access_controller={"allowed": [HERE]}),
    }  # fmt: skip
    for kind, after in changes.items():
        found = diff_states(before, after)
        assert {change.kind for change in found} == {kind}
        back = {each.path: (each.after, each.before) for each in diff_states(after, before)}
        assert back == {each.path: (each.before, each.after) for each in found}
    gone = streams(access_controller={"allowed": [HERE]})
    assert [change.kind for change in diff_states(before, gone)] == ["fee_manager"]
    assert [change.kind for change in diff_states(fast(), fast(verification_fee="7"))] == ["fees"]
    rotated = diff_states(fast(), fast(signer=SIGNERS[1]))
    assert [(change.kind, change.path) for change in rotated] == [("config", "signer")]
    assert str(rotated[0]) == f"signer: {SIGNERS[0]} became {SIGNERS[1]}"


def test_time_and_place_of_reading_are_no_change() -> None:
    later = fast(now=1_800_000_000, block_number=7, source="elsewhere")
    assert diff_states(fast(), later) == ()
    bad: Any = {"contract": "stork-fast-1.0.0"}
    with pytest.raises(Misuse, match="after: not a state"):
        diff_states(fast(), bad)
