package api

import (
	"bufio"
	"encoding/json"
	"net/http"
	"net/textproto"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"earshot/ingest"
	"earshot/schemas"
)

// Ids of the document's examples. They are made so that the examples run as
// they stand; a task code cannot be, and is put in place of the example's.
const exampleTask = 12345

// exampleTenant has what the examples refer to.
func exampleTenant(t *testing.T) (x tenant, code string) {
	t.Helper()
	x = newTenant(t)
	for kind, all := range map[string]map[string]any{
		schemas.KindDirectory: {"70": schemas.Directory{ID: 70, Name: "Website promotion"}, "123": schemas.Directory{ID: 123, Name: "Calls"}, "321": schemas.Directory{ID: 321, Name: "Audio"}},
		schemas.KindChecklist: {"7": schemas.ChecklistQuestion{ID: 7, Question: "Did they state the plan conditions?", Active: true},
			"101": schemas.ChecklistQuestion{ID: 101, Question: "Did the operator say hello?", Active: true}},
		schemas.KindCategory:      {"2": map[string]any{"id": 2, "name": "Sales"}, "12": map[string]any{"id": 12, "name": "Technical issues", "created_at": time.Now()}},
		schemas.KindFilter + ".1": {"42": map[string]any{"id": 42, "user_id": 1, "name": "Chats", "criteria": map[string]string{"task_type": "chat"}, "created_at": time.Now()}},
		schemas.KindScript:        {"11": schemas.Script{ID: 11, Identifier: "welcome_v0", Title: "Welcome", Active: true, Version: 1, Body: "Hello"}},
	} {
		for id, value := range all {
			put(t, x.org, kind, id, 1, value)
		}
	}
	call := upload(t, the.service, x, file("example.wav", wave(384, 4000, 1)), field("directory_id", "70"))
	call.want(t, 200, 0)
	code, _ = call.at("code").(string)
	nine, polite := int64(9), 0.95
	insert(t, x, row{code: code, id: exampleTask, status: schemas.StatusCompleted, kind: schemas.TypeCall, file: "example.wav", operator: "Ivanov", callType: "inbound",
		seconds: 384, directory: 70, callTime: submitted(t, x, code).CreatedAt, text: "Operator: Hello", analysis: &schemas.Analysis{
			Task: schemas.Task{Code: code, Type: schemas.TypeCall, CallType: "inbound", Seconds: 384}, Language: "en", Summary: "S", Sentiment: "positive",
			CSAT: &nine, Politeness: &polite, Empathy: &polite, Actions: []string{"Send an SMS"}, Tags: []string{"eSIM"}, Categories: []int64{101},
			Checklist: []schemas.ChecklistAnswer{{ID: 7, Question: "Did they state the plan conditions?", Answer: schemas.AnswerYes, Score: 0.9}},
			Metrics:   schemas.Metrics{Turns: 2},
		}})
	return x, code
}

var exampleCode = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)

// The examples of the document run as they stand, the host, token, task code,
// password and file being replaced, and are answered with what it shows.
func TestExamplesRunVerbatim(t *testing.T) {
	for _, group := range merged {
		data, err := os.ReadFile("testdata/seed/" + group + ".curl")
		if os.IsNotExist(err) {
			continue // a table of no endpoint
		}
		if err != nil {
			t.Fatal(err)
		}
		t.Run(group, func(t *testing.T) {
			x, code := exampleTenant(t)
			if group == "reports" {
				code = madeReport(t, x, 78157, map[string]string{"report_78157.pdf": "%PDF", "report_78157.html": "<html>"}).Code
			}
			for i, command := range strings.Split(strings.TrimSpace(string(data)), "\n\n") {
				t.Run(strconv.Itoa(i), func(t *testing.T) { runExample(t, group, command, x, code) })
			}
		})
	}
}

