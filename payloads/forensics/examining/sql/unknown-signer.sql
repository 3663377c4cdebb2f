-- what: A payload is signed by an address that the state does not know, or a signature has no signer
--   at all. Damaged payloads recover to an address of their own each: signers with a single payload
--   are put together.
-- severity: danger
-- group: signature
-- revision: 1
-- sentence: {count} {count:signature is|signatures are} of no signer that the state knows[:
--   {signer}][, feed {feed}]
WITH strangers AS (
    SELECT s.frame, s.index, s.at, s.system, s.feed, s.signer, s.why, s.signed_hash
    FROM signatures s
    JOIN verdicts v USING (frame, index)
    WHERE s.member IS NULL AND s.signer IS NOT NULL AND v.problem IS NULL
    UNION ALL
    SELECT s.frame, s.index, s.at, s.system, s.feed, s.signer, s.why, s.signed_hash
    FROM signatures s
    WHERE s.signer IS NULL
)
SELECT frame, index, "at", system, feed,
       CASE WHEN count(DISTINCT signed_hash) OVER (PARTITION BY signer) > 1 THEN signer END AS signer,
       why, concat_ws(' ', signed_hash, signer) AS key
FROM strangers
