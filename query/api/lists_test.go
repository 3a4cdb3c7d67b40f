package api

import (
	"fmt"
	"net/http"
	"reflect"
	"sync"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"

	"earshot/query/read"
	"earshot/schemas"
)

func TestChecklist(t *testing.T) {
	deps := the.deps
	deps.Checklist = map[string][]schemas.ChecklistQuestion{"en": {{ID: 1, Question: "Greeted?", Active: true}}, "ru": {{ID: 1, Question: "Поздоровался?", Active: true}}}
	s := serve(t, deps, nil)
	x, other := newTenant(t), newTenant(t)
	// While there are none of its own, the built-in ones are what is answered.
	r := s.get(t, "/checklist", x.token, "Accept-Language", "ru")
	r.want(t, 200, 0)
	r.has(t, "data", []any{map[string]any{"id": 1.0, "question": "Поздоровался?", "is_active": true, "user_id": nil}})
	the.get(t, "/checklist", x.token).has(t, "data", []any{})

	r = s.post(t, "/checklist", x.token, `{ "question": "Did the operator introduce themselves?" }`)
	for path, want := range map[string]any{"success": true, "error_code": 0.0, "message": "Checklist question created", "data.id": 101.0,
		"data.question": "Did the operator introduce themselves?", "data.is_active": true, "data.user_id": 1.0} {
		r.has(t, path, want)
	}
	r = s.post(t, "/checklist/101", x.token, `{ "question": "Did the operator clearly introduce themselves?" }`)
	for path, want := range map[string]any{"success": true, "error_code": 0.0, "message": "Checklist question updated", "data.id": 101.0,
		"data.question": "Did the operator clearly introduce themselves?", "data.is_active": true} {
		r.has(t, path, want)
	}
	second := colleague(t, x, 2, "supervisor")
	s.post(t, "/checklist", second.token, `{"question": "Second?"}`).has(t, "data.id", 102.0)
	s.post(t, "/checklist/102", x.token, `{"question": "did the operator clearly introduce themselves?"}`).want(t, 200, schemas.CodeSameQuestion)

	// One organisation owns them; by user it says who made which.
	if all := s.get(t, "/checklist", second.token).at("data"); len(all.([]any)) != 2 {
		t.Error(all)
	}
	r = s.get(t, "/checklist/2", x.token)
	r.want(t, 200, 0)
	r.has(t, "data", []any{map[string]any{"id": 102.0, "question": "Second?", "is_active": true, "user_id": 2.0}})
	s.get(t, "/checklist/2", second.token).want(t, 200, 0)
	s.get(t, "/checklist/1", second.token).want(t, 200, schemas.CodeAccessDenied)
	missing := s.get(t, "/checklist/99", x.token)
	missing.want(t, 200, schemas.CodeUserNotFound)
	if theirs := s.get(t, "/checklist/2", other.token); theirs.raw != missing.raw {
		t.Errorf("a user of another organisation: %s", theirs.raw)
	}

	r = s.post(t, "/checklist/delete/101", x.token, "")
	for path, want := range map[string]any{"success": true, "error_code": 0.0, "message": "Checklist question deleted", "id": 101.0} {
		r.has(t, path, want)
	}
	s.post(t, "/checklist/delete/101", x.token, "").want(t, 200, schemas.CodeNoRecord)
	s.post(t, "/checklist/101", x.token, `{"question": "Again?"}`).want(t, 200, schemas.CodeNoRecord)
	if all := s.get(t, "/checklist", x.token).at("data"); len(all.([]any)) != 1 {
		t.Error(all)
	}
	s.post(t, "/checklist", x.token, `{"question": "Did the operator clearly introduce themselves?"}`).has(t, "data.id", 103.0)
}

func TestAQuestionThatWasAnsweredStays(t *testing.T) {
	x, other := newTenant(t), newTenant(t)
	for _, owner := range []tenant{x, other} { // the same id in two organisations
		the.post(t, "/checklist", owner.token, `{"question": "Greeted?"}`).has(t, "data.id", 101.0)
	}
	if err := the.engines.ClickHouse.Exec(t.Context(), `INSERT INTO interactions (org, code, version, status, checklist_ids, checklist_answers, checklist_keys)
		VALUES (?, generateUUIDv7(), 1, 'completed', [101], ['No'], ['101=No'])`, x.org); err != nil {
		t.Fatal(err)
	}
	the.post(t, "/checklist/101", x.token, `{"question": "Greeted warmly?"}`).want(t, 200, schemas.CodeAnswered)
	the.post(t, "/checklist/101", x.token, `{"question": "Greeted?"}`).want(t, 200, 0) // as it is
	the.post(t, "/checklist/101", other.token, `{"question": "Greeted warmly?"}`).want(t, 200, 0)
	the.post(t, "/checklist/delete/101", x.token, "").want(t, 200, 0)
}

