-- what: The JSON around a payload says something else than the signed bytes do. The signed bytes
--   are what a contract sees.
-- severity: danger
-- group: payload
-- revision: 1
-- within: frame
-- sentence: {count} {count:frame contradicts its|frames contradict their} payload[ of feed {feed}]:
--   {contradiction}
SELECT p.frame, p.index, p.at, p.system, p.feed, p.contradiction, p.payload_hash AS key
FROM payloads p
WHERE p.contradiction IS NOT NULL
