package api

import (
	"fmt"
	"net/url"
	"testing"
	"time"

	"github.com/google/uuid"

	"earshot/schemas"
)

// No criterion is passed over, whichever way it is sent: it decides whether the
// one task is found. What a criterion means is tested at query/read.
func TestEveryCriterionCounts(t *testing.T) {
	x := newTenant(t)
	nine := int64(9)
	code := insert(t, x, row{id: 7, status: schemas.StatusError, kind: schemas.TypeCall, operator: "Ivanov", callType: "inbound", seconds: 90,
		callTime: time.Date(2025, 10, 20, 8, 0, 0, 0, time.UTC), text: "Operator: esim", failure: "File not uploaded", analysis: &schemas.Analysis{CSAT: &nine}})
	const unknown = 0 // the task, as insert makes it, has no such value, so nothing on it holds
	for _, c := range []struct {
		name  string
		value any
		found int
	}{
		{"task_code", code, 1}, {"task_code", uuid.NewString(), 0}, {"task_id", 7, 1}, {"task_id", 8, 0}, {"task_type", "call", 1}, {"task_type", "chat", 0},
		{"status", "error", 1}, {"status", "completed", 0}, {"call_type", "inbound", 1}, {"call_type", "outbound", 0}, {"operator_name", "iva", 1}, {"operator_name", "x", 0},
		{"message", "esim", unknown}, {"date_from", "2025-10-20", 1}, {"date_from", "2025-10-21", 0}, {"date_to", "2025-10-20", 1}, {"date_to", "2025-10-19", 0},
		{"customer_satisfaction_score_min", 9, 1}, {"customer_satisfaction_score_min", 10, 0}, {"customer_satisfaction_score_max", 9, 1}, {"customer_satisfaction_score_max", 8, 0},
		{"length_min", 1.5, 1}, {"length_min", 1.6, 0}, {"length_max", 1.5, 1}, {"length_max", 1.4, 0},
		{"tone_id", 1, unknown}, {"resolved_status_id", 1, unknown}, {"priority_id", 1, unknown}, {"funnel_stage_id", 2, unknown}, {"risk_signal_id", 2, unknown},
		{"sales_signal_id", 2, unknown}, {"script_alignment_min", 0, unknown}, {"script_alignment_max", 100, unknown}, {"operator_politeness", 5, unknown},
		{"operator_politeness_min", 1, unknown}, {"operator_politeness_max", 5, unknown}, {"tags_any", "x", unknown}, {"tags_all", "x", unknown},
		{"checklist_id", 7, unknown}, {"answers", "Yes", unknown}, {"page", 2, 0}, {"per_page", 1, 1},
	} {
		for way, r := range map[string]reply{
			"GET":               the.get(t, "/tasks/filter?"+url.Values{c.name: {fmt.Sprint(c.value)}}.Encode(), x.token),
			"POST":              the.post(t, "/tasks/filter", x.token, map[string]any{c.name: c.value}),
			"POST with a query": the.post(t, "/tasks/filter?"+url.Values{c.name: {fmt.Sprint(c.value)}}.Encode(), x.token, ""),
		} {
			tasks, ok := r.at("tasks").([]any)
			if !ok || len(tasks) != c.found {
				t.Errorf("%s %s=%v: found %d, want %d: %s", way, c.name, c.value, len(tasks), c.found, r.raw)
			}
			if c.found == 1 {
				r.has(t, "tasks.0.error_message", "File not uploaded")
			}
		}
	}
}

// In a POST the members of the body go before the query's.
func TestTheBodysCriteriaGoFirst(t *testing.T) {
	x := newTenant(t)
	insert(t, x, row{id: 7, status: schemas.StatusError, kind: schemas.TypeCall})
	the.post(t, "/tasks/filters/save", x.token, map[string]any{"name": "done", "criteria": map[string]any{"status": "completed"}}).want(t, 200, 0)
	for _, c := range []struct {
		query, body string
		found       float64
	}{
		{"status=error", `{"task_id": 7.0}`, 1},
		{"status=completed", `{"task_id": 7}`, 0},
		{"status=completed&task_id=8", `{"status": "error", "task_id": 7}`, 1},
		{"status=completed", `{"status": null}`, 1},
		{"status=completed,error&task_id=7.0", ``, 1},
		{"saved_filter=done", `{"task_id": 7}`, 0},
		{"saved_filter=done&status=error", `{"task_id": 7}`, 1},
		{"saved_filter=done", `{"saved_filter": null}`, 1},
		{"status=error", `{"saved_filter": "done"}`, 1},
	} {
		r := the.post(t, "/tasks/filter?"+c.query, x.token, c.body)
		if r.at("pagination", "total_tasks") != c.found {
			t.Errorf("?%s with %s: %s, want %v", c.query, c.body, r.raw, c.found)
		}
	}
	for query, body := range map[string]string{"status=none": `{}`, "page=1.5": ``, "saved_filter=done": `[]`} {
		the.post(t, "/tasks/filter?"+query, x.token, body).want(t, 200, schemas.CodeInvalid)
	}
}