// What a question says of itself is not looked for in all rows of the database.
func TestAnAskedQuestionStaysWithoutTheDatabase(t *testing.T) {
	x := newTenant(t)
	the.post(t, "/checklist", x.token, `{"question": "Greeted?"}`).has(t, "data.id", 101.0)
	conn, err := clickhouse.Open(&clickhouse.Options{Addr: []string{"127.0.0.1:1"}})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	deps := the.deps
	deps.Reader = read.New(conn)
	s := serve(t, deps, nil)
	s.post(t, "/checklist/101", x.token, `{"question": "Greeted warmly?"}`).want(t, http.StatusServiceUnavailable, schemas.CodeDatabase)
	if _, err := the.store.Ask(t.Context(), x.org, the.door.Save, func(schemas.ChecklistQuestion) bool { return true }); err != nil {
		t.Fatal(err)
	}
	s.post(t, "/checklist/101", x.token, `{"question": "Greeted warmly?"}`).want(t, 200, schemas.CodeAnswered)
}

// An edit while a question is being answered is either what is answered or
// refused, in whatever order the two come; and that is on the log.
func TestAnEditAndAnAnswerAtOnce(t *testing.T) {
	x := newTenant(t)
	every := func(schemas.ChecklistQuestion) bool { return true }
	edited := 0
	for i := range 20 {
		r := the.post(t, "/checklist", x.token, fmt.Sprintf(`{"question": "Old %d?"}`, i))
		id := int64(r.at("data", "id").(float64))
		var asked string
		var wait sync.WaitGroup
		wait.Go(func() { // as the analyser does
			time.Sleep(time.Duration(i%5) * time.Millisecond)
			all, err := the.store.Ask(t.Context(), x.org, the.door.Save, every)
			if err != nil {
				t.Error(err)
			}
			asked = all[len(all)-1].Question
		})
		r = the.post(t, fmt.Sprintf("/checklist/%d", id), x.token, fmt.Sprintf(`{"question": "New %d?"}`, i))
		wait.Wait()
		want := fmt.Sprintf("Old %d?", i)
		if r.at("error_code") == 0.0 {
			edited++
			want = fmt.Sprintf("New %d?", i)
		} else {
			r.want(t, 200, schemas.CodeAnswered)
		}
		if asked != want {
			t.Errorf("%q is answered, and the edit says %s", asked, r.raw)
		}
		the.post(t, fmt.Sprintf("/checklist/%d", id), x.token, `{"question": "Late?"}`).want(t, 200, schemas.CodeAnswered)
		the.post(t, fmt.Sprintf("/checklist/delete/%d", id), x.token, "").want(t, 200, 0)
	}
	t.Logf("%d of 20 edits came first", edited)
}

func TestDirectories(t *testing.T) {
	x := newTenant(t)
	the.get(t, "/user/directories", x.token).has(t, "directories", []any{})
	r := the.post(t, "/user/directories", x.token, `{ "name": " New  directory " }`)
	for path, want := range map[string]any{"success": true, "error_code": 0.0, "directory": map[string]any{"id": 1.0, "name": "New directory"}} {
		r.has(t, path, want)
	}
	code := submitChat(t, x, map[string]any{"text": "Operator: hello", "directory_id": 1})
	r = the.get(t, "/user/directories", x.token)
	r.has(t, "directories", []any{map[string]any{"id": 1.0, "name": "New directory"}})
	r = the.send(t, http.MethodDelete, "/user/directories/delete/1", x.token, nil)
	r.has(t, "error_code", 0.0)
	r.has(t, "message", "Directory deleted successfully")
	// The task stays where it was, no other gets there, and the name is free.
	the.get(t, "/gettask?task_code="+code, x.token).has(t, "directory_id", 1.0)
	the.post(t, "/add_chat_analysis_task", x.token, `{"text": "Operator: hello", "directory_id": 1}`).want(t, 200, schemas.CodeInvalid)
	the.post(t, "/user/directories", x.token, `{"name": "New directory"}`).has(t, "directory.id", 2.0)
	if err := the.send(t, http.MethodDelete, "/user/directories/delete/1", x.token, nil); err.status != 200 || err.at("success") != false {
		t.Error(err.raw)
	}
}

