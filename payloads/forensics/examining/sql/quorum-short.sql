-- what: A report has fewer different signers than its network needs: fewer signatures than nearly all
--   other reports of the network, or a signer twice.
-- severity: danger
-- group: signature
-- revision: 1
-- sentence: {count} {count:report|reports}[ of feed {feed}] {count:has|have} {signers}
--   {signers:signer|signers}, where {usual} are usual
-- bound share: 0.9 - share of a network's reports that have the usual number of signatures; below it
--   no number is usual
WITH numbers AS (
    SELECT network, signatures, count(*) AS reports
    FROM payloads
    WHERE network IS NOT NULL AND error IS NULL
    GROUP BY network, signatures
), usual AS (
    SELECT network, max_by(signatures, reports) AS usual
    FROM numbers
    GROUP BY network
    HAVING max(reports) >= $share * sum(reports)
), short AS (
    SELECT p.frame, p.index, p.signatures AS signers
    FROM payloads p
    JOIN usual u USING (network)
    WHERE p.error IS NULL AND p.signatures < u.usual
), twice AS (
    SELECT s.frame, s.index, count(DISTINCT s.signer) AS signers
    FROM signatures s
    JOIN verdicts v USING (frame, index)
    WHERE s.system = 'chainlink' AND NOT v.passed
    GROUP BY s.frame, s.index
    HAVING count(DISTINCT s.signer) < count(s.signer)
), found AS (
    SELECT frame, index, min(signers) AS signers
    FROM (FROM short UNION ALL FROM twice)
    GROUP BY frame, index
)
SELECT p.frame, p.index, p.at, p.system, p.feed, f.signers, u.usual, p.payload_hash AS key
FROM found f
JOIN payloads p USING (frame, index)
LEFT JOIN usual u USING (network)
LEFT JOIN verdicts v USING (frame, index)
WHERE v.passed IS NOT TRUE
