-- {rows} completed interactions of organisation {org}, numbered from {first}, one every {step} milliseconds since {begin}: made by ClickHouse
-- itself, for benchmarks. The same parameters make the same rows, down to the task codes. Load a million in pieces of 20,000 rows or so,
-- each a part of memory.
--
-- Words are made up of syllables and a number, the nth as often as 1/n or so, as in a language. A word with a digit is its own stem, so that `words`
-- is what schemas.SearchWords would give.
INSERT INTO interactions (
    org, code, version, updated_at, status, id, user_id, type, source, processing_type, file_name, directory_id, operator_name, client_id,
    call_type, call_date, call_time, call_datetime, created_at, seconds, length, language, text, words, analysis_version, engine, speech_model, profile,
    role_source, summary, sentiment, sentiment_score, tone_id, csat, politeness, politeness_grade, empathy, tags, tag_keys, topics, intent, reason,
    resolved_status_id, priority_id, funnel_stage_id, risk_signal_ids, sales_signal_ids, checklist_ids, checklist_answers,
    checklist_keys, script_alignment, script_id, script_version,
    turns, operator_turns, customer_turns, word_count, operator_talk, customer_talk, silence, hold, interruptions, longest_monologue,
    first_response, average_response, analysis)
WITH
    cityHash64(number, 1) AS a, cityHash64(number, 2) AS b, cityHash64(number, 3) AS c,
    {begin:DateTime64(6, 'UTC')} + toIntervalMillisecond(number * {step:UInt64}) AS created,
    lpad(lower(hex(toUInt64(toUnixTimestamp64Milli(created)))), 12, '0') AS time,
    b % 3 = 0 AS chat,
    if(chat, 0, 20 + a % 1200) AS heard,
    arrayMap(w -> concat(
        ['ka', 'lo', 'mi', 're', 'su', 'ta', 'no', 'vi', 'пе', 'ро', 'да', 'ки', 'мо', 'ле', 'за', 'ту'][1 + bitAnd(w, 15)],
        ['ran', 'tel', 'sim', 'pon', 'вод', 'нет', 'рок', 'кар'][1 + bitAnd(bitShiftRight(w, 4), 7)],
        toString(bitShiftRight(w, 7))),
        arrayMap(i -> toUInt32(pow(20000, (cityHash64(number, i) % 1000003) / 1000003)), range(100))) AS spoken,
    arrayMap(i -> concat('Tag ', toString(cityHash64(number, i) % 50)), range(a % 5)) AS marks,
    ['Yes', 'Partially', 'No'] AS answer,
    [answer[1 + a % 3], answer[1 + b % 3], answer[1 + c % 3], answer[1 + (a + b) % 3]] AS answers,
    ['none', 'churn', 'complaint', 'escalation', 'legal', 'refund', 'public_review', 'fraud', 'abuse', 'repeat_contact'][1 + a % 10] AS risk,
    ['none', 'purchase_intent', 'upsell', 'cross_sell', 'renewal', 'price_interest', 'competitor'][1 + b % 7] AS sale
SELECT
    {org:String},
    toUUID(concat(substring(time, 1, 8), '-', substring(time, 9, 4), '-7', leftPad(lower(hex(a % 4096)), 3, '0'), '-8',
        leftPad(lower(hex(b % 4096)), 3, '0'), '-', leftPad(lower(hex(c % 281474976710656)), 12, '0'))),
    bitShiftLeft(toUInt64(50), 32) + 1, created + toIntervalSecond(a % 600), 'completed', number + 1, 1 + a % 20,
    if(chat, 'chat', 'call'), 'upload', 'standard', if(chat, '', concat('rec_', toString(number), '.ogg')), b % 30, concat('Operator ', toString(c % 200)),
    concat('C-', toString(a % 100000)), ['inbound', 'outbound'][1 + b % 2], toDate32(created), created, created, created, heard, round(heard / 60, 2),
    ['en', 'ru'][1 + c % 2],
    arrayStringConcat(arrayMap(i -> concat(if(i % 2 = 0, 'Client: ', 'Operator: '), arrayStringConcat(arraySlice(spoken, 1 + 10 * i, 10), ' ')), range(10)), '\n'),
    arrayConcat(['client', 'oper'], arrayDistinct(spoken)), 1, 'benchmark',
    if(chat, '', 'benchmark ears'), concat('settings ', toString(b % 7)), 'channel', arrayStringConcat(arraySlice(spoken, 1, 20), ' '),
    ['positive', 'neutral', 'negative'][1 + a % 3], (b % 200) / 100 - 1, 1 + a % 4, if(c % 5 = 0, NULL, a % 11), (b % 100) / 100,
    1 + intDiv(b % 100, 20), (c % 100) / 100, marks, arrayMap(m -> lower(m), marks), [concat('topic ', toString(b % 40))], 'to ask', concat('reason ', toString(a % 25)),
    1 + a % 4, 1 + b % 4, 1 + c % 7, [1 + a % 10], [1 + b % 7], [1, 2, 3, 7],
    answers, arrayMap((q, s) -> concat(toString(q), '=', s), [1, 2, 3, 7], answers), if(c % 2 = 0, NULL, a % 101), if(c % 2 = 0, 0, 1 + b % 2), if(c % 2 = 0, 0, 1 + a % 3),
    10, 5, 5, 100, if(chat, NULL, heard * 0.4), if(chat, NULL, heard * 0.3), if(chat, NULL, heard * 0.2), if(chat, NULL, heard * 0.05), if(chat, NULL, a % 6),
    if(chat, NULL, heard * 0.1), if(chat, a % 240, NULL), if(chat, b % 180, NULL),
    concat('{"Version":1,"Summary":"', arrayStringConcat(arraySlice(spoken, 1, 20), ' '), '","Checklist":[', arrayStringConcat(arrayMap(
        (q, s) -> concat('{"ID":', toString(q), ',"Question":"Question ', toString(q), '?","Answer":"', s, '"}'), [1, 2, 3, 7], answers), ','),
        '],"Evidence":[', arrayStringConcat(arrayMap((judged, i) -> concat('{"Judgement":"', judged, '","Turn":', toString(i), ',"Speaker":"',
            if(i % 2 = 0, 'customer', 'operator'), '","Quote":"', arrayStringConcat(arraySlice(spoken, 1 + 10 * i, 10), ' '), '","Start":', toString(i * 7), '}'),
            ['csat', 'politeness', 'resolution', 'reason_for_contact', concat('risk_signals.', risk), concat('sales_signals.', sale)], range(6)), ','),
        '],"Task":{"ID":', toString(number + 1), '}}')
FROM numbers({first:UInt64}, {rows:UInt64})
SETTINGS max_block_size = 4000, max_threads = 1, min_insert_block_size_rows = 20000, min_insert_block_size_bytes = 67108864
