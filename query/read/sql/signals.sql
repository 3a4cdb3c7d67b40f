-- Risk and sales signals, of all conversations and of each of {operators}, with the newest conversations that show them.
-- The dictionaries' first entry is "none".
WITH {{template "newest.sql"}}
SELECT grouping(operator_name)::Bool AS total, operator_name, sale, signal, sum(counted) AS conversations, sum(earlier) AS previous, sum(solved) AS resolved,
    arrayMap(code_of, arraySlice(arraySort(arrayFlatten(groupArray(codes))), 1, {quotes:UInt64})) AS newest
FROM (
    SELECT operator_name, sale, signal, countIf(current) AS counted, countIf(NOT current) AS earlier, countIf(current AND resolved_status_id = 1) AS solved,
        groupArraySortedIf({quotes:UInt64})(bitNot(toUInt128(code)), current) AS codes
    FROM (
        WITH {{template "current.sql"}}
        SELECT operator_name, code, resolved_status_id, current, arrayJoin(arrayConcat(
            arrayMap(i -> (false, i), arrayDistinct(risk_signal_ids)), arrayMap(i -> (true, i), arrayDistinct(sales_signal_ids)))) AS pair,
            pair.1 AS sale, pair.2 AS signal
        {{template "conversations.sql"}}
    )
    WHERE signal > 1
    GROUP BY operator_name, sale, signal
)
GROUP BY GROUPING SETS ((sale, signal), (operator_name, sale, signal))
HAVING total OR has({operators:Array(String)}, operator_name)
ORDER BY total DESC, operator_name, sale, conversations DESC, previous DESC, signal
LIMIT 100000
