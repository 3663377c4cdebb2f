"""One rule's way from a SELECT to findings: its occurrences are grouped, counted and named.

A finding is about what its rule tells apart: a feed, a signer, a connection. So ten million
duplicates are a line for each feed, with a count and the first of them as examples.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
from msgspec.structs import replace

from payloads.errors import Misuse, elide
from payloads.forensics.examining.policy import Policy
from payloads.forensics.examining.records import Finding, Place
from payloads.forensics.examining.rules import SHARED, Rule
from payloads.forensics.examining.sentences import sentence
from payloads.forensics.quoting import name, text
from payloads.forensics.tables import OFFSET_BITS

# Examples that a finding has.
MOST_ROWS = 20
# Findings of a rule; the rest is one more, without its feed.
MOST_FINDINGS = 1000
# The columns that tell findings of a rule apart, where its SELECT has them.
KEYS = ("system", "feed", "signer", "connection")
# What a fingerprint does not depend on: it is the same in other files.
_OF_FILES = ("frame", "index", "connection", "path")
_PLACES = ("frame", "index", "at", "ended", "n", "key")
_SCHEME = b"payloads/v1"
# Stands in where a rule tells nothing apart.
_EVERYTHING = "everything"

# A rule that counts for itself (`n`) has a row for each key; otherwise a key may come many times.
_DIFFERENT = """
    SELECT {keys}, identity, count(*) AS n, min("at") AS "at", max(ended) AS ended,
           min(ROW("at", frame, index)) AS place
    FROM occurrences
    GROUP BY {keys}, identity
"""
_ALL = """
    SELECT *, ROW("at", frame, index) AS place
    FROM occurrences
"""
_GROUPED = """
CREATE TEMP TABLE grouped AS
SELECT {keys}, sum(n)::BIGINT AS count, min("at") AS began, max(ended) AS ended,
       bit_xor(identity) AS identity, min(place, {most}) AS places,
       row_number() OVER (ORDER BY sum(n) DESC, min(place), bit_xor(identity)) AS number
FROM ({rows})
GROUP BY {keys}
"""
_LARGEST = """
SELECT {columns}, g.count, epoch_ns(g.began) AS began, epoch_ns(g.ended) AS ended,
       g.identity::VARCHAR AS identity, list_transform(g.places, lambda p: [p[2], p[3]]) AS places,
       (SELECT min_by(to_json(struct_pack({evidence})), o.identity)
        FROM occurrences o
        WHERE o.frame = g.places[1][2] AND o.index IS NOT DISTINCT FROM g.places[1][3]
          AND {same}) AS evidence
FROM grouped g
WHERE g.number <= $most
ORDER BY g.number
"""
_REST = """
SELECT sum(count)::BIGINT AS count, epoch_ns(min(began)) AS began, epoch_ns(max(ended)) AS ended,
       bit_xor(identity)::VARCHAR AS identity, [] AS places,
       to_json(struct_pack(findings := count(*))) AS evidence
