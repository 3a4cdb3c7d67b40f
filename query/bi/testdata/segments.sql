-- Ten turns of each conversation, as the newest transcript has them, and two more of an older transcript.
INSERT INTO segments (org, code, turn, version, call_datetime, language, speaker, channel, start, end, text)
SELECT org, code, turn, if(turn < 10, 2, 1), call_datetime, language, if(turn % 2 = 0, 'customer', 'operator'), turn % 2, if(type = 'call', turn * 10, NULL),
    if(type = 'call', turn * 10 + 8, NULL), concat('turn ', toString(turn), ' as it ', if(org = 'org_2', 'was', 'is'))
FROM interactions FINAL ARRAY JOIN range(12) AS turn WHERE analysis_version > 0;
-- The same turns as an older transcript had them.
INSERT INTO segments (org, code, turn, version, call_datetime, language, speaker, channel, text)
SELECT org, code, turn, 1, call_datetime, language, speaker, channel, 'stale' FROM segments FINAL WHERE turn < 10;
