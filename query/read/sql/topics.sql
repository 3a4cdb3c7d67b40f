-- The topics, those first that are most frequent in the period, those that were in the one before only last.
WITH {{template "current.sql"}}
SELECT arrayJoin(arrayDistinct(topics)) AS topic, countIf(current) AS conversations, countIf(NOT current) AS previous,
    sumIf(ifNull(csat, 0), current) AS csat_sum, countIf(current AND csat IS NOT NULL) AS csat_count,
    countIf(current AND sentiment = 'negative') AS negative, countIf(current AND sentiment != '') AS sentiments
{{template "conversations.sql"}}
GROUP BY topic
ORDER BY conversations DESC, if(conversations > 0, 0, previous) DESC, topic
LIMIT 10000
