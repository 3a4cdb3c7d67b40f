package e2e

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"earshot/schemas"
)

// condition is one filter of the seed with a value that finds a task and one
// that does not, as they are written in a URL; nil where every value that may
// be asked for finds it.
type condition struct {
	name    string
	is, not any
}

// checkFilters asks for the chat or the call by each filter of the seed alone,
// by GET and POST and on both paths: it is found by the value that it has and
// not by another. What the tasks have is read from ClickHouse.
func (s *stack) checkFilters(chat, call string) {
	s.Helper()
	for code, conditions := range map[string][]condition{
		chat: s.chatConditions(chat),
		call: s.callConditions(call),
	} {
		for _, c := range conditions {
			for value, want := range map[any]bool{c.is: true, c.not: false} {
				if value == nil {
					continue
				}
				for how, found := range s.findings(url.Values{c.name: {fmt.Sprint(value)}}) {
					if slices.Contains(found, code) != want {
						s.Errorf("%s with %s=%v gives %v; task %s among them should be %v", how, c.name, value, found, code, want)
					}
				}
			}
		}
	}
	s.checkAnswerOf(chat)
	s.checkSeedsExample(chat)
	s.checkPages()
}

// chatConditions need columns of the chat in ClickHouse.
func (s *stack) chatConditions(code string) []condition {
	s.Helper()
	row := s.sql(`SELECT id, tone_id, resolved_status_id, priority_id, funnel_stage_id, risk_signal_ids[1], sales_signal_ids[1],
		politeness_grade, csat, script_alignment, tags[1], arrayStringConcat(checklist_answers, ','), arrayStringConcat(arraySlice(tags, 1, 2), ',')
		FROM interactions FINAL WHERE code = '` + code + `'`)
	if len(row) != 1 {
		s.Fatalf("ClickHouse has %d rows of task %s", len(row), code)
	}
	v := row[0]
	number := func(i int) (n float64) {
		if _, err := fmt.Sscan(v[i], &n); err != nil {
			s.Fatalf("column %d of task %s is %q: the sample should be judged", i+1, code, v[i])
		}
		return n
	}
	grade, csat, script := number(7), number(8), number(9)
	// bound is a value beyond n, unless the scale ends there.
	bound := func(n, step, end float64) any {
		if n == end {
			return nil
		}
		return n + step
	}
	return []condition{
		{"task_code", code, "00000000-0000-7000-8000-000000000000"},
		{"task_id", v[0], 999_999},
		{"date_from", "2025-10-20", "2025-10-21"},
		{"date_to", "2025-10-20", "2025-10-19"},
		{"task_type", "chat", "email"},
		{"status", "completed", "error"},
		{"status", "completed2", "processing"},
		{"operator_name", "grace mil", "Olga"},
		{"message", "second domain", "second zebra"},
		{"tone_id", v[1], 99},
		{"resolved_status_id", v[2], 99},
		{"priority_id", v[3], 99},
		{"funnel_stage_id", v[4], 99},
		{"risk_signal_id", v[5], 99},
		{"sales_signal_id", "99," + v[6], 99},
		{"script_alignment_min", script, bound(script, 0.1, 100)},
		{"script_alignment_max", script, bound(script, -0.1, 0)},
		{"customer_satisfaction_score_min", csat, bound(csat, 1, 10)},
		{"customer_satisfaction_score_max", csat, bound(csat, -1, 0)},
		{"operator_politeness", grade, int(grade)%5 + 1},
		{"operator_politeness_min", grade, bound(grade, 1, 5)},
		{"operator_politeness_max", grade, bound(grade, -1, 1)},
		{"tags_any", "no such tag," + strings.ToUpper(v[10]), "no such tag"},
		{"tags_all", v[12], v[12] + ",no such tag"},
		{"length_max", 0, nil},
		{"checklist_id", 77, 88},
		{"answers", v[11], answerNotIn(v[11])},
	}
}

func (s *stack) callConditions(code string) []condition {
	s.Helper()
	length := s.sql("SELECT length FROM interactions FINAL WHERE code = '" + code + "'")[0][0]
	return []condition{
		{"task_type", "call", "chat"},
		{"call_type", "inbound", "outbound"},
		{"operator_name", "petrov", "ivanov"},
		{"date_from", "2025-10-20T07:00:00Z", "2025-10-20T07:00:01Z"},
		{"date_to", "2025-10-20T10:00:00+03:00", "2025-10-20T09:59:59+03:00"},
		{"length_min", length, "120"},
		{"length_max", length, "0.01"},
	}
}

