package transcribe

import (
	"math"
	"slices"
	"testing"
)

func add(samples []int16, v int16) []int16 {
	out := slices.Clone(samples)
	for i := range out {
		out[i] += v
	}
	return out
}

func scale(samples []int16, by float64) []int16 {
	out := make([]int16, len(samples))
	for i := range out {
		out[i] = int16(by * float64(samples[i]))
	}
	return out
}

func TestSilenceIsTold(t *testing.T) {
	speech := babble(1, 1)
	tests := []struct {
		name    string
		samples []int16
		want    bool
	}{
		{"nothing at all", nil, false},
		{"digital silence", silence(1, rate), false},
		{"a constant offset", add(silence(1, rate), 2000), false},
		{"line noise at -66 dBFS", scale(tone(3000, 1, rate), math.Sqrt2*2*16/32768), false},
		{"a click", append(silence(1, rate), tone(500, 0.04, rate)...), false},
		{"speech", speech, true},
		{"quiet speech on an offset", add(scale(speech, 0.05), 2000), true},
		{"a word in a long silence", slices.Concat(silence(30, rate), speech[:rate/3], silence(30, rate)), true},
	}
	for _, tt := range tests {
		if got := anyVoice(activity(tt.samples)); got != tt.want {
			t.Errorf("%s: sound %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestTwins(t *testing.T) {
	a, b := babble(1, 3), babble(2, 3)
	noisy := slices.Clone(a)
	for i := range noisy {
		noisy[i] += int16(i*7919%101 - 50)
	}
	tests := []struct {
		name string
		a, b []int16
		want bool
	}{
		{"copies", a, a, true},
		{"a quieter copy", a, scale(a, 0.3), true},
		{"an inverted copy", a, scale(a, -1), true},
		{"copies with noise", a, noisy, true},
		{"two voices", a, b, false},
		{"one voice bleeding into the other", a, scale(a, 0.2)[: len(a)/2 : len(a)/2], false},
		{"one silent", a, silence(3, rate), false},
	}
	for _, tt := range tests {
		second := append(tt.b, b[len(tt.b):]...) // the rest is the other voice
		if got := twins(tt.a, second); got != tt.want {
			t.Errorf("%s: twins %v, want %v", tt.name, got, tt.want)
		}
	}
}

// A window is cut in a pause of all channels, never inside its first half.
func TestQuietestCut(t *testing.T) {
	left := slices.Concat(babble(1, 100), silence(5, rate), babble(1, 15))
	right := slices.Concat(babble(2, 103), silence(7, rate), babble(2, 10))
	if got := float64(quietest([][]int16{left, right}, len(left))) / rate; got < 103 || got > 105 {
		t.Errorf("cut at %.2f s, want within the common pause from 103 to 105", got)
	}
	if got := quietest([][]int16{left}, 100); got != 100 {
		t.Errorf("cut %d of 100 samples", got)
	}
	early := slices.Concat(silence(10, rate), tone(300, 50, rate))
	if got := float64(quietest([][]int16{early}, len(early))) / rate; got < 30 {
		t.Errorf("cut at %.2f s of 60", got)
	}
}

func TestOpeningBeginsWithTheFirstSound(t *testing.T) {
	samples := slices.Concat(silence(45, rate), babble(1, 40))
	got := opening(samples, activity(samples))
	if len(got) != clip || !slices.Equal(got[rate:2*rate], samples[46*rate:47*rate]) {
		t.Errorf("%d samples that do not begin at 45 s", len(got))
	}
}
