package read_test

import (
	"encoding/json"
	"errors"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"earshot/query/read"
	"earshot/schemas"
)

func ptr[T any](v T) *T { return &v }

func date(y int, m time.Month, d, hour, min, sec, micro int) time.Time {
	return time.Date(y, m, d, hour, min, sec, micro*1000, time.UTC)
}

// Each case is a body and the query string that means the same; "" = only the
// other form can say it.
var parsed = []struct {
	name, body, query string
	want              read.Criteria
}{
	{"nothing", ``, ` `, read.Criteria{}},
	{"nothing given", `{"task_type": null, "tags_any": [], "message": "", "tone_id": null, "unknown": {"x": [true]}}`, `task_type=&tone_id=&unknown=1`, read.Criteria{}},
	{"the seed's example", `{"task_type": "call", "status": "completed", "date_from": "2025-10-01", "date_to": "2025-10-31", "message": "esim setup", "operator_name": "Ivanov",
		"call_type": "inbound", "tags_any": "eSIM,APN", "script_alignment_min": 60, "customer_satisfaction_score_min": 7, "tone_id": [1,2], "resolved_status_id": 5,
		"priority_id": 3, "funnel_stage_id": [4,5], "risk_signal_id": null, "sales_signal_id": null, "operator_politeness": [4,5], "operator_politeness_min": 3,
		"operator_politeness_max": 5, "length_min": 3.5, "length_max": 120, "checklist_id": 7, "answers": ["Yes","Partially"], "page": 1, "per_page": 12}`,
		`task_type=call&status=completed&date_from=2025-10-01&date_to=2025-10-31&message=esim+setup&operator_name=Ivanov&call_type=inbound&tags_any=eSIM,APN&script_alignment_min=60` +
			`&customer_satisfaction_score_min=7&tone_id=1,2&resolved_status_id=5&priority_id=3&funnel_stage_id=4&funnel_stage_id=5&operator_politeness=4,5&operator_politeness_min=3` +
			`&operator_politeness_max=5&length_min=3.5&length_max=120&checklist_id=7&answers=Yes,Partially&page=1&per_page=12`,
		read.Criteria{Types: []string{"call"}, Statuses: []string{"completed"}, From: date(2025, 10, 1, 0, 0, 0, 0), Until: date(2025, 11, 1, 0, 0, 0, 0), Message: "esim setup",
			OperatorName: "Ivanov", CallTypes: []string{"inbound"}, TagsAny: []string{"eSIM", "APN"}, ScriptMin: ptr(60.0), CSATMin: ptr(int64(7)), Tones: []int64{1, 2},
			Resolutions: []int64{5}, Priorities: []int64{3}, FunnelStages: []int64{4, 5}, Politeness: []int64{4, 5}, PolitenessMin: ptr(int64(3)), PolitenessMax: ptr(int64(5)),
			LengthMin: ptr(3.5), LengthMax: ptr(120.0), ChecklistID: ptr(int64(7)), Answers: []string{"Yes", "Partially"}, Page: 1, PerPage: 12}},
	{"alias", `{"status": "completed2"}`, `status=COMPLETED2`, read.Criteria{Statuses: []string{"completed"}}},
	{"answers in a person's own words", `{"answers": ["Called  back, later", "YES"]}`, ``, read.Criteria{Answers: []string{"Called back, later", "Yes"}}},
	{"and in a query", `{"answers": "Called back,yes"}`, `answers=Called+back&answers=yes`, read.Criteria{Answers: []string{"Called back", "Yes"}}},
	{"Russian answers", `{"answers": ["да", "Частично", "НЕТ"]}`, `answers=да,Частично,НЕТ`, read.Criteria{Answers: []string{"Yes", "Partially", "No"}}},
	{"numbers as strings", `{"task_id": "17", "tone_id": ["1", 2], "length_max": "1e2"}`, `task_id=17&tone_id=1,2&length_max=1e2`, read.Criteria{TaskID: ptr(int64(17)), Tones: []int64{1, 2}, LengthMax: ptr(100.0)}},
	{"whole numbers with a fraction", `{"task_id": 17.0, "tone_id": [1.00, "2.0"], "page": 4.0}`, `task_id=17.0&tone_id=1.00,2.0&page=4.0`, read.Criteria{TaskID: ptr(int64(17)), Tones: []int64{1, 2}, Page: 4}},
	{"a comma within a tag", `{"tags_all": ["a,b", " c "]}`, ``, read.Criteria{TagsAll: []string{"a,b", "c"}}},
	{"code", `{"task_code": "9289BD97-ac8c-41b3-bce8-fbcd86f1da7c"}`, `task_code=9289bd97ac8c41b3bce8fbcd86f1da7c`, read.Criteria{TaskCode: "9289bd97-ac8c-41b3-bce8-fbcd86f1da7c"}},
	{"legacy code", `{"task_code": "aB3x"}`, `task_code=aB3x`, read.Criteria{LegacyCode: "aB3x"}},
	{"times", `{"date_from": "2025-10-20T10:00:00+03:00", "date_to": "2025-10-20T10:00:00.5Z"}`, `date_from=2025-10-20T10:00:00+03:00&date_to=2025-10-20 10:00:00.5`,
		read.Criteria{From: date(2025, 10, 20, 7, 0, 0, 0), Until: date(2025, 10, 20, 10, 0, 0, 500_001)}},
	{"times without zone", `{"date_from": "2025-10-20 10:00", "date_to": "2025-10-20T10:00"}`, ``, read.Criteria{From: date(2025, 10, 20, 10, 0, 0, 0), Until: date(2025, 10, 20, 10, 0, 0, 1)}},
	{"bounds", `{"page": 1000000, "per_page": 1000, "script_alignment_min": 0, "script_alignment_max": 100, "customer_satisfaction_score_min": 0, "customer_satisfaction_score_max": 10}`, ``,
		read.Criteria{Page: 1_000_000, PerPage: 1000, ScriptMin: ptr(0.0), ScriptMax: ptr(100.0), CSATMin: ptr(int64(0)), CSATMax: ptr(int64(10))}},
}

