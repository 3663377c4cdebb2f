-- what: Something is missing from a file: its end record, frames, a part of a capture, a record that
--   cannot be read, or all behind a place where the file is cut off.
-- severity: warning
-- group: file
-- revision: 1
-- sentence: {path} is not complete: {problem}
-- by: path
WITH problems AS (
    SELECT i.*, unnest(i.problems) AS problem FROM inputs i
)
SELECT p.input::BIGINT << 44 AS frame, NULL::SMALLINT AS index, p.created AS "at", p.path, p.problem,
       concat_ws(' ', coalesce(p.capture, p.sha256), p.part, p.problem) AS key
FROM problems p
WHERE p.problem LIKE 'incomplete:%' OR p.problem LIKE 'unreadable:%'
UNION ALL
SELECT i.input::BIGINT << 44, NULL, i.created, i.path,
       CASE WHEN i.read THEN 'it has no end record'
            ELSE coalesce(regexp_replace(i.problems[1], '^file: ', ''), 'it could not be read to its end')
       END,
       concat_ws(' ', coalesce(i.capture, i.sha256), i.part, 'end')
FROM inputs i
WHERE (NOT i.read OR i.complete IS FALSE)
  AND len(list_filter(coalesce(i.problems, []), lambda problem: problem LIKE 'incomplete:%'
                                                             OR problem LIKE 'unreadable:%')) = 0
UNION ALL
-- A record in the middle: the rest of the file was read.
SELECT f.frame, NULL, f.at, i.path, 'a record cannot be read: ' || f.error,
       concat_ws(' ', coalesce(i.capture, i.sha256), i.part, f.error)
FROM frames f
JOIN inputs i USING (input)
WHERE f.kind = 'unread' AND i.read
