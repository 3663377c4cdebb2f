-- what: A price differs much from the price before it in the same feed and field.
-- severity: warning
-- group: price
-- revision: 1
-- within: feed
-- sentence: feed {feed} jumped {count} {count:time|times}, first {field} from {earlier} to {value}
-- bound ratio: 0.2 - change, as a part of the earlier price
WITH series AS (
    SELECT s.*, coalesce(b.ratio, $ratio) AS ratio, row_number() OVER () AS number
    FROM (SELECT DISTINCT system, feed, field FROM prices WHERE feed IS NOT NULL) s
    LEFT JOIN feed_bounds b USING (feed)
), steps AS (
    SELECT r.frame, r.index, r.at, r.observed, r.value, s.number,
           lag(r.value) OVER (
               PARTITION BY s.number ORDER BY epoch_ns(r.observed), r.frame, r.index) AS earlier
    FROM prices r
    JOIN series s USING (system, feed, field)
    WHERE r.value IS NOT NULL AND r.observed IS NOT NULL
)
SELECT t.frame, t.index, t.at, s.system, s.feed, s.field, t.earlier, t.value,
       concat_ws(' ', s.feed, s.field, epoch_ns(t.observed), t.value) AS key
FROM steps t
JOIN series s USING (number)
WHERE abs(t.value::DOUBLE - t.earlier::DOUBLE) > s.ratio * abs(t.earlier::DOUBLE)
