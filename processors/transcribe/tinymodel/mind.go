package tinymodel

import (
	"math"
	"math/rand/v2"
)

// Special tokens of whisper.cpp, English; a multilingual model's are one up.
// A timestamp token is 20 ms.
const (
	tokenEnd       = 50256
	tokenStart     = 50257
	tokenEnglish   = 50259 // of the multilingual vocabulary
	tokenRussian   = 50263
	tokenRecognise = 50358
	tokenTime      = 50363
	perSecond      = 50
)

// mind is the decoder's one layer as a table of what follows what. Every token
// that is ever said has a direction of its own; a hidden unit fires when its
// token was the last one and pushes towards the next. Where there is a choice,
// the unit also listens to the directions that are left for the audio.
type mind struct {
	random *rand.Rand
	known  []int             // tokens that have a direction
	axis   map[int][]float64 // the direction, of length one
	audio  [][]float64       // directions of the audio
	units  []unit
}

type unit struct {
	from, to int
	listens  bool
}

func newMind(seed uint64, multilingual bool) *mind {
	m := &mind{random: rand.New(rand.NewPCG(seed, 1)), axis: map[int][]float64{}}
	shift, begin := 0, tokenStart
	if multilingual {
		shift = 1
		m.follow([]int{tokenStart + shift}, tokenEnglish, tokenRussian)
		begin = tokenRecognise // after the language comes the task
	}
	at := func(seconds int) int { return tokenTime + shift + seconds*perSecond }
	words := func(position int) []int { // the first token is the space
		first := 1 + 4*position
		return []int{first, first + 1, first + 2, first + 3}
	}
	m.follow([]int{begin + shift}, at(0))
	last := []int{at(0)}
	for position := range 3 {
		m.follow(last, words(position)...)
		last = words(position)
	}
	m.follow(last, at(4))
	m.follow([]int{at(4)}, at(6))
	last = []int{at(6)}
	for position := 3; position < 5; position++ {
		m.follow(last, words(position)...)
		last = words(position)
	}
	m.follow(last, at(12))
	m.follow([]int{at(12)}, tokenEnd+shift)
	m.orient()
	return m
}

func (m *mind) follow(from []int, to ...int) {
	for _, f := range from {
		for _, t := range to {
			m.units = append(m.units, unit{f, t, len(to) > 1})
			for _, token := range []int{f, t} {
				if _, ok := m.axis[token]; !ok {
					m.known, m.axis[token] = append(m.known, token), nil
				}
			}
		}
	}
}

// orient gives every known token a direction at right angles to all others and
// to (1, 1, ...), which layer normalisation takes out; what is left over is
// the audio's.
func (m *mind) orient() {
	basis := directions(m.random, width, width-1)
	for i, token := range m.known {
		m.axis[token] = basis[i]
	}
	m.audio = basis[len(m.known):]
}

func dot(a, b []float64) (sum float64) {
	for i := range a {
		sum += a[i] * b[i]
	}
	return sum
}

// Strengths, and how the encoder's state is divided.
const (
	content   = width / 2
	embedding = 4
	hearing   = 0.4 // of the audio beside the last token
	seeking   = 20  // of one sound among others
	threshold = 4   // a normalised state has length 8
	listening = 2
	pushing   = 10
)

// encoder: two random convolutions that see the shape of the spectrum and not
// its level fill the first half of each frame, a random mark of its time the
// second; the layer does nothing.
func (m *mind) encoder(out *file) {
	times := normal(m.random, width*audioContext, 1)
	for i := range times {
		if i%width < content {
			times[i] = 0
		}
	}
	out.tensor("encoder.positional_embedding", times, false, width, audioContext)
	first := normal(m.random, width*melBands*3, 0.3)
	for unit := range width { // [unit][band][3]: the mean over the bands goes
		for tap := range 3 {
			mean := float32(0)
			for band := range melBands {
				mean += first[(unit*melBands+band)*3+tap] / melBands
			}
			for band := range melBands {
				first[(unit*melBands+band)*3+tap] -= mean
			}
		}
	}
	out.tensor("encoder.conv1.weight", first, true, 3, melBands, width)
	out.tensor("encoder.conv1.bias", make([]float32, width), false, 1, width)
	second := normal(m.random, width*width*3, 0.1)
	clear(second[content*width*3:])
	out.tensor("encoder.conv2.weight", second, true, 3, width, width)
	out.tensor("encoder.conv2.bias", make([]float32, width), false, 1, width)
	out.norm("encoder.ln_post")
	out.attention("encoder.blocks.0.attn", attention{})
	out.perceptron("encoder.blocks.0", nil, nil, nil)
}

