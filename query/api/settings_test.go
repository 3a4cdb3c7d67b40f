package api

import (
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"earshot/schemas"
)

// settings are one of each, as a client makes them.
type settings struct{ question, directory, category, filter, script string }

// number is a number of the answer as text, for a path.
func (r reply) number(t *testing.T, path ...any) string {
	t.Helper()
	n, ok := r.at(path...).(float64)
	if !ok {
		t.Fatalf("no number at %v in %s", path, r.raw)
	}
	return strconv.FormatInt(int64(n), 10)
}

func newSettings(t *testing.T, x tenant) (s settings) {
	t.Helper()
	r := the.post(t, "/checklist", x.token, `{"question": "Did the operator introduce themselves?"}`)
	r.want(t, 200, 0)
	s.question = r.number(t, "data", "id")
	r = the.post(t, "/user/directories", x.token, `{"name": "New directory"}`)
	r.want(t, 200, 0)
	s.directory = r.number(t, "directory", "id")
	r = the.post(t, "/user/call_categories/create", x.token, `{"name": "Tech support", "description": "Technical inquiries", "parent_id": null}`)
	r.want(t, 200, 0)
	s.category = r.number(t, "data", "id")
	the.post(t, "/tasks/filters/save", x.token, `{"name": "Critical calls — October", "criteria": {"task_type": "call", "priority_id": 3}}`).want(t, 200, 0)
	s.filter = the.get(t, "/tasks/filters/list", x.token).number(t, "filters", 0, "id")
	r = the.post(t, "/user/call_check_scripts/create", x.token, `{"identifier": "welcome_v1", "title": "Customer greeting", "script_body": "Hello! My name is ..."}`)
	r.want(t, 200, 0)
	s.script = r.number(t, "data", "id")
	return s
}

// lists is all that the lists of settings say.
func lists(t *testing.T, x tenant) (all []string) {
	t.Helper()
	for _, path := range []string{"/checklist", "/user/directories", "/tasks/filters/list"} {
		all = append(all, the.get(t, path, x.token).raw)
	}
	for _, path := range []string{"/user/call_categories/list", "/user/call_check_scripts/list"} {
		all = append(all, the.post(t, path, x.token, `{}`).raw)
	}
	return all
}

// settingsCalls is every endpoint of settings that names something by id, with
// what it answers for an id that nobody has.
var settingsCalls = []struct {
	method, path, body string
	id                 func(settings) string
	missing            schemas.Code
	agents             bool // may an agent?
}{
	{"POST", "/checklist/%s", `{"question": "Other?"}`, func(s settings) string { return s.question }, schemas.CodeNoRecord, false},
	{"POST", "/checklist/delete/%s", "", func(s settings) string { return s.question }, schemas.CodeNoRecord, false},
	{"DELETE", "/user/directories/delete/%s", "", func(s settings) string { return s.directory }, schemas.CodeNoResource, false},
	{"POST", "/user/call_categories/create", `{"name": "Child", "parent_id": %s}`, func(s settings) string { return s.category }, schemas.CodeNoCategory, false},
	{"POST", "/user/call_categories/edit/%s", `{"name": "Other"}`, func(s settings) string { return s.category }, schemas.CodeNoCategory, false},
	{"POST", "/user/call_categories/edit/1000", `{"name": "Other", "category_id": %s}`, func(s settings) string { return s.category }, schemas.CodeNoCategory, false},
	{"POST", "/user/call_categories/delete/%s", "", func(s settings) string { return s.category }, schemas.CodeNoCategory, false},
	{"POST", "/tasks/filters/delete/%s", "", func(s settings) string { return s.filter }, schemas.CodeNoFilter, true},
	{"GET", "/user/call_check_scripts/%s/versions", "", func(s settings) string { return s.script }, schemas.CodeNoRecord, true},
	{"POST", "/user/call_check_scripts/edit/%s", `{"title": "Other"}`, func(s settings) string { return s.script }, schemas.CodeNoRecord, false},
	{"POST", "/user/call_check_scripts/edit/1000", `{"title": "Other", "script_id": %s}`, func(s settings) string { return s.script }, schemas.CodeNoRecord, false},
	{"POST", "/user/call_check_scripts/delete/1000", `{"script_id": %s}`, func(s settings) string { return s.script }, schemas.CodeNoRecord, false},
	{"POST", "/user/call_check_scripts/delete/%s", "", func(s settings) string { return s.script }, schemas.CodeNoRecord, false},
}

