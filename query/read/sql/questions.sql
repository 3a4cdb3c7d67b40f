-- Answers to the questions of checklists, but for those in a person's own words (schemas.Scored), of all conversations (those answered most first) and of each of {operators}.
WITH {{template "newest.sql"}}
SELECT grouping(operator_name)::Bool AS total, operator_name, question, sum(affirmed) AS yes, sum(halfway) AS partially, sum(counted) AS answers,
    code_of(min(code)) AS newest
FROM (
    SELECT operator_name, pair.1 AS question, countIf(pair.2 = 'Yes') AS affirmed, countIf(pair.2 = 'Partially') AS halfway, count() AS counted,
        min(bitNot(toUInt128(code))) AS code
    FROM (
        SELECT operator_name, code, arrayJoin(arrayZip(checklist_ids, checklist_answers)) AS pair
        {{template "conversations.sql"}}
    )
    WHERE pair.2 IN ('Yes', 'Partially', 'No')
    GROUP BY operator_name, question
)
GROUP BY GROUPING SETS ((question), (operator_name, question))
HAVING total OR has({operators:Array(String)}, operator_name)
ORDER BY total DESC, answers DESC, question, operator_name
LIMIT 100000
