package api

import (
	"fmt"
	"net/url"
	"testing"

	"earshot/schemas"
)

// Every criterion of the filter is taken, both ways; what each one means is
// tested where the query is made (query/read).
func TestEveryCriterionIsTaken(t *testing.T) {
	x := newTenant(t)
	code := insert(t, x, row{id: 7, status: schemas.StatusError, kind: schemas.TypeCall, file: "a.wav", seconds: 60, failure: "File decoding error"})
	for name, value := range map[string]any{
		"task_code": code, "task_id": 7, "date_from": "2025-10-01", "date_to": "2099-10-31", "task_type": "call", "status": "error", "call_type": "inbound",
		"operator_name": "i", "message": "esim", "tone_id": "1,2", "resolved_status_id": 1, "priority_id": 3, "funnel_stage_id": "4,5", "risk_signal_id": 1, "sales_signal_id": 1,
		"script_alignment_min": 60.5, "script_alignment_max": 90, "customer_satisfaction_score_min": 7, "customer_satisfaction_score_max": 9, "operator_politeness": 4,
		"operator_politeness_min": 3, "operator_politeness_max": 5, "tags_any": "eSIM,APN", "tags_all": "eSIM", "length_min": 0.5, "length_max": 120,
		"checklist_id": 7, "answers": "Yes", "page": 1, "per_page": 5,
	} {
		get := the.get(t, "/tasks/filter?"+url.Values{name: {fmt.Sprint(value)}}.Encode(), x.token)
		post := the.post(t, "/tasks/filter", x.token, map[string]any{name: value})
		if get.status != 200 || post.status != 200 || get.raw != post.raw {
			t.Errorf("%s %v: by GET %s\nby POST %s", name, value, get.raw, post.raw)
		}
		if name == "task_code" || name == "task_id" {
			post.has(t, "tasks.0.error_message", "File decoding error")
		}
	}
}
