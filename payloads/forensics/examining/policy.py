"""The policy: bounds, severities, suppressions, and which findings make the exit code 1.

A rule says what there is; a policy says what of it matters. It is a TOML file that
docs/findings.md describes. A key that does not exist is `Misuse`, with the one that was likely
meant. A baseline is an earlier findings.jsonl: what it has is known.
"""

from __future__ import annotations

import datetime
import difflib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from payloads.abi.fields import Record
from payloads.errors import Misuse, elide, shown
from payloads.forensics.examining.records import FINGERPRINTS, Finding
from payloads.forensics.examining.rules import SEVERITIES, Rule, content_of
from payloads.inputs import check_depth, to_path
from payloads.verdicts.state import parse_toml

_LEVELS = (*SEVERITIES, "never")
_TOP = ("fail_on", "rules", "suppress")
_OF_RULE = ("severity", "off", "most", "feeds")
_OF_SUPPRESSION = ("code", "feed", "fingerprint", "reason", "until")


class Suppression(Record, frozen=True):
    """Findings that are not shown, and the reason; perhaps until the end of a day."""

    reason: str
    code: str = ""
    feed: str = ""
    fingerprint: str = ""
    until: datetime.date | None = None

    def covers(self, finding: Finding) -> bool:
        """Whether it is about the finding."""
        return (
            self.code in ("", finding.code)
            and self.feed in ("", finding.feed)
            and self.fingerprint in ("", finding.fingerprint)
        )


class Settings(Record, frozen=True):
    """The policy about one rule. `most` occurrences do not fail."""

    severity: str = ""
    off: bool = False
    most: int | None = None
    bounds: Mapping[str, float] = {}
    feeds: Mapping[str, Mapping[str, float]] = {}


_NONE = Settings()


class Policy(Record, frozen=True):
    """A policy. The default one changes nothing, and fails on findings of danger."""

    fail_on: str = "danger"
    rules: Mapping[str, Settings] = {}
    suppressions: tuple[Suppression, ...] = ()
    today: datetime.date = datetime.date.min

    @classmethod
    def load(cls, path: str | Path | None, rules: Sequence[Rule]) -> Policy:
        """The policy in a TOML file; without a file the default policy."""
        today = datetime.datetime.now(datetime.UTC).date()
        if path is None:
            return cls(today=today)
        text = content_of(path, "policy")
        try:
            record = parse_toml(text)
        except (ValueError, RecursionError) as error:
            raise Misuse(f"not a policy: {elide(str(error), 120)}", field=str(path)) from None
        return cls.read(record, rules, today)

    @classmethod
    def read(cls, record: Mapping[str, Any], rules: Sequence[Rule], today: datetime.date) -> Policy:
        """The policy in an object with the members of the file."""
        _check_keys(record, _TOP, "")
        known = {rule.code: rule for rule in rules}
        given = _table(record.get("rules", {}), "rules")
        _check_keys(given, known, "rules")
        suppressions = record.get("suppress", [])
        if not isinstance(suppressions, list):
            raise Misuse("not a list", field="suppress", expected="[[suppress]]")
        return cls(
            _choice(record.get("fail_on", "danger"), _LEVELS, "fail_on"),
            {code: _settings(known[code], each) for code, each in given.items()},
            tuple(_suppression(each, known, index) for index, each in enumerate(suppressions)),
            today,
        )

    # What a search asks.

    def off(self, rule: Rule) -> bool:
        """Whether the rule is not run."""
        return self._of(rule.code).off

    def severity(self, rule: Rule) -> str:
        """The severity of the rule's findings."""
        return self._of(rule.code).severity or rule.severity

    def bounds(self, rule: Rule) -> dict[str, float]:
        """The rule's bounds by name."""
        return {bound.name: bound.default for bound in rule.bounds} | dict(
            self._of(rule.code).bounds
        )

    def feed_bounds(self, rule: Rule) -> Mapping[str, Mapping[str, float]]:
        """The rule's bounds for single feeds."""
        return self._of(rule.code).feeds

    def _of(self, code: str) -> Settings:
        return self.rules.get(code, _NONE)

    # What becomes of findings.

    def marked(self, finding: Finding) -> Finding:
        """The finding, with the reason if it is suppressed."""
        for suppression in self.suppressions:
            if not self._over(suppression) and suppression.covers(finding):
                return replace(finding, suppressed=suppression.reason)
        return finding

    def _over(self, suppression: Suppression) -> bool:
        return suppression.until is not None and suppression.until < self.today

    @property
    def expired(self) -> tuple[Suppression, ...]:
        """The suppressions whose day is over: they suppress nothing."""
        return tuple(filter(self._over, self.suppressions))

    def failures(self, findings: Iterable[Finding]) -> Iterator[str]:
        """Why the exit code is 1. Findings that are suppressed or known never fail."""
        new = [finding for finding in findings if finding.new]
        counts: Counter[str] = Counter()
        for finding in new:
            counts[finding.code] += finding.count
        severities = {finding.code: finding.severity for finding in new}
        for code, count in sorted(counts.items()):
            most = self._of(code).most
            if most is not None:
                if count > most:
                    yield f"{code}: {count:,} occurrences, {most:,} are tolerated"
            elif self._fails(severities[code]):
                yield f"{code}: {count:,} of severity {severities[code]}"

    def _fails(self, severity: str) -> bool:
        return _LEVELS.index(severity) >= _LEVELS.index(self.fail_on)