// An id of another organisation answers byte for byte as one that nobody has,
// and changes nothing there.
func TestSettingsOfAnotherTenantAreMissing(t *testing.T) {
	owner, stranger := newTenant(t), newTenant(t)
	s := newSettings(t, owner)
	before := lists(t, owner)
	for _, call := range settingsCalls {
		t.Run(call.method+" "+call.path, func(t *testing.T) {
			ask := func(token, id string) reply {
				fill := func(s string) string { return strings.ReplaceAll(s, "%s", id) }
				return the.send(t, call.method, fill(call.path), token, strings.NewReader(fill(call.body)), "Content-Type", "application/json")
			}
			theirs, missing := ask(stranger.token, call.id(s)), ask(stranger.token, "987654")
			missing.want(t, 200, call.missing)
			if theirs.raw != strings.ReplaceAll(missing.raw, "987654", call.id(s)) {
				t.Errorf("another's answers %s\na missing one  %s", theirs.raw, missing.raw)
			}
			nonsense := call.missing
			if strings.Contains(call.body, "%s") {
				nonsense = schemas.CodeInvalid
			}
			ask(stranger.token, "nonsense").want(t, 200, nonsense)
			for _, role := range []string{roleAgent, "auditor"} { // which nobody has heard of
				if mate := colleague(t, owner, 7, role); !call.agents {
					ask(mate.token, call.id(s)).want(t, 200, schemas.CodeAccessDenied)
				}
			}
			ask("", call.id(s)).want(t, 401, schemas.CodeUnauthorized)
		})
	}
	if after := lists(t, owner); !reflect.DeepEqual(before, after) {
		t.Errorf("before %v\nafter  %v", before, after)
	}
	for _, all := range lists(t, stranger) {
		if strings.Contains(all, "Tech support") || strings.Contains(all, "welcome_v1") || strings.Contains(all, "New directory") || strings.Contains(all, "Critical") {
			t.Errorf("a stranger sees %s", all)
		}
	}
	// The owner can do all of it, in an order in which each is still there.
	for _, call := range slices.Backward(settingsCalls) {
		if strings.Contains(call.path, "delete") || strings.Contains(call.path, "1000") {
			continue
		}
		fill := func(text string) string { return strings.ReplaceAll(text, "%s", call.id(s)) }
		the.send(t, call.method, fill(call.path), owner.token, strings.NewReader(fill(call.body)), "Content-Type", "application/json").want(t, 200, 0)
	}
}

const roleAgent = schemas.RoleAgent

// agentOf is another user of the organisation, who may change no settings.
func agentOf(t *testing.T, x tenant) tenant { return colleague(t, x, 7, roleAgent) }

func colleague(t *testing.T, x tenant, id int64, role string) tenant {
	t.Helper()
	x.user.ID, x.user.Role, x.user.Email = id, role, fmt.Sprintf("%d-%s", id, x.user.Email)
	put(t, x.org, schemas.KindUser, strconv.FormatInt(id, 10), time.Now().UnixMicro(), x.user)
	the.api.users.Purge()
	var err error
	if x.token, err = the.api.tokens.issue(x.user, time.Now()); err != nil {
		t.Fatal(err)
	}
	return x
}

