// Package acoustic tells by the sound alone what is worth hearing and who
// speaks: pure functions on 16 kHz samples.
package acoustic

import (
	"math"

	"earshot/processors/transcribe/speech"
)

// Span is a stretch of a window, in samples, half open.
type Span struct{ From, To int }

// Mark is a stretch that is no speech.
type Mark struct {
	Kind     string // one of schemas' Mark constants
	From, To int    // samples of the window
}

// Turn is a stretch of a recording in which one voice speaks.
type Turn struct {
	From, To   float64 // seconds
	Speaker    int     // from 0, in order of appearance
	Confidence float64 // 0..1
}

// Frame is how many samples each probability stands for, as Silero's.
const Frame = 512

const (
	quiet   = 32.8 * 32.8            // mean square of -60 dBFS: the quietest speech that anyone understands is well above
	least   = 4                      // frames: a tenth of a second is no word
	bridge  = speech.Rate / 2        // samples: a shorter pause does not end a span
	padding = speech.Rate * 15 / 100 // samples
	alike   = 0.98                   // correlation from which two channels are one
)

// Probabilities is 1 for each Frame samples that sound, else 0. A constant
// offset, as cheap recorders add, is no sound.
func Probabilities(samples []int16) []float32 {
	p := make([]float32, (len(samples)+Frame-1)/Frame)
	for i := range p {
		if power(samples[i*Frame:min((i+1)*Frame, len(samples))]) > quiet {
			p[i] = 1
		}
	}
	return p
}

// Spans is where n samples hold speech, given its probabilities.
func Spans(probabilities []float32, n int) (spans []Span) {
	add := func(s Span, frames int) {
		if frames < least {
			return
		}
		s = Span{max(0, s.From-padding), min(n, s.To+padding)}
		if i := len(spans) - 1; i >= 0 && s.From <= spans[i].To {
			spans[i].To = s.To
			return
		}
		spans = append(spans, s)
	}
	current, frames := Span{}, 0
	for i, p := range probabilities {
		if p < 0.5 {
			continue
		}
		at := Span{i * Frame, min(n, (i+1)*Frame)}
		if frames > 0 && at.From-current.To <= bridge {
			current.To, frames = at.To, frames+1
			continue
		}
		add(current, frames)
		current, frames = at, 1
	}
	add(current, frames)
	return spans
}

// power is the variance of samples.
func power(samples []int16) float64 {
	if len(samples) == 0 {
		return 0
	}
	var sum, squares float64
	for _, s := range samples {
		v := float64(s)
		sum += v
		squares += v * v
	}
	n := float64(len(samples))
	return squares/n - sum/n*sum/n
}

// Twins says whether two channels carry the same voices, as when a mono call
// was stored as stereo: roles by channel would be invented. Loudness and
// polarity do not matter.
func Twins(a, b []int16) bool {
	var ab, aa, bb float64
	for i := range a {
		x, y := float64(a[i]), float64(b[i])
		ab += x * y
		aa += x * x
		bb += y * y
	}
	return aa > 0 && bb > 0 && math.Abs(ab) >= alike*math.Sqrt(aa*bb)
}
