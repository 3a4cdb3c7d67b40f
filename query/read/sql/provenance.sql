-- What heard and judged the conversations. Without an analysis, engine is the recogniser.
SELECT kind, name, id, version, sum(judged) AS conversations
FROM (
    SELECT if(analysis_version > 0, engine, '') AS analyser, script_id, script_version, speech_model, profile, count() AS judged
    {{template "conversations.sql"}}
    GROUP BY analyser, script_id, script_version, speech_model, profile
)
ARRAY JOIN
    ['engine', 'model', 'profile', 'script'] AS kind,
    [toString(analyser), toString(speech_model), toString(profile), ''] AS name,
    [0, 0, 0, script_id] AS id,
    [0, 0, 0, script_version] AS version
WHERE name != '' OR id != 0
GROUP BY kind, name, id, version
ORDER BY kind, conversations DESC, name, id, version
LIMIT 1000 BY kind
