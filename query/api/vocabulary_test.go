package api

import (
	"net/http"
	"reflect"
	"strings"
	"testing"

	"earshot/schemas"
)

func TestVocabulary(t *testing.T) {
	x, other := newTenant(t), newTenant(t)
	replace := func(x tenant, body string) reply {
		return the.send(t, http.MethodPut, "/user/vocabulary", x.token, strings.NewReader(body), "Content-Type", "application/json")
	}
	get := func(x tenant) any {
		r := the.get(t, "/user/vocabulary", x.token)
		r.want(t, 200, 0)
		return r.at("vocabulary")
	}
	if got := get(x); !reflect.DeepEqual(got, []any{}) {
		t.Errorf("before: %v", got)
	}
	r := replace(x, `{"vocabulary": [" Smile  Telecom ", "eSIM", "esim", "Смайл\u0000"]}`)
	r.want(t, 200, 0)
	want := []any{"Smile Telecom", "eSIM", "Смайл"}
	if got := get(x); !reflect.DeepEqual(r.at("vocabulary"), want) || !reflect.DeepEqual(got, want) {
		t.Errorf("put %v, then got %v", r.at("vocabulary"), got)
	}
	// The rest of the organisation stays, and another's is another's.
	if o, err := the.store.Organisation(t.Context(), x.org); err != nil || o.Name != x.org || o.Locale != "en" || o.ID != x.org {
		t.Errorf("%+v, %v", o, err)
	}
	if got := get(other); !reflect.DeepEqual(got, []any{}) {
		t.Errorf("another organisation's: %v", got)
	}
	replace(x, `{"vocabulary": []}`).want(t, 200, 0) // twice within a moment: the later one stays
	if got := get(x); !reflect.DeepEqual(got, []any{}) {
		t.Errorf("emptied: %v", got)
	}
	for body, code := range map[string]schemas.Code{
		`{}`: schemas.CodeMissing, `{"vocabulary": null}`: schemas.CodeMissing, `{"vocabulary": "eSIM"}`: schemas.CodeInvalid, `{"vocabulary": [7]}`: schemas.CodeInvalid,
		`[`: schemas.CodeInvalid, `{"vocabulary": ["` + strings.Repeat("x", schemas.MaxTermRunes+1) + `"]}`: schemas.CodeInvalid,
	} {
		replace(x, body).want(t, 200, code)
	}
	for role, code := range map[string]schemas.Code{roleAgent: schemas.CodeAccessDenied, "auditor": schemas.CodeAccessDenied, "": schemas.CodeAccessDenied, schemas.RoleSupervisor: 0} {
		mate := colleague(t, other, 7, role)
		replace(mate, `{"vocabulary": ["x"]}`).want(t, 200, code)
		if got := get(mate); (len(got.([]any)) == 1) != (code == 0) {
			t.Errorf("role %q: %v", role, got)
		}
		replace(other, `{"vocabulary": []}`).want(t, 200, 0)
	}
}
