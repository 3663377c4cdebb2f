-- what: A payload came for the first time after a newer payload of its feed on the same connection.
--   Answers over HTTP, which fill gaps with older reports, are left out.
-- severity: warning
-- group: stream
-- revision: 1
-- within: feed
-- sentence: {count} {count:payload|payloads}[ of feed {feed}] came after newer ones, the first
--   {seconds_behind} s behind
WITH found AS (
    SELECT p.frame, p.index, p.at, p.system, p.feed, p.signed_hash, l.received,
           round((l.newest - l.observed) / 1e9, 3) AS seconds_behind
    FROM late l
    JOIN payloads p USING (frame, index)
), earlier AS (
    SELECT p.signed_hash, min(epoch_ns(p.at)) AS first
    FROM payloads p
    WHERE p.signed_hash IN (SELECT signed_hash FROM found)
    GROUP BY p.signed_hash
)
SELECT f.frame, f.index, f.at, f.system, f.feed, f.seconds_behind, f.signed_hash AS key
FROM found f
JOIN earlier e USING (signed_hash)
WHERE f.received <= e.first