// What is missing, too long or taken has its code.
func TestSettingsRefuseWhatCannotBe(t *testing.T) {
	x := newTenant(t)
	s := newSettings(t, x)
	long := strings.Repeat("ы", 600)
	for _, c := range []struct {
		path, body string
		code       schemas.Code
	}{
		{"/checklist", `{}`, schemas.CodeFieldsMissing},
		{"/checklist", `{"question": " \u0000 "}`, schemas.CodeFieldsMissing},
		{"/checklist", `{"question": 7}`, schemas.CodeInvalid},
		{"/checklist", `[`, schemas.CodeInvalid},
		{"/checklist", `{"question": "` + long + `"}`, schemas.CodeInvalid},
		{"/checklist", `{"question": "did the  operator introduce themselves?"}`, schemas.CodeSameQuestion},
		{"/checklist/" + s.question, `{}`, schemas.CodeFieldsMissing},
		{"/checklist/1", `{"question": "Built in?"}`, schemas.CodeNoRecord},
		{"/user/directories", `{"name": ""}`, schemas.CodeFieldsMissing},
		{"/user/directories", `{"name": "new directory"}`, schemas.CodeInvalid},
		{"/user/directories", `{"name": "` + long + `"}`, schemas.CodeInvalid},
		{"/user/call_categories/create", `{"description": "x"}`, schemas.CodeFieldsMissing},
		{"/user/call_categories/create", `{"name": "TECH support"}`, schemas.CodeInvalid},
		{"/user/call_categories/create", `{"name": "x", "parent_id": "y"}`, schemas.CodeInvalid},
		{"/user/call_categories/create", `{"name": "x", "description": "` + long + `"}`, schemas.CodeInvalid},
		{"/user/call_categories/edit/" + s.category, `{"name": ""}`, schemas.CodeFieldsMissing},
		{"/user/call_categories/edit/" + s.category, `{"parent_id": ` + s.category + `}`, schemas.CodeInvalid},
		{"/user/call_categories/list", `{"page": 0}`, schemas.CodeInvalid},
		{"/user/call_categories/list", `{"per_page": 100000}`, schemas.CodeInvalid},
		{"/tasks/filters/save", `{"criteria": {}}`, schemas.CodeFieldsMissing},
		{"/tasks/filters/save", `{"name": "x"}`, schemas.CodeFieldsMissing},
		{"/tasks/filters/save", `{"name": "x", "criteria": null}`, schemas.CodeFieldsMissing},
		{"/tasks/filters/save", `{"name": "x", "criteria": []}`, schemas.CodeInvalid},
		{"/tasks/filters/save", `{"name": "x", "criteria": {"status": "dreaming"}}`, schemas.CodeInvalid},
		{"/tasks/filters/save", `{"name": "x", "criteria": {"more": "` + strings.Repeat("x", schemas.MaxCriteria) + `"}}`, schemas.CodeInvalid},
		{"/user/call_check_scripts/create", `{"title": "t", "script_body": "b"}`, schemas.CodeFieldsMissing},
		{"/user/call_check_scripts/create", `{"identifier": "i", "script_body": "b"}`, schemas.CodeFieldsMissing},
		{"/user/call_check_scripts/create", `{"identifier": "i", "title": "t", "script_body": " "}`, schemas.CodeFieldsMissing},
		{"/user/call_check_scripts/create", `{"identifier": "welcome_v1", "title": "t", "script_body": "b"}`, schemas.CodeInvalid},
		{"/user/call_check_scripts/create", `{"identifier": "i", "title": "t", "script_body": "b", "version": 0}`, schemas.CodeInvalid},
		{"/user/call_check_scripts/create", `{"identifier": "i", "title": "t", "script_body": "b", "is_active": "maybe"}`, schemas.CodeInvalid},
		{"/user/call_check_scripts/create", `{"identifier": "i", "title": "t", "script_body": "` + strings.Repeat("b", schemas.MaxScriptBody+1) + `"}`, schemas.CodeInvalid},
		{"/user/call_check_scripts/edit/" + s.script, `{"title": ""}`, schemas.CodeFieldsMissing},
		{"/user/call_check_scripts/list", `{"only_active": "maybe"}`, schemas.CodeInvalid},
		{"/tasks/filter", `{"saved_filter": "no such"}`, schemas.CodeNoFilter},
	} {
		r := the.post(t, c.path, x.token, c.body)
		r.want(t, 200, c.code)
		if t.Failed() {
			t.Fatalf("%s %.200s", c.path, c.body)
		}
	}
	child := the.post(t, "/user/call_categories/create", x.token, `{"name": "L2", "parent_id": `+s.category+`}`)
	child.want(t, 200, 0)
	the.post(t, "/user/call_categories/edit/"+s.category, x.token, `{"parent_id": `+child.number(t, "data", "id")+`}`).want(t, 200, schemas.CodeInvalid) // a circle
	refused := the.post(t, "/user/call_categories/delete/"+s.category, x.token, "")
	refused.want(t, 200, schemas.CodeFieldsMissing)
	if message, _ := refused.at("error_message").(string); !strings.HasPrefix(message, "Cannot delete a category that has child records") {
		t.Error(message)
	}
}

