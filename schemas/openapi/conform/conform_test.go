package conform

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"earshot/schemas"
	"earshot/schemas/openapi"
)

func document(t *testing.T) *Document {
	t.Helper()
	d, err := New()
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// The schema is that of spec.openapis.org/oas/3.1/schema/2022-10-07.
func TestTheDocumentIsOpenAPI(t *testing.T) {
	f, err := os.Open("testdata/openapi-3.1.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	official, err := jsonschema.UnmarshalJSON(f)
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("openapi.json", official); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	raw, err := yaml.YAMLToJSON(openapi.Document)
	if err != nil {
		t.Fatal(err)
	}
	v, err := jsonschema.UnmarshalJSON(strings.NewReader(string(raw)))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Validate(v); err != nil {
		t.Error(err)
	}
}

// schemasIn calls visit with the pointer of every schema of the document.
func schemasIn(v any, pointer string, visit func(pointer string, schema map[string]any)) {
	switch v := v.(type) {
	case map[string]any:
		for k, inner := range v {
			at := pointer + "/" + escape(k)
			if m, ok := inner.(map[string]any); ok && (k == "schema" || strings.HasSuffix(pointer, "/properties") || pointer == "/components/schemas") {
				visit(at, m)
			}
			schemasIn(inner, at, visit)
		}
	case []any:
		for i, inner := range v {
			schemasIn(inner, pointer+"/"+strconv.Itoa(i), visit)
		}
	}
}

func TestEverySchemaHoldsAndFitsItsExample(t *testing.T) {
	d := document(t)
	seen := 0
	schemasIn(d.root, "", func(pointer string, m map[string]any) {
		seen++
		s, err := d.schema(pointer)
		if err != nil {
			t.Errorf("%s: %v", pointer, err)
			return
		}
		if example, ok := m["example"]; ok {
			if err := s.Validate(example); err != nil {
				t.Errorf("the example of %s: %v", pointer, err)
			}
		}
	})
	if seen < 300 {
		t.Errorf("only %d schemas were found", seen)
	}
}

// The table of codes is schemas.Errors; the document must not have its own.
func TestErrorCodesAreThoseOfTheTable(t *testing.T) {
	d := document(t)
	n, _ := d.at(node{"", d.root}, "components", "schemas", "ErrorCode")
	listed := codesOf(n.value)
	want := slices.Sorted(maps.Keys(schemas.Errors))
	if !slices.Equal(listed, want) {
		t.Errorf("ErrorCode has %v\nschemas.Errors  %v", listed, want)
	}
	said, _ := n.value["description"].(string)
	for code, m := range schemas.Errors {
		if !strings.Contains(said, fmt.Sprintf("- %d: %s\n", code, m.En)) {
			t.Errorf("ErrorCode does not say what %d means: %s", code, m.En)
		}
	}
	// A code is listed where its HTTP status is.
	for name, status := range map[string]int{"Unauthorized": 401, "InProgress": 409, "TooLarge": 413, "KeyReused": 422, "TooMany": 429, "DiskFull": 507, "Unavailable": 503} {
		r, _ := d.at(node{"", d.root}, "components", "responses", name)
		schemasIn(r.value, "", func(pointer string, m map[string]any) {
			for _, code := range codesOf(m) {
				if schemas.Errors[code].HTTP != status {
					t.Errorf("%s has %d, which answers %d", name, code, schemas.Errors[code].HTTP)
				}
			}
		})
	}
}

func codesOf(schema map[string]any) (codes []schemas.Code) {
	list, _ := schema["enum"].([]any)
	for _, v := range list {
		if n, ok := v.(json.Number); ok {
			code, _ := n.Int64()
			codes = append(codes, schemas.Code(code))
		}
	}
	return codes
}

func TestAnswer(t *testing.T) {
	d := document(t)
	const failure = `{"success":false,"error_code":4021,"error_message":"Task not found"}`
	for _, c := range []struct {
		name, method, path string
		status             int
		content, body      string
		wrong              string // "" = it is right
	}{
		{"an error that is listed", "GET", "/gettask", 200, "application/json; charset=utf-8", failure, ""},
		{"an error that is not", "GET", "/gettask", 200, "application/json", `{"success":false,"error_code":4066,"error_message":"x"}`, "4020"},
		{"another spelling of the path", "GET", "/api/calls_analysis/x/", 200, "application/json", failure, ""},
		{"a member that is not there", "GET", "/gettask", 200, "application/json", `{"success":false,"error_code":4021,"error_message":"x","more":1}`, "more"},
		{"a member that is missing", "GET", "/gettask", 200, "application/json", `{"success":false,"error_code":4021}`, "error_message"},
		{"a status", "GET", "/gettask", 418, "application/json", failure, "status"},
		{"a status of all endpoints", "GET", "/gettask", 500, "application/json", `{"success":false,"error_code":5000,"error_message":"x"}`, ""},
		{"a type", "GET", "/healthz", 200, "text/html", `{"status":"ok"}`, "content type"},
		{"a value", "GET", "/healthz", 200, "application/json", `{"status":"fine"}`, "ok"},
		{"no JSON", "GET", "/healthz", 200, "application/json", `{`, "EOF"},
		{"an endpoint", "GET", "/nothing", 200, "application/json", `{}`, "not documented"},
		{"a method", "DELETE", "/gettask", 200, "application/json", `{}`, "not documented"},
		{"no such endpoint", "GET", "/nothing", 404, "application/json", `{"success":false,"error_code":4041,"error_message":"x"}`, ""},
		{"no such endpoint, said otherwise", "GET", "/nothing", 404, "application/json", `{}`, "error_code"},
		{"a document", "GET", "/metrics", 200, "text/plain; version=0.0.4", `x 1`, ""},
		{"nothing new", "GET", "/docs", 304, "", "", ""},
		{"a HEAD", "HEAD", "/gettask", 200, "application/json", "", ""},
		{"a HEAD with a body", "HEAD", "/gettask", 200, "application/json", failure, "no body"},
		{"a HEAD of what has no GET", "HEAD", "/addtaskcall", 200, "application/json", "", "not documented"},
		{"a body where none is", "GET", "/docs", 304, "", "x", "no body"},
	} {
		t.Run(c.name, func(t *testing.T) {
			header := http.Header{"Content-Type": {c.content}, "X-Request-Id": {"1"}, "Etag": {`"1"`}}
			err := d.Answer(c.method, c.path, c.status, header, []byte(c.body))
			if (err == nil) != (c.wrong == "") || err != nil && !strings.Contains(err.Error(), c.wrong) {
				t.Errorf("want %q, got %v", c.wrong, err)
			}
		})
	}
	if err := d.Answer("GET", "/healthz", 200, http.Header{"Content-Type": {"application/json"}}, []byte(`{"status":"ok"}`)); err == nil || !strings.Contains(err.Error(), "X-Request-Id") {
		t.Errorf("a missing header: %v", err)
	}
}
