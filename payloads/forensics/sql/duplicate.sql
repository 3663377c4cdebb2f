-- what: The same signed content was received more than once. Two origins of a venue send everything
--   twice, and a connection that is opened again may begin with the newest value: that is normal.
-- severity: info
-- group: stream
-- revision: 1
-- sentence: {count} receipts of feed {feed} repeat an earlier one, the first on {where}
SELECT min(p.frame) AS frame, NULL::SMALLINT AS index, min(p.at) AS "at", max(p.at) AS ended,
       p.system, p.feed, count(*) - 1 AS n,
       CASE WHEN min(p.connection) = max(p.connection) THEN 'the same connection'
            ELSE 'several connections' END AS "where",
       p.signed_hash AS key
FROM payloads p
WHERE p.signed_hash IS NOT NULL
GROUP BY p.system, p.feed, p.signed_hash
HAVING count(*) > 1
