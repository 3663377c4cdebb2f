-- what: A payload came for the first time after a newer one of its feed on the same connection.
--   Answers over HTTP, which fill gaps with older reports, are left out.
-- severity: warning
-- group: stream
-- revision: 1
-- sentence: {count} observations of feed {feed} came after newer ones, the first {seconds_behind} s behind
WITH receipts AS (
    SELECT p.frame, p.index, p.at, p.connection, p.system, p.feed, p.signed_hash,
           epoch_ns(p.at) AS received, epoch_ns(p.observed) AS observed
    FROM payloads p
    WHERE p.observed IS NOT NULL AND p.at IS NOT NULL AND p.signed_hash IS NOT NULL
      AND p.frame NOT IN (SELECT f.frame FROM frames f WHERE f.what = 'reply')
), late AS (
    SELECT *, max(observed) OVER (
                  PARTITION BY connection, system, feed ORDER BY received, frame, index
                  ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS newest
    FROM receipts
    QUALIFY observed < newest
), before AS (
    SELECT signed_hash, min(ROW(received, frame, index)) AS first
    FROM receipts
    WHERE signed_hash IN (SELECT signed_hash FROM late)
    GROUP BY signed_hash
)
SELECT l.frame, l.index, l.at, l.system, l.feed,
       round((l.newest - l.observed) / 1e9, 3) AS seconds_behind, l.signed_hash AS key
FROM late l
JOIN before b USING (signed_hash)
WHERE ROW(l.received, l.frame, l.index) = b.first
