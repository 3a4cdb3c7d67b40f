package transcribe

import (
	_ "embed"
	"regexp"
	"slices"
	"strings"

	"earshot/processors/transcribe/speech"
	"earshot/schemas"
)

// segment is what was heard, on the clock of the recording.
type segment struct {
	speech.Segment
	channel int
}

// noise is a text of nothing but what Whisper writes for sounds: [BLANK_AUDIO],
// (music), *sighs*, ♪, and punctuation.
var noise = regexp.MustCompile(`^(?:\s|\[[^\]]*\]|\([^)]*\)|\*[^*]*\*|[\p{P}\p{S}])*$`)

var spaces = regexp.MustCompile(`[\s\p{Cc}]+`)

// clean is a segment's text as it is kept, "" when nothing was said.
func clean(text string) string {
	text = strings.ReplaceAll(text, "[BLANK_AUDIO]", " ")
	if noise.MatchString(text) {
		return ""
	}
	return strings.TrimSpace(spaces.ReplaceAllString(strings.ToValidUTF8(text, ""), " "))
}

// Segments of one channel that follow each other within joinGap are one
// utterance, as long as it does not grow over joinLength. Seconds.
const (
	joinGap    = 1.0
	joinLength = 30.0
)

// merge puts the segments of all channels in the order in which they began.
// Whisper cuts a sentence where it likes, so neighbours of one speaker are
// joined; what the other says in between, or over it, keeps them apart. Where
// one channel carries both voices nothing is joined.
func merge(segments []segment, roles []string, joined bool) []schemas.Utterance {
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
			if last.channel == s.channel && s.Start-last.End <= joinGap && s.End-last.Start <= joinLength {
				last.join(s)
				continue
			}
		}
		turns = append(turns, s)
	}
	utterances := make([]schemas.Utterance, len(turns))
	for i, s := range turns {
		utterances[i] = schemas.Utterance{
			Turn: int64(i), Speaker: roles[s.channel], Channel: int64(s.channel),
			Start: &s.Start, End: &s.End, Text: s.Text, Confidence: s.Confidence,
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

func (s *segment) join(next segment) {
	s.Text += " " + next.Text
	s.End = max(s.End, next.End)
	if n := s.Tokens + next.Tokens; s.Confidence != nil && next.Confidence != nil && n > 0 {
		mean := (*s.Confidence*float64(s.Tokens) + *next.Confidence*float64(next.Tokens)) / float64(n)
		s.Confidence, s.Tokens = &mean, n
	}
}

// rolesOf gives the role of each of n channels: as the submission says, else
// operator first and customer second. stated is whether it says so for one at
// least.
func rolesOf(given []schemas.Channel, n int) (roles []string, stated bool) {
	roles = slices.Repeat([]string{schemas.RoleUnknown}, n)
	for _, c := range given {
		if c.Index >= 0 && c.Index < int64(n) && c.Role != "" {
			roles[c.Index], stated = c.Role, true
		}
	}
	if len(given) == 0 {
		copy(roles, []string{schemas.RoleOperator, schemas.RoleCustomer})
	}
	return roles, stated
}

//go:embed cues.txt
var cuesText string

var cues = func() (phrases []string) {
	for line := range strings.Lines(cuesText) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			phrases = append(phrases, " "+words(line)+" ")
		}
	}
	return phrases
}()

var notWord = regexp.MustCompile(`[^\p{L}\p{N}]+`)

// words is a text in lower case, its words a space apart.
func words(text string) string {
	return strings.TrimSpace(notWord.ReplaceAllString(strings.ToLower(text), " "))
}

// guess gives the operator what only an operator says and leaves the rest
// unknown: a guess must not look like knowledge.
func guess(utterances []schemas.Utterance) {
	for i := range utterances {
		u := &utterances[i]
		said := " " + words(u.Text) + " "
		if slices.ContainsFunc(cues, func(cue string) bool { return strings.Contains(said, cue) }) {
			u.Speaker = schemas.RoleOperator
		}
	}
}
