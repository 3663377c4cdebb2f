-- what: The contract would have refused the payload at the time of its receipt.
-- severity: danger
-- group: signature
-- revision: 1
-- within: frame
-- sentence: {count} {count:payload|payloads}[ of feed {feed}] {count:is|are} refused: {error}
-- by: error
SELECT v.frame, v.index, p.at, p.system, p.feed, coalesce(v.error, v.verdict) AS error, v.state,
       p.payload_hash AS key
FROM verdicts v
JOIN payloads p USING (frame, index)
WHERE NOT v.passed AND v.verdict <> 'returns false'
