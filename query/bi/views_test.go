package bi

import (
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"earshot/query/read"
	"earshot/schemas"
)

// The document is the views' own comments: paste what this prints.
func TestTheDocumentIsTheViews(t *testing.T) {
	text, err := os.ReadFile("../../schemas/ddl/BI.md")
	if err != nil {
		t.Fatal(err)
	}
	document := string(text)
	for _, view := range schemas.BIViews {
		_, columns := rows(t, db, "SELECT name, type, comment FROM system.columns WHERE database = currentDatabase() AND table = '"+view+"' ORDER BY position")
		if len(columns) == 0 || columns[0][0] != "org" {
			t.Errorf("%s does not begin with org", view)
		}
		var table strings.Builder
		fmt.Fprintf(&table, "## %s\n", view)
		for _, c := range columns {
			parts := strings.Split(c[2], " | ")
			if len(parts) != 3 || strings.HasPrefix(parts[2], "NULL: ") != strings.Contains(c[1], "Nullable") {
				t.Errorf("%s.%s %s: the comment %q is not meaning, unit and what unknown is", view, c[0], c[1], c[2])
				continue
			}
			fmt.Fprintf(&table, "| `%s` | %s | %s |\n", c[0], c[1], c[2])
		}
		got, _, _ := strings.Cut(document[max(strings.Index(document, "## "+view+"\n"), 0):], "\n\n## ")
		_, lines, _ := strings.Cut(got, "| --- |\n")
		if want, _ := strings.CutPrefix(table.String(), "## "+view+"\n"); strings.TrimSpace(lines) != strings.TrimSpace(want) {
			t.Errorf("schemas/ddl/BI.md on %s should be\n%s", view, want)
		}
	}
}

// Ids and their words are those of the dictionaries: a new term needs a new migration.
func TestWordsAreTheDictionaries(t *testing.T) {
	for column, dictionary := range map[string]string{"tone": schemas.DictTone, "resolution": schemas.DictResolution, "priority": schemas.DictPriority,
		"funnel_stage": schemas.DictFunnelStage, "risk_signals": schemas.DictRisk, "sales_signals": schemas.DictSales} {
		var ddl string
		if err := db.QueryRow(t.Context(), "SELECT as_select FROM system.tables WHERE database = currentDatabase() AND name = 'bi_interactions'").Scan(&ddl); err != nil {
			t.Fatal(err)
		}
		var ids, words []string
		for _, term := range schemas.Dictionaries[dictionary] {
			ids, words = append(ids, fmt.Sprint(term.ID)), append(words, "'"+term.En+"'")
		}
		if list := "[" + strings.Join(ids, ", ") + "], [" + strings.Join(words, ", ") + "]"; !regexp.MustCompile(regexp.QuoteMeta(list) + `.* AS ` + column + `\b`).MatchString(ddl) {
			t.Errorf("%s does not decode %s", column, list)
		}
	}
}

func TestWhatIsNotKnownIsNull(t *testing.T) {
	const unknown = "csat, politeness, empathy, tone, tone_id, resolution, priority, funnel_stage, has_risk_signal, has_sales_signal, sentiment, sentiment_score, checklist_score, operator, direction, language, " +
		"duration_seconds, operator_talk_seconds, first_response_seconds, analysis_version, summary"
	_, all := rows(t, reader, "SELECT "+unknown+", error_code, in_reports FROM bi_interactions WHERE org = 'org_2' AND status = 'error' LIMIT 1")
	if want := strings.Repeat("NULL ", strings.Count(unknown, ",")+1) + "5004 false"; len(all) != 1 || strings.Join(all[0], " ") != want {
		t.Errorf("a failed conversation is %v", all)
	}
	_, all = rows(t, reader, "SELECT countIf(duration_seconds IS NOT NULL OR silence_seconds IS NOT NULL), countIf(csat IS NULL) > 0, count(first_response_seconds) > 0 FROM bi_interactions WHERE type = 'chat' AND in_reports")
	if strings.Join(all[0], " ") != "0 1 1" {
		t.Errorf("chats are %v", all)
	}
	_, all = rows(t, reader, "SELECT countIf(isNaN(ifNull(csat, 0)) OR isNaN(ifNull(checklist_score, 0)) OR isNaN(ifNull(silence_seconds, 0)) OR silence_seconds = 0 AND calls = 0), countIf(silence_seconds IS NULL) > 0 FROM bi_operators_daily")
	if strings.Join(all[0], " ") != "0 1" {
		t.Errorf("days are %v", all)
	}
}

