-- The conversations with the highest and the lowest scores, the newest first among equals, of all and of each of {operators}.
WITH {{template "newest.sql"}}
SELECT grouping(operator_name)::Bool AS total, operator_name,
    arrayMap(t -> code_of(t.2), arraySlice(arraySort(arrayFlatten(groupArray(high))), 1, {best:UInt64})) AS best,
    arrayMap(t -> code_of(t.2), arraySlice(arraySort(arrayFlatten(groupArray(low))), 1, {worst:UInt64})) AS worst
FROM (
    WITH {{template "score.sql"}}, bitNot(toUInt128(code)) AS age
    SELECT operator_name, groupArraySorted({best:UInt64})((-score, age)) AS high, groupArraySorted({worst:UInt64})((score, age)) AS low
    {{template "conversations.sql"}}
        AND parts > 0
    GROUP BY operator_name
)
GROUP BY GROUPING SETS ((), (operator_name))
HAVING total OR has({operators:Array(String)}, operator_name)
ORDER BY total DESC, operator_name
LIMIT 1000
