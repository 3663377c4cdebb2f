"""The sentence of a finding: a rule's template, with the values of the first occurrence in it.

`{feed}` is a value, and `{count:gap|gaps}` is a word that agrees with a number. A part in `[…]` is
left out where a value in it is unknown; elsewhere, an unknown value is "unknown".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from payloads.errors import elide

_MOST = 120
_OPTIONAL = re.compile(r"\[([^\[\]]*)\]")
_VALUE = re.compile(r"\{(\w+)(?::([^{}|]*)\|([^{}|]*))?\}")


def sentence(template: str, values: Mapping[str, Any]) -> str:
    """The template with the values in it."""

    def part(found: re.Match[str]) -> str:
        names = [value[1] for value in _VALUE.finditer(found[1])]
        return found[1] if all(values.get(name) is not None for name in names) else ""

    def word(found: re.Match[str]) -> str:
        value = values.get(found[1])
        if found[2] is not None:
            return found[2] if str(value) == "1" else found[3]
        return "unknown" if value is None else elide(str(value), _MOST)

    # Before the values are put in: theirs may hold brackets.
    return _VALUE.sub(word, _OPTIONAL.sub(part, template))
