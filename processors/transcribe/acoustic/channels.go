package acoustic

import (
	"math"
	"slices"
	"sort"

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
	echoNear   = coarseRate / 500    // by how much the lag may differ from block to block
	echoBelow  = 4.0                 // the voice that is heard through is weaker by this, in power: 6 dB
	echoAlike  = 0.15                // mean correlation of blocks from which one channel is heard through on the other at all
	echoStands = 5.0                 // times that it exceeds what other lags have by chance
	echoClear  = 0.2                 // correlation below which a block is no copy, whatever the path: chance gives 0.1
	echoShare  = 0.75                // part of a clear copy's correlation from which a block is nobody's own voice: that would be 1 dB below
	echoSurvey = 32                  // blocks by which the lag is found
	echoLeast  = 8                   // blocks that are copies: two seconds
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

// product is the scalar product of two stretches of the same length.
func product(x, y []float32) (sum float32) {
	y = y[:len(x)]
	for i, v := range x {
		sum += v * y[i]
	}
	return sum
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
		part := y[first:last]
		if ey := energy(part); ex > 0 && ey > 0 {
			if c := math.Abs(float64(product(x, part))) / math.Sqrt(ex*ey); c > likeness {
				best, likeness = l, c
			}
		}
	}
	return best, likeness
}

// Bleed parts the spans of each channel into those of its own voice and those
// in which another channel's voice is heard through: a weaker, later copy, as
// headsets and hybrids let through. Where both speak at once the channel's own
// voice is as strong, and its span is kept; a soft voice that is no copy is kept too.
func Bleed(channels [][]int16, spans [][]Span) (kept, bleed [][]Span) {
	flat := make([][]float32, len(channels))
	for c := range channels {
		flat[c] = decimate(channels[c])
		whiten(flat[c])
	}
	kept, bleed = make([][]Span, len(channels)), make([][]Span, len(channels))
	for c := range channels {
		through := make([]bool, len(flat[c])/echoBlock+1)
		for other := range channels {
			if other != c && len(spans[c]) > 0 {
				heardThrough(flat[c], flat[other], spans[c], through)
			}
		}
		kept[c], bleed[c] = part(spans[c], through)
	}
	return kept, bleed
}

// whiten takes the tilt off a voice: the hum of the mains, and the pitch by
// which two voices are alike for a while.
func whiten(x []float32) {
	for range 2 {
		last := float32(0)
		for i, v := range x {
			x[i], last = v-0.95*last, v
		}
	}
}

// heardThrough marks the blocks of own that are a copy of other.
func heardThrough(own, other []float32, spans []Span, through []bool) {
	var weak []int
	for b := range through {
		if within(spans, b) && weaker(own, other, b, echoLag/2) {
			weak = append(weak, b)
		}
	}
	late, clear, ok := path(own, other, weak)
	if !ok {
		return
	}
	var gains []float64
	for _, b := range weak {
		l, likeness := lag(own[b*echoBlock:(b+1)*echoBlock], other, b*echoBlock, late-echoNear, late+echoNear)
		if likeness >= max(echoClear, echoShare*clear) {
			through[b] = true
			gains = append(gains, blockPower(own, b, 0)/(blockPower(other, b, l)+1e-9))
		}
	}
	if len(gains) == 0 {
		return
	}
	slices.Sort(gains)
	remains(own, other, spans, through, late, gains[len(gains)/2])
}

// path finds by how much other comes late on own, and how alike a block is that
// holds nothing else; not ok where other is not heard through. The lag is the
// same for the whole call, so a few blocks tell it: their correlations add up
// there, with their signs, and nowhere else.
func path(own, other []float32, weak []int) (late int, clear float64, ok bool) {
	sums := make([]float64, echoLag+echoNear+1)
	n := 0.0
	for i := 0; i < len(weak); i += max(1, len(weak)/echoSurvey) {
		at := weak[i] * echoBlock
		if at < echoLag || at+echoBlock+echoNear > len(other) {
			continue
		}
		x := own[at : at+echoBlock]
		ex := energy(x)
		for l := range sums { // from -echoLag on
			y := other[at-echoLag+l : at-echoLag+l+echoBlock]
			sums[l] += float64(product(x, y)) / math.Sqrt(ex*energy(y)+1)
		}
		n++
	}
	if n == 0 {
		return 0, 0, false
	}
	squares, best := 0.0, 0
	for l, v := range sums {
		squares += v * v
		if math.Abs(v) > math.Abs(sums[best]) {
			best = l
		}
	}
	if chance := math.Sqrt(squares / float64(len(sums))); math.Abs(sums[best]) < max(echoAlike*n, echoStands*chance) {
		return 0, 0, false
	}
	late = best - echoLag
	alike := make([]float64, len(weak))
	for i, b := range weak {
		_, alike[i] = lag(own[b*echoBlock:(b+1)*echoBlock], other, b*echoBlock, late-echoNear, late+echoNear)
	}
	slices.Sort(alike)
	copies := len(alike) - sort.SearchFloat64s(alike, echoClear)
	return late, alike[len(alike)*4/5], copies >= echoLeast // fewer are clicks on both lines
}

// remains marks what is left between and behind blocks that are heard through
// and is no louder than what comes through: pauses, reverberation.
func remains(own, other []float32, spans []Span, through []bool, late int, gain float64) {
	for round := range 2 {
		for i := 1; i+1 < len(through); i++ {
			b := i
			if round == 1 {
				b = len(through) - 1 - i
			}
			if through[b] || !through[b-1] && !through[b+1] || !within(spans, b) || (b+1)*echoBlock > len(own) {
				continue
			}
			if expected := gain * (blockPower(other, b, late) + blockPower(other, b, late-echoBlock)/8); blockPower(own, b, 0) < max(2*expected, leastPower/16*echoBlock) {
				through[b] = true
			}
		}
	}
}

// blockPower is the energy of block b of x, late samples later.
func blockPower(x []float32, b, late int) float64 {
	from, to := b*echoBlock+late, (b+1)*echoBlock+late
	return energy(x[min(max(0, from), len(x)):min(max(0, to), len(x))])
}

// weaker says whether block b of own is no silence and other's voice within
// some samples before is stronger.
func weaker(own, other []float32, b, before int) bool {
	from, to := b*echoBlock, (b+1)*echoBlock
	if to > len(own) || to > len(other) {
		return false
	}
	mine, theirs := energy(own[from:to]), energy(other[max(0, from-before):to])
	return mine > leastPower/16*echoBlock && theirs > echoBelow*mine
}

// within says whether block b lies in a span.
func within(spans []Span, b int) bool {
	from, to := b*echoBlock*coarse, (b+1)*echoBlock*coarse
	i, _ := slices.BinarySearchFunc(spans, from, func(s Span, at int) int { return s.To - at - 1 })
	return i < len(spans) && spans[i].From < to
}

// part splits spans by what is heard through. A block alone is chance.
func part(spans []Span, through []bool) (kept, bleed []Span) {
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
