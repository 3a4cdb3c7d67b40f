-- The reasons of the conversations that ended unresolved, with the newest of those, beside all whose outcome is known.
WITH {{template "newest.sql"}}, resolved_status_id = 3 AS open
SELECT reason, countIf(open) AS unresolved, countIf(resolved_status_id IN (1, 2, 3)) AS conversations,
    sumIf(ifNull(csat, 0), open) AS csat_sum, countIf(open AND csat IS NOT NULL) AS csat_count,
    arrayMap(code_of, groupArraySortedIf({quotes:UInt64})(bitNot(toUInt128(code)), open)) AS newest
{{template "conversations.sql"}}
    AND reason != ''
GROUP BY reason
HAVING unresolved > 0
ORDER BY unresolved DESC, reason
LIMIT {limit:UInt64}