func TestCategories(t *testing.T) {
	x := newTenant(t)
	for i, body := range []string{
		`{"name": "Sales", "description": "Sales calls", "parent_id": null}`, `{"name": "Tech support", "description": "Technical inquiries", "parent_id": 0}`,
		`{"name": "Upsell", "parent_id": 1}`, `{"name": "New tech", "parent_id": "1"}`,
	} {
		r := the.post(t, "/user/call_categories/create", x.token, body)
		r.want(t, 200, 0)
		r.has(t, "data.id", float64(i+1))
		r.has(t, "success_message", "Saved successfully")
		r.isTime(t, "data.created_at", offsetForm)
		r.isTime(t, "data.updated_at", offsetForm)
	}
	for body, want := range map[string][]float64{
		``: {1, 2, 3, 4}, `{"parent_id": null}`: {1, 2, 3, 4}, `{"parent_id": 0}`: {1, 2}, `{"parent_id": 1}`: {3, 4}, `{"q": "TECH"}`: {2, 4},
		`{"q": "tech", "parent_id": 1}`: {4}, `{"q": "inquiries"}`: {2}, `{"per_page": 3}`: {1, 2, 3}, `{"page": 2, "per_page": 3}`: {4}, `{"page": 9}`: {},
	} {
		r := the.post(t, "/user/call_categories/list", x.token, body)
		r.want(t, 200, 0)
		ids := []float64{}
		for _, item := range r.at("items").([]any) {
			ids = append(ids, item.(map[string]any)["id"].(float64))
		}
		if !reflect.DeepEqual(ids, want) {
			t.Errorf("%s lists %v, want %v", body, ids, want)
		}
	}
	r := the.post(t, "/user/call_categories/list", x.token, `{"page": 1, "per_page": 1}`)
	for path, want := range map[string]any{"items.0.name": "Sales", "items.0.description": "Sales calls", "items.0.parent_id": nil, "items.0.children_count": 2.0,
		"total": 4.0, "page": 1.0, "per_page": 1.0} {
		r.has(t, path, want)
	}
	// What is not named stays; the id in the body goes first.
	r = the.post(t, "/user/call_categories/edit/1", x.token, `{"category_id": 4, "name": "Tech support (L2)", "parent_id": 2}`)
	for path, want := range map[string]any{"data.id": 4.0, "data.name": "Tech support (L2)", "data.description": nil, "data.parent_id": 2.0} {
		r.has(t, path, want)
	}
	the.post(t, "/user/call_categories/edit/4", x.token, `{"description": "Complex technical issues"}`).has(t, "data.parent_id", 2.0)
	r = the.post(t, "/user/call_categories/edit/4", x.token, `{"parent_id": null}`)
	r.has(t, "data.parent_id", nil)
	r.has(t, "data.description", "Complex technical issues")
	the.post(t, "/user/call_categories/edit/3", x.token, `{"parent_id": 77}`).want(t, 200, schemas.CodeNoCategory)
	the.post(t, "/user/call_categories/delete/1", x.token, "").want(t, 200, schemas.CodeFieldsMissing)
	for _, id := range []string{"3", "1"} {
		the.post(t, "/user/call_categories/delete/"+id, x.token, "").has(t, "message", "Deleted successfully")
	}
	the.post(t, "/user/call_categories/list", x.token, "").has(t, "total", 2.0)
}