FROM grouped
WHERE number > $most
HAVING count(*) > 0
"""


class Search:
    """A search for the findings of one rule."""

    def __init__(
        self,
        opened: duckdb.DuckDBPyConnection,
        rule: Rule,
        policy: Policy,
        files: Sequence[Path] | None = None,
    ) -> None:
        self.opened, self.rule, self.policy, self._files = opened, rule, policy, files

    def findings(self) -> Iterator[Finding]:
        """The findings of the rule: the largest, and all others in one.

        They are found here, or were found elsewhere and written to `files`.
        """
        with self._found() as columns:
            if columns and self.opened.execute("FROM occurrences LIMIT 1").fetchall():
                yield from map(self._finding, self._groups(columns))

    def write(self, path: Path) -> None:
        """Write the rule's occurrences to a database, if there are any."""
        with self._found() as columns:
            if self.opened.execute("FROM occurrences LIMIT 1").fetchall():
                self.opened.execute(f"ATTACH {text(str(path))} AS piece")
                self.opened.execute("CREATE TABLE piece.occurrences AS FROM occurrences")
                self.opened.execute(
                    "CREATE TABLE piece.columns AS SELECT $names AS names", {"names": columns}
                )
                self.opened.execute("DETACH piece")

    @contextmanager
    def _found(self) -> Iterator[list[str]]:
        """The table `occurrences`, and the columns of the rule's SELECT."""
        try:
            if self._files is None:
                self._make_feed_bounds()
                self._make_shared()
                yield self._run()
            else:
                yield self._put_together(self._files)
        except duckdb.Error as error:
            reason = elide(" ".join(str(error).split()), 300)
            raise Misuse("DuckDB refuses this rule", field=self.rule.code, found=reason) from None
        finally:
            for table in ("occurrences", "grouped", "feed_bounds"):
                self.opened.execute(f"DROP TABLE IF EXISTS {table}")

    def _put_together(self, files: Sequence[Path]) -> list[str]:
        """Make the table `occurrences` of what was found elsewhere."""
        columns: list[str] = []
        for path in files:
            self.opened.execute(f"ATTACH {text(str(path))} AS piece (READ_ONLY)")
            if not columns:
                self.opened.execute("CREATE TEMP TABLE occurrences AS FROM piece.occurrences")
                ((columns,),) = self.opened.execute("SELECT names FROM piece.columns").fetchall()
            else:
                self.opened.execute("INSERT INTO occurrences BY NAME FROM piece.occurrences")
            self.opened.execute("DETACH piece")
        return columns

    def _make_feed_bounds(self) -> None:
        """A table with a row for each feed whose bounds the policy sets: null where it does not."""
        names = [bound.name for bound in self.rule.bounds]
        columns = "".join(f", {name(each)} DOUBLE" for each in names)
        self.opened.execute(f"CREATE TEMP TABLE feed_bounds (feed VARCHAR{columns})")
        for feed, bounds in self.policy.feed_bounds(self.rule).items():
            values = [feed, *map(bounds.get, names)]
            marks = ", ".join("?" * len(values))
            self.opened.execute(f"INSERT INTO feed_bounds VALUES ({marks})", values)

    def _make_shared(self) -> None:
        """The tables that several rules begin with, when the first rule names them."""
        for path in sorted(SHARED.glob("*.sql")):
            if re.search(rf"\b(FROM|JOIN) {path.stem}\b", self.rule.sql):
                query = path.read_text(encoding="utf-8")
                self.opened.execute(f"CREATE TEMP TABLE IF NOT EXISTS {path.stem} AS {query}")

    def _run(self) -> list[str]:
        """Make the table `occurrences` of the rule's SELECT, and return the SELECT's columns."""
        query, values = self._query()
        columns = [row[0] for row in self.opened.execute(f"DESCRIBE {query}", values).fetchall()]
        for wanted in ("frame", *self.rule.by):
            if wanted not in columns:
                raise Misuse("a column is missing", field=self.rule.code, expected=wanted)
        kept = [name(column) for column in columns if column not in ("key", "ended")]
        when = '"at"' if "at" in columns else "NULL::TIMESTAMPTZ_NS"
        made = {
            "index": "NULL::SMALLINT",
            "at": when,
            "ended": f"coalesce(ended, {when})" if "ended" in columns else when,
            "n": "1",
            "identity": f"md5_number({_key(columns)})",
            _EVERYTHING: "true",
        }
        given = [
            f"{value} AS {name(each)}" for each, value in made.items() if name(each) not in kept
        ]
        self.opened.execute(
            f"CREATE TEMP TABLE occurrences AS SELECT {', '.join(kept + given)} FROM ({query})",
            values,
        )
        return columns

    def _query(self) -> tuple[str, dict[str, float]]:
        """The rule's SELECT, and the bounds in it."""
        statements = self.opened.extract_statements(self.rule.sql)
        if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
            raise Misuse("not a rule", field=self.rule.code, expected="one SELECT")
        wanted = statements[0].named_parameters
        bounds = self.policy.bounds(self.rule)
        if unknown := wanted - bounds.keys():
            found, expected = ", ".join(sorted(unknown)), "a line `-- bound NAME: …` for each $NAME"
            raise Misuse("no such bound", field=self.rule.code, expected=expected, found=found)
        query = self.rule.sql.rstrip().removesuffix(";")
        return f"{query}\n", {key: bounds[key] for key in wanted}

    def _groups(self, columns: list[str]) -> Iterator[dict[str, Any]]:
        """A record for each finding."""
        keys = [each for each in (*KEYS, *self.rule.by) if each in columns] or [_EVERYTHING]
        listed = ", ".join(map(name, keys))
        rows = (_ALL if "n" in columns else _DIFFERENT).format(keys=listed)
        self.opened.execute(_GROUPED.format(keys=listed, most=MOST_ROWS, rows=rows))
        extras = [each for each in columns if each not in (*KEYS, *_PLACES)]
        packed = ", ".join(f"{name(each)} := o.{name(each)}" for each in extras)
        largest = _LARGEST.format(
            columns=", ".join(f"g.{name(key)}" for key in keys),
            evidence=packed or "nothing := NULL",
            same=" AND ".join(f"o.{name(key)} IS NOT DISTINCT FROM g.{name(key)}" for key in keys),
        )
        for query in (largest, _REST):
            result = self.opened.execute(query, {"most": MOST_FINDINGS})
            names = [column[0] for column in result.description]
            for row in result.fetchall():
                yield dict(zip(names, row, strict=True))

    def _finding(self, record: dict[str, Any]) -> Finding:
        rule, evidence = self.rule, json.loads(record["evidence"] or "{}")
        evidence = {key: value for key, value in evidence.items() if value is not None}
        about: dict[str, Any] = {key: record.get(key) for key in KEYS}
        subject = [
            rule.code,
            *(record.get(key) for key in (*KEYS, *rule.by) if key not in _OF_FILES),
        ]
        count = record["count"]
        return Finding(
            code=rule.code,
            revision=rule.revision,
            severity=self.policy.severity(rule),
            group=rule.group,
            **about,
            began=record["began"],
            ended=record["ended"],
            count=count,
            sentence=sentence(
                rule.sentence, {**evidence, **about, "count": f"{count:,}", "code": rule.code}
            ),
            rows=tuple(Place(frame, index) for frame, index in record["places"]),
            evidence=evidence,
            fingerprint=_hash([*subject, record["identity"]]),
            subject=_hash(subject),
        )


