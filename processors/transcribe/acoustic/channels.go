package acoustic

import (
	"math"

	"earshot/processors/transcribe/speech"
)

// Channels are compared at a quarter of the rate, where speech has its energy.
const (
	coarse     = 4
	coarseRate = speech.Rate / coarse
	twinLag    = coarseRate / 20     // 50 ms
	twinSample = 60 * coarseRate     // samples that are compared, at most
	alike      = 0.9                 // correlation from which two channels are one
	echoLag    = coarseRate * 3 / 10 // 300 ms
	echoBlock  = coarseRate / 4      // a quarter of a second is judged at a time
	echoNear   = coarseRate / 100    // by how much the lag may differ from block to block
	echoBelow  = 2.0                 // the voice that is heard through is weaker by this, in amplitude: 6 dB
	echoAlike  = 0.6                 // correlation from which a block is the other channel's voice
	echoSurvey = 24                  // blocks by which the lag is found
	leastPower = 30                  // mean square below which a block is silence
)

// Twins says whether two channels carry the same voices, as when a mono call
// was stored as stereo: roles by channel would be invented. Loudness, polarity,
// coding and a delay of up to 50 ms do not matter.
func Twins(a, b []int16) bool {
	x, y := decimate(a), decimate(b)
	n := min(len(x), len(y))
	if n <= 2*twinLag {
		return false
	}
	// From the loudest stretch: the beginning may be silence. The margin leaves
	// room for the delay.
	inner := x[twinLag : n-twinLag]
	from := twinLag + loudest(inner, min(len(inner), twinSample))
	to := min(n-twinLag, from+twinSample)
	_, best := lag(x[from:to], y, from, -twinLag, twinLag)
	return best >= alike
}

// loudest is where the loudest n samples begin, roughly.
func loudest(x []float32, n int) (from int) {
	step, best, most := max(1, n/4), 0, -1.0
	for at := 0; at+n <= len(x); at += step {
		if e := energy(x[at : at+n]); e > most {
			best, most = at, e
		}
	}
	return best
}

// decimate is every fourth sample, of the mean around it.
func decimate(samples []int16) []float32 {
	out := make([]float32, len(samples)/coarse)
	mean := 0.0
	for i := range out {
		for _, s := range samples[i*coarse : (i+1)*coarse] {
			out[i] += float32(s) / coarse
		}
		mean += float64(out[i])
	}
	mean /= float64(max(1, len(out)))
	for i := range out {
		out[i] -= float32(mean)
	}
	return out
}

func energy(x []float32) (e float64) {
	for _, v := range x {
		e += float64(v) * float64(v)
	}
	return e
}

// lag is by how much y follows x, which begins at sample at of y's clock, and
// how much alike they are then, 0 to 1. Lags outside y are left out.
func lag(x, y []float32, at, from, to int) (best int, likeness float64) {
	ex := energy(x)
	for l := from; l <= to; l++ {
		first, last := at+l, at+l+len(x)
		if first < 0 || last > len(y) {
			continue
		}
		var product float32
		part := y[first:last]
		for i, v := range x {
			product += v * part[i]
		}
		if ey := energy(part); ex > 0 && ey > 0 {
			if c := math.Abs(float64(product)) / math.Sqrt(ex*ey); c > likeness {
				best, likeness = l, c
			}
		}
	}
	return best, likeness
}

// Bleed parts the spans of each channel into those of its own voice and those
// in which another channel's voice is heard through: a weaker, later copy, as
// headsets and hybrids let through. Where both speak at once the channel's own
// voice is as strong, and its span is kept.
func Bleed(channels [][]int16, spans [][]Span) (kept, bleed [][]Span) {
	small := make([][]float32, len(channels))
	for c := range channels {
		small[c] = decimate(channels[c])
	}
	kept, bleed = make([][]Span, len(channels)), make([][]Span, len(channels))
	for c := range channels {
		through := make([]bool, len(small[c])/echoBlock+1)
		for other := range channels {
			if other != c {
				heardThrough(small[c], small[other], spans[c], through)
			}
		}
		kept[c], bleed[c] = part(spans[c], through)
	}
	return kept, bleed
}

// heardThrough marks the blocks of own that are a copy of other. The lag is
// the same for the whole call, so it is found by a few blocks.
func heardThrough(own, other []float32, spans []Span, through []bool) {
	var blocks []int
	for b := range through {
		if weaker(own, other, b) && within(spans, b) {
			blocks = append(blocks, b)
		}
	}
	votes := map[int]int{}
	for i := 0; i < len(blocks); i += max(1, len(blocks)/echoSurvey) {
		b := blocks[i]
		if l, likeness := lag(own[b*echoBlock:(b+1)*echoBlock], other, b*echoBlock, -echoLag, echoNear); likeness >= echoAlike {
			votes[l/echoNear]++
		}
	}
	common, most := 0, 0
	for l, n := range votes {
		if n > most {
			common, most = l*echoNear, n
		}
	}
	if most < 2 {
		return
	}
	for _, b := range blocks {
		_, likeness := lag(own[b*echoBlock:(b+1)*echoBlock], other, b*echoBlock, common-2*echoNear, common+2*echoNear)
		through[b] = through[b] || likeness >= echoAlike
	}
}

// weaker says whether block b of own is no silence and the loudest of other's
// voice within the lag is stronger.
func weaker(own, other []float32, b int) bool {
	from, to := b*echoBlock, (b+1)*echoBlock
	if to > len(own) || to > len(other) {
		return false
	}
	mine, theirs := energy(own[from:to]), energy(other[max(0, from-echoLag/2):to])
	return mine > leastPower*echoBlock && math.Sqrt(theirs) > echoBelow*math.Sqrt(mine)
}

// within says whether block b lies in a span.
func within(spans []Span, b int) bool {
	from, to := b*echoBlock*coarse, (b+1)*echoBlock*coarse
	for _, s := range spans {
		if s.From < to && from < s.To {
			return true
		}
	}
	return false
}

// part splits spans by what is heard through. A block alone is chance, and so
// is one of its own between two that are not.
func part(spans []Span, through []bool) (kept, bleed []Span) {
	for b := 1; b+1 < len(through); b++ {
		if through[b-1] && through[b+1] {
			through[b] = true
		}
	}
	const size = echoBlock * coarse
	for _, s := range spans {
		for at := s.From; at < s.To; {
			to := min(s.To, (at/size+1)*size)
			if b := at / size; b < len(through) && through[b] && (b > 0 && through[b-1] || b+1 < len(through) && through[b+1]) {
				bleed = extend(bleed, Span{at, to})
			} else {
				kept = extend(kept, Span{at, to})
			}
			at = to
		}
	}
	return kept, bleed
}
