package warehouse

import (
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"earshot/schemas"
)

func records(values ...string) []*kgo.Record {
	var out []*kgo.Record
	for i, v := range values {
		out = append(out, &kgo.Record{Topic: []string{schemas.TopicText, schemas.TopicUsage}[i%2], Partition: int32(i % 3), Offset: int64(100 + i), Value: []byte(v)})
	}
	return out
}

func TestTokenNamesTheContent(t *testing.T) {
	token := func(records []*kgo.Record) string { return (&batch{records: records}).token() }
	base := token(records("a", "b", "c", "d", "e", "f", "g"))
	if !strings.Contains(base, "earshot.tasks.text-0-100-106") {
		t.Errorf("token %q does not name partitions and offsets", base)
	}
	turned := records("a", "b", "c", "d", "e", "f", "g")
	slices.Reverse(turned)
	if got := token(turned); got != base {
		t.Errorf("the order in which partitions are polled changes the token: %q, %q", got, base)
	}
	shifted := records("a", "b", "c", "d", "e", "f", "g")
	shifted[3].Offset++
	for what, other := range map[string][]*kgo.Record{
		"one record more":           records("a", "b", "c", "d", "e", "f", "g", "h"),
		"one record less":           records("a", "b", "c", "d", "e", "f"),
		"a hole in the middle":      slices.Delete(records("a", "b", "c", "d", "e", "f", "g"), 3, 4),
		"another log, same offsets": records("a", "b", "x", "d", "e", "f", "g"),
		"a byte moved to the next":  records("ab", "", "c", "d", "e", "f", "g"),
		"another offset":            shifted,
		"the same in one record":    records("abcdefg"),
	} {
		if token(other) == base {
			t.Errorf("%s: same token", what)
		}
	}
}

func TestSettled(t *testing.T) {
	for _, c := range []struct {
		resource string
		seconds  float64
		want     int64
	}{
		{schemas.ResourceCallMinutes, 0.1, 1}, {schemas.ResourceCallMinutes, 60, 1}, {schemas.ResourceCallMinutes, 60.01, 2}, {schemas.ResourceAudioMinutes, 3600, 60},
		{schemas.ResourceVideoMinutes, 121, 3}, {schemas.ResourceCallMinutes, 0, 9}, {schemas.ResourceChats, 0, 9}, {schemas.ResourceReports, 0, 9}, {schemas.ResourceTextTokens, 0, 9},
	} {
		if got := settled(schemas.Task{Resource: c.resource, Seconds: c.seconds, Reserved: 9}); got != c.want {
			t.Errorf("%g s of %s: %d units, want %d", c.seconds, c.resource, got, c.want)
		}
	}
}

func TestRowVersionsOrder(t *testing.T) {
	var last uint64
	for _, v := range []struct {
		status  string
		content int64
	}{
		{schemas.StatusPending, 0}, {schemas.StatusProcessing, 0}, {schemas.StatusAudioCompleted, 0}, {schemas.StatusAudioCompleted, 1}, {schemas.StatusAudioCompleted, 2},
		{schemas.StatusError, 0}, {schemas.StatusCompleted, 1}, {schemas.StatusCompleted, 2},
	} {
		got, err := rowVersion(schemas.StatusVersion(v.status), v.content)
		if err != nil || got <= last {
			t.Errorf("%s %d: version %d after %d, %v", v.status, v.content, got, last, err)
		}
		last = got
	}
	for _, v := range [][2]int64{{0, 1}, {-1, 1}, {50, -1}, {50, 1 << 32}, {1 << 31, 0}} {
		if got, err := rowVersion(v[0], v[1]); err == nil {
			t.Errorf("%v: version %d", v, got)
		}
	}
}
