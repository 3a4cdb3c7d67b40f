package whisper

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"earshot/processors/transcribe/speech"
)

// tokensOf takes "text", or "text@hint" with a time before it.
func tokensOf(texts ...string) (all []token) {
	for _, text := range texts {
		t := token{p: 0.5, hint: math.NaN()}
		var at string
		if t.text, at, _ = strings.Cut(text, "@"); at != "" {
			if _, err := fmt.Sscan(at, &t.hint); err != nil {
				panic(err)
			}
		}
		all = append(all, t)
	}
	return all
}

func show(all []speech.Word) string {
	var b strings.Builder
	for _, w := range all {
		fmt.Fprintf(&b, "%.2f-%.2f %s|", w.Start, w.End, w.Text)
	}
	return b.String()
}

// Words of a segment from 10 to 14 s.
func TestWords(t *testing.T) {
	steady := make(loudness, 20*loudnessRate)
	for i := range steady {
		steady[i] = 1
	}
	tests := []struct {
		name     string
		language string
		tokens   []token
		want     string
	}{
		{"in proportion", "en", tokensOf(" a", " bcd"), "10.00-11.00 a|11.00-14.00 bcd|"},
		{"of several tokens", "en", tokensOf(" de", "liv", "ery", " now"), "10.00-12.91 delivery|12.91-14.00 now|"},
		{"by hints", "en", tokensOf(" a", " b@13", " c"), "10.00-13.00 a|13.00-13.50 b|13.50-14.00 c|"},
		{"hints that go back or out", "en", tokensOf(" a", " b@12", " c@11", " d@15"), "10.00-12.00 a|12.00-12.67 b|12.67-13.33 c|13.33-14.00 d|"},
		{"punctuation", "en", tokensOf(" yes", ",", " -", " no", "."), "10.00-12.18 yes, -|12.18-14.00 no.|"},
		{"punctuation first", "en", tokensOf(" \"", "yes", "\""), "10.00-14.00 \"yes\"|"},
		{"nothing but punctuation", "en", tokensOf("..."), "10.00-14.00 ...|"},
		{"half letters", "ru", tokensOf(" д\xd0", "\xb0", " не\xd1", "\x82"), "10.00-11.72 да|11.72-14.00 нет|"},
		{"no spaces", "zh", tokensOf("你", "好", "。"), "10.00-11.33 你|11.33-14.00 好。|"},
		{"nothing", "en", nil, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := words(tt.tokens, 10, 14, tt.language, steady)
			if show(got) != tt.want {
				t.Errorf("got  %s\nwant %s", show(got), tt.want)
			}
			for _, w := range got {
				if math.Abs(*w.Confidence-0.5) > 1e-9 {
					t.Errorf("%q: confidence %g", w.Text, *w.Confidence)
				}
			}
		})
	}
}

// Words lie where the sound is, whatever the length of their letters says.
func TestWordsFitTheSound(t *testing.T) {
	sound := make(loudness, 20*loudnessRate)
	for i := range sound {
		at := float64(i) / loudnessRate
		if at >= 10.5 && at < 11 || at >= 12.2 && at < 13.6 {
			sound[i] = 1
		} else {
			sound[i] = 0.01
		}
	}
	got := words(tokensOf(" one", " two@11.8"), 10, 14, "en", sound)
	if want := "10.50-11.00 one|12.20-13.60 two|"; show(got) != want {
		t.Errorf("got  %s\nwant %s", show(got), want)
	}
}

// Whatever the tokens and the sound are, times are in order and within the
// segment, and no text is lost.
func TestWordTimesAreInOrder(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	texts := []string{" a", " word", "ing", ",", ".", " -", " 42", "\xd0", "\xb0", " ", "", " \""}
	for range 1000 {
		tokens := make([]token, r.IntN(20))
		var said strings.Builder
		for i := range tokens {
			tokens[i] = token{text: texts[r.IntN(len(texts))], p: r.Float64(), hint: math.NaN()}
			if r.IntN(2) == 0 {
				tokens[i].hint = 40 * r.Float64()
			}
			said.WriteString(tokens[i].text)
		}
		start := 30 * r.Float64()
		end := start + 5*r.Float64()*float64(r.IntN(2))
		sound := make(loudness, r.IntN(40*loudnessRate))
		for i := range sound {
			sound[i] = float32(r.IntN(2))
		}
		got, joined := words(tokens, start, end, "en", sound), ""
		last := start
		for _, w := range got {
			if w.Start < last || w.End < w.Start || w.End > end {
				t.Fatalf("%g-%g: %s", start, end, show(got))
			}
			last = w.End
			joined += " " + w.Text
		}
		want := strings.Join(strings.Fields(strings.ToValidUTF8(said.String(), "")), "")
		if strings.Join(strings.Fields(joined), "") != want {
			t.Fatalf("of %q came %q", said.String(), joined)
		}
	}
}
