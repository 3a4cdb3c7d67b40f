package read

import (
	"bytes"
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"earshot/schemas"
)

// ParseCriteria reads the JSON body of POST /tasks/filter. A list may be an
// array, a CSV string or a single value; null, "" and [] mean "not given", and so
// does an empty body. Unknown members are ignored, as unknown query parameters
// are. Errors are schemas.CodeInvalid and name the parameter.
func ParseCriteria(body []byte) (Criteria, error) {
	return ParseRequest(body, func(string) []string { return nil })
}

// ParseRequest reads a body as ParseCriteria does, and what is no member of it
// from the query as ParseQuery does.
func ParseRequest(body []byte, get func(name string) []string) (Criteria, error) {
	if len(body) > maxBody {
		return Criteria{}, schemas.Fail(schemas.CodeInvalid, "the body is larger than %d bytes", maxBody)
	}
	members := map[string]json.RawMessage{}
	if len(bytes.TrimSpace(body)) > 0 {
		if err := json.Unmarshal(body, &members); err != nil {
			return Criteria{}, schemas.Because(schemas.CodeInvalid, err, "the body must be a JSON object")
		}
	}
	return parse(func(name string) (param, error) {
		if raw, ok := members[name]; ok {
			return fromJSON(name, raw)
		}
		return fromQuery(name, get(name)), nil
	})
}

// ParseQuery reads the query parameters of GET /tasks/filter. get returns every
// value of a parameter: a list may be repeated, CSV, or both. The rest is as in
// ParseCriteria.
func ParseQuery(get func(name string) []string) (Criteria, error) {
	return parse(func(name string) (param, error) { return fromQuery(name, get(name)), nil })
}

func fromQuery(name string, values []string) param {
	p := param{name: name}
	for _, v := range values {
		p.values = append(p.values, value{text: v, csv: true})
	}
	return p
}

// value is one value of a parameter; csv tells that a list may be inside.
type value struct {
	text string
	csv  bool
}

type param struct {
	name   string
	values []value
}

func (p param) refuse(format string, args ...any) error {
	return schemas.Fail(schemas.CodeInvalid, "%s: %s", p.name, schemas.T(format, args...))
}

func fromJSON(name string, raw json.RawMessage) (param, error) {
	p := param{name: name}
	if len(raw) == 0 || string(raw) == "null" {
		return p, nil
	}
	if raw[0] != '[' {
		return p, p.addJSON(raw, true)
	}
	var items []json.RawMessage
	if err := json.Unmarshal(raw, &items); err != nil {
		return p, p.refuse("not a list")
	}
	for _, item := range items {
		if err := p.addJSON(item, false); err != nil { // a comma inside an array's element is part of it
			return p, err
		}
	}
	return p, nil
}

func (p *param) addJSON(raw json.RawMessage, csv bool) error {
	var text string
	switch c := raw[0]; {
	case c == '"':
		if err := json.Unmarshal(raw, &text); err != nil {
			return p.refuse("not a string")
		}
	case c == '-' || (c >= '0' && c <= '9'):
		text = string(raw)
	default:
		return p.refuse("must be a string, a number or a list of them")
	}
	p.values = append(p.values, value{text, csv})
	return nil
}

// list returns the values of a list parameter: trimmed, without empty ones.
func (p param) list(limit int) ([]string, error) {
	var out []string
	for _, v := range p.values {
		parts := []string{v.text}
		if v.csv {
			parts = strings.SplitN(v.text, ",", maxList+2)
		}
		for _, part := range parts {
			if part = strings.TrimSpace(part); part == "" {
				continue
			}
			if err := p.checkText(part, limit); err != nil {
				return nil, err
			}
			if out = append(out, part); len(out) > maxList {
				return nil, p.refuse("more than %d values", maxList)
			}
		}
	}
	return out, nil
}

// one returns the only value of a scalar parameter, "" when it is not given.
func (p param) one(limit int) (string, error) {
	var out string
	for _, v := range p.values {
		text := strings.TrimSpace(v.text)
		if text == "" {
			continue
		}
		if out != "" {
			return "", p.refuse("must be one value")
		}
		out = text
	}
	return out, p.checkText(out, limit)
}