// answerNotIn is an answer that no question got, nil when each was given.
func answerNotIn(answers string) any {
	for _, a := range []string{schemas.AnswerYes, schemas.AnswerPartially, schemas.AnswerNo} {
		if !strings.Contains(answers, a) {
			return a
		}
	}
	return nil
}

// checkAnswerOf asks for the answer to one question, in both languages.
func (s *stack) checkAnswerOf(code string) {
	s.Helper()
	is := s.sql("SELECT checklist_answers[indexOf(checklist_ids, 77)] FROM interactions FINAL WHERE code = '" + code + "'")[0][0]
	for answer, russian := range map[string]string{schemas.AnswerYes: "Да", schemas.AnswerPartially: "Частично", schemas.AnswerNo: "Нет"} {
		for _, word := range []string{answer, russian} {
			for how, found := range s.findings(url.Values{"checklist_id": {"77"}, "answers": {word}}) {
				if slices.Contains(found, code) != (answer == is) {
					s.Errorf("%s with checklist_id=77 and answers=%s gives %v; task %s answers %s", how, word, found, code, is)
				}
			}
		}
	}
}

// findings are the codes that a filter finds, by each way to ask.
func (s *stack) findings(filter url.Values) map[string][]string {
	s.Helper()
	body := map[string]any{"per_page": 100}
	for name, values := range filter {
		body[name] = values[0]
	}
	query := url.Values{"per_page": {"100"}}
	for name, values := range filter {
		query[name] = values
	}
	all := map[string][]string{}
	for _, path := range []string{"/tasks/filter", "/user/tasks/filter"} {
		for how, a := range map[string]answer{
			"GET " + path:  s.call(s.Client, http.MethodGet, path+"?"+query.Encode(), nil, nil),
			"POST " + path: s.call(s.Client, http.MethodPost, path, nil, body),
		} {
			if a.status != http.StatusOK {
				s.Fatalf("%s with %v: HTTP %d %s", how, filter, a.status, a.body)
			}
			all[how] = []string{}
			tasks, _ := a.json(s)["tasks"].([]any)
			for _, t := range tasks {
				all[how] = append(all[how], fmt.Sprint(t.(map[string]any)["task_code"]))
			}
		}
	}
	return all
}

// checkSeedsExample sends a body as the seed's example has it: lists, nulls and
// many filters at once.
func (s *stack) checkSeedsExample(chat string) {
	s.Helper()
	a := s.call(s.Client, http.MethodPost, "/tasks/filter", http.Header{"Accept-Language": {"en"}}, map[string]any{
		"task_type": "chat", "status": "completed", "date_from": "2025-10-01", "date_to": "2025-10-31", "message": "Business plan",
		"operator_name": "Miller", "tone_id": []int{1, 2, 3, 4}, "resolved_status_id": nil, "priority_id": []int{1, 2, 3, 4}, "funnel_stage_id": []int{1, 2, 3, 4, 5, 6, 7},
		"risk_signal_id": nil, "sales_signal_id": nil, "operator_politeness": []int{1, 2, 3, 4, 5}, "operator_politeness_min": 1, "operator_politeness_max": 5,
		"length_min": 0, "length_max": 120, "checklist_id": 77, "answers": []string{"Yes", "Partially", "No"}, "page": 1, "per_page": 12,
	})
	shaped(s, "POST /tasks/filter with the seed's body", a, filterFields)
	if doc := a.json(s); strings.Count(string(a.body), chat) != 1 || doc["pagination"].(map[string]any)["total_tasks"] != 1.0 {
		s.Errorf("the seed's body finds %s", a.body)
	}
}

// checkPages walks through all tasks one by one.
func (s *stack) checkPages() {
	s.Helper()
	n := s.total(url.Values{})
	var codes []string
	for page := range n {
		doc := s.get(fmt.Sprintf("/tasks/filter?per_page=1&page=%d", page+1))
		tasks, _ := doc["tasks"].([]any)
		if len(tasks) != 1 {
			s.Fatalf("page %d of %d has %d tasks", page+1, n, len(tasks))
		}
		codes = append(codes, fmt.Sprint(tasks[0].(map[string]any)["task_code"]))
	}
	if distinct := slices.Compact(slices.Sorted(slices.Values(codes))); len(distinct) != n {
		s.Errorf("%d pages of one task each show %d tasks", n, len(distinct))
	}
}
