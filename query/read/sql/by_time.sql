-- Conversations by day and hour of the report's time zone.
WITH {{template "whole.sql"}}, {{template "current.sql"}},
    toTimeZone(call_datetime, {zone:String}) AS moment
SELECT current, toDate32(moment) AS day, toHour(moment) AS hour, {{template "figures.sql"}} AS sums
{{template "conversations.sql"}}
GROUP BY current, day, hour
ORDER BY current, day, hour
LIMIT 100000
