package transcribe

import (
	"strings"
	"testing"

	"earshot/processors/transcribe/speech"
	"earshot/schemas"
)

func TestGate(t *testing.T) {
	p := func(v float64) *float64 { return &v }
	same := "your order is on its way"
	tests := []struct {
		name   string
		s      speech.Segment
		voiced bool
		before []string
		want   string
	}{
		{"speech", speech.Segment{Text: "Hello, how can I help you?", NoSpeech: p(0.1), LogProb: p(-0.3)}, true, nil, ""},
		{"speech of an engine that measures nothing", speech.Segment{Text: "Hello."}, true, nil, ""},
		{"nobody there", speech.Segment{Text: "Hello."}, false, nil, schemas.SuppressedNoSound},
		{"a sound", speech.Segment{Text: "(door closes)"}, true, nil, schemas.SuppressedNoSpeech},
		{"a note", speech.Segment{Text: "♪"}, true, nil, schemas.SuppressedNoSpeech},
		{"doubtful", speech.Segment{Text: "Yes.", NoSpeech: p(0.8), LogProb: p(-1.2)}, true, nil, schemas.SuppressedNoSpeech},
		{"certain in spite of noise", speech.Segment{Text: "Yes.", NoSpeech: p(0.8), LogProb: p(-0.4)}, true, nil, ""},
		{"guessed", speech.Segment{Text: "The grass is read.", NoSpeech: p(0.1), LogProb: p(-2)}, true, nil, schemas.SuppressedLogProb},
		{"subtitles", speech.Segment{Text: "Thanks for watching!", NoSpeech: p(0.5)}, true, nil, schemas.SuppressedBoilerplate},
		{"subtitles in Russian", speech.Segment{Text: "Субтитры сделал DimaTorzok"}, true, nil, schemas.SuppressedBoilerplate},
		{"said, not subtitled", speech.Segment{Text: "See you next time.", NoSpeech: p(0.01)}, true, nil, ""},
		{"a loop", speech.Segment{Text: strings.Repeat("I am sorry. ", 5)}, true, nil, schemas.SuppressedRepetition},
		{"a loop behind something said", speech.Segment{Text: "So that is it, you know, you know, you know, you know, you know"}, true, nil, schemas.SuppressedRepetition},
		{"said twice", speech.Segment{Text: "Hello, hello? I am sorry, I am sorry."}, true, nil, ""},
		{"a number", speech.Segment{Text: "zero zero zero zero zero zero one"}, true, nil, ""},
		{"the third time in a row", speech.Segment{Text: "Your order is on its way."}, true, []string{same, same}, schemas.SuppressedRepetition},
		{"the second time", speech.Segment{Text: "Your order is on its way."}, true, []string{"hello", same}, ""},
		{"yes again", speech.Segment{Text: "Yes."}, true, []string{"yes", "yes"}, ""},
		{"little in many letters", speech.Segment{Text: strings.Repeat("bla blub bla blub bla, ", 4) + strings.Repeat("blub bla bla blub, ", 4)}, true, nil, schemas.SuppressedEntropy},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := gate(segment{Segment: tt.s}, tt.voiced, tt.before); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}
