package acoustic

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"

	"earshot/processors/transcribe/speech"
)

const rate = speech.Rate

var sentences = []string{
	"Good morning, thank you for calling, how can I help you today?",
	"My parcel has not arrived and I have been waiting for two weeks.",
	"Could you give me your order number, please?",
	"It is four seven one nine.",
	"One moment, I will check that for you.",
	"I really need it before Friday, it is a birthday present for my daughter.",
	"I see that it left the warehouse on Monday.",
	"So where is it now?",
	"I am very sorry for the delay, the courier will deliver it tomorrow before noon.",
	"All right. Will he call me before he comes?",
	"Yes, he will ring you half an hour before.",
	"Thank you, that is fine, goodbye.",
}

// voiced are sentences said by espeak-ng, at 16 kHz, by voice and text.
var voiced sync.Map

func say(t testing.TB, voice, text string) []int16 {
	t.Helper()
	if v, ok := voiced.Load(voice + text); ok {
		return v.([]int16)
	}
	espeak := exec.Command("espeak-ng", "-v", voice, "-s", "165", "--stdout", "--", text)
	ffmpeg := exec.Command("ffmpeg", "-nostdin", "-v", "error", "-i", "pipe:0", "-ar", "16000", "-f", "s16le", "pipe:1")
	var err error
	var out, failed bytes.Buffer
	if ffmpeg.Stdin, err = espeak.StdoutPipe(); err != nil {
		t.Fatal(err)
	}
	ffmpeg.Stdout, ffmpeg.Stderr = &out, &failed
	if err := espeak.Start(); err != nil {
		t.Fatal(err)
	}
	if err := ffmpeg.Run(); err != nil {
		t.Fatalf("ffmpeg: %v %s", err, failed.String())
	}
	if err := espeak.Wait(); err != nil {
		t.Fatal(err)
	}
	samples := make([]int16, out.Len()/2)
	if err := binary.Read(&out, binary.LittleEndian, samples); err != nil {
		t.Fatal(err)
	}
	voiced.Store(voice+text, samples)
	return samples
}

// telephone is the band of a telephone line: two second-order filters.
func telephone(samples []int16) []int16 {
	x := make([]float64, len(samples))
	for i, s := range samples {
		x[i] = float64(s)
	}
	for range 2 {
		x = biquad(x, 300, true)
		x = biquad(x, 3400, false)
	}
	out := make([]int16, len(x))
	for i, v := range x {
		out[i] = int16(min(max(v, -32768), 32767))
	}
	return out
}

func biquad(x []float64, hz float64, high bool) []float64 {
	w := 2 * math.Pi * hz / rate
	alpha, cos := math.Sin(w)/math.Sqrt2, math.Cos(w)
	b1, edge := 1-cos, (1-cos)/2
	if high {
		b1, edge = -(1 + cos), (1+cos)/2
	}
	y := make([]float64, len(x))
	var x1, x2, y1, y2 float64
	for i, v := range x {
		y[i] = (edge*v + b1*x1 + edge*x2 + 2*cos*y1 - (1-alpha)*y2) / (1 + alpha)
		x1, x2, y1, y2 = v, x1, y[i], y1
	}
	return y
}

func scale(samples []int16, decibels float64) []int16 {
	out := make([]int16, len(samples))
	for i, s := range samples {
		out[i] = int16(min(max(float64(s)*math.Pow(10, decibels/20), -32768), 32767))
	}
	return out
}

// at lays sound over line, beginning at a second.
func at(line []int16, second float64, sound []int16) {
	from := int(second * rate)
	for i, s := range sound {
		if from+i < len(line) {
			line[from+i] = int16(min(max(int(line[from+i])+int(s), -32768), 32767))
		}
	}
}

func noise(n int, rms float64, seed uint64) []int16 {
	r := rand.New(rand.NewPCG(seed, 1))
	out := make([]int16, n)
	for i := range out {
		out[i] = int16(r.NormFloat64() * rms)
	}
	return out
}

func rms(samples []int16) float64 {
	sum := 0.0
	for _, s := range samples {
		sum += float64(s) * float64(s)
	}
	return math.Sqrt(sum / float64(max(1, len(samples))))
}

