package transcribe

import (
	"fmt"
	"strings"
	"testing"

	"earshot/processors/transcribe/speech"
	"earshot/schemas"
)

func said(channel int, start, end float64, text string) segment {
	half := 0.5
	return segment{Segment: speech.Segment{Start: start, End: end, Text: text, Confidence: &half, Tokens: 2}, channel: channel, voice: channel}
}

func lines(utterances []schemas.Utterance) string {
	var b strings.Builder
	for _, u := range utterances {
		fmt.Fprintf(&b, "%d %s %g-%g %s\n", u.Turn, u.Speaker, *u.Start, *u.End, u.Text)
	}
	return b.String()
}

func TestMerge(t *testing.T) {
	sides := []string{schemas.RoleOperator, schemas.RoleCustomer}
	tests := []struct {
		name     string
		segments []segment
		joined   bool
		want     string
	}{
		{"by time", []segment{said(0, 0, 2, "a"), said(0, 5, 6, "c"), said(1, 3, 4, "b")}, true,
			"0 operator 0-2 a\n1 customer 3-4 b\n2 operator 5-6 c\n"},
		{"a sentence in two segments", []segment{said(0, 0, 2, "a"), said(0, 2.5, 4, "b"), said(1, 5, 6, "c")}, true,
			"0 operator 0-4 a b\n1 customer 5-6 c\n"},
		{"a pause", []segment{said(0, 0, 2, "a"), said(0, 3.5, 4, "b")}, true,
			"0 operator 0-2 a\n1 operator 3.5-4 b\n"},
		{"overlap is kept", []segment{said(0, 0, 4, "a"), said(0, 4, 8, "c"), said(1, 3, 5, "b")}, true,
			"0 operator 0-4 a\n1 customer 3-5 b\n2 operator 4-8 c\n"},
		{"a monologue is not one turn", []segment{said(0, 0, 29, "a"), said(0, 29, 58, "b")}, true,
			"0 operator 0-29 a\n1 operator 29-58 b\n"},
		{"two voices on a channel are not joined", []segment{said(0, 0, 2, "a"), said(0, 2, 4, "b")}, false,
			"0 operator 0-2 a\n1 operator 2-4 b\n"},
		{"nothing", nil, true, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := lines(merge(tt.segments, sides, tt.joined, nil)); got != tt.want {
				t.Errorf("got\n%swant\n%s", got, tt.want)
			}
		})
	}
}

func TestJoinedConfidenceIsTheMeanOverWords(t *testing.T) {
	a, b := said(0, 0, 1, "a"), said(0, 1, 2, "b")
	*a.Confidence, a.Tokens, *b.Confidence, b.Tokens = 0.9, 3, 0.5, 1
	got := merge([]segment{a, b}, []string{schemas.RoleOperator}, true, nil)
	if len(got) != 1 || *got[0].Confidence != 0.8 {
		t.Errorf("got %s %v", lines(got), *got[0].Confidence)
	}
}

func TestClean(t *testing.T) {
	for text, want := range map[string]string{
		" Hello, how are you? ": "Hello, how are you?",
		"[BLANK_AUDIO]":         "",
		" [BLANK_AUDIO] Hello":  "Hello",
		"":                      "",
		"Call (555) 12":         "Call (555) 12",
		"Wait [laughs] what":    "Wait [laughs] what",
		"a\x00b\n\tc":           "a b c",
		"Здравствуйте":          "Здравствуйте",
	} {
		if got := clean(text); got != want {
			t.Errorf("clean(%q) = %q, want %q", text, got, want)
		}
	}
}
