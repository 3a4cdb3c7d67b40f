package api

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"earshot/schemas"
)

// things are ids in a request: of what the owner has, or of what nobody has. The
// numbers are such that a stranger has none of them.
type things struct{ code, number string }

// tenancy is what becomes of a route when two organisations use it. One of its
// members is set.
type tenancy struct {
	// names asks for something by its id, or tries to change it: another
	// organisation's must answer byte for byte as one that nobody has.
	names func(token string, of things) reply
	// own asks for what belongs to who asks: nothing of another's may be in it.
	own func(x tenant) reply
	// public says why there is nothing of anybody's to be had, and no token is
	// wanted; shared, why everybody may have it who has a token.
	public, shared string
}

// tenancies has every route that there is.
func tenancies(t *testing.T) map[string]tenancy {
	get := func(path string) tenancy {
		return tenancy{names: func(token string, of things) reply { return the.get(t, of.in(path), token) }}
	}
	send := func(method, path, body string) tenancy {
		return tenancy{names: func(token string, of things) reply {
			return the.send(t, method, of.in(path), token, strings.NewReader(of.in(body)), "Content-Type", "application/json")
		}}
	}
	own := func(method, path, body string) tenancy {
		return tenancy{own: func(x tenant) reply {
			return the.send(t, method, path, x.token, strings.NewReader(body), "Content-Type", "application/json")
		}}
	}
	upload := func(path string) tenancy {
		return tenancy{names: func(token string, of things) reply {
			body, kind := formOf(t, file("a.wav", wave(3, 8000, 1)), field("directory_id", of.number))
			return the.send(t, http.MethodPost, path, token, strings.NewReader(string(body)), "Content-Type", kind)
		}}
	}
	all := map[string]tenancy{
		"GET /healthz": {public: "a probe"}, "GET /readyz": {public: "a probe"}, "GET /metrics": {public: "counts of the process"},
		"POST /auth/login":    {own: func(x tenant) reply { return the.post(t, "/auth/login", "", credentials(x.email, password)) }},
		"POST /auth/refresh":  {own: func(x tenant) reply { _, refresh := login(t, x, password); return renew(t, the.service, refresh) }},
		"POST /auth/logout":   {own: func(x tenant) reply { token, _ := login(t, x, password); return the.post(t, "/auth/logout", token, "") }},
		"POST /auth/password": own("POST", "/auth/password", `{"password_hash": "`+strings.Repeat("0", 64)+`", "password": "correct horse battery"}`),
		"GET /user/tariff":    own("GET", "/user/tariff", ""),
		"GET /plans":          {shared: "the price list"}, "GET /dictionaries": {shared: "fixed"},
		"GET /admin/users": own("GET", "/admin/users", ""), "POST /admin/users": own("POST", "/admin/users", `{"email": "`+uuid.NewString()+`@example.com"}`),
		"PATCH /admin/users/:id": send("PATCH", "/admin/users/NUMBER", `{"role": "agent"}`), "POST /admin/users/:id/password": send("POST", "/admin/users/NUMBER/password", ""),
		"GET /user/vocabulary": own("GET", "/user/vocabulary", ""), "PUT /user/vocabulary": own("PUT", "/user/vocabulary", `{"vocabulary": ["eSIM"]}`),
		"POST /addtaskcall": upload("/addtaskcall"), "POST /addtaskaudio": upload("/addtaskaudio"),
		"POST /add_chat_analysis_task":       send("POST", "/add_chat_analysis_task", `{"text": "a", "directory_id": NUMBER}`),
		"GET /gettask":                       get("/gettask?task_code=CODE"),
		"GET /get_file":                      get("/get_file?file_type=txt_call&task_code=CODE"),
		"POST /tasks/reanalyze":              send("POST", "/tasks/reanalyze", `{"task_code": "CODE"}`),
		"GET /api/calls_analysis/:task_code": get("/api/calls_analysis/CODE"), "GET /api/calls_analysis_v2/:task_code": get("/api/calls_analysis_v2/CODE"),
		"POST /api/calls_analysis_v2/:task_code/reanalyze": send("POST", "/api/calls_analysis_v2/CODE/reanalyze", ""),
		"GET /checklist": own("GET", "/checklist", ""), "POST /checklist": own("POST", "/checklist", `{"question": "secret?"}`),
		"GET /checklist/:user_id": get("/checklist/NUMBER"), "POST /checklist/:id": send("POST", "/checklist/NUMBER", `{"question": "Other?"}`), "POST /checklist/delete/:id": send("POST", "/checklist/delete/NUMBER", ""),
		"GET /checklist/answer/:task_id": get("/checklist/answer/NUMBER"), "POST /checklist/answer/:task_id": send("POST", "/checklist/answer/NUMBER", `{"answers": [{"checklist_id": NUMBER, "answer": "No"}]}`),
		"GET /user/directories": own("GET", "/user/directories", ""), "POST /user/directories": own("POST", "/user/directories", `{"name": "secret"}`),
		"DELETE /user/directories/delete/:id": send("DELETE", "/user/directories/delete/NUMBER", ""),
		"POST /user/call_categories/list":     own("POST", "/user/call_categories/list", `{"q": "s"}`), "POST /user/call_categories/create": send("POST", "/user/call_categories/create", `{"name": "n", "parent_id": NUMBER}`),
		"POST /user/call_categories/edit/:id": send("POST", "/user/call_categories/edit/1", `{"category_id": NUMBER, "name": "n"}`), "POST /user/call_categories/delete/:id": send("POST", "/user/call_categories/delete/NUMBER", ""),
		"GET /tasks/filters/list": own("GET", "/tasks/filters/list", ""), "POST /tasks/filters/save": own("POST", "/tasks/filters/save", `{"name": "secret", "criteria": {}}`),
		"POST /tasks/filters/delete/:id":            send("POST", "/tasks/filters/delete/NUMBER", ""),
		"POST /user/call_check_scripts/list":        own("POST", "/user/call_check_scripts/list", ""),
		"POST /user/call_check_scripts/create":      own("POST", "/user/call_check_scripts/create", `{"identifier": "secret", "title": "t", "script_body": "b"}`),
		"GET /user/call_check_scripts/:id/versions": get("/user/call_check_scripts/NUMBER/versions"),
		"POST /user/call_check_scripts/edit/:id":    send("POST", "/user/call_check_scripts/edit/NUMBER", `{"title": "t"}`), "POST /user/call_check_scripts/delete/:id": send("POST", "/user/call_check_scripts/delete/NUMBER", `{"script_id": NUMBER}`),
	}
	for route, c := range map[string]tenancy{
		"POST /user/callreport":      own("POST", "/user/callreport", `{"start_date": "2025-10-01", "end_date": "2025-10-31"}`),
		"GET /user/callreport/file":  {public: "seed section 10: who knows the code of the task may have its files"},
		"GET /user/report_schedules": own("GET", "/user/report_schedules", ""), "POST /user/report_schedules": own("POST", "/user/report_schedules", `{"name": "secret", "frequency": "daily"}`),
		"GET /user/report_schedules/:id": get("/user/report_schedules/NUMBER"), "PUT /user/report_schedules/:id": send("PUT", "/user/report_schedules/NUMBER", `{"name": "n"}`),
		"DELETE /user/report_schedules/:id": send("DELETE", "/user/report_schedules/NUMBER", ""), "POST /user/report_schedules/:id/test": send("POST", "/user/report_schedules/NUMBER/test", ""),
	} {
		all[route] = c
	}
	for _, path := range []string{"/tasks/filter", "/user/tasks/filter"} {
		all["GET "+path], all["POST "+path] = get(path+"?task_code=CODE"), send("POST", path, `{"task_id": NUMBER}`)
	}
	return all
}

