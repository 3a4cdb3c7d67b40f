package ingest

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"earshot/schemas"
)

// Chunk is one message of a chat that arrives already split.
type Chunk struct {
	Role    string   // as the source calls it; it goes before Speaker when it is a role word
	Speaker string   // name
	Text    string   // not cleaned yet
	At      *float64 // seconds, on any clock that is the same for all chunks; nil = unknown
}

// The spellings of a chunk's fields that are understood, the first one that is
// there wins. The seed says only that chunks is an array.
var (
	roleFields    = []string{"role"}
	speakerFields = []string{"speaker", "author", "name", "from", "sender", "user"}
	textFields    = []string{"text", "message", "content", "body"}
	timeFields    = []string{"time", "timestamp", "datetime", "created_at", "date", "ts", "start"}
)

// ParseChunks reads the chunks of a request: null, or an array whose elements
// are objects (see the field lists above) or strings such as "Operator: good
// day". Times are ISO 8601, "HH:MM", "HH:MM:SS", Unix seconds or milliseconds,
// or seconds from the beginning. Errors are 4001 and name the chunk.
func ParseChunks(raw json.RawMessage) ([]Chunk, error) {
	if len(raw) == 0 || bytes.Equal(raw, []byte("null")) {
		return nil, nil
	}
	var list []json.RawMessage
	if json.Unmarshal(raw, &list) != nil {
		return nil, schemas.Fail(schemas.CodeInvalid, "chunks must be an array or null")
	}
	if len(list) > MaxTurns {
		return nil, schemas.Fail(schemas.CodeInvalid, "chunks has %d elements, at most %d are taken", len(list), MaxTurns)
	}
	chunks := make([]Chunk, 0, len(list))
	times := &clock{}
	for i, element := range list {
		c, problem := parseChunk(element, times)
		if problem.String() != "" {
			return nil, schemas.Fail(schemas.CodeInvalid, "chunks[%d] %s", i, problem)
		}
		chunks = append(chunks, c)
	}
	return chunks, nil
}

func parseChunk(raw json.RawMessage, times *clock) (c Chunk, problem schemas.Text) {
	var line *string // null is no string
	if json.Unmarshal(raw, &line) == nil && line != nil {
		h := named(head{}, Clean(*line))
		return Chunk{Speaker: h.name, Text: h.rest}, problem
	}
	var fields map[string]any
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	if decoder.Decode(&fields) != nil || fields == nil {
		return c, schemas.T("must be an object or a string")
	}
	for _, f := range []struct {
		names []string
		into  *string
	}{{roleFields, &c.Role}, {speakerFields, &c.Speaker}, {textFields, &c.Text}} {
		if *f.into, problem = stringField(fields, f.names); problem.String() != "" {
			return c, problem
		}
	}
	if _, there := firstField(fields, textFields); !there {
		return c, schemas.T("has no text")
	}
	name, there := firstField(fields, timeFields)
	if !there {
		return c, problem
	}
	at, ok := timeOf(fields[name], times)
	if !ok {
		return c, schemas.T("has a %s that is neither ISO 8601 nor a number of seconds", name)
	}
	c.At = &at
	return c, problem
}

func firstField(fields map[string]any, names []string) (string, bool) {
	for _, n := range names {
		if fields[n] != nil {
			return n, true
		}
	}
	return "", false
}

func stringField(fields map[string]any, names []string) (value string, problem schemas.Text) {
	name, there := firstField(fields, names)
	if !there {
		return "", problem
	}
	switch v := fields[name].(type) {
	case string:
		return v, problem
	case json.Number:
		return v.String(), problem
	}
	return "", schemas.T("has a %s that is not a string", name)
}

var isoLayouts = []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999", "2006-01-02 15:04:05.999999999Z07:00", "2006-01-02 15:04:05.999999999", "2006-01-02T15:04", "2006-01-02 15:04"}

// Numbers above these are Unix times: 1e9 s is 2001, 1e11 ms is 1973. A
// conversation of more than thirty years does not happen.
const (
	unixSeconds = 1e9
	unixMillis  = 1e11
	latestUnix  = 253402300800 // year 10000
)

// timeOf reads a time of a chunk as seconds.
func timeOf(v any, times *clock) (float64, bool) {
	var s string
	switch v := v.(type) {
	case json.Number:
		s = v.String()
	case string:
		s = strings.TrimSpace(v)
	default:
		return 0, false
	}
	if n, err := strconv.ParseFloat(s, 64); err == nil {
		if n >= unixMillis {
			n /= 1000
		}
		return n, n >= 0 && n < latestUnix // also refuses NaN
	}
	for _, layout := range isoLayouts {
		if t, err := time.Parse(layout, s); err == nil && t.Year() >= 1970 {
			return float64(t.UnixMicro()) / 1e6, true
		}
	}
	s = oddSpaces.Replace(Clean(s[:min(len(s), headBytes)]))
	if m := plainStamp.FindStringSubmatchIndex(s); m != nil {
		return times.read(groups(s, m[2:]))
	}
	return 0, false
}

func fromChunks(chunks []Chunk) []message {
	messages := make([]message, len(chunks))
	for i, c := range chunks {
		name := CleanLine(c.Role, 64)
		if speaker := CleanLine(c.Speaker, 64); speaker != "" && roleOf(name, nil) == schemas.RoleUnknown {
			name = speaker
		}
		messages[i] = message{name, c.At, strings.TrimSpace(Clean(c.Text))}
	}
	return messages
}
