-- The score of a conversation as report.Score has it, in millionths; it means something where parts > 0.
if(politeness_grade > 0, (politeness_grade - 1) / 4 * 100, NULL) AS polite, empathy * 100 AS kind, csat * 10 AS content,
    (countEqual(checklist_answers, 'Yes') + countEqual(checklist_answers, 'Partially') / 2)
        / nullIf(arrayCount(a -> a IN ('Yes', 'Partially', 'No'), checklist_answers), 0) * 100 AS checked,
    isNotNull(polite) + isNotNull(kind) + isNotNull(content) + isNotNull(script_alignment) + isNotNull(checked) AS parts,
    toInt64(round((ifNull(polite, 0) + ifNull(kind, 0) + ifNull(content, 0) + ifNull(script_alignment, 0) + ifNull(checked, 0)) / greatest(parts, 1) * 1000000)) AS score
