-- what: Reports are missing: a report is valid from the time of the report before it, and here it is
--   valid from a later time. Reports that came over HTTP to fill a gap count. Each capture is looked
--   at for itself, all its connections together.
-- severity: warning
-- group: stream
-- revision: 1
-- within: feed
-- sentence: {count} {count:gap|gaps} in feed {feed}, the first of {seconds} s
-- bound tolerance: 1 s - time between a report and the beginning of the next
WITH feeds AS (
    SELECT system, feed, row_number() OVER () AS number
    FROM (SELECT DISTINCT system, feed FROM payloads WHERE feed IS NOT NULL)
), reports AS (
    SELECT p.frame, p.index, epoch_ns(p.valid_from) AS valid_from,
           lag(epoch_ns(p.observed)) OVER w AS before,
           lag(p.frame) OVER w AS frame_before, lag(p.index) OVER w AS index_before
    FROM payloads p
    JOIN feeds f USING (system, feed)
    WHERE p.observed IS NOT NULL AND p.valid_from IS NOT NULL AND p.error IS NULL
    WINDOW w AS (
        PARTITION BY f.number, p.connection >> 20 ORDER BY epoch_ns(p.observed), p.frame, p.index)
), gaps AS (
    SELECT *
    FROM reports
    WHERE valid_from - before > $tolerance * 1e9
), refused AS (
    SELECT v.frame, v.index FROM verdicts v WHERE NOT v.passed
)
SELECT g.frame, g.index, b.at, p.at AS ended, p.system, p.feed,
       round((g.valid_from - g.before) / 1e9, 3) AS seconds, g.frame_before,
       concat_ws(' ', p.feed, g.before, g.valid_from) AS key
FROM gaps g
JOIN payloads p ON p.frame = g.frame AND p.index = g.index
JOIN payloads b ON b.frame = g.frame_before AND b.index = g.index_before
-- A payload that the contract refuses says nothing about time.
ANTI JOIN refused r ON r.frame = g.frame AND r.index = g.index
ANTI JOIN refused q ON q.frame = g.frame_before AND q.index = g.index_before
