-- What the benchmarks' rows lack: e-mails, measures of calls, response times, questions, and conversations that failed or are not known yet.
INSERT INTO interactions
SELECT t.* REPLACE (
    t.version + 1 AS version,
    if(t.type = 'chat' AND t.id % 4 = 0, 'email', t.type) AS type,
    multiIf(t.id % 20 = 0, '', t.org = 'org_2' AND t.id % 11 = 1, 'Operator of org_2', t.operator_name) AS operator_name,
    if(t.org = 'org_1' AND t.csat = 0, 1, t.csat) AS csat, -- 0 is org_2's only
    if(t.org = 'org_2', concat(t.summary, ' told to org_2'), t.summary) AS summary,
    if(t.type = 'call', t.seconds * 0.4, NULL) AS operator_talk,
    if(t.type = 'call', t.seconds * 0.1, NULL) AS silence,
    if(t.type = 'call' AND t.id % 3 = 0, t.id % 60, NULL) AS hold,
    if(t.type = 'call', t.id % 4, NULL) AS interruptions,
    if(t.type = 'chat' AND t.id % 7 != 0, t.id % 200, NULL) AS first_response,
    if(t.type = 'chat' AND t.id % 7 != 0, t.id % 90, NULL) AS average_response,
    concat('{"Checklist":[', arrayStringConcat(arrayMap((q, a) -> concat('{"ID":', toString(q), ',"Question":"Question ', toString(q), if(q = 2 AND t.org = 'org_2', ' asked by org_2', ''), '?","Answer":"', a,
        '","AnsweredBy":', if(q = 7, '9', '0'), '}'), t.checklist_ids, t.checklist_answers), ','), ']}') AS analysis)
FROM interactions AS t FINAL;
-- Not analysed: the task failed.
INSERT INTO interactions (org, code, version, updated_at, status, error_code, error_message, id, type, call_datetime, created_at)
SELECT org, code, version + 4294967296, updated_at, 'error', 5004, 'No speech model', id, type, call_datetime, created_at
FROM interactions FINAL WHERE id % 100 = 0;
-- A report is a task, but no conversation.
INSERT INTO interactions (org, code, version, status, id, type, call_datetime, created_at)
SELECT 'org_1', generateUUIDv7(), 1, 'completed', 900001, 'callreport', '2026-10-05 10:00:00', '2026-10-05 10:00:00';
