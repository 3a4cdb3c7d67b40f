package acoustic

import (
	"bytes"
	"encoding/binary"
	"math"
	"os/exec"
	"testing"
)

// coded is samples after GSM, as a mobile telephone hears the loudspeaker of another.
func coded(t testing.TB, samples []int16) []int16 {
	t.Helper()
	var raw bytes.Buffer
	if err := binary.Write(&raw, binary.LittleEndian, samples); err != nil {
		t.Fatal(err)
	}
	in := &raw
	for _, args := range [][]string{
		{"-f", "s16le", "-ar", "16000", "-ac", "1", "-i", "pipe:0", "-ar", "8000", "-c:a", "libgsm", "-f", "gsm", "pipe:1"},
		{"-f", "gsm", "-i", "pipe:0", "-f", "s16le", "-ar", "16000", "-ac", "1", "pipe:1"},
	} {
		cmd := exec.Command("ffmpeg", append([]string{"-v", "error"}, args...)...)
		cmd.Stdin = in
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		in = bytes.NewBuffer(out)
	}
	out := make([]int16, len(samples))
	for i := range min(len(out), in.Len()/2) {
		out[i] = int16(binary.LittleEndian.Uint16(in.Bytes()[2*i:]))
	}
	return out
}

// room is samples as heard across a room: a decaying crowd of reflections.
func room(samples []int16) []int16 {
	impulse := noise(rate/8, 1000, 9)
	out := make([]int16, len(samples))
	for k := 0; k < len(impulse); k += 37 {
		decay := float64(impulse[k]) / 1000 * 0.5 * exp10(-3*float64(k)/float64(len(impulse)))
		if k == 0 {
			decay = 1
		}
		for i := k; i < len(out); i++ {
			out[i] = clip(float64(out[i]) + decay*float64(samples[i-k]))
		}
	}
	return out
}

func TestBleedOfManyKinds(t *testing.T) {
	hum := sine(40*rate, 300, 50, 150, 250)
	straight := func(s []int16) []int16 { return s }
	tests := []struct {
		name          string
		voices        [2]string
		path          func([]int16) []int16 // nil: nothing comes through
		decibels      float64               // of what comes through
		delay         float64
		customer      float64 // decibels
		hum           bool
		noise         float64
		lost, through float64 // at most
	}{
		{"no bleed, a soft customer", [2]string{"en-us+f3", "en-gb-x-rp+m3"}, nil, 0, 0, -14, false, 3, 0.01, 1},
		{"no bleed, two soft men", [2]string{"en-us+m3", "en-us+m1"}, nil, 0, 0, -14, false, 3, 0.01, 1},
		{"no bleed, one voice twice", [2]string{"en-us+m3", "en-us+m3"}, nil, 0, 0, -14, false, 3, 0.01, 1},
		{"no bleed, hum on both", [2]string{"en-us+f3", "en-gb-x-rp+m3"}, nil, 0, 0, -16, true, 3, 0.01, 1},
		{"straight through", [2]string{"en-us+f3", "en-gb-x-rp+m3"}, straight, -16, 0.12, 0, false, 15, 0.03, 0.1},
		{"through at once", [2]string{"en-us+f3", "en-gb-x-rp+m3"}, straight, -12, 0, 0, false, 15, 0.03, 0.1},
		{"softly, a soft customer", [2]string{"en-us+m3", "en-us+m1"}, straight, -24, 0.2, -12, false, 3, 0.05, 0.1},
		{"through a codec", [2]string{"en-us+f3", "en-gb-x-rp+m3"}, func(s []int16) []int16 { return coded(t, s) }, -16, 0.2, 0, false, 15, 0.03, 0.3},
		{"through a room", [2]string{"en-us+f3", "en-gb-x-rp+m3"}, room, -16, 0.05, 0, false, 15, 0.03, 0.3},
		{"turned over", [2]string{"en-us+f3", "en-gb-x-rp+m3"}, func(s []int16) []int16 { return negate(s) }, -16, 0.05, 0, false, 15, 0.03, 0.1},
		{"through with hum", [2]string{"en-us+f3", "en-gb-x-rp+m3"}, straight, -14, 0.05, -6, true, 3, 0.05, 0.2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			operator, own := make([]int16, 60*rate), make([]int16, 60*rate)
			for i, second := range []float64{1, 12, 22, 28, 38, 50} {
				at(operator, second, say(t, tt.voices[0], sentences[[]int{0, 8, 10, 4, 8, 6}[i]]))
			}
			for i, second := range []float64{6, 14, 30, 33, 39, 42, 46} { // the second and the last but two over the operator
				at(own, second, scale(say(t, tt.voices[1], sentences[[]int{1, 5, 7, 3, 11, 7, 2}[i]]), tt.customer))
			}
			customer := make([]int16, len(own))
			at(customer, 0, own)
			echo := make([]int16, len(own))
			if tt.path != nil {
				at(echo, tt.delay, scale(tt.path(operator), tt.decibels))
			}
			at(customer, 0, echo)
			at(customer, 0, noise(len(customer), tt.noise, 1))
			if tt.hum {
				at(customer, 0, hum)
				at(operator, 0, hum)
			}
			spans := [][]Span{Spans(Probabilities(operator), len(operator)), Spans(Probabilities(customer), len(customer))}
			kept, bled := Bleed([][]int16{operator, customer}, spans)
			if len(bled[0]) > 0 {
				t.Errorf("%s: the operator's channel lost %v", tt.name, bled[0])
			}
			var lost, said, through, left float64
			voice, heard := truth(own), truth(echo)
			for i := range voice {
				switch {
				case voice[i] && covered(spans[1], i):
					said++
					if !covered(kept[1], i) {
						lost++
					}
				case tt.path != nil && heard[i] && covered(spans[1], i):
					through++
					if covered(kept[1], i) {
						left++
					}
				}
			}
			t.Logf("%-26s own lost %.3f, echo left %.3f (%d kept, %d bled)", tt.name, lost/said, left/max(1, through), len(kept[1]), len(bled[1]))
			if lost/said > tt.lost || left/max(1, through) > tt.through {
				t.Errorf("%s: of the customer's own voice %.3f lost, of the operator's %.3f left", tt.name, lost/said, left/max(1, through))
			}
		})
	}
}

// A channel whose voice is never the weaker one has no block to survey.
func TestBleedOfASilentOther(t *testing.T) {
	own := say(t, "en-us+f3", sentences[0])
	silent := make([]int16, len(own))
	spans := [][]Span{{{0, len(own)}}, nil}
	kept, bled := Bleed([][]int16{own, silent}, spans)
	if len(bled[0]) > 0 || length(kept[0]) != len(own) {
		t.Errorf("kept %v, bled %v, want all kept", kept[0], bled[0])
	}
}

func length(spans []Span) (n int) {
	for _, s := range spans {
		n += s.To - s.From
	}
	return n
}

func exp10(x float64) float64 { return math.Pow(10, x) }

func clip(v float64) int16 { return int16(min(max(v, -32768), 32767)) }

func negate(s []int16) []int16 {
	out := make([]int16, len(s))
	for i, v := range s {
		out[i] = -v
	}
	return out
}
