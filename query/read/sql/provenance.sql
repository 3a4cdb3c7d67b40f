-- What judged the conversations. Without an analysis, engine is the recogniser.
SELECT if(analysis_version > 0, engine, '') AS analyser, script_id, script_version, count() AS conversations
{{template "conversations.sql"}}
GROUP BY analyser, script_id, script_version
ORDER BY analyser, script_id, script_version
LIMIT 10000
