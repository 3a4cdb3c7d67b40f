package acoustic

import (
	"math"

	"earshot/processors/transcribe/speech"
)

// Span is a stretch of a window, in samples, half open.
type Span struct{ From, To int }

// bands are those in which speech stands out on a telephone line; the hum of
// the mains lies below them.
var bands = [...]float64{250, 450, 650, 900, 1200, 1600, 2050, 2600, 3200, 3800}

const (
	quiet     = 30.3            // decibels, mean square: -60 dBFS. The quietest speech that anyone understands is well above
	silent    = 10.0            // decibels in a band, below which there is no floor to rise above: the last bits of a sample
	memory    = 10              // seconds before and behind by which the floor of noise is told
	quantile  = 0.15            // of a band's levels that are noise: even those who talk without a pause breathe between words
	standsOut = 7.0             // decibels above the floor, over all bands, at which it may as well be speech as not
	slope     = 1.5             // decibels
	begins    = 0.5             // probability with which speech begins
	goesOn    = 0.35            // and goes on
	least     = 4               // frames: a tenth of a second is no word
	bridge    = speech.Rate / 2 // samples: a shorter pause does not end a span
	padding   = speech.Rate / 5 // samples: a consonant is softer than what follows it
)

// Probabilities is the probability of speech of each Frame of samples and of
// what is left at the end, 0 to 1: by how far the frame rises above the noise
// around it (the low quantile of each band's levels, after R. Martin, "Noise
// power spectral density estimation based on optimal smoothing and minimum
// statistics", 2001). It is the detector where there is no Silero model.
func Probabilities(samples []int16) []float32 {
	levels, loud := levelsOf(samples)
	rise := make([]float64, len(loud))
	for b := range levels {
		floor := floors(levels[b])
		for i, l := range levels[b] {
			rise[i] += min(max(0, l-floor[i]), 25) / float64(len(levels))
		}
	}
	p := make([]float32, len(loud))
	for i := range p {
		if loud[i] > quiet {
			p[i] = float32(1 / (1 + math.Exp((standsOut-rise[i])/slope)))
		}
	}
	return p
}

// levelsOf are the levels of each band and of all of them, by frame.
func levelsOf(samples []int16) (levels [len(bands) - 1][]float64, loud []float64) {
	n := (len(samples) + Frame - 1) / Frame
	loud = make([]float64, n)
	for b := range levels {
		levels[b] = make([]float64, n)
	}
	s := newSpectra()
	for i := range n {
		power := s.of(samples[i*Frame : min((i+1)*Frame, len(samples))])
		total := 0.0
		for b := range levels {
			inBand := sum(power, bin(bands[b]), bin(bands[b+1]))
			levels[b][i] = decibels(inBand)
			total += inBand
		}
		loud[i] = decibels(total)
	}
	return levels, loud
}

// floors is the level of noise around each frame: a sliding quantile, kept as
// a histogram of whole decibels.
func floors(levels []float64) []float64 {
	const frames = memory * speech.Rate / Frame
	var histogram [128]int
	slot := func(l float64) int { return min(max(0, int(l)+24), len(histogram)-1) }
	out := make([]float64, len(levels))
	held := 0
	for i := range len(levels) + frames {
		if i < len(levels) {
			histogram[slot(levels[i])]++
			held++
		}
		if i > 2*frames {
			histogram[slot(levels[i-2*frames-1])]--
			held--
		}
		if i < frames {
			continue
		}
		below, want := 0, int(quantile*float64(held))
		for s, n := range histogram {
			if below += n; below > want {
				out[i-frames] = max(silent, float64(s-24)+0.5)
				break
			}
		}
	}
	return out
}

// Spans is where n samples hold speech, given its probability by Frame, of
// whatever detector: begun with certainty, gone on with less, short pauses
// bridged, sounds too short for a word left out, with a margin around.
func Spans(probabilities []float32, n int) (spans []Span) {
	current, voiced := Span{}, 0
	end := func() {
		if voiced >= least {
			spans = extend(spans, Span{max(0, current.From-padding), min(n, current.To+padding)})
		}
		voiced = 0
	}
	for i, p := range probabilities {
		from, to := i*Frame, min(n, (i+1)*Frame)
		if voiced > 0 && from-current.To > bridge {
			end()
		}
		switch {
		case voiced == 0 && p >= begins:
			current, voiced = Span{from, to}, 1
		case voiced > 0 && p >= goesOn:
			current.To, voiced = to, voiced+1
		}
	}
	end()
	return spans
}

// extend appends a span, joined to the last one where they touch.
func extend(spans []Span, s Span) []Span {
	if i := len(spans) - 1; i >= 0 && s.From <= spans[i].To {
		spans[i].To = max(spans[i].To, s.To)
		return spans
	}
	return append(spans, s)
}