// Older versions, turns that a newer transcript no longer has, and reports are not there.
func TestTheNewestVersionCounts(t *testing.T) {
	for sql, want := range map[string]string{
		"SELECT count(), uniqExact(task_code) FROM bi_interactions WHERE org = 'org_1'":                                          "3000 3000",
		"SELECT countIf(type = 'email') > 0, countIf(type = 'callreport') FROM bi_interactions":                                  "1 0",
		"SELECT max(turn), countIf(text = 'stale'), count() = uniqExact(org, task_code, turn) FROM bi_segments":                  "9 0 1",
		"SELECT count() = 10 * uniqExact(task_code), any(word_count) FROM bi_segments WHERE org = 'org_2'":                       "1 5",
		"SELECT count() = 4 * uniqExact(org, task_code) FROM bi_checklist_answers":                                               "1",
		"SELECT any(question), any(answered_by) FROM bi_checklist_answers WHERE question_id = 7":                                 "Question 7? 9",
		"SELECT any(question), any(answered_by) FROM bi_checklist_answers WHERE question_id = 1":                                 "Question 1? NULL",
		"SELECT sum(conversations) = (SELECT countIf(in_reports) FROM bi_interactions), sum(emails) > 0 FROM bi_operators_daily": "1 1",
		"SELECT countIf(risk_signals != []) = countIf(has_risk_signal), countIf(has(risk_signals, 'None')) FROM bi_interactions": "1 0",
	} {
		if _, all := rows(t, reader, sql); len(all) != 1 || strings.Join(all[0], " ") != want {
			t.Errorf("%s gives %v, want %s", sql, all, want)
		}
	}
}

// The numbers are those of the API for the same period.
func TestNumbersAreTheAPIs(t *testing.T) {
	api := read.New(db)
	for org := range organisations {
		tree, err := api.Activity(t.Context(), org)
		if err != nil {
			t.Fatal(err)
		}
		want := map[string]string{}
		for year, months := range tree {
			for month, days := range months {
				for day, n := range days {
					want[year+"-"+month+"-"+day] = fmt.Sprint(n)
				}
			}
		}
		got := map[string]string{}
		_, all := rows(t, reader, "SELECT toString(conversation_day), count() FROM bi_interactions WHERE org = '"+org+"' AND type = 'call' GROUP BY 1")
		for _, row := range all {
			got[row[0]] = row[1]
		}
		if len(want) < sampleDays-1 || !maps.Equal(got, want) {
			t.Errorf("calls of %s by day are %v, want %v", org, got, want)
		}
		for body, where := range map[string]string{
			`{"status": "completed", "task_type": "call,chat,email", "date_from": "2026-10-03", "date_to": "2026-10-09"}`: "status = 'completed' AND conversation_day BETWEEN '2026-10-03' AND '2026-10-09'",
			`{"customer_satisfaction_score_min": 7, "operator_politeness": [4, 5]}`:                                       "csat >= 7 AND politeness IN (4, 5)",
			`{"risk_signal_id": "2,3", "tone_id": [1, 2], "resolved_status_id": 1}`:                                       "hasAny(risk_signals, ['Churn', 'Complaint']) AND tone IN ('Positive', 'Neutral') AND resolution = 'Resolved'",
			`{"checklist_id": 7, "answers": ["Yes", "Partially"]}`:                                                        "task_code IN (SELECT task_code FROM bi_checklist_answers WHERE question_id = 7 AND answer IN ('Yes', 'Partially'))",
			`{"task_type": "call", "length_min": 3.5}`:                                                                    "type = 'call' AND round(duration_seconds / 60, 2) >= 3.5",
		} {
			criteria, err := read.ParseCriteria([]byte(body))
			if err != nil {
				t.Fatal(err)
			}
			page, err := api.Filter(t.Context(), org, criteria)
			if err != nil {
				t.Fatal(err)
			}
			_, all := rows(t, reader, "SELECT count() FROM bi_interactions WHERE org = '"+org+"' AND "+where)
			if page.Total == 0 || all[0][0] != fmt.Sprint(page.Total) {
				t.Errorf("%s: %s, the API has %d of %s", where, all[0][0], page.Total, body)
			}
		}
	}
}

