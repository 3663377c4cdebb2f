"""Signers inferred from traffic: the states load, and judge the same traffic as it was judged."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable
from pathlib import Path
from random import Random

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

import payloads
from payloads import State
from payloads.cli.main import main
from payloads.errors import Misuse
from payloads.forensics.showing.folder import Folder
from payloads.forensics.showing.signers import LEAST, infer, toml
from payloads.testing import InsecureTestNetwork, InsecureTestStorkSigner
from tests.forensics import made
from tests.forensics.made import Made


def lower(addresses: tuple[str, ...]) -> list[str]:
    return [each.lower() for each in addresses]


def raws(folder: Path) -> list[dict[str, object]]:
    table = pq.read_table(folder / "payloads", columns=["raw", "system", "signed_hash", "error"])
    return [row for row in table.to_pylist() if row["error"] is None]


def written(tmp_path: Path, fill: Callable[[Made], None]) -> Path:
    plan = Made()
    fill(plan)
    return plan.write(tmp_path / "scan")


def test_what_a_contract_accepted_is_accepted_by_what_was_inferred(tmp_path: Path) -> None:
    folder = made.made(tmp_path / "scan")
    ran = CliRunner().invoke(main, ["signers", str(folder), "-o", str(tmp_path / "inferred")])
    assert ran.exit_code == 0, ran.output
    states = {path.stem: State.load(path) for path in sorted((tmp_path / "inferred").iterdir())}
    assert set(states) == {"chainlink", "stork"}
    verdicts = []
    for row in raws(folder):
        verdict = payloads.judge(row["raw"], states[str(row["system"])], now=made.BEGAN // 10**9)
        verdicts.append(verdict.accepted)
    assert len(verdicts) == 346
    assert verdicts.count(False) == 2, "the report of the strangers, which came twice"


def test_a_state_says_that_it_is_inferred_and_why(tmp_path: Path) -> None:
    folder = made.made(tmp_path / "scan", hostile="\n\x1b[31m")
    with Folder(folder) as opened:
        found = infer(opened)
    text = toml(found, "chainlink")
    assert tomllib.loads(text)["source"].startswith("inferred from traffic of 2026-03-01 12:00")
    assert "\x1b" not in text
    for line in text.splitlines():
        if line.startswith('  "0x'):
            assert "# signed " in line or "# not seen" in line
    (group, stork) = found.groups
    assert (group.digest, group.signatures) == (made.hexed(made.NETWORK.config_digest), 3)
    assert [each.signer for each in group.members] == sorted(lower(made.NETWORK.signers[:3]))
    assert {each.payloads for each in group.members} == {222}
    assert len(group.unseen) == 4, "a config has more than 3 f members, and three signed"
    assert {each.signer for each in group.outsiders} == set(lower(made.STRANGERS.signers[:3]))
    assert {each.why for each in group.outsiders} == {"never signed together with the members"}
    assert [each.signer for each in stork.members] == [made.STORK.address.lower()]
    assert (group.first, group.last) == (made.BEGAN, made.BEGAN + 595 * 10**9), "the active period"


def test_members_that_take_turns_are_all_found(tmp_path: Path) -> None:
    random = Random(7)

    def fill(plan: Made) -> None:
        for second in range(60):
            by = random.sample(range(7), 3)
            signed = made.NETWORK.sign(made.report(0, second, 100), epoch=second + 1, by=by)
            plan.chainlink(0, second, signed)

    with Folder(written(tmp_path, fill)) as opened:
        (group,) = infer(opened).groups
        state = infer(opened).states()["chainlink"]
    assert {each.signer for each in group.members} == set(lower(made.NETWORK.signers))
    assert group.unseen == ()
    assert state == State.from_dict(state.to_dict())


def test_two_digests_are_two_configs(tmp_path: Path) -> None:
    other = InsecureTestNetwork("other", size=7, f=1)

    def fill(plan: Made) -> None:
        for second in range(4):
            for network in (made.NETWORK, other):
                plan.chainlink(0, second, network.sign(made.report(0, second, 1), epoch=second + 1))

    with Folder(written(tmp_path, fill)) as opened:
        found = infer(opened)
        loaded = tomllib.loads(toml(found, "chainlink"))
    assert {config["config_digest"]: config["f"] for config in loaded["configs"]} == {
        made.hexed(made.NETWORK.config_digest): 2,
        made.hexed(other.config_digest): 1,
    }


def test_a_damaged_update_makes_no_signer(tmp_path: Path) -> None:
    """Any signature recovers to an address: of a damaged payload it is a new one each time."""
    second_signer = InsecureTestStorkSigner("second")

    def fill(plan: Made) -> None:
        for second in range(6):
            row = plan.stork(second, (50,))
            if second == 3:
                plan.rows["signatures"][-1]["signer"] = "0x" + "ab" * 20
                plan.rows["signatures"][-1]["signed_hash"] = row["signed_hash"] = "0x" + "cd" * 32
            elif second > 3:
                plan.rows["signatures"][-1]["signer"] = second_signer.address.lower()

    folder = written(tmp_path, fill)
    with Folder(folder) as opened:
        (group,) = infer(opened).groups
        assert [each.payloads for each in group.members] == [3, 2]
        assert [(each.signer, each.why) for each in group.outsiders] == [
            ("0x" + "ab" * 20, f"signed fewer than {LEAST} different payloads")
        ]
        assert infer(opened).states()["stork"].contract.endswith("multisigner")
        assert len(infer(opened, least=1).groups[0].members) == 3
        with pytest.raises(Misuse, match="too few"):
            infer(opened, least=0)


def test_a_report_with_one_signature_makes_no_config(tmp_path: Path) -> None:
    def fill(plan: Made) -> None:
        for second in range(3):
            signed = made.NETWORK.sign(made.report(0, second, 1), epoch=second + 1, by=[0])
            plan.chainlink(0, second, signed)

    with Folder(written(tmp_path, fill)) as opened:
        found = infer(opened)
    assert found.groups[0].problem == "a report with one signature is accepted by no config"
    assert found.states() == {}


def test_on_the_terminal_and_as_json(tmp_path: Path) -> None:
    folder = str(made.made(tmp_path / "scan"))
    said = CliRunner().invoke(main, ["signers", folder]).stdout
    assert "222 different payloads with 3 signatures each" in said
    assert "first in one.jsonl, line 41" in said
    record = json.loads(CliRunner().invoke(main, ["signers", folder, "--json"]).stdout)
    assert record["source"].startswith("inferred from traffic")
    assert State.from_dict(record["states"]["stork"]).source == record["source"]
    assert record["groups"][0]["outsiders"][0]["why"]


def test_nothing_signed(tmp_path: Path) -> None:
    (tmp_path / "scan.json").write_text("{}")
    ran = CliRunner().invoke(main, ["signers", str(tmp_path), "-o", str(tmp_path / "out")])
    assert (ran.exit_code, "no signature in it" in ran.stdout) == (0, True)
