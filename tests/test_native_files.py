"""The crate's own checks stay whole: what they name is in its source. No compiler is needed."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import Any

import pytest

NATIVE = Path(__file__).resolve().parent.parent / "native"


def text(name: str) -> str:
    return (NATIVE / name).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def mutants() -> Any:
    spec = importlib.util.spec_from_file_location("native_mutants", NATIVE / "mutants.py")
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_each_mutant_breaks_one_line_of_the_field(mutants: Any) -> None:
    sources = "".join(text(f"src/{name}") for name in mutants.FILES)
    assert len(mutants.MUTANTS) >= 10
    for before, after in mutants.MUTANTS:
        assert sources.count(before) == 1, before
        assert before != after


def test_every_function_of_the_field_is_tried_at_its_edges() -> None:
    functions = set(re.findall(r"(?:pub fn|^    fn) (\w+)", text("src/field.rs"), re.MULTILINE))
    # `limbs` only gives a factor's limbs, `limbs_to_add` a sum's; `carried` and its like are
    # private, inside the others.
    private = {"limbs", "limbs_to_add", "carried", "tightly_rippled", "folded"}
    assert {"times", "reduce", "canonical", "roots"} <= functions
    tried = text("tests/edges/mod.rs")
    missing = [name for name in functions - private if not re.search(rf"\b{name}\b", tried)]
    assert not missing


def test_both_fuzz_targets_have_a_body_that_a_test_runs_too() -> None:
    targets = {path.stem for path in (NATIVE / "fuzz" / "fuzz_targets").glob("*.rs")}
    assert targets == {"recover", "field"}
    for target in targets:
        assert f"hostile::{target}(bytes)" in text(f"fuzz/fuzz_targets/{target}.rs")
        assert f"hostile::{target}(" in text("tests/bytes.rs")
        assert f'name = "{target}"' in text("fuzz/Cargo.toml")
