-- what: The newest observation of a feed became old while its connection was open: nothing newer came,
--   or what came was old already. It ends with the next observation, or with the connection.
-- severity: warning
-- group: time
-- revision: 1
-- sentence: feed {feed} was stale {count} times, the first time its newest value became {seconds} s old
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
), ends AS (
    SELECT f.connection, max(f.at) AS ended
    FROM frames f
    WHERE f.direction = 'in' AND f.at IS NOT NULL
    GROUP BY f.connection
), stretches AS (
    SELECT r.frame, r.index, r.at, r.connection, r.system, r.feed, lead(r.at) OVER w AS next,
           max(epoch_ns(r.observed)) OVER w AS newest
    FROM receipts r
    WHERE r.at IS NOT NULL AND r.observed IS NOT NULL
      AND r.frame NOT IN (SELECT f.frame FROM frames f WHERE f.what = 'reply')
    WINDOW w AS (
        PARTITION BY r.connection, r.system, r.feed ORDER BY epoch_ns(r.at), r.frame, r.index)
)
SELECT s.frame, s.index, s.at, coalesce(s.next, e.ended) AS ended, s.system, s.feed,
       round((epoch_ns(coalesce(s.next, e.ended)) - s.newest) / 1e9, 3) AS seconds,
       concat_ws(' ', s.feed, s.newest) AS key
FROM stretches s
LEFT JOIN ends e USING (connection)
LEFT JOIN feed_bounds b ON b.feed = s.feed
WHERE epoch_ns(coalesce(s.next, e.ended)) - s.newest > coalesce(b.after, $after) * 1e9