def _key(columns: list[str]) -> str:
    """What makes an occurrence the same in other files, as SQL."""
    if "key" in columns:
        return "coalesce(key::VARCHAR, '')"
    telling = [name(column) for column in columns if column not in _OF_FILES]
    return f"concat_ws(' ', {', '.join(telling)})" if telling else "''"


def _hash(parts: list[Any]) -> str:
    text = json.dumps(parts, default=str).encode()
    return hashlib.sha256(_SCHEME + text).hexdigest()[:32]


def placed(opened: duckdb.DuckDBPyConnection, findings: list[Finding]) -> list[Finding]:
    """The findings, their examples with files and offsets."""
    wanted = sorted({row.frame for finding in findings for row in finding.rows})
    if not wanted:
        return findings
    known = _known_places(opened, wanted)
    return [
        replace(
            finding, rows=tuple(replace(row, **known.get(row.frame, {})) for row in finding.rows)
        )
        for finding in findings
    ]


def _known_places(
    opened: duckdb.DuckDBPyConnection, frames: list[int]
) -> dict[int, dict[str, Any]]:
    opened.execute("CREATE TEMP TABLE wanted (frame BIGINT)")
    opened.execute("INSERT INTO wanted SELECT unnest($frames)", {"frames": frames})
    rows = opened.execute(
        'SELECT w.frame, i.path, f."offset", f.line FROM wanted w LEFT JOIN frames f USING (frame)'
        " LEFT JOIN inputs i ON i.input = w.frame >> $bits", {"bits": OFFSET_BITS}
    ).fetchall()  # fmt: skip
    return {
        frame: {"path": path or "", "offset": offset, "line": line}
        for frame, path, offset, line in rows
    }
