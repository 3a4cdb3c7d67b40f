// Package conform holds HTTP answers against the OpenAPI document of the API.
// Tests use it; the program does not.
//
// A schema of OpenAPI 3.1 is a JSON Schema of draft 2020-12 as it stands, so the
// whole document is handed to a validator of JSON Schema, which passes the
// official test suite of that draft, and what is left here is finding the
// schema of an answer. The OpenAPI validators that were looked at build on the
// same one (pb33f/libopenapi-validator) or read 3.1 as 3.0 (getkin/kin-openapi).
package conform

import (
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/goccy/go-yaml"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"earshot/schemas/openapi"
)

const resource = "earshot:openapi"

// Document is the OpenAPI document, ready to be compared with. It is safe for
// concurrent use.
type Document struct {
	root     map[string]any
	compiler *jsonschema.Compiler

	mu       sync.Mutex
	compiled map[string]*jsonschema.Schema // by JSON pointer
}

// New reads the document that ships.
func New() (*Document, error) {
	raw, err := yaml.YAMLToJSON(openapi.Document)
	if err != nil {
		return nil, err
	}
	decoded, err := jsonschema.UnmarshalJSON(strings.NewReader(string(raw)))
	if err != nil {
		return nil, err
	}
	root, ok := decoded.(map[string]any)
	if !ok {
		return nil, errors.New("the document is no object")
	}
	closeObjects(root)
	d := &Document{root: root, compiler: jsonschema.NewCompiler(), compiled: map[string]*jsonschema.Schema{}}
	d.compiler.DefaultDraft(jsonschema.Draft2020)
	d.compiler.AssertFormat()
	return d, d.compiler.AddResource(resource, root)
}

// closeObjects lets no object have members that its schema does not name. Those
// who read the document are told that members may be added; tests must see that
// one was, and is not described.
func closeObjects(v any) {
	switch v := v.(type) {
	case map[string]any:
		_, object := v["properties"].(map[string]any)
		if object && v["additionalProperties"] == nil && v["unevaluatedProperties"] == nil {
			v["unevaluatedProperties"] = false
		}
		for _, inner := range v {
			closeObjects(inner)
		}
	case []any:
		for _, inner := range v {
			closeObjects(inner)
		}
	}
}

// schema compiles what stands at a JSON pointer.
func (d *Document) schema(pointer string) (*jsonschema.Schema, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if s := d.compiled[pointer]; s != nil {
		return s, nil
	}
	s, err := d.compiler.Compile(resource + "#" + pointer)
	if err != nil {
		return nil, err
	}
	d.compiled[pointer] = s
	return s, nil
}

// node is a place in the document, references followed.
type node struct {
	pointer string
	value   map[string]any
}

// at follows keys from a place, and the references on the way; false when there
// is no such place.
func (d *Document) at(n node, keys ...string) (node, bool) {
	for _, k := range keys {
		inner, ok := n.value[k].(map[string]any)
		if !ok {
			return node{}, false
		}
		n = node{n.pointer + "/" + escape(k), inner}
		if target, ok := inner["$ref"].(string); ok && len(inner) == 1 {
			if n, ok = d.at(node{"", d.root}, unescape(strings.TrimPrefix(target, "#/"))...); !ok {
				return node{}, false
			}
		}
	}
	return n, true
}

func escape(key string) string {
	return strings.ReplaceAll(strings.ReplaceAll(key, "~", "~0"), "/", "~1")
}

func unescape(pointer string) []string {
	keys := strings.Split(pointer, "/")
	for i, k := range keys {
		keys[i] = strings.ReplaceAll(strings.ReplaceAll(k, "~1", "/"), "~0", "~")
	}
	return keys
}

// operation finds what describes a request. Of two paths that match, the one
// with fewer variables is meant. HEAD is described by its GET.
func (d *Document) operation(method, path string) (op node, template string, ok bool) {
	if method == http.MethodHead {
		method = http.MethodGet
	}
	path = strings.TrimSuffix(path, "/")
	paths, _ := d.root["paths"].(map[string]any)
	for t := range paths {
		if !matches(t, path) || template != "" && strings.Count(template, "{") <= strings.Count(t, "{") {
			continue
		}
		if found, there := d.at(node{"", d.root}, "paths", t, strings.ToLower(method)); there {
			op, template, ok = found, t, true
		}
	}
	return op, template, ok
}