func TestSavedFilters(t *testing.T) {
	x := newTenant(t)
	nine := int64(9)
	insert(t, x, row{id: 5, status: schemas.StatusCompleted, kind: schemas.TypeCall, operator: "Ivanov", analysis: &schemas.Analysis{CSAT: &nine}})
	insert(t, x, row{id: 6, status: schemas.StatusPending, kind: schemas.TypeCall, operator: "Petrov"})
	insert(t, x, row{id: 7, status: schemas.StatusPending, kind: schemas.TypeChat, operator: "Petrov"})
	r := the.post(t, "/tasks/filters/save", x.token, `{"name": "Calls", "criteria": {"task_type": "chat", "per_page": 2, "tone_id": null}}`)
	r.has(t, "success", true)
	r.has(t, "message", "Filter created or updated")
	the.post(t, "/tasks/filters/save", x.token, `{"name": " Calls ", "criteria": {"task_type": ["call"], "per_page": 2, "tone_id": null, "tags_any": ""}}`).want(t, 200, 0)
	r = the.get(t, "/tasks/filters/list", x.token)
	for path, want := range map[string]any{"success": true, "count": 1.0, "filters.0.id": 1.0, "filters.0.name": "Calls",
		"filters.0.criteria": map[string]any{"task_type": []any{"call"}, "per_page": 2.0, "tone_id": nil, "tags_any": ""}} {
		r.has(t, path, want)
	}
	r.isTime(t, "filters.0.created_at", "2006-01-02T15:04:05")

	// By name, and what the request says itself goes first.
	for query, total := range map[string]float64{
		"saved_filter=Calls": 2, "saved_filter=Calls&operator_name=ivan": 1, "saved_filter=Calls&task_type=chat": 1, "saved_filter=Calls&task_type=": 3,
		"saved_filter=Calls&task_type=chat&task_type=call,email": 3, "saved_filter=": 3,
	} {
		r := the.get(t, "/tasks/filter?"+query, x.token)
		r.has(t, "pagination.total_tasks", total)
	}
	for body, total := range map[string]float64{
		`{"saved_filter": "Calls"}`: 2, `{"saved_filter": "Calls", "task_type": null}`: 3, `{"saved_filter": "Calls", "customer_satisfaction_score_min": 9}`: 1, `{"saved_filter": ""}`: 3,
	} {
		r := the.post(t, "/user/tasks/filter", x.token, body)
		r.has(t, "pagination.total_tasks", total)
	}
	the.get(t, "/tasks/filter?saved_filter=Calls", x.token).has(t, "pagination.per_page", 2.0)
	the.get(t, "/tasks/filter?saved_filter=calls", x.token).want(t, 200, schemas.CodeNoFilter)
	the.get(t, "/tasks/filter?saved_filter=Calls&page=x", x.token).want(t, 200, schemas.CodeInvalid)

	// They are a user's own: a colleague has names and ids beside them.
	second := colleague(t, x, 2, roleAgent)
	the.get(t, "/tasks/filters/list", second.token).has(t, "filters", []any{})
	the.get(t, "/tasks/filter?saved_filter=Calls", second.token).want(t, 200, schemas.CodeNoFilter)
	the.post(t, "/tasks/filters/delete/1", second.token, "").want(t, 200, schemas.CodeNoFilter)
	the.post(t, "/tasks/filters/save", second.token, `{"name": "Calls", "criteria": {}}`).want(t, 200, 0)
	r = the.post(t, "/tasks/filters/delete/1", x.token, "")
	r.has(t, "success", true)
	r.has(t, "message", "Filter deleted")
	the.get(t, "/tasks/filters/list", x.token).has(t, "count", 0.0)
	the.get(t, "/tasks/filters/list", second.token).has(t, "count", 1.0)
}

func TestScripts(t *testing.T) {
	x := newTenant(t)
	r := the.post(t, "/user/call_check_scripts/create", x.token, `{"identifier": "welcome_v1", "title": "Customer greeting", "description": "Greeting and data verification script",
		"is_active": true, "version": 1, "script_body": "Hello! My name is ..."}`)
	for path, want := range map[string]any{"success": true, "error_code": 0.0, "success_message": "Saved successfully", "data.id": 1.0, "data.identifier": "welcome_v1",
		"data.title": "Customer greeting", "data.description": "Greeting and data verification script", "data.is_active": true, "data.version": 1.0, "data.script_body": "Hello! My name is ..."} {
		r.has(t, path, want)
	}
	r.isTime(t, "data.created_at", "2006-01-02T15:04:05Z")
	r.isTime(t, "data.updated_at", "2006-01-02T15:04:05Z")
	the.post(t, "/user/call_check_scripts/create", x.token, `{"identifier": "bye", "title": "Farewell", "is_active": false, "version": 7, "script_body": "Bye\nbye"}`).has(t, "data.version", 7.0)
	for body, total := range map[string]float64{``: 2, `{"q": "WELCOME"}`: 1, `{"q": "fare"}`: 1, `{"only_active": true}`: 1, `{"only_active": "yes"}`: 1, `{"only_active": 1}`: 1,
		`{"only_active": 0}`: 2, `{"q": "fare", "only_active": "true"}`: 0, `{"per_page": 1, "page": 2}`: 2} {
		the.post(t, "/user/call_check_scripts/list", x.token, body).has(t, "total", total)
	}
	// A version names one text for ever.
	for _, step := range []struct {
		body    string
		version float64
		code    schemas.Code
	}{
		{`{"title": "Greeting"}`, 1, 0},
		{`{"script_body": "Good day!"}`, 2, 0},
		{`{"script_body": "Good day!", "version": 2}`, 2, 0},
		{`{"script_id": 1, "identifier": "welcome_v2", "version": 5, "script_body": "Good evening!"}`, 5, 0},
		{`{"version": 5, "script_body": "Good night!"}`, 6, 0}, // what the client had read
		{`{"version": 2, "script_body": "Too late"}`, 0, schemas.CodeInvalid},
		{`{"version": 9}`, 9, 0},
		{`{"identifier": "bye"}`, 0, schemas.CodeInvalid},
	} {
		r := the.post(t, "/user/call_check_scripts/edit/1", x.token, step.body)
		r.want(t, 200, step.code)
		if step.code == 0 {
			r.has(t, "data.version", step.version)
		}
	}
	the.post(t, "/user/call_check_scripts/delete/1", x.token, `{}`).has(t, "message", "Deleted successfully")
	the.post(t, "/user/call_check_scripts/list", x.token, "").has(t, "total", 1.0)
	r = the.get(t, "/user/call_check_scripts/1/versions?per_page=4", x.token) // analyses name them
	r.has(t, "total", 5.0)
	texts := map[float64]any{}
	for _, item := range r.at("items").([]any) {
		v := item.(map[string]any)
		texts[v["version"].(float64)] = v["script_body"]
	}
	if want := (map[float64]any{9: "Good night!", 6: "Good night!", 5: "Good evening!", 2: "Good day!"}); !reflect.DeepEqual(texts, want) {
		t.Errorf("versions %v, want %v", texts, want)
	}
	the.post(t, "/user/call_check_scripts/create", x.token, `{"identifier": "welcome_v2", "title": "t", "script_body": "b"}`).has(t, "data.id", 3.0)
}

