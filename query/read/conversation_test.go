package read_test

import (
	"fmt"
	"slices"
	"testing"

	"earshot/query/read"
	"earshot/schemas"
)

// Finding tasks to be analysed again, as many as one request may name, keeps to
// the organisation and to what has an analysis.
func TestAnalysedAndVersions(t *testing.T) {
	const n = 5000
	exec(t, "TRUNCATE TABLE interactions")
	for org, version := range map[string]int{"org_1": 3, "org_2": 9} {
		exec(t, fmt.Sprintf(`INSERT INTO interactions (org, code, version, id, type, status, analysis_version, checklist_ids, checklist_keys)
			SELECT '%s', generateUUIDv7(number), number + 1, number + 1, if(number %% 2 = 0, 'chat', 'call'), 'completed', %d, [101], ['101=No'] FROM numbers(%d)`, org, version, n))
		exec(t, fmt.Sprintf(`INSERT INTO interactions (org, code, version, id, type, status) VALUES ('%s', generateUUIDv7(), 1, %d, 'chat', 'pending')`, org, n+1))
	}
	r := read.New(db)
	all, err := r.Analysed(t.Context(), "org_1", read.Criteria{}, n+1)
	if err != nil || len(all) != n || slices.ContainsFunc(all, func(a schemas.Analysed) bool { return a.Version != 3 }) {
		t.Fatalf("%d analysed, %v", len(all), err)
	}
	if some, err := r.Analysed(t.Context(), "org_1", read.Criteria{Types: []string{"call"}}, 10); err != nil || len(some) != 10 {
		t.Errorf("%d calls, %v", len(some), err)
	}
	var codes []string
	for _, a := range all {
		codes = append(codes, a.Code)
	}
	if mine, err := r.Versions(t.Context(), "org_1", codes); err != nil || len(mine) != n {
		t.Errorf("%d versions, %v", len(mine), err)
	}
	if theirs, err := r.Versions(t.Context(), "org_2", codes); err != nil || len(theirs) != 0 {
		t.Errorf("%d of another organisation, %v", len(theirs), err)
	}
	code, err := r.CodeOf(t.Context(), "org_1", 7)
	if err != nil || !slices.Contains(codes, code) {
		t.Errorf("task 7 is %q, %v", code, err)
	}
	_, err = r.CodeOf(t.Context(), "org_3", 7)
	wantCode(t, "an id of another organisation", err, schemas.CodeTaskNotFound)
	for _, c := range []struct {
		org      string
		question int64
		want     bool
	}{{"org_1", 101, true}, {"org_1", 10, false}, {"org_3", 101, false}} {
		if got, err := r.Answered(t.Context(), c.org, c.question); err != nil || got != c.want {
			t.Errorf("question %d of %s is answered: %v, %v", c.question, c.org, got, err)
		}
	}
	if (read.Criteria{Page: 2, PerPage: 5}).Empty() != true || (read.Criteria{Message: "x"}).Empty() {
		t.Error("a page is no criterion, a word is one")
	}
}
