package acoustic

import (
	"slices"

	"earshot/processors/transcribe/speech"
)

// Measures of a hush between two sentences.
const (
	hushFrame = speech.Rate / 100      // 10 ms
	hushLeast = 15                     // frames: a plosive is silent for a tenth of a second
	hushDeep  = 25.0                   // decibels below the loud part of the span
	loudPart  = 0.8                    // quantile of a span's levels that is its loud part
	longest   = 28 * speech.Rate       // samples: what a recogniser hears at once, with room to spare
	shortest  = speech.Rate * 35 / 100 // samples: a shorter phrase stays with the one before
)

// Phrases takes spans apart at the hushes between sentences, for a recogniser
// that hears one sentence at a time. They touch: nothing is left out.
func Phrases(samples []int16, spans []Span) (phrases []Span) {
	for _, s := range spans {
		from := s.From
		for _, at := range hushes(samples[s.From:s.To]) {
			if at += s.From; at-from >= shortest && s.To-at >= shortest {
				phrases = append(phrases, Span{from, at})
				from = at
			}
		}
		for ; s.To-from > longest; from += longest {
			phrases = append(phrases, Span{from, from + longest})
		}
		phrases = append(phrases, Span{from, s.To})
	}
	return phrases
}

// hushes are the middles of the quiet stretches within samples.
func hushes(samples []int16) (middles []int) {
	levels := make([]float64, len(samples)/hushFrame)
	for i := range levels {
		square := 0.0
		for _, v := range samples[i*hushFrame : (i+1)*hushFrame] {
			square += float64(v) * float64(v)
		}
		levels[i] = decibels(square / hushFrame)
	}
	if len(levels) == 0 {
		return nil
	}
	sorted := slices.Sorted(slices.Values(levels))
	quiet := sorted[int(loudPart*float64(len(sorted)-1))] - hushDeep
	run := 0
	for i, l := range append(levels, 1000) {
		if l < quiet {
			run++
			continue
		}
		if run >= hushLeast && run < i {
			middles = append(middles, (i-run/2)*hushFrame)
		}
		run = 0
	}
	return middles
}
