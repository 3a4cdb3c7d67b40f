package acoustic

import (
	"bytes"
	"encoding/gob"
	"fmt"
	"math"
	"slices"

	"earshot/processors/transcribe/speech"
)

// Turn is a stretch of a recording in which one voice speaks.
type Turn struct {
	From, To   float64 // seconds
	Speaker    int     // from 0, in order of appearance
	Confidence float64 // 0..1
}

// Shape of what is kept of a voice.
const (
	mels      = 24
	cepstra   = 14              // c1 to c14: c0 is loudness
	features  = cepstra + 1     // and the pitch
	blockSize = speech.Rate / 4 // a vector for every quarter of a second
	reach     = 2               // blocks on either side that are averaged: phonemes pass, the voice stays
	pitchLow  = 70              // Hz
	pitchHigh = 400
	rounds    = 25   // of k-means, at most
	starts    = 8    // of it, from different seeds
	stay      = 6.0  // cost of a change of voice, in squared deviations
	pauseCost = 0.4  // part of it where there is a pause
	two       = 1.25 // distance of two voices in their own spread from which they are two; two halves of one are 1.2 apart
	more      = 2.0  // likewise for a third and fourth: they are rare on the telephone
	restless  = 0.5  // taken off the distance for changes of voice without a pause between: those are phonemes
	leastTalk = 8    // blocks: who says less is nobody
)

// Voices collects what tells the voices of one channel apart, as a recording
// is heard. Memory is 16 numbers for every quarter second of speech: ten hours
// are 10 MB.
type Voices struct {
	most   int
	blocks []block
}

type block struct {
	At     float64 // seconds, of its middle
	Pause  bool    // silence lies between this and the one before
	Vector [features]float32
}

// NewVoices tells up to most people apart.
func NewVoices(most int) *Voices { return &Voices{most: most} }

// Save returns what was collected, for Load.
func (v *Voices) Save() ([]byte, error) {
	var b bytes.Buffer
	err := gob.NewEncoder(&b).Encode(v.blocks)
	return b.Bytes(), err
}

// Load goes on from what Save gave.
func (v *Voices) Load(saved []byte) error {
	if err := gob.NewDecoder(bytes.NewReader(saved)).Decode(&v.blocks); err != nil {
		return fmt.Errorf("voices: %w", err)
	}
	return nil
}

// Add collects the voices in spans of samples, which begin at sample from of
// the recording. Windows come in order.
func (v *Voices) Add(from int64, samples []int16, spans []Span) {
	s, filters := newSpectra(), melFilters()
	for _, span := range spans {
		pause := true
		for at := span.From; at+blockSize/2 <= span.To; at += blockSize {
			vector, ok := describe(s, filters, samples[at:min(at+blockSize, span.To)])
			if !ok {
				continue
			}
			v.blocks = append(v.blocks, block{At: float64(from+int64(at)+blockSize/2) / speech.Rate, Pause: pause, Vector: vector})
			pause = false
		}
	}
}

// describe is the mean cepstrum and the pitch of the voiced part of samples.
func describe(s *spectra, filters [][]float64, samples []int16) (vector [features]float32, ok bool) {
	var sums [features]float64
	frames, voiced := 0, 0
	loudest := 0.0
	var powers [][]float64
	var totals []float64
	for at := 0; at+Frame <= len(samples); at += Frame / 2 {
		power := slices.Clone(s.of(samples[at : at+Frame]))
		total := sum(power, bin(250), bin(3600))
		powers, totals = append(powers, power), append(totals, total)
		loudest = max(loudest, total)
	}
	for i, power := range powers {
		if totals[i] < loudest/30 || decibels(totals[i]) < quiet {
			continue
		}
		frames++
		for k, c := range cepstrum(power, filters) {
			sums[k] += c
		}
	}
	if frames == 0 {
		return vector, false
	}
	for at := 0; at+2*Frame <= len(samples); at += Frame {
		if hz, is := pitch(samples[at : at+2*Frame]); is {
			sums[cepstra] += math.Log2(hz)
			voiced++
		}
	}
	for k := range cepstra {
		vector[k] = float32(sums[k] / float64(frames))
	}
	vector[cepstra] = float32(math.NaN())
	if voiced > 0 {
		vector[cepstra] = float32(sums[cepstra] / float64(voiced))
	}
	return vector, true
}

// melFilters are triangles evenly spaced on the mel scale from 250 to 3,600
// Hz: what a telephone lets through.
func melFilters() [][]float64 {
	mel := func(hz float64) float64 { return 2595 * math.Log10(1+hz/700) }
	hz := func(mel float64) float64 { return 700 * (math.Pow(10, mel/2595) - 1) }
	low, high := mel(250), mel(3600)
	filters := make([][]float64, mels)
	for m := range filters {
		edge := func(i int) float64 { return hz(low + (high-low)*float64(m+i)/(mels+1)) }
		a, b, c := edge(0), edge(1), edge(2)
		filters[m] = make([]float64, Frame/2+1)
		for k := range filters[m] {
			at := float64(k) * binHz
			filters[m][k] = max(0, min((at-a)/(b-a), (c-at)/(c-b)))
		}
		if i := bin(b); filters[m][i] == 0 {
			filters[m][i] = 1 // narrower than a bin
		}
	}
	return filters
}

// cepstrum is c1 to c14 of a power spectrum.
func cepstrum(power []float64, filters [][]float64) (c [cepstra]float64) {
	var logs [mels]float64
	for m, filter := range filters {
		e := 0.0
		for k, w := range filter {
			e += w * power[k]
		}
		logs[m] = math.Log(e + 0.1)
	}
	for k := range c {
		for m, l := range logs {
			c[k] += l * math.Cos(math.Pi*float64(k+1)*(float64(m)+0.5)/mels)
		}
		c[k] /= mels
	}
	return c
}

// pitch is the fundamental of samples by autocorrelation; not ok where there
// is none.
func pitch(samples []int16) (hz float64, ok bool) {
	x := decimate(samples)
	whole := energy(x)
	if whole < leastPower*float64(len(x)) {
		return 0, false
	}
	const first, last = coarseRate / pitchHigh, coarseRate / pitchLow
	best, at := 0.0, 0
	for l := first; l <= last && l < len(x)/2; l++ {
		var product float32
		for i := range len(x) - l {
			product += x[i] * x[i+l]
		}
		norm := math.Sqrt(energy(x[:len(x)-l]) * energy(x[l:]))
		if c := float64(product) / (norm + 1); c > best*1.05 { // of equal ones the shortest: no octave below
			best, at = c, l
		}
	}
	if best < 0.5 || at == first {
		return 0, false
	}
	return coarseRate / float64(at), true
}
