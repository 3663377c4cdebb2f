"""A payload and the call that brings it to a contract, with the verdict that it must get."""

from __future__ import annotations

from typing import Any, Protocol

from hexbytes import HexBytes

from payloads.abi.fields import Record, hexed, jsonable
from payloads.judging import judge
from payloads.testing.costs import Cost, cost
from payloads.testing.damage import STAGES, Answer, Damage, Label
from payloads.verdicts.contract_errors import read_revert
from payloads.verdicts.state import State
from payloads.verdicts.verdict import Verdict


class Submission(Record, frozen=True, kw_only=True):
    """A call of a contract, what was done to it, and the verdict that it must get.

    `damage` is the label, `none` for a good one, and `meaning` says it in words. `accepted` and
    `verdict` are those of `payloads.judge`; `revert_data` is None where the call does not revert.
    `frame` is the message in which the venue sends the payload.
    """

    system: str
    payload: HexBytes
    state: State
    function: str
    pay: str | bytes | None
    value: int
    sender: str
    now: int
    calldata: HexBytes
    frame: str
    damage: str
    meaning: str
    accepted: bool
    verdict: str
    revert_data: HexBytes | None

    @property
    def terms(self) -> dict[str, Any]:
        """The keyword arguments of `payloads.judge` for this call."""
        names = ("function", "pay", "value", "sender", "now")
        return {name: getattr(self, name) for name in names}

    def judge(self) -> Verdict:
        """This library's verdict, which the promise must equal."""
        return judge(bytes(self.payload), self.state, **self.terms)

    def cost(self) -> Cost | None:
        """The cost of the call: fee, value and gas. None where the contract refuses it."""
        if not self.accepted:
            return None
        pay = None if isinstance(self.pay, bytes) else self.pay
        return cost(self.payload, self.state, pay=pay, sender=self.sender, now=self.now,
                    function=self.function)  # fmt: skip

    @property
    def rest_reply(self) -> str | None:
        """The body in which the venue's REST service gives the payload; None where it has none."""
        return self.frame if self.system == "chainlink" else None

    def to_dict(self) -> dict[str, Any]:
        """The submission as a JSON object, for programs in other languages."""
        names = ("system", "payload", "function", "value", "sender", "now", "calldata", "frame",
                 "damage", "meaning", "accepted", "verdict", "revert_data")  # fmt: skip
        record = {name: jsonable(getattr(self, name)) for name in names}
        record["value"] = str(self.value)
        record["pay"] = jsonable(self.pay)
        record["state"] = self.state.to_dict()
        return record


class Draft(Protocol):
    """A call while it is made: its stages, and what comes of them."""

    system: str
    state: Any
    pay: Any
    value: int
    sender: str
    now: int
    raw: bytes

    def sign(self) -> None: ...
    def encode(self) -> None: ...
    def settle(self) -> None: ...

    @property
    def function(self) -> str: ...
    @property
    def calldata(self) -> bytes: ...
    @property
    def frame(self) -> str: ...


def finished(draft: Draft, label: Label, damage: Damage) -> Submission:
    """The submission of a draft that is damaged at the label's stage."""
    steps = {"report": draft.sign, "signatures": draft.encode, "encoding": draft.settle}
    answer: Answer = None
    for stage in STAGES:
        if label.stage == stage:
            answer = label.apply(draft, damage)
        if (step := steps.get(stage)) is not None:
            step()
    verdict = "accepted" if answer is None else "returns false"
    if isinstance(answer, bytes):
        verdict = read_revert(answer).name
    return Submission(
        system=draft.system,
        payload=hexed(draft.raw),
        state=draft.state,
        function=draft.function,
        pay=draft.pay,
        value=draft.value,
        sender=draft.sender,
        now=draft.now,
        calldata=hexed(draft.calldata),
        frame=draft.frame,
        damage=label.name,
        meaning=label.meaning,
        accepted=answer is None,
        verdict=verdict,
        revert_data=hexed(answer) if isinstance(answer, bytes) else None,
    )
