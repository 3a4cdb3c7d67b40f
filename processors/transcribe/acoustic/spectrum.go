package acoustic

import (
	"math"

	"gonum.org/v1/gonum/dsp/fourier"

	"earshot/processors/transcribe/speech"
)

// Frame is how many samples each probability stands for, 32 ms, as Silero has it.
const Frame = 512

// binHz is the width of a bin of a Frame's spectrum.
const binHz = float64(speech.Rate) / Frame

// spectra computes power spectra of frames. It is for one goroutine.
type spectra struct {
	fft    *fourier.FFT
	window [Frame]float64
	in     [Frame]float64
	out    []complex128
	power  [Frame/2 + 1]float64
}

func newSpectra() *spectra {
	s := &spectra{fft: fourier.NewFFT(Frame), out: make([]complex128, Frame/2+1)}
	for i := range s.window {
		s.window[i] = 0.5 - 0.5*math.Cos(2*math.Pi*(float64(i)+0.5)/Frame)
	}
	return s
}

// of is the power of each bin of one frame, in units of the samples' mean
// square: a full-scale sine is 2^29 or so. A frame that is cut short ends in
// silence; a constant offset is taken out. The result is overwritten by the
// next call.
func (s *spectra) of(samples []int16) []float64 {
	mean := 0.0
	for _, v := range samples {
		mean += float64(v)
	}
	mean /= float64(max(1, len(samples)))
	for i := range s.in {
		s.in[i] = 0
		if i < len(samples) {
			s.in[i] = (float64(samples[i]) - mean) * s.window[i]
		}
	}
	s.fft.Coefficients(s.out, s.in[:])
	for i, c := range s.out {
		s.power[i] = (real(c)*real(c) + imag(c)*imag(c)) * 16 / 3 / (Frame * Frame) // the window takes 3/8 of the power; both halves
	}
	return s.power[:]
}

// bin is the bin that a frequency lies in.
func bin(hz float64) int { return int(hz/binHz + 0.5) }

// sum is the power from bin a up to and without b.
func sum(power []float64, a, b int) (total float64) {
	for _, p := range power[a:b] {
		total += p
	}
	return total
}

// decibels of a power; nothing is -20.
func decibels(power float64) float64 { return 10 * math.Log10(power+0.01) }
