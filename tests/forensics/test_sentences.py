"""Sentences of findings: a template with values in it."""

from __future__ import annotations

import pytest

from payloads.forensics.examining.rules import Rule, ours
from payloads.forensics.examining.sentences import sentence

TEMPLATE = "{count} {count:gap|gaps}[ of feed {feed}], the first of {seconds} s"


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"count": "1", "feed": "1/2", "seconds": 2.0}, "1 gap of feed 1/2, the first of 2.0 s"),
        ({"count": "1,000", "feed": "x", "seconds": 3}, "1,000 gaps of feed x, the first of 3 s"),
        ({"count": "2", "feed": None, "seconds": 2}, "2 gaps, the first of 2 s"),
        ({"count": "2"}, "2 gaps, the first of unknown s"),
    ],
)
def test_a_number_has_its_word_and_an_unknown_value_is_left_out(
    values: dict[str, object], expected: str
) -> None:
    assert sentence(TEMPLATE, values) == expected


def test_what_a_value_holds_is_never_read_as_a_template() -> None:
    hostile = "[x {count}] {count:a|b}"
    assert sentence("{what}[: {what}]", {"what": hostile}) == f"{hostile}: {hostile}"
    assert sentence("{what}", {"what": "x" * 500}).endswith("x" * 50)


@pytest.mark.parametrize("rule", ours(), ids=lambda rule: rule.code)
def test_the_templates_of_our_rules_are_read_whole(rule: Rule) -> None:
    said = sentence(rule.sentence, {"count": "1"})
    assert said.startswith(("unknown", "1 ", "the ", "clocks ", "feed ", "nothing "))
    assert not set("[]{}|") & set(said)