// A day of an operator is the mean of its conversations, each measure over those in which it is known.
func TestADayIsItsConversations(t *testing.T) {
	const far = "abs(ifNull(a.%[1]s, -1) - ifNull(b.%[1]s, -1)) > 1e-9"
	var different []string
	for _, column := range []string{"duration_seconds", "operator_talk_seconds", "politeness", "empathy", "csat", "script_alignment", "checklist_score", "resolved", "negative", "risky", "sales",
		"silence_seconds", "hold_seconds", "interruptions", "first_response_seconds", "average_response_seconds"} {
		different = append(different, fmt.Sprintf(far, column))
	}
	_, all := rows(t, reader, `SELECT count(), countIf(a.conversations != b.conversations OR `+strings.Join(different, " OR ")+`)
		FROM bi_operators_daily AS a FULL JOIN (
			SELECT org, conversation_day AS day, ifNull(operator, '') AS operator, count() AS conversations, sum(ifNull(duration_seconds, 0)) AS duration_seconds,
				sumOrNull(operator_talk_seconds) AS operator_talk_seconds, avgOrNull(politeness) AS politeness, avgOrNull(empathy) AS empathy, avgOrNull(csat) AS csat,
				avgOrNull(script_alignment) AS script_alignment, avgOrNull(checklist_score) AS checklist_score, countIf(resolution = 'Resolved') AS resolved,
				countIf(sentiment = 'negative') AS negative, countIf(has_risk_signal) AS risky, countIf(has_sales_signal) AS sales, sumOrNull(silence_seconds) AS silence_seconds,
				sumOrNull(hold_seconds) AS hold_seconds, sumOrNull(interruptions) AS interruptions, avgOrNull(first_response_seconds) AS first_response_seconds,
				avgOrNull(average_response_seconds) AS average_response_seconds
			FROM bi_interactions WHERE in_reports GROUP BY org, day, operator) AS b
		ON a.org = b.org AND a.day = b.day AND a.operator = b.operator`)
	if all[0][1] != "0" || len(all[0][0]) < 4 {
		t.Errorf("of %s days %s differ", all[0][0], all[0][1])
	}
}

// Filters on organisation and time are answered by the primary key and the skip index, through the view and through its row policy.
func TestFiltersReachTheIndexes(t *testing.T) {
	for view, filter := range map[string]string{
		"bi_interactions":      "conversation_at >= '2026-10-05' AND conversation_at < '2026-10-06'",
		"bi_operators_daily":   "day = '2026-10-05'",
		"bi_checklist_answers": "conversation_at >= '2026-10-05' AND conversation_at < '2026-10-06'",
		"bi_segments":          "conversation_at >= '2026-10-05' AND conversation_at < '2026-10-06'",
	} {
		if _, err := as(t, "org_1", "SELECT * FROM "+view); err != nil {
			t.Fatal(err)
		}
		for _, from := range []string{view + " WHERE org = 'org_1' AND ", "as_account WHERE "} {
			_, plan := rows(t, db, "EXPLAIN indexes = 1 SELECT count() FROM "+from+filter)
			text := fmt.Sprint(slices.Concat(plan...))
			for _, index := range []string{"org in ['org_1', 'org_1']", "Name: conversation_range"} {
				if !strings.Contains(strings.ReplaceAll(text, `\'`, `'`), index) {
					t.Errorf("the plan of %s lacks %s:\n%s", from+filter, index, text)
				}
			}
		}
	}
}

// The examples of the README give rows, with an account's rights.
func TestTheReadmesExamples(t *testing.T) {
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "### BI tools\n")
	section, _, _ = strings.Cut(section, "\n#")
	_, examples, _ := strings.Cut(section, "```sql\n")
	examples, _, _ = strings.Cut(examples, "```")
	seen := map[string]bool{}
	for sql := range strings.SplitSeq(examples, ";\n") {
		if strings.TrimSpace(sql) == "" {
			continue
		}
		all, err := as(t, "org_1", strings.ReplaceAll(sql, "now()", "toDateTime('2026-10-20 00:00:00', 'UTC')"))
		if err != nil || len(all) == 0 {
			t.Errorf("%s: %d rows, %v", sql, len(all), err)
		}
		for _, view := range schemas.BIViews {
			seen[view] = seen[view] || strings.Contains(sql, view)
		}
	}
	for _, view := range schemas.BIViews {
		if !seen[view] {
			t.Errorf("the README has no example for %s", view)
		}
	}
}
