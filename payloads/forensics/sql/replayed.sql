-- what: Signed content came again after newer content of its feed: on the same connection, or on
--   another one long after. Contracts that do not look at the time accept it again. Answers over
--   HTTP, which fill gaps with older reports, are left out.
-- severity: danger
-- group: stream
-- revision: 1
-- sentence: {count} payloads of feed {feed} came again after newer ones, the first {seconds_late} s later
-- bound after: 10 s - a connection may be so far behind another
WITH receipts AS (
    SELECT p.frame, p.index, p.at, p.connection, p.system, p.feed, p.signed_hash,
           epoch_ns(p.at) AS received, epoch_ns(p.observed) AS observed
    FROM payloads p
    WHERE p.observed IS NOT NULL AND p.at IS NOT NULL AND p.signed_hash IS NOT NULL
      AND p.frame NOT IN (SELECT f.frame FROM frames f WHERE f.what = 'reply')
), late AS (
    SELECT *,
           observed < max(observed) OVER (
               PARTITION BY connection, system, feed ORDER BY received, frame, index
               ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS late_here,
           observed < max(observed) OVER (
               PARTITION BY system, feed ORDER BY received
               RANGE BETWEEN UNBOUNDED PRECEDING AND CAST($after * 1e9 AS BIGINT) PRECEDING
           ) AS late_everywhere
    FROM receipts
    QUALIFY late_here OR late_everywhere
), before AS (
    SELECT signed_hash, connection, min(ROW(received, frame, index)) AS first
    FROM receipts
    WHERE signed_hash IN (SELECT signed_hash FROM late)
    GROUP BY signed_hash, connection
)
SELECT l.frame, l.index, l.at, l.system, l.feed,
       round((l.received - min(b.first)[1]) / 1e9, 3) AS seconds_late,
       min(b.first)[2] AS first_frame, l.signed_hash AS key
FROM late l
JOIN before b
  ON b.signed_hash = l.signed_hash
 AND b.first < ROW(l.received, l.frame, l.index)
 AND (l.late_everywhere OR b.connection = l.connection)
GROUP BY l.frame, l.index, l.at, l.system, l.feed, l.received, l.signed_hash