func (p param) checkText(s string, limit int) error {
	if !utf8.ValidString(s) || strings.ContainsRune(s, 0) {
		return p.refuse("not valid UTF-8 text")
	}
	if utf8.RuneCountInString(s) > limit {
		return p.refuse("longer than %d characters", limit)
	}
	return nil
}

// parser collects the first error, so that the list of parameters below reads
// as one.
type parser struct {
	source func(name string) (param, error)
	err    error
}

func parse(source func(string) (param, error)) (Criteria, error) {
	p := &parser{source: source}
	c := Criteria{
		TaskID:       p.integer("task_id", 1, math.MaxInt64),
		Types:        p.words("task_type", taskTypes),
		Statuses:     p.words("status", statuses),
		CallTypes:    p.words("call_type", callTypes),
		OperatorName: p.text("operator_name", maxText),
		Message:      p.message("message"),
		Tones:        p.ids("tone_id"),
		Resolutions:  p.ids("resolved_status_id"),
		Priorities:   p.ids("priority_id"),
		FunnelStages: p.ids("funnel_stage_id"),
		Risks:        p.ids("risk_signal_id"),
		Sales:        p.ids("sales_signal_id"),
		Politeness:   p.integers("operator_politeness", 1, 5),
		TagsAny:      p.texts("tags_any", maxText),
		TagsAll:      p.texts("tags_all", maxText),
		ChecklistID:  p.integer("checklist_id", 1, math.MaxInt64),
		Answers:      p.answers("answers"),
		Page:         1,
		PerPage:      DefaultPerPage,
	}
	c.TaskCode, c.LegacyCode = p.code("task_code")
	c.From, c.Until = p.dates("date_from", "date_to")
	c.ScriptMin, c.ScriptMax = p.numberRange("script_alignment_min", "script_alignment_max", 100)
	c.LengthMin, c.LengthMax = p.numberRange("length_min", "length_max", math.MaxFloat64)
	c.CSATMin, c.CSATMax = p.integerRange("customer_satisfaction_score_min", "customer_satisfaction_score_max", 0, 10)
	c.PolitenessMin, c.PolitenessMax = p.integerRange("operator_politeness_min", "operator_politeness_max", 1, 5)
	if n := p.integer("page", 1, MaxPage); n != nil {
		c.Page = int(*n)
	}
	if n := p.integer("per_page", 1, MaxPerPage); n != nil {
		c.PerPage = int(*n)
	}
	if p.err != nil {
		return Criteria{}, p.err
	}
	return c, nil
}

func (p *parser) get(name string) param {
	if p.err != nil {
		return param{name: name}
	}
	got, err := p.source(name)
	p.note(err)
	return got
}

func (p *parser) note(err error) {
	if p.err == nil {
		p.err = err
	}
}

func (p *parser) text(name string, limit int) string {
	s, err := p.get(name).one(limit)
	p.note(err)
	return s
}

func (p *parser) texts(name string, limit int) []string {
	list, err := p.get(name).list(limit)
	p.note(err)
	return list
}

func (p *parser) message(name string) string {
	s := p.text(name, maxMessage)
	if s != "" && len(schemas.SearchWords(s)) == 0 {
		p.note(param{name: name}.refuse("holds no word to look for"))
	}
	return s
}

// words reads values out of a fixed vocabulary.
func (p *parser) words(name string, vocabulary map[string]string) []string {
	var out []string
	for _, s := range p.texts(name, maxText) {
		word, ok := vocabulary[strings.ToLower(s)]
		if !ok {
			p.note(param{name: name}.refuse("%q is none of %s", s, strings.Join(sortedKeys(vocabulary), ", ")))
			return nil
		}
		out = append(out, word)
	}
	return out
}

// answers reads answers to a checklist, which may be a person's own words.
func (p *parser) answers(name string) []string {
	list := p.texts(name, schemas.MaxAnswer)
	for i, s := range list {
		list[i] = ParseAnswer(s)
	}
	return list
}

