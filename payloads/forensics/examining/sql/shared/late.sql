-- Payloads that were received after a newer one of their feed on the same connection. Several rules
-- begin with them. `newest` is the time of the newest observations by then, in nanoseconds. Answers
-- over HTTP are left out: they fill gaps with older reports.
WITH feeds AS (
    SELECT system, feed, row_number() OVER () AS number
    FROM (SELECT DISTINCT system, feed FROM payloads)
), receipts AS (
    SELECT p.frame, p.index, p.connection, f.number, epoch_ns(p.at) AS received,
           epoch_ns(p.observed) AS observed
    FROM payloads p
    JOIN feeds f ON f.system = p.system AND f.feed IS NOT DISTINCT FROM p.feed
    WHERE p.observed IS NOT NULL AND p.at IS NOT NULL AND p.signed_hash IS NOT NULL
      AND p.frame NOT IN (SELECT f.frame FROM frames f WHERE f.what = 'reply')
)
SELECT frame, index, received, observed, max(observed) OVER (
           PARTITION BY connection, number ORDER BY received, frame, index
           ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS newest
FROM receipts
QUALIFY observed < newest
