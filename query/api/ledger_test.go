package api

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"net/http"
	"regexp"
	"strings"
	"sync"
)

// ledger keeps what the suite has seen of the API. Its keys are
// "METHOD /path kind name", the shape of the path; its values the JSON types.
type ledger struct {
	mu   sync.Mutex
	seen map[string]map[string]bool
}

var account = ledger{seen: map[string]map[string]bool{}}

func (l *ledger) note(endpoint, kind, name, value string) {
	key := shape(endpoint) + " " + kind + " " + name
	if l.seen[key] == nil {
		l.seen[key] = map[string]bool{}
	}
	l.seen[key][value] = true
}

// take notes a request and its answer.
func (l *ledger) take(method string, req *http.Request, sent []byte, r reply) {
	endpoint := contract.Template(method, req.URL.Path)
	if endpoint == "" {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if code, ok := r.at("error_code").(float64); ok && (code != 0 || r.status != http.StatusOK) {
		l.note(endpoint, "error", fmt.Sprint(code), "-")
		return
	}
	if r.status != http.StatusOK {
		return
	}
	l.note(endpoint, "endpoint", "-", "-")
	l.note(endpoint, "parameter", "path", "-")
	for name := range req.Header {
		l.note(endpoint, "parameter", name, "-")
	}
	for name := range req.URL.Query() {
		l.note(endpoint, "parameter", name, "-")
	}
	for _, name := range sentNames(sent) {
		l.note(endpoint, "parameter", name, "-")
	}
	l.fields(endpoint, "", r.body)
}

var partName = regexp.MustCompile(`form-data; name="(\w+)"`)

// sentNames are the members of a JSON body that are not null, or the fields of
// a form.
func sentNames(body []byte) (names []string) {
	var members map[string]any
	if json.Unmarshal(body, &members) == nil {
		for name, v := range members {
			if v != nil {
				names = append(names, name)
			}
		}
		return names
	}
	for _, m := range partName.FindAllSubmatch(body, -1) {
		names = append(names, string(m[1]))
	}
	return names
}

func (l *ledger) fields(endpoint, path string, v any) {
	if path != "" {
		l.note(endpoint, "field", path, typeOf(v))
	}
	switch v := v.(type) {
	case map[string]any:
		for name, inner := range v {
			l.fields(endpoint, strings.TrimPrefix(path+"."+name, "."), inner)
		}
	case []any:
		for _, inner := range v {
			if m, ok := inner.(map[string]any); ok {
				for name, value := range m {
					l.fields(endpoint, path+"[]."+name, value)
				}
			}
		}
	}
}

// typeOf is a type as the tables name it.
func typeOf(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case bool:
		return "bool"
	case string:
		return "string"
	case float64:
		if v == math.Trunc(v) {
			return "int"
		}
		return "number"
	case []any:
		return "array"
	}
	return "object"
}

// lacks says what a line of a table was not seen to be, "" when it was.
func (l *ledger) lacks(n named) string {
	name := n.name
	if n.kind == "parameter" && strings.HasPrefix(n.types, "path") {
		name = "path"
	}
	got := l.seen[shape(n.endpoint)+" "+n.kind+" "+name]
	switch {
	case n.proof != "live" && n.proof != "null":
		return ""
	case len(got) == 0:
		return "it was never seen"
	case n.kind != "field" || n.proof == "null" && got["null"]:
		return ""
	}
	for _, want := range strings.Split(n.types, "|") {
		if want != "null" && !got[want] && (want != "number" || !got["int"]) {
			return fmt.Sprintf("it was seen as %v", got)
		}
	}
	return ""
}

// settle is the end of the account: every line of the tables that are merged
// and say "live" must have been seen. Only a whole run can tell.
func settle() error {
	for _, part := range []string{"test.run", "test.skip", "test.list", "test.bench", "test.fuzz"} {
		if f := flag.Lookup(part); f != nil && f.Value.String() != "" {
			return nil
		}
	}
	rows, err := seedOf(merged)
	if err != nil {
		return err
	}
	for _, n := range rows {
		if problem := account.lacks(n); problem != "" {
			err = errors.Join(err, fmt.Errorf("%v: %s", n, problem))
		}
	}
	return err
}

// bytesOf reads a body that is to be sent and looked at.
func bytesOf(body io.Reader) ([]byte, error) {
	if body == nil {
		return nil, nil
	}
	return io.ReadAll(body)
}