func sortedKeys(m map[string]string) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// ids reads dictionary ids. One that the dictionary lacks is no error: it
// matches nothing.
func (p *parser) ids(name string) []int64 { return p.integers(name, 0, math.MaxInt64) }

func (p *parser) integers(name string, low, high int64) []int64 {
	var out []int64
	for _, s := range p.texts(name, maxText) {
		out = append(out, p.toInteger(name, s, low, high))
	}
	return out
}

func (p *parser) integer(name string, low, high int64) *int64 {
	s := p.text(name, maxText)
	if s == "" {
		return nil
	}
	n := p.toInteger(name, s, low, high)
	return &n
}

func (p *parser) toInteger(name, s string, low, high int64) int64 {
	n, err := strconv.ParseInt(schemas.Integral(s), 10, 64)
	if err != nil {
		p.note(param{name: name}.refuse("%q is not a whole number", s))
	} else if n < low || n > high {
		p.note(param{name: name}.refuse("%d is not within %d..%d", n, low, high))
	}
	return n
}

func (p *parser) number(name string, high float64) *float64 {
	s := p.text(name, maxText)
	if s == "" {
		return nil
	}
	n, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsNaN(n) || math.IsInf(n, 0) {
		p.note(param{name: name}.refuse("%q is not a number", s))
	} else if n < 0 || n > high {
		p.note(param{name: name}.refuse("%g is not within 0..%g", n, high))
	}
	return &n
}

func (p *parser) numberRange(min, max string, high float64) (*float64, *float64) {
	a, b := p.number(min, high), p.number(max, high)
	if a != nil && b != nil && *a > *b {
		p.note(param{name: min}.refuse("%g is greater than %s %g", *a, max, *b))
	}
	return a, b
}

func (p *parser) integerRange(min, max string, low, high int64) (*int64, *int64) {
	a, b := p.integer(min, low, high), p.integer(max, low, high)
	if a != nil && b != nil && *a > *b {
		p.note(param{name: min}.refuse("%d is greater than %s %d", *a, max, *b))
	}
	return a, b
}

// code reads a task code: a UUID (with or without dashes), or a legacy code.
func (p *parser) code(name string) (canonical, legacy string) {
	s := p.text(name, maxText)
	if s == "" {
		return "", ""
	}
	if id, err := uuid.Parse(s); err == nil {
		return id.String(), ""
	}
	return "", s
}

// dates reads a period. date_to as a date includes that whole day; as a time it
// is itself included.
func (p *parser) dates(from, to string) (time.Time, time.Time) {
	start, _ := p.date(from)
	end, wholeDay := p.date(to)
	if !end.IsZero() {
		if wholeDay {
			end = end.AddDate(0, 0, 1)
		} else {
			end = end.Truncate(time.Microsecond).Add(time.Microsecond) // the database's resolution
		}
		if !start.IsZero() && !start.Before(end) {
			p.note(param{name: from}.refuse("later than %s", to))
		}
	}
	return start, end
}

// dateLayouts: a time without zone is UTC.
var dateLayouts = []string{time.DateOnly, time.RFC3339Nano, "2006-01-02T15:04Z07:00", "2006-01-02 15:04:05Z07:00",
	"2006-01-02T15:04:05", time.DateTime, "2006-01-02T15:04", "2006-01-02 15:04"}

func (p *parser) date(name string) (t time.Time, wholeDay bool) {
	s := p.text(name, maxText)
	if s == "" {
		return time.Time{}, false
	}
	for _, text := range []string{s, plusForSpace(s)} {
		for _, layout := range dateLayouts {
			if t, err := time.Parse(layout, text); err == nil && t.Year() >= 1970 && t.Year() < 2200 {
				return t.UTC(), layout == time.DateOnly
			}
		}
	}
	p.note(param{name: name}.refuse("%q is not a date (YYYY-MM-DD) or date-time (ISO 8601)", s))
	return time.Time{}, false
}

// plusForSpace mends "…T10:00:00 03:00": a plus sign that a client did not
// escape in a URL arrives as a space.
func plusForSpace(s string) string {
	if i := strings.LastIndexByte(s, ' '); i > len(time.DateOnly) {
		return s[:i] + "+" + s[i+1:]
	}
	return s
}
