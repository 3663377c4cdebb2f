-- what: A connection ended without the usual close (code 1000), or could not be opened.
-- severity: warning
-- group: stream
-- revision: 1
-- within: frame
-- sentence: {what} {count} {count:time|times}[ at {venue}]: {reason}
-- by: venue, what
SELECT f.frame, NULL::SMALLINT AS index, f.at, f.venue, f.what,
       json_extract_string(f.detail, '$.code') AS code,
       coalesce(json_extract_string(f.detail, '$.reason'), json_extract_string(f.detail, '$.why'),
                'status ' || json_extract_string(f.detail, '$.status'), 'no reason') AS reason,
       concat_ws(' ', f.venue, epoch_ns(f.at), f.what) AS key
FROM frames f
WHERE f.kind = 'incident'
  AND (f.what IN ('refused', 'unreachable', 'gave up')
       OR (f.what = 'closed' AND json_extract_string(f.detail, '$.code') IS DISTINCT FROM '1000'))
