-- what: Bytes that pad a payload to whole words are not zero. Decoders skip them, so a relay can
--   change them, or hide something in them.
-- severity: warning
-- group: payload
-- revision: 1
-- within: frame
-- sentence: {count} {count:payload|payloads}[ of feed {feed}] {count:has|have} padding that is not
--   zero
SELECT p.frame, p.index, p.at, p.system, p.feed, p.payload_hash AS key
FROM payloads p
WHERE contains(p.departures, 'dirty-padding')
