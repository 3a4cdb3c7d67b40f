package transcribe

import (
	"slices"

	"earshot/processors/transcribe/speech"
	"earshot/schemas"
)

// segment is what was heard, on the clock of the recording.
type segment struct {
	speech.Segment
	channel int
	voice   int     // index among the voices of a channel that carries several; else the channel
	sure    float64 // of voice, 0..1
}

// Segments of one voice that follow each other within joinGap are one
// utterance, as long as it does not grow over joinLength. Seconds.
const (
	joinGap    = 1.0
	joinLength = 30.0
)

// merge puts the segments of all channels in the order in which they began.
// Whisper cuts a sentence where it likes, so neighbours of one voice are
// joined; what another says in between, or over it, keeps them apart. Where
// the voices of a channel could not be told apart nothing is joined. named is
// how sure the roles are, nil when nobody guessed.
func merge(segments []segment, roles []string, joined bool, named *float64) []schemas.Utterance {
	slices.SortStableFunc(segments, func(a, b segment) int {
		switch {
		case a.Start != b.Start:
			return compare(a.Start, b.Start)
		case a.channel != b.channel:
			return a.channel - b.channel
		}
		return compare(a.End, b.End)
	})
	var turns []segment
	for _, s := range segments {
		if n := len(turns); joined && n > 0 {
			last := &turns[n-1]
			if last.channel == s.channel && last.voice == s.voice && s.Start-last.End <= joinGap && s.End-last.Start <= joinLength {
				last.join(s)
				continue
			}
		}
		turns = append(turns, s)
	}
	utterances := make([]schemas.Utterance, len(turns))
	for i, s := range turns {
		utterances[i] = schemas.Utterance{
			Turn: int64(i), Speaker: roles[s.voice], Channel: int64(s.channel),
			Start: &s.Start, End: &s.End, Text: s.Text, Confidence: s.Confidence, Words: wordsOf(s.Words),
		}
		if named != nil && roles[s.voice] != schemas.RoleUnknown {
			sure := *named * s.sure
			utterances[i].RoleConfidence = &sure
		}
	}
	return utterances
}

func compare(a, b float64) int {
	if a < b {
		return -1
	}
	if a > b {
		return 1
	}
	return 0
}

// join appends next; the confidence is the mean over the tokens of both.
func (s *segment) join(next segment) {
	s.Text += " " + next.Text
	s.End = max(s.End, next.End)
	s.Words = slices.Concat(s.Words, next.Words)
	s.sure = min(s.sure, next.sure)
	n := s.Tokens + next.Tokens
	switch {
	case s.Confidence == nil:
		s.Confidence = next.Confidence
	case next.Confidence != nil && n > 0:
		mean := (*s.Confidence*float64(s.Tokens) + *next.Confidence*float64(next.Tokens)) / float64(n)
		s.Confidence = &mean
	}
	s.Tokens = n
}

func wordsOf(heard []speech.Word) []schemas.Word {
	var out []schemas.Word
	for _, w := range heard {
		out = append(out, schemas.Word(w))
	}
	return out
}
