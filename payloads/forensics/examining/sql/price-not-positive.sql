-- what: A price is zero or negative. Contracts do not look at prices. Some feeds of Stork, such as
--   funding rates, may be negative: suppress it for them.
-- severity: danger
-- group: price
-- revision: 1
-- within: frame
-- sentence: {count} {count:price|prices} of feed {feed} {count:is|are} not positive: {field} is
--   {value}
SELECT r.frame, r.index, r.at, r.system, r.feed, r.field, coalesce(r.wide, r.value::VARCHAR) AS value,
       concat_ws(' ', r.feed, r.field, epoch_ns(r.observed), r.value, r.wide) AS key
FROM prices r
WHERE r.value <= 0 OR r.wide[1] = '-'
