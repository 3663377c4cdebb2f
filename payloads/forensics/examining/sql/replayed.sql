-- what: Signed content came again after newer content of its feed: on the same connection, or on
--   another one long after. Contracts that do not look at the time accept it again. Answers over
--   HTTP, which fill gaps with older reports, are left out.
-- severity: danger
-- group: stream
-- revision: 1
-- within: feed
-- sentence: {count} {count:payload|payloads}[ of feed {feed}] came again after newer ones, the
--   first {seconds_late} s later
-- bound after: 10 s - a connection may be so far behind another
WITH receipts AS (
    SELECT p.frame, p.index, p.system, p.feed, epoch_ns(p.at) AS received,
           epoch_ns(p.observed) AS observed, epoch_ns(p.at) - epoch_ns(p.observed) AS latency
    FROM payloads p
    WHERE p.observed IS NOT NULL AND p.at IS NOT NULL AND p.signed_hash IS NOT NULL
      AND p.frame NOT IN (SELECT f.frame FROM frames f WHERE f.what = 'reply')
), slow AS (
    -- Only a feed whose payloads differ so much in latency can have one that is long after a newer.
    SELECT system, feed
    FROM receipts
    GROUP BY system, feed
    HAVING max(latency) - min(latency) >= $after * 1e9
), everywhere AS (
    SELECT r.frame, r.index, r.received, true AS everywhere
    FROM receipts r
    JOIN slow s ON s.system = r.system AND s.feed IS NOT DISTINCT FROM r.feed
    QUALIFY r.observed < max(r.observed) OVER (
        PARTITION BY r.system, r.feed ORDER BY r.received
        RANGE BETWEEN UNBOUNDED PRECEDING AND CAST($after * 1e9 AS BIGINT) PRECEDING)
), found AS (
    SELECT p.frame, p.index, p.at, p.system, p.feed, p.connection, p.signed_hash, l.received,
           bool_or(l.everywhere) AS everywhere
    FROM (SELECT frame, index, received, false AS everywhere FROM late UNION ALL FROM everywhere) l
    JOIN payloads p USING (frame, index)
    GROUP BY ALL
), earlier AS (
    SELECT p.frame, p.index, p.connection, p.signed_hash, epoch_ns(p.at) AS received
    FROM payloads p
    WHERE p.signed_hash IN (SELECT signed_hash FROM found)
      AND p.frame NOT IN (SELECT f.frame FROM frames f WHERE f.what = 'reply')
)
SELECT f.frame, f.index, f.at, f.system, f.feed,
       round((f.received - min(e.received)) / 1e9, 3) AS seconds_late, f.signed_hash AS key
FROM found f
JOIN earlier e
  ON e.signed_hash = f.signed_hash
 AND (e.received, e.frame, e.index) < (f.received, f.frame, f.index)
 AND (f.everywhere OR e.connection = f.connection)
GROUP BY f.frame, f.index, f.at, f.system, f.feed, f.received, f.signed_hash
