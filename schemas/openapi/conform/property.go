package conform

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

// Property is a parameter of a request, or a member of a body.
type Property struct {
	In       string // path, query, header, or body
	Types    []string
	Required bool
	Default  any // nil: none is described
}

// Template is "METHOD /path/{variable}" of what describes a request, "" when
// nothing does.
func (d *Document) Template(method, path string) string {
	_, template, ok := d.operation(method, path)
	if !ok {
		return ""
	}
	return strings.ToUpper(method) + " " + template
}

// Public tells that a request needs no token.
func (d *Document) Public(method, path string) bool {
	op, _, _ := d.operation(method, path)
	security, given := op.value["security"].([]any)
	return given && len(security) == 0
}

// Parameter finds a parameter of a request by its name, wherever it is sent.
func (d *Document) Parameter(method, path, name string) (Property, bool) {
	op, _, _ := d.operation(method, path)
	list, _ := op.value["parameters"].([]any)
	for _, v := range list {
		p, _ := v.(map[string]any)
		if target, ok := p["$ref"].(string); ok {
			n, _ := d.at(node{"", d.root}, unescape(strings.TrimPrefix(target, "#/"))...)
			p = n.value
		}
		if p["name"] != name {
			continue
		}
		s, _ := p["schema"].(map[string]any)
		in, _ := p["in"].(string)
		return Property{in, d.types(s), p["required"] == true, s["default"]}, true
	}
	content, _ := d.at(op, "requestBody", "content")
	for media := range content.value {
		if s, ok := d.at(content, media, "schema"); ok {
			if p, ok := d.member(s.value, name); ok {
				p.In = "body"
				return p, true
			}
		}
	}
	return Property{}, false
}

// Field finds a member of the answer to a request that went well; name is like
// "tasks[].id".
func (d *Document) Field(method, path, name string) (Property, bool) {
	op, _, _ := d.operation(method, path)
	s, ok := d.at(op, "responses", "200", "content", "application/json", "schema")
	if !ok {
		return Property{}, false
	}
	schema := s.value
	if either, ok := schema["oneOf"].([]any); ok {
		schema, _ = either[0].(map[string]any)
	}
	steps := strings.Split(name, ".")
	for i, step := range steps {
		step, list := strings.CutSuffix(step, "[]")
		if i == len(steps)-1 && !list {
			return d.member(schema, step)
		}
		if schema = d.inner(schema, step); list {
			schema, _ = schema["items"].(map[string]any)
		}
	}
	return Property{}, false
}

// follow gives the schema that a reference, or a choice of a schema and null,
// stands for.
func (d *Document) follow(schema map[string]any) map[string]any {
	if target, ok := schema["$ref"].(string); ok {
		n, _ := d.at(node{"", d.root}, unescape(strings.TrimPrefix(target, "#/"))...)
		return d.follow(n.value)
	}
	if either, ok := schema["oneOf"].([]any); ok && schema["properties"] == nil {
		first, _ := either[0].(map[string]any)
		return d.follow(first)
	}
	return schema
}

func (d *Document) inner(schema map[string]any, name string) map[string]any {
	properties, _ := d.follow(schema)["properties"].(map[string]any)
	found, _ := properties[name].(map[string]any)
	return found
}

func (d *Document) member(schema map[string]any, name string) (Property, bool) {
	found := d.inner(schema, name)
	if found == nil {
		return Property{}, false
	}
	required, _ := d.follow(schema)["required"].([]any)
	return Property{"body", d.types(found), slices.Contains(required, any(name)), found["default"]}, true
}

// types are the JSON types that a schema lets through.
func (d *Document) types(schema map[string]any) []string {
	all := map[string]bool{}
	switch t := schema["type"].(type) {
	case string:
		all[t] = true
	case []any:
		for _, v := range t {
			if s, ok := v.(string); ok {
				all[s] = true
			}
		}
	}
	if target, ok := schema["$ref"].(string); ok {
		n, _ := d.at(node{"", d.root}, unescape(strings.TrimPrefix(target, "#/"))...)
		for _, t := range d.types(n.value) {
			all[t] = true
		}
	}
	either, _ := schema["oneOf"].([]any)
	for _, v := range either {
		inner, _ := v.(map[string]any)
		for _, t := range d.types(inner) {
			all[t] = true
		}
	}
	return slices.Sorted(maps.Keys(all))
}

// Codes are the error codes that the answers to a request may have, whatever
// their status.
func (d *Document) Codes(method, path string) []int {
	op, _, ok := d.operation(method, path)
	if !ok {
		return nil
	}
	all := map[int]bool{}
	responses, _ := op.value["responses"].(map[string]any)
	for status := range responses {
		r, _ := d.at(op, "responses", status)
		collectCodes(r.value, all)
	}
	return slices.Sorted(maps.Keys(all))
}

func collectCodes(v any, into map[int]bool) {
	switch v := v.(type) {
	case map[string]any:
		if code, ok := v["error_code"].(map[string]any); ok {
			list, _ := code["enum"].([]any)
			for _, c := range list {
				if n, ok := c.(json.Number); ok {
					i, _ := n.Int64()
					into[int(i)] = true
				}
			}
		}
		for _, inner := range v {
			collectCodes(inner, into)
		}
	case []any:
		for _, inner := range v {
			collectCodes(inner, into)
		}
	}
}