func (of things) in(text string) string {
	return strings.NewReplacer("CODE", of.code, "NUMBER", of.number).Replace(text)
}

// routes are all that the API serves, "METHOD /path", but for the documentation
// (see TestDocs) and for HEAD, which fiber makes of GET.
func routes() (all []string) {
	known := map[string]bool{}
	for _, r := range append(the.api.mainApp().GetRoutes(true), the.api.uploadApp().GetRoutes(true)...) {
		if r.Method != http.MethodHead && !strings.HasPrefix(r.Path, "/docs") && r.Path != "/openapi.yaml" {
			known[r.Method+" "+r.Path] = true
		}
	}
	for r := range known {
		all = append(all, r)
	}
	return all
}

// A new route needs a line in tenancies.
func TestEveryRouteKnowsTwoTenants(t *testing.T) {
	cases := tenancies(t)
	for _, route := range routes() {
		if _, ok := cases[route]; !ok {
			t.Errorf("%s: nobody has said what another organisation gets there", route)
		}
	}
	if served := routes(); len(cases) != len(served) {
		t.Errorf("%d cases of %d routes", len(cases), len(served))
	}
}

func TestEveryEndpointWantsAToken(t *testing.T) {
	open := map[string]bool{"POST /auth/login": true, "POST /auth/refresh": true}
	variable := regexp.MustCompile(`:\w+`)
	for route, c := range tenancies(t) {
		method, path, _ := strings.Cut(route, " ")
		if c.public == "" && !open[route] {
			the.send(t, method, variable.ReplaceAllString(path, "1"), "", nil).want(t, 401, schemas.CodeUnauthorized)
		}
	}
}

// Another organisation's id must answer byte for byte as one that nobody has,
// and whatever a stranger tries, the owner finds everything as it was.
func TestTwoTenants(t *testing.T) {
	const number, missing = "9001", "8001"
	owner, stranger := newTenant(t), newTenant(t)
	theirs, nobodys := things{furnish(t, owner), number}, things{uuid.NewString(), missing}
	before := views(t, owner)
	for route, c := range tenancies(t) {
		t.Run(route, func(t *testing.T) {
			var got []reply
			switch {
			case c.names != nil:
				got = []reply{c.names(stranger.token, theirs), c.names(stranger.token, nobodys)}
				if a, b := got[0], got[1]; a.status != b.status || strings.ReplaceAll(a.raw, number, missing) != b.raw {
					t.Errorf("another's answers %d %s\na missing one  %d %s", a.status, a.raw, b.status, b.raw)
				}
			case c.own != nil:
				got = []reply{c.own(stranger)}
			}
			for _, r := range got {
				if strings.Contains(r.raw, "SECRET") || strings.Contains(r.raw, owner.email) {
					t.Error(r.raw)
				}
			}
		})
	}
	for path, was := range before {
		if is := the.get(t, path, owner.token).raw; is != was {
			t.Errorf("a stranger changed %s:\n%s\nbefore\n%s", path, is, was)
		}
		if path != "/user/tariff" && !strings.Contains(was, "SECRET") && !strings.Contains(was, theirs.code) {
			t.Errorf("the owner finds nothing at %s: %s", path, was)
		}
	}
	login(t, owner, password)
}

