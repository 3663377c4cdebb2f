"""Who signs, inferred from traffic: states that judge the same traffic as its contract did.

A config of Chainlink is what was signed under a digest: its members are the signers that signed
together, and f is one less than the signatures of a report. The signers of Stork stand alone.
What signed fewer than `least` different payloads, or never together with the others, is left out
and listed: a damaged payload makes signers up. Every line comes with its evidence.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from hexbytes import HexBytes

from payloads.abi.fields import Record
from payloads.chainlink.state import MAX_SIGNERS, V05, ChainlinkState, Config
from payloads.crypto import checksum, keccak256
from payloads.errors import Misuse, printable
from payloads.forensics.showing.folder import Folder
from payloads.forensics.showing.summary import places
from payloads.forensics.showing.words import instant_ns, place_words
from payloads.stork.state import MAX_SIGNERS as MAX_STORK_SIGNERS
from payloads.stork.state import STORK, STORK_MULTISIGNER, StorkState
from payloads.verdicts.state import State

SOURCE = "inferred from traffic"
LEAST = 2
_Row = dict[str, Any]


class Seen(Record, frozen=True):
    """A signer with what speaks for it: different payloads, the times of receipt, and a place."""

    signer: str
    payloads: int
    first: int | None
    last: int | None
    place: str
    why: str = ""

    def words(self) -> str:
        """The evidence in a line."""
        times = f"{instant_ns(self.first)} to {instant_ns(self.last)}"
        many = "1 payload" if self.payloads == 1 else f"{self.payloads:,} different payloads"
        return f"signed {many}, {times}, first in {self.place}"

    def to_dict(self) -> dict[str, Any]:
        why = {"why": self.why} if self.why else {}
        return {
            "signer": self.signer, "payloads": self.payloads, "first": self.first,
            "last": self.last, "place": self.place,
        } | why  # fmt: skip


class Group(Record, frozen=True):
    """A config in use: its digest (None for Stork), members, outsiders, signatures a report."""

    system: str
    digest: str | None
    payloads: int
    signatures: int
    first: int | None
    last: int | None
    members: tuple[Seen, ...]
    outsiders: tuple[Seen, ...]
    unseen: tuple[str, ...] = ()
    problem: str = ""

    def words(self) -> str:
        """The evidence for the config in a line."""
        each = "1 signature" if self.signatures == 1 else f"{self.signatures} signatures"
        times = f"{instant_ns(self.first)} to {instant_ns(self.last)}"
        many = "1 payload" if self.payloads == 1 else f"{self.payloads:,} different payloads"
        return f"{many} with {each} each, observed {times}"

    def to_dict(self) -> dict[str, Any]:
        return {
            "system": self.system,
            "config_digest": self.digest,
            "payloads": self.payloads,
            "signatures": self.signatures,
            "first": self.first,
            "last": self.last,
            "members": [each.to_dict() for each in self.members],
            "unseen": list(self.unseen),
            "outsiders": [each.to_dict() for each in self.outsiders],
        } | ({"problem": self.problem} if self.problem else {})


class Inferred(Record, frozen=True):
    """The groups of signers in a scan."""

    groups: tuple[Group, ...]
    source: str

    def states(self) -> dict[str, State]:
        """The states of the systems that have a state, by the system's name."""
        found: dict[str, State] = {}
        chainlink = [group for group in self.groups if group.digest and not group.problem]
        if chainlink:
            configs = tuple(map(_config, chainlink))
            found["chainlink"] = ChainlinkState(contract=V05, configs=configs, source=self.source)
        for group in self.groups:
            if group.digest is None and group.members:
                found["stork"] = _stork(group, self.source)
        return found

    def to_dict(self) -> dict[str, Any]:
        """As `payloads signers --json` prints it."""
        return {
            "source": self.source,
            "groups": [group.to_dict() for group in self.groups],
            "states": {name: state.to_dict() for name, state in self.states().items()},
        }


