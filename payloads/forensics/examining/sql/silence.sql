-- what: Nothing at all came on an open connection, not even an answer to a ping.
-- severity: warning
-- group: stream
-- revision: 1
-- within: connection
-- sentence: nothing came[ from {venue}] {count} {count:time|times}, the first time for {seconds} s
-- by: venue
-- bound after: 60 s - time without a frame
WITH signs AS (
    SELECT f.frame, f.at, f.venue, f.connection,
           lead(f.at) OVER (PARTITION BY f.connection ORDER BY epoch_ns(f.at), f.frame) AS next
    FROM frames f
    WHERE f.at IS NOT NULL
      AND ((f.direction = 'in' AND f.kind <> 'incident')
           OR (f.kind = 'incident' AND f.what IN ('opened', 'closed')))
)
SELECT s.frame, NULL::SMALLINT AS index, s.at, s.next AS ended, s.venue, s.connection,
       round((epoch_ns(s.next) - epoch_ns(s.at)) / 1e9, 3) AS seconds,
       concat_ws(' ', s.venue, epoch_ns(s.at)) AS key
FROM signs s
WHERE epoch_ns(s.next) - epoch_ns(s.at) > $after * 1e9
