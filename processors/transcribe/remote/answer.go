package remote

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"earshot/processors/transcribe/speech"
)

// answer is verbose JSON as OpenAI describes it ("The transcription object
// (Verbose JSON)" of the API reference) and as others write it. A pointer is
// nil when the server does not say.
type answer struct {
	Language string    `json:"language"`
	Text     *string   `json:"text"`
	Segments []segment `json:"segments"`
	Words    []word    `json:"words"` // OpenAI; others have them in the segments
}

type segment struct {
	Start       *float64 `json:"start"` // seconds, and so on
	End         *float64 `json:"end"`
	Text        string   `json:"text"`
	Tokens      []int    `json:"tokens"`
	LogProb     *float64 `json:"avg_logprob"`
	NoSpeech    *float64 `json:"no_speech_prob"`
	Temperature *float64 `json:"temperature"`
	Compression *float64 `json:"compression_ratio"`
	Words       []word   `json:"words"`
}

type word struct {
	Start       *float64        `json:"start"`
	End         *float64        `json:"end"`
	Text        string          `json:"word"`
	Probability *float64        `json:"probability"`
	DTW         json.RawMessage `json:"t_dtw"` // only whisper-server writes it
}

// firstMark is the first token that is no text in Whisper's vocabularies.
const firstMark = 50256

// read makes of an answer what was heard in the samples of a: in order, within
// their length, without segments that say nothing.
func read(body []byte, a speech.Ask) (speech.Heard, error) {
	var got answer
	if err := json.Unmarshal(body, &got); err != nil {
		return speech.Heard{}, fmt.Errorf("the answer: %w", err)
	}
	if got.Text == nil && got.Segments == nil {
		return speech.Heard{}, errors.New("the answer has neither text nor segments")
	}
	heard := speech.Heard{Language: a.Language}
	if heard.Language == "" {
		heard.Language = code(got.Language)
	}
	clock := clock(float64(len(a.Samples)) / speech.Rate)
	words := clock.words(got.Words)
	if len(got.Segments) == 0 && got.Text != nil {
		got.Segments = []segment{whole(*got.Text, words)}
	}
	at := 0.0 // where the segment before ended
	for _, s := range got.Segments {
		out := s.speech(clock, at)
		if at = out.End; out.Text != "" {
			heard.Segments = append(heard.Segments, out)
		}
	}
	slices.SortStableFunc(heard.Segments, func(a, b speech.Segment) int { return cmp.Compare(a.Start, b.Start) })
	share(heard.Segments, words)
	for i := range heard.Segments {
		punctuate(&heard.Segments[i])
	}
	return heard, nil
}

// whole is the segment of a text that came without any: as long as its words,
// or as the samples.
func whole(text string, words []speech.Word) segment {
	if len(words) == 0 {
		return segment{Text: text}
	}
	return segment{Text: text, Start: &words[0].Start, End: &words[len(words)-1].End}
}

// speech is the segment as everybody knows it. Without times it lies between
// at and the end of the samples.
func (s segment) speech(c clock, at float64) speech.Segment {
	out := speech.Segment{Text: strings.TrimSpace(s.Text), Words: c.words(s.Words)}
	out.Start, out.End = c.times(s.Start, s.End, at)
	for _, token := range s.Tokens {
		if token < firstMark {
			out.Tokens++
		}
	}
	// vLLM before 2026 wrote -1 for the measures that it did not take.
	if placeholder := s.Compression != nil && *s.Compression < 0; s.LogProb != nil && *s.LogProb <= 0 && !placeholder {
		p := math.Exp(*s.LogProb)
		out.LogProb, out.Confidence = s.LogProb, &p
	}
	out.NoSpeech = probability(s.NoSpeech)
	if s.Temperature != nil && *s.Temperature >= 0 {
		out.Temperature = s.Temperature
	}
	return out
}

// probability is p where it is one, else nil.
func probability(p *float64) *float64 {
	if p == nil || *p < 0 || *p > 1 {
		return nil
	}
	return p
}

// clock is the length of the samples in seconds; no time lies outside.
type clock float64

// times are start and end, in order; at and the end of the samples where they
// are missing.
func (c clock) times(start, end *float64, at float64) (float64, float64) {
	from, to := at, float64(c)
	if start != nil {
		from = min(max(0, *start), float64(c))
	}
	if end != nil {
		to = min(*end, float64(c))
	}
	return from, max(from, to)
}

// words in order, those without times left out. What whisper-server lists as
// words are tokens: one that does not begin with a space goes on with the word
// before, which is as certain as its least certain token.
func (c clock) words(all []word) []speech.Word {
	var out []speech.Word
	for _, w := range all {
		if w.Start == nil || w.End == nil || strings.TrimSpace(w.Text) == "" {
			continue
		}
		next := speech.Word{Text: strings.TrimSpace(w.Text), Confidence: probability(w.Probability)}
		next.Start, next.End = c.times(w.Start, w.End, 0)
		if n := len(out); n > 0 && w.DTW != nil && !strings.HasPrefix(w.Text, " ") {
			last := &out[n-1]
			last.Text, last.End = last.Text+next.Text, max(last.End, next.End)
			if last.Confidence != nil && next.Confidence != nil {
				last.Confidence = new(min(*last.Confidence, *next.Confidence))
			}
			continue
		}
		out = append(out, next)
	}
	slices.SortStableFunc(out, func(a, b speech.Word) int { return cmp.Compare(a.Start, b.Start) })
	return out
}

// share gives each word to the segment nearest to its middle. Segments that
// have words of their own keep those.
func share(segments []speech.Segment, words []speech.Word) {
	if len(segments) == 0 || slices.ContainsFunc(segments, func(s speech.Segment) bool { return len(s.Words) > 0 }) {
		return
	}
	i := 0
	for _, w := range words {
		middle := (w.Start + w.End) / 2
		for i+1 < len(segments) && segments[i+1].Start-middle < middle-segments[i].End {
			i++
		}
		segments[i].Words = append(segments[i].Words, w)
	}
}

// punctuate gives words that came without punctuation, as OpenAI's do, that of
// the text, where they are as many as it has.
func punctuate(s *speech.Segment) {
	fields := strings.Fields(s.Text)
	if len(fields) != len(s.Words) {
		return
	}
	for i, field := range fields {
		if strings.Contains(strings.ToLower(field), strings.ToLower(s.Words[i].Text)) {
			s.Words[i].Text = field
		}
	}
}