// furnish gives an organisation one of everything, with SECRET in it and the
// number 9001, and returns the code of its task.
func furnish(t *testing.T, x tenant) (code string) {
	t.Helper()
	put(t, x.org, schemas.KindOrganisation, x.org, 2, schemas.Organisation{ID: x.org, Name: "SECRET", Locale: "en", Vocabulary: []string{"SECRET"}})
	put(t, x.org, schemas.KindUser, "9001", 1, schemas.User{ID: 9001, Org: x.org, Email: "secret." + x.email, PasswordHash: the.hash, Locale: "en", Role: "supervisor"})
	put(t, x.org, schemas.KindDirectory, "9001", 1, schemas.Directory{ID: 9001, Name: "SECRET"})
	put(t, x.org, schemas.KindChecklist, "9001", 1, schemas.ChecklistQuestion{ID: 9001, User: 9001, Question: "SECRET?", Active: true})
	put(t, x.org, schemas.KindCategory, "9001", 1, schemas.Category{ID: 9001, Name: "SECRET"})
	put(t, x.org, filtersOf(x.user), "9001", 1, schemas.SavedFilter{ID: 9001, User: 1, Name: "SECRET", Criteria: []byte(`{}`)})
	put(t, x.org, schemas.KindScript, "9001", 1, schemas.Script{ID: 9001, Identifier: "SECRET", Title: "SECRET", Version: 1, Body: "SECRET"})
	put(t, x.org, versionsOf(9001), "1", 1, schemas.Script{ID: 9001, Identifier: "SECRET", Version: 1, Body: "SECRET"})
	put(t, x.org, schemas.KindSchedule, "9001", 1, schemas.ReportSchedule{ID: 9001, Name: "SECRET", Every: "daily", At: "08:00", Zone: "UTC", ReportType: schemas.ReportStandard, Language: "en"})
	code = submitChat(t, x, map[string]any{"text": "Operator: SECRET", "external_id": "e", "directory_id": 9001})
	insert(t, x, row{code: code, id: 9001, status: schemas.StatusCompleted, kind: schemas.TypeChat, text: "Operator: SECRET", operator: "SECRET",
		analysis: &schemas.Analysis{Summary: "SECRET", Checklist: []schemas.ChecklistAnswer{{ID: 9001, Question: "SECRET?", Answer: schemas.AnswerYes}}}})
	return code
}

// views are what an owner sees.
func views(t *testing.T, x tenant) map[string]string {
	t.Helper()
	seen := map[string]string{}
	code, _ := the.get(t, "/tasks/filter", x.token).at("tasks", 0, "task_code").(string)
	for _, path := range []string{"/user/tariff", "/user/vocabulary", "/user/directories", "/checklist", "/checklist/9001", "/checklist/answer/9001", "/tasks/filters/list", "/user/report_schedules/9001", "/tasks/filter",
		"/user/call_check_scripts/9001/versions", "/gettask?task_code=" + code, "/api/calls_analysis_v2/" + code} {
		seen[path] = the.get(t, path, x.token).raw
	}
	return seen
}

// What clients choose themselves means nothing beyond their organisation, and a
// token of one with another's user id is nobody's.
func TestNamesOfTwoTenants(t *testing.T) {
	owner, stranger := newTenant(t), newTenant(t)
	chat := map[string]any{"text": "Operator: hello", "external_id": "e"}
	first := the.post(t, "/add_chat_analysis_task", owner.token, chat, "Idempotency-Key", "k")
	second := the.post(t, "/add_chat_analysis_task", stranger.token, chat, "Idempotency-Key", "k")
	first.want(t, 200, 0)
	second.want(t, 200, 0)
	if first.at("task_code") == second.at("task_code") {
		t.Error("a stranger gets the owner's task")
	}
	the.post(t, "/tasks/filters/save", owner.token, `{"name": "mine", "criteria": {}}`).want(t, 200, 0)
	the.get(t, "/tasks/filter?saved_filter=mine", stranger.token).want(t, 200, schemas.CodeNoFilter)
	forged := stranger.user
	forged.Org, forged.ID = owner.org, 2
	token, err := the.api.tokens.issue(forged, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	the.get(t, "/user/tariff", token).want(t, 401, schemas.CodeBadToken)
	the.get(t, fmt.Sprintf("/checklist/%d", owner.user.ID+1), stranger.token).want(t, 200, schemas.CodeUserNotFound)
}