def infer(folder: Folder, least: int = LEAST) -> Inferred:
    """What the payloads of a scan say about their signers."""
    if least < 1:
        raise Misuse("too few payloads", field="least", expected="at least 1", found=str(least))
    groups = tuple(_groups(folder, least))
    when = [each for group in groups for each in (group.first, group.last) if each is not None]
    times = f" of {instant_ns(min(when))} to {instant_ns(max(when))}" if when else ""
    return Inferred(groups, f"{SOURCE}{times}: not read from any chain")


def _groups(folder: Folder, least: int) -> Iterator[Group]:
    keys = folder.rows(
        "SELECT DISTINCT system, network FROM signatures WHERE signer IS NOT NULL"
        " AND system IS NOT NULL ORDER BY system, network"
    )
    for key in keys:
        yield _group(folder, key["system"], key["network"], least)


# The payloads of a group, each different one once, with its signers.
_SIGNED = """
  SELECT s.signed_hash, list_sort(list_distinct(list(s.signer))) AS signers,
         min(p.observed_ns) AS observed, min(s.at_ns) AS received, min(s.frame) AS frame
  FROM (SELECT *, min((frame, index)) OVER (PARTITION BY signed_hash) AS first FROM signatures
        WHERE system = ? AND network IS NOT DISTINCT FROM ? AND signed_hash IS NOT NULL) s
  JOIN payloads p USING (frame, index)
  WHERE (s.frame, s.index) = s.first AND s.signer IS NOT NULL AND p.error IS NULL
  GROUP BY s.signed_hash
"""


def _group(folder: Folder, system: str, network: str | None, least: int) -> Group:
    sets = folder.rows(
        f"SELECT signers, count(*) AS count FROM ({_SIGNED}) GROUP BY 1 ORDER BY 2 DESC, 1",
        system, network,
    )  # fmt: skip
    seen = _seen(folder, system, network)
    together = _together([(tuple(row["signers"]), row["count"]) for row in sets])
    inside = together if network is not None else {each.signer for each in seen}
    sizes = Counter[int]()
    for row in sets:
        if inside & set(row["signers"]):
            sizes[len(row["signers"])] += row["count"]
    signatures = sizes.most_common(1)[0][0] if sizes else 0
    needed = min(least, max((each.payloads for each in seen), default=0))
    members = [each for each in seen if each.signer in inside and each.payloads >= needed]
    most = MAX_SIGNERS if network is not None else MAX_STORK_SIGNERS
    members = sorted(members, key=lambda each: (-each.payloads, each.signer))[:most]
    kept = {each.signer for each in members}
    outsiders = tuple(_outsider(each, inside, needed) for each in seen if each.signer not in kept)
    whole = folder.row(
        f"SELECT count(*) AS count, min(observed) AS first, max(observed) AS last FROM ({_SIGNED})"
        " WHERE list_has_any(signers, ?::VARCHAR[])",
        system, network, sorted(kept),
    )  # fmt: skip
    problem = _problem(signatures) if network is not None else ""
    unseen = () if network is None or problem else _unseen(network, signatures - 1, len(members))
    return Group(
        system, network, whole["count"], signatures, whole["first"], whole["last"],
        tuple(members), outsiders, unseen, problem,
    )  # fmt: skip


def _seen(folder: Folder, system: str, network: str | None) -> list[Seen]:
    rows = folder.rows(
        "SELECT signer, count(*) AS payloads, min(received) AS first, max(received) AS last,"
        " arg_min(frame, (received IS NULL, received, frame)) AS frame"
        f" FROM (SELECT unnest(signers) AS signer, * EXCLUDE (signers) FROM ({_SIGNED}))"
        " GROUP BY signer ORDER BY payloads DESC, signer",
        system, network,
    )  # fmt: skip
    where = places(folder, [row["frame"] for row in rows])
    return [
        Seen(row["signer"], row["payloads"], row["first"], row["last"],
             place_words(where[row["frame"]]))
        for row in rows
    ]  # fmt: skip


