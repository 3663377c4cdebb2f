-- what: A report had expired when it was received. Contracts without a fee manager accept it all the
--   same.
-- severity: warning
-- group: time
-- revision: 1
-- within: frame
-- sentence: {count} {count:report|reports}[ of feed {feed}] had expired on arrival, the first for
--   {seconds} s
SELECT p.frame, p.index, p.at, p.system, p.feed,
       round((epoch_ns(p.at) - epoch_ns(p.expires)) / 1e9, 3) AS seconds, p.signed_hash AS key
FROM payloads p
WHERE p.expires < p.at
