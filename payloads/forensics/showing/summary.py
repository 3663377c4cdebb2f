"""The figures of a scan: for the terminal, for JSON and for the page, so that all say the same.

All counting is done by DuckDB over the tables; what comes out is bounded, however large the scan.
Times are in nanoseconds since 1970. A `place` says where a frame is: file, line or byte.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from payloads._version import __version__
from payloads.forensics.showing.folder import Folder, input_of, named_connection

# Rows of each list. The counts beside a list are full.
MOST = {
    "inputs": 200,
    "feeds": 100,
    "signers": 100,
    "connections": 100,
    "silences": 20,
    "verdicts": 50,
    "repeats": 20,
    "codes": 100,
    "copies": 20,
}

Figures = dict[str, Any]


def summary(folder: Folder) -> Figures:
    """All figures of a scan."""
    return {
        "tool": f"payloads {__version__}",
        "scan": _scan(folder),
        "answers": answers(folder),
        "frames": _frames(folder),
        "payloads": _payloads(folder),
        "verdicts": _verdicts(folder),
        "findings": _findings(folder),
        "feeds": _feeds(folder),
        "signers": _signers(folder),
        "connections": _connections(folder),
        "silences": _silences(folder),
        "repeats": _repeats(folder),
    }


# --- the scan and its inputs ----------------------------------------------------------------------


def _scan(folder: Folder) -> Figures:
    record = folder.record
    inputs = folder.rows(
        "SELECT input, path, bytes, sha256, kind, venue, frames, read, problems FROM inputs "
        f"ORDER BY input LIMIT {MOST['inputs']}"
    )
    total = folder.row("SELECT count(*) AS count, sum(bytes)::BIGINT AS bytes FROM inputs")
    return {
        "folder": folder.name,
        "scanned_by": record.get("version") or record.get("tool"),
        "complete": record.get("complete"),
        "began": record.get("started"),
        "ended": record.get("ended"),
        "inputs": total["count"],
        "input_bytes": total["bytes"],
        "list": inputs,
    }


def _frames(folder: Folder) -> Figures:
    whole = folder.row(
        "SELECT count(*) AS count, min(at_ns) AS first, max(at_ns) AS last,"
        " count(*) FILTER (at_ns IS NULL) AS without_time FROM frames"
    )
    by_kind = folder.rows(
        "SELECT kind, count(*) AS count FROM frames GROUP BY 1 ORDER BY 2 DESC, 1"
    )
    by_venue = folder.rows(
        "SELECT venue, direction, count(*) AS count FROM frames WHERE kind <> 'incident' "
        "GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2 LIMIT 50"
    )
    whole["kinds"] = {row["kind"]: row["count"] for row in by_kind}
    whole["venues"] = by_venue
    return whole


def _payloads(folder: Folder) -> Figures:
    whole = folder.row(
        "SELECT count(*) AS count, count(*) FILTER (error IS NOT NULL) AS malformed,"
        " count(*) FILTER (NOT canonical) AS not_canonical,"
        " count(DISTINCT payload_hash) AS different FROM payloads"
    )
    whole["forms"] = folder.rows(
        "SELECT system, form, schema, count(*) AS count FROM payloads "
        "GROUP BY 1, 2, 3 ORDER BY 4 DESC, 1, 2, 3 LIMIT 50"
    )
    return whole


def _verdicts(folder: Folder) -> Figures:
    whole = folder.row(
        "SELECT count(*) FILTER (verdict IS NOT NULL) AS judged,"
        " count(*) FILTER (passed) AS passed,"
        " count(*) FILTER (verdict IS NOT NULL AND passed IS NOT TRUE) AS refused,"
        " count(*) FILTER (verdict IS NULL) AS without_verdict FROM verdicts"
    )
    whole["list"] = folder.rows(
        "SELECT v.state, v.verdict, v.error, count(*) AS count, min(p.at_ns) AS first,"
        " max(p.at_ns) AS last FROM verdicts v JOIN payloads p USING (frame, index) "
        "WHERE v.verdict IS NOT NULL GROUP BY 1, 2, 3 ORDER BY 4 DESC, 2, 3, 1 "
        f"LIMIT {MOST['verdicts']}"
    )
    return whole


def _findings(folder: Folder) -> Figures:
    shown = "NOT suppressed"
    by_severity = folder.rows(
        f"SELECT severity, count(*) AS count FROM findings WHERE {shown} GROUP BY 1"
    )
    codes = folder.rows(
        'SELECT code, severity, "group", count(*) AS count, sum("count")::BIGINT AS occurrences,'
        " min(began_ns) AS first, max(ended_ns) AS last, count(*) FILTER (known) AS known,"
        " arg_min(sentence, (coalesce(began_ns, 9223372036854775807), fingerprint)) AS example"
        f" FROM findings WHERE {shown} GROUP BY 1, 2, 3 ORDER BY "
        "CASE severity WHEN 'danger' THEN 0 WHEN 'warning' THEN 1 ELSE 2 END, 5 DESC, 1 "
        f"LIMIT {MOST['codes']}"
    )
    hidden = folder.row("SELECT count(*) AS count FROM findings WHERE suppressed")
    severities = dict.fromkeys(("danger", "warning", "info"), 0)
    severities |= {row["severity"]: row["count"] for row in by_severity}
    return {
        "count": sum(severities.values()),
        "suppressed": hidden["count"],
        "severities": severities,
        "codes": codes,
    }


# --- feeds, signers, connections ------------------------------------------------------------------


def _feeds(folder: Folder) -> Figures:
    """Each feed: how much came, how late, and for how long nothing did."""
    rows = folder.rows(
        f"""
        WITH one AS (  -- a row a payload: a feed's payloads all have the same fields
          SELECT system, feed, min(field) AS field FROM prices GROUP BY system, feed
        ), each AS (
          SELECT p.* FROM prices p JOIN one ON p.feed = one.feed AND p.field = one.field
            AND p.system IS NOT DISTINCT FROM one.system
        ), after AS (
          SELECT *, at_ns - lag(at_ns) OVER (PARTITION BY system, feed ORDER BY at_ns, frame, index)
                 AS silence FROM each
        )
        SELECT system, feed, count(*) AS payloads, min(at_ns) AS first, max(at_ns) AS last,
               count(*) FILTER (passed IS FALSE) AS refused,
               approx_quantile(latency_ns, 0.5)::BIGINT AS latency_median_ns,
               approx_quantile(latency_ns, 0.95)::BIGINT AS latency_95_ns,
               max(latency_ns) AS latency_most_ns,
               max(silence) AS silence_ns, arg_max(at_ns, silence) AS silence_ended
        FROM after GROUP BY system, feed ORDER BY payloads DESC, system, feed
        LIMIT {MOST["feeds"]}
        """
    )
    total = folder.row("SELECT count(*) AS count FROM (SELECT DISTINCT system, feed FROM prices)")
    return {"count": total["count"], "list": rows}


def _signers(folder: Folder) -> Figures:
    rows = folder.rows(
        "SELECT system, network, signer, any_value(member) AS member, count(*) AS signatures,"
        " min(at_ns) AS first, max(at_ns) AS last FROM signatures WHERE signer IS NOT NULL "
        "GROUP BY 1, 2, 3 ORDER BY system, network, signatures DESC, signer "
        f"LIMIT {MOST['signers']}"
    )
    total = folder.row(
        "SELECT count(DISTINCT signer) AS count, count(*) FILTER (signer IS NULL) AS unsigned"
        " FROM signatures"
    )
    return {"count": total["count"], "without_signer": total["unsigned"], "list": rows}


def _connections(folder: Folder) -> Figures:
    rows = folder.rows(
        "WITH each AS (SELECT connection, venue, count(*) FILTER (kind <> 'incident') AS frames,"
        " min(at_ns) AS first, max(at_ns) AS last,"
        " count(*) FILTER (kind = 'incident') AS incidents,"
        " count(*) FILTER (kind = 'unread') AS unread FROM frames GROUP BY 1, 2"
        f" ORDER BY first, 1, 2 LIMIT {MOST['connections']})"
        f" SELECT *, {named_connection('connection')} FROM each ORDER BY first, connection, venue"
    )
    total = folder.row("SELECT count(DISTINCT connection) AS count FROM frames")
    return {"count": total["count"], "list": rows}


def _silences(folder: Folder) -> list[Figures]:
    """The longest times in which a connection brought nothing, before it went on; two each."""
    return folder.rows(
        "WITH after AS (SELECT venue, connection, at_ns, lag(at_ns) OVER"
        " (PARTITION BY connection ORDER BY at_ns, frame) AS before"
        " FROM frames WHERE direction = 'in' AND kind <> 'incident' AND at_ns IS NOT NULL),"
        " each AS (SELECT venue, connection, before AS began, at_ns AS ended, at_ns - before AS ns"
        " FROM after WHERE at_ns > before QUALIFY row_number() OVER"
        " (PARTITION BY connection ORDER BY at_ns - before DESC, before) <= 2"
        f" ORDER BY ns DESC, connection, began LIMIT {MOST['silences']})"
        f" SELECT *, {named_connection('connection')} FROM each ORDER BY ns DESC, connection, began"
    )


def _repeats(folder: Folder) -> Figures:
    """Payloads whose signed part came more than once."""
    total = folder.row(
        "SELECT count(*) AS count, coalesce(sum(times - 1), 0)::BIGINT AS copies FROM "
        "(SELECT count(*) AS times FROM payloads WHERE signed_hash IS NOT NULL "
        "AND direction IS DISTINCT FROM 'out' GROUP BY signed_hash HAVING count(*) > 1)"
    )
    rows = folder.rows(
        "SELECT signed_hash, any_value(system) AS system, any_value(feed) AS feed,"
        " count(*) AS times, count(DISTINCT connection) AS connections,"
        " min(at_ns) AS first, max(at_ns) AS last FROM payloads WHERE signed_hash IS NOT NULL "
        "AND direction IS DISTINCT FROM 'out' GROUP BY 1 HAVING count(*) > 1 "
        f"ORDER BY times DESC, first, 1 LIMIT {MOST['repeats']}"
    )
    return total | {"list": rows}


# --- the first questions --------------------------------------------------------------------------

# A payload is bad if it does not decode, if its contract refuses it, or if a finding of severity
# `danger` names it.
_BAD = """
  SELECT frame, index FROM payloads WHERE error IS NOT NULL
  UNION SELECT frame, index FROM verdicts WHERE verdict IS NOT NULL AND passed IS NOT TRUE
  UNION SELECT named.frame, named.index FROM (
    SELECT unnest(rows) AS named FROM findings WHERE severity = 'danger' AND NOT suppressed
  )
