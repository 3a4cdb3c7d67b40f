package transcribe

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"earshot/processors/transcribe/acoustic"
	"earshot/processors/transcribe/speech"
)

func span(from, to float64) acoustic.Span {
	return acoustic.Span{From: int(from * speech.Rate), To: int(to * speech.Rate)}
}

func TestPackLeavesOutLongPausesOnly(t *testing.T) {
	tests := []struct {
		name   string
		length float64
		spans  []acoustic.Span
		want   string // kept seconds
	}{
		{"dense speech is handed over as it is", 10, []acoustic.Span{span(1.5, 4), span(5.5, 9)}, "0-10"},
		{"a pause in the middle", 20, []acoustic.Span{span(0.5, 4), span(12, 19)}, "0-4.5 11.5-20"},
		{"silence before", 20, []acoustic.Span{span(10, 19)}, "9.5-20"},
		{"silence behind", 20, []acoustic.Span{span(1, 4)}, "0-4.5"},
		{"on all sides", 60, []acoustic.Span{span(10, 12), span(30, 31), span(40, 41)}, "9.5-12.5 29.5-31.5 39.5-41.5"},
		{"spans that overlap", 20, []acoustic.Span{span(0, 9), span(3, 5), span(9.5, 20)}, "0-20"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			for _, k := range keep(int(tt.length*speech.Rate), tt.spans) {
				got = append(got, fmt.Sprintf("%g-%g", float64(k.From)/speech.Rate, float64(k.To)/speech.Rate))
			}
			if strings.Join(got, " ") != tt.want {
				t.Errorf("kept %v, want %s", got, tt.want)
			}
		})
	}
}

// Whatever is left out, every sample that is heard finds its own place again.
func TestClockFindsEverySampleAgain(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(speech.Rate, 60*speech.Rate).Draw(t, "samples")
		from := rapid.Int64Range(0, 1<<30).Draw(t, "from")
		edges := rapid.SliceOfN(rapid.IntRange(0, n), 2, 12).Draw(t, "edges")
		slices.Sort(edges)
		var spans []acoustic.Span
		for i := 0; i+1 < len(edges); i += 2 {
			if edges[i] < edges[i+1] {
				spans = append(spans, acoustic.Span{From: edges[i], To: edges[i+1]})
			}
		}
		if spans == nil {
			return
		}
		samples := make([]int16, n)
		for _, s := range spans {
			for i := s.From; i < s.To; i++ {
				samples[i] = int16(i % 32000)
			}
		}
		packed, clock := pack(from, samples, spans)
		if len(packed) > n {
			t.Fatalf("%d samples became %d", n, len(packed))
		}
		for i := 0; i < len(packed); i += 97 {
			at := int(math.Round(clock.at(float64(i)/speech.Rate, false)*speech.Rate)) - int(from)
			if at < 0 || at >= n || samples[at] != packed[i] {
				t.Fatalf("packed sample %d is said to be sample %d, which it is not", i, at)
			}
		}
		heard := 0
		for _, s := range packed {
			if s != 0 {
				heard++
			}
		}
		for _, s := range samples {
			if s != 0 {
				heard--
			}
		}
		if heard != 0 {
			t.Fatalf("%d samples of speech were left out", -heard)
		}
	})
}

func TestSegmentAcrossACutIsTakenApart(t *testing.T) {
	_, clock := pack(0, make([]int16, 20*speech.Rate), []acoustic.Span{span(0, 4), span(12, 20)}) // kept: 0-4.5 and 11.5-20
	p := func(v float64) *float64 { return &v }
	s := speech.Segment{Start: 3, End: 6, Text: "good bye hello", Tokens: 6, Confidence: p(0.5), Words: []speech.Word{
		{Start: 3, End: 3.4, Text: "good", Confidence: p(0.8)}, {Start: 3.4, End: 4, Text: "bye", Confidence: p(0.6)}, {Start: 5, End: 6, Text: "hello", Confidence: p(0.2)}}}
	got := clock.original(s)
	if len(got) != 2 || got[0].Text != "good bye" || got[1].Text != "hello" {
		t.Fatalf("got %+v", got)
	}
	if got[0].Start != 3 || got[0].End != 4 || got[1].Start != 12 || got[1].End != 13 || got[0].Tokens != 4 || got[1].Tokens != 2 {
		t.Errorf("got %+v", got)
	}
	if math.Abs(*got[0].Confidence-0.7) > 1e-9 || *got[1].Confidence != 0.2 {
		t.Errorf("confidence %g and %g", *got[0].Confidence, *got[1].Confidence)
	}
	whole := clock.original(speech.Segment{Start: 3, End: 6, Text: "no clock of words"})
	if len(whole) != 1 || whole[0].Start != 3 || whole[0].End != 13 {
		t.Errorf("got %+v", whole)
	}
}
