-- what: A feed goes on under another config, or updates are signed by another signer than before. A
--   rotation does that, and so does a replaced source.
-- severity: warning
-- group: signature
-- revision: 1
-- sentence: {count} {count:feed|feeds} of {system} {count:goes|go} on under {later} instead of
--   {earlier}
-- by: earlier, later
WITH configs AS (
    SELECT p.system, p.feed, p.network AS signed_by, min(p.at) AS since
    FROM payloads p
    WHERE p.network IS NOT NULL AND p.feed IS NOT NULL AND p.error IS NULL AND p.at IS NOT NULL
    GROUP BY p.system, p.feed, p.network
), signers AS (
    -- Signers of a single payload are of damaged ones, which recover to anything.
    SELECT s.system, NULL AS feed, s.signer AS signed_by, min(s.at) AS since
    FROM signatures s
    WHERE s.network IS NULL AND s.signer IS NOT NULL AND s.at IS NOT NULL
    GROUP BY s.system, s.signer
    HAVING min(s.signed_hash) <> max(s.signed_hash)
), changes AS (
    SELECT *, lag(signed_by) OVER (
               PARTITION BY system, feed ORDER BY epoch_ns(since), signed_by) AS earlier
    FROM (FROM configs UNION ALL FROM signers)
    QUALIFY earlier IS NOT NULL
), found AS (
    SELECT c.system, c.feed, c.earlier, c.signed_by AS later, c.since, min(s.frame) AS frame
    FROM changes c
    JOIN signatures s
      ON s.at = c.since AND s.system = c.system AND s.feed IS NOT DISTINCT FROM c.feed
     AND c.signed_by = CASE WHEN c.feed IS NULL THEN s.signer ELSE s.network END
    GROUP BY ALL
)
SELECT f.frame, p.index, f.since AS "at", f.system, f.earlier, f.later,
       concat_ws(' ', f.feed, f.earlier, f.later) AS key
FROM found f
JOIN payloads p USING (frame)
LEFT JOIN verdicts v USING (frame, index)
-- What the contract refuses is no new set of signers, but a payload of none.
WHERE v.passed IS NOT FALSE AND p.feed IS NOT DISTINCT FROM f.feed
