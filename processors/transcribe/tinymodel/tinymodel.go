// Package tinymodel writes a Whisper model for tests: seven megabytes, whole
// in every tensor, understood by any whisper.cpp, and deaf. It says words of a
// list of twenty, picked by the sound of the audio, so that the same audio
// always gives the same text, other audio gives other text, and thirty seconds
// take a few hundredths of a second. It is no recogniser.
//
// For every thirty seconds it says the same two sentences' worth of time:
//
//	[0.00 - 4.00] three words   [6.00 - 12.00] two words
package tinymodel

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
)

// Vocabulary sizes by which whisper.cpp tells the two kinds of model apart.
const (
	vocabEnglish      = 51864
	vocabMultilingual = 51865
)

// Shape of the model. audioContext and melBands are the ones that whisper.cpp
// assumes; the rest is as small as it takes.
const (
	width        = 64 // state of encoder and decoder, one head
	audioContext = 1500
	textContext  = 448
	melBands     = 80
	fftBins      = 201 // of 400 samples at 16 kHz
)

// Words are what the model can say, by the position in an utterance; which of
// the four it is depends on the audio.
var Words = [5][4]string{
	{" hello", " thanks", " sorry", " please"},
	{" order", " invoice", " parcel", " contract"},
	{" today", " yesterday", " tomorrow", " monday"},
	{" refund", " delivery", " payment", " cancel"},
	{" now", " again", " later", " soon"},
}

// Write writes a model to w. The same seed gives the same bytes; another seed
// another choice of words. A multilingual model also picks between English and
// Russian by the sound.
func Write(w io.Writer, seed uint64, multilingual bool) error {
	out := &file{w: bufio.NewWriterSize(w, 1<<20)}
	vocab := vocabEnglish
	if multilingual {
		vocab = vocabMultilingual
	}
	out.ints(0x67676d6c, vocab, audioContext, width, 1, 1, textContext, width, 1, 1, melBands, 1 /* half-precision weights */)
	out.ints(melBands, fftBins)
	out.floats(melFilters(melBands))
	out.vocabulary()
	m := newMind(seed, multilingual)
	m.encoder(out)
	m.decoder(out, vocab)
	if out.err == nil {
		out.err = out.w.Flush()
	}
	if out.err != nil {
		return fmt.Errorf("write the test model: %w", out.err)
	}
	return nil
}

// file writes the parts of a ggml file and keeps the first error.
type file struct {
	w   *bufio.Writer
	err error
}

func (f *file) put(v any) {
	if f.err == nil {
		f.err = binary.Write(f.w, binary.LittleEndian, v)
	}
}

func (f *file) ints(values ...int) {
	for _, v := range values {
		f.put(int32(v))
	}
}

func (f *file) floats(v []float32) { f.put(v) }

// vocabulary writes the few tokens that have a text. whisper.cpp names the
// rest itself, and it crashes on a vocabulary without a single space.
func (f *file) vocabulary() {
	tokens := []string{" "}
	for _, group := range Words {
		tokens = append(tokens, group[:]...)
	}
	f.ints(len(tokens))
	for _, t := range tokens {
		f.ints(len(t))
		f.put([]byte(t))
	}
}

// tensor writes one tensor; dims are in ggml's order, the fastest first. Half
// precision is what whisper.cpp expects of matrices, single of the rest.
func (f *file) tensor(name string, data []float32, half bool, dims ...int) {
	kind := 0
	if half {
		kind = 1
	}
	f.ints(len(dims), len(name), kind)
	f.ints(dims...)
	f.put([]byte(name))
	if !half {
		f.put(data)
		return
	}
	short := make([]uint16, len(data))
	for i, v := range data {
		short[i] = float16(v)
	}
	f.put(short)
}

// float16 rounds towards zero; what is too small becomes zero. No weight here
// is too large.
func float16(v float32) uint16 {
	b := math.Float32bits(v)
	sign, exponent := uint16(b>>16)&0x8000, int(b>>23&0xff)-127+15
	if exponent <= 0 {
		return sign
	}
	return sign | uint16(exponent)<<10 | uint16(b>>13&0x3ff)
}

// melFilters are triangles evenly spaced on the mel scale from 0 to 8 kHz,
// each of area one.
func melFilters(bands int) []float32 {
	mel := func(hz float64) float64 { return 2595 * math.Log10(1+hz/700) }
	hz := func(mel float64) float64 { return 700 * (math.Pow(10, mel/2595) - 1) }
	filters := make([]float32, bands*fftBins)
	for band := range bands {
		edge := func(i int) float64 { return hz(mel(8000) * float64(band+i) / float64(bands+1)) }
		low, mid, high := edge(0), edge(1), edge(2)
		for bin := range fftBins {
			at := float64(bin) * 40
			rise, fall := (at-low)/(mid-low), (high-at)/(high-mid)
			filters[band*fftBins+bin] = float32(max(0, min(rise, fall)) * 2 / (high - low))
		}
	}
	return filters
}

// normal returns n numbers of the normal distribution times scale.
func normal(r *rand.Rand, n int, scale float64) []float32 {
	v := make([]float32, n)
	for i := range v {
		v[i] = float32(r.NormFloat64() * scale)
	}
	return v
}
