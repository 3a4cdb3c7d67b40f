-- Why people got in touch most often in the period, with the outcomes.
SELECT reason, sum(counted) AS conversations, sum(earlier) AS previous, groupArray(resolved_status_id) AS outcomes, groupArray(counted) AS counts
FROM (
    WITH {{template "current.sql"}}
    SELECT reason, resolved_status_id, countIf(current) AS counted, countIf(NOT current) AS earlier
    {{template "conversations.sql"}}
        AND reason != ''
    GROUP BY reason, resolved_status_id
)
GROUP BY reason
HAVING conversations > 0
ORDER BY conversations DESC, reason
LIMIT {limit:UInt64}
