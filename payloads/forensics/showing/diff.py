"""Two vantage points: what the one received and the other did not, and who was first.

Payloads are the same if their signed hash is: the bytes around it may differ. Only received frames
count. Both scans are queried in one database, and all that comes out is bounded.
"""

from __future__ import annotations

from typing import Any

from payloads.errors import Misuse
from payloads.forensics.showing.folder import Folder
from payloads.forensics.showing.summary import places

MOST = 20
Figures = dict[str, Any]

# Each different payload of a side: when it came first, how often, and the frame it came in.
_ONCE = """
  SELECT signed_hash, any_value(system) AS system, any_value(feed) AS feed, min(at_ns) AS at_ns,
         count(*) AS times, arg_min(frame, (at_ns IS NULL, at_ns, frame)) AS frame,
         min(observed_ns) AS observed_ns
  FROM {table} WHERE signed_hash IS NOT NULL AND direction IS DISTINCT FROM 'out'
  GROUP BY signed_hash
"""


def diff(first: Folder, second: Folder) -> Figures:
    """The figures of the comparison. Latencies are in nanoseconds: positive where A was first."""
    database = first.database
    database.execute(
        "CREATE OR REPLACE TEMP VIEW other AS SELECT signed_hash, system, feed, frame, direction,"
        ' epoch_ns("at") AS at_ns, epoch_ns(observed) AS observed_ns'
        f" FROM {second.source('payloads')}"
    )
    for name, table in (("a", "payloads"), ("b", "other")):
        database.execute(f"CREATE OR REPLACE TEMP TABLE side_{name} AS {_ONCE.format(table=table)}")
    database.execute(
        "CREATE OR REPLACE TEMP TABLE both_sides AS SELECT signed_hash, a.system, a.feed,"
        " a.frame AS frame_a, b.frame AS frame_b, b.at_ns - a.at_ns AS behind"
        " FROM side_a a JOIN side_b b USING (signed_hash)"
    )
    span = first.row(
        "SELECT greatest(min_a, min_b) AS began, least(max_a, max_b) AS ended FROM"
        " (SELECT min(at_ns) AS min_a, max(at_ns) AS max_a FROM side_a),"
        " (SELECT min(at_ns) AS min_b, max(at_ns) AS max_b FROM side_b)"
    )
    return {
        "a": _side(first, "a", "b", first, span),
        "b": _side(first, "b", "a", second, span),
        "both": _both(first),
        "feeds": _feeds(first),
        "overlap": span,
    }


def _side(database: Folder, name: str, other: str, scan: Folder, span: Figures) -> Figures:
    """What a side received, and what of it the other side lacks."""
    missing = f"FROM side_{name} ANTI JOIN side_{other} USING (signed_hash)"
    inside = "at_ns BETWEEN ? AND ?"
    whole = database.row(
        f"SELECT count(*) AS different, coalesce(sum(times), 0)::BIGINT AS payloads,"
        f" min(at_ns) AS first, max(at_ns) AS last FROM side_{name}"
    )
    alone = database.row(
        f"SELECT count(*) AS count, count(*) FILTER ({inside}) AS within {missing}",
        span["began"], span["ended"],
    )  # fmt: skip
    rows = database.rows(
        f"SELECT signed_hash, system, feed, at_ns AS \"at\", frame {missing}"
        f" ORDER BY ({inside}) DESC NULLS LAST, at_ns NULLS LAST, signed_hash LIMIT {MOST}",
        span["began"], span["ended"],
    )  # fmt: skip
    where = places(scan, [row["frame"] for row in rows])
    listed = [row | {"place": where[row["frame"]]} for row in rows]
    return {"scan": scan.name, **whole, "alone": alone["count"],
            "alone_in_the_overlap": alone["within"], "list": listed}  # fmt: skip


_LATENCIES = """
  count(*) AS count, count(*) FILTER (behind > 0) AS a_first,
  count(*) FILTER (behind < 0) AS b_first, count(*) FILTER (behind = 0) AS together,
  min(behind) AS least, quantile_disc(behind, 0.05) AS "5", quantile_disc(behind, 0.5) AS "50",
  quantile_disc(behind, 0.95) AS "95", max(behind) AS most
"""


def _both(database: Folder) -> Figures:
    whole = database.row(f"SELECT {_LATENCIES} FROM both_sides")
    ahead = {
        side: database.row(
            f'SELECT quantile_disc({sign}behind, 0.5) AS "50",'
            f' quantile_disc({sign}behind, 0.95) AS "95",'
            f' quantile_disc({sign}behind, 0.99) AS "99", max({sign}behind) AS most'
            f" FROM both_sides WHERE {sign}behind > 0"
        )
        for side, sign in (("a", ""), ("b", "-"))
    }
    return whole | {"ahead": ahead}


def _feeds(database: Folder) -> Figures:
    rows = database.rows(
        f"SELECT system, feed, {_LATENCIES} FROM both_sides GROUP BY system, feed"
        f" ORDER BY count DESC, system, feed LIMIT {MOST}"
    )
    total = database.row(
        "SELECT count(*) AS count FROM (SELECT DISTINCT system, feed FROM both_sides)"
    )
    return {"count": total["count"], "list": rows}


def same(figures: Figures) -> bool:
    """Whether each side has, while both were listening, what the other has."""
    return not (figures["a"]["alone_in_the_overlap"] or figures["b"]["alone_in_the_overlap"])


def checked(first: Folder, second: Folder) -> None:
    """Raise `Misuse` for a folder that is compared with itself."""
    if first.path.resolve() == second.path.resolve():
        raise Misuse("the same scan twice", field=str(second.path), expected="another scan")
