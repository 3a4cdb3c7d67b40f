-- The conversations that a report is about. {since} is where its period begins, or the one before it; queries over both tell
-- them apart by current.sql.
FROM interactions FINAL
WHERE org = {org:String} AND status = 'completed' AND type IN ('call', 'chat', 'email')
    AND call_datetime >= {since:DateTime64(6, 'UTC')} AND call_datetime < {until:DateTime64(6, 'UTC')}
