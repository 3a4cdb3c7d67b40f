package warehouse

import (
	"time"

	"github.com/google/uuid"

	"earshot/schemas"
)

// segment is one row of the table segments. Words, WordStarts, WordEnds and
// WordConfidences have the same length.
type segment struct {
	Org             string     `ch:"org"`
	Code            uuid.UUID  `ch:"code"`
	Turn            uint32     `ch:"turn"`
	Version         uint64     `ch:"version"`
	CallDatetime    time.Time  `ch:"call_datetime"`
	Language        string     `ch:"language"`
	Speaker         string     `ch:"speaker"`
	RoleConfidence  *float64   `ch:"role_confidence"`
	Channel         int16      `ch:"channel"`
	Start           *float64   `ch:"start"`
	End             *float64   `ch:"end"`
	Text            string     `ch:"text"`
	Confidence      *float64   `ch:"confidence"`
	Sentiment       *float64   `ch:"sentiment"`
	Words           []string   `ch:"words"`
	WordStarts      []float32  `ch:"word_starts"`
	WordEnds        []float32  `ch:"word_ends"`
	WordConfidences []*float32 `ch:"word_confidences"`
}

func segmentsOf(row *interaction, utterances []schemas.Utterance) []segment {
	out := make([]segment, len(utterances))
	for i, u := range utterances {
		s := segment{Org: row.Org, Code: row.Code, Turn: uint32(i), Version: row.Version, CallDatetime: row.CallDatetime, Language: row.Language,
			Speaker: u.Speaker, RoleConfidence: u.RoleConfidence, Channel: int16(u.Channel), Start: u.Start, End: u.End, Text: u.Text,
			Confidence: u.Confidence, Sentiment: u.Sentiment}
		s.setWords(u.Words)
		out[i] = s
	}
	return out
}

func (s *segment) setWords(words []schemas.Word) {
	if len(words) == 0 {
		return
	}
	n := len(words)
	s.Words, s.WordStarts, s.WordEnds, s.WordConfidences = make([]string, n), make([]float32, n), make([]float32, n), make([]*float32, n)
	for i, w := range words {
		s.Words[i], s.WordStarts[i], s.WordEnds[i] = w.Text, float32(w.Start), float32(w.End)
		if w.Confidence != nil {
			c := float32(*w.Confidence)
			s.WordConfidences[i] = &c
		}
	}
}
