-- what: One signer signed two values for one feed and time. An honest oracle never does.
-- severity: danger
-- group: signature
-- revision: 1
-- within: feed
-- sentence: {count} {count:payload|payloads}[ of feed {feed}] {count:says|say} two things about one
--   time, signed by the same signer: {field} {low} and {high}
WITH several AS (
    SELECT r.system, r.feed, r.field, r.observed
    FROM prices r
    WHERE r.observed IS NOT NULL
    GROUP BY r.system, r.feed, r.field, r.observed
    HAVING min(r.value) <> max(r.value) OR min(r.wide) <> max(r.wide)
        OR count(r.wide) NOT IN (0, count(*))
), suspects AS (
    SELECT r.frame, r.index, r.at, r.system, r.feed, r.field, r.observed,
           coalesce(r.wide, r.value::VARCHAR) AS value
    FROM prices r
    SEMI JOIN several USING (system, feed, field, observed)
), signed AS (
    SELECT r.*, s.signer, s.signed_hash
    FROM suspects r
    JOIN signatures s USING (frame, index)
    WHERE s.signer IS NOT NULL
), proven AS (
    SELECT system, feed, field, observed, signer, min(value) AS low, max(value) AS high
    FROM signed
    GROUP BY system, feed, field, observed, signer
    HAVING min(value) <> max(value)
)
SELECT s.frame, s.index, min(s.at) AS "at", s.system, s.feed, min(p.field) AS field,
       min_by(p.low, p.field) AS low, min_by(p.high, p.field) AS high, s.observed::VARCHAR AS observed,
       list_sort(list(DISTINCT p.signer))::VARCHAR AS signers,
       concat_ws(' ', s.feed, epoch_ns(s.observed), s.signed_hash) AS key
FROM signed s
JOIN proven p USING (system, feed, field, observed, signer)
GROUP BY s.frame, s.index, s.system, s.feed, s.observed, s.signed_hash