func (m *mind) decoder(out *file, vocab int) {
	out.tensor("decoder.positional_embedding", make([]float32, width*textContext), false, width, textContext)
	tokens := make([]float32, width*vocab)
	for token, axis := range m.axis {
		for i, v := range axis {
			tokens[token*width+i] = float32(embedding * v)
		}
	}
	out.tensor("decoder.token_embedding.weight", tokens, true, width, vocab)
	out.norm("decoder.ln")
	out.attention("decoder.blocks.0.attn", attention{})
	out.attention("decoder.blocks.0.cross_attn", m.listen())
	in, bias, next := m.fire()
	out.perceptron("decoder.blocks.0", in, bias, next)
}

// listen finds the frame of a certain sound and carries the mark of its time
// into the audio's directions: a number that any change of the audio changes.
func (m *mind) listen() attention {
	a := attention{
		query: normal(m.random, width, seeking), key: make([]float32, width*width),
		value: normal(m.random, width*width, hearing/math.Sqrt(width)), out: make([]float32, width*width),
	}
	for i := range width {
		if i < content {
			a.key[i*width+i] = 1
		}
		for j := range content {
			a.value[i*width+j] = 0
		}
	}
	for _, axis := range m.audio {
		for i := range width {
			for j := range width {
				a.out[i*width+j] += float32(axis[i] * axis[j])
			}
		}
	}
	return a
}

// fire are the two matrices of the table and the bias between them.
func (m *mind) fire() (in, bias, out []float32) {
	const hidden = 4 * width
	in, bias, out = make([]float32, hidden*width), make([]float32, hidden), make([]float32, hidden*width)
	ears := map[int][]float64{} // by the token that is chosen
	for h, u := range m.units {
		if ears[u.to] == nil {
			ears[u.to] = make([]float64, width)
			for _, axis := range m.audio {
				loud := m.random.NormFloat64() / math.Sqrt(float64(len(m.audio)))
				for i := range axis {
					ears[u.to][i] += loud * axis[i]
				}
			}
		}
		for i := range width {
			in[h*width+i] = float32(m.axis[u.from][i])
			if u.listens {
				in[h*width+i] += float32(listening * ears[u.to][i])
			}
			out[i*hidden+h] = float32(pushing * m.axis[u.to][i])
		}
	}
	for h := range bias {
		bias[h] = -threshold
	}
	return in, bias, out
}

func (f *file) norm(name string) {
	ones := make([]float32, width)
	for i := range ones {
		ones[i] = 1
	}
	f.tensor(name+".weight", ones, false, width)
	f.tensor(name+".bias", make([]float32, width), false, width)
}

// attention are the weights of an attention block: the same query for all, and
// three matrices. Nil is zero: what sees nothing and says nothing.
type attention struct{ query, key, value, out []float32 }

func (f *file) attention(name string, a attention) {
	none, zero := make([]float32, width*width), make([]float32, width)
	if a.query == nil {
		a = attention{zero, none, none, none}
	}
	f.norm(name + "_ln")
	f.tensor(name+".query.weight", none, true, width, width)
	f.tensor(name+".query.bias", a.query, false, width)
	f.tensor(name+".key.weight", a.key, true, width, width)
	f.tensor(name+".value.weight", a.value, true, width, width)
	f.tensor(name+".value.bias", zero, false, width)
	f.tensor(name+".out.weight", a.out, true, width, width)
	f.tensor(name+".out.bias", zero, false, width)
}

func (f *file) perceptron(block string, in, bias, out []float32) {
	const hidden = 4 * width
	if in == nil {
		in, bias, out = make([]float32, hidden*width), make([]float32, hidden), make([]float32, hidden*width)
	}
	f.norm(block + ".mlp_ln")
	f.tensor(block+".mlp.0.weight", in, true, width, hidden)
	f.tensor(block+".mlp.0.bias", bias, false, hidden)
	f.tensor(block+".mlp.2.weight", out, true, hidden, width)
	f.tensor(block+".mlp.2.bias", make([]float32, width), false, width)
}
