package transcribe

import (
	"slices"
	"strings"

	"earshot/processors/transcribe/acoustic"
	"earshot/processors/transcribe/speech"
)

// assign gives each segment of a channel that carries several voices the voice
// that speaks it; a segment in which the voice changes is taken apart between
// two words. It returns how many voices there are.
func assign(segments []segment, turns []acoustic.Turn) (out []segment, voices int) {
	for _, t := range turns {
		voices = max(voices, t.Speaker+1)
	}
	for _, s := range segments {
		out = append(out, apart(s, turns)...)
	}
	return out, voices
}

// apart splits a segment by voice.
func apart(s segment, turns []acoustic.Turn) []segment {
	if len(s.Words) == 0 {
		s.voice, s.sure = speaker(turns, s.Start, s.End)
		return []segment{s}
	}
	spoken := make([]int, len(s.Words))
	sure := make([]float64, len(s.Words))
	for i, w := range s.Words {
		spoken[i], sure[i] = speaker(turns, w.Start, w.End)
	}
	smooth(spoken)
	snap(spoken, s.Words)
	var parts []speech.Segment
	var voices []segment
	for i, w := range s.Words {
		if i == 0 || spoken[i] != spoken[i-1] {
			part := s.Segment
			part.Start, part.Text, part.Words = w.Start, "", nil
			parts = append(parts, part)
			voices = append(voices, segment{channel: s.channel, voice: spoken[i]})
		}
		n := len(parts) - 1
		parts[n].Words, parts[n].End = append(parts[n].Words, w), max(parts[n].Start, w.End)
		voices[n].sure += sure[i]
	}
	if len(parts) == 1 {
		s.voice, s.sure = voices[0].voice, voices[0].sure/float64(len(s.Words))
		return []segment{s}
	}
	parts[0].Start, parts[len(parts)-1].End = min(s.Start, parts[0].Start), max(s.End, parts[len(parts)-1].End)
	for i, p := range retell(parts, s.Tokens) {
		voices[i].Segment, voices[i].sure = p, voices[i].sure/float64(len(p.Words))
	}
	return voices
}

// speaker is the voice that speaks most of the time from start to end, else
// the one that speaks next to it.
func speaker(turns []acoustic.Turn, start, end float64) (voice int, sure float64) {
	first, _ := slices.BinarySearchFunc(turns, start, func(t acoustic.Turn, at float64) int { return compare(t.To, at) })
	most, nearest := 0.0, 0.0
	for i := first; i < len(turns); i++ {
		t := turns[i]
		shared := min(end, t.To) - max(start, t.From)
		if t.From >= end && most > 0 {
			break
		}
		if most == 0 && (i == first || shared > nearest) { // a negative share is a distance
			nearest, voice, sure = shared, t.Speaker, t.Confidence
		}
		if shared > most {
			most, voice, sure = shared, t.Speaker, t.Confidence
		}
		if t.From >= end {
			break
		}
	}
	if first == len(turns) && first > 0 {
		voice, sure = turns[first-1].Speaker, turns[first-1].Confidence
	}
	return voice, sure
}

// smooth gives a lone word between two of another voice to that voice: clocks
// of words are not as good as that.
func smooth(spoken []int) {
	for i := 1; i+1 < len(spoken); i++ {
		if spoken[i-1] == spoken[i+1] && spoken[i] != spoken[i-1] {
			spoken[i] = spoken[i-1]
		}
	}
}

// snap moves a change of voice by one word where that makes it the end of a
// sentence.
func snap(spoken []int, all []speech.Word) {
	for i := 1; i < len(spoken); i++ {
		if spoken[i] == spoken[i-1] || sentenceEnds(all[i-1].Text) {
			continue
		}
		if sentenceEnds(all[i].Text) {
			spoken[i] = spoken[i-1]
		} else if i >= 2 && sentenceEnds(all[i-2].Text) {
			spoken[i-1] = spoken[i]
		}
	}
}

func sentenceEnds(word string) bool {
	return strings.HasSuffix(word, ".") || strings.HasSuffix(word, "?") || strings.HasSuffix(word, "!") || strings.HasSuffix(word, "…")
}