// What an organisation may have of each is bounded, and so is what is kept of a
// script.
func TestSettingsAreBounded(t *testing.T) {
	x := newTenant(t)
	now := time.Now().UnixMicro()
	for i := range schemas.MaxActiveScripts {
		put(t, x.org, schemas.KindScript, fmt.Sprint(i+1), now, schemas.Script{ID: int64(i + 1), Identifier: fmt.Sprint(i), Active: true, Version: 1, Body: "b"})
	}
	the.post(t, "/user/call_check_scripts/create", x.token, `{"identifier": "i", "title": "t", "script_body": "b"}`).want(t, 200, schemas.CodeInvalid)
	the.post(t, "/user/call_check_scripts/create", x.token, `{"identifier": "i", "title": "t", "script_body": "b", "is_active": false}`).want(t, 200, 0)
	for i := range schemas.MaxScriptVersions {
		put(t, x.org, versionsOf(1), fmt.Sprint(i+1), now, schemas.Script{ID: 1, Version: int64(i + 1), Body: "b"})
	}
	the.post(t, "/user/call_check_scripts/edit/1", x.token, `{"script_body": "c", "version": 1000}`).want(t, 200, 0)
	r := the.get(t, "/user/call_check_scripts/1/versions?per_page=1000", x.token)
	r.has(t, "total", float64(schemas.MaxScriptVersions))
	r.has(t, "items.0.version", 1000.0)
	r.has(t, "items.199.version", 2.0)
	for i := range schemas.MaxQuestions {
		put(t, x.org, schemas.KindChecklist, fmt.Sprint(i+101), now, schemas.ChecklistQuestion{ID: int64(i + 101), Question: fmt.Sprint(i), Active: true})
	}
	the.post(t, "/checklist", x.token, `{"question": "One more?"}`).want(t, 200, schemas.CodeInvalid)
	the.post(t, "/checklist/delete/150", x.token, "").want(t, 200, 0)
	the.post(t, "/checklist", x.token, `{"question": "One more?"}`).want(t, 200, 0)
}

// An organisation without categories, checklist or script has empty fields, and
// never misses one.
func TestWhatIsAbsentIsEmpty(t *testing.T) {
	x := newTenant(t)
	code := submitChat(t, x, map[string]any{"text": "Operator: hello"})
	insert(t, x, row{code: code, id: 1, status: schemas.StatusCompleted, kind: schemas.TypeChat, analysis: &schemas.Analysis{Summary: "S"}})
	none := []any{}
	for path, fields := range map[string]map[string]any{
		"/api/calls_analysis_v2/" + code: {"success": true, "call_checklists": none, "category_ids": none, "customer_satisfaction_score": nil, "call_type": nil,
			"analysis.tags": none, "analysis.actions": none, "analysis.script_alignment": nil, "analysis.scores.politeness": nil},
		"/checklist/answer/1": {"success": true, "data": none},
		"/checklist":          {"success": true, "data": none},
	} {
		r := the.get(t, path, x.token)
		r.want(t, 200, 0)
		for field, want := range fields {
			r.has(t, field, want)
		}
	}
}
