package state

import (
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"strings"
	"time"

	"earshot/schemas"
)

// hashed shortens what clients send to n base64 characters (6 bits each), so
// that no client can make keys long.
func hashed(n int, parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return base64.RawURLEncoding.EncodeToString(sum[:])[:n]
}

// shortDigest is a content digest as the head of a record holds it.
func shortDigest(digest string) string { return hashed(endDigest-endVersion, digest) }

// idemKey is the part of the Redis key that stands for an Idempotency-Key, ""
// when the client sent none.
func idemKey(t schemas.Task) string {
	if t.Idempotency == "" {
		return ""
	}
	return hashed(22, t.Idempotency)
}

// dupFields are the fields of the dup hash that a live task owns. File name
// and content make a duplicate of calls only: two chats may well be equal,
// /addtaskaudio knows no duplicates (seed section 3), and a report's file is one
// that came out.
func dupFields(t schemas.Task) []string {
	var fields []string
	if t.ExternalID != "" {
		fields = append(fields, "x"+hashed(22, t.Source, t.ExternalID))
	}
	if t.FileName != "" && t.Type != schemas.TypeAudio && t.Type != schemas.TypeReport {
		fields = append(fields, "n"+hashed(22, t.FileName))
		if t.Digest != "" {
			fields = append(fields, "d"+hashed(22, t.Digest))
		}
	}
	return fields
}

// idemTTL is how long an Idempotency-Key is honoured, from the creation of
// its task; the log brings it back when Redis is lost.
const idemTTL = 24 * time.Hour

// step is one thing that hangs on a task record; see settle.lua.
type step [3]any

// steps are what must be written together with the change from before to
// after; before is nil for a task that was unknown.
func steps(before, after *record, periodOf func(time.Time) string, lines map[string]*schemas.UsageRecorded, now time.Time) []step {
	var out []step
	if before == nil {
		before = &record{}
	}
	hold := func(r *record, sign int64) {
		if r.Held != 0 {
			out = append(out, step{"ledger", r.period + ":h:" + r.Task.Resource, sign * r.Held})
		}
	}
	if before.Held != after.Held || before.period != after.period || before.Task.Resource != after.Task.Resource {
		hold(before, -1)
		hold(after, +1)
	}
	out = append(out, usage(before, after, periodOf, lines)...)
	if after.id > before.id {
		out = append(out, step{"id", after.id, ""})
	}
	if before.live() != after.live() {
		out = append(out, claims(after, now)...)
	}
	if after.Task.Type == schemas.TypeReport {
		out = append(out, step{"report", after.Task.Org, ""})
	}
	return out
}

// usage counts what was used of the task's own resource in the period in which
// it was reserved, whenever the task ends: else what a period promised would be
// sold once more when the next one begins. Anything else counts when it is used,
// and so does all usage as long as its task is not known.
func usage(before, after *record, periodOf func(time.Time) string, lines map[string]*schemas.UsageRecorded) []step {
	var out []step
	count := func(c counted, resource string, units int64) {
		out = append(out, step{"ledger", c.Period + ":u:" + resource, units})
		if c.Transcribed { // of them, at a rate of their own
			out = append(out, step{"ledger", c.Period + ":t:" + resource, units})
		}
	}
	early := map[string]counted{}
	for resource, units := range after.Used {
		was, moves := before.Early[resource]
		is := was
		if line := lines[resource]; line != nil {
			is = counted{periodOf(line.At), line.Processing == schemas.ProcessTranscription}
		}
		switch {
		case after.version == 0:
			early[resource] = is
		case resource == after.Task.Resource:
			is.Period = cmp.Or(before.period, periodOf(after.Task.CreatedAt))
		}
		if units == 0 || lines[resource] == nil && (!moves || was == is) {
			continue
		}
		if moves {
			count(was, resource, -units)
		}
		count(is, resource, units)
	}
	after.Early = early
	return out
}

// claims takes the keys of a task that is live, or frees those of one that is
// not.
func claims(r *record, now time.Time) []step {
	var out []step
	dup, idem := "free", "freekey"
	if r.live() {
		dup, idem = "claim", "claimkey"
	}
	task := schemas.Task(r.Task)
	for _, field := range dupFields(task) {
		out = append(out, step{dup, field, ""})
	}
	left := task.CreatedAt.Add(idemTTL).Sub(now).Milliseconds()
	if key := idemKey(task); key != "" && (left > 0 || !r.live()) {
		out = append(out, step{idem, key, left})
	}
	return out
}
