-- what: A price differs much from the one before it in the same feed and field.
-- severity: warning
-- group: price
-- revision: 1
-- sentence: feed {feed} jumped {count} times, first {field} from {earlier} to {value}
-- bound ratio: 0.2 - change, as a part of the earlier price
WITH steps AS (
    SELECT r.frame, r.index, r.at, r.system, r.feed, r.field, r.observed, r.value,
           lag(r.value) OVER (
               PARTITION BY r.system, r.feed, r.field
               ORDER BY epoch_ns(r.observed), r.frame, r.index) AS earlier
    FROM prices r
    WHERE r.value IS NOT NULL AND r.observed IS NOT NULL
)
SELECT s.frame, s.index, s.at, s.system, s.feed, s.field, s.earlier, s.value,
       concat_ws(' ', s.feed, s.field, epoch_ns(s.observed), s.value) AS key
FROM steps s
LEFT JOIN feed_bounds b ON b.feed = s.feed
WHERE abs(s.value::DOUBLE - s.earlier::DOUBLE) > coalesce(b.ratio, $ratio) * abs(s.earlier::DOUBLE)