func sine(n int, rms float64, hertz ...float64) []int16 {
	out := make([]int16, n)
	for i := range out {
		v := 0.0
		for _, hz := range hertz {
			v += math.Sin(2 * math.Pi * hz * float64(i) / rate)
		}
		out[i] = int16(v * rms * math.Sqrt2 / math.Sqrt(float64(len(hertz))))
	}
	return out
}

// truth is where the voice is, by frame: 20 dB below the loudest frame and above.
func truth(clean []int16) []bool {
	frames := make([]bool, (len(clean)+Frame-1)/Frame)
	loudest := 0.0
	level := func(i int) float64 { return rms(clean[i*Frame : min((i+1)*Frame, len(clean))]) }
	for i := range frames {
		loudest = max(loudest, level(i))
	}
	for i := range frames {
		frames[i] = level(i) > loudest/20
	}
	return frames
}

func covered(spans []Span, frame int) bool {
	return slices.ContainsFunc(spans, func(s Span) bool { return s.From <= frame*Frame+Frame/2 && frame*Frame+Frame/2 < s.To })
}

// call is half a minute of sentences with pauses of one and a half seconds.
func call(t testing.TB, voice string) []int16 {
	line := make([]int16, 40*rate)
	second := 1.5
	for _, s := range sentences[:7] {
		sound := say(t, voice, s)
		if second+float64(len(sound))/rate > 38 {
			break
		}
		at(line, second, sound)
		second += float64(len(sound))/rate + 1.5
	}
	return line
}

func TestSpeechIsFound(t *testing.T) {
	tests := []struct {
		name      string
		change    func(clean []int16) []int16
		recall    float64
		precision float64 // of what is said to be speech, margins counted as wrong
	}{
		{"clean", func(c []int16) []int16 { return c }, 0.99, 0.6},
		{"on a telephone", telephone, 0.98, 0.6},
		{"quiet, -45 dBFS", func(c []int16) []int16 { return scale(c, -45-20*math.Log10(rms(c)/32768)) }, 0.98, 0.6},
		{"with an offset", func(c []int16) []int16 { o := slices.Repeat([]int16{1500}, len(c)); at(o, 0, c); return o }, 0.99, 0.6},
		{"clipped", func(c []int16) []int16 { return scale(c, 20) }, 0.99, 0.6},
		{"over the hum of the mains", func(c []int16) []int16 { o := sine(len(c), 1000, 50, 100, 150); at(o, 0, c); return o }, 0.98, 0.6},
		{"in noise, 20 dB", func(c []int16) []int16 { o := noise(len(c), rms(c)/10, 1); at(o, 0, c); return o }, 0.95, 0.6},
		{"in noise, 10 dB", func(c []int16) []int16 { o := noise(len(c), rms(c)/3.16, 2); at(o, 0, c); return o }, 0.90, 0.6},
		{"in noise, 5 dB", func(c []int16) []int16 { o := noise(len(c), rms(c)/1.78, 3); at(o, 0, c); return o }, 0.80, 0.6},
	}
	for _, tt := range tests {
		for _, voice := range []string{"en-us+f3", "en-gb-x-rp+m3"} {
			clean := call(t, voice)
			want, spans := truth(clean), Spans(Probabilities(tt.change(clean)), len(clean))
			var hit, missed, wrong float64
			for i, is := range want {
				switch found := covered(spans, i); {
				case is && found:
					hit++
				case is:
					missed++
				case found:
					wrong++
				}
			}
			recall, precision := hit/(hit+missed), hit/(hit+wrong)
			t.Logf("%-28s %-10s recall %.3f precision %.3f", tt.name, voice, recall, precision)
			if recall < tt.recall || precision < tt.precision {
				t.Errorf("%s, %s: recall %.3f, precision %.3f; want %.2f and %.2f", tt.name, voice, recall, precision, tt.recall, tt.precision)
			}
		}
	}
}

