-- what: A payload cannot be decoded, or a message cannot be read.
-- severity: danger
-- group: payload
-- revision: 1
-- within: frame
-- sentence: {count} {count:message|messages}[ of {venue}] cannot be decoded, such as: {error}
-- by: venue
SELECT p.frame, p.index, p.at, p.system, p.feed, p.venue, p.error,
       coalesce(p.payload_hash, p.error) AS key
FROM payloads p
WHERE p.error IS NOT NULL
UNION ALL
SELECT f.frame, NULL, f.at, NULL, NULL, f.venue, f.error,
       concat_ws(' ', f.venue, epoch_ns(f.at), f.error)
FROM frames f
WHERE f.error IS NOT NULL AND f.payloads = 0 AND f.kind NOT IN ('unread', 'incident')
