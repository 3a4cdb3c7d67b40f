-- How fast chats and e-mails are answered.
WITH {{template "whole.sql"}}
SELECT type, count() AS conversations, quantilesExactInclusive(0.5, 0.9, 0.95)(assumeNotNull(first_response)) AS quantiles,
    countIf(first_response <= if(type = 'chat', {chat_target:Float64}, {email_target:Float64})) AS within,
    known(sum(micro(average_response))) AS average_sum, count(average_response) AS average_count
{{template "conversations.sql"}}
    AND type IN ('chat', 'email') AND first_response IS NOT NULL
GROUP BY type
ORDER BY type
