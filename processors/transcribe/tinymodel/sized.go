package tinymodel

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
)

// Size of a model, as whisper.cpp counts.
type Size struct {
	Width                   int // state of encoder and decoder; a head for each 64
	AudioLayers, TextLayers int
	MelBands                int
}

// Sizes of OpenAI's models.
var (
	Base  = Size{512, 6, 6, 80}
	Turbo = Size{1280, 32, 4, 128} // large-v3-turbo
)

// Sized models say in every thirty seconds, whatever the sound: saidSegments of
// saidWords each, as many tokens as dense speech has.
const (
	saidSegments = 5
	saidWords    = 15
)

// WriteSized writes a Whisper model that takes the time of a real one of its
// size and says always the same: for measuring speed, where weights do not
// matter but the number of tokens does. It knows English only; its weights are
// half-precision.
func WriteSized(w io.Writer, s Size) error {
	out := &sized{file: &file{w: bufio.NewWriterSize(w, 1<<20)}, Size: s, noise: make([]uint16, 1<<20)}
	random := rand.New(rand.NewPCG(1, 1))
	for i := range out.noise {
		out.noise[i] = float16(float32(random.NormFloat64() / math.Sqrt(float64(s.Width))))
	}
	heads := s.Width / 64
	out.ints(0x67676d6c, vocabEnglish, audioContext, s.Width, heads, s.AudioLayers, textContext, s.Width, heads, s.TextLayers, s.MelBands, 1)
	out.ints(s.MelBands, fftBins)
	out.floats(melFilters(s.MelBands))
	out.words()
	out.encoder()
	out.decoder(random)
	if out.err == nil {
		out.err = out.w.Flush()
	}
	if out.err != nil {
		return fmt.Errorf("write the model: %w", out.err)
	}
	return nil
}

type sized struct {
	*file
	Size
	noise []uint16
}

func (f *sized) words() {
	f.ints(1 + saidSegments*saidWords)
	f.ints(1)
	f.put([]byte(" "))
	for i := range saidSegments * saidWords {
		text := fmt.Sprintf(" word%02d", i)
		f.ints(len(text))
		f.put([]byte(text))
	}
}

// chain is the tokens that follow each other.
func chain() []int {
	tokens := []int{tokenStart, tokenTime}
	for i := range saidSegments * saidWords {
		if i > 0 && i%saidWords == 0 {
			at := tokenTime + i*30*perSecond/(saidSegments*saidWords)
			tokens = append(tokens, at, at+1)
		}
		tokens = append(tokens, 1+i)
	}
	return append(tokens, tokenTime+30*perSecond, tokenEnd)
}

// matrix writes a tensor of noise, or of zeros.
func (f *sized) matrix(name string, zero bool, dims ...int) {
	n := 1
	for _, d := range dims {
		n *= d
	}
	f.ints(len(dims), len(name), 1)
	f.ints(dims...)
	f.put([]byte(name))
	part := f.noise
	if zero {
		part = make([]uint16, len(f.noise))
	}
	for ; n > 0; n -= min(n, len(part)) {
		f.put(part[:min(n, len(part))])
	}
}

func (f *sized) zeros(name string, n int) { f.tensor(name, make([]float32, n), false, n) }

func (f *sized) norm(name string) {
	ones := make([]float32, f.Width)
	for i := range ones {
		ones[i] = 1
	}
	f.tensor(name+".weight", ones, false, f.Width)
	f.zeros(name+".bias", f.Width)
}

// block is a layer's attention, and what follows it; mute, it adds nothing.
func (f *sized) attention(name string, mute bool) {
	f.norm(name + "_ln")
	for _, part := range []string{"query", "key", "value", "out"} {
		f.matrix(name+"."+part+".weight", mute && part == "out", f.Width, f.Width)
		if part != "key" {
			f.zeros(name+"."+part+".bias", f.Width)
		}
	}
}

func (f *sized) perceptron(name string, mute bool) {
	f.norm(name + ".mlp_ln")
	f.matrix(name+".mlp.0.weight", false, f.Width, 4*f.Width)
	f.zeros(name+".mlp.0.bias", 4*f.Width)
	f.matrix(name+".mlp.2.weight", mute, 4*f.Width, f.Width)
	f.zeros(name+".mlp.2.bias", f.Width)
}

func (f *sized) encoder() {
	f.tensor("encoder.positional_embedding", make([]float32, f.Width*audioContext), false, f.Width, audioContext)
	f.matrix("encoder.conv1.weight", false, 3, f.MelBands, f.Width)
	f.tensor("encoder.conv1.bias", make([]float32, f.Width), false, 1, f.Width)
	f.matrix("encoder.conv2.weight", false, 3, f.Width, f.Width)
	f.tensor("encoder.conv2.bias", make([]float32, f.Width), false, 1, f.Width)
	f.norm("encoder.ln_post")
	for i := range f.AudioLayers {
		name := fmt.Sprintf("encoder.blocks.%d", i)
		f.attention(name+".attn", false)
		f.perceptron(name, false)
	}
}

// decoder: the first layer's perceptron is the table of what follows what, as
// in mind; all else adds nothing and takes its time.
func (f *sized) decoder(random *rand.Rand) {
	tokens := chain()
	axes := directions(random, f.Width, len(tokens))
	f.tensor("decoder.positional_embedding", make([]float32, f.Width*textContext), false, f.Width, textContext)
	table := make([]float32, f.Width*vocabEnglish)
	for i, token := range tokens {
		for j, v := range axes[i] {
			table[token*f.Width+j] = float32(embedding * v)
		}
	}
	f.tensor("decoder.token_embedding.weight", table, true, f.Width, vocabEnglish)
	f.norm("decoder.ln")
	for i := range f.TextLayers {
		name := fmt.Sprintf("decoder.blocks.%d", i)
		f.attention(name+".attn", true)
		f.attention(name+".cross_attn", true)
		if i > 0 {
			f.perceptron(name, true)
			continue
		}
		hidden := 4 * f.Width
		in, bias, out := make([]float32, hidden*f.Width), make([]float32, hidden), make([]float32, hidden*f.Width)
		for h := range len(tokens) - 1 {
			for j := range f.Width {
				in[h*f.Width+j] = float32(axes[h][j])
				out[j*hidden+h] = float32(pushing * axes[h+1][j])
			}
		}
		for h := range bias {
			bias[h] = float32(-math.Sqrt(float64(f.Width)) / 2)
		}
		f.norm(name + ".mlp_ln")
		f.tensor(name+".mlp.0.weight", in, true, f.Width, hidden)
		f.tensor(name+".mlp.0.bias", bias, false, hidden)
		f.tensor(name+".mlp.2.weight", out, true, hidden, f.Width)
		f.zeros(name+".mlp.2.bias", f.Width)
	}
}

// directions are n of length one, at right angles to each other and to (1, 1, ...).
func directions(random *rand.Rand, width, n int) [][]float64 {
	basis := [][]float64{make([]float64, width)}
	for i := range basis[0] {
		basis[0][i] = 1 / math.Sqrt(float64(width))
	}
	for len(basis) <= n {
		v := make([]float64, width)
		for i := range v {
			v[i] = random.NormFloat64()
		}
		for _, b := range basis {
			along := dot(v, b)
			for i := range v {
				v[i] -= along * b[i]
			}
		}
		length := math.Sqrt(dot(v, v))
		for i := range v {
			v[i] /= length
		}
		basis = append(basis, v)
	}
	return basis[1:]
}
