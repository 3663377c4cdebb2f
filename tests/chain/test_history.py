"""From events in order to a state with its past: no node is asked (tests/onchain asks one)."""

from __future__ import annotations

from typing import Any

import pytest

from payloads.chain.reading.history import (
    AccessList,
    ConfigReplay,
    FeeHistory,
    History,
    TimedEvent,
    replay_destination,
    replay_settings,
    replay_uses,
)
from payloads.chain.rpc import Unavailable
from payloads.chainlink.state import V05, ChainlinkState

VERIFIER, OTHER, MANAGER = b"\x01" * 20, b"\x02" * 20, b"\x03" * 20
LINK, NATIVE, USER = b"\x0a" * 20, b"\x0b" * 20, b"\x0c" * 20
DIGEST, SECOND = b"\x00\x06" + bytes(30), b"\x00\x07" + bytes(30)
SIGNERS = tuple(bytes([index]) * 20 for index in range(1, 6))


def event(time: int, name: str, address: bytes = VERIFIER, **arguments: Any) -> TimedEvent:
    return TimedEvent(time, time, 0, address, name, arguments)


def replayed(*events: TimedEvent, f_of_updates: int = 1) -> tuple[ConfigReplay, History]:
    history = History()
    configs = ConfigReplay(V05, history, lambda _: f_of_updates)
    configs.read(events)
    return configs, history


def state(configs: ConfigReplay, history: History) -> ChainlinkState:
    record = {
        "contract": V05,
        "now": 1000,
        "configs": [builder.to_json() for builder in configs.builders],
        "unset_digests": configs.unset_digests.to_json(),
        "history": history.to_json(),
    }
    return ChainlinkState.from_dict(record)


def test_configs_with_their_times() -> None:
    known = state(
        *replayed(
            event(100, "ConfigSet", digest=DIGEST, signers=SIGNERS[:4], f=1),
            event(200, "ConfigDeactivated", digest=DIGEST),
            event(300, "ConfigActivated", digest=DIGEST),
            event(350, "OwnershipTransferred"),
            event(400, "ConfigUpdated", digest=DIGEST, signers=SIGNERS),
        )
    )
    assert known.at(99).configs == ()
    assert [known.at(time).configs[0].active for time in (100, 200, 300)] == [True, False, True]
    assert len(known.at(399).in_force[0].signers) == 4
    assert len(known.in_force[0].signers) == 5


def test_digests_that_were_unset_and_came_back() -> None:
    known = state(
        *replayed(
            event(100, "VerifierSet", MANAGER, digest=DIGEST, verifier=VERIFIER),
            event(100, "ConfigSet", digest=DIGEST, signers=SIGNERS[:4], f=1),
            event(200, "VerifierUnset", MANAGER, digest=DIGEST),
            event(300, "VerifierSet", MANAGER, digest=DIGEST, verifier=VERIFIER),
            event(400, "VerifierUnset", MANAGER, digest=DIGEST),
        )
    )
    found = [DIGEST in known.at(time).registered for time in (150, 250, 350, 450)]
    assert found == [True, False, True, False]


def test_another_verifier_takes_a_digest_over() -> None:
    configs, _ = replayed(
        event(100, "ConfigSet", digest=DIGEST, signers=SIGNERS[:4], f=1),
        event(200, "VerifierSet", MANAGER, digest=DIGEST, verifier=OTHER),
    )
    assert configs.builders[0].removed_at == 200
    assert configs.verifiers == {DIGEST: OTHER}


def test_events_about_unknown_configs_are_noticed() -> None:
    for name in ("ConfigActivated", "ConfigDeactivated"):
        with pytest.raises(Unavailable, match="events are missing"):
            replayed(event(100, name, digest=DIGEST))
    with pytest.raises(Unavailable, match="events are missing"):
        replay_destination([event(1, "ConfigRemoved", don_config_id=b"\x01")], lambda *_: None)


def test_the_list_of_a_destination_verifier() -> None:
    first, second = bytes(23) + b"\x01", bytes(23) + b"\x02"

    def asked(index: int, block: int) -> bool | None:
        return index != 1

    def set_(time: int, id_: bytes, index: int) -> TimedEvent:
        return event(time, "ConfigSet", don_config_id=id_, signers=SIGNERS[:4], f=1, index=index)

    builders, listed = replay_destination(
        [
            set_(100, first, 0),
            set_(200, first, 1),
            event(250, "ConfigActivated", don_config_id=first, active=False),
            set_(300, second, 2),
            event(400, "ConfigRemoved", don_config_id=second),
        ],
        asked,
    )
    assert [builder.active for builder in builders] == [True, False, True]
    assert [builder.removed_at for builder in builders] == [None, None, 400]
    assert listed == builders[:2]
    with pytest.raises(Unavailable, match="events are missing"):
        replay_destination([set_(100, first, 1)], asked)


def test_fee_managers_follow_one_another() -> None:
    old, new = FeeHistory(MANAGER, LINK, NATIVE, True), FeeHistory(OTHER, LINK, NATIVE, True)
    switch = event(300, "FeeManagerSet", VERIFIER, old=MANAGER, new=OTHER)
    history, uses = History(), replay_uses([switch], "FeeManagerSet", OTHER)
    discount = {"subscriber": USER, "feed_id": bytes(32), "token": LINK, "discount": 5}
    events = [
        event(100, "NativeSurchargeUpdated", MANAGER, surcharge=7),
        event(200, "NativeSurchargeUpdated", OTHER, surcharge=9),
        event(400, "SubscriberDiscountUpdated", OTHER, **discount),
    ]
    replay_settings(events, "fee_manager", uses, {MANAGER: old, OTHER: new}, history)
    found = [(entry["until"], entry["fee_manager"]) for entry in history.to_json()]
    assert [(until, fees["native_surcharge"]) for until, fees in found] == [
        (100, "0"), (300, "7"), (400, "9"),
    ]  # fmt: skip
    (given,) = new.to_json()["discounts"]
    assert (given["feed_id"], given["token"], given["discount"]) == (None, "link", "5")
    with pytest.raises(Unavailable, match="events are missing"):
        replay_uses([switch], "FeeManagerSet", MANAGER)


def test_an_access_list_with_its_past() -> None:
    users, history = AccessList(MANAGER, admits_origins=True), History()
    events = [
        event(100, "AddedAccess", MANAGER, user=USER),
        event(200, "RemovedAccess", MANAGER, user=USER),
        event(300, "CheckAccessDisabled", MANAGER),
    ]
    replay_settings(events, "access_controller", [(0, MANAGER)], {MANAGER: users}, history)
    allowed = [entry["access_controller"]["allowed"] for entry in history.to_json()]
    assert [len(each) for each in allowed] == [0, 1, 0]
    assert all(entry["access_controller"]["admits_origins"] for entry in history.to_json())
    assert users.to_json()["allowed"] is None
