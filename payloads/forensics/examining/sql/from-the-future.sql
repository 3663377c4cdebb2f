-- what: A payload was received before the time of its observations. Contracts do not look at that.
-- severity: danger
-- group: time
-- revision: 1
-- within: frame
-- sentence: {count} {count:payload|payloads}[ of feed {feed}] {count:is|are} from the future, the
--   first by {seconds} s
-- bound tolerance: 2 s - difference of honest clocks
SELECT p.frame, p.index, p.at, p.system, p.feed,
       round((epoch_ns(p.observed) - epoch_ns(p.at)) / 1e9, 3) AS seconds, p.signed_hash AS key
FROM payloads p
WHERE epoch_ns(p.observed) - epoch_ns(p.at) > $tolerance * 1e9
