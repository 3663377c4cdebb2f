"""The rules: a `.sql` file for each kind of finding, read from our folder or from a user's.

A file begins with comments that say what it finds, and the rest is one SELECT of DuckDB. Each row
of its result is an occurrence. docs/findings.md describes both for authors of further rules.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from payloads.abi.fields import Record
from payloads.errors import Malformed, Misuse, elide, shown
from payloads.inputs import read_bounded, to_path

SEVERITIES = ("info", "warning", "danger")
GROUPS = ("payload", "signature", "time", "price", "stream", "file")
# The rules that are installed with the package.
FOLDER = Path(__file__).parent / "sql"
# What several of them begin with: a table for each file, named as the file.
SHARED = FOLDER / "shared"
MOST_BYTES = 2**20

_KEY = re.compile(r"-- ([a-z]+)(?: ([a-z_]+))?: (.+)")
_MORE = re.compile(r"--   +(.+)")
_CODE = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_BOUND = re.compile(r"([0-9.]+)(?: (s))? - (.+)")
_KEYS = ("what", "severity", "group", "revision", "sentence", "by", "within")
# What a rule's rows may belong together in.
WITHIN = ("frame", "connection", "feed")
_UNITS = {"": 1, "ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1, "m": 60, "h": 3600, "d": 86400}
_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ns|us|ms|s|m|h|d)?")


class Bound(Record, frozen=True):
    """A number that a rule takes from the policy: `$name` in its SQL. `unit` is `s` or empty."""

    name: str
    default: float
    unit: str
    meaning: str

    def read(self, value: Any, where: str) -> float:
        """The number that a policy gives: for a time, seconds or a text such as `5m`."""
        if isinstance(value, str) and self.unit and (found := _DURATION.fullmatch(value)):
            return float(found[1]) * _UNITS[found[2] or ""]
        if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 2**53:
            return float(value)
        expected = "seconds, or such as 90s, 5m, 2h" if self.unit else "a number from 0"
        raise Misuse("not a bound", field=where, expected=expected, found=shown(value))


class Rule(Record, frozen=True):
    """A kind of finding. `by` are the columns that group its occurrences, beside the usual columns.

    `within`: no occurrence needs rows of two frames, connections or feeds; empty: it may.
    """

    code: str
    sql: str
    what: str = ""
    severity: str = "warning"
    group: str = "stream"
    revision: int = 1
    sentence: str = "{count} {count:row|rows} of {code}"
    by: tuple[str, ...] = ()
    within: str = ""
    bounds: tuple[Bound, ...] = ()
    own: bool = False

    @property
    def takes_feeds(self) -> bool:
        """Whether its bounds may differ by feed."""
        return "feed_bounds" in self.sql


def ours() -> tuple[Rule, ...]:
    """The rules of this package, by their codes."""
    return tuple(_read(path, own=True) for path in sorted(FOLDER.glob("*.sql")))


def load(paths: Iterable[str | Path] = ()) -> tuple[Rule, ...]:
    """Our rules, then those of a user's files and folders. A code stands for one rule."""
    found = {rule.code: rule for rule in ours()}
    for path in _files(paths):
        rule = _read(path, own=False)
        if rule.code in found:
            expected = "a name that no other rule has"
            raise Misuse("two rules of one code", field=str(path), expected=expected)
        found[rule.code] = rule
    return tuple(found.values())


def _files(paths: Iterable[str | Path]) -> Iterator[Path]:
    for given in paths:
        path = to_path(given)
        if not path.is_dir():
            yield path
            continue
        files = sorted(path.glob("*.sql"))
        if not files:
            raise Misuse("no rules in this folder", field=str(path), expected="files *.sql")
        yield from files


def content_of(path: str | Path, kind: str) -> bytes:
    """The bytes of a rule or a policy; `Misuse` where the file cannot be read."""
    try:
        return read_bounded(path, MOST_BYTES, kind)
    except OSError as error:
        raise Misuse(f"cannot be read: {error.strerror}", field=str(path)) from None


def _read(path: Path, *, own: bool) -> Rule:
    try:
        return parse(content_of(path, "rule").decode(), path.stem, own=own)
    except UnicodeDecodeError:
        raise Misuse("not a rule", field=str(path), expected="SQL in UTF-8") from None
    except Malformed as error:
        raise Misuse(error.reason, field=f"{path}: {error.field}", expected=error.expected,
                     found=error.found) from None  # fmt: skip


