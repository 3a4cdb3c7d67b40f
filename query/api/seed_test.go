package api

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"earshot/schemas"
)

// What Transcripto's document names, line by line: testdata/seed has a table of
// every subject (endpoint, kind, name, type, proof) and the cURL examples of it.
// The kinds are parameter, default, field, error, note, code and plan, and
// endpoint for those of our own. A type that ends in "!" is required. The proofs
// are:
//
//	live      this run of the suite has seen it: a parameter in a request that
//	          was taken, a field with a value of its type, a code as an answer
//	null      it was seen, as null: a mode that Earshot does not have
//	document  the OpenAPI document, or the table of codes or plans, says so
//	TestX     that test, which must exist
//
// To take a subject in, move its name from building to merged, name a test for
// each "?" in its table, and let the suite say what is missing.
var (
	merged   = []string{"login", "tariff", "plans", "call", "chat", "filter", "task", "analysis", "codes", "ours", "audio", "checklists", "directories", "categories", "filters", "scripts", "files", "reports"}
	building = []string{}
	later    = []string{"url", "video"} // of the issues to come: absent, not stubbed
)

// named is one line of a table.
type named struct {
	group, endpoint, kind, name, types, proof string
}

func (n named) String() string {
	return fmt.Sprintf("%s: %s %s %s (%s)", n.group, n.endpoint, n.kind, n.name, n.types)
}

// request splits the endpoint.
func (n named) request() (method, path string) {
	method, path, _ = strings.Cut(n.endpoint, " ")
	return method, path
}

// seedOf reads the tables of groups.
func seedOf(groups []string) (all []named, err error) {
	for _, g := range groups {
		data, err := os.ReadFile("testdata/seed/" + g + ".tsv")
		if err != nil {
			return nil, err
		}
		for line := range strings.Lines(string(data)) {
			c := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
			if len(c) != 5 {
				return nil, fmt.Errorf("%s.tsv: %q has not five columns", g, line)
			}
			all = append(all, named{g, c[0], c[1], c[2], c[3], c[4]})
		}
	}
	return all, nil
}

func seedRows(t *testing.T, groups []string) []named {
	t.Helper()
	all, err := seedOf(groups)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestNothingOfTheSeedIsSkipped(t *testing.T) {
	files, err := filepath.Glob("testdata/seed/*.tsv")
	if err != nil || len(files) < 15 {
		t.Fatal(files, err)
	}
	known := slices.Concat(merged, building, later)
	for _, f := range files {
		if name := strings.TrimSuffix(filepath.Base(f), ".tsv"); !slices.Contains(known, name) {
			t.Errorf("%s is in no list", f)
		}
	}
	if n := len(seedRows(t, known)); n < 650 {
		t.Errorf("the tables have %d lines", n)
	}
	ours := map[string]bool{}
	for _, n := range seedRows(t, slices.Concat(merged, building)) {
		ours[shape(n.endpoint)] = true
	}
	for _, n := range seedRows(t, later) {
		if method, path := n.request(); !ours[shape(n.endpoint)] {
			the.send(t, method, path, newTenant(t).token, nil).want(t, 404, schemas.CodeNoResource)
		}
	}
}

// shape is an endpoint without the names of its variables.
func shape(endpoint string) string {
	steps := strings.Split(endpoint, "/")
	for i, s := range steps {
		if strings.HasPrefix(s, "{") || strings.HasPrefix(s, ":") {
			steps[i] = "{}"
		}
	}
	return strings.Join(steps, "/")
}

func TestTheDocumentHasWhatTheSeedNames(t *testing.T) {
	tests := testSources(t)
	// The document describes what is being built, too.
	for _, n := range seedRows(t, slices.Concat(merged, building)) {
		if problem := undocumented(n); problem != "" {
			t.Errorf("%v: %s", n, problem)
		}
		switch {
		case slices.Contains(building, n.group), n.proof == "live", n.proof == "null", n.proof == "document":
		case tests[n.proof] == "":
			t.Errorf("%v: there is no test %s to prove it", n, n.proof)
		}
	}
}

// jsonTypes are what a type of the seed is in JSON.
var jsonTypes = map[string]string{"int": "integer", "number": "number", "string": "string", "bool": "boolean", "object": "object", "array": "array", "null": "null", "file": "string"}

// undocumented says what the document lacks, "" when it lacks nothing.
func undocumented(n named) string {
	method, path := n.request()
	types, required := strings.CutSuffix(n.types, "!")
	switch n.kind {
	case "parameter":
		if n.name == "Authorization" {
			return "" // the document's security; TestEveryEndpointWantsAToken
		}
		if strings.HasPrefix(types, "path") {
			if template := contract.Template(method, path); !strings.Contains(template, "{") {
				return "no path with a variable"
			}
			return ""
		}
		p, ok := contract.Parameter(method, path, n.name)
		if !ok {
			return "no such parameter"
		}
		if p.Required && !required {
			return "it is required, and was not"
		}
		return incompatible(p.In, types, p.Types)
	case "default":
		p, ok := contract.Parameter(method, path, n.name)
		if !ok || fmt.Sprint(p.Default) != n.types {
			return fmt.Sprintf("the default is %v", p.Default)
		}
	case "field":
		f, ok := contract.Field(method, path, n.name)
		if !ok {
			return "no such field"
		}
		return incompatible("field", types, f.Types)
	case "error":
		code, err := strconv.Atoi(n.name)
		if err != nil || !slices.Contains(contract.Codes(method, path), code) {
			return "no such error"
		}
	case "code":
		code, err := strconv.Atoi(n.name)
		if _, ok := schemas.Errors[schemas.Code(code)]; err != nil || !ok {
			return "no such code"
		}
	case "endpoint": // of our own
		if contract.Template(method, path) == "" {
			return "no such endpoint"
		}
	case "plan":
		return wrongPlan(n)
	case "note":
	default:
		return "of no known kind"
	}
	return ""
}

func incompatible(in, types string, got []string) string {
	for _, want := range strings.Split(types, "|") {
		want := jsonTypes[want]
		switch {
		case want == "", slices.Contains(got, want), want == "number" && slices.Contains(got, "integer"):
		case in == "query" && slices.Equal(got, []string{"array"}): // one value, or several, or CSV
		case in == "query" && want == "integer" && slices.Contains(got, "number"):
		default:
			return fmt.Sprintf("its types are %v", got)
		}
	}
	return ""
}

func wrongPlan(n named) string {
	p := schemas.Plans[n.endpoint]
	prices := p.Prices["EUR"]
	got, ok := map[string]any{"price": prices.Package, "per_minute": prices.Minute, "per_chat": prices.Chat}[n.name]
	if !ok {
		got = p.Limits[n.name]
	}
	if fmt.Sprint(got) != n.types {
		return fmt.Sprintf("it is %v", got)
	}
	return ""
}

// testSources has the text of every test of the program by its name.
func testSources(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != "../.." && strings.HasPrefix(d.Name(), "."):
			return fs.SkipDir
		case !strings.HasSuffix(path, "_test.go"):
			return nil
		}
		source, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		at := token.NewFileSet()
		file, err := parser.ParseFile(at, path, source, 0)
		if err != nil {
			return err
		}
		for _, decl := range file.Decls {
			if f, ok := decl.(*ast.FuncDecl); ok && f.Recv == nil && strings.HasPrefix(f.Name.Name, "Test") {
				all[f.Name.Name] += string(source[at.Position(f.Pos()).Offset:at.Position(f.End()).Offset])
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}