func TestNothingIsFoundWhereNobodySpeaks(t *testing.T) {
	click := make([]int16, 10*rate)
	at(click, 4, noise(rate/20, 8000, 1))
	for name, samples := range map[string][]int16{
		"digital silence": make([]int16, 10*rate), "the last bit": noise(10*rate, 0.7, 1), "comfort noise": noise(10*rate, 30, 2), "loud noise": noise(10*rate, 3000, 3),
		"hum": sine(10*rate, 2000, 50, 150), "a click": click, "nothing at all": nil,
	} {
		if spans := Spans(Probabilities(samples), len(samples)); len(spans) > 0 {
			t.Errorf("%s: %v", name, spans)
		}
	}
}

func TestTwins(t *testing.T) {
	a, b := call(t, "en-us+f3"), call(t, "en-gb-x-rp+m3")
	shifted := append(make([]int16, rate/30), a...)[:len(a)]
	for _, tt := range []struct {
		name string
		x, y []int16
		want bool
	}{
		{"the same", a, a, true}, {"softer", a, scale(a, -9), true}, {"turned over", a, func() []int16 {
			n := slices.Clone(a)
			for i := range n {
				n[i] = -n[i]
			}
			return n
		}(), true},
		{"33 ms later", a, shifted, true}, {"with noise", a, func() []int16 { n := noise(len(a), rms(a)/8, 1); at(n, 0, a); return n }(), true},
		{"two voices saying the same", a, b, false}, {"silence", a, make([]int16, len(a)), false}, {"a mix", a, func() []int16 { n := slices.Clone(b); at(n, 0, scale(a, -10)); return n }(), false},
	} {
		if got := Twins(tt.x, tt.y); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
}

// The operator's voice comes through on the customer's channel; what the
// customer says himself, also at the same time, stays.
func TestBleed(t *testing.T) {
	operator, customer := make([]int16, 40*rate), make([]int16, 40*rate)
	at(operator, 1, say(t, "en-us+f3", sentences[0]))
	at(customer, 6, say(t, "en-gb-x-rp+m3", sentences[1]))
	at(operator, 12, say(t, "en-us+f3", sentences[8]))
	at(customer, 14, say(t, "en-gb-x-rp+m3", sentences[5])) // over it
	at(operator, 22, say(t, "en-us+f3", sentences[10]))
	own := slices.Clone(customer)
	at(customer, 0.12, scale(operator, -16)) // 120 ms later
	at(customer, 0, noise(len(customer), 15, 1))
	channels := [][]int16{operator, customer}
	spans := [][]Span{Spans(Probabilities(operator), len(operator)), Spans(Probabilities(customer), len(customer))}
	kept, bled := Bleed(channels, spans)
	if len(bled[0]) > 0 || len(kept[0]) != len(spans[0]) {
		t.Errorf("the operator's channel lost %v", bled[0])
	}
	var lost, said, through, left float64
	voice := truth(own)
	echo := truth(append(make([]int16, rate*12/100), operator...)[:len(operator)])
	for i := range voice {
		switch {
		case voice[i]:
			said++
			if !covered(kept[1], i) {
				lost++
			}
		case echo[i]:
			through++
			if covered(kept[1], i) {
				left++
			}
		}
	}
	t.Logf("of the customer's own voice %.1f%% lost, of the operator's %.1f%% left", 100*lost/said, 100*left/through)
	if lost/said > 0.03 || left/through > 0.25 {
		t.Errorf("of the customer's own voice %.1f%% lost, of the operator's %.1f%% left", 100*lost/said, 100*left/through)
	}
}

// melody is a simple tune of chords with overtones.
func melody(seconds int) []int16 {
	out := make([]int16, seconds*rate)
	notes := []float64{262, 330, 392, 523, 440, 349, 294, 392}
	for i := range out {
		at := float64(i) / rate
		beat := int(at * 2)
		within := at*2 - float64(beat)
		root := notes[beat%len(notes)]
		v := 0.0
		for k, hz := range []float64{root, root * 1.26, root * 1.5, root * 2, root * 3} {
			v += math.Sin(2*math.Pi*hz*at) / float64(k+1)
		}
		out[i] = int16(2500 * v * (0.5 + 0.5*math.Exp(-2*within)))
	}
	return out
}

func TestMarks(t *testing.T) {
	line := make([]int16, 60*rate)
	at(line, 2, sine(2*rate, 2000, 440, 480)) // ringing
	at(line, 6, say(t, "en-us+f3", sentences[0]))
	at(line, 20, melody(20))
	at(line, 45, say(t, "en-gb-x-rp+m3", sentences[1]))
	at(line, 55, sine(rate/2, 2000, 1400)) // a beep
	var got []string
	for _, m := range Marks(line) {
		got = append(got, fmt.Sprintf("%s %.0f-%.0f", m.Kind, float64(m.From)/rate, math.Floor(float64(m.To)/rate+0.4)))
	}
	if want := "tone 2-4 music 20-40 tone 55-55"; strings.Join(got, " ") != want {
		t.Errorf("got %v, want %s", got, want)
	}
}

func TestAVoiceIsNoMusic(t *testing.T) {
	for _, voice := range []string{"en-us", "en-us+f1", "en-us+f5", "en-gb-x-rp+m3", "en-gb-scotland+f4", "ru+m3"} {
		for name, samples := range map[string][]int16{"clean": call(t, voice), "on a telephone": telephone(call(t, voice))} {
			if marks := Marks(samples); len(marks) > 0 {
				t.Errorf("%s %s: %v", voice, name, marks)
			}
		}
	}
}

// dialogue lays turns of voices behind each other, some over the end of the
// one before, and says who speaks in each hundredth of a second (-1 nobody, -2
// several).
func dialogue(t testing.TB, voices []string, turns int, seed uint64) (samples []int16, who []int) {
	r := rand.New(rand.NewPCG(seed, 7))
	second := 0.5
	lines := make([][]int16, 0, turns)
	begins := make([]float64, 0, turns)
	by := make([]int, 0, turns)
	for n := range turns {
		v := n % len(voices)
		if r.IntN(6) == 0 {
			v = r.IntN(len(voices))
		}
		sound := say(t, voices[v], sentences[r.IntN(len(sentences))])
		lines, begins, by = append(lines, sound), append(begins, second), append(by, v)
		second += float64(len(sound))/rate + r.Float64()*0.9 - 0.15
	}
	samples = make([]int16, int((second+1)*rate))
	who = slices.Repeat([]int{-1}, len(samples)/(rate/100))
	for n, sound := range lines {
		at(samples, begins[n], sound)
		loud := truth(sound)
		last := len(loud) - 1
		for !loud[last] {
			last--
		}
		for h := int(begins[n]*100) + slices.Index(loud, true)*Frame*100/rate; h < int(begins[n]*100)+(last+1)*Frame*100/rate && h < len(who); h++ {
			if who[h] >= 0 && who[h] != by[n] {
				who[h] = -2
			} else {
				who[h] = by[n]
			}
		}
	}
	at(samples, 0, noise(len(samples), 40, seed))
	return telephone(samples), who
}

// errorRate is the diarisation error rate: missed speech, false alarms and
// confusion over speech, with the best mapping of speakers and a collar of a
// quarter of a second around every change (NIST, md-eval).
func errorRate(turns []Turn, who []int, voices int) float64 {
	got := slices.Repeat([]int{-1}, len(who))
	most := 0
	for _, t := range turns {
		most = max(most, t.Speaker+1)
		for h := max(0, int(t.From*100)); h < int(t.To*100) && h < len(got); h++ {
			got[h] = t.Speaker
		}
	}
	skip := make([]bool, len(who))
	for h := 1; h < len(who); h++ {
		if who[h] != who[h-1] {
			for k := max(0, h-25); k < min(len(who), h+25); k++ {
				skip[k] = true
			}
		}
	}
	best := math.Inf(1)
	permutations(max(most, voices), func(name []int) {
		var wrong, speech float64
		for h := range who {
			if skip[h] || who[h] == -2 {
				continue
			}
			is := -1
			if got[h] >= 0 {
				is = name[got[h]]
			}
			if who[h] >= 0 {
				speech++
			}
			if is != who[h] {
				wrong++
			}
		}
		best = min(best, wrong/speech)
	})
	return best
}

func permutations(n int, visit func([]int)) {
	p := make([]int, 0, n)
	var step func()
	step = func() {
		if len(p) == n {
			visit(p)
			return
		}
		for i := range n {
			if !slices.Contains(p, i) {
				p = append(p, i)
				step()
				p = p[:len(p)-1]
			}
		}
	}
	step()
}

func diarise(samples []int16) []Turn {
	v := NewVoices(4)
	v.Add(0, samples, Spans(Probabilities(samples), len(samples)))
	return v.Turns()
}

func TestVoicesAreToldApart(t *testing.T) {
	tests := []struct {
		name   string
		voices []string
	}{
		{"woman and man", []string{"en-us+f3", "en-gb-x-rp+m3"}},
		{"man and woman", []string{"en-us+m1", "en-gb-x-rp+f2"}},
		{"two men", []string{"en-us+m1", "en-gb-x-rp+m7"}},
		{"two men", []string{"en-gb-x-rp+m2", "en-us+m4"}},
		{"two women", []string{"en-us+f1", "en-gb-x-rp+f4"}},
		{"two women", []string{"en-us+f3", "en-gb-x-rp+f5"}},
		{"Russian", []string{"ru+f3", "ru+m3"}},
	}
	var sum, n float64
	for _, tt := range tests {
		for seed := range uint64(2) {
			samples, who := dialogue(t, tt.voices, 16, seed)
			turns := diarise(samples)
			der := errorRate(turns, who, 2)
			speakers := 0
			for _, u := range turns {
				speakers = max(speakers, u.Speaker+1)
			}
			sum, n = sum+der, n+1
			t.Logf("%-14s %v seed %d: %d speakers, DER %.1f%%", tt.name, tt.voices, seed, speakers, 100*der)
		}
	}
	t.Logf("mean DER %.1f%%", 100*sum/n)
	if sum/n > 0.15 {
		t.Errorf("mean DER %.1f%%, want 15%% or less", 100*sum/n)
	}
}

// A single voice is seldom taken for two: of five at most one.
func TestOneVoiceIsOne(t *testing.T) {
	split := 0
	for _, voice := range []string{"en-us+f3", "en-gb-x-rp+m3", "en-us+m1", "en-gb-x-rp+f5", "ru+m3"} {
		samples, _ := dialogue(t, []string{voice}, 14, 1)
		if turns := diarise(samples); slices.ContainsFunc(turns, func(u Turn) bool { return u.Speaker != 0 }) {
			t.Logf("%s is taken for two", voice)
			split++
		}
	}
	if split > 1 {
		t.Errorf("%d of 5 voices are taken for two", split)
	}
}

// What was collected survives a restart, and no speech at all is no trouble.
func TestVoicesGoOnAfterARestart(t *testing.T) {
	samples, _ := dialogue(t, []string{"en-us+f3", "en-gb-x-rp+m3"}, 8, 3)
	want := diarise(samples)
	half := len(samples) / 2 / blockSize * blockSize
	before := NewVoices(4)
	before.Add(0, samples, Spans(Probabilities(samples), len(samples)))
	saved, err := before.Save()
	if err != nil {
		t.Fatal(err)
	}
	after := NewVoices(4)
	if err := after.Load(saved); err != nil {
		t.Fatal(err)
	}
	if got := after.Turns(); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	after.Add(int64(len(samples)), samples[:half], []Span{{0, half}})
	if got := after.Turns(); got[len(got)-1].To < float64(len(samples))/rate {
		t.Errorf("the turns end at %.1f s", got[len(got)-1].To)
	}
	if err := after.Load([]byte("no gob")); err == nil {
		t.Error("loaded what is none")
	}
	if got := NewVoices(4).Turns(); got != nil {
		t.Errorf("got %v of nothing", got)
	}
}

func BenchmarkTenMinutes(b *testing.B) {
	samples, _ := dialogue(b, []string{"en-us+f3", "en-gb-x-rp+m3"}, 16, 1)
	samples = slices.Repeat(samples, 600*rate/len(samples)+1)[:600*rate]
	spans := Spans(Probabilities(samples), len(samples))
	for name, work := range map[string]func(){
		"activity": func() { Spans(Probabilities(samples), len(samples)) }, "marks": func() { Marks(samples) },
		"bleed": func() { Bleed([][]int16{samples, samples}, [][]Span{spans, spans}) }, "twins": func() { Twins(samples, samples) },
		"voices": func() { v := NewVoices(4); v.Add(0, samples, spans); v.Turns() },
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				work()
			}
		})
	}
}
