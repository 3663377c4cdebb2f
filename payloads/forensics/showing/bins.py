"""What the page draws: a scan in bins, counted by DuckDB, of a bounded size whatever the scan's.

A bin of prices has the least, the greatest and the last value in it, so that a spike is never
averaged away. Around each finding bins are narrower, for zooming in.
Times are in milliseconds since 1970, as JavaScript has them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from payloads.errors import PayloadError, elide
from payloads.forensics.showing.folder import Folder
from payloads.forensics.showing.summary import connections, places, summary
from payloads.forensics.showing.words import connection_words
from payloads.inspection import inspect

# The bounds of the page's data. They keep it under `MOST_BYTES`; a test fills all of them.
MOST_BYTES = 4 * 10**6
BINS = 200
FINE_BINS = 40
FEEDS = 24
FIELDS = 3
WINDOWS = 64
FINDINGS = 400
VENUES = 8
SIGNERS = 40
SIGNER_BINS = 100
GAPS = 100
PLACES = 5
TEXT = 300
MOST_LISTED = 200
ANNOTATED = 100
ANNOTATED_BYTES = 10**6
LARGEST_ANNOTATED = 4096
SPANS = 300

# The prices that are drawn, where a schema has more.
_PREFERRED = ("benchmark_price", "price", "value", "mid", "bid", "ask")
_SCALE = 1e18
_MS = 10**6
_HOUR = 3600 * 10**9
Data = dict[str, Any]


def page_data(folder: Folder) -> Data:
    """Everything that the page shows."""
    figures = summary(folder)
    span, outside = _span(folder)
    findings = list(_findings(folder))
    return {
        "summary": _shortened(figures),
        "span": [_ms(span[0]), _ms(span[1])],
        "outside": outside,
        "timeline": _timeline(folder, span),
        "prices": _prices(folder, span),
        "signers": _signers(folder, span),
        "latency": _latency(folder, span),
        "gaps": _gaps(folder, figures),
        "findings": findings,
        "annotated": _annotated(folder, figures["answers"], findings),
        "bounds": {"findings": FINDINGS, "feeds": FEEDS, "signers": SIGNERS},
    }


def _ms(time: int | None) -> float | None:
    return None if time is None else round(time / _MS, 3)


def _shortened(value: Any, key: str = "") -> Any:
    """Figures with bounded texts. A frame's number is text: JavaScript rounds such numbers."""
    if isinstance(value, dict):
        return {name: _shortened(part, name) for name, part in value.items()}
    if isinstance(value, list):
        return [_shortened(part) for part in value[:MOST_LISTED]]
    if isinstance(value, str):
        return elide(value, TEXT)
    return str(value) if key == "frame" else value


def _span(folder: Folder) -> tuple[tuple[int, int], int]:
    """The time that the charts show, and how many frames are outside of it.

    A file of last year, or of a machine whose clock is wrong, would leave one bin for all others.
    So it is the time without a pause of a day that has most frames.
    """
    hours = folder.rows(
        f"SELECT at_ns // {_HOUR} AS hour, count(*) AS count, min(at_ns) AS first,"
        " max(at_ns) AS last FROM frames WHERE at_ns IS NOT NULL GROUP BY 1 ORDER BY 1"
    )
    parts: list[tuple[int, int, int]] = []
    for row in hours:
        first, count = row["first"], row["count"]
        if parts and first - parts[-1][1] <= 24 * _HOUR:
            first, _, before = parts.pop()
            count += before
        parts.append((first, row["last"], count))
    if not parts:
        return (0, 1), 0
    first, last, count = max(parts, key=lambda part: (part[2], part[1]))
    return (first, max(last, first + 1)), sum(part[2] for part in parts) - count


def _inside(column: str, span: tuple[int, int]) -> str:
    """SQL for a time that the charts show."""
    return f"{column} BETWEEN {span[0]} AND {span[1]}"