def parse(text: str, code: str, *, own: bool = False) -> Rule:
    """The rule in the text of a file whose name, without its end, is the code."""
    if not _CODE.fullmatch(code):
        expected = "small letters, digits and hyphens"
        raise Malformed("not a code", field="name of the file", expected=expected,
                        found=elide(code))  # fmt: skip
    given: dict[str, Any] = {}
    bounds: list[Bound] = []
    for key, name, value in _header(text):
        if key == "bound" and name:
            bounds.append(_bound(name, value))
        elif key in _KEYS and not name:
            given[key] = value
        else:
            expected = ", ".join((*_KEYS, "bound NAME"))
            raise Malformed("no such line of a rule's head", field=key, expected=expected)
    _choice(given, "severity", SEVERITIES)
    _choice(given, "group", GROUPS)
    _choice(given, "within", WITHIN)
    if "revision" in given:
        if not re.fullmatch(r"[1-9][0-9]{0,3}", given["revision"]):
            raise Malformed("not a revision", field="revision", expected="a number from 1")
        given["revision"] = int(given["revision"])
    given["by"] = tuple(filter(None, re.split(r", *", given.get("by", ""))))
    return Rule(code, text, bounds=tuple(bounds), own=own, **given)


def _choice(given: dict[str, Any], key: str, known: tuple[str, ...]) -> None:
    if given.get(key, known[0]) not in known:
        found, expected = elide(given[key]), ", ".join(known)
        raise Malformed(f"no such {key}", field=key, expected=expected, found=found)


def _bound(name: str, value: str) -> Bound:
    if not (found := _BOUND.fullmatch(value)) or found[1].count(".") > 1:
        expected = "such as `-- bound after: 60 s - silence that is tolerated`"
        raise Malformed("not a bound", field=name, expected=expected, found=elide(value))
    return Bound(name, float(found[1]), found[2] or "", found[3])


def _header(text: str) -> Iterator[tuple[str, str, str]]:
    """The lines `-- key: value` before the query; a line that is set in goes on with a value."""
    key, name, value = "", "", ""
    for line in text.splitlines():
        if not line.startswith("--"):
            break
        if found := _KEY.fullmatch(line):
            if key:
                yield key, name, value
            key, name, value = found[1], found[2] or "", found[3].strip()
        elif key and (more := _MORE.fullmatch(line)):
            value += " " + more[1].strip()
        elif key:  # a comment without a key ends the value
            yield key, name, value
            key = ""
    if key:
        yield key, name, value


# --- the page -------------------------------------------------------------------------------------

_MARKS = ("<!-- made from the rules by `make docs` -->\n", "<!-- as far as this -->\n")


def page(text: str) -> str:
    """docs/findings.md with the table of our rules between its marks."""
    before, _, rest = text.partition(_MARKS[0])
    _, mark, after = rest.partition(_MARKS[1])
    if not mark:
        raise Misuse("no place for the table", field="docs/findings.md", expected=" ".join(_MARKS))
    return f"{before}{_MARKS[0]}\n{''.join(map(_section, GROUPS))}{_MARKS[1]}{after}"


def _section(group: str) -> str:
    rows = "".join(_row(rule) for rule in ours() if rule.group == group)
    return (
        f"### About {_ABOUT[group]}\n\n| code | severity | what is found |\n|---|---|---|\n{rows}\n"
    )


_ABOUT = dict(
    zip(GROUPS, ("payloads", "signatures", "times", "prices", "streams", "files"), strict=True)
)


def _row(rule: Rule) -> str:
    bounds = "".join(
        f" `{bound.name}` = {bound.default:g}{' s' * bool(bound.unit)}: {bound.meaning}."
        for bound in rule.bounds
    )
    feeds = " Its bounds may differ by feed." if rule.takes_feeds else ""
    return f"| `{rule.code}` | {rule.severity} | {rule.what}{bounds}{feeds} |\n"


if __name__ == "__main__":
    path = Path(sys.argv[1])
    path.write_text(page(path.read_text(encoding="utf-8")), encoding="utf-8")