func TestParse(t *testing.T) {
	for _, c := range parsed {
		want := c.want
		if want.Page == 0 {
			want.Page = 1
		}
		if want.PerPage == 0 {
			want.PerPage = read.DefaultPerPage
		}
		got, err := read.ParseCriteria([]byte(c.body))
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s, body: got %+v, %v\nwant %+v", c.name, got, err, want)
		}
		if c.query == "" {
			continue
		}
		got, err = parseQuery(t, c.query)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s, query: got %+v, %v\nwant %+v", c.name, got, err, want)
		}
	}
}

func parseQuery(t testing.TB, query string) (read.Criteria, error) {
	t.Helper()
	values, err := url.ParseQuery(strings.TrimSpace(query)) // its plus signs become spaces, as in a careless client
	if err != nil {
		t.Fatal(err)
	}
	return read.ParseQuery(func(name string) []string { return values[name] })
}

func TestParseRefuses(t *testing.T) {
	for body, name := range map[string]string{
		`[`:                                "body",
		`[1]`:                              "body",
		`"x"`:                              "body",
		strings.Repeat(" ", 70_000) + "1":  "body",
		`{"task_id": "x"}`:                 "task_id",
		`{"task_id": 1.5}`:                 "task_id",
		`{"task_id": 0}`:                   "task_id",
		`{"task_id": [1, 2]}`:              "task_id",
		`{"task_id": 9223372036854775808}`: "task_id",
		`{"task_type": "calls"}`:           "task_type",
		`{"task_type": true}`:              "task_type",
		`{"status": {"a": 1}}`:             "status",
		`{"status": "done"}`:               "status",
		`{"call_type": "in"}`:              "call_type",
		`{"date_from": "20.10.2025"}`:      "date_from",
		`{"date_from": "0001-01-01"}`:      "date_from",
		`{"date_to": "2025-02-30"}`:        "date_to",
		`{"date_from": "2025-10-02", "date_to": "2025-10-01"}`: "date_from",
		`{"message": "?!"}`: "message",
		`{"message": "` + strings.Repeat("a", 501) + `"}`:              "message",
		`{"operator_name": "a\u0000b"}`:                                "operator_name",
		`{"tone_id": [1, null]}`:                                       "tone_id",
		`{"tone_id": [[1]]}`:                                           "tone_id",
		`{"tone_id": -1}`:                                              "tone_id",
		`{"tags_any": "` + strings.Repeat("a,", 101) + `"}`:            "tags_any",
		`{"script_alignment_min": 101}`:                                "script_alignment_min",
		`{"script_alignment_max": "NaN"}`:                              "script_alignment_max",
		`{"script_alignment_min": 2, "script_alignment_max": 1}`:       "script_alignment_min",
		`{"customer_satisfaction_score_max": 11}`:                      "customer_satisfaction_score_max",
		`{"operator_politeness": [0]}`:                                 "operator_politeness",
		`{"operator_politeness_min": 6}`:                               "operator_politeness_min",
		`{"operator_politeness_min": 3, "operator_politeness_max": 2}`: "operator_politeness_min",
		`{"length_min": -1}`:                                           "length_min",
		`{"length_max": "1e999"}`:                                      "length_max",
		`{"answers": "` + strings.Repeat("a", 1001) + `"}`:             "answers",
		`{"checklist_id": "a"}`:                                        "checklist_id",
		`{"page": 0}`:                                                  "page",
		`{"page": 1000001}`:                                            "page",
		`{"per_page": 1001}`:                                           "per_page",
		`{"page": 1.5}`:                                                "page",
		`{"task_id": "7."}`:                                            "task_id",
		`{"task_id": ".0"}`:                                            "task_id",
		`{"per_page": "ten"}`:                                          "per_page",
		`{"sales_signal_id": "1;2"}`:                                   "sales_signal_id",
	} {
		_, err := read.ParseCriteria([]byte(body))
		var coded *schemas.Error
		if !errors.As(err, &coded) || coded.Code != schemas.CodeInvalid || !strings.Contains(coded.Detail.String(), name) {
			t.Errorf("%.80s: got %v, want 4001 naming %s", body, err, name)
		}
	}
	if _, err := read.ParseQuery(func(string) []string { return []string{"\xff"} }); err == nil {
		t.Error("invalid UTF-8 was taken")
	}
}

