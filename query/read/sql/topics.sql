-- The topics that are most frequent in the period.
WITH {{template "current.sql"}}
SELECT arrayJoin(arrayDistinct(topics)) AS topic, countIf(current) AS conversations, countIf(NOT current) AS previous,
    sumIf(ifNull(csat, 0), current) AS csat_sum, countIf(current AND csat IS NOT NULL) AS csat_count,
    countIf(current AND sentiment = 'negative') AS negative, countIf(current AND sentiment != '') AS sentiments
{{template "conversations.sql"}}
GROUP BY topic
HAVING conversations > 0
ORDER BY conversations DESC, topic
LIMIT {limit:UInt64}