def _step(span: tuple[int, int], bins: int) -> int:
    return -(-(span[1] + 1 - span[0]) // bins)


def _bin(column: str, span: tuple[int, int], bins: int) -> str:
    """SQL for the beginning of the bin of a time."""
    step = _step(span, bins)
    return f"({span[0]} + (({column} - {span[0]}) // {step}) * {step})"


def _fill(folder: Folder, name: str, columns: str, rows: Sequence[tuple[Any, ...]]) -> None:
    """A table of a few rows, for the queries that follow."""
    folder.database.execute(f"CREATE OR REPLACE TEMP TABLE {name} ({columns})")
    places = ", ".join("?" for _ in columns.split(","))
    for row in rows:
        folder.database.execute(f"INSERT INTO {name} VALUES ({places})", row)


# --- over time ------------------------------------------------------------------------------------


def _timeline(folder: Folder, span: tuple[int, int]) -> Data:
    """Payloads by what became of them, a row a bin; and the frames that could not be read."""
    rows = folder.rows(
        f"""
        WITH judged AS (
          SELECT frame, index, bool_and(passed) AS passed FROM verdicts
          WHERE verdict IS NOT NULL GROUP BY frame, index
        ), each AS (
          SELECT p.at_ns, CASE WHEN p.error IS NOT NULL THEN 'malformed'
                 WHEN j.passed IS NULL THEN 'not judged'
                 WHEN j.passed THEN 'passed' ELSE 'refused' END AS outcome
          FROM payloads p LEFT JOIN judged j USING (frame, index)
          UNION ALL SELECT at_ns, 'unread' FROM frames WHERE kind = 'unread'
        )
        SELECT {_bin("at_ns", span, BINS)} AS bin, outcome, count(*) AS count
        FROM each WHERE {_inside("at_ns", span)} GROUP BY 1, 2 ORDER BY 1, 2
        """
    )
    step = _step(span, BINS) / _MS
    return {
        "step": step,
        "rows": [[_ms(row["bin"]), row["outcome"], row["count"]] for row in rows],
    }


def _latency(folder: Folder, span: tuple[int, int]) -> Data:
    """From observation to receipt, in milliseconds: least, median, 95 % and greatest of a bin."""
    rows = folder.rows(
        f"""
        WITH each AS (
          SELECT coalesce(venue, system, '') AS name, at_ns, (at_ns - observed_ns) / 1e6 AS ms
          FROM payloads WHERE {_inside("at_ns", span)} AND observed_ns IS NOT NULL
          AND direction IS DISTINCT FROM 'out'
        ), kept AS (SELECT name FROM each GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT {VENUES})
        SELECT name, {_bin("at_ns", span, BINS)} AS bin, min(ms) AS least,
               approx_quantile(ms, 0.5) AS median, approx_quantile(ms, 0.95) AS most_of,
               max(ms) AS most, count(*) AS count
        FROM each JOIN kept USING (name) GROUP BY 1, 2 ORDER BY 1, 2
        """
    )
    names = sorted({row["name"] for row in rows})
    return {
        "venues": [elide(name, 40) for name in names],
        "rows": [
            [names.index(row["name"]), _ms(row["bin"])]
            + [round(row[key], 3) for key in ("least", "median", "most_of", "most")]
            + [row["count"]]
            for row in rows
        ],
    }


def _signers(folder: Folder, span: tuple[int, int]) -> Data:
    """Signatures of each signer under each config, by time. Strangers to all configs come first."""
    kept = folder.rows(
        f"""
        SELECT system, network, signer, any_value(member) AS member, count(*) AS count,
               count(*) OVER () AS total
        FROM signatures WHERE signer IS NOT NULL AND at_ns IS NOT NULL GROUP BY 1, 2, 3
        ORDER BY (any_value(member) IS NOT NULL), count DESC, network, signer LIMIT {SIGNERS}
        """
    )
    kept.sort(key=lambda row: (row["network"] or "", row["member"] is not None, row["signer"]))
    names = ("system", "network", "signer")
    columns = "number INTEGER, system VARCHAR, network VARCHAR, signer VARCHAR"
    _fill(folder, "kept_signers", columns, [
        (number, *(row[name] for name in names)) for number, row in enumerate(kept)
    ])  # fmt: skip
    rows = folder.rows(
        f"""
        SELECT k.number, {_bin("s.at_ns", span, SIGNER_BINS)} AS bin, count(*) AS count
        FROM signatures s JOIN kept_signers k ON s.signer = k.signer
          AND s.network IS NOT DISTINCT FROM k.network AND s.system IS NOT DISTINCT FROM k.system
        WHERE {_inside("s.at_ns", span)} GROUP BY 1, 2 ORDER BY 1, 2
        """
    )
    return {
        "step": _step(span, SIGNER_BINS) / _MS,
        "total": kept[0]["total"] if kept else 0,
        "list": [
            {key: row[key] for key in ("system", "network", "signer", "member", "count")}
            for row in kept
        ],
        "rows": [[row["number"], _ms(row["bin"]), row["count"]] for row in rows],
    }


def _gaps(folder: Folder, figures: Data) -> list[Data]:
    """Findings that last, and the longest silences of connections."""
    lasting = folder.rows(
        "SELECT code, feed, connection, began_ns, ended_ns, severity FROM findings"
        " WHERE NOT suppressed AND ended_ns > began_ns"
        " AND (\"group\" IN ('stream', 'file') OR code IN ('silence', 'stale-feed', 'gap'))"
        " AND code NOT IN ('duplicate', 'replayed', 'out-of-order')"
        f" ORDER BY ended_ns - began_ns DESC, began_ns LIMIT {GAPS}"
    )
    names = connections(folder, [row["connection"] for row in lasting])
    found = [
        {
            "kind": row["code"],
            "what": elide(row["feed"] or connection_words(names[row["connection"]]), 80),
            "from": _ms(row["began_ns"]),
            "to": _ms(row["ended_ns"]),
        }
        for row in lasting
    ]
    for row in figures["silences"]:
        what = f"{row['venue'] or 'no venue'}, {connection_words(row)}"
        found.append({"kind": "no frame", "what": elide(what, 80),
                      "from": _ms(row["began"]), "to": _ms(row["ended"])})  # fmt: skip
    return found


# --- prices ---------------------------------------------------------------------------------------


def _prices(folder: Folder, span: tuple[int, int]) -> Data:
    """The prices of the feeds: those with findings first, then those with most payloads."""
    feeds = folder.rows(
        f"""
        WITH named AS (
          SELECT DISTINCT p.system, p.feed FROM
            (SELECT unnest(rows) AS r FROM findings WHERE NOT suppressed) f
            JOIN prices p ON p.frame = f.r.frame AND p.index = f.r.index
          UNION SELECT system, feed FROM findings WHERE NOT suppressed AND feed IS NOT NULL
        ), counted AS (
          SELECT system, feed, count(*) AS count FROM prices WHERE feed IS NOT NULL GROUP BY 1, 2
        )
        SELECT c.system, c.feed, c.count, n.feed IS NOT NULL AS named, count(*) OVER () AS total
        FROM counted c LEFT JOIN named n
          ON c.feed = n.feed AND (n.system IS NULL OR c.system = n.system)
        ORDER BY named DESC, count DESC, c.system, c.feed LIMIT {FEEDS}
        """
    )
    _fill(folder, "kept_feeds", "number INTEGER, system VARCHAR, feed VARCHAR", [
        (number, row["system"], row["feed"]) for number, row in enumerate(feeds)
    ])  # fmt: skip
    _make_windows(folder, span)
    fields = _fields(folder)
    rows = folder.rows(
        f"""
        WITH each AS (
          SELECT k.number, p.field, p.at_ns, p.value::DOUBLE / {_SCALE!r} AS value,
                 coalesce(w.began + ((p.at_ns - w.began) // w.step) * w.step,
                          {_bin("p.at_ns", span, BINS)}) AS bin
          FROM prices p JOIN kept_feeds k
            ON p.feed = k.feed AND p.system IS NOT DISTINCT FROM k.system
          LEFT JOIN windows w ON w.number = k.number AND p.at_ns >= w.began AND p.at_ns < w.ended
          WHERE {_inside("p.at_ns", span)} AND p.value IS NOT NULL
        )
        SELECT number, field, bin, min(value) AS least, max(value) AS most,
               arg_max(value, at_ns) AS last, count(*) AS count
        FROM each GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
        """
    )
    series: list[dict[str, list[Any]]] = [{} for _ in feeds]
    for row in rows:
        if row["field"] in fields.get(row["number"], ()):
            values = [float(f"{row[key]:.9g}") for key in ("least", "most", "last")]
            point = [_ms(row["bin"]), *values, row["count"]]
            series[row["number"]].setdefault(row["field"], []).append(point)
    return {
        "total": feeds[0]["total"] if feeds else 0,
        "step": _step(span, BINS) / _MS,
        "feeds": [
            {"system": row["system"], "feed": row["feed"], "fields": fields_of}
            for row, fields_of in zip(feeds, series, strict=True)
        ],
    }


def _fields(folder: Folder) -> dict[int, list[str]]:
    """The fields that are drawn of each feed."""
    rows = folder.rows(
        "SELECT k.number, list(DISTINCT p.field) AS fields FROM prices p JOIN kept_feeds k"
        " ON p.feed = k.feed AND p.system IS NOT DISTINCT FROM k.system GROUP BY 1"
    )

    def rank(name: str) -> tuple[int, str]:
        return (_PREFERRED.index(name) if name in _PREFERRED else len(_PREFERRED)), name

    return {row["number"]: sorted(row["fields"], key=rank)[:FIELDS] for row in rows}


def _make_windows(folder: Folder, span: tuple[int, int]) -> None:
    """The table of the ranges that have narrow bins: around findings, a feed each."""
    coarse = _step(span, BINS)
    rows = folder.rows(
        f"""
        WITH each AS (
          SELECT feed, began_ns, coalesce(ended_ns, began_ns) AS ended_ns, severity, rows
          FROM findings WHERE NOT suppressed AND began_ns IS NOT NULL
        ), placed AS (
          SELECT k.number, e.began_ns, e.ended_ns, e.severity FROM each e
            JOIN kept_feeds k ON e.feed = k.feed
          UNION SELECT k.number, p.at_ns, p.at_ns, e.severity FROM
            (SELECT severity, unnest(rows[:3]) AS r FROM each) e
            JOIN prices p ON p.frame = e.r.frame AND p.index = e.r.index
            JOIN kept_feeds k ON p.feed = k.feed
          WHERE p.at_ns IS NOT NULL
        )
        SELECT number, began_ns, ended_ns FROM placed WHERE {_inside("began_ns", span)} ORDER BY
          CASE severity WHEN 'danger' THEN 0 WHEN 'warning' THEN 1 ELSE 2 END, began_ns, number
        LIMIT {WINDOWS * 8}
        """
    )
    left, kept = WINDOWS * FINE_BINS, []
    for number, began, ended in _merged(rows, coarse):
        step = max(coarse // 10, (ended - began) // (4 * FINE_BINS), 1)
        left -= -(-(ended - began) // step)
        if step < coarse and left >= 0:
            kept.append((number, began, ended, step))
    _fill(folder, "windows", "number INTEGER, began BIGINT, ended BIGINT, step BIGINT", kept)


def _merged(rows: Iterable[Data], coarse: int) -> Iterator[tuple[int, int, int]]:
    """Ranges around the first of the rows. Ranges of a feed that overlap are joined."""
    kept: list[tuple[int, int, int]] = []
    for row in rows:
        began, ended = row["began_ns"] - 2 * coarse, row["ended_ns"] + 2 * coarse
        number = row["number"]
        touching = [one for one in kept if one[0] == number and one[1] <= ended and began <= one[2]]
        if not touching and len(kept) >= WINDOWS:
            continue
        whole = (number, min([began, *(one[1] for one in touching)]),
                 max([ended, *(one[2] for one in touching)]))  # fmt: skip
        kept = [one for one in kept if one not in touching] + [whole]
    yield from sorted(kept)


# --- findings -------------------------------------------------------------------------------------


def _findings(folder: Folder) -> Iterator[Data]:
    """The findings that the page lists: the gravest first, and then by time."""
    rows = folder.rows(
        'SELECT code, revision, severity, "group", system, feed, signer, connection, began_ns,'
        ' ended_ns, "count", sentence, rows, evidence, fingerprint, known FROM findings'
        " WHERE NOT suppressed ORDER BY"
        " CASE severity WHEN 'danger' THEN 0 WHEN 'warning' THEN 1 ELSE 2 END,"
        f" began_ns NULLS LAST, code, fingerprint LIMIT {FINDINGS}"
    )
    names = connections(folder, [row["connection"] for row in rows])
    placed = places(folder, [each["frame"] for row in rows for each in _named(row)])
    for row in rows:
        named = [(each["frame"], each["index"], placed[each["frame"]]) for each in _named(row)]
        row["began"], row["ended"] = _ms(row.pop("began_ns")), _ms(row.pop("ended_ns"))
        row["sentence"] = elide(row["sentence"], TEXT)
        row["from"] = None
        if row["connection"] is not None:
            row["from"] = elide(connection_words(names[row["connection"]]), 120)
        row["evidence"] = elide(row["evidence"] or "", TEXT)
        row["rows"] = [
            {
                "frame": str(frame),
                "index": index,
                "path": elide(at["path"] or "", 120) or None,
                "line": at["line"],
                "offset": at["offset"],
                "at": _ms(at["at_ns"]),
                "venue": at["venue"],
            }
            for frame, index, at in named
        ]
        yield row


def _named(finding: Data) -> list[Data]:
    return list((finding["rows"] or [])[:PLACES])


def _annotated(folder: Folder, answers: Data, findings: Sequence[Data]) -> Data:
    """The annotated bytes of the first payload of each finding, and of the first bad payload."""
    words: dict[str, int] = {}
    found: Data = {}
    spent = 0
    bad = [answers[key] for key in ("first_bad", "first_signed") if answers[key] is not None]
    wanted = {(each["frame"], each["index"]): None for each in bad}
    wanted |= {
        (int(row["frame"]), row["index"]): None for each in findings for row in each["rows"][:1]
    }
    kept = list(wanted)[:ANNOTATED]
    rows = folder.rows(
        "SELECT frame, index, raw FROM payloads WHERE raw IS NOT NULL"
        " AND frame IN (SELECT unnest(?::BIGINT[]))",
        [frame for frame, _ in kept],
    )
    raws = {(row["frame"], row["index"]): bytes(row["raw"]) for row in rows}
    for frame, index in kept:
        if (frame, index) not in raws:
            continue
        view = annotated(raws[frame, index], words)
        size = sum(map(len, map(str, view.values())))
        if spent + size > ANNOTATED_BYTES:
            break
        spent += size
        found[f"{frame}.{index}"] = view
    return {"words": list(words), "payloads": found}


def annotated(raw: bytes, words: dict[str, int]) -> Data:
    """A payload as `payloads inspect` shows it. Texts that recur are numbers of `words`."""

    def number(text: str) -> int:
        return words.setdefault(text, len(words))

    head = {"hex": raw[:LARGEST_ANNOTATED].hex(), "size": len(raw)}
    try:
        view = inspect(raw)
    except PayloadError as error:
        return head | {"form": None, "error": elide(str(error), TEXT), "spans": []}
    spans = []
    for span in view.spans[:SPANS]:
        value = None if span.value is None or isinstance(span.value, bytes) else str(span.value)
        spans.append([
            span.offset, len(span.raw), number(elide(span.path, 80)),
            value if value is None else elide(value, 90), number(span.unit),
            elide(span.said, 160), number(elide(span.meaning, 160)), elide(span.problem or "", 200),
        ])  # fmt: skip
    return head | {
        "form": view.form,
        "error": None if view.error is None else elide(str(view.error), TEXT),
        "spans": spans,
        "more": max(0, len(view.spans) - SPANS),
    }
