-- Conversations by day and hour of the report's time zone. Of one that came with a date and no time the hour is not known:
-- its call_datetime is midnight.
WITH {{template "whole.sql"}}, {{template "current.sql"}},
    toTimeZone(call_datetime, {zone:String}) AS moment
SELECT current, toDate32(moment) AS day, toHour(moment) AS hour, (call_time IS NOT NULL OR call_date IS NULL)::Bool AS timed, {{template "figures.sql"}} AS sums
{{template "conversations.sql"}}
GROUP BY current, day, hour, timed
ORDER BY current, day, hour, timed
LIMIT 100000
