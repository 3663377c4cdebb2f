-- what: The newest observation of a feed became old while its connection was open: nothing newer came,
--   or what came was old already. It ends with the next observation, or with the connection.
-- severity: warning
-- group: time
-- revision: 1
-- within: connection
-- sentence: feed {feed} was stale {count} {count:time|times}, the first time its newest value
--   became {seconds} s old
-- bound after: 60 s - age of the newest observation
WITH receipts AS (
    SELECT p.frame, p.index, p.at, p.connection, p.system, p.feed, p.observed
    FROM payloads p
    WHERE p.feed IS NOT NULL AND p.error IS NULL
    UNION ALL
    -- A payload of Stork has a feed for each asset.
    SELECT r.frame, r.index, r.at, r.connection, r.system, r.feed, r.observed
    FROM prices r
    WHERE r.system = 'stork'
), feeds AS (
    SELECT s.*, coalesce(b.after, $after) * 1e9 AS after, row_number() OVER () AS number
    FROM (SELECT DISTINCT system, feed FROM receipts) s
    LEFT JOIN feed_bounds b USING (feed)
), ends AS (
    SELECT f.connection, max(epoch_ns(f.at)) AS ended
    FROM frames f
    WHERE f.direction = 'in' AND f.at IS NOT NULL
    GROUP BY f.connection
), stretches AS (
    SELECT r.frame, r.index, r.connection, f.number, f.after, epoch_ns(r.at) AS received,
           lead(epoch_ns(r.at)) OVER w AS next, max(epoch_ns(r.observed)) OVER w AS newest
    FROM receipts r
    JOIN feeds f USING (system, feed)
    WHERE r.at IS NOT NULL AND r.observed IS NOT NULL
      AND r.frame NOT IN (SELECT f.frame FROM frames f WHERE f.what = 'reply')
    WINDOW w AS (PARTITION BY r.connection, f.number ORDER BY epoch_ns(r.at), r.frame, r.index)
)
SELECT s.frame, s.index, make_timestamp_ns(s.received)::TIMESTAMPTZ_NS AS "at",
       make_timestamp_ns(coalesce(s.next, e.ended))::TIMESTAMPTZ_NS AS ended, f.system, f.feed,
       round((coalesce(s.next, e.ended) - s.newest) / 1e9, 3) AS seconds,
       concat_ws(' ', f.feed, s.newest) AS key
FROM stretches s
JOIN feeds f USING (number)
LEFT JOIN ends e USING (connection)
WHERE coalesce(s.next, e.ended) - s.newest > s.after
