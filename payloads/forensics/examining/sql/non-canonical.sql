-- what: A payload is not the encoding that an honest encoder writes: parts overlap, lie in another
--   order or lack their padding, counts differ, or a report is longer than its schema. Contracts
--   may accept it. Dirty padding and bytes without a use have codes of their own.
-- severity: warning
-- group: payload
-- revision: 1
-- within: frame
-- sentence: {count} {count:payload|payloads}[ of feed {feed}] {count:is|are} not canonical:
--   {departures}
SELECT p.frame, p.index, p.at, p.system, p.feed, p.departures, p.payload_hash AS key
FROM payloads p
WHERE NOT p.canonical
  AND len(list_filter(
        string_split(p.departures, ','),
        lambda kind: trim(kind) NOT IN ('dirty-padding', 'unsigned-bytes', 'gap', 'trailing')
      )) > 0