// Of many who create the same at once, one does.
func TestNamesAreGivenOnce(t *testing.T) {
	x := newTenant(t)
	for path, body := range map[string]string{
		"/checklist":                      `{"question": "One?"}`,
		"/user/directories":               `{"name": "One"}`,
		"/user/call_categories/create":    `{"name": "One"}`,
		"/user/call_check_scripts/create": `{"identifier": "one", "title": "One", "script_body": "One"}`,
	} {
		var mu sync.Mutex
		var wg sync.WaitGroup
		codes := map[float64]int{}
		for range 12 {
			wg.Go(func() {
				code, _ := the.post(t, path, x.token, body).at("error_code").(float64)
				mu.Lock()
				defer mu.Unlock()
				codes[code]++
			})
		}
		wg.Wait()
		if codes[0] != 1 || codes[float64(schemas.CodeInvalid)]+codes[float64(schemas.CodeSameQuestion)] != 11 {
			t.Errorf("%s: %v", path, codes)
		}
	}
	var wg sync.WaitGroup
	for i := range 12 {
		wg.Go(func() {
			the.post(t, "/tasks/filters/save", x.token, fmt.Sprintf(`{"name": "One", "criteria": {"task_id": %d}}`, i+1)).want(t, 200, 0)
		})
	}
	wg.Wait()
	the.get(t, "/tasks/filters/list", x.token).has(t, "count", 1.0)
}

