-- what: A feed goes on under another config, or updates are signed by another signer than before. A
--   rotation does that, and so does a replaced source.
-- severity: warning
-- group: signature
-- revision: 1
-- sentence: {count} feeds of {system} go on under {later} instead of {earlier}
-- by: earlier, later
WITH configs AS (
    SELECT system, feed, network AS signed_by, min(epoch_ns(p.at)) AS since,
           min(ROW(epoch_ns(p.at), frame, index)) AS first
    FROM payloads p
    WHERE network IS NOT NULL AND feed IS NOT NULL AND error IS NULL AND p.at IS NOT NULL
    GROUP BY system, feed, network
), signers AS (
    -- Single payloads are damaged ones, and recover to anything.
    SELECT system, 'all' AS feed, signer AS signed_by, min(epoch_ns(s.at)) AS since,
           min(ROW(epoch_ns(s.at), frame, index)) AS first
    FROM signatures s
    WHERE network IS NULL AND signer IS NOT NULL AND s.at IS NOT NULL
    GROUP BY system, signer
    HAVING count(DISTINCT signed_hash) > 1
), changes AS (
    SELECT *, lag(signed_by) OVER (PARTITION BY system, feed ORDER BY since, signed_by) AS earlier
    FROM (FROM configs UNION ALL FROM signers)
), found AS (
    SELECT system, feed, earlier, signed_by AS later, first[2] AS frame, first[3] AS index
    FROM changes
    WHERE earlier IS NOT NULL
)
SELECT p.frame, p.index, p.at, f.system, f.earlier, f.later,
       concat_ws(' ', f.feed, f.earlier, f.later) AS key
FROM found f
JOIN payloads p USING (frame, index)
LEFT JOIN verdicts v USING (frame, index)
-- What the contract refuses is no new set of signers, but a payload of none.
WHERE v.passed IS NOT FALSE
