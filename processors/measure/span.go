package measure

import (
	"cmp"
	"math"
	"slices"
	"time"
	"unicode"

	"earshot/schemas"
)

// span is a stretch of time [from, to). Whole milliseconds, so that sums and
// comparisons are exact.
type span struct{ from, to time.Duration }

func (s span) length() time.Duration { return s.to - s.from }

// longestClock bounds a time: about thirty years, which no conversation takes
// and time.Duration holds. Seconds.
const longestClock = 1e9

func clocked(seconds float64) bool {
	return math.Abs(seconds) < longestClock // false for NaN too
}

// at is a time in seconds on the clock of spans.
func at(seconds float64) time.Duration {
	return time.Duration(math.Round(seconds*1000)) * time.Millisecond
}

// timed says whether every turn has a beginning and an end.
func timed(turns []schemas.Utterance) bool {
	return !slices.ContainsFunc(turns, func(u schemas.Utterance) bool {
		return u.Start == nil || u.End == nil || !clocked(*u.Start) || !clocked(*u.End)
	})
}

// spansOf are the stretches that marks of these kinds cover, of all kinds when
// none is named.
func spansOf(marks []schemas.Mark, kinds ...string) (spans []span) {
	for _, m := range marks {
		if (len(kinds) == 0 || slices.Contains(kinds, m.Kind)) && clocked(m.Start) && clocked(m.End) && m.Start < m.End {
			spans = append(spans, span{at(m.Start), at(m.End)})
		}
	}
	return spans
}

// within cuts spans to [0, length).
func within(spans []span, length time.Duration) []span {
	for i, s := range spans {
		spans[i] = span{min(max(s.from, 0), length), min(max(s.to, 0), length)}
	}
	return spans
}

// union sorts spans and joins those that touch, or are no further apart than
// gap. It uses the memory of its argument.
func union(spans []span, gap time.Duration) []span {
	slices.SortFunc(spans, func(a, b span) int { return cmp.Compare(a.from, b.from) })
	out := spans[:0]
	for _, s := range spans {
		if n := len(out); n > 0 && s.from-out[n-1].to <= gap {
			out[n-1].to = max(out[n-1].to, s.to)
			continue
		}
		out = append(out, s)
	}
	return out
}

func total(spans []span) (sum time.Duration) {
	for _, s := range spans {
		sum += s.length()
	}
	return sum
}

// silence adds up the stretches of whole longer than threshold that no span of
// busy, which is a union, covers.
func silence(busy []span, whole span, threshold time.Duration) (sum time.Duration) {
	last := whole.from
	for _, s := range append(slices.Clip(busy), span{whole.to, whole.to}) {
		if gap := min(s.from, whole.to) - last; gap > threshold {
			sum += gap
		}
		last = max(last, s.to)
	}
	return sum
}

// overlap is how long two persons or more speak at once; their spans are
// unions.
func overlap(voices []*voice) (sum time.Duration) {
	type edge struct {
		at   time.Duration
		step int
	}
	var edges []edge
	for _, v := range voices {
		if !v.person() {
			continue
		}
		for _, s := range v.spans {
			edges = append(edges, edge{s.from, 1}, edge{s.to, -1})
		}
	}
	slices.SortFunc(edges, func(a, b edge) int { return cmp.Compare(a.at, b.at) })
	speaking := 0
	for i, e := range edges {
		if speaking > 1 {
			sum += e.at - edges[i-1].at
		}
		speaking += e.step
	}
	return sum
}

// spaceless scripts write no space between words.
var spaceless = []*unicode.RangeTable{unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar}

// words counts what stands between spaces and holds a letter or a digit. odd:
// the script has no spaces, and the count means nothing.
func words(text string) (n int64, odd bool) {
	counted := false // the word that r is part of
	for _, r := range text {
		switch {
		case unicode.IsSpace(r):
			counted = false
		case !counted && (unicode.IsLetter(r) || unicode.IsDigit(r)):
			n, counted = n+1, true
		}
		odd = odd || r >= 0x0E00 && unicode.In(r, spaceless...)
	}
	return n, odd
}

// inSeconds is a length to two decimals.
func inSeconds(d time.Duration) *float64 { return rounded(d.Seconds(), 2) }

func rounded(x float64, decimals int) *float64 {
	scale := math.Pow10(decimals)
	x = math.Round(x*scale) / scale
	return &x
}
