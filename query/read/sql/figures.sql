-- What Figures are made of, in the order of the constants in report_figures.go. Measures are summed as whole numbers, in
-- millionths: a sum of floats depends on the order in which threads add them up, and the same data must give the same report.
-- Takes the functions of whole.sql.
[
    toInt64(count()), toInt64(countIf(type = 'call')), toInt64(countIf(type = 'chat')), toInt64(countIf(type = 'email')),
    sum(micro(seconds)),
    known(sum(micro(operator_talk))), toInt64(count(operator_talk)),
    toInt64(sum(politeness_grade)), toInt64(countIf(politeness_grade > 0)),
    known(sum(micro(empathy))), toInt64(count(empathy)),
    known(sum(csat)), toInt64(count(csat)),
    known(sum(micro(script_alignment))), toInt64(count(script_alignment)),
    toInt64(sum(countEqual(checklist_answers, 'Yes'))), toInt64(sum(countEqual(checklist_answers, 'Partially'))), toInt64(sum(arrayCount(a -> a IN ('Yes', 'Partially', 'No'), checklist_answers))),
    toInt64(countIf(resolved_status_id = 1)), toInt64(countIf(resolved_status_id IN (1, 2, 3))),
    toInt64(countIf(sentiment = 'positive')), toInt64(countIf(sentiment = 'negative')), toInt64(countIf(sentiment != '')),
    toInt64(countIf(arrayExists(i -> i != 1, risk_signal_ids))), toInt64(countIf(arrayExists(i -> i != 1, sales_signal_ids))),
    known(sumIf(micro(silence), type = 'call')), sumIf(micro(seconds), type = 'call' AND silence IS NOT NULL),
    known(sumIf(micro(hold), type = 'call')), sumIf(micro(seconds), type = 'call' AND hold IS NOT NULL),
    known(sum(interruptions)), toInt64(count(interruptions)),
    known(sum(micro(longest_monologue))), toInt64(count(longest_monologue)),
    known(sumIf(micro(first_response), type != 'call')), toInt64(countIf(first_response IS NOT NULL AND type != 'call')),
    known(sumIf(micro(average_response), type != 'call')), toInt64(countIf(average_response IS NOT NULL AND type != 'call')),
    toInt64(countIf(analysis_version > 0)),
    toInt64(countIf(politeness_grade > 0 OR empathy IS NOT NULL OR csat IS NOT NULL OR script_alignment IS NOT NULL
        OR arrayCount(a -> a IN ('Yes', 'Partially', 'No'), checklist_answers) > 0))
]
