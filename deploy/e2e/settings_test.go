package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"earshot/schemas"
)

// set sends JSON and gives the answer of what went well.
func (s *stack) set(path, body string) map[string]any {
	s.Helper()
	a := s.call(s.Client, http.MethodPost, path, http.Header{"Content-Type": {"application/json"}}, []byte(body))
	doc := a.json(s)
	if a.status != http.StatusOK || doc["error_code"] != 0.0 {
		s.Fatalf("POST %s: HTTP %d %s", path, a.status, a.body)
	}
	return doc
}

// versioned waits for a version of an analysis and gives its row.
func (s *stack) versioned(code string, version int) (checklist, categories, script string) {
	s.Helper()
	s.eventually(time.Minute, fmt.Sprintf("version %d of the analysis of %s", version, code), func() string {
		row := s.sql("SELECT analysis_version, checklist_keys, category_ids, concat(toString(script_id), '.', toString(script_version)) FROM interactions FINAL WHERE code = '" + code + "'")
		if len(row) != 1 || row[0][0] != fmt.Sprint(version) {
			return fmt.Sprint(row)
		}
		checklist, categories, script = row[0][1], row[0][2], row[0][3]
		return ""
	})
	return checklist, categories, script
}

// TestSettingsReachThePast changes what is checked after a chat was analysed:
// only a re-analysis applies it there, as a new version of the analysis, in which
// a person's answer stays. Status and price stay through it, and through the loss
// of Redis.
func TestSettingsReachThePast(t *testing.T) {
	s := newStack(t)
	s.start()
	code := s.chat([]byte(`{"text": "Client: The invoice is wrong, I was charged twice.\nOperator: Good day, my name is Olga. I will send the refund today. Goodbye!"}`))
	s.done(code)
	builtIn, categories, script := s.versioned(code, 1)
	if !strings.Contains(builtIn, "1=Yes") || categories != "[]" || script != "0.0" {
		t.Errorf("before: checklist %s, categories %s, script %s", builtIn, categories, script)
	}
	id := int64(s.get("/gettask?task_code=" + code)["id"].(float64))
	s.set(fmt.Sprintf("/checklist/answer/%d", id), `{"answers": [{"checklist_id": 1, "answer": "No"}]}`)
	if answered, _, _ := s.versioned(code, 2); !strings.Contains(answered, "1=No") {
		t.Errorf("after a person's answer: %s", answered)
	}

	s.set("/checklist", `{"question": "Did the operator introduce themselves?"}`)
	s.set("/user/call_categories/create", `{"name": "Accounting", "description": "charged twice, invoice"}`)
	s.set("/user/call_check_scripts/create", `{"identifier": "hello", "title": "Hello", "script_body": "Good day, my name is\nGoodbye"}`)
	s.set("/user/call_check_scripts/edit/1", `{"script_body": "Good day, my name is\nI will send\nGoodbye"}`)
	s.eventually(30*time.Second, "new chats are analysed with the new settings", func() string {
		fresh := s.chat([]byte(`{"text": "Client: The invoice is wrong.\nOperator: Good day, my name is Olga."}`))
		s.done(fresh)
		if list, categories, script := s.versioned(fresh, 1); list != "['101=Yes']" || categories != "[1]" || script != "1.2" {
			return list + categories + script
		}
		return ""
	})
	s.set("/api/calls_analysis_v2/"+code+"/reanalyze", "")
	check := func(version int) {
		t.Helper()
		if list, categories, script := s.versioned(code, version); list != "['101=Yes','1=No']" || categories != "[1]" || script != "1.2" {
			t.Errorf("version %d: checklist %s, categories %s, script %s", version, list, categories, script)
		}
	}
	check(3)
	s.flushRedis()
	s.ready()
	s.set("/tasks/reanalyze", `{"message": "charged twice"}`)
	check(4)
	s.eventually(30*time.Second, "every consumer at the end of the log", s.lagging)
	if task := s.get("/gettask?task_code=" + code); task["status"] != schemas.StatusCompleted {
		t.Errorf("the task is %v", task["status"])
	}
	if used := s.sql("SELECT count() FROM usage FINAL WHERE task_code = '" + code + "'"); used[0][0] != "1" {
		t.Errorf("%v lines of usage", used)
	}
	before := s.get("/checklist")["data"]
	s.flushRedis()
	s.ready()
	if after := s.get("/checklist")["data"]; fmt.Sprint(after) != fmt.Sprint(before) {
		t.Errorf("checklist before %v, after %v", before, after)
	}
}