# --- reading --------------------------------------------------------------------------------------


def _settings(rule: Rule, given: Any) -> Settings:
    where = f"rules.{rule.code}"
    record = _table(given, where)
    names = {bound.name: bound for bound in rule.bounds}
    _check_keys(record, (*_OF_RULE, *names), where)
    severity = ""
    if "severity" in record:
        severity = _choice(record["severity"], SEVERITIES, f"{where}.severity")
    if not isinstance(off := record.get("off", False), bool):
        raise Misuse(
            "not a choice", field=f"{where}.off", expected="true or false", found=shown(off)
        )
    most = record.get("most")
    if most is not None and (type(most) is not int or most < 0):
        raise Misuse("not a count", field=f"{where}.most", expected="0 or more", found=shown(most))
    feeds = _table(record.get("feeds", {}), f"{where}.feeds")
    if feeds and not rule.takes_feeds:
        raise Misuse("this rule has no bounds for single feeds", field=f"{where}.feeds")
    return Settings(
        severity,
        off,
        most,
        _bounds(rule, record, where),
        {feed: _feed(rule, each, f"{where}.feeds.{feed}") for feed, each in feeds.items()},
    )


def _feed(rule: Rule, given: Any, where: str) -> dict[str, float]:
    record = _table(given, where)
    _check_keys(record, [bound.name for bound in rule.bounds], where)
    return _bounds(rule, record, where)


def _bounds(rule: Rule, record: Mapping[str, Any], where: str) -> dict[str, float]:
    return {
        bound.name: bound.read(record[bound.name], f"{where}.{bound.name}")
        for bound in rule.bounds
        if bound.name in record
    }


def _suppression(given: Any, rules: Mapping[str, Rule], index: int) -> Suppression:
    where = f"suppress[{index}]"
    record = _table(given, where)
    _check_keys(record, _OF_SUPPRESSION, where)
    until = record.get("until")
    if until is not None and type(until) is not datetime.date:
        raise Misuse(
            "not a date", field=f"{where}.until", expected="such as 2026-12-31", found=shown(until)
        )
    words = {key: record.get(key, "") for key in _OF_SUPPRESSION[:4]}
    for key, word in words.items():
        if not isinstance(word, str):
            raise Misuse("not a text", field=f"{where}.{key}", found=shown(word))
    if not words["reason"].strip():
        raise Misuse("a reason is missing", field=f"{where}.reason", expected="words")
    if not (words["code"] or words["feed"] or words["fingerprint"]):
        raise Misuse("would suppress everything", field=where, expected="code, feed or fingerprint")
    if words["code"]:
        _check_keys([words["code"]], rules, f"{where}.code")
    return Suppression(until=until, **words)


def _table(given: Any, where: str) -> dict[str, Any]:
    if not isinstance(given, dict):
        raise Misuse("not a table", field=where, expected=f"[{where}]", found=shown(given))
    return given


def _choice(given: Any, known: Sequence[str], where: str) -> str:
    if given not in known:
        raise Misuse("no such choice", field=where, expected=", ".join(known), found=shown(given))
    return str(given)


def _check_keys(given: Iterable[str], known: Iterable[str], where: str) -> None:
    """Refuse a key that does not exist, with the key that was likely meant."""
    names = list(known)
    for key in given:
        if key not in names:
            meant = difflib.get_close_matches(key, names, 1, 0.5)
            expected = f"{meant[0]!r}?" if meant else ", ".join(names)
            field = where or "policy"
            raise Misuse("no such key", field=field, expected=expected, found=elide(key))


# --- the baseline ---------------------------------------------------------------------------------


class Baseline(Record, frozen=True):
    """The fingerprints of an earlier run: of its findings, and of their subjects."""

    fingerprints: frozenset[str] = frozenset()
    subjects: frozenset[str] = frozenset()
    given: bool = False

    @classmethod
    def load(cls, path: str | Path | None) -> Baseline:
        """The baseline in a findings.jsonl; without a file an empty one."""
        if path is None:
            return cls()
        found: list[dict[str, str]] = []
        try:
            with to_path(path).open(encoding="utf-8") as stream:
                for number, line in enumerate(stream, 1):
                    found.append(_fingerprints(line, f"{path}: line {number}"))
        except (OSError, UnicodeDecodeError) as error:
            raise Misuse("cannot be read", field=str(path), found=elide(str(error), 120)) from None
        fingerprints, subjects = (frozenset(each[key] for each in found) for key in FINGERPRINTS)
        return cls(fingerprints, subjects, True)

    def marked(self, finding: Finding) -> Finding:
        """The finding, with a mark if the baseline has it, or its subject."""
        known = finding.fingerprint in self.fingerprints
        updated = not known and finding.subject in self.subjects
        return replace(finding, known=known, updated=updated) if known or updated else finding


def _fingerprints(line: str, where: str) -> dict[str, str]:
    try:
        check_depth(line)
        found = json.loads(line)["fingerprints"]
        if all(isinstance(found[key], str) for key in FINGERPRINTS):
            return dict(found)
    except (ValueError, KeyError, TypeError, RecursionError):
        pass
    raise Misuse("not a baseline", field=where, expected="a line of findings.jsonl")
