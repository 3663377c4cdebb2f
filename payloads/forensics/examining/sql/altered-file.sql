-- what: A file is not as it was written: a line was changed, taken out or put in, or times run
--   backwards.
-- severity: danger
-- group: file
-- revision: 1
-- sentence: {path} was altered: {problem}
-- by: path
WITH problems AS (
    SELECT i.*, unnest(i.problems) AS problem FROM inputs i
)
SELECT p.input::BIGINT << 44 AS frame, NULL::SMALLINT AS index, p.created AS "at", p.path, p.problem,
       concat_ws(' ', coalesce(p.capture, p.sha256), p.part, p.problem) AS key
FROM problems p
WHERE p.problem LIKE 'altered:%'
