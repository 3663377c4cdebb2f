-- what: The same signed content was received more than once. Two origins of a venue send everything
--   twice, and a connection that is opened again may begin with the newest value: that is normal.
-- severity: info
-- group: stream
-- revision: 1
-- within: feed
-- sentence: {count} {count:receipt|receipts}[ of feed {feed}] {count:repeats|repeat} an earlier
--   one, the first on {where}
WITH feeds AS (
    SELECT system, feed, row_number() OVER () AS number
    FROM (SELECT DISTINCT system, feed FROM payloads)
), repeated AS (
    SELECT f.number, p.signed_hash, min(p.frame) AS frame, min(p.at) AS "at", max(p.at) AS ended,
           count(*) - 1 AS n, min(p.connection) = max(p.connection) AS one_connection
    FROM payloads p
    JOIN feeds f ON f.system = p.system AND f.feed IS NOT DISTINCT FROM p.feed
    WHERE p.signed_hash IS NOT NULL
    GROUP BY f.number, p.signed_hash
    HAVING count(*) > 1
)
SELECT r.frame, r.at, r.ended, r.n, f.system, f.feed,
       CASE WHEN r.one_connection THEN 'the same connection' ELSE 'several connections' END
       AS "where", r.signed_hash AS key
FROM repeated r
JOIN feeds f USING (number)
