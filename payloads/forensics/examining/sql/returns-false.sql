-- what: The contract would have returned false instead of reverting: a caller that does not look at
--   the answer takes the payload for good.
-- severity: danger
-- group: signature
-- revision: 1
-- within: frame
-- sentence: the contract returns false for {count} {count:payload|payloads} of {system}
SELECT v.frame, v.index, p.at, p.system, p.feed, v.state, p.payload_hash AS key
FROM verdicts v
JOIN payloads p USING (frame, index)
WHERE NOT v.passed AND v.verdict = 'returns false'