func matches(template, path string) bool {
	want, got := strings.Split(template, "/"), strings.Split(path, "/")
	if len(want) != len(got) {
		return false
	}
	for i := range want {
		if variable := strings.HasPrefix(want[i], "{"); variable && got[i] == "" || !variable && want[i] != got[i] {
			return false
		}
	}
	return true
}

// Answer compares an answer with the document; path has no query. It is an
// error when the endpoint, its status, a header or a member of the body is not
// described, or one that is described as required is missing.
func (d *Document) Answer(method, path string, status int, header http.Header, body []byte) error {
	op, template, ok := d.operation(method, path)
	if !ok {
		if status != http.StatusNotFound && status != http.StatusMethodNotAllowed {
			return fmt.Errorf("%s %s is not documented, and answers %d", method, path, status)
		}
		op, template = node{"", d.root}, "an unknown path"
	}
	fail := func(err error) error {
		return fmt.Errorf("%s %s (%s), answer %d: %w: %.2000s", method, path, template, status, err, body)
	}
	response, err := d.response(op, status)
	if err != nil {
		return fail(err)
	}
	if err := d.headers(response, header); err != nil {
		return fail(err)
	}
	content, described := d.at(response, "content")
	if !described {
		if len(body) > 0 {
			return fail(errors.New("no body is documented"))
		}
		return nil
	}
	media, err := mediaOf(content.value, header.Get("Content-Type"))
	if err != nil {
		return fail(err)
	}
	if method == http.MethodHead {
		if len(body) > 0 {
			return fail(errors.New("HEAD has no body"))
		}
		return nil
	}
	if media != "application/json" {
		return nil
	}
	if err := d.body(content.pointer+"/"+escape(media)+"/schema", body); err != nil {
		return fail(err)
	}
	return nil
}

// response finds what describes a status; default is for those that its
// x-statuses name.
func (d *Document) response(op node, status int) (node, error) {
	if r, ok := d.at(op, "responses", strconv.Itoa(status)); ok {
		return r, nil
	}
	r, ok := d.at(op, "responses", "default")
	if !ok {
		r, ok = d.at(node{"", d.root}, "components", "responses", "Refused")
	}
	statuses, _ := r.value["x-statuses"].([]any)
	if !ok || !slices.Contains(statuses, any(json.Number(strconv.Itoa(status)))) {
		return node{}, errors.New("the status is not documented")
	}
	return r, nil
}

func (d *Document) headers(response node, header http.Header) error {
	all, _ := response.value["headers"].(map[string]any)
	for name := range all {
		h, ok := d.at(response, "headers", name)
		if !ok {
			return fmt.Errorf("the header %s is not defined", name)
		}
		if h.value["required"] == true && header.Get(name) == "" {
			return fmt.Errorf("there is no header %s", name)
		}
	}
	return nil
}

// mediaOf finds the described media type that an answer has.
func mediaOf(content map[string]any, contentType string) (string, error) {
	media, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		return "", fmt.Errorf("content type %q: %w", contentType, err)
	}
	kind, _, _ := strings.Cut(media, "/")
	for _, m := range []string{media, kind + "/*"} {
		if content[m] != nil {
			return m, nil
		}
	}
	return "", fmt.Errorf("the content type %s is not documented", media)
}

func (d *Document) body(pointer string, body []byte) error {
	s, err := d.schema(pointer)
	if err != nil {
		return err
	}
	v, err := jsonschema.UnmarshalJSON(strings.NewReader(string(body)))
	if err != nil {
		return err
	}
	if err = s.Validate(v); err == nil || len(s.OneOf) != 2 {
		return err
	}
	// One of an answer and an error: say what is wrong with the one that is meant.
	meant := s.OneOf[0]
	if m, ok := v.(map[string]any); ok && m["error_code"] != nil && m["error_code"] != json.Number("0") {
		meant = s.OneOf[1]
	}
	if clearer := meant.Validate(v); clearer != nil {
		return clearer
	}
	return err
}

// Operations are all "METHOD /path" that are described.
func (d *Document) Operations() map[string]bool {
	all := map[string]bool{}
	paths, _ := d.root["paths"].(map[string]any)
	for p := range paths {
		item, _ := d.at(node{"", d.root}, "paths", p)
		for method := range item.value {
			if method != "parameters" {
				all[strings.ToUpper(method)+" "+p] = true
			}
		}
	}
	return all
}
