-- Conversations by operator, the busiest operators of the period first, and how many there are. The rows of
-- an operator follow each other.
WITH {{template "whole.sql"}}
SELECT operator_name, current, sums, countIf(current) OVER () AS operators
FROM (
    WITH {{template "current.sql"}}
    SELECT operator_name, current, {{template "figures.sql"}} AS sums
    {{template "conversations.sql"}}
    GROUP BY operator_name, current
)
ORDER BY sum(if(current, sums[1], 0)) OVER (PARTITION BY operator_name) DESC, operator_name, current
LIMIT {limit:UInt64}