// What is taken is within bounds, what is refused is refused with 4001, and what
// a body can say in strings a query string can say too.
func checkParsed(t *testing.T, c read.Criteria, err error) {
	t.Helper()
	if err != nil {
		var coded *schemas.Error
		if !errors.As(err, &coded) || coded.Code != schemas.CodeInvalid || coded.Detail.String() == "" || !utf8.ValidString(coded.Detail.In("ru")) {
			t.Fatalf("refused with %v", err)
		}
		return
	}
	if c.Page < 1 || c.Page > read.MaxPage || c.PerPage < 1 || c.PerPage > read.MaxPerPage {
		t.Fatalf("page %d of %d", c.Page, c.PerPage)
	}
	if !c.From.IsZero() && !c.Until.IsZero() && !c.From.Before(c.Until) {
		t.Fatalf("period from %s to %s", c.From, c.Until)
	}
	for _, list := range [][]string{c.Types, c.Statuses, c.CallTypes, c.TagsAny, c.TagsAll, c.Answers, {c.Message, c.OperatorName, c.LegacyCode}} {
		for _, s := range list {
			if !utf8.ValidString(s) || strings.ContainsRune(s, 0) || utf8.RuneCountInString(s) > 500 {
				t.Fatalf("text %q", s)
			}
		}
	}
}

func FuzzParseCriteria(f *testing.F) {
	for _, c := range parsed {
		f.Add([]byte(c.body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		c, err := read.ParseCriteria(body)
		checkParsed(t, c, err)
		strs := map[string]string{}
		if err != nil || json.Unmarshal(body, &strs) != nil {
			return
		}
		same, err := read.ParseQuery(func(name string) []string {
			if v, ok := strs[name]; ok {
				return []string{v}
			}
			return nil
		})
		if err != nil || !reflect.DeepEqual(same, c) {
			t.Fatalf("as query: %+v, %v; as body: %+v", same, err, c)
		}
	})
}

func FuzzParseQuery(f *testing.F) {
	for _, c := range parsed {
		f.Add(c.query)
	}
	f.Fuzz(func(t *testing.T, query string) {
		values, err := url.ParseQuery(query)
		if err != nil {
			return
		}
		c, err := read.ParseQuery(func(name string) []string { return values[name] })
		checkParsed(t, c, err)
	})
}