"""


def answers(folder: Folder) -> Figures:
    """The first bad payload: what is wrong, who signed it, its copies, and its feed's silence.

    What was first may be damage that has no signer. Then `first_signed` is the first bad payload
    that has one. `judged` says whether there was a state: without one, no signer is in a config.
    """
    known = folder.row(
        "SELECT count(*) AS bad, (SELECT count(*) > 0 FROM verdicts WHERE verdict IS NOT NULL)"
        f" AS judged FROM ({_BAD}) JOIN payloads USING (frame, index)"
    )
    first = _first(folder, "true")
    signed = None
    if first is not None and not any(each["signer"] for each in first["signers"]):
        signed = _first(folder, "(frame, index) IN (SELECT (frame, index) FROM signatures"
                                " WHERE signer IS NOT NULL)")  # fmt: skip
    return known | {"first_bad": first, "first_signed": signed}


def _first(folder: Folder, condition: str) -> Figures | None:
    found = folder.rows(
        f"SELECT p.* EXCLUDE (raw) FROM ({_BAD}) JOIN payloads p USING (frame, index)"
        f" WHERE {condition} ORDER BY p.at_ns NULLS LAST, frame, index LIMIT 1"
    )
    return payload_facts(folder, found[0]) if found else None


def payload_facts(folder: Folder, row: Figures) -> Figures:
    """What is known of a payload, by its row."""
    frame, index = row["frame"], row["index"]
    feeds = feeds_of(folder, row)
    return {
        "frame": frame,
        "index": index,
        "at": row["at_ns"],
        "place": _place(folder, frame),
        "venue": row["venue"],
        "connection": row["connection"],
        "from": connections(folder, [row["connection"]])[row["connection"]],
        "system": row["system"],
        "form": row["form"],
        "feeds": feeds,
        "network": row["network"],
        "observed": row["observed_ns"],
        "signed_hash": row["signed_hash"],
        "payload_hash": row["payload_hash"],
        "wrong": _wrong(folder, row),
        "signers": folder.rows(
            "SELECT position, signer, member, why FROM signatures WHERE frame = ? AND index = ?"
            " ORDER BY position",
            frame, index,
        ),
        **_copies(folder, row),
        "silences": [longest_silence(folder, row["system"], feed) for feed in feeds],
    }  # fmt: skip


def feeds_of(folder: Folder, row: Figures) -> list[str]:
    """The feeds that a payload has prices of."""
    found = folder.rows(
        "SELECT DISTINCT feed FROM prices WHERE frame = ? AND index = ? AND feed IS NOT NULL"
        " ORDER BY feed LIMIT 20",
        row["frame"], row["index"],
    )  # fmt: skip
    named = [row["feed"]] if row["feed"] else []
    return [each["feed"] for each in found] or named


def _wrong(folder: Folder, row: Figures) -> list[str]:
    """Sentences: why it does not decode, what the contract says, and the findings about it."""
    said = [f"malformed: {row['error']}"] if row["error"] else []
    for verdict in folder.rows(
        "SELECT state, verdict, error, passed FROM verdicts WHERE frame = ? AND index = ?"
        " AND verdict IS NOT NULL AND passed IS NOT TRUE",
        row["frame"], row["index"],
    ):  # fmt: skip
        reason = f" ({verdict['error']})" if verdict["error"] else ""
        said.append(f"{verdict['verdict']}{reason} under {verdict['state'] or 'the state'}")
    for finding in folder.rows(
        "SELECT DISTINCT code, sentence FROM (SELECT code, sentence, unnest(rows) AS named"
        " FROM findings WHERE NOT suppressed AND code NOT IN ('malformed', 'refused'))"
        " WHERE named.frame = ? AND named.index = ?"
        " ORDER BY code, sentence LIMIT 20",
        row["frame"], row["index"],
    ):  # fmt: skip
        said.append(f"{finding['code']}: {finding['sentence']}")
    return said


def _copies(folder: Folder, row: Figures) -> Figures:
    """How often the same signed part was received, and where."""
    key = "signed_hash" if row["signed_hash"] else "payload_hash"
    if not row[key]:
        return {"times": 1, "copies": []}
    where = f"WHERE {key} = ? AND direction IS DISTINCT FROM 'out'"
    total = folder.row(f"SELECT count(*) AS count FROM payloads {where}", row[key])
    found = folder.rows(
        f'SELECT frame, at_ns AS "at", venue, connection FROM payloads {where}'
        f" ORDER BY at_ns NULLS LAST, frame, index LIMIT {MOST['copies']}",
        row[key],
    )
    where_from = places(folder, [each["frame"] for each in found])
    copies = [each | {"place": where_from[each["frame"]]} for each in found]
    return {"times": max(1, total["count"]), "copies": copies}


def _place(folder: Folder, frame: int) -> Figures:
    return places(folder, [frame])[frame]


def longest_silence(folder: Folder, system: str | None, feed: str) -> Figures:
    """The longest time between two payloads of a feed."""
    found = folder.rows(
        "WITH each AS (SELECT DISTINCT at_ns FROM prices WHERE system IS NOT DISTINCT FROM ?"
        " AND feed = ? AND at_ns IS NOT NULL), after AS"
        " (SELECT at_ns, lag(at_ns) OVER (ORDER BY at_ns) AS before FROM each)"
        " SELECT before AS began, at_ns AS ended, at_ns - before AS ns FROM after"
        " WHERE before IS NOT NULL ORDER BY ns DESC, began LIMIT 1",
        system, feed,
    )  # fmt: skip
    return {"feed": feed, **(found[0] if found else {"began": None, "ended": None, "ns": None})}


def connections(folder: Folder, numbers: Iterable[int | None]) -> dict[int | None, Figures]:
    """Connections by their file and their number there."""
    found = folder.rows(
        f"SELECT connection, {named_connection('connection')}"
        " FROM (SELECT unnest(?::BIGINT[]) AS connection)",
        sorted({number for number in numbers if number is not None}),
    )
    unknown = {"connection": None, "path": None, "number": None}
    return {None: unknown} | {row["connection"]: row for row in found}


def places(folder: Folder, frames: Iterable[int]) -> dict[int, Figures]:
    """Where frames are: their files, and their lines or bytes there."""
    wanted = sorted(set(frames))
    found = folder.rows(
        "SELECT f.frame, i.path, f.line, f.offset, f.at_ns, f.venue FROM frames f"
        f" LEFT JOIN inputs i ON i.input = {input_of('f.frame')}"
        " WHERE f.frame IN (SELECT unnest(?::BIGINT[]))",
        wanted,
    )
    unknown = dict.fromkeys(("path", "line", "offset", "at_ns", "venue"))
    known = {row.pop("frame"): row for row in found}
    return {frame: known.get(frame, unknown) for frame in wanted}
