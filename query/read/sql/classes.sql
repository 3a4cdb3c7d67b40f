-- Conversations by what has few values: grades of satisfaction, stages of the funnel, outcomes.
WITH {{template "current.sql"}}
SELECT current, csat, funnel_stage_id, resolved_status_id, count() AS conversations
{{template "conversations.sql"}}
GROUP BY current, csat, funnel_stage_id, resolved_status_id
ORDER BY current, csat, funnel_stage_id, resolved_status_id
