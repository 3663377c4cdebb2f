-- what: Clocks disagree. Half of a connection's payloads came before the time of their observations
--   (the receiver's clock is behind), even the fastest one took very long (it is ahead, or all data
--   is late), or a report was last seen after its observations. 64 ms of the last kind are normal.
-- severity: warning
-- group: time
-- revision: 1
-- within: connection
-- sentence: clocks disagree by {seconds} s: {how}
-- by: how
-- bound behind: 0.5 s - half of the payloads may come so much before their observations
-- bound ahead: 10 s - time that the fastest payload may take
-- bound seen: 2 s - time from the observations to the last sight
-- bound least: 10 - payloads on a connection, to judge its clock by
WITH connections AS (
    SELECT p.connection, p.system, any_value(p.venue) AS venue, min(p.frame) AS frame,
           min(p.at) AS "at", max(p.at) AS ended,
           quantile_disc(epoch_ns(p.at) - epoch_ns(p.observed), 0.5) AS median,
           min(epoch_ns(p.at) - epoch_ns(p.observed)) AS least
    FROM payloads p
    WHERE p.at IS NOT NULL AND p.observed IS NOT NULL AND p.error IS NULL
      AND p.frame NOT IN (SELECT f.frame FROM frames f WHERE f.what = 'reply')
    GROUP BY p.connection, p.system
    HAVING count(*) >= $least
)
SELECT c.frame, NULL::SMALLINT AS index, c.at, c.ended, c.system, NULL AS feed, c.connection,
       CASE WHEN c.median < 0 THEN 'the receiver is behind' ELSE 'the receiver is ahead' END AS how,
       round((CASE WHEN c.median < 0 THEN c.median ELSE c.least END) / 1e9, 3) AS seconds,
       concat_ws(' ', c.venue, epoch_ns(c.at)) AS key
FROM connections c
WHERE c.median < -$behind * 1e9 OR c.least > $ahead * 1e9
UNION ALL
SELECT p.frame, p.index, p.at, p.at, p.system, p.feed, NULL,
       'seen after the observations',
       round((epoch_ns(p.last_seen) - epoch_ns(p.observed)) / 1e9, 3),
       p.signed_hash
FROM payloads p
WHERE epoch_ns(p.last_seen) - epoch_ns(p.observed) > $seen * 1e9
