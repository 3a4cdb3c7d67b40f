-- Conversations by their codes. A task has a row or two: the newest of them is taken without FINAL, which would read the widest
-- columns of all rows around. The set of a subquery is looked up in the primary key.
SELECT code, id, type, call_datetime, operator_name, seconds, politeness_grade, empathy, csat, script_alignment, checklist_answers, summary, analysis
FROM interactions
PREWHERE org = {org:String} AND toUInt128(code) IN (SELECT toUInt128(arrayJoin({codes:Array(UUID)})))
ORDER BY version DESC
LIMIT 1 BY code
