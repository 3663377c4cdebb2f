-- what: A value without a signature came on a connection that carries signed values.
-- severity: danger
-- group: signature
-- revision: 1
-- within: connection
-- sentence: {count} {count:payload|payloads} without a signature came between signed ones
WITH unsigned AS (
    SELECT p.frame, p.index, p.at, p.system, p.connection, p.form,
           concat_ws(' ', p.feed, epoch_ns(p.observed), epoch_ns(p.at)) AS key
    FROM payloads p
    WHERE p.error IS NULL AND coalesce(p.signatures, 0) = 0 AND p.form IN ('unsigned', 'report')
)
SELECT u.*
FROM unsigned u
WHERE u.connection IN (SELECT p.connection FROM payloads p WHERE p.signatures > 0)
