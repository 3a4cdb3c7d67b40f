package transcribe

import (
	"slices"

	"earshot/processors/transcribe/acoustic"
	"earshot/processors/transcribe/speech"
)

// A pause longer than pauseKept is shortened to it before a recogniser hears
// the channel: half stays on either side, so that no word is cut and the
// recogniser still hears a pause. Shorter ones are left as they are.
const (
	pauseCut  = 2 * speech.Rate
	pauseKept = 1 * speech.Rate
)

// piece is a stretch of a channel as it was packed for the recogniser.
type piece struct {
	packed int // first sample among the packed ones
	from   int // first sample in the window
	length int
}

// clock maps the recogniser's time back to the recording's.
type clock struct {
	offset int64 // sample of the recording at which the window begins
	pieces []piece
}

// pack leaves out the pauses between spans of speech. Where there is nothing
// to leave out the samples are returned as they are, not copied.
func pack(from int64, samples []int16, spans []acoustic.Span) ([]int16, clock) {
	c := clock{offset: from}
	kept := keep(len(samples), spans)
	if len(kept) == 1 && kept[0].From == 0 && kept[0].To == len(samples) {
		c.pieces = []piece{{0, 0, len(samples)}}
		return samples, c
	}
	var packed []int16
	for _, k := range kept {
		c.pieces = append(c.pieces, piece{len(packed), k.From, k.To - k.From})
		packed = append(packed, samples[k.From:k.To]...)
	}
	return packed, c
}

// keep is what of n samples is heard: all but the middle of long pauses.
func keep(n int, spans []acoustic.Span) (kept []acoustic.Span) {
	at := 0 // where the last pause began
	begin := 0
	for i, s := range append(slices.Clone(spans), acoustic.Span{From: n, To: n}) {
		if s.From-at > pauseCut {
			before, after := at+pauseKept/2, s.From-pauseKept/2
			if i == 0 {
				before = 0 // nothing was said before: all of the pause goes but the end of it
			}
			if i == len(spans) {
				after = n
			}
			if before > begin {
				kept = append(kept, acoustic.Span{From: begin, To: before})
			}
			begin = after
		}
		at = max(at, s.To)
	}
	if begin < n {
		kept = append(kept, acoustic.Span{From: begin, To: n})
	}
	return kept
}

// at is the second of the recording that a second of packed samples is. A time
// at a seam is the end of the piece before it when it ends something, else the
// beginning of the piece behind.
func (c clock) at(seconds float64, ends bool) float64 {
	sample := seconds * speech.Rate
	p := c.pieces[c.piece(sample, ends)]
	inside := min(max(0, sample-float64(p.packed)), float64(p.length))
	return (float64(c.offset) + float64(p.from) + inside) / speech.Rate
}

// piece is the index of the piece that a packed sample lies in.
func (c clock) piece(sample float64, ends bool) int {
	i := len(c.pieces) - 1
	for i > 0 && (sample < float64(c.pieces[i].packed) || ends && sample == float64(c.pieces[i].packed)) {
		i--
	}
	return i
}

// original puts a segment back on the recording's clock. One that was heard
// across a pause that had been left out is taken apart there, between two
// words; without words it stays whole.
func (c clock) original(s speech.Segment) []speech.Segment {
	var parts []speech.Segment
	last := -1
	for _, w := range s.Words {
		in := c.piece((w.Start+w.End)/2*speech.Rate, false)
		w.Start, w.End = c.at(w.Start, false), c.at(w.End, true)
		w.End = max(w.Start, w.End)
		if in != last {
			part := s
			part.Start, part.Text, part.Words, part.Tokens = w.Start, "", nil, 0
			parts, last = append(parts, part), in
		}
		p := &parts[len(parts)-1]
		p.Words, p.End = append(p.Words, w), w.End
	}
	if len(parts) < 2 {
		s.Start, s.End = c.at(s.Start, false), c.at(s.End, true)
		s.End = max(s.Start, s.End)
		if len(parts) == 1 {
			s.Words = parts[0].Words
		}
		return []speech.Segment{s}
	}
	parts[0].Start, parts[len(parts)-1].End = c.at(s.Start, false), c.at(s.End, true)
	return retell(parts, s.Tokens)
}

// retell gives the parts of a segment their texts and measures by their words.
func retell(parts []speech.Segment, tokens int) []speech.Segment {
	total := 0
	for _, p := range parts {
		total += len(p.Words)
	}
	for i := range parts {
		p := &parts[i]
		var sum float64
		known := 0
		for j, w := range p.Words {
			if j > 0 {
				p.Text += " "
			}
			p.Text += w.Text
			if w.Confidence != nil {
				sum, known = sum+*w.Confidence, known+1
			}
		}
		p.Tokens = max(1, tokens*len(p.Words)/total)
		if known > 0 {
			mean := sum / float64(known)
			p.Confidence = &mean
		}
	}
	return parts
}