// The log is the truth: what Redis loses comes back, deleted things do not, and
// no id is given twice.
func TestSettingsSurviveAFlushOfRedis(t *testing.T) {
	x := newTenant(t)
	s := newSettings(t, x)
	gone := the.post(t, "/user/directories", x.token, `{"name": "Gone"}`).number(t, "directory", "id")
	the.send(t, http.MethodDelete, "/user/directories/delete/"+gone, x.token, nil).want(t, 200, 0)
	the.post(t, "/user/call_check_scripts/edit/"+s.script, x.token, `{"script_body": "Other"}`).want(t, 200, 0)
	before, versions := lists(t, x), the.get(t, "/user/call_check_scripts/"+s.script+"/versions", x.token).raw
	if err := the.engines.Redis.FlushDB(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the state is built again", func() bool { return the.store.Ready(t.Context()) == nil })
	if after := lists(t, x); !reflect.DeepEqual(before, after) {
		t.Errorf("before %v\nafter  %v", before, after)
	}
	if again := the.get(t, "/user/call_check_scripts/"+s.script+"/versions", x.token).raw; again != versions {
		t.Errorf("versions before %s\nafter %s", versions, again)
	}
	next := the.post(t, "/user/directories", x.token, `{"name": "Next"}`)
	next.want(t, 200, 0)
	if id := next.number(t, "directory", "id"); id == gone || id == s.directory {
		t.Errorf("the id %s was given before", id)
	}
}

// A version that another process wrote with a clock that is ahead is followed,
// not lost to.
func TestAChangeFollowsAClockThatIsAhead(t *testing.T) {
	x := newTenant(t)
	ahead := time.Now().Add(time.Hour).UnixMicro()
	put(t, x.org, schemas.KindCategory, "5", ahead, schemas.Category{ID: 5, Name: "Ahead"})
	the.post(t, "/user/call_categories/edit/5", x.token, `{"name": "Now"}`).want(t, 200, 0)
	the.post(t, "/user/call_categories/list", x.token, "").has(t, "items.0.name", "Now")
}

func TestMessagesComeInRussian(t *testing.T) {
	x := newTenant(t)
	r := the.post(t, "/checklist", x.token, `{"question": "Поздоровался?"}`, "Accept-Language", "ru-RU")
	r.has(t, "message", "Вопрос чек-листа создан")
	the.post(t, "/checklist", x.token, `{"question": "поздоровался?"}`, "Accept-Language", "ru").has(t, "error_message", "Такой вопрос чек-листа уже есть")
}

// A create that is sent again with its Idempotency-Key is answered as the first
// time; one with the key of another request is refused.
func TestIdempotentSettings(t *testing.T) {
	x, other := newTenant(t), newTenant(t)
	key := []string{"Idempotency-Key", "k"}
	for path, c := range map[string]struct{ body, another, remove string }{
		"/checklist":                      {`{"question": "Greeted?"}`, `{"question": "Thanked?"}`, "POST /checklist/delete/"},
		"/user/directories":               {`{"name": "Calls"}`, `{"name": "Chats"}`, "DELETE /user/directories/delete/"},
		"/user/call_categories/create":    {`{"name": "Sales"}`, `{"name": "Support"}`, "POST /user/call_categories/delete/"},
		"/user/call_check_scripts/create": {`{"identifier": "i", "title": "t", "script_body": "b"}`, `{"identifier": "j", "title": "t", "script_body": "b"}`, "POST /user/call_check_scripts/delete/"},
	} {
		first := the.post(t, path, x.token, c.body, key...)
		first.want(t, 200, 0)
		if again := the.post(t, path, x.token, c.body, key...); again.raw != first.raw {
			t.Errorf("%s: first %s, then %s", path, first.raw, again.raw)
		}
		if r := the.post(t, path, x.token, c.body, "Idempotency-Key", "other"); r.at("success") != false {
			t.Errorf("%s: one name twice: %s", path, r.raw)
		}
		the.post(t, path, x.token, c.another, key...).want(t, http.StatusUnprocessableEntity, schemas.CodeKeyReused)
		the.post(t, path, other.token, c.another, key...).want(t, 200, 0)
		the.post(t, path, x.token, c.another, "Idempotency-Key", strings.Repeat("k", 256)).want(t, 200, schemas.CodeInvalid)
		at := "data"
		if path == "/user/directories" {
			at = "directory"
		}
		id := first.number(t, at, "id")
		method, remove, _ := strings.Cut(c.remove, " ")
		the.send(t, method, remove+id, x.token, nil).want(t, 200, 0)
		if path != "/checklist" { // a question stays, hidden
			the.post(t, path, x.token, c.body, key...).want(t, http.StatusUnprocessableEntity, schemas.CodeKeyReused)
		}
		the.post(t, path, x.token, c.body).want(t, 200, 0)
	}
}

// Clients of languages with one kind of number send 7 as 7.0, forms and careless
// ones send text for numbers and for true.
func TestNumbersAndTruthAsClientsWriteThem(t *testing.T) {
	x := newTenant(t)
	s := newSettings(t, x)
	for _, written := range []string{"%s", "%s.0", `"%s"`, `"%s.0"`, `" %s.00 "`} {
		id := func(id string) string { return fmt.Sprintf(written, id) }
		the.post(t, "/user/call_categories/edit/77", x.token, `{"category_id": `+id(s.category)+`, "parent_id": `+id("0")+`}`).has(t, "data.parent_id", nil)
		the.post(t, "/user/call_categories/list", x.token, `{"page": `+id("1")+`, "per_page": `+id("1")+`, "parent_id": `+id(s.category)+`}`).has(t, "total", 0.0)
		the.post(t, "/user/call_check_scripts/edit/77", x.token, `{"script_id": `+id(s.script)+`, "version": `+id("1")+`}`).has(t, "data.version", 1.0)
		the.post(t, "/add_chat_analysis_task", x.token, `{"text": "a", "directory_id": `+id(s.directory)+`}`).want(t, 200, 0)
		the.post(t, "/tasks/filter", x.token, `{"page": `+id("1")+`, "length_min": `+id("0")+`, "checklist_id": `+id(s.question)+`}`).has(t, "pagination.total_tasks", 0.0)
	}
	upload(t, the.service, x, file("a.wav", wave(3, 8000, 1)), field("directory_id", s.directory+".0")).want(t, 200, 0)
	for _, truth := range []string{"true", "1", `"1"`, `"True"`, `"yes"`} {
		the.post(t, "/user/call_check_scripts/edit/"+s.script, x.token, `{"is_active": false}`).has(t, "data.is_active", false)
		the.post(t, "/user/call_check_scripts/edit/"+s.script, x.token, `{"is_active": `+truth+`}`).has(t, "data.is_active", true)
	}
	for _, wrong := range []string{"1.5", `"1."`, `"one"`, "true", "[1]", "1e400"} {
		the.post(t, "/user/call_check_scripts/edit/"+s.script, x.token, `{"version": `+wrong+`}`).want(t, 200, schemas.CodeInvalid)
	}
}
