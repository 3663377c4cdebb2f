-- what: A payload has bytes that no signature covers and no decoder reads: behind the last
--   signature's recovery id, between its parts, or behind them.
-- severity: warning
-- group: payload
-- revision: 1
-- within: frame
-- sentence: {count} {count:payload|payloads}[ of feed {feed}] {count:has|have} {unsigned_bytes}
--   {unsigned_bytes:byte|bytes} that no signature covers
SELECT p.frame, p.index, p.at, p.system, p.feed, p.unsigned_bytes, p.departures,
       p.payload_hash AS key
FROM payloads p
WHERE regexp_matches(p.departures, '(^|,) *(unsigned-bytes|gap|trailing)(,|$)')