func runExample(t *testing.T, group, command string, x tenant, code string) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "recording"), wave(65, 8000, 2), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, r := range [][2]string{
		{"https://<host>", the.url}, {"<JWT>", x.token}, {"user@example.com", x.email},
		{"2bb80d537b1da3e38bd30361aa855686bde0...<hash>", ingest.PasswordHash(password)}, {"@/path/to/", "@" + dir + "/"},
	} {
		command = strings.ReplaceAll(command, r[0], r[1])
	}
	command = exampleCode.ReplaceAllString(command, code)
	for _, name := range []string{"call.wav", "audio.mp3"} {
		if err := os.Link(filepath.Join(dir, "recording"), filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	// What curl shows beside the body comes from its configuration, so that the command stays as it is.
	if err := os.WriteFile(filepath.Join(dir, ".curlrc"), []byte("silent\nshow-error\nfail\ndump-header = "+dir+"/header\noutput = "+dir+"/body\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	curl := exec.CommandContext(t.Context(), "bash", "-c", quoted(command))
	curl.Env = append(os.Environ(), "CURL_HOME="+dir, "HOME="+dir)
	if out, err := curl.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s\n%s", err, out, command)
	}
	r := readAnswer(t, dir)
	req := exampleRequest(t, command)
	if err := contract.Answer(req.Method, req.URL.Path, r.status, r.header, []byte(r.raw)); err != nil {
		t.Error(err)
	}
	account.take(req.Method, req, exampleBody(command), r)
	if strings.HasPrefix(r.header.Get("Content-Type"), "application/json") {
		hasWhatTheSeedShows(t, group, req, r)
	}
}

// quoted escapes apostrophes in a body that stands between apostrophes, as a
// person must: one example of the document says "let's" there, which ends the
// body for every shell.
func quoted(command string) string {
	head, body, ok := strings.Cut(command, "-d '")
	if !ok {
		return command
	}
	body = strings.TrimSuffix(strings.TrimSpace(body), "'")
	return head + "-d '" + strings.ReplaceAll(body, "'", `'\''`) + "'"
}

func readAnswer(t *testing.T, dir string) (r reply) {
	t.Helper()
	body, err := os.ReadFile(filepath.Join(dir, "body"))
	if err != nil {
		t.Fatal(err)
	}
	head, err := os.Open(filepath.Join(dir, "header"))
	if err != nil {
		t.Fatal(err)
	}
	defer head.Close()
	lines := bufio.NewReader(head)
	for r.status < 200 { // 100 Continue comes first
		reader := textproto.NewReader(lines)
		first, err := reader.ReadLine()
		if err != nil {
			t.Fatal(err)
		}
		fields := strings.Fields(first)
		if r.status, err = strconv.Atoi(fields[1]); err != nil {
			t.Fatal(first)
		}
		h, err := reader.ReadMIMEHeader()
		if err != nil {
			t.Fatal(err)
		}
		r.header = http.Header(h)
	}
	r.raw = string(body)
	if json.Unmarshal(body, &r.body) != nil {
		r.body = nil
	}
	return r
}

var (
	exampleURL    = regexp.MustCompile(`"(http://[^"]+)"`)
	exampleMethod = regexp.MustCompile(`^curl -X (\w+)`)
	exampleHeader = regexp.MustCompile(`-H "([\w-]+): ([^"]+)"`)
	exampleField  = regexp.MustCompile(`(?:-F|--data-urlencode) "(\w+)=`)
)

// exampleRequest is the request that a command makes, as far as the account
// needs it.
func exampleRequest(t *testing.T, command string) *http.Request {
	t.Helper()
	method := http.MethodGet
	if m := exampleMethod.FindStringSubmatch(command); m != nil {
		method = m[1]
	}
	req, err := http.NewRequestWithContext(t.Context(), method, exampleURL.FindStringSubmatch(command)[1], nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range exampleHeader.FindAllStringSubmatch(command, -1) {
		req.Header.Set(h[1], h[2])
	}
	if method == http.MethodGet {
		query := req.URL.Query()
		for _, f := range exampleField.FindAllStringSubmatch(command, -1) {
			query.Set(f[1], "")
		}
		req.URL.RawQuery = query.Encode()
	}
	return req
}

// exampleBody is the body of a command: its JSON, or names of a form's fields.
func exampleBody(command string) []byte {
	if _, body, ok := strings.Cut(command, "'"); ok {
		return []byte(strings.TrimSuffix(strings.TrimSpace(body), "'"))
	}
	return exampleField.ReplaceAll([]byte(command), []byte(`form-data; name="$1"`))
}

// hasWhatTheSeedShows checks every field that the seed's table and example
// name; of those in a list, where the list has something in it.
func hasWhatTheSeedShows(t *testing.T, group string, req *http.Request, r reply) {
	t.Helper()
	if code := r.at("error_code"); code != nil && code != 0.0 {
		t.Fatalf("answer: %s", r.raw)
	}
	endpoint := shape(contract.Template(req.Method, req.URL.Path))
	checked := 0
	for _, n := range seedRows(t, []string{group}) {
		if n.kind != "field" || shape(n.endpoint) != endpoint || strings.HasPrefix(n.proof, "Test") { // which is not in every answer
			continue
		}
		checked++
		types := strings.Split(n.types, "|")
		for _, got := range typesAt(r.body, strings.Split(n.name, ".")) {
			if got == "int" && slices.Contains(types, "number") || n.proof == "null" && got == "null" {
				continue
			}
			if !slices.Contains(types, got) {
				t.Errorf("%s is %s, want %s: %s", n.name, got, n.types, r.raw)
			}
		}
	}
	if checked == 0 {
		t.Errorf("the seed shows nothing of %s", endpoint)
	}
}

// typesAt are the types of a field wherever it stands; "missing" is one.
func typesAt(v any, steps []string) []string {
	if len(steps) == 0 {
		return []string{typeOf(v)}
	}
	step, list := strings.CutSuffix(steps[0], "[]")
	m, _ := v.(map[string]any)
	inner, there := m[step]
	switch {
	case m == nil && v == nil:
		return nil // within something that is null
	case !there:
		return []string{"missing"}
	case !list:
		return typesAt(inner, steps[1:])
	}
	var all []string
	items, _ := inner.([]any)
	for _, item := range items {
		all = append(all, typesAt(item, steps[1:])...)
	}
	return all
}
