package whisper

import (
	"math"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"earshot/processors/transcribe/speech"
)

// token is a token of text as whisper.cpp decoded it.
type token struct {
	text string  // bytes of it; letters may be cut in two
	p    float64 // probability, 0..1
	// hint is the time that the model would have written before this token,
	// seconds of the Ask, or NaN when it was not sure enough.
	hint float64
}

// spaceless are the languages that put no space between words, as OpenAI's
// Whisper has them; there a token is as good as a word.
var spaceless = map[string]bool{"zh": true, "ja": true, "th": true, "lo": true, "my": true, "yue": true}

// words groups the tokens of a segment from start to end and gives each word
// its time: hints where the model gave them, between two of them in proportion
// to the length of the text, then moved to where the sound begins and ends.
// Times are in order and within the segment; the texts make up the segment's.
//
// whisper.cpp does the like with token_timestamps, but takes the sound of the
// first seconds for that of every segment (since its pull request 3230) and
// spends a tenth of a second a minute on it.
func words(tokens []token, start, end float64, language string, sound loudness) []speech.Word {
	at := boundaries(tokens, start, end)
	var all []speech.Word
	for from := 0; from < len(tokens); {
		to := from + 1
		for to < len(tokens) && !begins(tokens[from:to], tokens[to], spaceless[language]) {
			to++
		}
		var text strings.Builder
		p := 0.0
		for _, t := range tokens[from:to] {
			text.WriteString(t.text)
			p += t.p / float64(to-from)
		}
		w := speech.Word{Start: at[from], End: at[to], Text: strings.TrimSpace(strings.ToValidUTF8(text.String(), "")), Confidence: &p}
		if w.Text != "" {
			all = append(all, w)
		}
		from = to
	}
	sound.fit(all, start, end)
	return all
}

// begins says whether next begins a word after those before, which have begun
// one: at a space, unless one of both has no letter. So punctuation stays with
// its word.
func begins(before []token, next token, spaceless bool) bool {
	var text strings.Builder
	for _, t := range before {
		text.WriteString(t.text)
	}
	if !utf8.ValidString(text.String()) || !spoken(text.String()) || !spoken(next.text) {
		return false
	}
	return spaceless || strings.HasPrefix(next.text, " ")
}

// spoken says whether a text has something that is said, not punctuation.
// Half a letter counts.
func spoken(text string) bool {
	return strings.ContainsFunc(text, func(r rune) bool {
		return r == utf8.RuneError || !unicode.IsPunct(r) && !unicode.IsSpace(r)
	})
}

// boundaries are the times before the first, between and after the last of
// the tokens, in order, from start to end.
func boundaries(tokens []token, start, end float64) []float64 {
	at := make([]float64, len(tokens)+1)
	at[0] = start
	known := 0 // the last boundary that is
	length := 0.0
	for i, t := range tokens {
		var next float64
		switch length += sayingLength(t.text); {
		case i+1 == len(tokens):
			next = end
		case tokens[i+1].hint > at[known] && tokens[i+1].hint < end: // false for NaN
			next = tokens[i+1].hint
		default:
			continue
		}
		passed := 0.0
		for j := known + 1; j <= i; j++ {
			passed += sayingLength(tokens[j-1].text)
			at[j] = at[known] + (next-at[known])*passed/length
		}
		known, length, at[i+1] = i+1, 0, next
	}
	return at
}

// sayingLength is about how long a text takes to say, in letters, as
// whisper.cpp weighs them: digits are words, and a full stop is a pause.
func sayingLength(text string) float64 {
	n := 0.01
	for _, c := range text {
		switch {
		case c == ' ':
		case c == ',':
			n += 2
		case strings.ContainsRune(".!?", c), unicode.IsDigit(c):
			n += 3
		default:
			n++
		}
	}
	return n
}

// loudness is the mean magnitude of each 10 ms of an Ask.
type loudness []float32

const loudnessRate = 100 // a second

func loudnessOf(samples []float32) loudness {
	const length = speech.Rate / loudnessRate
	all := make(loudness, 0, len(samples)/length+1)
	for frame := range slices.Chunk(samples, length) {
		sum := 0.0
		for _, s := range frame {
			sum += math.Abs(float64(s))
		}
		all = append(all, float32(sum/float64(len(frame))))
	}
	return all
}

// fit moves the times of words to the sound: a word that begins or ends in
// silence shrinks, one that is cut short grows, but not into its neighbours.
func (l loudness) fit(all []speech.Word, start, end float64) {
	frame := func(t float64) int { return min(max(0, int(math.Round(t*loudnessRate))), len(l)) }
	for i := range all {
		w := &all[i]
		low, high := start, end
		if i > 0 {
			low = all[i-1].End
		}
		if i+1 < len(all) {
			high = max(w.End, all[i+1].Start)
		}
		from, to := frame(w.Start), frame(w.End)
		around := l[frame(w.Start-fitLook):max(frame(w.Start-fitLook), frame(w.End+fitLook))]
		if to-from < 2 || len(around) == 0 {
			continue
		}
		quiet := float32(0)
		for _, v := range around {
			quiet += v / float32(2*len(around)) // half the mean
		}
		first, last := from, to // the sound is in [first, last)
		for first < to && l[first] < quiet {
			first++
		}
		for last > first && l[last-1] < quiet {
			last--
		}
		if first >= last {
			continue // nothing is louder than the rest: it stays as it is
		}
		for first == from && from > frame(low) && l[from-1] >= quiet {
			from, first = from-1, first-1
		}
		for last == to && to < frame(high) && l[to] >= quiet {
			to, last = to+1, last+1
		}
		if first != frame(w.Start) {
			w.Start = min(max(low, float64(first)/loudnessRate), high)
		}
		if last != frame(w.End) {
			w.End = min(max(w.Start, float64(last)/loudnessRate), high)
		}
	}
}

// fitLook is how far around a word its loudness is compared with, seconds.
const fitLook = 0.125