def _together(sets: Sequence[tuple[tuple[str, ...], int]]) -> set[str]:
    """The signers that signed together, directly or over others: the largest such group."""
    groups: list[tuple[set[str], int]] = []
    for signers, count in sets:
        apart, joined, payloads = [], set(signers), count
        for group, before in groups:
            if group.isdisjoint(signers):
                apart.append((group, before))
            else:
                joined |= group
                payloads += before
        groups = [*apart, (joined, payloads)]
    return max(groups, key=lambda each: (each[1], len(each[0])), default=(set(), 0))[0]


def _outsider(seen: Seen, inside: Iterable[str], needed: int) -> Seen:
    if seen.signer not in inside:
        why = "never signed together with the members"
    elif seen.payloads < needed:
        why = f"signed fewer than {needed} different payloads"
    else:
        why = "the contract can have no more signers"
    return Seen(seen.signer, seen.payloads, seen.first, seen.last, seen.place, why)


def _problem(signatures: int) -> str:
    """Why no config can be so."""
    if signatures < 2:
        return "a report with one signature is accepted by no config"
    if 3 * (signatures - 1) >= MAX_SIGNERS:
        return f"a report with {signatures} signatures wants more signers than a config can have"
    return ""


def _unseen(digest: str, f: int, members: int) -> tuple[str, ...]:
    """Stand-ins for members that did not sign: a config has more than 3 f. They have no keys."""
    missing = range(max(0, 3 * f + 1 - members))
    return tuple(
        checksum(keccak256(f"payloads: unseen signer {number} of {digest}".encode())[12:]).lower()
        for number in missing
    )


def _address(text: str) -> HexBytes:
    return HexBytes(text)


def _config(group: Group) -> Config:
    signers = [*(each.signer for each in group.members), *group.unseen]
    return Config(
        signers=tuple(map(_address, signers)),
        f=group.signatures - 1,
        config_digest=HexBytes(group.digest or ""),
    )


def _stork(group: Group, source: str) -> StorkState:
    signers = tuple(_address(each.signer) for each in group.members)
    if len(signers) == 1:
        return StorkState(contract=STORK, signer=signers[0], source=source)
    return StorkState(contract=STORK_MULTISIGNER, signers=signers, source=source)


# --- files ----------------------------------------------------------------------------------------


def toml(inferred: Inferred, system: str) -> str:
    """The state of a system as TOML, with the evidence for each line as a comment."""
    state = inferred.states()[system]
    groups = [group for group in inferred.groups if group.system == system]
    lines = [
        f"# {SOURCE}: each line with its evidence.",
        "# What no payload tells (fees, access, configs that were not in use) is not in here.",
        'kind = "world"',
        f'contract = "{state.contract}"',
        f'source = "{inferred.source}"',
    ]
    for group in groups:
        lines += ["", *_lines(group, system)]
        lines += [f"# left out: {each.signer}, {printable(_left(each))}"
                  for each in group.outsiders]  # fmt: skip
    return "\n".join(lines) + "\n"


def _lines(group: Group, system: str) -> Iterator[str]:
    if group.problem:
        yield f"# {group.digest}: {group.problem}"
        return
    yield f"# {group.words()}"
    if system == "chainlink":
        yield "[[configs]]"
        yield f'config_digest = "{group.digest}"'
        yield f"f = {group.signatures - 1}"
    elif len(group.members) == 1:
        yield f'signer = "{group.members[0].signer}"  # {printable(group.members[0].words())}'
        return
    yield "signers = ["
    for each in group.members:
        yield f'  "{each.signer}",  # {printable(each.words())}'
    for address in group.unseen:
        yield f'  "{address}",  # not seen: it stands for a member that signed nothing here'
    yield "]"


def _left(seen: Seen) -> str:
    return f"{seen.why}: {seen.words()}"
