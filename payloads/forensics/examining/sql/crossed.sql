-- what: The bid of a payload is above its ask. Contracts do not look at prices.
-- severity: danger
-- group: price
-- revision: 1
-- within: frame
-- sentence: the bid is above the ask in {count} {count:payload|payloads}[ of feed {feed}]: {bid}
--   above {ask}
WITH books AS (
    SELECT r.frame, r.index, r.system, r.feed, min(r.at) AS "at", min(r.observed) AS observed,
           min(r.value) FILTER (r.field IN ('bid', 'best_bid', 'bid_price')) AS bid,
           min(r.value) FILTER (r.field IN ('ask', 'best_ask', 'ask_price')) AS ask
    FROM prices r
    WHERE r.field IN ('bid', 'best_bid', 'bid_price', 'ask', 'best_ask', 'ask_price')
    GROUP BY r.frame, r.index, r.system, r.feed
)
SELECT b.frame, b.index, b.at, b.system, b.feed, b.bid, b.ask,
       concat_ws(' ', b.feed, epoch_ns(b.observed), b.bid, b.ask) AS key
FROM books b
WHERE b.bid > b.ask
